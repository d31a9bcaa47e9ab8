/* Judges that draw a curve: deletion, insertion, pixel_flipping; by hand and against references. */
#include "judging.h"

#include <cjson/cJSON.h>
#include <unistd.h>

#include "base/file.h"
#include "onnx/onnx.h"

/* ---------------------------------------------------------------- by hand */

typedef struct hand {
    ln_model *model;
    ln_tensor *x;        /* one row */
    ln_tensor *baseline; /* NULL: zero */
    int64_t target;
    const int32_t *unit_of;
    int64_t units;
} hand;

static void check_by(const char *judge, const hand *it, const char *given, const float *attribution,
                     double wanted)
{
    ln_item item = {.row = 0, .target = it->target};
    verdict got = judge_all(judge, given,
                            (ln_judged){.model = it->model,
                                        .x = it->x,
                                        .items = &item,
                                        .item_count = 1,
                                        .attribution = attribution,
                                        .units = it->units,
                                        .unit_of = it->unit_of,
                                        .baseline = it->baseline},
                            NULL);
    assert_null(got.reasons[0]);
    assert_near_f64(got.values, &wanted, 1, 1e-6, 0);
}

static void check_hand(const hand *it, const char *given, const float *attribution, double wanted)
{
    check_by("deletion", it, given, attribution, wanted);
}

/* f = 2a + 3b + 1 at (1, 1): 6, then 3 or 4, then 1. */
static void deletion_of_an_output_by_hand(void **state)
{
    (void)state;
    static const float weights[] = {2, 3, 1};
    hand it = {.model = network_of("dense", (int64_t[]){2, 1}, weights, LN_TASK_REGRESSION),
               .x = tensor_f32(TEST_SHAPE(1, 2), (float[]){1, 1}),
               .units = 2};
    check_hand(&it, "score=\"output\"", (float[]){1, 2}, (4.5 + 2) / 2);
    check_hand(&it, "score=\"output\"", (float[]){2, 1}, (5 + 2.5) / 2);
    check_hand(&it, "score=\"output\"", (float[]){1, 1}, (5 + 2.5) / 2);  /* lower index first */
    check_hand(&it, "score=\"output\"", (float[]){-9, 1}, (4.5 + 2) / 2); /* signed, not by size */
    check_hand(&it, "score=\"output\" step=2", (float[]){1, 2}, 3.5);
    check_hand(&it, "score=\"output\" step=9", (float[]){1, 2}, 3.5);
    check_hand(&it, "", (float[]){1, 2}, (4.5 + 2) / 2); /* a regression has no probability */
    it.baseline = tensor_f32(TEST_SHAPE(1, 2), (float[]){0, -1});
    check_hand(&it, "score=\"output\"", (float[]){1, 2}, (3 - 1) / 2.0); /* 6, 0, -2 */
    ln_tensor_release(it.baseline);
    ln_tensor_release(it.x);
    ln_model_release(it.model);
}

/* f = a + 2b + 4c; a and c are one unit. With three inputs and step 2 the last step is shorter. */
static void deletion_of_units_by_hand(void **state)
{
    (void)state;
    static const float weights[] = {1, 2, 4, 0};
    static const int32_t unit_of[] = {1, 0, 1};
    hand it = {.model = network_of("dense", (int64_t[]){3, 1}, weights, LN_TASK_REGRESSION),
               .x = tensor_f32(TEST_SHAPE(1, 3), (float[]){1, 1, 1}),
               .unit_of = unit_of,
               .units = 2};
    check_hand(&it, "", (float[]){5, 1}, (6 + 2.5) / 2); /* 7, 5, 0 */
    check_hand(&it, "", (float[]){1, 5}, (4.5 + 1) / 2); /* 7, 2, 0 */
    it.unit_of = NULL;
    it.units = 3;
    check_hand(&it, "step=2", (float[]){1, 2, 3}, 4 * 2.0 / 3 + 0.5 / 3); /* 7, 1, 0 */
    ln_tensor_release(it.x);
    ln_model_release(it.model);
}

static double sigmoid(double z)
{
    return 1 / (1 + exp(-z));
}

/* Probabilities: of one output by the sigmoid, of two by the softmax, of a final softmax as it is. */
static void deletion_of_a_probability_by_hand(void **state)
{
    (void)state;
    static const float one[] = {2, -1, 0.5F}, two[] = {0, 0, 2, -1, 0, 0.5F};
    double area = (sigmoid(-0.5) + 2 * sigmoid(-2.5) + sigmoid(0.5)) / 4;
    hand it = {.x = tensor_f32(TEST_SHAPE(1, 2), (float[]){1, 3}), .units = 2};
    static const struct {
        const char *layers;
        const int64_t sizes[2];
        const float *weights;
    } models[] = {{"dense", {2, 1}, one},
                  {"dense sigmoid", {2, 1}, one},
                  {"dense", {2, 2}, two},
                  {"dense softmax", {2, 2}, two}};
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        it.model = network_of(models[i].layers, models[i].sizes, models[i].weights,
                              LN_TASK_CLASSIFICATION);
        it.target = 1;
        check_hand(&it, "", (float[]){1, 0}, area);
        it.target = 0;
        check_hand(&it, "", (float[]){1, 0}, 1 - area);
        ln_model_release(it.model);
    }
    it.model = network_of("dense", (int64_t[]){2, 1}, one, LN_TASK_CLASSIFICATION);
    it.target = 0;
    check_hand(&it, "score=\"output\"", (float[]){1, 0}, (0.5 + 2 * 2.5 - 0.5) / 4);
    ln_model_release(it.model);
    ln_tensor_release(it.x);
}

/* f = 2a + 3b + 1 at (1, 1): from 1 over 3 or 4 to 6. */
static void insertion_by_hand(void **state)
{
    (void)state;
    static const float weights[] = {2, 3, 1};
    static const int32_t whole[] = {0, 0};
    hand it = {.model = network_of("dense", (int64_t[]){2, 1}, weights, LN_TASK_REGRESSION),
               .x = tensor_f32(TEST_SHAPE(1, 2), (float[]){1, 1}),
               .units = 2};
    check_by("insertion", &it, "", (float[]){1, 2}, (2.5 + 5) / 2);
    check_by("insertion", &it, "", (float[]){2, 1}, (2 + 4.5) / 2);
    check_by("insertion", &it, "", (float[]){1, 1}, (2 + 4.5) / 2); /* lower index first */
    check_by("insertion", &it, "step=2", (float[]){1, 2}, 3.5);
    it.baseline = tensor_f32(TEST_SHAPE(1, 2), (float[]){0, -1});
    check_by("insertion", &it, "", (float[]){1, 2}, (1 + 5) / 2.0); /* -2, 4, 6 */
    it.unit_of = whole;
    it.units = 1;
    check_by("insertion", &it, "", (float[]){1}, 2); /* -2, 6 */
    ln_tensor_release(it.baseline);
    ln_tensor_release(it.x);
    ln_model_release(it.model);
}

/* f = a + 2b + 4c at (1, 1, 1): the mean after each removal, without the row itself. */
static void pixel_flipping_by_hand(void **state)
{
    (void)state;
    static const float weights[] = {1, 2, 4, 0};
    hand it = {.model = network_of("dense", (int64_t[]){3, 1}, weights, LN_TASK_REGRESSION),
               .x = tensor_f32(TEST_SHAPE(1, 3), (float[]){1, 1, 1}),
               .units = 3};
    check_by("pixel_flipping", &it, "", (float[]){1, 2, 3}, (3 + 1 + 0) / 3.0);
    check_by("pixel_flipping", &it, "", (float[]){3, 2, 1}, (6 + 4 + 0) / 3.0);
    check_by("pixel_flipping", &it, "step=2", (float[]){1, 2, 3}, (1 + 0) / 2.0);
    check_by("pixel_flipping", &it, "step=3", (float[]){1, 2, 3}, 0);
    ln_tensor_release(it.x);
    ln_model_release(it.model);
}

/* ---------------------------------------------------------------- references */

static const char *const curves[] = {"deletion", "insertion", "pixel_flipping"};

static void check_reference(const reference_network *network, const char *suffix, const char *given,
                            ln_judged judged)
{
    ln_item items[REFERENCE_ROWS];
    for (int i = 0; i < REFERENCE_ROWS; i++)
        items[i] = (ln_item){.row = i, .target = i % judged.model->output_count};
    judged.items = items;
    judged.item_count = REFERENCE_ROWS;
    for (int k = 0; k < 3; k++) {
        char name[64];
        snprintf(name, sizeof name, "%s%s", curves[k], suffix);
        ln_tensor *wanted = reference_of(network->name, name);
        verdict got = judge_all(curves[k], given, judged, NULL);
        assert_near_f64(got.values, ln_f64(wanted), REFERENCE_ROWS, 2e-6, 2e-6);
        ln_tensor_release(wanted);
    }
}

static void curves_as_written_out_in_numpy(void **state)
{
    (void)state;
    ln_error err = {0};
    for (size_t n = 0; n < REFERENCE_NETWORKS; n++) {
        const reference_network *network = &reference_networks[n];
        ln_tensor *wide = reference_of(network->name, "input_x_gradient"), *alone = NULL;
        ln_tensor *grouped = reference_of(network->name, "groups-attribution"), *one = NULL;
        ln_tensor *rows = reference_of(network->name, "baselines");
        assert_ok(ln_tensor_convert(wide, LN_F32, &alone, &err));
        assert_ok(ln_tensor_rows(rows, 0, 1, &one, &err));
        ln_model *model = reference_model(network);
        ln_judged judged = {.model = model,
                            .x = reference_of(network->name, "x"),
                            .attribution = ln_f32(alone),
                            .units = model->width};
        check_reference(network, "", "", judged);
        judged.baseline = one;
        check_reference(network, "-step4", "step=4", judged);
        check_reference(network, "-output", "score=\"output\"", judged);
        judged.attribution = ln_f32(grouped);
        judged.units = 3;
        judged.unit_of = network->groups;
        check_reference(network, "-groups", "", judged);
        ln_tensor_release((ln_tensor *)judged.x);
        ln_tensor_release(wide);
        ln_tensor_release(alone);
        ln_tensor_release(grouped);
        ln_tensor_release(rows);
        ln_tensor_release(one);
        ln_model_release(model);
    }
}

/* ---------------------------------------------------------------- the shared golden set */

#define GOLDEN "../shared/conformance/given/"

static ln_tensor *golden_rows(const char *name)
{
    ln_error err = {0};
    char path[256];
    ln_tensor *read = NULL, *rows = NULL;
    snprintf(path, sizeof path, GOLDEN "%s", name);
    assert_ok(ln_npy_read(path, &read, NULL, &err));
    assert_ok(ln_tensor_convert(read, LN_F32, &rows, &err));
    ln_tensor_release(read);
    return rows;
}

static void check_golden(const cJSON *entry)
{
    ln_error err = {0};
    char path[256];
    ln_graph *graph = NULL;
    ln_onnx_info info;
    ln_model *model = NULL;
    snprintf(path, sizeof path, GOLDEN "%s", cJSON_GetObjectItem(entry, "model")->valuestring);
    assert_ok(ln_onnx_read(path, NULL, &graph, &info, &err));
    assert_ok(ln_model_new("onnx", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &model, &err));
    ln_graph_release(graph);
    ln_item items[80] = {0};
    ln_tensor *x = golden_rows(cJSON_GetObjectItem(entry, "inputs")->valuestring);
    ln_tensor *values = golden_rows(cJSON_GetObjectItem(entry, "attribution")->valuestring);
    const cJSON *target = cJSON_GetObjectItem(entry, "target");
    const cJSON *expected = cJSON_GetObjectItem(entry, "expected");
    int64_t count = x->shape.dims[0];
    for (int i = 0; i < (int)count; i++) {
        const cJSON *one = cJSON_IsArray(target) ? cJSON_GetArrayItem(target, i) : target;
        items[i] = (ln_item){.row = i, .target = (int64_t)one->valuedouble};
    }
    verdict got = judge_all(cJSON_GetObjectItem(entry, "metric")->valuestring, "",
                            (ln_judged){.model = model,
                                        .x = x,
                                        .items = items,
                                        .item_count = count,
                                        .attribution = ln_f32(values),
                                        .units = model->width},
                            NULL);
    for (int i = 0; i < (int)count; i++) {
        double wanted = cJSON_GetArrayItem(expected, i)->valuedouble;
        assert_near_f64(&got.values[i], &wanted, 1, 1e-5, 0);
    }
    ln_tensor_release(x);
    ln_tensor_release(values);
    ln_model_release(model);
}

static void curves_of_the_golden_set(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_file file = {0};
    if (access(GOLDEN "quality.json", R_OK) != 0)
        skip();
    assert_ok(ln_file_read(GOLDEN "quality.json", &file, &err));
    cJSON *all = cJSON_Parse(file.data);
    int checked = 0;
    for (const cJSON *entry = all->child; entry; entry = entry->next) {
        const char *metric = cJSON_GetObjectItem(entry, "metric")->valuestring;
        bool curve = false;
        for (int k = 0; k < 3; k++)
            curve |= strcmp(metric, curves[k]) == 0;
        bool mlp = !strncmp(cJSON_GetObjectItem(entry, "model")->valuestring, "mlp_cancer/", 11);
        if (!curve || !mlp)
            continue;
        check_golden(entry);
        checked++;
    }
    assert_true(checked >= 9);
    cJSON_Delete(all);
    ln_file_free(&file);
}

/* Baselines row by row: each row is judged as it would be with its own baseline for all. */
static void fills_belong_to_rows(void **state)
{
    (void)state;
    ln_error err = {0};
    const reference_network *net = &reference_networks[0];
    ln_model *model = reference_model(net);
    ln_tensor *x = reference_of(net->name, "x"), *rows = reference_of(net->name, "baselines");
    ln_tensor *attribution = tensor_random(TEST_SHAPE(REFERENCE_ROWS, 6), 3);
    ln_item items[REFERENCE_ROWS];
    for (int i = 0; i < REFERENCE_ROWS; i++)
        items[i] = (ln_item){.row = REFERENCE_ROWS - 1 - i, .target = 0};
    ln_judged judged = {.model = model,
                        .x = x,
                        .items = items,
                        .item_count = REFERENCE_ROWS,
                        .attribution = ln_f32(attribution),
                        .units = 6,
                        .baseline = rows};
    verdict all = judge_all("deletion", "", judged, NULL);
    for (int i = 0; i < REFERENCE_ROWS; i++) {
        ln_tensor *own = NULL;
        assert_ok(ln_tensor_rows(rows, items[i].row, 1, &own, &err));
        judged.baseline = own;
        verdict got = judge_all("deletion", "", judged, NULL);
        assert_same_bits(&all.values[i], &got.values[i], sizeof(double));
        assert_true(got.values[i] != got.values[(i + 1) % REFERENCE_ROWS]);
        ln_tensor_release(own);
    }
    ln_tensor_release(x);
    ln_tensor_release(rows);
    ln_tensor_release(attribution);
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deletion_of_an_output_by_hand),
        cmocka_unit_test(deletion_of_units_by_hand),
        cmocka_unit_test(deletion_of_a_probability_by_hand),
        cmocka_unit_test(insertion_by_hand),
        cmocka_unit_test(pixel_flipping_by_hand),
        cmocka_unit_test(curves_as_written_out_in_numpy),
        cmocka_unit_test(curves_of_the_golden_set),
        cmocka_unit_test(fills_belong_to_rows),
    };
    return cmocka_run_group_tests_name("judges", tests, NULL, NULL);
}
