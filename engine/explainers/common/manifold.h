/* What share of the rows that an explainer asks the model about lie outside of the training data: the judge
 * off_manifold. Explainers with LN_WATCHED show each row that they made of the explained one; a sample of
 * `rows` of them (all, where there are no more), drawn by the row's number, is compared with the training rows.
 *
 * A row lies outside where its nearest training row is further away, in encoded space, than the nearest other
 * one is from `quantile` of the training rows themselves. Cost: rows x training rows distances an item. */
#ifndef LN_EXPLAINERS_MANIFOLD_H
#define LN_EXPLAINERS_MANIFOLD_H

#include "explainers/explainer.h"

struct ln_manifold {
    const ln_tensor *training; /* (K, width) f32, two rows or more; retained */
    int64_t rows;              /* of an item that are compared, at most */
    double threshold;          /* the squared distance within which a row is inside */
};

/* `quantile` as NumPy's default, linear between two. LN_EINVALID: fewer than two training rows. Caller frees. */
ln_status ln_manifold_new(ln_tensor *training, double quantile, int64_t rows, ln_pool *pool,
                          ln_manifold **out, ln_error *err);
void ln_manifold_free(ln_manifold *watch);

/* For job.c: a worker's, NULL for a job without a watch. */
ln_status ln_watcher_new(const ln_request *request, ln_watcher **out, ln_error *err);
void ln_watcher_free(ln_watcher *watcher);
/* Around one chunk: item entry 0 of `out` is item `first` of the request; entries that show no row get NaN. */
void ln_watcher_start(ln_watcher *watcher, const ln_request *request, int64_t first,
                      ln_explanation *out);
void ln_watcher_finish(ln_watcher *watcher);

/* For explainers: where the next row of that entry is to be copied, or NULL: it is not in the sample, or there
 * is no watch. Entries come in ascending order. */
float *ln_manifold_place(const ln_job_chunk *chunk, int64_t entry);
/* Shows a row as it is. */
void ln_manifold_row(const ln_job_chunk *chunk, int64_t entry, const float *row);

#endif
