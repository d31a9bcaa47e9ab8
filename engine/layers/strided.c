/* Walks over strided elements: an odometer over the outer axes, a plain loop over the last one. */
#include "layers/strided.h"

#include <string.h>

/* The same walk with as few axes as it needs: neighbours that step as one become one. */
static ln_strides joined(const ln_strides *strides)
{
    ln_strides out = {.rank = 0};
    for (int i = 0; i < strides->rank; i++) {
        const int64_t dim = strides->dims[i], step = strides->step[i];
        if (dim == 1 && strides->rank > 1)
            continue;
        if (out.rank > 0 && out.step[out.rank - 1] == step * dim) {
            out.dims[out.rank - 1] *= dim;
            out.step[out.rank - 1] = step;
            continue;
        }
        out.dims[out.rank] = dim;
        out.step[out.rank++] = step;
    }
    if (out.rank == 0)
        out = (ln_strides){.rank = 1, .dims = {1}, .step = {1}};
    return out;
}

/* Moves the odometer over all axes but the last; false: it has gone round. */
static bool advance(const ln_strides *s, int64_t *index, int64_t *at)
{
    for (int i = s->rank - 2; i >= 0; i--) {
        *at += s->step[i];
        if (++index[i] < s->dims[i])
            return true;
        *at -= s->step[i] * s->dims[i];
        index[i] = 0;
    }
    return false;
}

static void copy_line(size_t size, const char *from, int64_t step, int64_t count, char *to)
{
    if (step == 1) {
        memcpy(to, from, (size_t)count * size);
    } else if (size == 4) {
        const uint32_t *f = (const uint32_t *)from;
        uint32_t *t = (uint32_t *)to;
        for (int64_t i = 0; i < count; i++)
            t[i] = f[i * step];
    } else if (size == 8) {
        const uint64_t *f = (const uint64_t *)from;
        uint64_t *t = (uint64_t *)to;
        for (int64_t i = 0; i < count; i++)
            t[i] = f[i * step];
    } else {
        for (int64_t i = 0; i < count; i++)
            to[i] = from[i * step];
    }
}

static bool is_empty(const ln_strides *s)
{
    for (int i = 0; i < s->rank; i++)
        if (s->dims[i] == 0)
            return true;
    return false;
}

void ln_strided_copy(const ln_strides *strides, size_t size, const void *from, void *to)
{
    const ln_strides s = joined(strides);
    const int64_t count = s.dims[s.rank - 1], step = s.step[s.rank - 1];
    int64_t index[LN_MAX_RANK] = {0}, at = 0;
    char *out = to;
    if (is_empty(&s))
        return;
    do {
        copy_line(size, (const char *)from + at * (int64_t)size, step, count, out);
        out += (size_t)count * size;
    } while (advance(&s, index, &at));
}

void ln_strided_scatter(const ln_strides *strides, const float *from, float *to)
{
    const ln_strides s = joined(strides);
    const int64_t count = s.dims[s.rank - 1], step = s.step[s.rank - 1];
    int64_t index[LN_MAX_RANK] = {0}, at = 0;
    if (is_empty(&s))
        return;
    do {
        for (int64_t i = 0; i < count; i++)
            to[at + i * step] = from[i];
        from += count;
    } while (advance(&s, index, &at));
}

void ln_strided_sum(const ln_strides *strides, const float *from, double *to)
{
    const ln_strides s = joined(strides);
    const int64_t count = s.dims[s.rank - 1], step = s.step[s.rank - 1];
    int64_t index[LN_MAX_RANK] = {0}, at = 0;
    if (is_empty(&s))
        return;
    do {
        for (int64_t i = 0; i < count; i++)
            to[at + i * step] += (double)from[i];
        from += count;
    } while (advance(&s, index, &at));
}
