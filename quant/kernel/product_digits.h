// Few columns as whole numbers, for an instruction set that multiplies bytes faster than floats.
//
// The x of 64 elements are whole multiples of one power of two, their unit, under 2^23 in size: x is rounded
// by at most half a unit, about as much as adding the largest x of the 64 rounds a sum in float32. Each
// multiple is three signed bytes. Codes of four bits are whole numbers too, so sums over a few elements are
// exact, and become floats where the scale of a group is multiplied.
//
// Instruction sets differ in how much they take together: a block of DIGIT_SUM elements, eight or sixteen that follow
// each other, for each place of a vector. Which sum lies at which place is theirs to say: see v_digit_scales.
#include <stdint.h>
#include <string.h>

enum { UNIT_BLOCK = 64, DIGIT_BLOCK = DIGIT_SUM * VF };

struct digits {
	int8_t digit[3][DIGIT_SUM / 8][2][4 * VF]; // the lowest first; of eight elements of each sum 0, 2, 4, 6 and 1, 3, 5, 7
	int32_t zero[VF];                          // what each sum is too large where codes are e2m1's
	float unit[VF];                            // of the elements of each sum
};

// e2m1_codes are e2m1's values, doubled, from E2M1_ZERO on: bytes are multiplied that have no sign.
enum { E2M1_ZERO = 12 };
static const u8 e2m1_codes[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};

_Static_assert(sizeof(struct digits) <= DIGIT_BLOCK * sizeof(float) && sizeof(struct digits) % 64 == 0, "digits take the place of floats");
_Static_assert(DIGIT_BLOCK % UNIT_BLOCK == 0 && PAD % DIGIT_BLOCK == 0, "blocks are whole");

// What three signed bytes hold at most.
#define MOST_UNITS 0x7F7F7F

// unit_of is the power of two in whole multiples of which elements are taken that are at most `most` in size,
// or 0 where there is none, or where its product with a scale could leave what floats hold.
static float unit_of(float most) {
	uint32_t bits;
	float unit;
	if (most == 0)
		return 1;
	if (!(most > 0x1p-60f && most < 0x1p60f))
		return 0;
	memcpy(&bits, &most, 4);
	bits = (bits & 0x7F800000) - (22u << 23); // the power of two that most is at least, divided by 2^22
	memcpy(&unit, &bits, 4);
	return most / unit <= MOST_UNITS ? unit : 2 * unit;
}
