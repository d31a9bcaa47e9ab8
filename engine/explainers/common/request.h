/* Whether a request is one that can be explained: for job.c. Errors name the field of the word. */
#ifndef LN_EXPLAINERS_COMMON_REQUEST_H
#define LN_EXPLAINERS_COMMON_REQUEST_H

#include "explainers/explainer.h"

ln_status ln_request_check_rows(const ln_request *request, ln_error *err);
/* All that the explainer takes besides: gradients or a layer where the model has any, baseline, background, neuron. */
ln_status ln_request_check(const ln_request *request, const ln_explainer *explainer, ln_error *err);
ln_status ln_request_fail(ln_error *err, const char *field, ln_status status); /* returns status */

#endif
