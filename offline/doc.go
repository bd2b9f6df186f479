// Package offline makes correlations ahead of time. [Client] and [Serve] are the two
// sides of a production run over any [api.Conn]: they have a backend make what they
// need and bind it, bundles to the layers of a model, batches to pools. What they
// make is pending until both have written it and said so (Commit).
//
// [Lattigo] is the backend that makes every kind by homomorphic encryption between
// the two parties (design section 6), packed across the inferences of a group so
// that ciphertexts are full. The server's halves are seeds.
//
// Every message is fresh: seeds are drawn for each and used for nothing else. A
// failed exchange is thrown away whole: its run cannot go on, and the next run
// starts with new keys and new seeds.
package offline
