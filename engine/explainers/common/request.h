/* Whether a request is one that can be explained: for job.c. Errors name the field of the word. And what errors call
 * its rows. */
#ifndef LN_EXPLAINERS_COMMON_REQUEST_H
#define LN_EXPLAINERS_COMMON_REQUEST_H

#include "explainers/explainer.h"

ln_status ln_request_check_rows(const ln_request *request, ln_error *err);
/* All that the explainer takes besides: gradients or a layer where the model has any, baseline, background, neuron. */
ln_status ln_request_check(const ln_request *request, const ln_explainer *explainer, ln_error *err);
ln_status ln_request_fail(ln_error *err, const char *field, ln_status status); /* returns status */

/* From the number of a copy of a row (row_ids of a job inside) to that of its next one: greater than that of any row
 * of a data set. */
#define LN_COPIES_APART ((int64_t)1 << 40)
/* What errors call a row of request->x: its number in the data set, a copy's that of its row. */
int64_t ln_request_row(const ln_request *request, int64_t row);

#endif
