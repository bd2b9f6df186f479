// Package mpspdz writes correlations as preprocessing files of MP-SPDZ
// (github.com/data61/MP-SPDZ), for its two-party protocol semi2k over Z_{2^64}.
// Party 0 there is party 0 here, the server.
//
// A [Writer] fills one file of one party, in the layout of MP-SPDZ's Player-Data:
//
//	DIR/2-DR-64/Triples-DR-P<i>             a, b, ab of each triple
//	DIR/2-DR-64/Squares-DR-P<i>             a, a² of each square
//	DIR/2-DR-64/Matrix-<m>x<k>x<n>-P<i>     A, B, AB of each triple, row-major
//	DIR/2-D2-128/, DIR/2-DB-64/             empty; MP-SPDZ asks for them
//
// Every file begins with the same 17 bytes, then come the party's shares, eight
// bytes each, little-endian, nothing in between and nothing after:
//
//	+------------------+-------------+----------------+
//	| 9 (8)            | "Z2^64" (5) | 64 (4)         |
//	+------------------+-------------+----------------+
//	| for each element: its shares, in the order above |
//	+--------------------------------------------------+
//
// The two parties export the same elements in the same order: MP-SPDZ takes
// element n of one file to belong to element n of the other. It reads these files
// if it is started with -F, and cuts off what a program has used of triples and
// squares when the program ends. A program may need a few more than it uses: see
// [Padded].
//
// Files of matrix triples it reads from the beginning in every run and in every
// thread, and never cuts. Whoever runs such a program twice, or multiplies
// matrices of one size in two threads, uses the same triples twice, which gives
// secrets away: run it once, in one thread, and delete the file.
package mpspdz
