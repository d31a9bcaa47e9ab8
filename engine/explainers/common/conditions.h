/* Conditions that a row fulfils, of which the rules of anchors are made, and rows drawn such that some of them
 * are fulfilled. A condition is about one group of inputs:
 *
 *   a column of numbers      at most a bound that the row's number is below or at, or above one that it is above
 *                            (bounds between bins: common/bins.h); that it misses, where the row's does
 *   a column of categories   the row's category
 *   several columns          all of them in the row's bin or category, at once
 *   a piece that is covered  (masks) that it shows
 *
 * Rows under a rule: a training row is drawn; each group about which the rule says something that this row does not
 * fulfil takes its columns from another training row, drawn among those that do (from the row explained, where
 * none does). So what the rule leaves open is as it occurs together. With masks, each piece that the rule does
 * not name shows with probability 1/2 or is covered. All as the anchor package has it. A rule's coverage is the
 * share of training rows that fulfil it; with masks 2^-conditions, the probability of a mask that does. */
#ifndef LN_EXPLAINERS_CONDITIONS_H
#define LN_EXPLAINERS_CONDITIONS_H

#include "explainers/common/groups.h"
#include "explainers/common/neighbourhood.h"

typedef enum ln_condition_kind {
    LN_CONDITION_AT_MOST, /* in bin `bin` or below */
    LN_CONDITION_ABOVE,   /* in a bin above `bin` */
    LN_CONDITION_SAME,    /* all columns as the row has them; with masks: the piece shows */
} ln_condition_kind;

typedef struct ln_condition {
    int64_t group;
    int64_t column; /* of the neighbourhood's: the group's first; -1 with masks */
    ln_condition_kind kind;
    int bin;
} ln_condition;

/* The conditions of one row, and a rule that rows are drawn under: a worker's scratch. */
typedef struct ln_conditions {
    const ln_neighbourhood *near; /* or NULL: masks */
    const ln_groups *pieces;      /* of masks; else NULL */
    int64_t width, groups;        /* inputs of a row; groups */
    int64_t count;                /* conditions */
    ln_condition *at;             /* (count), by group */
    int64_t words;                /* of one bit a training row */
    uint64_t *holds;              /* (count, words) which training rows fulfil each */
    uint8_t *bins;                /* (columns) of the row */
    double *z;                    /* (groups) scratch */
    int64_t named;                /* groups that the rule is about */
    int64_t *group;               /* (named) those */
    uint64_t *among;              /* (named, words) which training rows fulfil the rule there */
    int64_t *among_count;         /* (named) how many */
    bool *shows;                  /* (groups) masks: whether the rule names the piece */
    uint32_t *random;             /* scratch of a draw */
} ln_conditions;

/* How many a row can have at most. */
int64_t ln_conditions_most(const ln_neighbourhood *near, int64_t groups);
/* `near` or `pieces` is NULL; rules of up to `longest` conditions. */
ln_conditions ln_conditions_carve(const ln_neighbourhood *near, const ln_groups *pieces,
                                  int64_t width, int64_t groups, int64_t longest,
                                  ln_carver *carver);

/* Those of the row x. A condition that all training rows fulfil, and so says nothing, is none. */
void ln_conditions_of(ln_conditions *conditions, const float *x);
/* Whether the rule (indices of conditions) says as much as condition `more` already. */
bool ln_conditions_imply(const ln_conditions *conditions, const int32_t *rule, int64_t size,
                         int32_t more);
double ln_conditions_coverage(const ln_conditions *conditions, const int32_t *rule, int64_t size);

/* Prepares draws under a rule. */
void ln_conditions_set(ln_conditions *conditions, const int32_t *rule, int64_t size);
/* One row under it. `cover` (width): what stands where a piece does not show. */
void ln_conditions_draw(const ln_conditions *conditions, const float *x, const float *cover,
                        ln_rng *rng, float *row);

#endif
