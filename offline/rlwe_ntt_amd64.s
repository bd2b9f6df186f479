#include "textflag.h"

// Number-theoretic transforms on eight words at a time, for primes below 2^61
// (rlwe_ntt.go says what they compute). A butterfly multiplies by Shoup's
// method: for a root w and its quotient w' = ⌊w·2^64/q⌋,
//
//	V·w − h·q mod 2^64, h within 2 below ⌊V·w'/2^64⌋
//
// lies in [0, 4q) for any V below 2^64. h is the sum of three products of
// halves; the fourth only carries. All running values stay below 8q < 2^64.

// MULTIPLY sets V to V·W mod q, below 4q: W the root, WQ its quotient, WH the
// quotient's high half. Z31 holds 4q, Z30 q. It spoils T0, T1 and T2.
#define MULTIPLY(V, W, WQ, WH, T0, T1, T2) \
	VPSRLQ   $32, V, T0  \
	VPMULUDQ WQ, T0, T1  \
	VPMULUDQ WH, V, T2   \
	VPMULUDQ WH, T0, T0  \
	VPSRLQ   $32, T1, T1 \
	VPSRLQ   $32, T2, T2 \
	VPADDQ   T1, T0, T0  \
	VPADDQ   T2, T0, T0  \
	VPMULLQ  W, V, V     \
	VPMULLQ  Z30, T0, T0 \
	VPSUBQ   T0, V, V

// REDUCE takes V from below 2·M to below M.
#define REDUCE(V, M, T0) \
	VPSUBQ  M, V, T0 \
	VPMINUQ T0, V, V

// FORWARD is the butterfly U, V = U + V·W, U − V·W, below 8q both before and
// after.
#define FORWARD(U, V, W, WQ, WH, T0, T1, T2) \
	MULTIPLY(V, W, WQ, WH, T0, T1, T2) \
	REDUCE(U, Z31, T0)                 \
	VPADDQ Z31, U, T0                  \
	VPADDQ V, U, U                     \
	VPSUBQ V, T0, V

// INVERSE is the butterfly U, V = U + V, (U − V)·W, below 4q both before and
// after.
#define INVERSE(U, V, W, WQ, WH, T0, T1, T2, T3) \
	VPADDQ Z31, U, T3                   \
	VPADDQ V, U, U                      \
	VPSUBQ V, T3, V                     \
	MULTIPLY(V, W, WQ, WH, T0, T1, T2)  \
	REDUCE(U, Z31, T0)

#define MODULUS \
	VPBROADCASTQ q+40(FP), Z30 \
	VPSLLQ       $2, Z30, Z31

// func nttForward4(p, w, wq *uint64, m, t int, q uint64)
//
// Two stages: m groups of 2t elements, then 2m groups of t, t ≥ 16.
TEXT ·nttForward4(SB), NOSPLIT, $0-48
	MOVQ p+0(FP), SI
	MOVQ w+8(FP), R8
	MOVQ wq+16(FP), R9
	MOVQ m+24(FP), CX
	MOVQ t+32(FP), DX
	MODULUS
	SHLQ $2, DX             // bytes of a quarter of a group
	LEAQ (R8)(CX*8), R10    // the root of the group in stage 1
	LEAQ (R9)(CX*8), R11
	MOVQ CX, AX
	SHLQ $4, AX
	ADDQ AX, R8             // the two roots of the group in stage 2
	ADDQ AX, R9
	LEAQ (DX)(DX*2), BX     // three quarters

group:
	VPBROADCASTQ (R10), Z0
	VPBROADCASTQ (R11), Z1
	VPBROADCASTQ (R8), Z3
	VPBROADCASTQ (R9), Z4
	VPBROADCASTQ 8(R8), Z6
	VPBROADCASTQ 8(R9), Z7
	VPSRLQ       $32, Z1, Z2
	VPSRLQ       $32, Z4, Z5
	VPSRLQ       $32, Z7, Z8
	MOVQ         DX, DI

vector:
	VMOVDQU64 (SI), Z10
	VMOVDQU64 (SI)(DX*1), Z11
	VMOVDQU64 (SI)(DX*2), Z12
	VMOVDQU64 (SI)(BX*1), Z13
	FORWARD(Z10, Z12, Z0, Z1, Z2, Z14, Z15, Z16)
	FORWARD(Z11, Z13, Z0, Z1, Z2, Z17, Z18, Z19)
	FORWARD(Z10, Z11, Z3, Z4, Z5, Z20, Z21, Z22)
	FORWARD(Z12, Z13, Z6, Z7, Z8, Z23, Z24, Z25)
	VMOVDQU64 Z10, (SI)
	VMOVDQU64 Z11, (SI)(DX*1)
	VMOVDQU64 Z12, (SI)(DX*2)
	VMOVDQU64 Z13, (SI)(BX*1)
	ADDQ      $64, SI
	SUBQ      $64, DI
	JNZ       vector

	ADDQ BX, SI
	ADDQ $8, R10
	ADDQ $8, R11
	ADDQ $16, R8
	ADDQ $16, R9
	DECQ CX
	JNZ  group
	VZEROUPPER
	RET

// func nttForward2(p, w, wq *uint64, m, t int, q uint64)
//
// One stage of one group, m = 1: 2t elements, t ≥ 8.
TEXT ·nttForward2(SB), NOSPLIT, $0-48
	MOVQ p+0(FP), SI
	MOVQ w+8(FP), R8
	MOVQ wq+16(FP), R9
	MOVQ t+32(FP), DX
	MODULUS
	SHLQ $3, DX
	VPBROADCASTQ 8(R8), Z0
	VPBROADCASTQ 8(R9), Z1
	VPSRLQ       $32, Z1, Z2
	MOVQ         DX, DI

vector:
	VMOVDQU64 (SI), Z10
	VMOVDQU64 (SI)(DX*1), Z11
	FORWARD(Z10, Z11, Z0, Z1, Z2, Z14, Z15, Z16)
	VMOVDQU64 Z10, (SI)
	VMOVDQU64 Z11, (SI)(DX*1)
	ADDQ      $64, SI
	SUBQ      $64, DI
	JNZ       vector
	VZEROUPPER
	RET

// Order of the roots of stages of four, two and one element in the registers
// of the last pass forward and the first pass back.
DATA ·nttOrder4+0x00(SB)/8, $0
DATA ·nttOrder4+0x08(SB)/8, $0
DATA ·nttOrder4+0x10(SB)/8, $0
DATA ·nttOrder4+0x18(SB)/8, $0
DATA ·nttOrder4+0x20(SB)/8, $1
DATA ·nttOrder4+0x28(SB)/8, $1
DATA ·nttOrder4+0x30(SB)/8, $1
DATA ·nttOrder4+0x38(SB)/8, $1
GLOBL ·nttOrder4(SB), RODATA|NOPTR, $64

DATA ·nttOrder2+0x00(SB)/8, $0
DATA ·nttOrder2+0x08(SB)/8, $0
DATA ·nttOrder2+0x10(SB)/8, $2
DATA ·nttOrder2+0x18(SB)/8, $2
DATA ·nttOrder2+0x20(SB)/8, $1
DATA ·nttOrder2+0x28(SB)/8, $1
DATA ·nttOrder2+0x30(SB)/8, $3
DATA ·nttOrder2+0x38(SB)/8, $3
GLOBL ·nttOrder2(SB), RODATA|NOPTR, $64

DATA ·nttOrder1+0x00(SB)/8, $0
DATA ·nttOrder1+0x08(SB)/8, $1
DATA ·nttOrder1+0x10(SB)/8, $4
DATA ·nttOrder1+0x18(SB)/8, $5
DATA ·nttOrder1+0x20(SB)/8, $2
DATA ·nttOrder1+0x28(SB)/8, $3
DATA ·nttOrder1+0x30(SB)/8, $6
DATA ·nttOrder1+0x38(SB)/8, $7
GLOBL ·nttOrder1(SB), RODATA|NOPTR, $64

DATA ·nttBackOrder4+0x00(SB)/8, $0
DATA ·nttBackOrder4+0x08(SB)/8, $0
DATA ·nttBackOrder4+0x10(SB)/8, $1
DATA ·nttBackOrder4+0x18(SB)/8, $1
DATA ·nttBackOrder4+0x20(SB)/8, $0
DATA ·nttBackOrder4+0x28(SB)/8, $0
DATA ·nttBackOrder4+0x30(SB)/8, $1
DATA ·nttBackOrder4+0x38(SB)/8, $1
GLOBL ·nttBackOrder4(SB), RODATA|NOPTR, $64

// Where sixteen elements in memory come from in (even, odd) registers, and the
// other way round: words 0 to 7 are of the first register, 8 to 15 of the
// second.
DATA ·nttJoinLow+0x00(SB)/8, $0
DATA ·nttJoinLow+0x08(SB)/8, $8
DATA ·nttJoinLow+0x10(SB)/8, $1
DATA ·nttJoinLow+0x18(SB)/8, $9
DATA ·nttJoinLow+0x20(SB)/8, $4
DATA ·nttJoinLow+0x28(SB)/8, $12
DATA ·nttJoinLow+0x30(SB)/8, $5
DATA ·nttJoinLow+0x38(SB)/8, $13
GLOBL ·nttJoinLow(SB), RODATA|NOPTR, $64

DATA ·nttJoinHigh+0x00(SB)/8, $2
DATA ·nttJoinHigh+0x08(SB)/8, $10
DATA ·nttJoinHigh+0x10(SB)/8, $3
DATA ·nttJoinHigh+0x18(SB)/8, $11
DATA ·nttJoinHigh+0x20(SB)/8, $6
DATA ·nttJoinHigh+0x28(SB)/8, $14
DATA ·nttJoinHigh+0x30(SB)/8, $7
DATA ·nttJoinHigh+0x38(SB)/8, $15
GLOBL ·nttJoinHigh(SB), RODATA|NOPTR, $64

DATA ·nttEven+0x00(SB)/8, $0
DATA ·nttEven+0x08(SB)/8, $2
DATA ·nttEven+0x10(SB)/8, $8
DATA ·nttEven+0x18(SB)/8, $10
DATA ·nttEven+0x20(SB)/8, $4
DATA ·nttEven+0x28(SB)/8, $6
DATA ·nttEven+0x30(SB)/8, $12
DATA ·nttEven+0x38(SB)/8, $14
GLOBL ·nttEven(SB), RODATA|NOPTR, $64

DATA ·nttOdd+0x00(SB)/8, $1
DATA ·nttOdd+0x08(SB)/8, $3
DATA ·nttOdd+0x10(SB)/8, $9
DATA ·nttOdd+0x18(SB)/8, $11
DATA ·nttOdd+0x20(SB)/8, $5
DATA ·nttOdd+0x28(SB)/8, $7
DATA ·nttOdd+0x30(SB)/8, $13
DATA ·nttOdd+0x38(SB)/8, $15
GLOBL ·nttOdd(SB), RODATA|NOPTR, $64

// func nttForwardLast(p, w, wq *uint64, m, n int, q uint64)
//
// The last three stages, of groups of eight, four and two elements, in
// registers; the results are below q. m is n/8.
TEXT ·nttForwardLast(SB), NOSPLIT, $0-48
	MOVQ p+0(FP), SI
	MOVQ w+8(FP), R8
	MOVQ wq+16(FP), R9
	MOVQ m+24(FP), CX
	MODULUS
	VPSLLQ    $1, Z30, Z29
	VMOVDQU64 ·nttOrder4(SB), Z28
	VMOVDQU64 ·nttOrder2(SB), Z27
	VMOVDQU64 ·nttOrder1(SB), Z26
	VMOVDQU64 ·nttJoinLow(SB), Z25
	VMOVDQU64 ·nttJoinHigh(SB), Z24
	LEAQ (R8)(CX*8), R10   // n/8: stage of four
	LEAQ (R9)(CX*8), R11
	LEAQ (R10)(CX*8), R12  // n/4: of two
	LEAQ (R11)(CX*8), R13
	LEAQ (R12)(CX*8), AX
	LEAQ (AX)(CX*8), AX    // n/2: of one
	LEAQ (R13)(CX*8), BX
	LEAQ (BX)(CX*8), BX
	SHRQ $1, CX            // sixteen elements at a time

block:
	VMOVDQU64       (SI), Z10
	VMOVDQU64       64(SI), Z11
	VBROADCASTI64X2 (R10), Z0
	VBROADCASTI64X2 (R11), Z1
	VPERMQ          Z0, Z28, Z0
	VPERMQ          Z1, Z28, Z1
	VPSRLQ          $32, Z1, Z2
	VSHUFI64X2      $0x44, Z11, Z10, Z12
	VSHUFI64X2      $0xEE, Z11, Z10, Z13
	FORWARD(Z12, Z13, Z0, Z1, Z2, Z14, Z15, Z16)

	VBROADCASTI64X4 (R12), Z3
	VBROADCASTI64X4 (R13), Z4
	VPERMQ          Z3, Z27, Z3
	VPERMQ          Z4, Z27, Z4
	VPSRLQ          $32, Z4, Z5
	VSHUFI64X2      $0x88, Z13, Z12, Z10
	VSHUFI64X2      $0xDD, Z13, Z12, Z11
	FORWARD(Z10, Z11, Z3, Z4, Z5, Z14, Z15, Z16)

	VMOVDQU64   (AX), Z6
	VMOVDQU64   (BX), Z7
	VPERMQ      Z6, Z26, Z6
	VPERMQ      Z7, Z26, Z7
	VPSRLQ      $32, Z7, Z8
	VPUNPCKLQDQ Z11, Z10, Z12
	VPUNPCKHQDQ Z11, Z10, Z13
	FORWARD(Z12, Z13, Z6, Z7, Z8, Z14, Z15, Z16)

	REDUCE(Z12, Z31, Z14)
	REDUCE(Z13, Z31, Z15)
	REDUCE(Z12, Z29, Z14)
	REDUCE(Z13, Z29, Z15)
	REDUCE(Z12, Z30, Z14)
	REDUCE(Z13, Z30, Z15)
	VMOVDQA64 Z12, Z10
	VPERMT2Q  Z13, Z25, Z10
	VPERMT2Q  Z13, Z24, Z12
	VMOVDQU64 Z10, (SI)
	VMOVDQU64 Z12, 64(SI)
	ADDQ      $128, SI
	ADDQ      $16, R10
	ADDQ      $16, R11
	ADDQ      $32, R12
	ADDQ      $32, R13
	ADDQ      $64, AX
	ADDQ      $64, BX
	DECQ      CX
	JNZ       block
	VZEROUPPER
	RET

// func nttBackFirst(p, w, wq *uint64, m, n int, q uint64)
//
// The first three stages back, of groups of two, four and eight elements. m is
// n/8.
TEXT ·nttBackFirst(SB), NOSPLIT, $0-48
	MOVQ p+0(FP), SI
	MOVQ w+8(FP), R8
	MOVQ wq+16(FP), R9
	MOVQ m+24(FP), CX
	MODULUS
	VMOVDQU64 ·nttBackOrder4(SB), Z28
	VMOVDQU64 ·nttOrder2(SB), Z27
	VMOVDQU64 ·nttOrder1(SB), Z26
	VMOVDQU64 ·nttEven(SB), Z25
	VMOVDQU64 ·nttOdd(SB), Z24
	LEAQ (R8)(CX*8), R10
	LEAQ (R9)(CX*8), R11
	LEAQ (R10)(CX*8), R12
	LEAQ (R11)(CX*8), R13
	LEAQ (R12)(CX*8), AX
	LEAQ (AX)(CX*8), AX
	LEAQ (R13)(CX*8), BX
	LEAQ (BX)(CX*8), BX
	SHRQ $1, CX

block:
	VMOVDQU64 (SI), Z12
	VMOVDQU64 64(SI), Z11
	VMOVDQU64 (AX), Z6
	VMOVDQU64 (BX), Z7
	VPERMQ    Z6, Z26, Z6
	VPERMQ    Z7, Z26, Z7
	VPSRLQ    $32, Z7, Z8
	VMOVDQA64 Z12, Z10
	VPERMT2Q  Z11, Z25, Z10
	VPERMT2Q  Z11, Z24, Z12
	INVERSE(Z10, Z12, Z6, Z7, Z8, Z14, Z15, Z16, Z17)

	VBROADCASTI64X4 (R12), Z3
	VBROADCASTI64X4 (R13), Z4
	VPERMQ          Z3, Z27, Z3
	VPERMQ          Z4, Z27, Z4
	VPSRLQ          $32, Z4, Z5
	VPUNPCKLQDQ     Z12, Z10, Z11
	VPUNPCKHQDQ     Z12, Z10, Z13
	INVERSE(Z11, Z13, Z3, Z4, Z5, Z14, Z15, Z16, Z17)

	VBROADCASTI64X2 (R10), Z0
	VBROADCASTI64X2 (R11), Z1
	VPERMQ          Z0, Z28, Z0
	VPERMQ          Z1, Z28, Z1
	VPSRLQ          $32, Z1, Z2
	VSHUFI64X2      $0x44, Z13, Z11, Z10
	VSHUFI64X2      $0xEE, Z13, Z11, Z12
	INVERSE(Z10, Z12, Z0, Z1, Z2, Z14, Z15, Z16, Z17)

	VSHUFI64X2 $0x88, Z12, Z10, Z11
	VSHUFI64X2 $0xDD, Z12, Z10, Z13
	VMOVDQU64  Z11, (SI)
	VMOVDQU64  Z13, 64(SI)
	ADDQ       $128, SI
	ADDQ       $16, R10
	ADDQ       $16, R11
	ADDQ       $32, R12
	ADDQ       $32, R13
	ADDQ       $64, AX
	ADDQ       $64, BX
	DECQ       CX
	JNZ        block
	VZEROUPPER
	RET

// func nttBack4(p, w, wq *uint64, m, t int, q uint64)
//
// Two stages back: 2m groups of 2t elements, then m groups of 4t, t ≥ 8.
TEXT ·nttBack4(SB), NOSPLIT, $0-48
	MOVQ p+0(FP), SI
	MOVQ w+8(FP), R8
	MOVQ wq+16(FP), R9
	MOVQ m+24(FP), CX
	MOVQ t+32(FP), DX
	MODULUS
	SHLQ $3, DX
	LEAQ (R8)(CX*8), R10    // the root of the group in stage 2
	LEAQ (R9)(CX*8), R11
	MOVQ CX, AX
	SHLQ $4, AX
	ADDQ AX, R8             // the two roots of the group in stage 1
	ADDQ AX, R9
	LEAQ (DX)(DX*2), BX

group:
	VPBROADCASTQ (R10), Z0
	VPBROADCASTQ (R11), Z1
	VPBROADCASTQ (R8), Z3
	VPBROADCASTQ (R9), Z4
	VPBROADCASTQ 8(R8), Z6
	VPBROADCASTQ 8(R9), Z7
	VPSRLQ       $32, Z1, Z2
	VPSRLQ       $32, Z4, Z5
	VPSRLQ       $32, Z7, Z8
	MOVQ         DX, DI

vector:
	VMOVDQU64 (SI), Z10
	VMOVDQU64 (SI)(DX*1), Z11
	VMOVDQU64 (SI)(DX*2), Z12
	VMOVDQU64 (SI)(BX*1), Z13
	INVERSE(Z10, Z11, Z3, Z4, Z5, Z14, Z15, Z16, Z26)
	INVERSE(Z12, Z13, Z6, Z7, Z8, Z17, Z18, Z19, Z27)
	INVERSE(Z10, Z12, Z0, Z1, Z2, Z20, Z21, Z22, Z28)
	INVERSE(Z11, Z13, Z0, Z1, Z2, Z23, Z24, Z25, Z29)
	VMOVDQU64 Z10, (SI)
	VMOVDQU64 Z11, (SI)(DX*1)
	VMOVDQU64 Z12, (SI)(DX*2)
	VMOVDQU64 Z13, (SI)(BX*1)
	ADDQ      $64, SI
	SUBQ      $64, DI
	JNZ       vector

	ADDQ BX, SI
	ADDQ $8, R10
	ADDQ $8, R11
	ADDQ $16, R8
	ADDQ $16, R9
	DECQ CX
	JNZ  group
	VZEROUPPER
	RET

// func nttBack2(p, w, wq *uint64, m, t int, q uint64)
//
// One stage back of one group, m = 1: 2t elements, t ≥ 8.
TEXT ·nttBack2(SB), NOSPLIT, $0-48
	MOVQ p+0(FP), SI
	MOVQ w+8(FP), R8
	MOVQ wq+16(FP), R9
	MOVQ t+32(FP), DX
	MODULUS
	SHLQ $3, DX
	VPBROADCASTQ 8(R8), Z0
	VPBROADCASTQ 8(R9), Z1
	VPSRLQ       $32, Z1, Z2
	MOVQ         DX, DI

vector:
	VMOVDQU64 (SI), Z10
	VMOVDQU64 (SI)(DX*1), Z11
	INVERSE(Z10, Z11, Z0, Z1, Z2, Z14, Z15, Z16, Z17)
	VMOVDQU64 Z10, (SI)
	VMOVDQU64 Z11, (SI)(DX*1)
	ADDQ      $64, SI
	SUBQ      $64, DI
	JNZ       vector
	VZEROUPPER
	RET

// func nttScale(p, w, wq *uint64, m, n int, q uint64)
//
// Multiplies n words by the root *w, with quotient *wq, to below q.
TEXT ·nttScale(SB), NOSPLIT, $0-48
	MOVQ p+0(FP), SI
	MOVQ w+8(FP), R8
	MOVQ wq+16(FP), R9
	MOVQ n+32(FP), DX
	MODULUS
	VPSLLQ       $1, Z30, Z29
	VPBROADCASTQ (R8), Z0
	VPBROADCASTQ (R9), Z1
	VPSRLQ       $32, Z1, Z2

vector:
	VMOVDQU64 (SI), Z10
	VMOVDQU64 64(SI), Z11
	MULTIPLY(Z10, Z0, Z1, Z2, Z14, Z15, Z16)
	MULTIPLY(Z11, Z0, Z1, Z2, Z17, Z18, Z19)
	REDUCE(Z10, Z29, Z14)
	REDUCE(Z11, Z29, Z17)
	REDUCE(Z10, Z30, Z14)
	REDUCE(Z11, Z30, Z17)
	VMOVDQU64 Z10, (SI)
	VMOVDQU64 Z11, 64(SI)
	ADDQ      $128, SI
	SUBQ      $16, DX
	JNZ       vector
	VZEROUPPER
	RET
