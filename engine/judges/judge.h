/* Judges measure explanations: one value a sample, stored with its attribution, and their mean. A
 * judge's file ends in one exported descriptor; judges.c is the table. No value may depend on how
 * samples are batched; a sample for which it is undefined gets NaN and a reason, never a number. */
#ifndef LN_JUDGE_H
#define LN_JUDGE_H

#include "base/parallel.h"
#include "base/param.h"
#include "explainers/explainer.h"
#include "model/model.h"

#define LN_JUDGE_NEEDS_MODEL 1u
#define LN_JUDGE_TAKES_BASELINE 2u
#define LN_JUDGE_TAKES_MASK 4u     /* has a parameter `mask` */
#define LN_JUDGE_EXPLAINS_AGAIN 8u /* compares with `other`; has the parameters layer and order */
#define LN_JUDGE_WATCHES 16u       /* reads `outside`: the explainer's job has a watch */

typedef struct ln_judged {
    ln_model *model;          /* borrowed; may be NULL where the judge needs none */
    ln_link link;             /* scale for `score = "output"`; else the probability is scored */
    const ln_tensor *x;       /* (N, width) encoded rows */
    const ln_item *items;     /* as explained */
    int64_t item_count;       /* entries of items */
    const float *attribution; /* (item_count, units) */
    const float *other;       /* LN_JUDGE_EXPLAINS_AGAIN: (item_count, units) of another model */
    ln_shape shape;           /* of an item's values where they are a map, else of rank 0 */
    int64_t units;            /* values an item: columns, groups or inputs */
    const int32_t
        *unit_of; /* width entries: the unit of each encoded input (-1: none), or NULL: itself */
    const double *output;          /* item_count, as the explanation stored them */
    const double *baseline_output; /* item_count, NaN where the method has none */
    const ln_tensor *baseline;     /* (1, width) or (N, width): the fill; NULL: zero */
    const double *outside; /* item_count, as the explanation has it; or NULL (off_manifold) */
    const uint8_t *mask;   /* not 0: the unit is inside; or NULL */
    int64_t mask_stride;   /* 0: `units` entries for all rows, else units: row by row */
    const void *params;    /* the judge's parameter struct */
    uint64_t seed;         /* the run's, for draws */
} ln_judged;

typedef struct ln_judge {
    ln_word word;          /* name, summary, formula, source, parameters */
    unsigned flags;        /* LN_JUDGE_... */
    bool higher_is_better; /* which way `better` and the leaderboard read it */
    int version;           /* changes when results change; stored */
    /* values, reasons: item_count; NaN where undefined, then the reason (static text) says why,
     * else it is NULL. */
    ln_status (*run)(const ln_judged *judged, ln_pool *pool, double *values, const char **reasons,
                     ln_error *err);
} ln_judge;

/* The mask of a row of judged->x, `units` entries. */
static inline const uint8_t *ln_judged_mask(const ln_judged *judged, int64_t row)
{
    return judged->mask + row * judged->mask_stride;
}

extern const ln_judge *const ln_judges[]; /* NULL-terminated */
const ln_judge *ln_judge_find(const char *word);

#endif
