/* A job inside a job: for explainers that ask another one of rows of their own making (noisy copies of a row,
 * a layer's numbers beside it). Its rows, baselines and items are filled for every chunk of the outer job,
 * which runs on the caller's thread; the job inside spreads over the pool. */
#ifndef LN_EXPLAINERS_INSIDE_H
#define LN_EXPLAINERS_INSIDE_H

#include "explainers/explainer.h"

typedef struct ln_inside {
    ln_request request;
    ln_tensor *x;        /* (rows, width of the request's model) */
    ln_tensor *baseline; /* the same where rows have their own, else NULL */
    ln_item *items;      /* (rows) */
    int64_t *row_ids;    /* (rows) */
    ln_job *job;
} ln_inside;

/* How many items of `rows_per_item` rows, `width` numbers each, one call is to take: some thousand rows, not
 * above some 32 MB, one item at least. */
int64_t ln_inside_items(int64_t width, int64_t rows_per_item, int64_t item_count);

/* A job of `what` for up to `rows` rows. `request` says all but x, row_ids and items, and the baseline where
 * each row has its own (`own_baselines`), filled with what the model
 * holds (ln_model_hold). An error's field is the other one's. */
ln_status ln_inside_make(ln_inside *inside, const ln_explainer *what, const ln_request *request,
                         int64_t rows, bool own_baselines, ln_pool *pool, ln_error *err);
void ln_inside_release(ln_inside *inside);

/* With a profile: what the calling thread has taken so far, without the passes of the chunk's runner: for
 * chunk->nanoseconds. */
int64_t ln_inside_clock(const ln_job *job, const ln_job_chunk *chunk);

/* Explains the first `rows` rows as they were filled; the caller frees *out. */
ln_status ln_inside_run(const ln_inside *inside, int64_t rows, ln_explanation *out, ln_error *err);

#endif
