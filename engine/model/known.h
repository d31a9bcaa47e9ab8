/* Inside model/: outputs of rows that a function has passed. The rows of a background, a baseline, and the row that
 * is explained are passed for their outputs alone, by every job, every call and every target again. What has
 * been computed once is found by what a row holds (the SHA-256 of its numbers), as long as the function lives:
 * it goes with the function when weights change (kept.h).
 *
 * Only functions without rules, whose passes cost far more than the digest of a row, have it. Nobody can tell by
 * numbers or counts: a row has the same bits in every pass, and jobs count the rows they ask for. */
#ifndef LN_MODEL_KNOWN_H
#define LN_MODEL_KNOWN_H

#include "base/hash.h"
#include "model/model.h"

/* Rows that a function knows at most, and bytes they may take: a background, and what is explained. */
#define LN_KNOWN_ROWS 256
#define LN_KNOWN_BYTES ((size_t)1 << 20)

typedef struct ln_known ln_known;

/* Whether a pass of a row of this model costs enough for it. */
bool ln_known_pays(const ln_model *model);
/* For rows of so many outputs; *out is NULL where not even one row fits. */
ln_status ln_known_new(int64_t outputs, ln_known **out, ln_error *err);
void ln_known_free(ln_known *known); /* NULL is fine */
/* Called from any thread. Where the outputs of the row with this digest are known, copies them. */
bool ln_known_find(ln_known *known, const uint8_t digest[LN_SHA256_BYTES], float *outputs);
/* When it is full another row gives way, one that the digest draws: going through more rows than fit again and
 * again finds some of them. */
void ln_known_add(ln_known *known, const uint8_t digest[LN_SHA256_BYTES], const float *outputs);

#endif
