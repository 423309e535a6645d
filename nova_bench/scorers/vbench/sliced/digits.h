/* Float32 matrix products out of exact int8 ones, for CPUs with AMX (see layers.py for the idea).
 *
 * "Digits" of a value: v = scale * (65536 * high + 256 * middle + low), each digit a signed byte. They lie in planes of
 * LANES channels, [lanes / LANES, 3 digits, rows or pixels, LANES], `plane` bytes each: 16 rows of a plane are a tile,
 * wherever they begin. The last plane is filled up with zeros. */
#pragma once
#include <immintrin.h>
#include <stdint.h>

enum {
    LANES = 64,
    SIDE = 16,
    TILE = LANES * SIDE,
    STRIP = 2 * SIDE,
    BLOCK = 512, /* rows and outputs whose sums stay in the second-level cache */
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

static inline __m512i joined(const __m128i quarters[4]) {
    __m512i all = _mm512_castsi128_si512(quarters[0]);
    all = _mm512_inserti32x4(all, quarters[1], 1);
    all = _mm512_inserti32x4(all, quarters[2], 2);
    return _mm512_inserti32x4(all, quarters[3], 3);
}

/* Digits of one plane's `count` channels (at most LANES) of one row. */
static inline void cut(const float *x, int64_t count, float factor, int8_t *out, int64_t plane) {
    __m128i high[4], middle[4], low[4];
    for (int i = 0; i < 4; i++) {
        __m512 v = SIDE * i < count ? _mm512_maskz_loadu_ps(first(count - SIDE * i), x + SIDE * i) : _mm512_setzero_ps();
        __m512i n = _mm512_cvtps_epi32(_mm512_mul_ps(v, _mm512_set1_ps(factor)));
        low[i] = _mm512_cvtepi32_epi8(n); /* signed: what is above 127 is owed to the next digit */
        middle[i] = _mm512_cvtepi32_epi8(_mm512_srai_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(0x80)), 8));
        high[i] = _mm512_cvtepi32_epi8(_mm512_srai_epi32(_mm512_add_epi32(n, _mm512_set1_epi32(0x8080)), 16));
    }
    _mm512_storeu_si512(out, joined(high));
    _mm512_storeu_si512(out + plane, joined(middle));
    _mm512_storeu_si512(out + 2 * plane, joined(low));
}
