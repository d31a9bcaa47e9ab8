/* Faithfulness: does the model need what the attribution calls important? The units of a row are
 * replaced by the baseline, or put back, those of the greatest attribution first, and the score of
 * the target is watched:
 *
 *   p_k = score of x with the first k units at the baseline, k = 0, step, 2 step ... n
 *   q_k = score of the baseline with the first k units of x
 *   deletion       = sum over k of (p_k + p_next) / 2 * (next - k) / n           lower is better
 *   insertion      = sum over k of (q_k + q_next) / 2 * (next - k) / n           higher is better
 *   pixel_flipping = mean of p_k over the points k > 0                           lower is better
 *
 * Units (columns, groups or single inputs) are taken by the signed attribution, descending, ties by
 * the lower index; those that argue against the target come last. The score is the target's
 * probability, or with score = "output" the explained number on the experiment's link; a regression
 * has no probability and is scored by its output. The trapezoid area is over the fraction replaced,
 * from 0 to 1; the last step may be a shorter one.
 *
 * attribution (items, units) -> one value an item. Cost: ceil(n / step) + 1 forward passes a row.
 * Undefined where an attribution or a score is NaN. Sources: Petsiuk, Das, Saenko 2018, section 4.2
 * (deletion, insertion); Bach et al. 2015 and Samek et al. 2017 (pixel flipping). */
#include <math.h>

#include "judges/curve.h"

static ln_status deletion(const ln_judged *judged, ln_pool *pool, double *values,
                          const char **reasons, ln_error *err)
{
    return ln_curve_judge(LN_CURVE_DELETION, judged, pool, values, reasons, err);
}

static ln_status insertion(const ln_judged *judged, ln_pool *pool, double *values,
                           const char **reasons, ln_error *err)
{
    return ln_curve_judge(LN_CURVE_INSERTION, judged, pool, values, reasons, err);
}

static ln_status pixel_flipping(const ln_judged *judged, ln_pool *pool, double *values,
                                const char **reasons, ln_error *err)
{
    return ln_curve_judge(LN_CURVE_FLIPPING, judged, pool, values, reasons, err);
}

static const ln_param params[] = {
    {.name = "baseline",
     .type = LN_PARAM_BASELINE,
     .offset = LN_NO_OFFSET,
     .fallback = "0",
     .help = "what stands for an absent feature, in encoded space: one for all rows or one a row"},
    {.name = "step",
     .type = LN_PARAM_INT,
     .offset = offsetof(ln_curve_params, step),
     .fallback = "1",
     .min = 1,
     .max = HUGE_VAL,
     .help = "features replaced at a time"},
    {.name = "score",
     .type = LN_PARAM_CHOICE,
     .offset = offsetof(ln_curve_params, score),
     .fallback = "\"probability\"",
     .choices = LN_SCORE_CHOICES,
     .help = "what is watched: the target's probability or the explained output"},
    LN_PARAM_END,
};

const ln_judge ln_judge_deletion = {
    .word =
        {
            .name = "deletion",
            .summary = "area under the target's score while the most important features go",
            .formula = "sum over k of (p_k + p_k+1) / 2n, p_k = score without the k features of "
                       "greatest attribution",
            .source = "Petsiuk, Das and Saenko 2018, RISE: Randomized Input Sampling for "
                      "Explanation of Black-box Models, arXiv:1806.07421",
            .params = params,
            .params_size = sizeof(ln_curve_params),
        },
    .flags = LN_JUDGE_NEEDS_MODEL | LN_JUDGE_TAKES_BASELINE,
    .higher_is_better = false,
    .version = 1,
    .run = deletion,
};

const ln_judge ln_judge_insertion = {
    .word =
        {
            .name = "insertion",
            .summary = "area under the target's score while the most important features come back",
            .formula = "sum over k of (q_k + q_k+1) / 2n, q_k = score of the baseline with the k "
                       "features of greatest attribution",
            .source = "Petsiuk, Das and Saenko 2018, RISE: Randomized Input Sampling for "
                      "Explanation of Black-box Models, arXiv:1806.07421",
            .params = params,
            .params_size = sizeof(ln_curve_params),
        },
    .flags = LN_JUDGE_NEEDS_MODEL | LN_JUDGE_TAKES_BASELINE,
    .higher_is_better = true,
    .version = 1,
    .run = insertion,
};

const ln_judge ln_judge_pixel_flipping = {
    .word =
        {
            .name = "pixel_flipping",
            .summary = "mean of the target's score while the most important features go",
            .formula = "mean over k = 1..n of p_k, p_k = score without the k features of greatest "
                       "attribution",
            .source = "Bach et al. 2015, On Pixel-Wise Explanations for Non-Linear Classifier "
                      "Decisions by Layer-Wise Relevance Propagation, PLoS ONE 10(7) e0130140; "
                      "Samek et al. 2017, arXiv:1509.06321",
            .params = params,
            .params_size = sizeof(ln_curve_params),
        },
    .flags = LN_JUDGE_NEEDS_MODEL | LN_JUDGE_TAKES_BASELINE,
    .higher_is_better = false,
    .version = 1,
    .run = pixel_flipping,
};
