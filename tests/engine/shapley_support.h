/* What the tests of Shapley values share: stored references, a setting with baselines or a background,
 * and the promises that all of their words make. */
#ifndef LN_TESTS_SHAPLEY_H
#define LN_TESTS_SHAPLEY_H

#include "explainer_checks.h"

/* v(S) for all S, from one forward pass of the whole table of masked rows. */
static inline void all_values(ln_model *model, const float *x, const float *base, int64_t n,
                              double *value)
{
    ln_error err = {0};
    int64_t count = (int64_t)1 << n;
    ln_tensor *rows = tensor_zero(LN_F32, TEST_SHAPE(count, n)), *out = NULL;
    for (int64_t s = 0; s < count; s++)
        for (int64_t i = 0; i < n; i++)
            ln_f32(rows)[s * n + i] = s >> i & 1 ? x[i] : base[i];
    assert_ok(ln_model_forward(model, LN_LINK_RAW, rows, NULL, &out, &err));
    for (int64_t s = 0; s < count; s++)
        value[s] = (double)ln_f32(out)[s * model->output_count];
    ln_tensor_release(rows);
    ln_tensor_release(out);
}

#define MOST 12 /* players of a game that is counted through */

/* Shapley values of a game by its 2^n values: |S|! (n - |S| - 1)! orders come to i when S is there. */
static inline void by_counting(const double *value, int64_t n, double *phi)
{
    double factorial[MOST + 1] = {1};
    for (int k = 1; k <= n; k++)
        factorial[k] = k * factorial[k - 1];
    memset(phi, 0, (size_t)n * sizeof *phi);
    for (int64_t s = 0; s < (int64_t)1 << n; s++)
        for (int64_t i = 0; i < n; i++) {
            int size = __builtin_popcountll((uint64_t)s);
            if (!(s >> i & 1))
                phi[i] += factorial[size] * factorial[n - size - 1] / factorial[n] *
                          (value[s | (int64_t)1 << i] - value[s]);
        }
}

/* Inputs -> dense 9 -> tanh -> dense 1, random. */
static inline ln_model *random_model(int64_t inputs, uint64_t seed)
{
    ln_tensor *weights = tensor_random(TEST_SHAPE((inputs + 1) * 9 + 10), seed);
    ln_model *model = network_of("dense tanh dense", (int64_t[]){inputs, 9, 1}, ln_f32(weights),
                                 LN_TASK_REGRESSION);
    ln_tensor_release(weights);
    return model;
}

/* One row of a network, its first output; not to be moved. */
typedef struct one_row {
    ln_model *model;
    ln_tensor *x, *base; /* base may be NULL: zeros */
    ln_item item;
    ln_request request;
} one_row;

static inline void set_row(one_row *it, ln_model *model, ln_tensor *x, ln_tensor *base)
{
    *it = (one_row){.model = model, .x = x, .base = base};
    it->request =
        (ln_request){.model = model, .x = x, .items = &it->item, .item_count = 1, .baseline = base};
}

/* Random, from zeros. */
static inline void random_row(one_row *it, int64_t inputs)
{
    set_row(it, random_model(inputs, 3), tensor_random(TEST_SHAPE(1, inputs), 1), NULL);
}

/* "<name>-<inputs>.<part>" of the references. */
static inline ln_tensor *reference_part(const char *name, int64_t inputs, const char *part)
{
    char text[48];
    snprintf(text, sizeof text, "%s-%d.%s", name, (int)inputs, part);
    return reference(text);
}

/* A stored network of random_model's layers, with its row and baseline. */
static inline void stored_row(one_row *it, const char *name, int64_t inputs)
{
    ln_tensor *numbers = reference_part(name, inputs, "network");
    const float *row = ln_f32(numbers) + 9 * inputs + 9 + 9 + 1;
    const ln_shape shape = TEST_SHAPE(1, inputs);
    ln_model *model = network_of("dense tanh dense", (int64_t[]){inputs, 9, 1}, ln_f32(numbers),
                                 LN_TASK_REGRESSION);
    set_row(it, model, tensor_f32(shape, row), tensor_f32(shape, row + inputs));
    ln_tensor_release(numbers);
}

static inline void free_row(one_row *it)
{
    ln_tensor_release(it->x);
    ln_tensor_release(it->base);
    ln_model_release(it->model);
}

/* `baselines`: 1 for all rows, REFERENCE_ROWS row by row, or those as the background (-1). */
static inline void check_stored_tree(const reference_network *network, const char *word,
                                     const char *given, const char *name, int baselines,
                                     bool grouped, const ln_tensor *tree)
{
    stored_rows it = open_stored(network);
    ln_tensor *wanted = reference_of(network->name, name);
    ln_request request = stored_request(&it);
    if (baselines > 0)
        request.baseline = baselines == 1 ? it.one : it.baselines;
    else
        request.background = it.baselines;
    request.groups = grouped ? network->groups : NULL;
    request.group_count = 3;
    request.tree = tree;
    ln_explanation got = explain(word, given, request, NULL);
    const int64_t width = it.model->width;
    for (int64_t i = 0; i < REFERENCE_ROWS * width; i++) {
        int64_t row = i / width, input = i % width;
        int64_t at = grouped ? row * got.width + network->groups[input] : i;
        double value = (double)got.values[at], number = ln_f64(wanted)[i];
        if (!(fabs(value - number) <= 5e-6 + 1e-5 * fabs(number)))
            fail_msg("%s of %s, %s: element %d is %.9g, the reference says %.9g", word,
                     network->name, name, (int)i, value, number);
    }
    ln_explanation_free(&got);
    ln_tensor_release(wanted);
    close_stored(&it);
}

static inline void check_stored(const reference_network *network, const char *word,
                                const char *given, const char *name, int baselines, bool grouped)
{
    check_stored_tree(network, word, given, name, baselines, grouped, NULL);
}

#define ROWS 5

/* Rows of a random network over seven inputs; input 6 is not read by it. */
typedef struct setting {
    ln_model *model;
    ln_tensor *x, *background;
    ln_item items[ROWS];
    ln_request request;
} setting;

static inline setting new_setting(void)
{
    setting made = {.x = tensor_random(TEST_SHAPE(ROWS, 7), 6),
                    .background = tensor_random(TEST_SHAPE(11, 7), 7)};
    ln_tensor *weights = tensor_random(TEST_SHAPE(8 * 9 + 10), 5);
    for (int64_t unit = 0; unit < 9; unit++)
        ln_f32(weights)[unit * 7 + 6] = 0;
    made.model =
        network_of("dense tanh dense", (int64_t[]){7, 9, 1}, ln_f32(weights), LN_TASK_REGRESSION);
    ln_tensor_release(weights);
    for (int64_t i = 0; i < ROWS; i++)
        made.items[i] = (ln_item){.row = i};
    return made;
}

static inline ln_request request_of(setting *it, bool background)
{
    return (ln_request){.model = it->model,
                        .x = it->x,
                        .items = it->items,
                        .item_count = ROWS,
                        .background = background ? it->background : NULL};
}

static inline void free_setting(setting *it)
{
    ln_tensor_release(it->x);
    ln_tensor_release(it->background);
    ln_model_release(it->model);
}

/* With baselines and with a background. */
static inline void check_bits(const char *word, const char *given)
{
    setting it = new_setting();
    for (int background = 0; background < 2; background++)
        check_request_bits(word, given, request_of(&it, background));
    free_setting(&it);
}

#endif
