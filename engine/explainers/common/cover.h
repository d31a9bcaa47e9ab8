/* What stands for inputs that are covered where there is no baseline: the mean of their group, channel by
 * channel. Rows of two axes are images, unless the model reads them as channels along a length. */
#ifndef LN_EXPLAINERS_COVER_H
#define LN_EXPLAINERS_COVER_H

#include "explainers/common/groups.h"
#include "explainers/common/passes.h"

/* The parameter of words that cover groups, or draw columns. */
#define LN_COVER_GROUPS                                                                            \
    {                                                                                              \
        .name = "groups", .type = LN_PARAM_GROUPS, .offset = LN_NO_OFFSET, .fallback = "nil",      \
        .help = "inputs that are one feature; default: every input alone, a table's by column, "   \
                "an image's superpixels"                                                           \
    }

typedef struct ln_cover {
    int64_t channels, inner; /* input i is of channel i / inner % channels */
} ln_cover;

typedef struct ln_cover_buffers {
    double *sum;    /* (channels) of a group */
    int64_t *count; /* (channels) its inputs */
} ln_cover_buffers;

ln_cover ln_cover_of(const ln_request *request);
ln_cover_buffers ln_cover_carve(const ln_cover *cover, ln_carver *carver);
/* to[i] = the mean of the inputs of i's group and channel, for the inputs i of all groups. */
void ln_cover_average(const ln_cover *cover, const ln_groups *groups, const float *x,
                      const ln_cover_buffers *at, float *to);

/* Whether groups are covered, or rows drawn from a background: LN_EINVALID where neither can be, with the field.
 * `word` is the explainer that asks. */
ln_status ln_cover_choose(const ln_job *job, const ln_cover *cover, const char *word, bool *masks,
                          ln_error *err);

#endif
