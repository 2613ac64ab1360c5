//go:build amd64 && !purego

#include "go_asm.h"
#include "textflag.h"

// What holds for all three functions: DI is the state. Everything secret lies in the state or in X registers; these
// are cleared before return. Nothing of it is in a general register, on the stack or in a branch or address.
//
// Hash values are polynomials with their bytes reversed, as POLYVAL has them (RFC 8452 appendix A): the hash key is
// multiplied by x once, and every product is reduced together with x⁻¹²⁸, which needs no shifts.

// Byte reversal of a block.
DATA reverse<>+0(SB)/8, $0x08090a0b0c0d0e0f
DATA reverse<>+8(SB)/8, $0x0001020304050607
GLOBL reverse<>(SB), RODATA|NOPTR, $16

// RotWord of the last word, in every word (FIPS 197 §5.2).
DATA rotate<>+0(SB)/8, $0x0c0f0e0d0c0f0e0d
DATA rotate<>+8(SB)/8, $0x0c0f0e0d0c0f0e0d
GLOBL rotate<>(SB), RODATA|NOPTR, $16

// The first round constant, in every word; the others are its doubles.
DATA rcon<>+0(SB)/8, $0x0000000100000001
DATA rcon<>+8(SB)/8, $0x0000000100000001
GLOBL rcon<>(SB), RODATA|NOPTR, $16

// x¹²⁸ + x¹²⁷ + x¹²⁶ + x¹²¹ + 1 without its first term.
DATA poly<>+0(SB)/8, $0x0000000000000001
DATA poly<>+8(SB)/8, $0xc200000000000000
GLOBL poly<>(SB), RODATA|NOPTR, $16

DATA one<>+0(SB)/8, $0x0000000000000001
DATA one<>+8(SB)/8, $0x0000000000000000
GLOBL one<>(SB), RODATA|NOPTR, $16

// From 16-n on: what keeps the first n bytes of a block, and what moves its last n to the front.
DATA keep<>+0(SB)/8, $0xffffffffffffffff
DATA keep<>+8(SB)/8, $0xffffffffffffffff
DATA keep<>+16(SB)/8, $0
DATA keep<>+24(SB)/8, $0
GLOBL keep<>(SB), RODATA|NOPTR, $32
DATA front<>+0(SB)/8, $0x0706050403020100
DATA front<>+8(SB)/8, $0x0f0e0d0c0b0a0908
DATA front<>+16(SB)/8, $0x8080808080808080
DATA front<>+24(SB)/8, $0x8080808080808080
GLOBL front<>(SB), RODATA|NOPTR, $32

#define CLEAR \
	VPXOR X0, X0, X0    \
	VPXOR X1, X1, X1    \
	VPXOR X2, X2, X2    \
	VPXOR X3, X3, X3    \
	VPXOR X4, X4, X4    \
	VPXOR X5, X5, X5    \
	VPXOR X6, X6, X6    \
	VPXOR X7, X7, X7    \
	VPXOR X8, X8, X8    \
	VPXOR X9, X9, X9    \
	VPXOR X10, X10, X10 \
	VPXOR X11, X11, X11 \
	VPXOR X12, X12, X12 \
	VPXOR X13, X13, X13 \
	VPXOR X14, X14, X14 \
	VPXOR X15, X15, X15

// One round of the six blocks in X0 to X5.
#define ROUND6(op, key) \
	op key, X0, X0 \
	op key, X1, X1 \
	op key, X2, X2 \
	op key, X3, X3 \
	op key, X4, X4 \
	op key, X5, X5

// The next round key from the one two before it, k, and the substituted word in X8: every word of k becomes the sum
// of those up to it, and of X8.
#define NEXT(k, offset) \
	VPSLLDQ $4, k, X9 \
	VPXOR X9, k, k    \
	VPSLLDQ $8, k, X9 \
	VPXOR X9, k, k    \
	VPXOR X8, k, k    \
	VMOVDQU k, (State_round+offset)(DI)

// SubWord is the last round of AES (VAESENCLAST): of four equal words ShiftRows makes the same. It takes a fraction
// of the time of VAESKEYGENASSIST.
#define EVEN(offset) \
	VPSHUFB X11, X7, X8       \
	VAESENCLAST X10, X8, X8   \
	VPSLLD $1, X10, X10       \
	NEXT(X6, offset)

#define ODD(offset) \
	VPSHUFD $0xff, X6, X8     \
	VAESENCLAST X12, X8, X8   \
	NEXT(X7, offset)

// r = a·b·x⁻¹²⁸; uses X12 to X14, X15 is the polynomial. r may be a or b.
#define MULTIPLY(a, b, r) \
	VPCLMULQDQ $0x01, a, b, X12  \
	VPCLMULQDQ $0x10, a, b, X13  \
	VPCLMULQDQ $0x00, a, b, X14  \
	VPXOR X13, X12, X12          \
	VPCLMULQDQ $0x11, a, b, X13  \
	REDUCE(X14, X12, X13, r)

// r = (lo + mid·x⁶⁴ + hi·x¹²⁸)·x⁻¹²⁸, lo and mid are lost. Twice, the lowest 64 bits are made zero by adding that many
// polynomials.
#define REDUCE(lo, mid, hi, r) \
	VPSLLDQ $8, mid, r           \
	VPXOR r, lo, lo              \
	VPSRLDQ $8, mid, mid         \
	VPXOR mid, hi, r             \
	VPCLMULQDQ $0x10, X15, lo, mid \
	VPSHUFD $0x4e, lo, lo        \
	VPXOR mid, lo, lo            \
	VPCLMULQDQ $0x10, X15, lo, mid \
	VPSHUFD $0x4e, lo, lo        \
	VPXOR mid, lo, lo            \
	VPXOR lo, r, r

// Stores a power, and the sum of its halves.
#define POWER(h, n) \
	VMOVDQU h, (State_power+32*(n-1))(DI) \
	VPSHUFD $0x4e, h, X12                 \
	VPXOR h, X12, X12                     \
	VMOVDQU X12, (State_power+32*(n-1)+16)(DI)

// Loads n = CX bytes at SI, 1 to 15, into x, zeros behind them. It reads sixteen within the same page of memory, where
// nothing faults: those from SI on, or where they would go beyond the page those before SI+n.
#define LOADPART(x, fits, done) \
	MOVQ SI, AX        \
	ANDQ $4095, AX     \
	MOVQ $16, DX       \
	SUBQ CX, DX        \
	CMPQ AX, $4080     \
	JLS fits           \
	LEAQ front<>(SB), AX   \
	VMOVDQU -16(SI)(CX*1), x \
	VPSHUFB (AX)(DX*1), x, x \
	JMP done           \
fits:                  \
	LEAQ keep<>(SB), AX    \
	VMOVDQU (SI), x    \
	VPAND (AX)(DX*1), x, x \
done:

// func begin(s *State, key *[KeySize]byte, nonce *[NonceSize]byte)
//
// Expands the key and, with each round key as it comes, encrypts six blocks in X0 to X5: zero, which is the hash key,
// and the counters 1 (for the tag) to 5. X6 and X7 are the last even and odd round key.
TEXT ·begin(SB), NOSPLIT, $0-24
	MOVQ s+0(FP), DI
	MOVQ key+8(FP), SI
	MOVQ nonce+16(FP), DX

	VMOVQ   (DX), X1
	VPINSRD $2, 8(DX), X1, X1
	MOVL    $0x02000000, AX
	VPINSRD $3, AX, X1, X2
	MOVL    $0x03000000, AX
	VPINSRD $3, AX, X1, X3
	MOVL    $0x04000000, AX
	VPINSRD $3, AX, X1, X4
	MOVL    $0x05000000, AX
	VPINSRD $3, AX, X1, X5
	MOVL    $0x01000000, AX
	VPINSRD $3, AX, X1, X1
	VPSHUFB reverse<>(SB), X5, X0
	VMOVDQU X0, State_counter(DI)

	VMOVDQU rcon<>(SB), X10
	VMOVDQU rotate<>(SB), X11
	VPXOR   X12, X12, X12
	VPXOR   X0, X0, X0
	VMOVDQU (SI), X6
	VMOVDQU 16(SI), X7
	VMOVDQU X6, (State_round+0)(DI)
	VMOVDQU X7, (State_round+16)(DI)
	ROUND6(VPXOR, X6)
	ROUND6(VAESENC, X7)

	EVEN(32)
	ROUND6(VAESENC, X6)
	ODD(48)
	ROUND6(VAESENC, X7)
	EVEN(64)
	ROUND6(VAESENC, X6)
	ODD(80)
	ROUND6(VAESENC, X7)
	EVEN(96)
	ROUND6(VAESENC, X6)
	ODD(112)
	ROUND6(VAESENC, X7)
	EVEN(128)
	ROUND6(VAESENC, X6)
	ODD(144)
	ROUND6(VAESENC, X7)
	EVEN(160)
	ROUND6(VAESENC, X6)
	ODD(176)
	ROUND6(VAESENC, X7)
	EVEN(192)
	ROUND6(VAESENC, X6)
	ODD(208)
	ROUND6(VAESENC, X7)
	EVEN(224)
	ROUND6(VAESENCLAST, X6)

	VMOVDQU X1, State_mask(DI)
	VMOVDQU X2, (State_stream+0)(DI)
	VMOVDQU X3, (State_stream+16)(DI)
	VMOVDQU X4, (State_stream+32)(DI)
	VMOVDQU X5, (State_stream+48)(DI)

	// The hash key times x: a shift by one bit, and the polynomial where one fell out.
	VMOVDQU poly<>(SB), X15
	VPSHUFB reverse<>(SB), X0, X0
	VPSRLQ  $63, X0, X1
	VPSRAD  $31, X0, X2
	VPADDQ  X0, X0, X0
	VPSLLDQ $8, X1, X1
	VPXOR   X1, X0, X0
	VPSHUFD $0xff, X2, X2
	VPAND   X15, X2, X2
	VPXOR   X2, X0, X0

	POWER(X0, 1)
	MULTIPLY(X0, X0, X1)
	POWER(X1, 2)
	MULTIPLY(X1, X0, X2)
	POWER(X2, 3)
	MULTIPLY(X1, X1, X3)
	POWER(X3, 4)
	MULTIPLY(X3, X0, X4)
	POWER(X4, 5)
	MULTIPLY(X3, X1, X5)
	POWER(X5, 6)
	MULTIPLY(X3, X2, X6)
	POWER(X6, 7)
	MULTIPLY(X3, X3, X7)
	POWER(X7, 8)

	CLEAR
	RET

// func digest(s *State, aad, text []byte)
//
// Sets s.tag (SP 800-38D §6.4, §7.1 step 6): the hash of aad and text, each filled up with zeros to whole blocks, and
// of their lengths, covered by the mask. Up to eight blocks go by one reduction: the first of n is multiplied by the
// n-th power, and so on, and the sum of the products is reduced.
//
//   SI, CX  where the input goes on, and how many bytes
//   BX, R9  power for the next block, and blocks until the next reduction
//   R8      blocks after that
//   R10     0 in aad, 1 in text, 2 at the lengths
//   X4, X5, X6  sum of products: low, high, middle
//   X7      hash so far, until the first block of a group takes it up
TEXT ·digest(SB), NOSPLIT, $0-56
	MOVQ s+0(FP), DI
	MOVQ aad_base+8(FP), SI
	MOVQ aad_len+16(FP), CX
	MOVQ text_len+40(FP), AX
	LEAQ 15(CX), R8
	SHRQ $4, R8
	ADDQ $15, AX
	SHRQ $4, AX
	LEAQ 1(R8)(AX*1), R8
	XORQ R10, R10
	VMOVDQU poly<>(SB), X15
	VMOVDQU reverse<>(SB), X14
	VPXOR   X7, X7, X7

group:
	MOVQ    $8, R9
	CMPQ    R8, R9
	CMOVQCS R8, R9
	SUBQ    R9, R8
	MOVQ    R9, BX
	SHLQ    $5, BX
	LEAQ    (State_power-32)(DI)(BX*1), BX
	VPXOR   X4, X4, X4
	VPXOR   X5, X5, X5
	VPXOR   X6, X6, X6

next:
	CMPQ    CX, $16
	JCS     part
	VMOVDQU (SI), X0
	ADDQ    $16, SI
	SUBQ    $16, CX

absorb:
	VPSHUFB X14, X0, X0

product:
	VPXOR      X7, X0, X0
	VPXOR      X7, X7, X7
	VPSHUFD    $0x4e, X0, X1
	VPCLMULQDQ $0x00, (BX), X0, X2
	VPCLMULQDQ $0x11, (BX), X0, X3
	VPXOR      X0, X1, X1
	VPCLMULQDQ $0x00, 16(BX), X1, X1
	VPXOR      X2, X4, X4
	VPXOR      X3, X5, X5
	VPXOR      X1, X6, X6
	SUBQ       $32, BX
	DECQ       R9
	JNZ        next

	VPXOR X4, X6, X6 // (a + b)(c + d) - ac - bd = ad + bc
	VPXOR X5, X6, X6
	REDUCE(X4, X6, X5, X7)
	TESTQ R8, R8
	JNZ   group

	VPSHUFB X14, X7, X7
	VPXOR   State_mask(DI), X7, X7
	VMOVDQU X7, State_tag(DI)
	CLEAR
	RET

part:
	TESTQ CX, CX
	JZ    end
	LOADPART(X0, fits, loaded)
	XORQ  CX, CX
	JMP   absorb

end:
	INCQ R10
	CMPQ R10, $2
	JEQ  lengths
	MOVQ text_base+32(FP), SI
	MOVQ text_len+40(FP), CX
	JMP  next

lengths:
	MOVQ    text_len+40(FP), AX
	SHLQ    $3, AX
	VMOVQ   AX, X0
	MOVQ    aad_len+16(FP), AX
	SHLQ    $3, AX
	VPINSRQ $1, AX, X0, X0
	JMP     product

// The eight blocks of key stream after the counter in X8, in X0 to X7. X9 reverses, X10 is one.
#define COUNT(x) \
	VPADDD X10, X8, X8 \
	VPSHUFB X9, X8, x

#define ROUND8(op, offset) \
	VMOVDQU (State_round+offset)(DI), X11 \
	op X11, X0, X0 \
	op X11, X1, X1 \
	op X11, X2, X2 \
	op X11, X3, X3 \
	op X11, X4, X4 \
	op X11, X5, X5 \
	op X11, X6, X6 \
	op X11, X7, X7

#define XORBLOCK(x, offset) \
	VPXOR offset(SI), x, x \
	VMOVDQU x, offset(R8)

// func cover(s *State, dst, src *byte, n int)
//
// Adds the key stream to n bytes of src, into dst, which is src or does not overlap it: first the blocks in s.stream,
// then eight at a time, the last of them by way of s.stream.
//
//   R8, SI  where dst and src go on
//   CX      bytes left
//   BX, R9  next block in s.stream, and how many are left there
TEXT ·cover(SB), NOSPLIT, $0-32
	MOVQ s+0(FP), DI
	MOVQ dst+8(FP), R8
	MOVQ src+16(FP), SI
	MOVQ n+24(FP), CX
	MOVQ $4, R9
	VMOVDQU State_counter(DI), X8
	VMOVDQU reverse<>(SB), X9
	VMOVDQU one<>(SB), X10

stored:
	LEAQ State_stream(DI), BX

single:
	CMPQ    CX, $16
	JCS     part
	VMOVDQU (SI), X0
	VPXOR   (BX), X0, X0
	VMOVDQU X0, (R8)
	ADDQ    $16, SI
	ADDQ    $16, R8
	ADDQ    $16, BX
	SUBQ    $16, CX
	DECQ    R9
	JNZ     single
	TESTQ   CX, CX
	JZ      done

eight:
	COUNT(X0)
	COUNT(X1)
	COUNT(X2)
	COUNT(X3)
	COUNT(X4)
	COUNT(X5)
	COUNT(X6)
	COUNT(X7)
	ROUND8(VPXOR, 0)
	ROUND8(VAESENC, 16)
	ROUND8(VAESENC, 32)
	ROUND8(VAESENC, 48)
	ROUND8(VAESENC, 64)
	ROUND8(VAESENC, 80)
	ROUND8(VAESENC, 96)
	ROUND8(VAESENC, 112)
	ROUND8(VAESENC, 128)
	ROUND8(VAESENC, 144)
	ROUND8(VAESENC, 160)
	ROUND8(VAESENC, 176)
	ROUND8(VAESENC, 192)
	ROUND8(VAESENC, 208)
	ROUND8(VAESENCLAST, 224)
	CMPQ CX, $128
	JCS  store
	XORBLOCK(X0, 0)
	XORBLOCK(X1, 16)
	XORBLOCK(X2, 32)
	XORBLOCK(X3, 48)
	XORBLOCK(X4, 64)
	XORBLOCK(X5, 80)
	XORBLOCK(X6, 96)
	XORBLOCK(X7, 112)
	ADDQ $128, SI
	ADDQ $128, R8
	SUBQ $128, CX
	JNZ  eight
	JMP  done

store:
	VMOVDQU X0, (State_stream+0)(DI)
	VMOVDQU X1, (State_stream+16)(DI)
	VMOVDQU X2, (State_stream+32)(DI)
	VMOVDQU X3, (State_stream+48)(DI)
	VMOVDQU X4, (State_stream+64)(DI)
	VMOVDQU X5, (State_stream+80)(DI)
	VMOVDQU X6, (State_stream+96)(DI)
	VMOVDQU X7, (State_stream+112)(DI)
	MOVQ    $8, R9
	JMP     stored

part:
	TESTQ CX, CX
	JZ    done
	LOADPART(X0, fits, loaded)
	VPXOR (BX), X0, X0
	TESTQ $8, CX
	JZ    four
	VMOVQ X0, (R8)
	VPSRLDQ $8, X0, X0
	ADDQ  $8, R8

four:
	TESTQ $4, CX
	JZ    two
	VMOVD X0, (R8)
	VPSRLDQ $4, X0, X0
	ADDQ  $4, R8

two:
	TESTQ $2, CX
	JZ    last
	VPEXTRW $0, X0, (R8)
	VPSRLDQ $2, X0, X0
	ADDQ  $2, R8

last:
	TESTQ $1, CX
	JZ    done
	VPEXTRB $0, X0, (R8)

done:
	CLEAR
	RET
