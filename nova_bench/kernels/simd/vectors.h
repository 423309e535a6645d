/* Vectors of 16 floats: a register of AVX-512, or two of AVX2. */
#pragma once
#include <immintrin.h>
#include <stdint.h>

enum { SIDE = 16 };

#define INLINE static inline __attribute__((always_inline))

#ifdef __AVX512F__

typedef __m512 vector;
enum { ROWS = 12, WIDE = 2 }; /* of a product: rows and vectors whose sums stay in registers */

INLINE vector v_zero(void) { return _mm512_setzero_ps(); }
INLINE vector v_all(float x) { return _mm512_set1_ps(x); }
INLINE vector v_load(const float *x) { return _mm512_loadu_ps(x); }
INLINE void v_store(float *x, vector a) { _mm512_storeu_ps(x, a); }
INLINE vector v_add(vector a, vector b) { return _mm512_add_ps(a, b); }
INLINE vector v_sub(vector a, vector b) { return _mm512_sub_ps(a, b); }
INLINE vector v_mul(vector a, vector b) { return _mm512_mul_ps(a, b); }
INLINE vector v_fma(vector a, vector b, vector c) { return _mm512_fmadd_ps(a, b, c); }
/* The second operand is what comes out if one is NaN. */
INLINE vector v_max(vector a, vector b) { return _mm512_max_ps(a, b); }
/* a, times b where it is negative. */
INLINE vector v_scale_negative(vector a, vector b) {
    return _mm512_mask_mul_ps(a, _mm512_cmp_ps_mask(a, _mm512_setzero_ps(), _CMP_LT_OQ), a, b);
}
INLINE __mmask16 v_first(int64_t count) { return count >= SIDE ? 0xffff : (__mmask16)((1u << count) - 1); }
/* The first `count` of up to 16, the others zero. */
INLINE vector v_load_first(const float *x, int64_t count) { return _mm512_maskz_loadu_ps(v_first(count), x); }
INLINE void v_store_first(float *x, vector a, int64_t count) { _mm512_mask_storeu_ps(x, v_first(count), a); }
/* sums [16] += a, in float64. */
INLINE void v_add_to(double *sums, vector a) {
    const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(a));
    const __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1));
    _mm512_storeu_pd(sums, _mm512_add_pd(_mm512_loadu_pd(sums), low));
    _mm512_storeu_pd(sums + 8, _mm512_add_pd(_mm512_loadu_pd(sums + 8), high));
}

#else

typedef struct {
    __m256 low, high;
} vector;
enum { ROWS = 6, WIDE = 1 };

#define BOTH(expression_low, expression_high) ((vector){expression_low, expression_high})

INLINE vector v_zero(void) { return BOTH(_mm256_setzero_ps(), _mm256_setzero_ps()); }
INLINE vector v_all(float x) { return BOTH(_mm256_set1_ps(x), _mm256_set1_ps(x)); }
INLINE vector v_load(const float *x) { return BOTH(_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)); }
INLINE void v_store(float *x, vector a) {
    _mm256_storeu_ps(x, a.low);
    _mm256_storeu_ps(x + 8, a.high);
}
INLINE vector v_add(vector a, vector b) { return BOTH(_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)); }
INLINE vector v_sub(vector a, vector b) { return BOTH(_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)); }
INLINE vector v_mul(vector a, vector b) { return BOTH(_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)); }
INLINE vector v_fma(vector a, vector b, vector c) {
    return BOTH(_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high));
}
INLINE vector v_max(vector a, vector b) { return BOTH(_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)); }
INLINE __m256 half_scale_negative(__m256 a, __m256 b) {
    return _mm256_blendv_ps(a, _mm256_mul_ps(a, b), _mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_LT_OQ));
}
INLINE vector v_scale_negative(vector a, vector b) {
    return BOTH(half_scale_negative(a.low, b.low), half_scale_negative(a.high, b.high));
}
static const int32_t FIRST[2 * SIDE] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
INLINE __m256i half_first(int64_t count, int half) {
    return _mm256_loadu_si256((const __m256i *)(FIRST + SIDE - count + 8 * half));
}
INLINE vector v_load_first(const float *x, int64_t count) {
    if (count >= SIDE) return v_load(x);
    return BOTH(_mm256_maskload_ps(x, half_first(count, 0)), _mm256_maskload_ps(x + 8, half_first(count, 1)));
}
INLINE void v_store_first(float *x, vector a, int64_t count) {
    if (count >= SIDE) {
        v_store(x, a);
        return;
    }
    _mm256_maskstore_ps(x, half_first(count, 0), a.low);
    _mm256_maskstore_ps(x + 8, half_first(count, 1), a.high);
}
INLINE void quarter_add_to(double *sums, __m128 a) {
    _mm256_storeu_pd(sums, _mm256_add_pd(_mm256_loadu_pd(sums), _mm256_cvtps_pd(a)));
}
INLINE void v_add_to(double *sums, vector a) {
    quarter_add_to(sums, _mm256_castps256_ps128(a.low));
    quarter_add_to(sums + 4, _mm256_extractf128_ps(a.low, 1));
    quarter_add_to(sums + 8, _mm256_castps256_ps128(a.high));
    quarter_add_to(sums + 12, _mm256_extractf128_ps(a.high, 1));
}

#endif
