/* The inputs of each group side by side, so that a mask touches only what it changes. */
#ifndef LN_EXPLAINERS_GROUPS_H
#define LN_EXPLAINERS_GROUPS_H

#include "lunette.h"

typedef struct ln_groups {
    int64_t count;   /* groups */
    int64_t *start;  /* count + 1 entries: group g owns member[start[g]] .. member[start[g + 1]] */
    int64_t *member; /* the inputs, ascending within a group */
} ln_groups;

/* `group_of` has `width` entries, 0 .. count - 1, or -1: in no group (NULL: every input alone, count =
 * width). LN_EINVALID where one is outside. Caller frees with ln_groups_free, also after an error. */
ln_status ln_groups_make(const int32_t *group_of, int64_t width, int64_t count, ln_groups *out,
                         ln_error *err);
void ln_groups_free(ln_groups *groups);

/* row[i] = fill[i] for the inputs i of a group. */
static inline void ln_groups_fill(const ln_groups *groups, int64_t group, const float *fill,
                                  float *row)
{
    for (int64_t m = groups->start[group]; m < groups->start[group + 1]; m++)
        row[groups->member[m]] = fill[groups->member[m]];
}

#endif
