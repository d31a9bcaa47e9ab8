/* The plain entry: our own matrix product.
 *
 * B is packed into panels of 16 columns, (panel, inputs, 16), zero beyond the last column, so that
 * the inner loop reads one cache line a step. The block product (plain_block.h) keeps one
 * accumulator an element and walks the whole depth, which is what makes bits independent of rows,
 * position and register width. There is no blocking of the depth: two panels of 4096 inputs are
 * 512 KiB and stay in the second cache for all the rows of a chunk.
 *
 * Cost: rows * inputs * outputs fused multiply-adds, outputs rounded up to 16. */
#include "kernels/plain.h"

#include "base/alloc.h"
#include "base/error.h"
#include "kernels/choose.h"
#include "kernels/kernels.h"
#include <stdlib.h>
#include <string.h>

typedef struct plain_packed {
    ln_packed head;
    ln_block_fn run; /* this machine's block product */
    float *panels;   /* (panel, inputs, 16), 64-aligned */
} plain_packed;

ln_block_fn ln_kernels_block(void)
{
    return LN_CHOOSE(ln_block);
}

static int64_t panel_count(int64_t columns)
{
    return (columns + LN_PANEL - 1) / LN_PANEL;
}

typedef float four __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t four_lanes __attribute__((vector_size(16)));

/* Four rows of `from`, `step` apart, as four columns of a panel. */
static void turn_four(const float *from, int64_t step, float *panel)
{
    const four_lanes low = {0, 4, 1, 5}, high = {2, 6, 3, 7};
    const four_lanes firsts = {0, 1, 4, 5}, seconds = {2, 3, 6, 7};
    const four a = *(const four *)from, b = *(const four *)(from + step);
    const four c = *(const four *)(from + 2 * step), d = *(const four *)(from + 3 * step);
    const four ab = __builtin_shuffle(a, b, low), cd = __builtin_shuffle(c, d, low);
    const four ab_next = __builtin_shuffle(a, b, high), cd_next = __builtin_shuffle(c, d, high);
    *(four *)panel = __builtin_shuffle(ab, cd, firsts);
    *(four *)(panel + LN_PANEL) = __builtin_shuffle(ab, cd, seconds);
    *(four *)(panel + 2 * LN_PANEL) = __builtin_shuffle(ab_next, cd_next, firsts);
    *(four *)(panel + 3 * LN_PANEL) = __builtin_shuffle(ab_next, cd_next, seconds);
}

/* A whole panel of a matrix whose rows (input_step 1: columns) lie together; how many inputs it took. */
static int64_t pack_whole(const float *from, int64_t depth, int64_t input_step, int64_t output_step,
                          float *panel)
{
    int64_t k = 0;
    if (output_step == 1)
        for (; k < depth; k++)
            memcpy(panel + k * LN_PANEL, from + k * input_step, LN_PANEL * sizeof *from);
    else if (input_step == 1)
        for (; k + 4 <= depth; k += 4)
            for (int64_t j = 0; j < LN_PANEL; j += 4)
                turn_four(from + k + j * output_step, output_step, panel + k * LN_PANEL + j);
    return k;
}

/* Columns [first, first + count) of B, count <= LN_PANEL, as one panel. */
static void pack_panel(const float *b, int64_t depth, int64_t input_step, int64_t output_step,
                       int64_t first, int64_t count, float *panel)
{
    int64_t done = 0;
    if (count == LN_PANEL)
        done = pack_whole(b + first * output_step, depth, input_step, output_step, panel);
    for (int64_t k = done; k < depth; k++) {
        const float *from = b + k * input_step + first * output_step;
        for (int64_t j = 0; j < count; j++)
            panel[k * LN_PANEL + j] = from[j * output_step];
        for (int64_t j = count; j < LN_PANEL; j++)
            panel[k * LN_PANEL + j] = 0.0f;
    }
}

static void pack_panels(const float *b, int64_t depth, int64_t columns, int64_t input_step,
                        int64_t output_step, float *panels)
{
    for (int64_t first = 0; first < columns; first += LN_PANEL) {
        int64_t count = columns - first < LN_PANEL ? columns - first : LN_PANEL;
        pack_panel(b, depth, input_step, output_step, first, count, panels + first * depth);
    }
}

static void plain_release(ln_packed *packed)
{
    plain_packed *own = (plain_packed *)packed;
    if (!own)
        return;
    ln_free_aligned(own->panels);
    ln_free(own);
}

static ln_status plain_pack(const ln_product *product, const float *b, int64_t input_step,
                            int64_t output_step, ln_packed **packed, ln_error *err)
{
    plain_packed *own = (plain_packed *)*packed;
    if (!own) {
        size_t bytes =
            (size_t)(panel_count(product->outputs) * product->inputs) * LN_PANEL * sizeof(float);
        own = ln_calloc(1, sizeof *own);
        if (!own)
            return ln_fail_memory(err, sizeof *own);
        own->panels = ln_alloc_aligned(bytes);
        if (!own->panels) {
            plain_release(&own->head);
            return ln_fail_memory(err, bytes);
        }
        own->head.kernels = &ln_kernels_plain;
        own->head.product = *product;
        own->run = ln_kernels_block();
        *packed = &own->head;
    }
    pack_panels(b, product->inputs, product->outputs, input_step, output_step, own->panels);
    return LN_OK;
}

static ln_status plain_multiply(const ln_packed *packed, int64_t rows, const float *x,
                                const float *bias, float *y, void *scratch, ln_error *err)
{
    const plain_packed *own = (const plain_packed *)packed;
    const ln_product *product = &packed->product;
    (void)scratch;
    (void)err;
    const ln_block block = {.rows = rows,
                            .columns = product->outputs,
                            .depth = product->inputs,
                            .a = x,
                            .a_row = product->inputs,
                            .a_depth = 1,
                            .b = own->panels,
                            .c = y,
                            .c_row = product->outputs,
                            .bias = bias,
                            .cut = product->cut};
    own->run(&block);
    return LN_OK;
}

const ln_kernels ln_kernels_plain = {
    .name = "plain",
    .pack = plain_pack,
    .release = plain_release,
    .multiply = plain_multiply,
};

size_t ln_kernels_multiply_once_scratch(int64_t inputs)
{
    return (size_t)inputs * LN_PANEL * sizeof(float);
}

void ln_kernels_multiply_once(ln_block_fn run, const ln_product *product, int64_t rows,
                              const float *x, int64_t x_row, int64_t x_step, const float *b,
                              int64_t input_step, int64_t output_step, const float *bias, float *y,
                              void *scratch)
{
    /* It may be a panel as it is. */
    const bool is_panel =
        product->outputs == LN_PANEL && output_step == 1 && input_step == LN_PANEL;
    for (int64_t first = 0; first < product->outputs; first += LN_PANEL) {
        int64_t left = product->outputs - first;
        ln_block block = {.rows = rows,
                          .columns = left < LN_PANEL ? left : LN_PANEL,
                          .depth = product->inputs,
                          .a = x,
                          .a_row = x_row,
                          .a_depth = x_step,
                          .b = is_panel ? b : scratch,
                          .c = y + first,
                          .c_row = product->outputs,
                          .bias = bias ? bias + first : NULL,
                          .cut = product->cut};
        if (!is_panel)
            pack_panel(b, product->inputs, input_step, output_step, first, block.columns, scratch);
        run(&block);
    }
}

size_t ln_kernels_accumulate_scratch(int64_t rows, int64_t right)
{
    return (size_t)(rows * panel_count(right)) * LN_PANEL * sizeof(float);
}

void ln_kernels_accumulate(ln_block_fn run, int64_t rows, int64_t left, int64_t right,
                           const float *a, const float *b, float *c, void *scratch)
{
    pack_panels(b, rows, right, right, 1, scratch);
    const ln_block block = {.rows = left,
                            .columns = right,
                            .depth = rows,
                            .a = a,
                            .a_row = 1,
                            .a_depth = left,
                            .b = scratch,
                            .c = c,
                            .c_row = right,
                            .add = true};
    run(&block);
}

void ln_kernels_add_rows(int64_t rows, int64_t width, const float *a, float *sum)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < width; i++)
            sum[i] += a[r * width + i];
}
