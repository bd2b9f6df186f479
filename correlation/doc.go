// Package correlation defines the correlated randomness that the offline phase
// makes and the online phase spends: for each [Kind] its specification ([Spec]),
// the two halves ([Half]), their encoding, and [Verify], which tells whether two
// halves belong together (for tests and audits: whoever holds both halves can
// read what they protect). [Backend] is what makes correlations, and [Bundle] all
// that one inference of one model needs.
//
// Party 0 is the server, party 1 the client. A half that is uniformly random is
// a seed, not bytes; which of the two that is depends on the backend, so either
// half of every kind may take either form.
//
// Halves have a binary encoding each: versioned, and decoded only once every
// length has been checked, so that bytes from anywhere are safe to decode.
// Printing a half shows what it is, never what it holds.
//
// A half is good for exactly one use. This package does not enforce that: the
// store does.
package correlation
