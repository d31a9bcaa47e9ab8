/* Localisation: does the explanation point where the evidence is known to be? A mask M says which
 * units are inside; sizes |a| alone count.
 *
 *   relevance_mass = sum of |a_u| over M / sum of |a_u|
 *   relevance_rank = share of the |M| units of greatest |a| that lie in M
 *   pointing_game  = 1 if the unit of greatest |a| lies in M, else 0
 *
 * All from 0 to 1, higher is better; ties by the lower index. What chance gives is |M| / n in each.
 * attribution (items, units), mask (units) or one a row -> one value an item. Cost: a sort an item,
 * no pass of the model. Undefined where the mask is empty, where the attribution is zero everywhere
 * or not finite. Sources: Arras, Osman, Samek 2022 (mass and rank); Zhang et al. 2018 (pointing
 * game, without its tolerance of 15 pixels). */
#include <math.h>
#include <stdio.h>

#include "base/error.h"
#include "judges/attribution.h"

static int64_t mask_size(const ln_judged *judged, const uint8_t *mask, const char **reason)
{
    int64_t inside = 0;
    for (int64_t u = 0; u < judged->units; u++)
        inside += mask[u] != 0;
    if (inside == 0)
        *reason = "the mask is empty";
    return inside;
}

static double mass_of(const ln_judged *judged, int64_t item, const ln_magnitudes *magnitudes,
                      const char **reason)
{
    const uint8_t *mask = ln_judged_mask(judged, judged->items[item].row);
    if (mask_size(judged, mask, reason) == 0)
        return NAN;
    double inside = 0, all = 0;
    for (int64_t u = 0; u < judged->units; u++) {
        all += (double)magnitudes->size[u];
        inside += mask[u] ? (double)magnitudes->size[u] : 0;
    }
    return inside / all;
}

static double rank_of(const ln_judged *judged, int64_t item, const ln_magnitudes *magnitudes,
                      const char **reason)
{
    const uint8_t *mask = ln_judged_mask(judged, judged->items[item].row);
    int64_t size = mask_size(judged, mask, reason), found = 0;
    if (size == 0)
        return NAN;
    for (int64_t k = 0; k < size; k++)
        found += mask[magnitudes->order[k]] != 0;
    return (double)found / (double)size;
}

static double pointing_of(const ln_judged *judged, int64_t item, const ln_magnitudes *magnitudes,
                          const char **reason)
{
    const uint8_t *mask = ln_judged_mask(judged, judged->items[item].row);
    if (mask_size(judged, mask, reason) == 0)
        return NAN;
    return mask[magnitudes->order[0]] ? 1 : 0;
}

static ln_status localise(const ln_judged *judged, ln_pool *pool, ln_verdict_fn verdict,
                          double *values, const char **reasons, ln_error *err)
{
    if (!judged->mask) {
        ln_fail(err, LN_EINVALID, "there is no mask to compare the attribution with");
        if (err)
            snprintf(err->field, sizeof err->field, "mask");
        return LN_EINVALID;
    }
    return ln_judge_by_magnitude(judged, pool, verdict, values, reasons, err);
}

static ln_status relevance_mass(const ln_judged *judged, ln_pool *pool, double *values,
                                const char **reasons, ln_error *err)
{
    return localise(judged, pool, mass_of, values, reasons, err);
}

static ln_status relevance_rank(const ln_judged *judged, ln_pool *pool, double *values,
                                const char **reasons, ln_error *err)
{
    return localise(judged, pool, rank_of, values, reasons, err);
}

static ln_status pointing_game(const ln_judged *judged, ln_pool *pool, double *values,
                               const char **reasons, ln_error *err)
{
    return localise(judged, pool, pointing_of, values, reasons, err);
}

static const ln_param params[] = {
    {.name = "mask",
     .type = LN_PARAM_MASK,
     .offset = LN_NO_OFFSET,
     .fallback = LN_REQUIRED,
     .help = "where the evidence is: not 0 is inside; one for all rows or one a row"},
    LN_PARAM_END,
};

#define ARRAS                                                                                      \
    "Arras, Osman and Samek 2022, CLEVR-XAI: A benchmark dataset for the ground truth "            \
    "evaluation of neural network explanations, arXiv:2003.07258"

const ln_judge ln_judge_relevance_mass = {
    .word =
        {
            .name = "relevance_mass",
            .summary = "share of the explanation's sizes that lies in the mask",
            .formula = "sum of |a| inside the mask / sum of |a|",
            .source = ARRAS,
            .params = params,
        },
    .flags = LN_JUDGE_TAKES_MASK,
    .higher_is_better = true,
    .version = 1,
    .run = relevance_mass,
};

const ln_judge ln_judge_relevance_rank = {
    .word =
        {
            .name = "relevance_rank",
            .summary = "share of the top features that lies in the mask",
            .formula = "of the K features of greatest |a|, the share inside the mask; K is its "
                       "size",
            .source = ARRAS,
            .params = params,
        },
    .flags = LN_JUDGE_TAKES_MASK,
    .higher_is_better = true,
    .version = 1,
    .run = relevance_rank,
};

const ln_judge ln_judge_pointing_game = {
    .word =
        {
            .name = "pointing_game",
            .summary = "whether the most important feature lies in the mask",
            .formula = "1 if argmax |a| is inside the mask, else 0",
            .source = "Zhang et al. 2018, Top-Down Neural Attention by Excitation Backprop, "
                      "International Journal of Computer Vision 126, arXiv:1608.00507",
            .params = params,
        },
    .flags = LN_JUDGE_TAKES_MASK,
    .higher_is_better = true,
    .version = 1,
    .run = pointing_game,
};
