/* kernels: dense layers one behind the other, against sums in float64 and against themselves. */
#include "kernels_support.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "base/rng.h"
#include "kernels/cascade.h"
#include "kernels/elementary.h"

enum { TABLES = 3, PARTS = 5, ROWS = 21, MOST_LAYERS = 4, WIDEST = 130 };

typedef enum ending { NONE, RELU, TANH, SIGMOID, GELU } ending;

/* A first layer of sums of parts, and layers behind it. */
typedef struct stack {
    int64_t count;                                      /* layers behind the first */
    int64_t sizes[MOST_LAYERS + 1];                     /* numbers of the first and of those */
    ending endings[MOST_LAYERS];                        /* of the first and of all but the last */
    float *weight[MOST_LAYERS], *bias[MOST_LAYERS];     /* (out, in), (out) */
    int64_t width;                                      /* of the first, padded */
    float *start, *parts;                               /* (width), (TABLES, PARTS, width) */
    double *walk_start, *changes;                       /* the same of walks */
    bool exact;                                         /* walks take those */
    uint16_t chosen[(ROWS + LN_CASCADE_ROWS) * TABLES]; /* of a walk the first ROWS of them */
    ln_cascade packed;
} stack;

static ln_cascade_ending ending_of(ending given)
{
    const ln_elementary *elementary = ln_elementary_choose();
    return (ln_cascade_ending){.cut = given == RELU,
                               .activate = given == TANH      ? elementary->tanh
                                           : given == SIGMOID ? elementary->sigmoid
                                           : given == GELU    ? elementary->gelu
                                                              : NULL};
}

static double finished(ending given, double x)
{
    switch (given) {
    case RELU:
        return x <= 0 ? 0 : x;
    case TANH:
        return tanh(x);
    case SIGMOID:
        return 1 / (1 + exp(-x));
    case GELU:
        return x * erfc(-x / sqrt(2)) / 2;
    default:
        return x;
    }
}

/* Numbers beyond the layer's own are 0. */
static float *padded(int64_t rows, int64_t count, int64_t width, uint64_t seed)
{
    float *made = floats(rows * width, seed);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = count; i < width; i++)
            made[r * width + i] = 0;
    return made;
}

static double *doubles(const float *from, int64_t count)
{
    double *made = ln_alloc_aligned((size_t)count * sizeof *made);
    assert_non_null(made);
    for (int64_t i = 0; i < count; i++)
        made[i] = (double)from[i];
    return made;
}

static void make_stack(stack *it, uint64_t seed)
{
    ln_error err = {0};
    ln_cascade_dense layers[MOST_LAYERS];
    ln_rng rng = ln_rng_make(seed, "test cascade", 0, 0);
    it->width = ln_cascade_padded(it->sizes[0]);
    it->start = padded(1, it->sizes[0], it->width, seed + 1);
    it->parts = padded(TABLES * PARTS, it->sizes[0], it->width, seed + 2);
    it->walk_start = doubles(it->start, it->width);
    it->changes = doubles(it->parts, TABLES * PARTS * it->width);
    memset(it->chosen, 0, sizeof it->chosen);
    for (int64_t i = 0; i < ROWS * TABLES; i++)
        it->chosen[i] = (uint16_t)((i % TABLES * PARTS + (int64_t)ln_rng_below(&rng, PARTS)) *
                                   (it->width / LN_CASCADE_PANEL));
    for (int64_t l = 0; l < it->count; l++) {
        const int64_t in = it->sizes[l], out = it->sizes[l + 1];
        it->weight[l] = floats(in * out, seed + 10 + (uint64_t)l);
        it->bias[l] = floats(out, seed + 20 + (uint64_t)l);
        for (int64_t i = 0; i < in * out; i++)
            it->weight[l][i] /= sqrtf((float)in);
        layers[l] =
            (ln_cascade_dense){.inputs = in,
                               .outputs = out,
                               .weight = it->weight[l],
                               .input_step = 1,
                               .output_step = in,
                               .bias = it->bias[l],
                               .ending = ending_of(l + 1 < it->count ? it->endings[l + 1] : NONE)};
    }
    assert_ok(ln_cascade_make(it->sizes[0], ending_of(it->endings[0]), layers, it->count,
                              &it->packed, &err));
}

static void free_stack(stack *it)
{
    for (int64_t l = 0; l < it->count; l++) {
        ln_free_aligned(it->weight[l]);
        ln_free_aligned(it->bias[l]);
    }
    ln_free_aligned(it->start);
    ln_free_aligned(it->parts);
    ln_free_aligned(it->walk_start);
    ln_free_aligned(it->changes);
    ln_cascade_free(&it->packed);
}

/* With it rows are walks of so many. */
enum { WALK = 4, NO_WALK = 0 };

/* All outputs of `count` rows from row `first` on: (outputs, ROWS + LN_CASCADE_ROWS). */
static void run_walks(ln_cascade_fn kernel, const stack *it, int64_t walk, int64_t first,
                      int64_t count, double *sum)
{
    memset(sum, 0, (size_t)(it->packed.outputs * (ROWS + LN_CASCADE_ROWS)) * sizeof *sum);
    kernel(&it->packed, &(ln_cascade_rows){.count = count,
                                           .tables = walk ? 1 : TABLES,
                                           .walk = walk,
                                           .start = it->start,
                                           .parts = it->parts,
                                           .walk_start = it->walk_start,
                                           .changes = walk && it->exact ? it->changes : NULL,
                                           .chosen = it->chosen + first * (walk ? 1 : TABLES),
                                           .output_count = it->packed.outputs,
                                           .sum = sum,
                                           .sum_row = ROWS + LN_CASCADE_ROWS});
}

static void run(ln_cascade_fn kernel, const stack *it, int64_t first, int64_t count, double *sum)
{
    run_walks(kernel, it, NO_WALK, first, count, sum);
}

/* One output of a row, in float64. A row's parts stand side by side, those of a walk's row row by row. */
static double exact_walk(const stack *it, int64_t walk, int64_t row, int64_t output)
{
    double h[2][WIDEST] = {{0}};
    const int64_t first = walk ? row / walk * walk : row * TABLES;
    const int64_t parts = walk ? row % walk + 1 : TABLES;
    for (int64_t i = 0; i < it->sizes[0]; i++) {
        double sum = (double)it->start[i];
        for (int64_t t = first; t < first + parts; t++)
            sum += (double)it->parts[it->chosen[t] * LN_CASCADE_PANEL + i];
        h[0][i] = finished(it->endings[0], sum);
    }
    for (int64_t l = 0; l < it->count; l++)
        for (int64_t o = 0; o < it->sizes[l + 1]; o++) {
            double sum = (double)it->bias[l][o];
            for (int64_t i = 0; i < it->sizes[l]; i++)
                sum += (double)it->weight[l][o * it->sizes[l] + i] * h[l % 2][i];
            h[(l + 1) % 2][o] = finished(l + 1 < it->count ? it->endings[l + 1] : NONE, sum);
        }
    return h[it->count % 2][output];
}

static double exact(const stack *it, int64_t row, int64_t output)
{
    return exact_walk(it, NO_WALK, row, output);
}

static const struct {
    int64_t count, sizes[MOST_LAYERS + 1];
    ending endings[MOST_LAYERS];
} stacks[] = {
    {1, {1, 1}, {RELU}},
    {1, {17, 3}, {TANH}},
    {1, {64, 2}, {RELU}},
    {2, {64, 32, 2}, {RELU, RELU}},
    {2, {9, 5, 1}, {RELU, SIGMOID}},
    {2, {100, 33, 4}, {RELU, NONE}},
    {2, {48, 16, 1}, {GELU, RELU}},
    {2, {129, 65, 10}, {NONE, RELU}},
    {3, {31, 80, 7, 3}, {RELU, RELU, RELU}},
    {4, {16, 15, 14, 13, 2}, {RELU, TANH, RELU, GELU}},
};
#define STACKS (sizeof stacks / sizeof stacks[0])

static stack stack_of(size_t shape)
{
    stack made = {.count = stacks[shape].count};
    memcpy(made.sizes, stacks[shape].sizes, sizeof made.sizes);
    memcpy(made.endings, stacks[shape].endings, sizeof made.endings);
    make_stack(&made, 100 * (shape + 1));
    return made;
}

static void a_cascade_is_its_layers(void **state)
{
    (void)state;
    static double sum[10 * (ROWS + LN_CASCADE_ROWS)];
    for (size_t s = 0; s < STACKS; s++) {
        stack it = stack_of(s);
        run(ln_kernels_cascade(), &it, 0, ROWS, sum);
        for (int64_t row = 0; row < ROWS; row++)
            for (int64_t o = 0; o < it.packed.outputs; o++) {
                const double got = sum[o * (ROWS + LN_CASCADE_ROWS) + row];
                const double wanted = exact(&it, row, o);
                if (!(fabs(got - wanted) <= 4e-6 * (1 + fabs(wanted))))
                    fail_msg("shape %d, row %d, output %d: %.9g, not %.9g", (int)s, (int)row,
                             (int)o, got, wanted);
            }
        free_stack(&it);
    }
}

/* Whatever stands beside a row, and wherever it stands; a single output has the bits of all. */
static void bits_of_a_row_are_its_own(void **state)
{
    (void)state;
    static double all[10 * (ROWS + LN_CASCADE_ROWS)], some[10 * (ROWS + LN_CASCADE_ROWS)];
    for (size_t s = 0; s < STACKS; s++) {
        stack it = stack_of(s);
        run(ln_kernels_cascade(), &it, 0, ROWS, all);
        for (int64_t first = 0; first < ROWS; first++)
            for (int64_t count = 1; first + count <= ROWS; count += 6) {
                run(ln_kernels_cascade(), &it, first, count, some);
                for (int64_t o = 0; o < it.packed.outputs; o++)
                    assert_same_bits(some + o * (ROWS + LN_CASCADE_ROWS),
                                     all + o * (ROWS + LN_CASCADE_ROWS) + first,
                                     (size_t)count * sizeof *all);
            }
        for (int64_t o = 0; o < it.packed.outputs; o++) {
            memset(some, 0, sizeof some);
            ln_kernels_cascade()(&it.packed, &(ln_cascade_rows){.count = ROWS,
                                                                .tables = TABLES,
                                                                .start = it.start,
                                                                .parts = it.parts,
                                                                .chosen = it.chosen,
                                                                .output = o,
                                                                .output_count = 1,
                                                                .sum = some});
            assert_same_bits(some, all + o * (ROWS + LN_CASCADE_ROWS), ROWS * sizeof *all);
        }
        free_stack(&it);
    }
}

/* What is 0 in all rows is left out: that shows neither beside a bias of -0 nor beside rows that are not
 * numbers, which stay among themselves. */
static void what_is_left_out_does_not_show(void **state)
{
    (void)state;
    static double with[ROWS + LN_CASCADE_ROWS], without[ROWS + LN_CASCADE_ROWS];
    stack it = {.count = 2, .sizes = {20, 18, 1}, .endings = {RELU, RELU}};
    make_stack(&it, 7);
    float *infinite = it.parts + PARTS * it.width; /* part 0 of table 1, which row 3 alone has */
    for (int64_t row = 0; row < ROWS; row++)
        it.chosen[row * TABLES + 1] =
            (uint16_t)((PARTS + (row == 3 ? 0 : 1)) * (it.width / LN_CASCADE_PANEL));
    run(ln_kernels_cascade(), &it, 0, ROWS, without);
    for (int64_t i = 0; i < it.sizes[0]; i++)
        infinite[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -INFINITY;
    run(ln_kernels_cascade(), &it, 0, ROWS, with);
    assert_true(isnan(with[3]));
    for (int64_t row = 0; row < ROWS; row++)
        if (row != 3)
            assert_same_bits(&with[row], &without[row], sizeof *with);
    free_stack(&it);

    /* All of the first layer is 0 in row 0, and row 1 is not: a second layer that begins at -0. */
    it = (stack){.count = 2, .sizes = {3, 2, 1}, .endings = {RELU, NONE}};
    make_stack(&it, 8);
    ln_cascade_free(&it.packed);
    const ln_cascade_dense layers[] = {{.inputs = 3,
                                        .outputs = 2,
                                        .weight = (float[]){-1, -2, -3, -4, -5, -6},
                                        .input_step = 1,
                                        .output_step = 3,
                                        .bias = (float[]){-0.0F, -0.0F}},
                                       {.inputs = 2,
                                        .outputs = 1,
                                        .weight = (float[]){1, 1},
                                        .input_step = 1,
                                        .output_step = 2,
                                        .bias = (float[]){-0.0F}}};
    ln_error err = {0};
    assert_ok(ln_cascade_make(3, ending_of(RELU), layers, 2, &it.packed, &err));
    for (int64_t i = 0; i < 3; i++)
        it.start[i] = 0;
    for (int64_t i = 0; i < TABLES * PARTS * it.width; i++)
        it.parts[i] = i < it.width ? -1 : 0;
    for (int64_t t = 0; t < TABLES; t++)
        it.chosen[t] = it.chosen[TABLES + t] =
            (uint16_t)(t * PARTS * (it.width / LN_CASCADE_PANEL));
    run(ln_kernels_cascade(), &it, 0, 1, without);
    it.start[0] = 0;
    it.chosen[TABLES] = (uint16_t)(it.width / LN_CASCADE_PANEL);
    it.parts[it.width] = 1;
    run(ln_kernels_cascade(), &it, 0, 2, with);
    assert_true(with[1] < 0);
    assert_same_bits(&with[0], &without[0], sizeof *with);
    free_stack(&it);
}

/* Each row the one before it and a part more, whatever other walks stand beside it. */
static void walks_add_up(void **state)
{
    (void)state;
    static double all[10 * (ROWS + LN_CASCADE_ROWS)], some[10 * (ROWS + LN_CASCADE_ROWS)];
    for (size_t s = 0; s < 2 * STACKS; s++) {
        stack it = stack_of(s / 2);
        it.exact = s % 2;
        for (int64_t walk = 1; walk <= ROWS; walk += WALK) {
            run_walks(ln_kernels_cascade(), &it, walk, 0, ROWS, all);
            for (int64_t row = 0; row < ROWS; row++)
                for (int64_t o = 0; o < it.packed.outputs; o++) {
                    const double got = all[o * (ROWS + LN_CASCADE_ROWS) + row];
                    const double wanted = exact_walk(&it, walk, row, o);
                    if (!(fabs(got - wanted) <= 1e-5 * (1 + fabs(wanted))))
                        fail_msg("stack %d, walks of %d, row %d, output %d: %.9g, not %.9g", (int)s,
                                 (int)walk, (int)row, (int)o, got, wanted);
                }
            for (int64_t first = 0; first < ROWS; first += walk) {
                const int64_t left = ROWS - first, count = left < walk ? left : walk;
                run_walks(ln_kernels_cascade(), &it, walk, first, count, some);
                for (int64_t o = 0; o < it.packed.outputs; o++)
                    assert_same_bits(some + o * (ROWS + LN_CASCADE_ROWS),
                                     all + o * (ROWS + LN_CASCADE_ROWS) + first,
                                     (size_t)count * sizeof *all);
            }
        }
        free_stack(&it);
    }
}

/* What a walk takes on and puts down again is not left in it, however great: tanh shows the small ones behind. */
static void walks_forget_what_has_gone(void **state)
{
    (void)state;
    static double sum[ROWS + LN_CASCADE_ROWS];
    const double great = 3e6;
    stack it = {.count = 2, .sizes = {37, 20, 1}, .endings = {TANH, RELU}};
    make_stack(&it, 500);
    it.exact = true;
    for (int64_t i = 0; i < it.sizes[0]; i++) {
        it.walk_start[i] += great;
        it.changes[i] -= great;
    }
    for (int64_t row = 0; row < ROWS; row++)
        it.chosen[row] = (uint16_t)(row % WALK * (it.width / LN_CASCADE_PANEL));
    run_walks(ln_kernels_cascade(), &it, WALK, 0, ROWS, sum);
    for (int64_t row = 0; row < ROWS; row++) {
        const double wanted = exact_walk(&it, WALK, row, 0); /* of start and parts without it */
        assert_true(fabs(sum[row] - wanted) <= 4e-6 * (1 + fabs(wanted)));
    }
    free_stack(&it);
}

/* An infinite number has a finite output behind tanh, and the zeros that fill a layer up do not show. */
static void infinite_numbers_meet_no_filling(void **state)
{
    (void)state;
    static double sum[10 * (ROWS + LN_CASCADE_ROWS)];
    const struct {
        int64_t count, sizes[MOST_LAYERS + 1];
        ending endings[MOST_LAYERS];
    } cases[] = {{1, {5, 2}, {TANH}},
                 {2, {5, 33, 1}, {RELU, TANH}},
                 {2, {40, 3, 2}, {NONE, SIGMOID}},
                 {3, {16, 17, 6, 1}, {RELU, TANH, RELU}}};
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        stack it = {.count = cases[c].count};
        memcpy(it.sizes, cases[c].sizes, sizeof it.sizes);
        memcpy(it.endings, cases[c].endings, sizeof it.endings);
        make_stack(&it, 300 + c);
        /* As columns of an infinite input: what fills the layer up is 0 times it. */
        for (int64_t i = 0; i < it.width; i++)
            it.parts[i] = i == 0 ? INFINITY : i < it.sizes[0] ? it.parts[i] : NAN;
        for (int64_t row = 0; row < ROWS; row += 2)
            it.chosen[row * TABLES] = 0;
        run(ln_kernels_cascade(), &it, 0, ROWS, sum);
        for (int64_t row = 0; row < ROWS; row++)
            for (int64_t o = 0; o < it.packed.outputs; o++) {
                const double got = sum[o * (ROWS + LN_CASCADE_ROWS) + row];
                const double wanted = exact(&it, row, o);
                assert_true(isfinite(wanted));
                assert_true(fabs(got - wanted) <= 4e-6 * (1 + fabs(wanted)));
            }
        free_stack(&it);
    }
}

#ifdef __x86_64__
/* Where products are fused into sums, the width of a register does not show. */
static void instruction_sets_agree(void **state)
{
    (void)state;
    static double wide[10 * (ROWS + LN_CASCADE_ROWS)], narrow[10 * (ROWS + LN_CASCADE_ROWS)];
    if (!ln_cpu_has("avx512"))
        skip();
    for (size_t s = 0; s < STACKS; s++) {
        stack it = stack_of(s);
        for (int kind = 0; kind < 3; kind++) {
            const int64_t walk = kind ? WALK : NO_WALK;
            it.exact = kind == 2;
            run_walks(ln_cascade_avx512, &it, walk, 0, ROWS, wide);
            run_walks(ln_cascade_avx2, &it, walk, 0, ROWS, narrow);
            for (int64_t o = 0; o < it.packed.outputs; o++)
                assert_same_bits(narrow + o * (ROWS + LN_CASCADE_ROWS),
                                 wide + o * (ROWS + LN_CASCADE_ROWS), ROWS * sizeof *wide);
        }
        for (int kind = 0; kind < 3; kind++) {
            const int64_t walk = kind ? WALK : NO_WALK;
            it.exact = kind == 2;
            run_walks(ln_cascade_baseline, &it, walk, 0, ROWS, narrow);
            for (int64_t row = 0; row < ROWS; row++)
                assert_true(fabs(narrow[row] - exact_walk(&it, walk, row, 0)) <=
                            (walk ? 1e-5 : 4e-6) * (1 + fabs(narrow[row])));
        }
        free_stack(&it);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cascade_is_its_layers),
        cmocka_unit_test(bits_of_a_row_are_its_own),
        cmocka_unit_test(what_is_left_out_does_not_show),
        cmocka_unit_test(walks_add_up),
        cmocka_unit_test(walks_forget_what_has_gone),
        cmocka_unit_test(infinite_numbers_meet_no_filling),
#ifdef __x86_64__
        cmocka_unit_test(instruction_sets_agree),
#endif
    };
    return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
