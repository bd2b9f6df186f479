// Package dealer makes correlations by a trusted dealer: [Server] is the dealer's
// service, [Backend] the parties' side of it (design section 7). The dealer must
// not work together with either party, for it knows both halves of what it deals;
// but it never sees a weight, an input, or anything that depends on them.
//
// # A batch
//
// Each call of Generate is one batch. Both parties open a stream to the dealer
// and send Deal; the dealer matches the two by the batch's name and the two
// parties' keys, of which the link has authenticated the sender's, and compares
// what they ask for: where anything differs, both get an error that says what. It
// draws a fresh root seed for each party, and the seed of a half is derived from
// it. So party 1's halves are 32 bytes for the whole batch. Party 0 gets a root
// seed too, and its columns that are products (correlation.Column) explicit, as
// corrections: what makes the two halves a correlation. These are uniform to
// party 0, being the product less party 1's share of it, whose stream only party
// 1 and the dealer know. Party 1's stream ends when party 0 has been sent all of
// the batch, or with the error that ended it: so both know whether the batch was
// dealt.
//
// A batch's name is the hash of both parties' keys, of a nonce of each, drawn
// afresh for each run and exchanged over their own link, and of the number of the
// batch in the run. Neither party can make a name repeat, so no request can be
// matched with one of another run or batch. The dealer does not rely on that: it
// remembers nothing, and what it deals is fresh whatever the name.
//
// # Linear correlations
//
// Party 0 holds the weights W of a layer and party 1 chooses r; they need s and y
// with s + y = W∗r mod 2^64, s uniform to party 0 and y to party 1.
//
//	once per run and layer
//	  party 0 → dealer   a seed, which expands to B, uniform mod 2^64, shaped like W
//	  party 0 → party 1  F = W − B
//	for each inference
//	  dealer → party 1   seeds of r′ and u, uniform mod 2^64
//	  dealer → party 0   c = B∗r′ − u
//	  party 1 → party 0  e = r − r′
//	party 0 takes s = c + W∗e, party 1 takes y = u + F∗r′
//
// It is right, and exact: s + y = (B + F)∗r′ + W∗e = W∗r′ + W∗(r − r′) = W∗r.
//
// The dealer sees B's seed and what it drew itself: nothing of W or r. F and e
// pass between the parties alone.
//
// Party 1 sees F, r′ and u. B is uniform and otherwise known to party 0 and the
// dealer only, so F is uniform whatever W is, and so are r′ and u: all that party
// 1 sees can be simulated from its own output (r, y) by drawing F and r′ and
// setting u = y − F∗r′. In particular y is uniform and independent of W, for u
// enters nothing else that it sees. Party 0 sees B, e and c. r′ and u are uniform
// and otherwise known to party 1 and the dealer only, so (e, c) is uniform whatever
// r is: simulated from (W, s) by drawing B and e and setting c = s − W∗e. In
// particular s is uniform and independent of r.
//
// Neither would hold if u or r′ served twice: each inference has its own part of
// the streams of its own request, and each batch its own seeds. F serves a whole
// run, and both arguments hold for all its inferences together: each adds an r′
// and a u of its own. B serves one W only: its seed is drawn for each run, and
// each layer has its own domain.
package dealer
