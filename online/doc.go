// Package online is the protocol of private inference (design section 4): the
// server's and the client's side of one batch of inferences, as state machines
// without sockets, clocks or storage. Messages go in, messages come out; who
// carries them is the caller's affair.
//
// The contract of both machines:
//
//   - Every bundle handed to [NewServer] or [NewClient] has been claimed, on
//     both sides, by a synced write, before the first message leaves. A machine
//     cannot check that; package store makes it possible and package party does
//     it.
//   - A bundle is given to one machine, once. The machine runs forward only:
//     after an error, or the end, every further step fails, so no mask covers
//     two different values.
//   - Messages are vectors of Z_{2^64}, little-endian, of some tensors or rows of
//     tensors of some of the batch's inferences (docs/protocol.md, section 5).
//     Lengths follow from the plan and are checked exactly.
//
// The client sends x − r. The server answers with z_S of the first activations, the
// client with p_C − r, and so on; the last answer is the server's share of the
// output. A network whose activations lie in k rounds ([model.Plan.Rounds]) takes
// k + 1 round trips. Within a round several messages may be under way: each machine
// says what it can send and what is due.
//
// Beside it there is [Session], for values that both parties share: a program of
// single operations, whose messages and correlations again are the caller's
// affair (docs/session.md).
package online
