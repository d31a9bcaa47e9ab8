/* Rows like those the model was trained on, around one of them: for LIME on tables. Of the training rows
 * it keeps what single columns are like. A sample draws every group on its own: of one training row,
 * drawn anew for each group, a column of categories takes the category, and a column of numbers a number
 * drawn in that row's bin (common/bins.h). Columns of a group so keep what they have in common.
 *
 * What the linear model reads of a group, its z, is 1 where all its columns have the category or bin of
 * the row explained, else 0. Without bins a number is drawn from the normal distribution of its
 * column, and z is that number less the column's mean, over its deviation.
 *
 * Columns are those of the model's encoding: one-hot inputs are one column of categories; a value that
 * misses, where an input says so, is a category of its own. Where there is no encoding, or groups cut
 * through a column, every input is a column of numbers. */
#ifndef LN_EXPLAINERS_NEIGHBOURHOOD_H
#define LN_EXPLAINERS_NEIGHBOURHOOD_H

#include "base/rng.h"
#include "explainers/common/bins.h"
#include "explainers/common/passes.h"
#include "explainers/explainer.h"

typedef struct ln_near_column {
    int64_t first, count; /* its inputs */
    int64_t number;       /* the input with its number, or -1: categories */
    int64_t missing;      /* the input that is 1 where the number misses, or -1 */
    int64_t group;
    float zero;                    /* the number 0 of the data, encoded */
    int64_t slot;                  /* of the columns with numbers */
    ln_bins bins;                  /* of numbers */
    ln_bin_table table;            /* what they are drawn from */
    int categories;                /* of those that training rows have, unless loose */
    int64_t example[LN_BIN_TABLE]; /* (categories) the first training row with each */
    bool loose; /* more categories than a table holds: they are read from the rows themselves */
} ln_near_column;

typedef struct ln_neighbourhood {
    int64_t width, rows, groups; /* of the training rows */
    const float *training;       /* (rows, width) borrowed */
    bool binned;
    bool zero_points; /* a bin whose ends are one number draws the data's 0 in its place */
    int64_t column_count;
    ln_near_column *columns; /* by group */
    int64_t *start;          /* (groups + 1) where each group's columns begin */
    int64_t slots;           /* columns with numbers */
    uint8_t *bin;   /* (column_count, rows) bin or category of each training row; without bins 0 */
    float *pattern; /* (width, LN_BIN_TABLE) each input in the categories of its column */
    double *scale;  /* (2, groups) mean and deviation of each group's number, or NULL with bins */
    bool whole;     /* columns that are not loose make up all inputs */
    bool plain;     /* groups and columns are the inputs, all of them numbers, each in its place */
    const ln_bin_kernels *kernels;
} ln_neighbourhood;
#define LN_NEAR_MISSING UINT8_MAX     /* in place of a bin: the number misses */
#define LN_NEAR_OTHER (UINT8_MAX - 1) /* in place of a category: one that no training row has */

/* The bin of a training row in a column with numbers. */
static inline uint8_t ln_near_bin(const ln_neighbourhood *near, int64_t column, int64_t row)
{
    return near->bin[column * near->rows + row];
}
/* The bin or category of any row in a column. */
uint8_t ln_near_bin_of(const ln_neighbourhood *near, int64_t column, const float *row);

/* From the request's background (and its labels for LN_DISCRETIZE_ENTROPY). LN_EINVALID of field
 * "discretize" where it does not apply, of "background" where one of its numbers is none. Caller frees with
 * ln_neighbourhood_free, also after an error. */
ln_status ln_neighbourhood_make(const ln_job *job, ln_discretize how, bool zero_points,
                                ln_neighbourhood *out, ln_error *err);
void ln_neighbourhood_free(ln_neighbourhood *near);

#define LN_NEAR_TOGETHER 32 /* samples drawn at once */

/* A worker's scratch: samples that were drawn together. Lines of LN_NEAR_TOGETHER are first those of a word, a
 * column or a group, and then turned, so that a sample's numbers lie together. */
typedef struct ln_near_buffers {
    uint32_t *words;  /* (LN_NEAR_TOGETHER, 1 a group and 1 a column) random ones */
    uint32_t *turned; /* the same, a line each */
    int32_t *bin;     /* (column_count) lines: whose number or category is drawn */
    double *share;    /* (slots) lines: where in the standard normal distribution a number lies */
    double *quantile; /* (slots) lines: what lies there */
    float *input;     /* (width) lines */
    float *inputs;    /* (LN_NEAR_TOGETHER, width up to a multiple of LN_BIN_SQUARE) */
    int32_t *same;  /* (groups) lines: 1 where bins and categories are those of the row explained */
    int32_t *sames; /* (LN_NEAR_TOGETHER, groups up to a multiple of LN_BIN_SQUARE) */
} ln_near_buffers;
ln_near_buffers ln_near_carve(const ln_neighbourhood *near, ln_carver *carver);

/* z of the row x itself, and the bin or category of each of its columns. */
void ln_neighbourhood_of(const ln_neighbourhood *near, const float *x, uint8_t *bins, double *z);
/* Sample `number`, from 0 on one after the other with the same buffers: the row (width), which holds x, and
 * its z; its squared distance from the row x, whose bins and z are given. A sample takes the same number of
 * words whatever it draws, so that those of several are drawn at once: the generator is ahead. */
double ln_neighbourhood_draw(const ln_neighbourhood *near, const ln_near_buffers *at,
                             int64_t number, const float *x, const uint8_t *bins,
                             const double *z_of_x, ln_rng *rng, float *row, double *z);

#endif
