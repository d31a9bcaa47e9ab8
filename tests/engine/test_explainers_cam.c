/* Class activation maps beside what test_explainers_layer.c compares with stored arrays: where they are
 * defined, and what they depend on. */
#include "layer_networks.h"

#include <math.h>

#include "explainers/common/cam.h"

static ln_error err;

static const char *const maps[] = {"grad_cam", "guided_grad_cam", "grad_cam_pp", "layer_cam",
                                   "score_cam"};
#define MAPS (sizeof maps / sizeof maps[0])

/* Shapes, the last convolution, and layers that have no places. */
static void maps_need_places(void **state)
{
    (void)state;
    ln_model *images = model_of("images"), *dense = model_of("dense");
    ln_tensor *x = array_of("images", "x"), *rows = array_of("dense", "x");
    const ln_explainer *explainer = ln_explainer_find("grad_cam");
    parameters params = parameters_of(&explainer->word, "");
    ln_item item = {0};
    int value;
    assert_ok(ln_cam_last_convolution(images, &value, &err));
    assert_int_equal(value, layer_of(images, "conv3"));
    assert_fails(ln_cam_last_convolution(dense, &value, &err), LN_EINVALID,
                 "the model has no convolution: name a layer of shape (C, H, W)");
    ln_request request = completed(
        explainer,
        (ln_request){.model = images, .x = x, .items = &item, .item_count = 1, .layer = value});
    request.params = params.bytes;
    ln_job *job = NULL;
    assert_ok(ln_job_new(explainer, &request, NULL, &job, &err));
    const ln_shape pixels = TEST_SHAPE(1, 9, 8), places = TEST_SHAPE(1, 2, 2);
    assert_true(job->of_pixels && job->width == 72 && ln_shape_equal(&job->shape, &pixels));
    ln_job_free(job);
    params = parameters_of(&explainer->word, "upsample=\"false\"");
    assert_ok(ln_job_new(explainer, &request, NULL, &job, &err));
    assert_true(!job->of_pixels && job->width == 4 && ln_shape_equal(&job->shape, &places));
    ln_job_free(job);
    request.layer = layer_of(images, "flat");
    assert_fails(ln_job_new(explainer, &request, NULL, &job, &err), LN_EINVALID,
                 "grad_cam needs a layer of shape (C, H, W), with places to map: 'flat' has (16,)");
    assert_string_equal(err.field, "layer");
    ln_tensor_release(x);
    ln_tensor_release(rows);
    ln_model_release(images);
    ln_model_release(dense);
}

/* Score-CAM: an input of zeros makes every channel of the first layers flat, so that none masks anything. */
static void flat_channels_have_no_say(void **state)
{
    (void)state;
    ln_model *model = model_of("images");
    ln_tensor *x = tensor_zero(LN_F32, TEST_SHAPE(1, 144));
    ln_item item = {.target = 1};
    ln_request request = {
        .model = model, .x = x, .items = &item, .item_count = 1, .layer = layer_of(model, "conv2")};
    ln_explanation activation = explain("layer_activation", "", request, NULL);
    for (int64_t i = 0; i < activation.width; i++)
        assert_true(activation.values[i] == activation.values[i - i % 4]);
    ln_explanation got = explain("score_cam", "relu=false upsample=\"false\"", request, NULL);
    for (int i = 0; i < 4; i++)
        assert_true(got.values[i] == 0);
    assert_false(isnan(got.output[0]));
    assert_int_equal(got.evaluations, 6); /* the layer, the row, four channels */
    ln_explanation_free(&activation);
    ln_explanation_free(&got);
    ln_tensor_release(x);
    ln_model_release(model);
}

/* An item of many, in parts, by several threads; a NaN stays in its row. */
static void maps_depend_on_their_row_alone(void **state)
{
    (void)state;
    ln_model *model = model_of("images");
    ln_tensor *x = tensor_random(TEST_SHAPE(60, 144), 4);
    ln_item items[150];
    ln_pool *pool = NULL;
    ln_f32(x)[7 * 144 + 5] = NAN;
    for (int i = 0; i < 150; i++)
        items[i] = (ln_item){.row = i * 29 % 60, .target = i % 3};
    ln_request request = {
        .model = model, .x = x, .items = items, .item_count = 150, .layer = layer_of(model, "sum")};
    assert_ok(ln_pool_new(3, &pool, &err));
    for (size_t m = 0; m < MAPS; m++) {
        request.items = items;
        request.item_count = 150;
        ln_explanation all = explain(maps[m], "", request, pool);
        for (int i = 0; i < 150; i += 7) {
            request.items = items + i;
            request.item_count = 1;
            ln_explanation one = explain(maps[m], "", request, NULL);
            const size_t width = (size_t)all.width;
            assert_same_bits(one.values, all.values + (size_t)i * width, width * sizeof(float));
            assert_int_equal(isnan(one.output[0]), items[i].row == 7);
            ln_explanation_free(&one);
        }
        ln_explanation_free(&all);
    }
    ln_pool_free(pool);
    ln_tensor_release(x);
    ln_model_release(model);
}

typedef struct map_job {
    const ln_explainer *explainer;
    ln_request request;
} map_job;

static ln_status whole_map(void *context, ln_error *error)
{
    const map_job *it = context;
    ln_job *job = NULL;
    ln_explanation out = {0};
    ln_status status = ln_job_new(it->explainer, &it->request, NULL, &job, error);
    if (!status)
        status = ln_job_run(job, 0, 1, &out, error);
    ln_explanation_free(&out);
    ln_job_free(job);
    return status;
}

/* A place of the large map is at (at + 1/2) from / to - 1/2 of the small one, which goes on as it ends. */
static double small_place(const double *map, const int64_t *from, const int64_t *to, int64_t row,
                          int64_t column)
{
    const int64_t at[2] = {row, column};
    double sum = 0, share[2];
    int64_t low[2];
    for (int i = 0; i < 2; i++) {
        const double place = ((double)at[i] + 0.5) * (double)from[i] / (double)to[i] - 0.5;
        low[i] = (int64_t)floor(place);
        share[i] = place - floor(place);
    }
    for (int corner = 0; corner < 4; corner++) {
        int64_t near[2];
        double weight = 1;
        for (int i = 0; i < 2; i++) {
            const int64_t step = i ? corner % 2 : corner / 2;
            near[i] = low[i] + step < 0 ? 0 : low[i] + step;
            near[i] = near[i] < from[i] ? near[i] : from[i] - 1;
            weight *= step ? share[i] : 1 - share[i];
        }
        sum += weight * map[near[0] * from[1] + near[1]];
    }
    return sum;
}

/* Wider than what is found at a time, narrower, and smaller than the map; one axis. */
static void maps_are_enlarged_bilinearly(void **state)
{
    static const int64_t sizes[][4] = {{3, 5, 7, 150}, {1, 1, 4, 3}, {6, 70, 9, 129},
                                       {8, 8, 28, 28}, {7, 9, 5, 4}, {1, 6, 1, 200}};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int64_t *from = sizes[i], *to = from + 2;
        double map[6 * 70];
        float out[9 * 200];
        for (int64_t p = 0; p < from[0] * from[1]; p++)
            map[p] = cos((double)(3 * p)) + 0.1 * (double)p;
        const ln_shape layer = TEST_SHAPE(4, from[0], from[1]), input = TEST_SHAPE(1, to[0], to[1]);
        const ln_shape line = TEST_SHAPE(4, from[1]), wide = TEST_SHAPE(1, to[1]);
        const bool flat = to[0] == 1;
        ln_cam_enlarge(map, flat ? &line : &layer, flat ? &wide : &input, out);
        for (int64_t p = 0; p < to[0] * to[1]; p++) {
            const double wanted = small_place(map, from, to, p / to[1], p % to[1]);
            assert_true(fabs((double)out[p] - wanted) <= 1e-6 * fmax(1, fabs(wanted)));
        }
    }
}

/* Means of channels and their sum, of places that are and are not a multiple of what is added at a time. */
static void gradient_maps_are_sums(void **state)
{
    enum { CHANNELS = 3, MOST = 19 };
    (void)state;
    for (int64_t places = 1; places <= MOST; places++) {
        float activation[CHANNELS * MOST], gradient[CHANNELS * MOST];
        double map[MOST];
        for (int64_t i = 0; i < CHANNELS * places; i++) {
            activation[i] = (float)sin((double)i);
            gradient[i] = (float)cos((double)(2 * i));
        }
        ln_cam_gradient_map(activation, gradient, CHANNELS, places, map);
        for (int64_t p = 0; p < places; p++) {
            double wanted = 0;
            for (int64_t c = 0; c < CHANNELS; c++)
                for (int64_t q = 0; q < places; q++)
                    wanted += (double)gradient[c * places + q] *
                              (double)activation[c * places + p] / (double)places;
            assert_true(fabs(map[p] - wanted) < 1e-12);
        }
    }
}

static void every_failing_allocation_is_survived(void **state)
{
    (void)state;
    ln_model *model = model_of("images");
    ln_tensor *x = array_of("images", "x");
    ln_item item = {.row = 2, .target = 1};
    for (size_t m = 0; m < MAPS; m++) {
        map_job it = {.explainer = ln_explainer_find(maps[m])};
        parameters params = parameters_of(&it.explainer->word, "");
        it.request = completed(it.explainer, (ln_request){.model = model,
                                                          .x = x,
                                                          .items = &item,
                                                          .item_count = 1,
                                                          .layer = layer_of(model, "relu2")});
        it.request.params = params.bytes;
        sweep_allocation_failures(whole_map, &it);
    }
    ln_tensor_release(x);
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_need_places),
        cmocka_unit_test(flat_channels_have_no_say),
        cmocka_unit_test(maps_depend_on_their_row_alone),
        cmocka_unit_test(maps_are_enlarged_bilinearly),
        cmocka_unit_test(gradient_maps_are_sums),
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
