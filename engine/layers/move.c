/* Tables of offsets: made, joined and gone along. */
#include "layers/move.h"

#include <string.h>

#include "base/alloc.h"

ln_status ln_move_start(ln_step *step, const ln_shape *row, ln_move **out, ln_error *err)
{
    int64_t entries = 0;
    ln_move_release(step);
    ln_move *move = ln_calloc(1, sizeof *move);
    if (!move)
        return ln_fail_memory(err, sizeof *move);
    step->prepared = move;
    for (int i = 0; i < row->rank; i++)
        entries += row->dims[i];
    move->offsets = ln_alloc((size_t)(entries + 1) * sizeof *move->offsets);
    if (!move->offsets)
        return ln_fail_memory(err, (size_t)entries * sizeof *move->offsets);
    int64_t *next = move->offsets;
    move->rank = row->rank;
    for (int i = 0; i < row->rank; i++) {
        move->axes[i] = (ln_move_axis){.size = row->dims[i], .offset = next};
        next += row->dims[i];
    }
    move->in_count = ln_operand_in(step, 0).count;
    move->out_count = ln_shape_count(row);
    *out = move;
    return LN_OK;
}

void ln_move_release(ln_step *step)
{
    ln_move *move = step->prepared;
    if (move)
        ln_free(move->offsets);
    ln_free(move);
    step->prepared = NULL;
}

/* Whether the axis steps evenly; then its table is not needed. */
static void look_at_axis(ln_move *move, ln_move_axis *axis)
{
    const int64_t *offset = axis->offset;
    const int64_t step = axis->size > 1 ? offset[1] - offset[0] : 0;
    bool even = offset[0] >= 0, rises = true;
    for (int64_t i = 0; i < axis->size; i++) {
        even = even && offset[i] >= 0 && offset[i] == offset[0] + i * step;
        move->fills = move->fills || offset[i] < 0;
        rises =
            rises && (i == 0 || offset[i] < 0 || offset[i - 1] < 0 || offset[i] > offset[i - 1]);
    }
    if (even) {
        axis->first = offset[0];
        axis->step = step;
        axis->offset = NULL;
    }
    move->repeats = move->repeats || (axis->size > 1 && (even ? step == 0 : !rises));
}

void ln_move_finish(ln_step *step, ln_move *move)
{
    int kept = 0;
    for (int i = 0; i < move->rank; i++)
        look_at_axis(move, &move->axes[i]);
    for (int i = 0; i < move->rank; i++) {
        ln_move_axis *last = &move->axes[kept > 0 ? kept - 1 : 0], *axis = &move->axes[i];
        if (axis->size == 1 && !axis->offset && axis->first == 0)
            continue;
        if (kept > 0 && !last->offset && !axis->offset && last->step == axis->step * axis->size) {
            last->first += axis->first;
            last->size *= axis->size;
            last->step = axis->step;
            continue;
        }
        move->axes[kept++] = *axis;
    }
    if (kept == 0)
        move->axes[kept++] = (ln_move_axis){.size = 1};
    move->rank = kept;
    if (move->repeats && (step->gradient || step->training))
        step->scratch_bytes = (size_t)move->in_count * sizeof(double);
}

static int64_t offset_at(const ln_move_axis *axis, int64_t i)
{
    return axis->offset ? axis->offset[i] : axis->first + i * axis->step;
}

/* Goes through the runs of a row's result: all axes but the last. */
typedef struct runs {
    int64_t index[LN_MAX_RANK];
    int64_t base; /* offset of all axes but the last, or LN_NOTHING */
    int64_t at;   /* the run's first element in the row's result */
} runs;

static void find_base(const ln_move *move, runs *r)
{
    r->base = 0;
    for (int k = 0; k < move->rank - 1 && r->base >= 0; k++) {
        const int64_t offset = offset_at(&move->axes[k], r->index[k]);
        r->base = offset < 0 ? LN_NOTHING : r->base + offset;
    }
}

static bool next_run(const ln_move *move, runs *r)
{
    r->at += move->axes[move->rank - 1].size;
    for (int k = move->rank - 2; k >= 0; k--) {
        if (++r->index[k] < move->axes[k].size) {
            find_base(move, r);
            return true;
        }
        r->index[k] = 0;
    }
    return false;
}

/* One run, for elements of one size. */
#define COPY_RUN(type)                                                                             \
    for (int64_t i = 0; i < last->size; i++) {                                                     \
        const int64_t offset = base < 0 ? LN_NOTHING : offset_at(last, i);                         \
        ((type *)to)[i] = offset < 0 ? *(const type *)fill : ((const type *)from)[base + offset];  \
    }

static void copy_run(const ln_move_axis *last, int64_t base, const char *from, char *to,
                     size_t size, const void *fill)
{
    if (base >= 0 && !last->offset && last->step == 1) {
        memcpy(to, from + (size_t)(base + last->first) * size, (size_t)last->size * size);
        return;
    }
    if (size == sizeof(uint32_t)) {
        COPY_RUN(uint32_t)
    } else if (size == sizeof(uint64_t)) {
        COPY_RUN(uint64_t)
    } else {
        COPY_RUN(uint8_t)
    }
}

void ln_move_filled(const ln_pass *pass, const void *fill)
{
    const ln_move *move = pass->step->prepared;
    const ln_operand x = ln_operand_in(pass->step, 0);
    const size_t size = ln_dtype_size(x.dtype);
    for (int64_t r = 0; r < ln_pass_rows(pass); r++) {
        const char *from = (const char *)pass->in[0] + (size_t)(r * x.step) * size;
        char *to = (char *)pass->out[0] + (size_t)(r * move->out_count) * size;
        runs run = {.at = 0};
        find_base(move, &run);
        do
            copy_run(&move->axes[move->rank - 1], run.base, from, to + (size_t)run.at * size, size,
                     fill);
        while (next_run(move, &run));
    }
}

ln_status ln_move_forward(const ln_pass *pass, ln_error *err)
{
    static const uint64_t zero = 0;
    (void)err;
    ln_move_filled(pass, &zero);
    return LN_OK;
}

static void send_row(const ln_move *move, const float *dy, float *dx)
{
    const ln_move_axis *last = &move->axes[move->rank - 1];
    runs run = {.at = 0};
    memset(dx, 0, (size_t)move->in_count * sizeof *dx);
    find_base(move, &run);
    do
        for (int64_t i = 0; i < last->size && run.base >= 0; i++) {
            const int64_t offset = offset_at(last, i);
            if (offset >= 0)
                dx[run.base + offset] = dy[run.at + i];
        }
    while (next_run(move, &run));
}

static void sum_row(const ln_move *move, const float *dy, double *sum, float *dx)
{
    const ln_move_axis *last = &move->axes[move->rank - 1];
    runs run = {.at = 0};
    for (int64_t i = 0; i < move->in_count; i++)
        sum[i] = 0;
    find_base(move, &run);
    do
        for (int64_t i = 0; i < last->size && run.base >= 0; i++) {
            const int64_t offset = offset_at(last, i);
            if (offset >= 0)
                sum[run.base + offset] += (double)dy[run.at + i];
        }
    while (next_run(move, &run));
    ln_write_sums(sum, move->in_count, dx, false);
}

ln_status ln_move_backward(const ln_pass *pass, ln_error *err)
{
    (void)err;
    const ln_move *move = pass->step->prepared;
    for (int64_t r = 0; r < pass->rows && pass->in_grad[0]; r++) {
        const float *dy = pass->out_grad[0] + r * move->out_count;
        float *dx = pass->in_grad[0] + r * move->in_count;
        if (move->repeats)
            sum_row(move, dy, pass->scratch, dx);
        else
            send_row(move, dy, dx);
    }
    return LN_OK;
}
