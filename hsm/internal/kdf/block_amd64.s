//go:build amd64 && !purego

#include "textflag.h"

// Byte order of message words: big-endian in memory, one word a lane in the register.
DATA swap<>+0(SB)/8, $0x0405060700010203
DATA swap<>+8(SB)/8, $0x0c0d0e0f08090a0b
GLOBL swap<>(SB), RODATA|NOPTR, $16

// Register use:
//   SI message, DX round constants
//   X1, X2     working variables as the instructions want them: {F,E,B,A} and {H,G,D,C}, lane 0 first
//   X3 to X6   the last sixteen words of the message schedule, in a ring of four
//   X0         constant + word, the implicit operand; X7 scratch; X8 byte order; X9, X10 state before the block
//   X13        what message words are XORed with: zeros, or HMAC's inner or outer padding

// Four rounds with constants at offset k and schedule words w. Each instruction does two; the first leaves
// the new {F,E,B,A} in X2, the second puts it back into X1.
#define ROUNDS(k, w) \
	MOVOU k(DX), X0        \
	PADDL w, X0            \
	SHA256RNDS2 X0, X1, X2 \
	PSHUFD $0x0e, X0, X0   \
	SHA256RNDS2 X0, X2, X1

// Replaces w0, the oldest four words of the ring w0, w1, w2, w3, by the next four (FIPS 180-4 §6.2.2 step 1).
#define SCHEDULE(w0, w1, w2, w3) \
	SHA256MSG1 w1, w0  \ // W[t-16] + σ0(W[t-15])
	MOVO w3, X7        \
	PALIGNR $4, w2, X7 \ // W[t-7]
	PADDL X7, w0       \
	SHA256MSG2 w3, w0    // σ1(W[t-2])

#define LOAD(offset, w) \
	MOVOU offset(SI), w \
	PXOR X13, w         \
	PSHUFB X8, w

// The pattern of the byte b.
#define PATTERN(b) \
	MOVL $(b*0x01010101), AX \
	MOVL AX, X13             \
	PSHUFD $0, X13, X13

// One block of the message: from the state in X1, X2, kept in X9, X10, to the next one in X1, X2.
#define BLOCK \
	MOVO X1, X9  \
	MOVO X2, X10 \
	LOAD(0, X3)  \
	ROUNDS(0, X3) \
	LOAD(16, X4) \
	ROUNDS(16, X4) \
	LOAD(32, X5) \
	ROUNDS(32, X5) \
	LOAD(48, X6) \
	ROUNDS(48, X6) \
	SCHEDULE(X3, X4, X5, X6) \
	ROUNDS(64, X3) \
	SCHEDULE(X4, X5, X6, X3) \
	ROUNDS(80, X4) \
	SCHEDULE(X5, X6, X3, X4) \
	ROUNDS(96, X5) \
	SCHEDULE(X6, X3, X4, X5) \
	ROUNDS(112, X6) \
	SCHEDULE(X3, X4, X5, X6) \
	ROUNDS(128, X3) \
	SCHEDULE(X4, X5, X6, X3) \
	ROUNDS(144, X4) \
	SCHEDULE(X5, X6, X3, X4) \
	ROUNDS(160, X5) \
	SCHEDULE(X6, X3, X4, X5) \
	ROUNDS(176, X6) \
	SCHEDULE(X3, X4, X5, X6) \
	ROUNDS(192, X3) \
	SCHEDULE(X4, X5, X6, X3) \
	ROUNDS(208, X4) \
	SCHEDULE(X5, X6, X3, X4) \
	ROUNDS(224, X5) \
	SCHEDULE(X6, X3, X4, X5) \
	ROUNDS(240, X6) \
	PADDL X9, X1 \
	PADDL X10, X2

// The state at from as the instructions want it.
#define TAKE(from) \
	MOVOU 0(from), X2    \ // a b c d
	MOVOU 16(from), X1   \ // e f g h
	MOVO  X1, X7         \
	SHUFPS $0x11, X2, X1 \ // f e b a
	SHUFPS $0xbb, X2, X7 \ // h g d c
	MOVO  X7, X2

// The state as it lies in memory, offset behind to.
#define GIVE(offset, to) \
	MOVO X1, X7             \
	SHUFPS $0xbb, X2, X1    \ // a b c d
	SHUFPS $0x11, X2, X7    \ // e f g h
	MOVOU X1, offset(to)    \
	MOVOU X7, (offset+16)(to)

// The registers held key material.
#define CLEAR \
	PXOR X0, X0   \
	PXOR X1, X1   \
	PXOR X2, X2   \
	PXOR X3, X3   \
	PXOR X4, X4   \
	PXOR X5, X5   \
	PXOR X6, X6   \
	PXOR X7, X7   \
	PXOR X9, X9   \
	PXOR X10, X10 \
	PXOR X11, X11 \
	PXOR X12, X12

// func compressSHANI(to, from *[8]uint32, p []byte, k *[64]uint32)
TEXT ·compressSHANI(SB), NOSPLIT, $0-48
	MOVQ from+8(FP), DI
	MOVQ p_base+16(FP), SI
	MOVQ p_len+24(FP), CX
	MOVQ k+40(FP), DX
	MOVOU swap<>(SB), X8
	PXOR X13, X13
	TAKE(DI)
	SHRQ $6, CX
	JZ   done

block:
	BLOCK
	ADDQ $64, SI
	DECQ CX
	JNZ  block

done:
	MOVQ to+0(FP), DI
	GIVE(0, DI)
	CLEAR
	RET

// func initSHANI(m *Midstate, from *[8]uint32, k *[64]uint32)
TEXT ·initSHANI(SB), NOSPLIT, $0-24
	MOVQ m+0(FP), SI
	MOVQ from+8(FP), DI
	MOVQ k+16(FP), DX
	MOVOU swap<>(SB), X8
	PATTERN(0x36)
	TAKE(DI)
	BLOCK
	MOVO X1, X11
	MOVO X2, X12
	PATTERN(0x5c)
	TAKE(DI)
	BLOCK
	GIVE(32, SI)
	MOVO X11, X1
	MOVO X12, X2
	GIVE(0, SI)
	CLEAR
	RET
