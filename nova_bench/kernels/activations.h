/* Activations of vectors. */
#pragma once
#include "vectors.h"

enum { NONE, SILU, GELU };

/* 1 / (1 + exp(-x)). */
INLINE vector v_sigmoid(vector x) {
    const vector e = v_exp2(v_mul(v_max(v_all(-40), x), v_all(-1.44269504f)));
    return v_inverse(v_add(e, v_all(1)));
}
INLINE vector v_silu(vector x) {
    const vector low = v_max(v_all(-40), x); /* less, times a share that isn't 0, would be more */
    return v_mul(low, v_sigmoid(low));
}

/* GELU, x times the normal distribution's share below x: x without its negative values, less what |x| has above itself,
 * which is |x| times a power of two. The exponent, almost a parabola, is a polynomial in -|x|, fitted so that GELU is
 * off by at most 7e-9. From 7 on, the share above is less than 2e-12. */
INLINE vector v_gelu(vector x) {
    static const float factors[] = {-1.690400268e-6f, -2.508328907e-5f, -1.144625930e-4f,
                                    3.233423632e-4f,  7.333384361e-3f,  0.05271419883f,
                                    -0.4591154456f,   1.151123285f,     -0.9999988675f};
    const vector low = v_max(v_all(-7), v_negative(x));
    vector exponent = v_all(factors[0]);
#pragma GCC unroll 8
    for (int i = 1; i < 9; i++) exponent = v_fma(exponent, low, v_all(factors[i]));
    return v_fma(low, v_power(exponent), v_max(v_zero(), x));
}

INLINE vector v_activate(vector x, int activation) {
    if (activation == SILU) return v_silu(x);
    if (activation == GELU) return v_gelu(x);
    return x;
}
