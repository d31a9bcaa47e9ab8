/* Weights asleep: functions of a model that keeps them pack its convolutions' weights and give the originals back;
 * whatever reads those later gets every bit of them. */
#include "model_support.h"

#include "base/file.h"
#include "base/parallel.h"
#include "kernels/convolution.h"
#include "kernels/last.h"
#include "model/export.h"
#include "model/restore.h"
#include "model/weights.h"

enum { CHANNELS = 128, SIDE = 4, LAYERS = 6, ROWS = 2, WIDTH = CHANNELS * SIDE * SIDE };
enum {
    WEIGHTS = CHANNELS * CHANNELS * 9,
    NUMBERS = ROWS * (WIDTH + 1)
}; /* of a layer; of gradients */

static ln_error err;

/* How a network's convolutions are. */
typedef enum kind { AS_THEY_ARE, NORMED, SPREAD } kind;

/* Convolutions with relu between them, and a dense layer. NORMED: and batch normalisation before it. SPREAD: with
 * stride and dilation. */
static ln_status make_network(int layers, kind how, size_t keep_bytes, ln_model **out,
                              ln_error *error)
{
    const ln_shape input = TEST_SHAPE(CHANNELS, SIDE, SIDE);
    ln_convolution_attributes convolution = {.out_channels = CHANNELS,
                                             .kernel_size = {.count = 1, .at = {3}},
                                             .padding = {.count = 1, .at = {1}},
                                             .groups = 1,
                                             .bias = true};
    if (how == SPREAD) {
        convolution.padding = convolution.stride = (ln_ints){.count = 1, .at = {2}};
        convolution.dilation = (ln_ints){.count = 1, .at = {2}};
    }
    const struct {
        const char *word;
        const void *attributes;
    } words[] = {{"conv2d", &convolution},
                 {"batch_norm2d", &(ln_channel_norm_attributes){.eps = 0.5, .affine = true}},
                 {"relu", NULL},
                 {"flatten", &(ln_flatten_attributes){1}},
                 {"dense", &(ln_dense_attributes){.units = 3, .bias = true}}};
    ln_declaration declaration;
    ln_graph *graph = NULL;
    ln_status status = ln_declare_begin(&input, 5, &declaration, error);
    for (int i = 0; i < 3 * layers + 2 && !status; i++) {
        const int word = i < 3 * layers ? i % 3 : 3 + i - 3 * layers;
        if (word != 1 || how == NORMED)
            status = ln_declare_layer(&declaration, ln_layer_find(words[word].word),
                                      words[word].attributes, NULL, error);
    }
    if (!status)
        status = ln_declare_finish(&declaration, &graph, error);
    else
        ln_declare_abandon(&declaration);
    if (!status)
        status = ln_model_new("network", graph, NULL, NULL, LN_TASK_CLASSIFICATION, out, error);
    if (!status)
        (*out)->keep_bytes = keep_bytes;
    ln_graph_release(graph);
    return status;
}

static ln_model *network(size_t keep_bytes)
{
    ln_model *model = NULL;
    assert_ok(make_network(LAYERS, AS_THEY_ARE, keep_bytes, &model, &err));
    return model;
}

/* Whether what packs such weights here holds them whole: oneDNN's convolutions do, and those that skip zeros; tiles
 * and our plain ones do not. */
static bool can_sleep(void)
{
    const ln_convolution shape = {.groups = 1,
                                  .in_channels = CHANNELS,
                                  .out_channels = CHANNELS,
                                  .in = {1, SIDE, SIDE},
                                  .out = {1, SIDE, SIDE},
                                  .kernel = {1, 3, 3},
                                  .stride = {1, 1, 1},
                                  .dilation = {1, 1, 1},
                                  .before = {0, 1, 1},
                                  .images = 1,
                                  .last = true};
    static float weight[WEIGHTS];
    ln_convolved *packed = NULL;
    if (!ln_last_is_fast()) /* images stay channels first */
        return false;
    assert_ok(ln_convolution_pack(&shape, LN_CONVOLVE_FORWARD, weight, &packed, &err));
    const bool whole = packed->whole != NULL;
    ln_convolved_release(packed);
    return whole;
}

static int count_asleep(const ln_model *model)
{
    int count = 0;
    for (int i = 0; i < model->graph->value_count; i++)
        if (model->graph->values[i].constant &&
            ln_tensor_asleep(model->graph->values[i].constant)) {
            assert_null(model->graph->values[i].constant->data);
            count++;
        }
    return count;
}

static ln_function *function_of_rows(ln_model *model, ln_function_options options)
{
    options.rows = ROWS;
    return function_of(model, options);
}

static void put_to_sleep(ln_model *model)
{
    ln_function_free(function_of_rows(model, (ln_function_options){.gradient = true}));
    assert_int_equal(count_asleep(model), can_sleep() ? LAYERS : 0);
}

/* And the explained numbers behind them. */
static void gradients(ln_model *model, const ln_tensor *x, float *out)
{
    double value[ROWS];
    const ln_target targets[ROWS] = {{1, 1, 0}, {2, 1, 0}};
    ln_function *function = function_of_rows(model, (ln_function_options){.gradient = true});
    ln_runner *runner = NULL;
    assert_ok(ln_runner_new(function, &runner, &err));
    assert_ok(ln_runner_gradient(runner, ln_f32(x), targets, ROWS, value, out, &err));
    for (int r = 0; r < ROWS; r++)
        out[ROWS * WIDTH + r] = (float)value[r];
    ln_runner_free(runner);
    ln_function_free(function);
}

static void outputs(ln_model *model, ln_link link, const ln_tensor *x, float *out)
{
    ln_tensor *made = NULL;
    assert_ok(ln_model_forward(model, link, x, NULL, &made, &err));
    memcpy(out, made->data, made->bytes);
    ln_tensor_release(made);
}

/* ---------------------------------------------------------------- numbers */

static void results_are_those_of_weights_awake(void **state)
{
    (void)state;
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, WIDTH), 3);
    static float wanted[NUMBERS], got[NUMBERS];
    float logits[ROWS * 3], losses[ROWS * 3], found[ROWS * 3];
    ln_model *awake = network(0);
    gradients(awake, x, wanted);
    outputs(awake, LN_LINK_RAW, x, logits);
    outputs(awake, LN_LINK_LOSS, x, losses);
    assert_int_equal(count_asleep(awake), 0); /* nothing is kept: nothing sleeps */
    for (int forward_first = 0; forward_first < 2; forward_first++) {
        ln_model *model = network(LN_KEEP_BYTES);
        for (int pass = 0; pass < 2; pass++) {
            if (forward_first)
                outputs(model, LN_LINK_RAW, x, found);
            gradients(model, x, got);
            outputs(model, LN_LINK_RAW, x, found);
            assert_same_bits(got, wanted, sizeof wanted);
            assert_same_bits(found, logits, sizeof logits);
            outputs(model, LN_LINK_LOSS, x, found);
            assert_same_bits(found, losses, sizeof losses);
            assert_int_equal(count_asleep(model), can_sleep() ? LAYERS : 0);
            if (pass == 0)
                ln_model_forget(model); /* functions go, the weights stay */
        }
        ln_model_release(model);
    }
    ln_model_release(awake);
    ln_tensor_release(x);
}

static void same_file(const char *a, const char *b)
{
    ln_file files[2];
    assert_ok(ln_file_read(a, &files[0], &err));
    assert_ok(ln_file_read(b, &files[1], &err));
    assert_int_equal(files[1].bytes, files[0].bytes);
    assert_same_bits(files[1].data, files[0].data, files[0].bytes);
    ln_file_free(&files[0]);
    ln_file_free(&files[1]);
}

/* Two models with the same weights; those of the second sleep before each of their readers. */
static void every_reader_gets_every_bit(void **state)
{
    (void)state;
    ln_model *awake = network(0), *model = network(LN_KEEP_BYTES), *changed[2];
    /* Numbers that no arithmetic keeps: NaN with a payload, a negative zero, one that is subnormal. */
    const uint32_t odd[] = {0x7fa12345u, 0x80000000u, 0x00000001u};
    ln_model *both[] = {awake, model};
    for (int i = 0; i < 2; i++)
        memcpy(constant_of(both[i], "conv2d_2.weight") + WEIGHTS - 7, odd, sizeof odd);
    uint8_t wanted[LN_SHA256_BYTES], got[LN_SHA256_BYTES];
    assert_ok(ln_graph_sha256(awake->graph, wanted, &err));
    put_to_sleep(model);
    assert_ok(ln_graph_sha256(model->graph, got, &err));
    assert_same_bits(got, wanted, sizeof wanted);
    assert_int_equal(count_asleep(model), 0);

    ln_tensor *lists[2];
    ln_model_forget(model);
    put_to_sleep(model);
    for (int i = 0; i < 2; i++)
        assert_ok(ln_graph_weights(both[i]->graph, &lists[i], &err));
    assert_same_tensor(lists[1], lists[0]);

    ln_model_forget(model);
    put_to_sleep(model);
    assert_ok(ln_model_save_weights(awake, test_path("a.safetensors"), &err));
    assert_ok(ln_model_save_weights(model, test_path("b.safetensors"), &err));
    same_file(test_path("a.safetensors"), test_path("b.safetensors"));

    ln_model_forget(model);
    put_to_sleep(model);
    assert_ok(ln_model_save_onnx(awake, test_path("a.onnx"), &err));
    assert_ok(ln_model_save_onnx(model, test_path("b.onnx"), &err));
    same_file(test_path("a.onnx"), test_path("b.onnx"));

    ln_model_forget(model);
    put_to_sleep(model);
    const int layer = ln_graph_find_value(model->graph, "conv2d_4");
    for (int i = 0; i < 2; i++)
        assert_ok(ln_model_randomise(both[i], layer, LN_RANDOMISE_TOP_DOWN, 7, &changed[i], &err));
    assert_same_bits(changed[1]->sha256, changed[0]->sha256, sizeof wanted);
    /* Both models hold the others' weights now: what one makes leaves them to the other. */
    changed[1]->keep_bytes = LN_KEEP_BYTES;
    ln_function_free(function_of_rows(changed[1], (ln_function_options){.gradient = true}));
    assert_ok(ln_graph_sha256(changed[1]->graph, got, &err));
    assert_ok(ln_graph_sha256(changed[0]->graph, wanted, &err));
    assert_same_bits(got, wanted, sizeof wanted);
    assert_ok(ln_graph_sha256(model->graph, got, &err));
    assert_ok(ln_graph_sha256(awake->graph, wanted, &err));
    assert_same_bits(got, wanted, sizeof wanted);
    for (int i = 0; i < 2; i++) {
        ln_tensor_release(lists[i]);
        ln_model_release(changed[i]);
        ln_model_release(both[i]);
    }
}

/* Weights that are changed while they sleep are the new ones for all that is made later. */
static void loaded_weights_replace_those_asleep(void **state)
{
    (void)state;
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, WIDTH), 3);
    static float wanted[NUMBERS], got[NUMBERS];
    ln_model *other = network(0), *model = network(LN_KEEP_BYTES);
    ln_safetensors *file = NULL;
    for (int i = 0; i < WEIGHTS; i++)
        constant_of(other, "conv2d_0.weight")[i] *= 0.5F;
    gradients(other, x, wanted);
    assert_ok(ln_model_save_weights(other, test_path("other.safetensors"), &err));
    put_to_sleep(model);
    assert_ok(ln_safetensors_read(test_path("other.safetensors"), &file, NULL, &err));
    assert_ok(ln_model_load_weights(model, file, "other.safetensors", &err));
    gradients(model, x, got);
    assert_same_bits(got, wanted, sizeof wanted);
    ln_safetensors_free(file);
    ln_model_release(other);
    ln_model_release(model);
    ln_tensor_release(x);
}

/* A function that looks at a convolution packs it as it is; one that folds the normalisation behind it, made later,
 * reads its weights. */
static void folding_wakes_what_it_reads(void **state)
{
    (void)state;
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, WIDTH), 3);
    static float found[2][NUMBERS];
    for (int asleep = 0; asleep < 2; asleep++) {
        ln_model *model = NULL;
        assert_ok(make_network(2, NORMED, asleep ? LN_KEEP_BYTES : 0, &model, &err));
        const int layer = ln_graph_find_value(model->graph, "conv2d_3");
        ln_function_free(function_of_rows(model, (ln_function_options){.layer = &layer}));
        assert_int_equal(count_asleep(model), asleep && can_sleep() ? 1 : 0);
        gradients(model, x, found[asleep]);
        ln_model_release(model);
    }
    assert_same_bits(found[1], found[0], sizeof found[0]);
    ln_tensor_release(x);
}

/* Ways back that read the weights as they were keep them awake; the way forward is what slept before. */
static void weights_that_passes_read_stay_awake(void **state)
{
    (void)state;
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, WIDTH), 3);
    static float found[2][NUMBERS];
    float y[2][2][ROWS * 3];
    for (int keeps = 0; keeps < 2; keeps++) {
        ln_model *model = NULL;
        assert_ok(make_network(2, SPREAD, keeps ? LN_KEEP_BYTES : 0, &model, &err));
        outputs(model, LN_LINK_RAW, x, y[keeps][0]);
        void *taken[2 * LAYERS]; /* the places where weights that went were */
        for (int i = 0; i < 2 * LAYERS; i++)
            taken[i] = ln_alloc_aligned(WEIGHTS * sizeof(float));
        gradients(model, x, found[keeps]);
        for (int i = 0; i < 2 * LAYERS; i++)
            ln_free_aligned(taken[i]);
        outputs(model, LN_LINK_LOSS, x, y[keeps][1]);
        ln_model_release(model);
    }
    assert_same_bits(found[1], found[0], sizeof found[0]);
    assert_same_bits(y[1], y[0], sizeof y[0]);
    ln_tensor_release(x);
}

/* ---------------------------------------------------------------- memory */

/* A gradient function packs all weights twice. It can be made where there is room for that but for the originals,
 * and for those of one layer: they go layer by layer. */
static void originals_go_while_weights_are_packed(void **state)
{
    (void)state;
    if (!can_sleep())
        skip();
    const size_t layer = WEIGHTS * sizeof(float),
                 slack = 2 * layer; /* primitives, biases, plans ... */
    ln_model *model = network(LN_KEEP_BYTES);
    const size_t before = ln_memory_used();
    ln_memory_limit(before + (LAYERS + 1) * layer + slack);
    ln_function *function = function_of_rows(model, (ln_function_options){.gradient = true});
    ln_memory_limit(0);
    assert_true(ln_memory_used() < before + LAYERS * layer + slack);
    /* Without gradients nothing more is packed. */
    const size_t packed = ln_memory_used();
    ln_function *forward = function_of_rows(model, (ln_function_options){.link = LN_LINK_LOSS});
    assert_true(ln_memory_used() < packed + slack);
    ln_function_free(function);
    ln_function_free(forward);
    /* With its functions all goes but one form of the weights. */
    ln_model_forget(model);
    assert_true(ln_memory_used() < before + slack);
    ln_model_release(model);

    /* The other way round the forward pass's weights, packed before, serve the gradient too. */
    model = network(LN_KEEP_BYTES);
    ln_function_free(function_of_rows(model, (ln_function_options){.link = LN_LINK_RAW}));
    assert_true(ln_memory_used() < before + slack);
    ln_function_free(function_of_rows(model, (ln_function_options){.gradient = true}));
    assert_true(ln_memory_used() < before + LAYERS * layer + slack);
    ln_model_release(model);
}

static ln_status make_and_read(void *context, ln_error *error)
{
    (void)context;
    ln_model *model = NULL;
    ln_function *function = NULL;
    uint8_t digest[LN_SHA256_BYTES];
    ln_status status = make_network(1, AS_THEY_ARE, LN_KEEP_BYTES, &model, error);
    for (int gradient = 0; gradient < 2 && !status; gradient++) {
        const ln_function_options options = {.rows = ROWS, .gradient = gradient};
        status = ln_function_new(model, &options, &function, error);
        ln_function_free(function);
        function = NULL;
    }
    if (!status)
        status = ln_graph_sha256(model->graph, digest, error);
    ln_model_release(model);
    return status;
}

static void sleeping_survives_failing_allocations(void **state)
{
    (void)state;
    sweep_allocation_failures(make_and_read, NULL);
}

/* ---------------------------------------------------------------- threads */

typedef struct made_at_once {
    ln_model *model;
    const ln_tensor *x;
    float found[8][ROWS * 3];
} made_at_once;

static ln_status make_one(void *context, int64_t chunk, int worker, ln_error *error)
{
    made_at_once *task = context;
    ln_function *function = NULL;
    ln_runner *runner = NULL;
    (void)worker;
    const ln_function_options options = {
        .rows = ROWS, .link = (ln_link)(chunk % 4), .gradient = chunk / 4 == 1};
    ln_status status = ln_function_new(task->model, &options, &function, error);
    if (!status)
        status = ln_runner_new(function, &runner, error);
    if (!status)
        status = ln_runner_forward(runner, ln_f32(task->x), ROWS, task->found[chunk], error);
    ln_runner_free(runner);
    ln_function_free(function);
    return status;
}

static void functions_made_at_once_have_their_weights(void **state)
{
    (void)state;
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, WIDTH), 3);
    ln_model *awake = network(0);
    ln_pool *pool = NULL;
    assert_ok(ln_pool_new(4, &pool, &err));
    for (int turn = 0; turn < 4; turn++) {
        made_at_once task = {.model = network(LN_KEEP_BYTES), .x = x};
        assert_ok(ln_parallel(pool, 8, make_one, &task, NULL, NULL, &err));
        for (int chunk = 0; chunk < 8; chunk++) {
            float wanted[ROWS * 3];
            outputs(awake, (ln_link)(chunk % 4), x, wanted);
            assert_same_bits(task.found[chunk], wanted, sizeof wanted);
        }
        ln_model_release(task.model);
    }
    ln_pool_free(pool);
    ln_model_release(awake);
    ln_tensor_release(x);
}

enum { AT_ONCE = 4, ROUNDS = 10 }; /* threads */

/* One of the jobs that go on at the same time: even ones make a function, odd ones another model. */
static ln_status make_another(void *context, int64_t i, int worker, ln_error *error)
{
    ln_model *model = context, *made = NULL;
    ln_function *function = NULL;
    (void)worker;
    if (i % 2 == 0) {
        const ln_function_options options = {.rows = ROWS, .gradient = true};
        const ln_status status = ln_function_new(model, &options, &function, error);
        ln_function_free(function);
        return status;
    }
    const ln_status status =
        i % 4 == 1
            ? ln_model_cut(model, ln_graph_find_value(model->graph, "conv2d_2"), &made, error)
            : ln_model_randomise(model, -1, LN_RANDOMISE_ALONE, 7, &made, error);
    ln_model_release(made);
    return status;
}

/* Whoever makes another model of one wakes its weights while other threads do the same or make functions: each of
 * them is woken once, and keeps its bits. */
static void models_are_made_of_one_by_many_threads(void **state)
{
    (void)state;
    if (!can_sleep())
        skip();
    ln_pool *pool = NULL;
    uint8_t wanted[LN_SHA256_BYTES], got[LN_SHA256_BYTES];
    assert_ok(ln_pool_new(AT_ONCE, &pool, &err));
    for (int round = 0; round < ROUNDS; round++) {
        const size_t before = ln_memory_used();
        ln_model *model = network(LN_KEEP_BYTES);
        assert_ok(ln_graph_sha256(model->graph, wanted, &err));
        put_to_sleep(model);
        ln_model_forget(model);
        assert_ok(ln_parallel(pool, 2 * AT_ONCE, make_another, model, NULL, NULL, &err));
        assert_ok(ln_graph_sha256(model->graph, got, &err));
        assert_same_bits(got, wanted, sizeof wanted);
        ln_model_release(model);
        assert_int_equal(ln_memory_used(), before);
    }
    ln_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_those_of_weights_awake),
        cmocka_unit_test(every_reader_gets_every_bit),
        cmocka_unit_test(loaded_weights_replace_those_asleep),
        cmocka_unit_test(folding_wakes_what_it_reads),
        cmocka_unit_test(weights_that_passes_read_stay_awake),
        cmocka_unit_test(originals_go_while_weights_are_packed),
        cmocka_unit_test(sleeping_survives_failing_allocations),
        cmocka_unit_test(functions_made_at_once_have_their_weights),
        cmocka_unit_test(models_are_made_of_one_by_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
