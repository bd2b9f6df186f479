// Package party is what a server and a client do with each other, put together
// from the other packages: they meet (compare stores), produce bundles and pools by
// whatever backend both agree on, and spend them: bundles on inferences, pools in
// programs that compute with shared values ([Joint]), or by opening samples and by
// exporting them. [Server] answers, [Client] asks. [SharedServer] is one of two that
// evaluate a model that neither knows.
//
// One stream of the link serves one purpose: one meeting, one production run,
// one batch of inferences, or one program. Streams of several purposes run side by side, so
// a server infers for one client while it produces for another, and one client
// process can do both at once.
//
// The order that keeps a bundle from being used twice:
//
//  1. Production writes both halves as pending, synced; they become ready only
//     once each party has said that it has written its own.
//  2. At every meeting the two stores compare what they made with each other. A
//     half whose twin is missing is dropped; a pending half whose twin is there
//     is ready. What was made with another store is left alone.
//  3. The server sets memory aside for a batch, or refuses it; nothing is claimed
//     before that. Then the batch claims its bundles in the client's store, then in
//     the server's, each by a synced write, before the first byte that depends on
//     them. A claim cannot be taken back: if anything fails after it, the bundles are
//     lost.
//  4. Elements of pools are claimed by range, in the same order of stores. Where the
//     stores disagree, what either has spent is spent at both.
package party
