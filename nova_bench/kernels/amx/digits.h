/* Float32 matrix products out of exact int8 ones, for CPUs with AMX (see layers.py for the idea).
 *
 * "Digits" of a value: v = scale * (65536 * high + 256 * middle + low), each digit a signed byte. They lie in planes of
 * LANES channels, [lanes / LANES, 3 digits, rows or pixels, LANES], `plane` bytes each: 16 rows of a plane are a tile,
 * wherever they begin. The last plane is filled up with zeros. */
#pragma once
#include "../vectors.h"

_Static_assert(SIDE == 16, "a tile has 16 rows");
enum {
    LANES = 64,
    TILE = LANES * SIDE,
    BLOCK = 512,      /* rows and outputs whose sums stay in the second-level cache */
    LARGEST = 8355000 /* < 127 * (65536 + 256 + 1) */
};

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t quotient_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

static inline __mmask16 first(int64_t count) { return count >= 16 ? 0xffff : (__mmask16)((1u << count) - 1); }

/* Largest magnitude; NaN if any value is NaN or infinite. */
static inline float largest(const float *x, int64_t count) {
    __m512 top = _mm512_setzero_ps(), odd = top;
    for (int64_t i = 0; i < count; i += 16) {
        __m512 v = _mm512_maskz_loadu_ps(first(count - i), x + i);
        top = _mm512_max_ps(top, _mm512_abs_ps(v));
        odd = _mm512_fmadd_ps(v, _mm512_setzero_ps(), odd);
    }
    return _mm512_reduce_max_ps(top) + _mm512_reduce_add_ps(odd);
}

static inline float inverse(float top) { return top > 0 ? LARGEST / top : 0; }

/* Bits of a where the mask has them, else of b. */
static inline __m512i select_bits(uint32_t mask, __m512i a, __m512i b) {
    return _mm512_ternarylogic_epi32(_mm512_set1_epi32((int)mask), a, b, 0xca);
}

/* The low, middle and high bytes of LANES numbers, to planes. There the four bytes of a word come from the four vectors:
 * channel 16 * i + j is byte i of word j. Sums of products don't mind, as long as both factors lie so. */
static inline void put_bytes(const __m512i n[4], uint32_t flip, int8_t *out, int64_t plane) {
    __m512i even[2], odd[2];
    for (int i = 0; i < 2; i++) {
        even[i] = select_bits(0x00ff00ff, n[2 * i], _mm512_slli_epi32(n[2 * i + 1], 8));
        odd[i] = select_bits(0x00ff00ff, _mm512_srli_epi32(n[2 * i], 8), n[2 * i + 1]);
    }
    const __m512i low = select_bits(0xffff, even[0], _mm512_slli_epi32(even[1], 16));
    const __m512i middle = select_bits(0xffff, odd[0], _mm512_slli_epi32(odd[1], 16));
    const __m512i high = select_bits(0xffff, _mm512_srli_epi32(even[0], 16), even[1]);
    const __m512i signs = _mm512_set1_epi32((int)flip);
    _mm512_storeu_si512(out, _mm512_xor_si512(high, signs));
    _mm512_storeu_si512(out + plane, _mm512_xor_si512(middle, signs));
    _mm512_storeu_si512(out + 2 * plane, _mm512_xor_si512(low, signs));
}

/* Digits of LANES numbers of at most LARGEST. */
static inline void put(const __m512i numbers[4], int8_t *out, int64_t plane) {
    const __m512i half = _mm512_set1_epi32(0x808080); /* makes the bytes unsigned digits, 128 too large */
    __m512i n[4];
    for (int i = 0; i < 4; i++) n[i] = _mm512_add_epi32(numbers[i], half);
    put_bytes(n, 0x80808080, out, plane);
}

/* Digits of one plane's `count` channels (at most LANES) of one row. */
static inline void cut(const float *x, int64_t count, float factor, int8_t *out, int64_t plane) {
    __m512i numbers[4];
    for (int i = 0; i < 4; i++) {
        __m512 v =
            SIDE * i < count ? _mm512_maskz_loadu_ps(first(count - SIDE * i), x + SIDE * i) : _mm512_setzero_ps();
        numbers[i] = _mm512_cvtps_epi32(_mm512_mul_ps(v, _mm512_set1_ps(factor)));
    }
    put(numbers, out, plane);
}
