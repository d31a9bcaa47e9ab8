/* Class activation maps beside what test_explainers_layer.c compares with stored arrays: where they are
 * defined, and what they depend on. */
#include "layer_networks.h"

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
        cmocka_unit_test(every_failing_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("explainers", tests, NULL, NULL);
}
