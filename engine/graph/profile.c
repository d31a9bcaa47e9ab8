#include "graph/profile.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "base/error.h"
#include "graph/graph.h"

ln_status ln_profile_new(ln_profile **out, ln_error *err)
{
    *out = ln_calloc(1, sizeof **out);
    return *out ? LN_OK : ln_fail_memory(err, sizeof **out);
}

void ln_profile_free(ln_profile *profile)
{
    if (!profile)
        return;
    for (int i = 0; i < profile->count; i++) {
        ln_free(profile->lines[i].node);
        ln_free(profile->lines[i].operator_name);
    }
    ln_free(profile->lines);
    ln_free(profile);
}

static ln_profile_line *line_of(ln_profile *profile, const ln_layer *layer, const char *node,
                                const char *operator_name)
{
    for (int i = 0; i < profile->count; i++)
        if (profile->lines[i].layer == layer && strcmp(profile->lines[i].node, node) == 0 &&
            (layer || strcmp(profile->lines[i].operator_name, operator_name) == 0))
            return &profile->lines[i];
    ln_profile_line *lines =
        ln_realloc(profile->lines, ((size_t)profile->count + 1) * sizeof *lines);
    if (!lines)
        return NULL;
    profile->lines = lines;
    ln_profile_line made = {
        .node = ln_strdup(node), .operator_name = ln_strdup(operator_name), .layer = layer};
    if (!made.node || !made.operator_name) {
        ln_free(made.node);
        ln_free(made.operator_name);
        return NULL;
    }
    lines[profile->count] = made;
    return &lines[profile->count++];
}

void ln_profile_add(ln_profile *profile, const ln_step *step, int way, int64_t rows,
                    int64_t nanoseconds)
{
    const ln_node *node = step->node;
    ln_profile_line *line =
        rows > 0 ? line_of(profile, node->layer, node->name, node->operator_name) : NULL;
    if (!line)
        return;
    line->kernels[way] = step->kernels[way];
    line->rows[way] += rows;
    line->nanoseconds[way] += nanoseconds;
    line->operations[way] += step->operations * (double)rows;
}

void ln_profile_add_work(ln_profile *profile, const ln_profile_work *work)
{
    ln_profile_line *line = work->rows > 0 ? line_of(profile, NULL, work->doer, work->kind) : NULL;
    if (!line)
        return;
    line->kernels[LN_PROFILE_FORWARD] = work->kernel;
    line->rows[LN_PROFILE_FORWARD] += work->rows;
    line->nanoseconds[LN_PROFILE_FORWARD] += work->nanoseconds;
    line->operations[LN_PROFILE_FORWARD] += work->operations;
}

int64_t ln_profile_clock(const ln_profile *profile)
{
    struct timespec time = {0};
    if (profile)
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const ln_profile_line *left = a, *right = b;
    const int64_t l = left->nanoseconds[0] + left->nanoseconds[1];
    const int64_t r = right->nanoseconds[0] + right->nanoseconds[1];
    return l != r ? (l < r) - (l > r) : strcmp(left->node, right->node);
}

void ln_profile_sort(ln_profile *profile)
{
    if (profile->count > 0)
        qsort(profile->lines, (size_t)profile->count, sizeof *profile->lines, compare);
}
