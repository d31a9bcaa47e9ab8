/* Loops of rules (graph/rule.h) over neighbouring numbers: shares of relevance, multipliers of differences.
 * Compiled once an instruction set and chosen by ln_rule_kernels_choose; all have the same loops, without
 * fused operations, and the same lanes of sums, so that bits do not depend on the instruction set. */
#ifndef LN_KERNELS_RULES_H
#define LN_KERNELS_RULES_H

#include "lunette.h"

#define LN_RULE_LANES 16 /* sums are made of so many, added up in their order */

/* s_j = factor r_j / below_j, below_j = z_j moved away from 0 by epsilon. */
typedef struct ln_ratio {
    float factor;
    double epsilon;
    int sign;          /* where the gate has another sign s_j is 0; 0: no gate */
    const float *bias; /* the part of z_j that is a bias's: bias[j % period]; NULL: none */
    int64_t period;    /* a multiple of LN_RULE_LANES */
} ln_ratio;

typedef struct ln_chord {
    double noise, near, rounding;
} ln_chord;

typedef struct ln_rule_kernels {
    /* s may be z. Returns the sum of s_j (below_j - (z_j - bias)), in float64. */
    double (*ratios)(const ln_ratio *how, int64_t count, const float *z, const float *r,
                     const float *gate, float *s);
    void (*multiply)(int64_t count, const float *x, float *to);                     /* to *= x */
    void (*multiply_add)(int64_t count, const float *x, const float *c, float *to); /* to += x c */
    /* The numbers by their sign, zeros for the others. */
    void (*split)(int64_t count, const float *x, float *positive, float *negative);
    bool (*all_positive)(int64_t count, const float *x); /* no number below 0, and no NaN */
    double (*sum)(int64_t count, const float *x);        /* in float64 */
    double (*sum_at_zero)(int64_t count, const float *z, const float *x); /* of x where z is 0 */
    /* m = above (y - y_b) / (x - x_b) where x - x_b is no noise: greater than `noise` times the greater of
     * both; elsewhere m stays. */
    void (*secant)(double noise, int64_t count, const float *x, const float *x_b, const float *y,
                   const float *y_b, const float *above, float *m);
    /* The same of functions whose results are rounded: Dy of a small change is rounding for the most part, and the
     * secant a slope of that. m comes as above f'(x), `other` is above f'(x_b); where x - x_b is no noise, but not
     * greater than `near` times the greater of both either, and the mean of the two slopes makes the same change
     * within `rounding` times |y| + |y_b|, m becomes that mean. */
    void (*chord)(const ln_chord *how, int64_t count, const float *x, const float *x_b,
                  const float *y, const float *y_b, const float *above, const float *other,
                  float *m);
    /* c the greater of y and y_b (`least`: the lesser): to = above (c - y_b), to_b = above (y - c). */
    void (*hand)(bool least, int64_t count, const float *y, const float *y_b, const float *above,
                 float *to, float *to_b);
    /* m = (m + m_b) / (x - x_b), 0 where x = x_b. */
    void (*share)(int64_t count, const float *x, const float *x_b, const float *m_b, float *m);
} ln_rule_kernels;

extern const ln_rule_kernels ln_rules_baseline;
#ifdef __x86_64__
extern const ln_rule_kernels ln_rules_avx2, ln_rules_avx512;
#endif

const ln_rule_kernels *ln_rule_kernels_choose(void); /* this machine's */

#endif
