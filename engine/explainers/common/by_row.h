/* Jobs whose rows have groups of their own (request->row_groups): superpixels of each row's image. Every row
 * is a job by itself, made when its turn comes, with its own number of groups: so a row has the same bits
 * alone and among others, and explainers need not know of it. Rows go through the pool. What that costs is a
 * plan of the model's function a row, which the passes of a perturbation method outweigh. A row that cannot be
 * explained (an image with a number that is not finite, more pieces than the explainer takes) has NaN for
 * its values, and why in `reasons`; the others are explained. */
#ifndef LN_EXPLAINERS_BY_ROW_H
#define LN_EXPLAINERS_BY_ROW_H

#include "explainers/explainer.h"

/* Whether the explainer can do it, asked of the first item's row; of given groups also of the rows with the
 * fewest and the most; rows whose image cannot be cut are passed over. */
ln_status ln_by_row_check(const ln_job *job, ln_error *err);
/* As ln_job_run, which has checked first and count. */
ln_status ln_by_row_run(ln_job *job, int64_t first, int64_t count, ln_explanation *out,
                        ln_error *err);

#endif
