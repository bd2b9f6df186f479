// Package ring is the arithmetic everything else is made of: vectors over
// Z_{2^64} (the linear ring) and Z_{2^128} (the power ring), the streams that
// expand seeds into them, and the kernels of the online phase.
//
// A vector over Z_{2^64} is a []uint64 and needs no type of its own: Go's
// unsigned arithmetic wraps as the ring does, and a negative number is its
// two's complement. A vector over Z_{2^128} is a [Vec128], two []uint64 side by
// side. Matrices and images are row-major vectors; images are NHWC (height,
// width, channel).
//
// Nothing here branches on, or indexes memory by, the value of a ring element,
// so the running time of a kernel depends on shapes alone.
package ring
