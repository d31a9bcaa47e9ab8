/* Baselines made from the rows: blur against scipy (tests/reference/blur_reference.py), noise against its
 * definition, and which axis they take for channels. */
#include "networks.h"

#include "base/rng.h"
#include "explainers/common/blur.h"
#include "explainers/common/fill.h"
#include "model/declare.h"

#define NUMBERS 48

static ln_tensor *stored(const char *name)
{
    ln_error err;
    char path[96];
    ln_tensor *out;
    snprintf(path, sizeof path, "reference/explainers/blur-%s.npy", name);
    assert_ok(ln_npy_read(test_file(path), &out, NULL, &err));
    return out;
}

static void blur_is_scipys(void **state)
{
    (void)state;
    static const struct {
        int rank;
        int64_t dims[4];
        int axes;
        double sigma;
    } cases[] = {{1, {48}, 1, 1},
                 {2, {6, 8}, 2, 0.7},
                 {3, {3, 4, 4}, 2, 2.5},
                 {2, {2, 24}, 1, 9},
                 {4, {2, 3, 2, 4}, 3, 1.2}};
    ln_error err = {0};
    ln_tensor *x = stored("x");
    for (int k = 0; k < 5; k++) {
        char name[4] = {(char)('0' + k)};
        float got[NUMBERS], wanted[NUMBERS];
        ln_tensor *numbers = stored(name);
        const ln_shape shape = ln_shape_of(cases[k].rank, cases[k].dims);
        assert_ok(ln_blur(ln_f32(x), &shape, cases[k].axes, cases[k].sigma, got, &err));
        for (int i = 0; i < NUMBERS; i++)
            wanted[i] = (float)ln_f64(numbers)[i];
        assert_near_f32(got, wanted, NUMBERS, 1e-7, 1e-6);
        ln_tensor_release(numbers);
    }
    ln_tensor_release(x);
}

/* Rows of (4, 12) with channels first, last, or none, each by itself and all on three threads. */
static void blur_leaves_channels_apart(void **state)
{
    (void)state;
    ln_error err = {0};
    const ln_shape shape = ln_shape_of(2, (int64_t[]){4, 12});
    ln_tensor *x = tensor_random(TEST_SHAPE(5, NUMBERS), 3), *out = NULL, *again = NULL;
    ln_pool *pool = NULL;
    assert_ok(ln_pool_new(3, &pool, &err));
    for (int axis = -1; axis <= 1; axis++) {
        assert_ok(ln_fill_blur(x, &shape, axis, 1.5, NULL, &out, &err));
        assert_ok(ln_fill_blur(x, &shape, axis, 1.5, pool, &again, &err));
        assert_same_tensor(out, again);
        float wanted[NUMBERS], turned[NUMBERS], line[NUMBERS];
        const float *row = ln_f32(x) + 2 * NUMBERS;
        for (int i = 0; i < NUMBERS; i++)
            turned[i % 12 * 4 + i / 12] = row[i];
        const ln_shape other = ln_shape_of(2, (int64_t[]){12, 4});
        if (axis < 1)
            assert_ok(ln_blur(row, &shape, axis < 0 ? 2 : 1, 1.5, wanted, &err));
        else
            assert_ok(ln_blur(turned, &other, 1, 1.5, line, &err));
        for (int i = 0; i < NUMBERS && axis == 1; i++)
            wanted[i] = line[i % 12 * 4 + i / 12];
        assert_same_bits(ln_f32(out) + 2 * NUMBERS, wanted, sizeof wanted);
        ln_tensor_release(out);
        ln_tensor_release(again);
    }
    ln_pool_free(pool);
    ln_tensor_release(x);
}

static void check_noise(const ln_fill_noise_options *options, const ln_tensor *x, int64_t row,
                        int64_t number, const double *mean, const double *deviation,
                        const int *class_of)
{
    ln_error err = {0};
    ln_tensor *all = NULL, *one = NULL, *made = NULL;
    const int64_t ids[] = {7, 0, number}, width = x->shape.dims[1];
    assert_ok(ln_fill_noise(x, ids, options, &all, &err));
    assert_ok(ln_tensor_rows((ln_tensor *)x, row, 1, &one, &err));
    assert_ok(ln_fill_noise(one, &number, options, &made, &err)); /* alone */
    assert_same_bits(made->data, ln_f32(all) + row * width, (size_t)width * sizeof(float));
    ln_rng rng = ln_rng_make(options->seed, "noise", options->stream, (uint64_t)number);
    for (int64_t i = 0; i < width; i++) {
        float wanted = (float)(mean[class_of[i]] +
                               options->stdev * deviation[class_of[i]] * ln_rng_normal(&rng));
        assert_near_f32(ln_f32(made) + i, &wanted, 1, 1e-6, 1e-6);
    }
    ln_tensor_release(all);
    ln_tensor_release(one);
    ln_tensor_release(made);
}

static void noise_is_as_wide_as_the_numbers(void **state)
{
    (void)state;
    const float numbers[] = {1, 2, 3, 4, 5, 6, 0, 0, 0, 9, 9, 9, 1, 3, 2, 10, 30, 20};
    ln_tensor *x = tensor_f32(TEST_SHAPE(3, 6), numbers);
    const ln_shape shape = ln_shape_of(2, (int64_t[]){2, 3});
    const double third = sqrt(2.0 / 3);
    /* row 2: channels (1 3 2) and (10 30 20) */
    ln_fill_noise_options options = {
        .shape = &shape, .channel_axis = 0, .stdev = 0.5, .seed = 3, .stream = 2};
    check_noise(&options, x, 2, 41, (double[]){2, 20}, (double[]){third, 10 * third},
                (int[]){0, 0, 0, 1, 1, 1});
    /* as (length, channels): places 1 10, 3 30, 2 20 */
    options.channel_axis = 1;
    check_noise(&options, x, 2, 41, (double[]){5.5, 16.5, 11}, (double[]){4.5, 13.5, 9},
                (int[]){0, 1, 2, 0, 1, 2});
    options.channel_axis = -1; /* an image: all together; 1 3 2 10 30 20 */
    const double mean = 11, deviation = sqrt((100 + 64 + 81 + 1 + 361 + 81) / 6.0);
    check_noise(&options, x, 2, 41, &mean, &deviation, (int[]){0, 0, 0, 0, 0, 0});
    /* by training rows: columns 0 (1 3), 1 (5 5) ... */
    const float rows[] = {1, 5, 0, 2, 4, -1, 3, 5, 8, 2, 0, 1};
    ln_tensor *training = tensor_f32(TEST_SHAPE(2, 6), rows);
    options.training = training;
    check_noise(&options, x, 2, 41, (double[]){2, 5, 4, 2, 2, 0}, (double[]){1, 0, 4, 0, 2, 1},
                (int[]){0, 1, 2, 3, 4, 5});
    ln_tensor_release(training);
    ln_tensor_release(x);
}

/* What a network that begins with these layers takes for channels in rows of two axes (4, 12). */
static int axis_of(const char *first, const char *given, const char *before)
{
    ln_error err = {0};
    ln_declaration declaration;
    const ln_shape row = ln_shape_of(2, (int64_t[]){4, 12});
    assert_ok(ln_declare_begin(&row, 1, &declaration, &err));
    const ln_layer *layer = before ? ln_layer_find(before) : NULL;
    parameters params = {0};
    if (layer) {
        if (layer->word.params_size > 0)
            params = parameters_of(&layer->word, "");
        assert_ok(ln_declare_layer(&declaration, layer, params.bytes, NULL, &err));
    }
    layer = ln_layer_find(first);
    params = parameters_of(&layer->word, given);
    assert_ok(ln_declare_layer(&declaration, layer, params.bytes, NULL, &err));
    ln_graph *graph = NULL;
    ln_model *model = NULL;
    assert_ok(ln_declare_finish(&declaration, &graph, &err));
    assert_ok(ln_model_new("network", graph, NULL, NULL, LN_TASK_REGRESSION, &model, &err));
    ln_graph_release(graph);
    const ln_shape image = ln_shape_of(3, (int64_t[]){1, 4, 12}), line = TEST_SHAPE(48);
    assert_int_equal(ln_model_channel_axis(model, &image), 0);
    assert_int_equal(ln_model_channel_axis(model, &line), -1);
    const int axis = ln_model_channel_axis(model, &row);
    ln_model_release(model);
    return axis;
}

static void channels_are_what_the_model_begins_with(void **state)
{
    (void)state;
    assert_int_equal(axis_of("conv1d", "out_channels=2 kernel_size=3", NULL), 0);
    assert_int_equal(axis_of("conv1d", "out_channels=2 kernel_size=3", "tanh"), 0);
    assert_int_equal(axis_of("max_pool1d", "kernel_size=2 stride=2", NULL), 0);
    assert_int_equal(axis_of("lstm", "hidden_size=3", NULL), 1);
    assert_int_equal(axis_of("dense", "units=3", "flatten"), -1);
}

/* lime covers by means: of rows (2 channels, 4 places) the channels' own, of images all of a group's. */
static void lime_averages_channel_by_channel(void **state)
{
    (void)state;
    ln_error err = {0};
    const float numbers[] = {1, 3, 5, 7, 10, 30, 50, 70};
    static const int32_t groups[] = {0, 0, 1, 1, 0, 0, 1, 1};
    ln_tensor *x = tensor_f32(TEST_SHAPE(1, 8), numbers);
    ln_item item = {.row = 0};
    double values[2][2];
    for (int conv = 0; conv < 2; conv++) {
        ln_declaration declaration;
        const ln_shape row = ln_shape_of(2, (int64_t[]){2, 4});
        assert_ok(ln_declare_begin(&row, 1, &declaration, &err));
        const ln_layer *layer = ln_layer_find(conv ? "conv1d" : "flatten");
        parameters params = parameters_of(&layer->word, conv ? "out_channels=8 kernel_size=4" : "");
        assert_ok(ln_declare_layer(&declaration, layer, params.bytes, NULL, &err));
        ln_graph *graph = NULL;
        ln_model *model = NULL;
        assert_ok(ln_declare_finish(&declaration, &graph, &err));
        if (conv) /* output u is number u of the row */
            for (int i = 0; i < graph->value_count; i++) {
                ln_tensor *constant = graph->values[i].constant;
                for (int64_t k = 0; constant && k < ln_shape_count(&constant->shape); k++)
                    ln_f32(constant)[k] = constant->shape.rank == 3 && k % 8 == k / 8;
            }
        assert_ok(ln_model_new("network", graph, NULL, NULL, LN_TASK_REGRESSION, &model, &err));
        ln_graph_release(graph);
        const ln_explainer *lime = ln_explainer_find("lime");
        parameters options = parameters_of(&lime->word, "samples=400 kernel_width=100");
        const int64_t id = 0;
        item.target = 5; /* the 30 of the second channel */
        ln_request request = {.model = model,
                              .x = x,
                              .row_ids = &id,
                              .items = &item,
                              .item_count = 1,
                              .groups = groups,
                              .group_count = 2,
                              .input_shape = row,
                              .params = options.bytes};
        ln_job *job = NULL;
        ln_explanation got;
        assert_ok(ln_job_new(lime, &request, NULL, &job, &err));
        assert_ok(ln_job_run(job, 0, 1, &got, &err));
        values[conv][0] = (double)got.values[0];
        values[conv][1] = (double)got.values[1];
        ln_explanation_free(&got);
        ln_job_free(job);
        ln_model_release(model);
    }
    /* 30 less the mean of 1 3 10 30, and of 10 30, shrunk by the ridge's 1 in some 100 */
    assert_true(fabs(values[0][0] - 19 / 1.01) < 0.05 * 19);
    assert_true(fabs(values[1][0] - 10 / 1.01) < 0.05 * 10);
    assert_true(fabs(values[0][1]) < 1e-3 && fabs(values[1][1]) < 1e-3);
    ln_tensor_release(x);
}

static ln_status make_both(void *context, ln_error *err)
{
    const ln_tensor *x = context;
    const ln_shape shape = ln_shape_of(2, (int64_t[]){4, 12});
    const int64_t ids[] = {0, 1};
    const ln_fill_noise_options options = {.shape = &shape, .channel_axis = 0, .stdev = 1};
    ln_tensor *blurred = NULL, *noise = NULL;
    ln_status status = ln_fill_blur(x, &shape, 1, 1, NULL, &blurred, err);
    if (!status)
        status = ln_fill_noise(x, ids, &options, &noise, err);
    ln_tensor_release(blurred);
    ln_tensor_release(noise);
    return status;
}

static void without_memory_nothing_is_lost(void **state)
{
    (void)state;
    ln_tensor *x = tensor_random(TEST_SHAPE(2, NUMBERS), 3);
    sweep_allocation_failures(make_both, x);
    ln_tensor_release(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blur_is_scipys),
        cmocka_unit_test(blur_leaves_channels_apart),
        cmocka_unit_test(noise_is_as_wide_as_the_numbers),
        cmocka_unit_test(channels_are_what_the_model_begins_with),
        cmocka_unit_test(lime_averages_channel_by_channel),
        cmocka_unit_test(without_memory_nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
