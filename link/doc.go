// Package link is everything between the processes of two parties: who they
// are, the connection that only they can use, and the messages on it.
//
// A party is an [Identity], an Ed25519 key pair; the other one knows it by its
// [PublicKey], which people pass on as a line of text. [Dial] and [Server] make
// a mutual TLS 1.3 connection on which each side accepts exactly the keys it
// was told to, whatever names, dates or issuers a certificate shows.
//
// On a connection either of many [Stream]s carries one exchange: messages of
// known kinds and bounded sizes, in both directions. A message of another kind
// or larger than the receiver allows is refused when it is announced, before
// memory is taken for it. A side that stalls, dies or gives up makes the
// other's pending call return an error that says which of these happened
// ([ErrStalled], [ErrLost], [RemoteError]).
//
// [Traffic] counts what a stream and a connection have carried, down to the
// bytes on the wire, and [Network] emulates a slower network between the two
// sides, for tests and benchmarks.
package link
