// Package offline makes bundles by homomorphic encryption between the two
// parties (design section 6): the powers correlations of every activation and
// the linear correlations of every layer, packed across the inferences of a
// group so that ciphertexts are full, and bound to the layers they serve.
//
// The client encrypts, the server evaluates. So the server's halves are seeds,
// and the client keeps only what it decrypts. [Client] and [Serve] are the two
// sides of one production run over any [api.Conn]; what they make is pending until
// both have written it and said so (Commit).
//
// Every message is fresh: seeds are drawn for each and used for nothing else. A
// failed exchange is thrown away whole: its run cannot go on, and the next run
// starts with new keys and new seeds.
package offline
