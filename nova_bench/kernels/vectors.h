/* Vectors of SIDE floats: a register of AVX-512 or AVX2. */
#pragma once
#include <immintrin.h>
#include <stdint.h>

enum { LINE = 16 /* floats of a cache line */ };

#define INLINE static inline __attribute__((always_inline))

static const float EXP2[] = {1.327647152e-3f, 9.675541331e-3f, 5.550713275e-2f, 2.402211972e-1f, 6.931469671e-1f, 1};

#ifdef __AVX512F__

typedef __m512 vector;
enum { SIDE = 16, ROWS = 12, TALL = 14 }; /* ROWS and TALL: of products, rows whose sums stay in registers */

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
/* -|a|. */
INLINE vector v_negative(vector a) { return _mm512_or_ps(a, _mm512_set1_ps(-0.f)); }
INLINE float v_highest(vector a) { return _mm512_reduce_max_ps(a); }
INLINE float v_total(vector a) { return _mm512_reduce_add_ps(a); }
/* a, times b where it is negative. */
INLINE vector v_scale_negative(vector a, vector b) {
    return _mm512_mask_mul_ps(a, _mm512_cmp_ps_mask(a, _mm512_setzero_ps(), _CMP_LT_OQ), a, b);
}
/* 2^x for x from -126 to 127, by a polynomial fitted on -0.5 to 0.5 (relative error 7.5e-8). */
INLINE vector v_power(vector x) {
    const __m512 n = _mm512_roundscale_ps(x, 0), r = _mm512_sub_ps(x, n);
    __m512 sum = _mm512_set1_ps(EXP2[0]);
#pragma GCC unroll 5
    for (int i = 1; i < 6; i++) sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(EXP2[i]));
    return _mm512_scalef_ps(sum, n);
}
/* 1 / x, off by at most one unit in the last place; x is neither 0 nor infinite. */
INLINE vector v_inverse(vector x) {
    const __m512 y = _mm512_rcp14_ps(x);
    return _mm512_fmadd_ps(y, _mm512_fnmadd_ps(x, y, _mm512_set1_ps(1)), y);
}
/* Lines of a SIDE x SIDE matrix become its columns. */
INLINE void v_transpose(vector a[SIDE]) {
    vector b[SIDE], c[SIDE];
#pragma GCC unroll 8
    for (int i = 0; i < SIDE; i += 2) {
        b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < SIDE; i += 4)
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {
            const __m512d one = _mm512_castps_pd(b[i + j]), other = _mm512_castps_pd(b[i + j + 2]);
            c[i + 2 * j] = _mm512_castpd_ps(_mm512_unpacklo_pd(one, other));
            c[i + 2 * j + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(one, other));
        }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) { /* quarter q of c[4 * i + j] is the part from line 4 * i on of column 4 * q + j */
        const vector even[] = {_mm512_shuffle_f32x4(c[j], c[j + 4], 0x88),
                               _mm512_shuffle_f32x4(c[j + 8], c[j + 12], 0x88)};
        const vector odd[] = {_mm512_shuffle_f32x4(c[j], c[j + 4], 0xdd),
                              _mm512_shuffle_f32x4(c[j + 8], c[j + 12], 0xdd)};
        a[j] = _mm512_shuffle_f32x4(even[0], even[1], 0x88);
        a[j + 4] = _mm512_shuffle_f32x4(odd[0], odd[1], 0x88);
        a[j + 8] = _mm512_shuffle_f32x4(even[0], even[1], 0xdd);
        a[j + 12] = _mm512_shuffle_f32x4(odd[0], odd[1], 0xdd);
    }
}
INLINE __mmask16 v_first(int64_t count) { return count >= SIDE ? 0xffff : (__mmask16)((1u << count) - 1); }
/* The first `count` of up to SIDE, the others zero. */
INLINE vector v_load_first(const float *x, int64_t count) { return _mm512_maskz_loadu_ps(v_first(count), x); }
INLINE void v_store_first(float *x, vector a, int64_t count) { _mm512_mask_storeu_ps(x, v_first(count), a); }
/* sums [SIDE] += a, in float64. */
INLINE void v_add_to(double *sums, vector a) {
    const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(a));
    const __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1));
    _mm512_storeu_pd(sums, _mm512_add_pd(_mm512_loadu_pd(sums), low));
    _mm512_storeu_pd(sums + 8, _mm512_add_pd(_mm512_loadu_pd(sums + 8), high));
}

#else

typedef __m256 vector;
enum { SIDE = 8, ROWS = 6, TALL = 6 };

INLINE vector v_zero(void) { return _mm256_setzero_ps(); }
INLINE vector v_all(float x) { return _mm256_set1_ps(x); }
INLINE vector v_load(const float *x) { return _mm256_loadu_ps(x); }
INLINE void v_store(float *x, vector a) { _mm256_storeu_ps(x, a); }
INLINE vector v_add(vector a, vector b) { return _mm256_add_ps(a, b); }
INLINE vector v_sub(vector a, vector b) { return _mm256_sub_ps(a, b); }
INLINE vector v_mul(vector a, vector b) { return _mm256_mul_ps(a, b); }
INLINE vector v_fma(vector a, vector b, vector c) { return _mm256_fmadd_ps(a, b, c); }
INLINE vector v_max(vector a, vector b) { return _mm256_max_ps(a, b); }
INLINE vector v_negative(vector a) { return _mm256_or_ps(a, _mm256_set1_ps(-0.f)); }
INLINE float v_highest(vector a) {
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps(two, two, 1)));
}
INLINE float v_total(vector a) {
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}
INLINE vector v_scale_negative(vector a, vector b) {
    return _mm256_blendv_ps(a, _mm256_mul_ps(a, b), _mm256_cmp_ps(a, _mm256_setzero_ps(), _CMP_LT_OQ));
}
INLINE vector v_power(vector x) {
    const __m256 n = _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m256 r = _mm256_sub_ps(x, n);
    __m256 sum = _mm256_set1_ps(EXP2[0]);
#pragma GCC unroll 5
    for (int i = 1; i < 6; i++) sum = _mm256_fmadd_ps(sum, r, _mm256_set1_ps(EXP2[i]));
    /* Times 2^n: n is added to the exponent of the sum, which stays a normal number. */
    const __m256i power = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(sum), power));
}
INLINE vector v_inverse(vector x) { return _mm256_div_ps(_mm256_set1_ps(1), x); }
INLINE void v_transpose(vector a[SIDE]) {
    vector b[SIDE], c[SIDE];
#pragma GCC unroll 4
    for (int i = 0; i < SIDE; i += 2) {
        b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < SIDE; i += 4)
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {
            c[i + 2 * j] = _mm256_shuffle_ps(b[i + j], b[i + j + 2], 0x44);
            c[i + 2 * j + 1] = _mm256_shuffle_ps(b[i + j], b[i + j + 2], 0xee);
        }
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        a[j] = _mm256_permute2f128_ps(c[j], c[j + 4], 0x20);
        a[j + 4] = _mm256_permute2f128_ps(c[j], c[j + 4], 0x31);
    }
}
static const int32_t FIRST[2 * SIDE] = {-1, -1, -1, -1, -1, -1, -1, -1};
INLINE __m256i v_first(int64_t count) { return _mm256_loadu_si256((const __m256i *)(FIRST + SIDE - count)); }
INLINE vector v_load_first(const float *x, int64_t count) {
    return count >= SIDE ? v_load(x) : _mm256_maskload_ps(x, v_first(count));
}
INLINE void v_store_first(float *x, vector a, int64_t count) {
    if (count >= SIDE)
        v_store(x, a);
    else
        _mm256_maskstore_ps(x, v_first(count), a);
}
INLINE void v_add_to(double *sums, vector a) {
    const __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(a));
    const __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1));
    _mm256_storeu_pd(sums, _mm256_add_pd(_mm256_loadu_pd(sums), low));
    _mm256_storeu_pd(sums + 4, _mm256_add_pd(_mm256_loadu_pd(sums + 4), high));
}

#endif

enum { PARTS = LINE / SIDE /* vectors of a cache line */ };

/* 2^x for x up to 127; at least 2^-126, since less, which isn't normal, takes a hundred times as long. */
INLINE vector v_exp2(vector x) { return v_power(v_max(v_all(-126), x)); }
