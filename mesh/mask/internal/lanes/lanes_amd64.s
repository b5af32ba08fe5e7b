//go:build !purego

#include "textflag.h"

// A state is in two registers, as SHA256RNDS2 wants it: its words A B E F, and C D G H.
// Four more have the last sixteen words of the message schedule, w0 to w3 in turns.
// X0 holds the words of two rounds, with their constants added, which SHA256RNDS2
// takes unnamed. X13 is for the moment. DI is where the lanes are, SI the constants.
#define ABEF0 X1
#define CDGH0 X2
#define ABEF1 X7
#define CDGH1 X8

// READ reads the lane that is at an offset.
#define READ(at, abef, cdgh, w0, w1, w2, w3) \
	MOVOU   (at+0)(DI), abef;  \
	MOVOU   (at+16)(DI), cdgh; \
	MOVOU   (at+32)(DI), w0;   \
	MOVOU   (at+48)(DI), w1;   \
	MOVOU   (at+64)(DI), w2;   \
	MOVOU   (at+80)(DI), w3;   \
	PSHUFB  X14, w0;           \
	PSHUFB  X14, w1;           \
	PSHUFB  X14, w2;           \
	PSHUFB  X14, w3;           \
	PSHUFD  $0xb1, abef, abef; \
	PSHUFD  $0x1b, cdgh, cdgh; \
	MOVO    abef, X13;         \
	PALIGNR $8, cdgh, abef;    \
	PBLENDW $0xf0, X13, cdgh

// WRITE adds the state to the one that the lane had.
#define WRITE(at, abef, cdgh) \
	PSHUFD  $0x1b, abef, abef; \
	PSHUFD  $0xb1, cdgh, cdgh; \
	MOVO    abef, X13;         \
	PBLENDW $0xf0, cdgh, abef; \
	PALIGNR $8, X13, cdgh;     \
	MOVOU   (at+0)(DI), X13;   \
	PADDD   X13, abef;         \
	MOVOU   abef, (at+0)(DI);  \
	MOVOU   (at+16)(DI), X13;  \
	PADDD   X13, cdgh;         \
	MOVOU   cdgh, (at+16)(DI)

// AGAIN has the words that WRITE has left, as a digest that is padded behind one block
// before it, be read in the state that outer leads to, which becomes the lane's.
#define AGAIN(at, outer, abef, cdgh, w0, w1, w2, w3) \
	MOVO    abef, w0;              \
	MOVO    cdgh, w1;              \
	MOVOU   ending<>+0(SB), w2;    \
	MOVOU   ending<>+16(SB), w3;   \
	MOVOU   0(outer), abef;        \
	MOVOU   16(outer), cdgh;       \
	MOVOU   abef, (at+0)(DI);      \
	MOVOU   cdgh, (at+16)(DI);     \
	PSHUFD  $0xb1, abef, abef;     \
	PSHUFD  $0x1b, cdgh, cdgh;     \
	MOVO    abef, X13;             \
	PALIGNR $8, cdgh, abef;        \
	PBLENDW $0xf0, X13, cdgh

// FOUR does the rounds from n on with the words w.
#define FOUR(n, w, abef, cdgh) \
	MOVOU       (4*n)(SI), X0;  \
	PADDD       w, X0;          \
	SHA256RNDS2 X0, abef, cdgh; \
	PSHUFD      $0x0e, X0, X0;  \
	SHA256RNDS2 X0, cdgh, abef

// NEXT has next, which BEGIN was done to, become the words that follow last and w.
#define NEXT(last, w, next) \
	MOVO       w, X13;        \
	PALIGNR    $4, last, X13; \
	PADDD      X13, next;     \
	SHA256MSG2 w, next

// BEGIN begins to make, of last, the words that are three times four after w.
#define BEGIN(last, w) \
	SHA256MSG1 w, last

// The rounds of both lanes: the first ones, those whose words are all computed, and
// the last ones.
#define FIRST(n, a3, a0, b3, b0) \
	FOUR(n, a0, ABEF0, CDGH0); \
	FOUR(n, b0, ABEF1, CDGH1); \
	BEGIN(a3, a0);             \
	BEGIN(b3, b0)

#define MOST(n, a3, a0, a1, b3, b0, b1) \
	FOUR(n, a0, ABEF0, CDGH0); \
	NEXT(a3, a0, a1);          \
	FOUR(n, b0, ABEF1, CDGH1); \
	NEXT(b3, b0, b1);          \
	BEGIN(a3, a0);             \
	BEGIN(b3, b0)

#define LAST(n, a3, a0, a1, b3, b0, b1) \
	FOUR(n, a0, ABEF0, CDGH0); \
	NEXT(a3, a0, a1);          \
	FOUR(n, b0, ABEF1, CDGH1); \
	NEXT(b3, b0, b1)

// ROUNDS are all 64.
#define ROUNDS \
	FOUR(0, X3, ABEF0, CDGH0);            \
	FOUR(0, X9, ABEF1, CDGH1);            \
	FIRST(4, X3, X4, X9, X10);            \
	FIRST(8, X4, X5, X10, X11);           \
	MOST(12, X5, X6, X3, X11, X12, X9);   \
	MOST(16, X6, X3, X4, X12, X9, X10);   \
	MOST(20, X3, X4, X5, X9, X10, X11);   \
	MOST(24, X4, X5, X6, X10, X11, X12);  \
	MOST(28, X5, X6, X3, X11, X12, X9);   \
	MOST(32, X6, X3, X4, X12, X9, X10);   \
	MOST(36, X3, X4, X5, X9, X10, X11);   \
	MOST(40, X4, X5, X6, X10, X11, X12);  \
	MOST(44, X5, X6, X3, X11, X12, X9);   \
	MOST(48, X6, X3, X4, X12, X9, X10);   \
	LAST(52, X3, X4, X5, X9, X10, X11);   \
	LAST(56, X4, X5, X6, X10, X11, X12);  \
	FOUR(60, X6, ABEF0, CDGH0);           \
	FOUR(60, X12, ABEF1, CDGH1)

// func digest(lanes *[2]Lane, outer *[2]*[Words]uint32, constants *[64]uint32)
TEXT ·digest(SB), NOSPLIT, $0-24
	MOVQ  lanes+0(FP), DI
	MOVQ  outer+8(FP), DX
	MOVQ  constants+16(FP), SI
	MOVQ  0(DX), R8
	MOVQ  8(DX), R9
	MOVOU reversed<>(SB), X14
	READ(0, ABEF0, CDGH0, X3, X4, X5, X6)
	READ(96, ABEF1, CDGH1, X9, X10, X11, X12)
	ROUNDS
	WRITE(0, ABEF0, CDGH0)
	WRITE(96, ABEF1, CDGH1)
	AGAIN(0, R8, ABEF0, CDGH0, X3, X4, X5, X6)
	AGAIN(96, R9, ABEF1, CDGH1, X9, X10, X11, X12)
	ROUNDS
	WRITE(0, ABEF0, CDGH0)
	WRITE(96, ABEF1, CDGH1)
	RET

// func hasSHA() bool
TEXT ·hasSHA(SB), NOSPLIT, $0-1
	MOVB $0, ret+0(FP)
	MOVL $0, AX
	CPUID
	CMPL AX, $7
	JLT  none
	MOVL $7, AX
	MOVL $0, CX
	CPUID
	SHRL $29, BX
	ANDL $1, BX
	MOVB BX, ret+0(FP)
none:
	RET

// reversed are a block's bytes, so that its words are read as big-endian.
DATA reversed<>+0(SB)/8, $0x0405060700010203
DATA reversed<>+8(SB)/8, $0x0c0d0e0f08090a0b
GLOBL reversed<>(SB), RODATA|NOPTR, $16

// ending are the words that pad a digest behind one block: a bit, and the length of
// both, 768 bits.
DATA ending<>+0(SB)/8, $0x0000000080000000
DATA ending<>+8(SB)/8, $0
DATA ending<>+16(SB)/8, $0
DATA ending<>+24(SB)/8, $0x0000030000000000
GLOBL ending<>(SB), RODATA|NOPTR, $32
