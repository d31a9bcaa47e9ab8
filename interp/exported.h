/* What a run left behind, put together as arrays: the attributions of one explanation, the
 * predictions. */
#ifndef LN_EXPORTED_H
#define LN_EXPORTED_H

#include "base/text.h"
#include "lunette.h"
#include "store/store.h"

/* An array with the samples and targets of its rows. */
typedef struct ln_exported {
    ln_tensor *values; /* f32: (N, *shape), (N, targets, *shape), or (N, outputs) of predictions */
    int64_t count;     /* attributions, or predictions */
    int64_t per_row;   /* attributions a sample; 1 as a rule */
    int64_t *rows;     /* count rows of the data set, in order; -1 for global attributions */
    int64_t *targets;  /* count targets; -1: none; NULL for predictions */
    int64_t first;     /* id of the first attribution that has numbers; 0: none */
    bool grouped;      /* groups were expanded */
} ln_exported;

/* The attributions of an explanation, in their order; `input` NULL or the input's name.
 * Attributions without numbers are NaN. values is NULL where none has numbers. Free with
 * ln_exported_free. */
ln_status ln_export_explanation(ln_store *store, int64_t explanation, const char *input,
                                ln_exported *out, ln_error *err);
/* The model's outputs for the rows of `inputs` (where a run has none: for all it predicted). */
ln_status ln_export_predictions(ln_store *store, int64_t run, ln_exported *out, ln_error *err);
void ln_exported_free(ln_exported *exported);

#endif
