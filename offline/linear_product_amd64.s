#include "textflag.h"

// One part of mulAdd for four coefficients: x at offset BX + at, sums at DI + sums;
// Y0 and Y1 hold the low and high halves of w.
#define PRODUCT(x, at, sums) \
	VMOVDQU at(x)(BX*1), Y2    \ // low halves, where VPMULUDQ reads
	VPSRLQ  $32, Y2, Y3        \ // high halves
	VPMULUDQ Y0, Y2, Y4        \
	VPMULUDQ Y0, Y3, Y5        \
	VPMULUDQ Y1, Y2, Y6        \
	VPMULUDQ Y1, Y3, Y7        \
	VPADDQ  Y5, Y6, Y5         \
	VPADDQ  sums(DI), Y4, Y4   \
	VPADDQ  (sums+64)(DI), Y5, Y5 \
	VPADDQ  (sums+128)(DI), Y7, Y7 \
	VMOVDQU Y4, sums(DI)       \
	VMOVDQU Y5, (sums+64)(DI)  \
	VMOVDQU Y7, (sums+128)(DI)

// func mulAddAVX2(sums *productSums, w, x0, x1 *[productBlock]uint64)
TEXT ·mulAddAVX2(SB), NOSPLIT, $0-32
	MOVQ sums+0(FP), DI
	MOVQ w+8(FP), SI
	MOVQ x0+16(FP), R8
	MOVQ x1+24(FP), R9
	XORQ BX, BX

mulAddLoop:
	VMOVDQU (SI)(BX*1), Y0
	VPSRLQ  $32, Y0, Y1
	PRODUCT(R8, 0, 0)
	PRODUCT(R9, 0, 192)
	VMOVDQU 32(SI)(BX*1), Y0
	VPSRLQ  $32, Y0, Y1
	PRODUCT(R8, 32, 32)
	PRODUCT(R9, 32, 224)
	ADDQ    $384, DI
	ADDQ    $64, BX
	CMPQ    BX, $2048
	JB      mulAddLoop
	VZEROUPPER
	RET

// One tap of combine for four coefficients: Y8 holds the weight.
#define TAP(at, low, high) \
	VMOVDQU at(R11), Y9      \
	VPMULDQ Y8, Y9, Y10      \
	VPADDQ  Y10, low, low    \
	VPSRLQ  $32, Y9, Y9      \
	VPMULDQ Y8, Y9, Y9       \
	VPADDQ  Y9, high, high

// The end of combine for four coefficients: Y11 holds halfMask, Y12 delta.
#define REDUCE(at, low, high) \
	VPAND    Y11, high, Y9    \
	VPSLLQ   $27, Y9, Y9      \
	VPADDQ   Y9, low, low     \
	VPSRLQ   $27, high, high  \
	VPMULUDQ Y12, high, high  \
	VPADDQ   high, low, low   \
	VPSRLQ   $27, low, high   \
	VPSLLQ   $32, high, high  \
	VPAND    Y11, low, low    \
	VPOR     high, low, low   \
	VMOVDQU  low, at(DI)(BX*1)

// func combineAVX2(dst *[productBlock]uint64, table *uint64, offsets *uint64, weights *int64, taps int, delta, startLow, startHigh uint64)
TEXT ·combineAVX2(SB), NOSPLIT, $0-64
	MOVQ dst+0(FP), DI
	MOVQ table+8(FP), SI
	MOVQ offsets+16(FP), R8
	MOVQ weights+24(FP), R9
	MOVQ taps+32(FP), R10
	MOVQ $0x7ffffff, AX
	VMOVQ AX, X11
	VPBROADCASTQ X11, Y11
	VPBROADCASTQ delta+40(FP), Y12
	VPBROADCASTQ startLow+48(FP), Y13
	VPBROADCASTQ startHigh+56(FP), Y14
	XORQ BX, BX

combineLoop:
	VMOVDQA Y13, Y0
	VMOVDQA Y13, Y1
	VMOVDQA Y13, Y2
	VMOVDQA Y13, Y3
	VMOVDQA Y14, Y4
	VMOVDQA Y14, Y5
	VMOVDQA Y14, Y6
	VMOVDQA Y14, Y7
	XORQ    CX, CX

tapLoop:
	MOVQ (R8)(CX*8), R11
	ADDQ SI, R11
	VPBROADCASTQ (R9)(CX*8), Y8
	TAP(0, Y0, Y4)
	TAP(32, Y1, Y5)
	TAP(64, Y2, Y6)
	TAP(96, Y3, Y7)
	INCQ CX
	CMPQ CX, R10
	JB   tapLoop

	REDUCE(0, Y0, Y4)
	REDUCE(32, Y1, Y5)
	REDUCE(64, Y2, Y6)
	REDUCE(96, Y3, Y7)
	ADDQ $128, SI
	ADDQ $128, BX
	CMPQ BX, $2048
	JB   combineLoop
	VZEROUPPER
	RET
