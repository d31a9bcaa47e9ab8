/* How the rows that an item needs (steps of a path, masked copies) are laid into passes of the
 * network. The rows of a chunk's items follow one another as a stream; each pass takes the next
 * `rows` of them. An item of up to ln_model_chunk_rows rows shares its pass with whole others; a
 * longer one is cut into the fewest passes of equal size, so that none is mostly padding: 785 rows
 * are 13 passes of 61. */
#ifndef LN_EXPLAINERS_PASSES_H
#define LN_EXPLAINERS_PASSES_H

#include "explainers/explainer.h"

typedef struct ln_passes {
    int64_t rows;  /* rows a pass, 1 .. ln_model_chunk_rows */
    int64_t items; /* items a chunk, at least 1 */
} ln_passes;

/* For chunks that so many threads take. */
ln_passes ln_passes_of(const ln_model *model, int64_t rows_per_item, int64_t item_count,
                       int threads);
/* Rows a pass where a chunk is one item. Where there are more threads than items, which then share a pass, it is that
 * many times larger, unless its rows cannot be parted (job->joined, which is to be set before). */
int64_t ln_passes_rows_of(const ln_job *job, int64_t rows_per_item);
/* For an explainer's prepare: sets the job's rows_per_pass and items_per_chunk. */
void ln_passes_set(ln_job *job, int64_t rows_per_item);

/* The chunk's rows side by side into x, (count, width of the model); and their passes: y (count, outputs), and the
 * explained numbers into chunk->out->output. */
void ln_passes_rows(const ln_job *job, const ln_job_chunk *chunk, float *x);
ln_status ln_passes_outputs(const ln_job *job, ln_job_chunk *chunk, float *x, float *y,
                            ln_error *err);
/* For start: y (rows, outputs) of any rows (a background), over the pool; `runner` is the caller's. */
ln_status ln_passes_over_pool(const ln_job *job, ln_runner *runner, const float *x, int64_t rows,
                              float *y, ln_error *err);

/* Cuts 64-aligned pieces out of one block. With `base` NULL it only counts: the same calls first
 * give the size to ask for, then the pointers. */
typedef struct ln_carver {
    unsigned char *base; /* 64-aligned, or NULL */
    size_t used;         /* bytes handed out so far */
} ln_carver;

void *ln_carve(ln_carver *carver, int64_t count, size_t size);

#endif
