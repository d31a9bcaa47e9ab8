#include "explainers/common/groups.h"

#include <inttypes.h>

#include "base/alloc.h"
#include "base/error.h"

/* The group of input i; -1: none. */
static int64_t group_at(const int32_t *group_of, int64_t i)
{
    return group_of ? group_of[i] : i;
}

/* A counting sort: start[g + 1] first counts group g, then becomes where the group ends. */
static void sort_members(const int32_t *group_of, int64_t width, ln_groups *out)
{
    int64_t members = 0;
    for (int64_t i = 0; i < width; i++)
        if (group_at(group_of, i) >= 0) {
            out->start[group_at(group_of, i) + 1]++;
            members++;
        }
    for (int64_t g = 0; g < out->count; g++)
        out->start[g + 1] += out->start[g];
    for (int64_t i = width - 1; i >= 0; i--)
        if (group_at(group_of, i) >= 0)
            out->member[--out->start[group_at(group_of, i) + 1]] = i;
    /* Filling from the back moved each end to its group's start: move them back by one place. */
    for (int64_t g = 0; g < out->count; g++)
        out->start[g] = out->start[g + 1];
    out->start[out->count] = members;
}

ln_status ln_groups_make(const int32_t *group_of, int64_t width, int64_t count, ln_groups *out,
                         ln_error *err)
{
    *out = (ln_groups){.count = count};
    if (count < 1 || (!group_of && count != width))
        return ln_fail(err, LN_EINVALID,
                       "there are %" PRId64 " groups for %" PRId64
                       " inputs: expected at least one, and a group for every input",
                       count, width);
    for (int64_t i = 0; group_of && i < width; i++)
        if (group_of[i] < -1 || group_of[i] >= count)
            return ln_fail(err, LN_EINVALID,
                           "input %" PRId64 " is in group %d: expected 0 to %" PRId64, i,
                           group_of[i], count - 1);
    out->start = ln_calloc((size_t)count + 1, sizeof *out->start);
    out->member = ln_calloc((size_t)width, sizeof *out->member);
    if (!out->start || !out->member)
        return ln_fail_memory(err, (size_t)(count + width + 1) * sizeof(int64_t));
    sort_members(group_of, width, out);
    return LN_OK;
}

void ln_groups_free(ln_groups *groups)
{
    ln_free(groups->start);
    ln_free(groups->member);
    *groups = (ln_groups){0};
}
