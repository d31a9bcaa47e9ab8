/* Networks of images run with their channels last and their layers fused whatever the rules are: what rules
 * make there is what they make layer by layer, and a row has its bits alone and in any batch. */
#include "explainer_checks.h"

#include "base/rng.h"
#include "graph/fuse.h"
#include "graph/simplify.h"
#include "kernels/last.h"
#include "model/declare.h"

enum { ROWS = 21, CHANNELS = 3, SIDE = 10, WIDTH = CHANNELS * SIDE * SIDE };

static ln_error err;

/* ---------------------------------------------------------------- the network */

static int layer(ln_declaration *net, const char *word, const void *attributes)
{
    assert_ok(ln_declare_layer(net, ln_layer_find(word), attributes, NULL, &err));
    return net->value;
}

/* Statistics and weights that do something, some of them negative. */
static void spread_norms(ln_graph *graph)
{
    for (int i = 0; i < graph->value_count; i++) {
        const ln_value *value = &graph->values[i];
        const bool norm = strncmp(value->name, "batch_norm2d", 12) == 0;
        for (int64_t c = 0; value->constant && norm && c < ln_shape_count(&value->shape); c++) {
            ln_rng rng = ln_rng_make(3, value->name, 0, (uint64_t)c);
            const float drawn = (float)ln_rng_normal(&rng);
            ln_f32(value->constant)[c] = strstr(value->name, "var") ? 0.5F + drawn * drawn : drawn;
        }
    }
}

/* All that fusing looks for, in relus alone (deep_taylor knows no others): a convolution that keeps its
 * results apart, batch norm, a sum with a branch, each channel on its own, poolings, a 1x1 way round. */
static ln_model *image_model(void)
{
    ln_declaration net;
    ln_graph *graph = NULL;
    ln_model *model = NULL;
    const ln_shape input = TEST_SHAPE(CHANNELS, SIDE, SIDE);
    const ln_convolution_attributes same = {.out_channels = 20,
                                            .kernel_size = {1, {3}},
                                            .padding = {1, {1}},
                                            .groups = 1,
                                            .bias = true};
    ln_convolution_attributes bare = same, each = same, point = same;
    const ln_channel_norm_attributes norm = {.eps = 1e-5, .momentum = 0.1, .affine = true};
    const ln_pool_attributes three = {
        .kernel_size = {1, {3}}, .stride = {1, {2}}, .padding = {1, {1}}};
    const ln_pool_attributes two = {.kernel_size = {1, {2}}};
    const ln_flatten_attributes flat = {.start = 1};
    const ln_dense_attributes hidden = {.units = 12, .bias = true},
                              out = {.units = 3, .bias = true};
    bare.bias = false;
    each.groups = 20;
    point.kernel_size.at[0] = 1;
    point.padding.at[0] = 0;
    assert_ok(ln_declare_begin(&input, 4, &net, &err));
    layer(&net, "conv2d", &same);
    layer(&net, "batch_norm2d", &norm);
    int branches[2] = {layer(&net, "relu", NULL)};
    layer(&net, "conv2d", &bare);
    layer(&net, "relu", NULL);
    layer(&net, "conv2d", &each);
    branches[1] = net.value;
    assert_ok(ln_declare_join(&net, "add", branches, 2, &err));
    layer(&net, "relu", NULL);
    branches[0] = layer(&net, "max_pool2d", &three);
    layer(&net, "conv2d", &point);
    branches[1] = layer(&net, "relu", NULL);
    assert_ok(ln_declare_join(&net, "concat", branches, 2, &err));
    layer(&net, "avg_pool2d", &two);
    layer(&net, "flatten", &flat);
    layer(&net, "dense", &hidden);
    layer(&net, "relu", NULL);
    layer(&net, "dense", &out);
    assert_ok(ln_declare_finish(&net, &graph, &err));
    spread_norms(graph);
    assert_ok(ln_model_new("network", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &model, &err));
    ln_graph_release(graph);
    return model;
}

/* ---------------------------------------------------------------- words with rules */

static const struct {
    const char *word, *given;
} rules[] = {{"guided_backprop", ""},
             {"deconvnet", ""},
             {"deeplift", ""},
             {"deep_taylor", ""},
             {"deep_taylor", "low=-3 high=3"},
             {"excitation_backprop", ""},
             {"lrp", "rule=\"epsilon\" epsilon=0.25"},
             {"lrp", "rule=\"gamma\""},
             {"lrp", "rule=\"alpha_beta\""},
             {"lrp", "rule=\"z_plus\""},
             {"lrp", "rule=\"z_box\" low=-3 high=3"},
             {"lrp", "rule=\"w_square\""},
             {"lrp", "rule=\"flat\""},
             {"lrp", "composite=\"epsilon_plus\""},
             {"lrp", "composite=\"epsilon_alpha2_beta1\""},
             {"lrp", "composite=\"epsilon_gamma_box\" low=-3 high=3"},
             {"lrp", "composite=\"epsilon_plus_flat\""}};
#define RULES (sizeof rules / sizeof *rules)

/* The word's rules at the layers of the model's graph (batch norm folded where they want that), with the
 * channels first: multipliers, gradients or relevance of all rows, and of each the output. Caller frees. */
static float *layer_by_layer(const ln_model *model, const char *word, const char *given,
                             const float *x, float *output)
{
    const ln_explainer *explainer = ln_explainer_find(word);
    const parameters params = parameters_of(&explainer->word, given);
    const bool pairs = strcmp(word, "deeplift") == 0;
    const int64_t rows = pairs ? 2 * ROWS : ROWS;
    ln_composite *composite;
    ln_graph *graph;
    ln_plan *plan;
    ln_exec *exec;
    const ln_request request = {.model = (ln_model *)model, .params = params.bytes};
    const ln_job job = {.explainer = explainer, .request = &request};
    assert_ok(explainer->composite(&job, &composite, &err));
    assert_ok(ln_graph_simplify(model->graph, composite->simplify & LN_SIMPLIFY_BATCH_NORM, NULL, 0,
                                &graph, &err));
    const ln_plan_options options = {
        .rows = rows, .gradients = graph->inputs, .gradient_count = 1, .composite = composite};
    assert_ok(ln_plan_new(graph, &options, &plan, &err));
    assert_ok(ln_exec_new(plan, &exec, &err));
    float *from = ln_exec_input(exec, 0);
    memset(from, 0, (size_t)(rows * WIDTH) * sizeof *from);
    memcpy(from, x, (size_t)(ROWS * WIDTH) * sizeof *from);
    assert_ok(ln_exec_forward(exec, rows, &err));
    const float *y = ln_exec_value(exec, graph->outputs[0]);
    for (int64_t r = 0; r < rows; r++) {
        ln_exec_seed(exec, graph->outputs[0])[r * 3 + 1] = composite->relevance ? y[r * 3 + 1] : 1;
        if (r < ROWS)
            output[r] = y[r * 3 + 1];
    }
    assert_ok(ln_exec_backward(exec, &err));
    float *made = ln_alloc((size_t)(ROWS * WIDTH) * sizeof *made);
    for (int64_t i = 0; i < ROWS * WIDTH; i++)
        made[i] = ln_exec_gradient(exec, graph->inputs[0])[i] * (pairs ? x[i] : 1);
    ln_exec_free(exec);
    ln_plan_free(plan);
    ln_graph_release(graph);
    ln_free(composite);
    return made;
}

static void rules_are_those_of_the_layers(void **state)
{
    (void)state;
    ln_model *model = image_model();
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, WIDTH), 5);
    ln_item items[ROWS];
    for (int i = 0; i < ROWS; i++)
        items[i] = (ln_item){i, 1};
    for (size_t k = 0; k < RULES; k++) {
        float output[ROWS],
            *wanted = layer_by_layer(model, rules[k].word, rules[k].given, ln_f32(x), output);
        ln_explanation got =
            explain(rules[k].word, rules[k].given,
                    (ln_request){.model = model, .x = x, .items = items, .item_count = ROWS}, NULL);
        double greatest = 0, difference = 0;
        for (int64_t i = 0; i < ROWS * WIDTH; i++) {
            greatest = fmax(greatest, fabs((double)wanted[i]));
            difference = fmax(difference, fabs((double)wanted[i] - (double)got.values[i]));
        }
        if (!(greatest > 0 && difference <= 2e-5 * greatest))
            fail_msg("%s %s: %g of %g", rules[k].word, rules[k].given, difference, greatest);
        for (int i = 0; i < ROWS; i++)
            assert_true(fabs(got.output[i] - (double)output[i]) <= 1e-4);
        ln_explanation_free(&got);
        ln_free(wanted);
    }
    ln_tensor_release(x);
    ln_model_release(model);
}

/* That this is so is no comparison of a thing with itself. */
static void such_networks_are_fused(void **state)
{
    (void)state;
    ln_model *model = image_model();
    ln_graph *fused;
    for (int what = LN_FUSE_LAYERS; what <= LN_FUSE_CHAINS; what++) {
        int relus = 0, turns = 0;
        assert_ok(ln_graph_fuse(model->graph, (ln_fuse)what, NULL, 0, &fused, &err));
        for (int i = 0; i < fused->node_count; i++) {
            relus += strcmp(fused->nodes[i].layer->word.name, "relu") == 0;
            turns += strcmp(fused->nodes[i].layer->word.name, "turn") == 0;
        }
        if (ln_last_is_fast()) { /* the first is behind a batch norm, the last behind a dense layer */
            assert_int_equal(relus, what == LN_FUSE_LAYERS ? 5 : 2);
            assert_true(turns >= 2);
        }
        ln_graph_release(fused);
    }
    ln_model_release(model);
}

/* ---------------------------------------------------------------- bits */

/* Rows of several kinds lie side by side: with and without negative numbers, and nothing but zeros. */
static ln_tensor *mixed_rows(void)
{
    ln_tensor *x = tensor_random(TEST_SHAPE(ROWS, WIDTH), 6);
    for (int64_t i = 0; i < ROWS * WIDTH; i++) {
        float *number = ln_f32(x) + i;
        const int64_t row = i / WIDTH;
        *number = row % 3 == 1 ? fabsf(*number) : row == 5 ? 0 : *number;
    }
    return x;
}

static void bits_do_not_depend_on_the_batch(void **state)
{
    (void)state;
    ln_model *model = image_model();
    ln_tensor *x = mixed_rows();
    ln_item items[ROWS];
    ln_pool *pool;
    for (int i = 0; i < ROWS; i++)
        items[i] = (ln_item){i, i % 3};
    assert_ok(ln_pool_new(3, &pool, &err));
    for (size_t k = 0; k < RULES; k++) {
        ln_request request = {.model = model, .x = x, .items = items, .item_count = ROWS};
        ln_explanation all = explain(rules[k].word, rules[k].given, request, pool);
        for (int first = 0, count = 1; first + count <= ROWS; first += count, count++) {
            request.items = &items[first];
            request.item_count = count;
            ln_explanation some = explain(rules[k].word, rules[k].given, request, NULL);
            assert_same_bits(some.values, all.values + first * WIDTH,
                             (size_t)(count * WIDTH) * sizeof(float));
            assert_same_bits(some.output, all.output + first, (size_t)count * sizeof(double));
            if (all.absorbed)
                assert_same_bits(some.absorbed, all.absorbed + first,
                                 (size_t)count * sizeof(double));
            ln_explanation_free(&some);
        }
        ln_explanation_free(&all);
    }
    ln_pool_free(pool);
    ln_tensor_release(x);
    ln_model_release(model);
}

static const struct {
    const char *word, *given;
} others[] = {{"saliency", ""},
              {"integrated_gradients", "steps=3"},
              {"smooth_grad", "samples=2"},
              {"gradient_shap", "samples=2 stdev=0.1"},
              {"lrp", "rule=\"epsilon\" epsilon=0.5"},
              {"feature_ablation", ""}};
#define WORDS (RULES + sizeof others / sizeof *others)

static const char *word_of(size_t k)
{
    return k < RULES ? rules[k].word : others[k - RULES].word;
}

static const char *given_to(size_t k)
{
    return k < RULES ? rules[k].given : others[k - RULES].given;
}

/* Words that ask for the same function get one that a model keeps, all others their own. */
static void kept_functions_change_no_bit(void **state)
{
    (void)state;
    enum { FEW = 3 };
    ln_model *fresh = image_model(), *model = image_model();
    ln_tensor *x = mixed_rows();
    ln_item items[FEW];
    ln_explanation wanted[WORDS];
    model->keep_bytes = LN_KEEP_BYTES;
    for (int i = 0; i < FEW; i++)
        items[i] = (ln_item){4 + i, i % 3};
    ln_request request = {.model = fresh, .x = x, .items = items, .item_count = FEW};
    for (size_t k = 0; k < WORDS; k++)
        wanted[k] = explain(word_of(k), given_to(k), request, NULL);
    request.model = model;
    for (size_t turn = 0; turn < 3 * WORDS; turn++) {
        const size_t k = turn < WORDS ? turn : 7 * turn % WORDS;
        ln_explanation got = explain(word_of(k), given_to(k), request, NULL);
        assert_same_bits(got.values, wanted[k].values, (size_t)(FEW * got.width) * sizeof(float));
        assert_same_bits(got.output, wanted[k].output, FEW * sizeof(double));
        ln_explanation_free(&got);
    }
    for (size_t k = 0; k < WORDS; k++)
        ln_explanation_free(&wanted[k]);
    ln_tensor_release(x);
    ln_model_release(fresh);
    ln_model_release(model);
}

/* Few images are cut so that each thread has some: nobody sees from the numbers how. */
static void bits_do_not_depend_on_the_threads_of_few_images(void **state)
{
    (void)state;
    enum { FEW = 4 };
    ln_model *model = image_model();
    ln_tensor *x = mixed_rows();
    ln_item items[FEW];
    for (int i = 0; i < FEW; i++)
        items[i] = (ln_item){3 + i, i % 3};
    for (int threads = 1; threads <= 3; threads++)
        assert_int_equal(ln_model_chunk(model, FEW, 1, threads), threads == 1 ? FEW : 2);
    for (size_t k = 0; k < WORDS; k++) {
        const char *word = word_of(k), *given = given_to(k);
        const ln_request request = {.model = model, .x = x, .items = items, .item_count = FEW};
        ln_explanation alone = explain(word, given, request, NULL);
        for (int threads = 2; threads <= 5; threads++) {
            ln_pool *pool;
            assert_ok(ln_pool_new(threads, &pool, &err));
            ln_explanation got = explain(word, given, request, pool);
            assert_same_items(&got, &alone, 0);
            assert_int_equal(got.evaluations, alone.evaluations);
            ln_explanation_free(&got);
            ln_pool_free(pool);
        }
        ln_explanation_free(&alone);
    }
    ln_tensor_release(x);
    ln_model_release(model);
}

/* One image: the threads share the rows that it needs, but where these look at one another. */
static void threads_share_the_passes_of_one_image(void **state)
{
    (void)state;
    static const struct {
        const char *word, *given;
        bool shares;
    } cases[] = {{"integrated_gradients", "steps=7", true},
                 {"gradient_shap", "samples=5 stdev=0.1", true},
                 {"feature_ablation", "", true},
                 {"occlusion", "window=3 stride=3", true},
                 {"rise", "masks=20", true},
                 {"lime", "samples=30", true},
                 {"kernel_shap", "samples=620", true},
                 {"saliency", "", false},
                 {"deeplift", "", false},
                 {"deeplift", "rule=\"reveal_cancel\"", false}};
    ln_model *model = image_model();
    ln_tensor *x = mixed_rows();
    ln_item item = {5, 1};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const ln_explainer *explainer = ln_explainer_find(cases[k].word);
        const parameters params = parameters_of(&explainer->word, cases[k].given);
        const ln_request own = completed(
            explainer,
            (ln_request){
                .model = model, .x = x, .items = &item, .item_count = 1, .params = params.bytes});
        ln_explanation alone = explain(cases[k].word, cases[k].given, own, NULL);
        for (int threads = 2; threads <= 5; threads += 3) {
            ln_pool *pool;
            ln_job *job;
            ln_explanation got;
            assert_ok(ln_pool_new(threads, &pool, &err));
            assert_ok(ln_job_new(explainer, &own, pool, &job, &err));
            if (job->shares != cases[k].shares)
                fail_msg("%s, %d threads: %d", cases[k].word, threads, job->shares);
            for (int turn = 0; turn < 2; turn++) {
                assert_ok(ln_job_run(job, 0, 1, &got, &err));
                assert_same_items(&got, &alone, 0);
                assert_true(turn > 0 || got.evaluations == alone.evaluations);
                ln_explanation_free(&got);
            }
            ln_job_free(job);
            ln_pool_free(pool);
        }
        ln_explanation_free(&alone);
    }
    ln_tensor_release(x);
    ln_model_release(model);
}

/* Rows that look at one another stay one worker's: a pass of them is no larger, whatever the threads. */
static void threads_make_no_pass_of_pairs_larger(void **state)
{
    (void)state;
    const ln_explainer *explainer = ln_explainer_find("deeplift_shap");
    const parameters params = parameters_of(&explainer->word, "");
    ln_model *model = image_model();
    ln_tensor *x = mixed_rows();
    ln_item item = {5, 1};
    const ln_request request = completed(explainer, (ln_request){.model = model,
                                                                 .x = x,
                                                                 .items = &item,
                                                                 .item_count = 1,
                                                                 .background = x,
                                                                 .params = params.bytes});
    ln_pool *pool;
    ln_job *alone, *job;
    assert_ok(ln_pool_new(5, &pool, &err));
    assert_ok(ln_job_new(explainer, &request, NULL, &alone, &err));
    assert_ok(ln_job_new(explainer, &request, pool, &job, &err));
    assert_true(alone->rows_per_pass < 2 * (int64_t)ROWS);
    assert_int_equal(job->rows_per_pass, alone->rows_per_pass);
    assert_false(job->shares);
    ln_job_free(job);
    ln_job_free(alone);
    ln_pool_free(pool);
    ln_tensor_release(x);
    ln_model_release(model);
}

/* One image needs no more memory with many threads where --memory has none: fewer of them share its passes. */
static void threads_share_within_the_memory_allowed(void **state)
{
    (void)state;
    const ln_explainer *explainer = ln_explainer_find("integrated_gradients");
    const parameters params = parameters_of(&explainer->word, "");
    ln_model *model = image_model();
    ln_tensor *x = mixed_rows();
    ln_item item = {5, 1};
    const ln_request request = completed(
        explainer,
        (ln_request){
            .model = model, .x = x, .items = &item, .item_count = 1, .params = params.bytes});
    ln_explanation alone = explain("integrated_gradients", "", request, NULL), got;
    ln_pool *pool;
    ln_job *job;
    ln_model_forget(model);
    assert_ok(ln_pool_new(8, &pool, &err));
    assert_ok(ln_job_new(explainer, &request, pool, &job, &err));
    assert_true(job->shares);
    for (size_t room = 1 << 14; room <= 1 << 22; room *= 4) {
        ln_memory_limit(ln_memory_used() + room);
        assert_ok(ln_job_run(job, 0, 1, &got, &err));
        ln_memory_limit(0);
        assert_same_items(&got, &alone, 0);
        ln_explanation_free(&got);
        ln_model_forget(model);
    }
    ln_job_free(job);
    ln_pool_free(pool);
    ln_explanation_free(&alone);
    ln_tensor_release(x);
    ln_model_release(model);
}

/* What a row is compared with goes forward alone. */
static void multipliers_go_back_over_rows_alone(void **state)
{
    (void)state;
    ln_model *model = image_model();
    ln_tensor *x = mixed_rows();
    ln_item item = {5, 1};
    int found = 0;
    assert_ok(ln_profile_new(&model->profile, &err));
    const ln_request request = {.model = model, .x = x, .items = &item, .item_count = 1};
    ln_explanation got = explain("deeplift", "", request, NULL);
    for (int i = 0; i < model->profile->count; i++) {
        const ln_profile_line *line = &model->profile->lines[i];
        if (line->rows[0] == 0 || line->rows[1] == 0)
            continue;
        found++;
        assert_int_equal(line->rows[0], 2);
        assert_int_equal(line->rows[1], 1);
    }
    assert_true(found > 3);
    ln_explanation_free(&got);
    ln_profile_free(model->profile);
    model->profile = NULL;
    ln_tensor_release(x);
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_those_of_the_layers),
        cmocka_unit_test(such_networks_are_fused),
        cmocka_unit_test(bits_do_not_depend_on_the_batch),
        cmocka_unit_test(bits_do_not_depend_on_the_threads_of_few_images),
        cmocka_unit_test(threads_share_the_passes_of_one_image),
        cmocka_unit_test(threads_make_no_pass_of_pairs_larger),
        cmocka_unit_test(threads_share_within_the_memory_allowed),
        cmocka_unit_test(multipliers_go_back_over_rows_alone),
        cmocka_unit_test(kept_functions_change_no_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
