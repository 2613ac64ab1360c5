//go:build amd64 && !purego

#include "textflag.h"

// Byte order of message words: big-endian in memory, one word a lane in the register.
DATA swap64<>+0(SB)/8, $0x0001020304050607
DATA swap64<>+8(SB)/8, $0x08090a0b0c0d0e0f
GLOBL swap64<>(SB), RODATA|NOPTR, $16

// SHA-512 (FIPS 180-4 §6.4) with everything secret in registers.
//
//   R8 to R15  working variables a to h
//   X0 to X7   the last sixteen words of the message schedule, two each, in a ring of eight
//   X8 to X11  scratch, X12 byte order, X13 what message words are XORed with
//   AX, BX, CX scratch; DX groups of sixteen rounds left, SI message, DI round constants

// One round (§6.4.2 step 3) with constant + word in AX. In place of a rotation of all variables, d and h are replaced,
// and the next round has its arguments rotated. The sums of three rotations are nested: Σ1 is those by 14, 18 and 41.
#define ROUND(a, b, c, d, e, f, g, h) \
	ADDQ AX, h   \
	MOVQ e, BX   \
	RORQ $23, BX \
	XORQ e, BX   \
	RORQ $4, BX  \
	XORQ e, BX   \
	RORQ $14, BX \
	ADDQ BX, h   \
	MOVQ f, CX   \ // Ch = g ^ (e & (f ^ g))
	XORQ g, CX   \
	ANDQ e, CX   \
	XORQ g, CX   \
	ADDQ CX, h   \
	ADDQ h, d    \
	MOVQ a, BX   \ // Σ0: 28, 34, 39
	RORQ $5, BX  \
	XORQ a, BX   \
	RORQ $6, BX  \
	XORQ a, BX   \
	RORQ $28, BX \
	ADDQ BX, h   \
	MOVQ a, CX   \ // Maj = (a & b) | (c & (a | b))
	ORQ  b, CX   \
	ANDQ c, CX   \
	MOVQ a, BX   \
	ANDQ b, BX   \
	ORQ  BX, CX  \
	ADDQ CX, h

// Two rounds with the words in w and the constants at offset k.
#define ROUNDS(k, w, a, b, c, d, e, f, g, h) \
	VPADDQ k(DI), w, X8 \
	VMOVQ X8, AX        \
	ROUND(a, b, c, d, e, f, g, h) \
	VPEXTRQ $1, X8, AX  \
	ROUND(h, a, b, c, d, e, f, g)

#define SIXTEEN \
	ROUNDS(0, X0, R8, R9, R10, R11, R12, R13, R14, R15)   \
	ROUNDS(16, X1, R14, R15, R8, R9, R10, R11, R12, R13)  \
	ROUNDS(32, X2, R12, R13, R14, R15, R8, R9, R10, R11)  \
	ROUNDS(48, X3, R10, R11, R12, R13, R14, R15, R8, R9)  \
	ROUNDS(64, X4, R8, R9, R10, R11, R12, R13, R14, R15)  \
	ROUNDS(80, X5, R14, R15, R8, R9, R10, R11, R12, R13)  \
	ROUNDS(96, X6, R12, R13, R14, R15, R8, R9, R10, R11)  \
	ROUNDS(112, X7, R10, R11, R12, R13, R14, R15, R8, R9)

// Replaces w0, the oldest two words of the ring, by the next two (§6.4.2 step 1); w1, w4, w5 and w7 are the others that
// take part.
#define SCHEDULE(w0, w1, w4, w5, w7) \
	VPALIGNR $8, w0, w1, X8 \ // W[t-15]
	VPALIGNR $8, w4, w5, X9 \ // W[t-7]
	VPADDQ X9, w0, w0       \
	VPSRLQ $7, X8, X9       \ // σ0: rotations by 1 and 8, shift by 7
	VPSRLQ $1, X8, X10      \
	VPXOR X10, X9, X9       \
	VPSLLQ $63, X8, X10     \
	VPXOR X10, X9, X9       \
	VPSRLQ $8, X8, X10      \
	VPXOR X10, X9, X9       \
	VPSLLQ $56, X8, X10     \
	VPXOR X10, X9, X9       \
	VPADDQ X9, w0, w0       \
	VPSRLQ $6, w7, X9       \ // σ1 of W[t-2]: rotations by 19 and 61, shift by 6
	VPSRLQ $19, w7, X10     \
	VPXOR X10, X9, X9       \
	VPSLLQ $45, w7, X10     \
	VPXOR X10, X9, X9       \
	VPSRLQ $61, w7, X10     \
	VPXOR X10, X9, X9       \
	VPSLLQ $3, w7, X10      \
	VPXOR X10, X9, X9       \
	VPADDQ X9, w0, w0

#define LOAD(offset, w) \
	VPXOR offset(SI), X13, w \
	VPSHUFB X12, w, w

#define ADDSTATE(from) \
	ADDQ 0(from), R8   \
	ADDQ 8(from), R9   \
	ADDQ 16(from), R10 \
	ADDQ 24(from), R11 \
	ADDQ 32(from), R12 \
	ADDQ 40(from), R13 \
	ADDQ 48(from), R14 \
	ADDQ 56(from), R15

// func compressAVX(to, from *[8]uint64, p []byte, pad uint64, k *[80]uint64)
TEXT ·compressAVX(SB), NOSPLIT, $0-56
	MOVQ from+8(FP), BX
	MOVQ p_base+16(FP), SI
	VMOVDQU swap64<>(SB), X12
	MOVQ pad+40(FP), AX
	VMOVQ AX, X13
	VPUNPCKLQDQ X13, X13, X13

block:
	MOVQ 0(BX), R8
	MOVQ 8(BX), R9
	MOVQ 16(BX), R10
	MOVQ 24(BX), R11
	MOVQ 32(BX), R12
	MOVQ 40(BX), R13
	MOVQ 48(BX), R14
	MOVQ 56(BX), R15
	LOAD(0, X0)
	LOAD(16, X1)
	LOAD(32, X2)
	LOAD(48, X3)
	LOAD(64, X4)
	LOAD(80, X5)
	LOAD(96, X6)
	LOAD(112, X7)
	MOVQ k+48(FP), DI
	MOVQ $4, DX

rounds:
	SIXTEEN
	SCHEDULE(X0, X1, X4, X5, X7)
	SCHEDULE(X1, X2, X5, X6, X0)
	SCHEDULE(X2, X3, X6, X7, X1)
	SCHEDULE(X3, X4, X7, X0, X2)
	SCHEDULE(X4, X5, X0, X1, X3)
	SCHEDULE(X5, X6, X1, X2, X4)
	SCHEDULE(X6, X7, X2, X3, X5)
	SCHEDULE(X7, X0, X3, X4, X6)
	ADDQ $128, DI
	DECQ DX
	JNZ  rounds
	SIXTEEN

	// The first block adds to the state at from, the others to that at to.
	MOVQ p_base+16(FP), AX
	MOVQ from+8(FP), BX
	MOVQ to+0(FP), DI
	CMPQ SI, AX
	CMOVQNE DI, BX
	ADDSTATE(BX)
	MOVQ R8, 0(DI)
	MOVQ R9, 8(DI)
	MOVQ R10, 16(DI)
	MOVQ R11, 24(DI)
	MOVQ R12, 32(DI)
	MOVQ R13, 40(DI)
	MOVQ R14, 48(DI)
	MOVQ R15, 56(DI)
	MOVQ DI, BX
	ADDQ $128, SI
	ADDQ p_len+24(FP), AX
	CMPQ SI, AX
	JCS  block

	// The registers held key material.
	XORQ AX, AX
	XORQ BX, BX
	XORQ CX, CX
	XORQ R8, R8
	XORQ R9, R9
	XORQ R10, R10
	XORQ R11, R11
	XORQ R12, R12
	XORQ R13, R13
	XORQ R14, R14
	XORQ R15, R15
	VPXOR X0, X0, X0
	VPXOR X1, X1, X1
	VPXOR X2, X2, X2
	VPXOR X3, X3, X3
	VPXOR X4, X4, X4
	VPXOR X5, X5, X5
	VPXOR X6, X6, X6
	VPXOR X7, X7, X7
	VPXOR X8, X8, X8
	VPXOR X9, X9, X9
	VPXOR X10, X10, X10
	VPXOR X11, X11, X11
	RET
