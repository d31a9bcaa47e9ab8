/* layers at their edges: dropout in training, numbers that are none or too large, wrong shapes, rules
 * that put other weights in place, and memory that runs out. */
#include "layers_families.h"

#include <float.h>

/* ---------------------------------------------------------------- dropout in training */

static void dropout_masks_by_row(void **state)
{
    const layer_case layer = {"dropout", "dropout",     &(ln_dropout_attributes){0.25}, 1, 1,
                              {ROW(40)}, same_reference};
    layer_bed bed = layer_bed_make(&layer);
    layer_results whole = layer_run(&bed, 64, 0, 64, true);
    int dropped = 0;
    (void)state;
    for (int64_t i = 0; i < 64 * 40; i++) {
        const float x = (float)layer_number(0, i), seed = (float)layer_number(50, i);
        const float kept = x * (float)(1 / 0.75), passed = seed * (float)(1 / 0.75), zero = 0;
        const bool off = whole.out[i] == 0;
        dropped += off;
        assert_same_bits(&whole.out[i], off ? &zero : &kept, sizeof kept);
        assert_same_bits(&whole.gradient[0][i], off ? &zero : &passed, sizeof passed);
    }
    /* 2560 draws of 0.25: 640 expected, deviation 22. The draws are fixed, so this never flickers. */
    assert_in_range(dropped, 640 - 88, 640 + 88);
    for (int64_t first = 0; first < 64; first += 16) {
        layer_results part = layer_run(&bed, 16, first, 16, true);
        assert_same_bits(part.out, whole.out + first * 40, 16 * 40 * sizeof(float));
        layer_results_free(&bed, &part);
    }
    layer_results_free(&bed, &whole);
    ln_graph_release(bed.graph);
}

static void dropout_of_everything_is_zero(void **state)
{
    const layer_case layer = {"dropout", "dropout",     &(ln_dropout_attributes){1}, 1, 1,
                              {ROW(4)},  same_reference};
    const float zeros[8] = {0};
    layer_bed bed = layer_bed_make(&layer);
    layer_results got = layer_run(&bed, 2, 0, 2, true);
    (void)state;
    assert_near_f32(got.out, zeros, 8, 0, 0);
    assert_near_f32(got.gradient[0], zeros, 8, 0, 0);
    layer_results_free(&bed, &got);
    ln_graph_release(bed.graph);
}

/* ---------------------------------------------------------------- numbers at the edge */

/* Forward of a one-input layer on given numbers. */
static void forward_of(const layer_case *layer, const float *x, float *y)
{
    layer_bed bed = layer_bed_make(layer);
    const ln_plan_options options = {.rows = 1};
    ln_plan *plan = NULL;
    ln_exec *exec = NULL;
    ln_error err;
    assert_ok(ln_plan_new(bed.graph, &options, &plan, &err));
    assert_ok(ln_exec_new(plan, &exec, &err));
    memcpy(ln_exec_input(exec, 0), x, (size_t)bed.widths[0] * sizeof(float));
    assert_ok(ln_exec_forward(exec, 1, &err));
    memcpy(y, ln_exec_value(exec, bed.output), (size_t)bed.width * sizeof(float));
    ln_exec_free(exec);
    ln_plan_free(plan);
    ln_graph_release(bed.graph);
}

static void nan_goes_through(void **state)
{
    (void)state;
    for (int f = 0; f < FAMILIES; f++)
        for (int c = 0; c < families[f].count; c++) {
            const layer_case *one = &families[f].cases[c];
            const ln_layer *layer = ln_layer_find(one->word);
            if (!(layer->flags & LN_LAYER_ACTIVATION) || one->shapes[0].dims[0] != 11)
                continue;
            float x[11] = {0.5F, NAN, 1}, y[11];
            forward_of(one, x, y);
            assert_true(isnan(y[1]));
            assert_false(isnan(y[2]));
        }
}

static void large_numbers_do_not_overflow(void **state)
{
    const layer_case softmax = {"softmax", "softmax", &(ln_axis_attributes){-1}, 1,
                                1,         {ROW(3)},  softmax_reference};
    const layer_case loss = {"class_loss", "class_loss", NULL, 1, 1, {ROW(3)}, NULL};
    const layer_case one = {"class_loss", "class_loss", NULL, 1, 1, {ROW(1)}, NULL};
    const layer_case plus = {"softplus", "softplus", &(ln_softplus_attributes){1, 20}, 1, 1,
                             {ROW(3)},   NULL};
    const layer_case logs = {"log_softmax", "log_softmax", &(ln_axis_attributes){-1}, 1, 1,
                             {ROW(3)},      NULL};
    const layer_case sigmoid_case = {"sigmoid", "sigmoid", NULL, 1, 1, {ROW(3)}, NULL};
    float y[3];
    (void)state;
    forward_of(&softmax, (float[]){1000, 1000, -1000}, y);
    assert_near_f32(y, ((float[]){0.5F, 0.5F, 0}), 3, 0, 0);
    forward_of(&logs, (float[]){FLT_MAX, FLT_MAX, FLT_MAX}, y);
    assert_near_f32(y, ((float[]){(float)-log(3), (float)-log(3), (float)-log(3)}), 3, 0, 0);
    forward_of(&loss, (float[]){FLT_MAX, FLT_MAX, FLT_MAX}, y);
    assert_near_f32(y, ((float[]){(float)log(3), (float)log(3), (float)log(3)}), 3, 0, 0);
    forward_of(&loss, (float[]){1000, 0, -1000}, y);
    assert_near_f32(y, ((float[]){0, 1000, 2000}), 3, 0, 0);
    forward_of(&one, (float[]){500}, y);
    assert_near_f32(y, ((float[]){500, 0}), 2, 0, 0);
    forward_of(&one, (float[]){-500}, y);
    assert_near_f32(y, ((float[]){0, 500}), 2, 0, 0);
    forward_of(&plus, (float[]){1000, -1000, 0}, y);
    assert_near_f32(y, ((float[]){1000, 0, (float)log(2)}), 3, 0, 1e-7);
    forward_of(&sigmoid_case, (float[]){200, -200, 0}, y);
    assert_near_f32(y, ((float[]){1, 0, 0.5F}), 3, 0, 0);
}

/* ---------------------------------------------------------------- errors */

/* Adds the layer to inputs of these shapes (without N); the first `live` are inputs. */
static void refused(const layer_case *layer, ln_status wanted, const char *part)
{
    ln_graph *graph = NULL;
    ln_error err;
    int values[LAYER_MOST_INPUTS];
    const char *result = "y";
    char name[16];
    assert_ok(ln_graph_new(&graph, &err));
    for (int i = 0; i < layer->count; i++) {
        ln_shape shape = {.rank = layer->shapes[i].rank + 1, .dims = {-1}};
        snprintf(name, sizeof name, "x%d", i);
        memcpy(shape.dims + 1, layer->shapes[i].dims, sizeof shape.dims - sizeof(int64_t));
        if (i < layer->live) {
            assert_ok(ln_graph_add_input(graph, name, LN_F32, &shape, &values[i], &err));
            continue;
        }
        ln_tensor *constant = tensor_zero(LN_F32, layer->shapes[i]);
        assert_ok(ln_graph_add_constant(graph, name, constant, false, &values[i], &err));
        ln_tensor_release(constant);
    }
    assert_fails(ln_graph_add_node(graph, ln_layer_find(layer->word), "Op", "here",
                                   layer->attributes, values, layer->count, &result, 1, NULL, &err),
                 wanted, part);
    assert_message_at(&err, "Op 'here': ", __FILE__, __LINE__);
    ln_graph_release(graph);
}

static void wrong_shapes_are_refused_by_name(void **state)
{
    const ln_dense_attributes dense = {0};
    (void)state;
    refused(&(layer_case){"", "dense", &dense, 1, 2, {ROW(7), ROW(5, 6)}, NULL}, LN_EINVALID,
            "its input has shape (N, 7): with a weight of shape (5, 6) the last dimension must be "
            "6");
    refused(&(layer_case){"", "dense", &dense, 1, 3, {ROW(6), ROW(5, 6), ROW(4)}, NULL},
            LN_EINVALID, "its bias has shape (4,): it must be (5,)");
    refused(&(layer_case){"", "dense", &dense, 1, 2, {ROW(6), ROW(6)}, NULL}, LN_EINVALID,
            "its weight has shape (6,): it must be a matrix");
    refused(&(layer_case){"", "dense", &dense, 2, 2, {ROW(6), ROW(6)}, NULL}, LN_EUNSUPPORTED,
            "it must be a constant");
    refused(&(layer_case){"", "dense", &dense, 1, 1, {ROW(6)}, NULL}, LN_EINVALID,
            "it has 1 inputs; 'dense' takes 2");
    refused(&(layer_case){"", "softmax", &(ln_axis_attributes){0}, 1, 1, {ROW(6)}, NULL},
            LN_EINVALID, "axis 0: it must be 1 to 1, or -1 to -1 (axis 0 is the rows)");
    refused(&(layer_case){"", "softmax", &(ln_axis_attributes){3}, 1, 1, {ROW(6)}, NULL},
            LN_EINVALID, "axis 3");
    refused(&(layer_case){"", "class_loss", NULL, 1, 1, {ROW(6, 2)}, NULL}, LN_EINVALID,
            "its input has shape (N, 6, 2): it must be (N, classes)");
    refused(&(layer_case){"", "add", NULL, 2, 2, {ROW(6), ROW(5)}, NULL}, LN_EINVALID,
            "shapes (N, 6) and (N, 5) cannot be added");
    refused(&(layer_case){"", "add", NULL, 1, 2, {ROW(6), ROW(4, 6)}, NULL}, LN_EUNSUPPORTED,
            "rows must be the first dimension of both");
    refused(&(layer_case){"", "add", NULL, 1, 2, {ROW(6), ROW(1, 1, 6)}, NULL}, LN_EUNSUPPORTED,
            "rows must be the first dimension of both");
    refused(
        &(layer_case){"", "concat", &(ln_axis_attributes){1}, 2, 2, {ROW(6, 2), ROW(6, 3)}, NULL},
        LN_EINVALID, "differ in more than axis 1");
    refused(&(layer_case){"",
                          "slice",
                          &(ln_slice_attributes){{1, {1}}, {1, {3}}, {1, {2}}, {0}},
                          1,
                          1,
                          {ROW(6)},
                          NULL},
            LN_EUNSUPPORTED, "of axis 1 of its input, shape (N, 6), nothing is left");
    refused(&(layer_case){"",
                          "slice",
                          &(ln_slice_attributes){{1, {0}}, {1, {0}}, {1, {2}}, {0}},
                          1,
                          1,
                          {ROW(6)},
                          NULL},
            LN_EINVALID, "axis 0: it must be 1 to 1");
    refused(&(layer_case){"",
                          "slice",
                          &(ln_slice_attributes){{1, {1}}, {1, {0}}, {1, {2}}, {1, {0}}},
                          1,
                          1,
                          {ROW(6)},
                          NULL},
            LN_EINVALID, "the step of axis 1 is 0");
    refused(&(layer_case){"",
                          "slice",
                          &(ln_slice_attributes){{1, {1}}, {0}, {1, {2}}, {0}},
                          1,
                          1,
                          {ROW(6)},
                          NULL},
            LN_EINVALID, "it has 1 axes, 0 starts, 1 ends and 0 steps");
    refused(
        &(layer_case){
            "", "pad", &(ln_pad_attributes){{1, {1}}, {1, {0}}, 0, 0}, 1, 1, {ROW(2, 3)}, NULL},
        LN_EINVALID, "its input has shape (N, 2, 3), but 1 axes of a row are padded before and 1");
    refused(
        &(layer_case){
            "", "pad", &(ln_pad_attributes){{1, {-2}}, {1, {-1}}, 0, 0}, 1, 1, {ROW(3)}, NULL},
        LN_EINVALID, "padding axis 1 by -2 and -1 leaves nothing");
    refused(&(layer_case){"", "tile", &(ln_tile_attributes){{1, {0}}}, 1, 1, {ROW(3)}, NULL},
            LN_EINVALID, "axis 1 is repeated 0 times");
    refused(
        &(layer_case){
            "", "pixel_shuffle", &(ln_shuffle_attributes){2, false}, 1, 1, {ROW(6, 2, 2)}, NULL},
        LN_EINVALID, "shape (N, 6, 2, 2): the channels must be a multiple of 4");
    refused(
        &(layer_case){
            "", "pixel_unshuffle", &(ln_shuffle_attributes){2, false}, 1, 1, {ROW(6, 2, 3)}, NULL},
        LN_EINVALID, "height and width must be multiples of 2");
    refused(&(layer_case){"", "topk", &(ln_topk_attributes){7, 1, false}, 1, 1, {ROW(6)}, NULL},
            LN_EINVALID, "k is 7: along its axis there are 1 to 6 numbers");
    refused(
        &(layer_case){
            "", "reduce", &(ln_reduce_attributes){0, {1, {0}}, false}, 1, 1, {ROW(6)}, NULL},
        LN_EINVALID, "axis 0: it must be 1 to 1");
    refused(&(layer_case){"", "trilu", &(ln_trilu_attributes){true, 0}, 1, 1, {ROW(6)}, NULL},
            LN_EINVALID, "a row must have two axes");
    refused(&(layer_case){"", "flatten", &(ln_flatten_attributes){3}, 1, 1, {ROW(6)}, NULL},
            LN_EINVALID, "there is no axis 3 to start at");
    refused(
        &(layer_case){
            "", "reshape", &(ln_reshape_attributes){.shape = {2, {4, -1}}}, 1, 1, {ROW(6)}, NULL},
        LN_EINVALID, "its input has shape (N, 6): that does not fit shape (4, -1)");
    refused(
        &(layer_case){
            "", "reshape", &(ln_reshape_attributes){.shape = {2, {-1, -1}}}, 1, 1, {ROW(6)}, NULL},
        LN_EINVALID, "does not fit");
}

/* What ONNX's Reshape asks for: the rows are named, a batch of one file serves any. */
static void reshape_keeps_the_rows(void **state)
{
    static const struct {
        ln_ints shape;
        int64_t row[2];
    } asked[] = {{{3, {-1, 3, 4}}, {3, 4}},
                 {{3, {0, 4, 3}}, {4, 3}},
                 {{3, {1, 2, 6}}, {2, 6}},
                 {{3, {9, 0, 6}}, {2, 6}},
                 {{3, {0, -1, 2}}, {6, 2}}};
    (void)state;
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        const ln_reshape_attributes attributes = {.shape = asked[i].shape, .whole = true};
        const layer_case layer = {"", "reshape", &attributes, 1, 1, {ROW(2, 6)}, same_reference};
        layer_bed bed = layer_bed_make(&layer);
        const ln_shape wanted = {3, {-1, asked[i].row[0], asked[i].row[1]}};
        assert_true(ln_shape_equal(&bed.graph->values[bed.output].shape, &wanted));
        ln_graph_release(bed.graph);
        check_case(&layer, 3);
    }
    refused(&(layer_case){"",
                          "reshape",
                          &(ln_reshape_attributes){.shape = {2, {-1, 3}}, .whole = true},
                          1,
                          1,
                          {ROW(2, 6)},
                          NULL},
            LN_EINVALID, "does not fit");
}

/* ---------------------------------------------------------------- rules' way in */

/* A rule puts other weights in place: the same products, without packing. */
static ln_status with_doubled_weights(const ln_rule *rule, const ln_pass *pass, ln_error *err)
{
    const ln_shape *shape = &pass->step->in_shape[1];
    const int64_t count = ln_shape_count(shape);
    float *doubled = ln_alloc((size_t)count * sizeof *doubled);
    const void *in[3] = {pass->in[0], doubled, NULL};
    ln_pass other = *pass;
    if (!doubled)
        return ln_fail_memory(err, (size_t)count * sizeof *doubled);
    for (int64_t i = 0; i < count; i++)
        doubled[i] = (float)rule->parameters[0] * ((const float *)pass->in[1])[i];
    other.in = in;
    ln_status status = pass->step->node->layer->backward(&other, err);
    ln_free(doubled);
    return status;
}

static ln_status assign_doubled(const ln_composite *composite, const ln_graph *graph,
                                const ln_node *node, const bool *passed, const ln_rule **out,
                                ln_error *err)
{
    (void)graph;
    (void)node;
    (void)err;
    assert_true(passed[0]);
    *out = composite->context;
    return LN_OK;
}

static void a_rule_may_change_the_weights(void **state)
{
    const ln_rule rule = {.name = "doubled", .parameters = {2}, .backward = with_doubled_weights};
    const ln_composite composite = {.name = "doubled", .context = &rule, .assign = assign_doubled};
    (void)state;
    for (int c = 0; c < 4; c++) {
        layer_bed bed = layer_bed_make(&cases[c]);
        layer_results plain = layer_run(&bed, 5, 0, 5, false);
        const ln_plan_options options = {
            .rows = 5, .gradients = bed.values, .gradient_count = 1, .composite = &composite};
        ln_plan *plan = NULL;
        ln_exec *exec = NULL;
        ln_error err;
        assert_ok(ln_plan_new(bed.graph, &options, &plan, &err));
        assert_ok(ln_exec_new(plan, &exec, &err));
        assert_ok(ln_exec_forward(exec, 5, &err));
        for (int64_t i = 0; i < 5 * bed.width; i++)
            ln_exec_seed(exec, bed.output)[i] = (float)layer_number(50, i);
        assert_ok(ln_exec_backward(exec, &err));
        for (int64_t i = 0; i < 5 * bed.widths[0]; i++) {
            const float wanted = 2 * plain.gradient[0][i];
            assert_same_bits(&ln_exec_gradient(exec, bed.values[0])[i], &wanted, sizeof wanted);
        }
        ln_exec_free(exec);
        ln_plan_free(plan);
        layer_results_free(&bed, &plain);
        ln_graph_release(bed.graph);
    }
}

/* ---------------------------------------------------------------- memory */

/* Graph, plan and one training pass of a layer, without a word about what comes out. */
static ln_status build_and_run(void *context, ln_error *err)
{
    const layer_case *layer = context;
    int values[LAYER_MOST_INPUTS];
    const char *result = "y";
    char name[16];
    ln_graph *graph = NULL;
    ln_tensor *constant = NULL;
    ln_plan *plan = NULL;
    ln_exec *exec = NULL;
    ln_status status = ln_graph_new(&graph, err);
    for (int i = 0; i < layer->count && !status; i++) {
        ln_shape shape = {.rank = layer->shapes[i].rank + 1, .dims = {-1}};
        memcpy(shape.dims + 1, layer->shapes[i].dims, sizeof shape.dims - sizeof(int64_t));
        snprintf(name, sizeof name, "x%d", i);
        if (i < layer->live) {
            status = ln_graph_add_input(graph, name, LN_F32, &shape, &values[i], err);
            continue;
        }
        status = ln_tensor_new(LN_F32, &layer->shapes[i], &constant, err);
        if (!status)
            status = ln_graph_add_constant(graph, name, constant, true, &values[i], err);
        ln_tensor_release(constant);
        constant = NULL;
    }
    if (!status)
        status = ln_graph_add_node(graph, ln_layer_find(layer->word), layer->word, "node",
                                   layer->attributes, values, layer->count, &result, 1, NULL, err);
    if (!status)
        status = ln_graph_add_output(graph, ln_graph_find_value(graph, "y"), err);
    const ln_plan_options options = {
        .rows = 3, .gradients = values, .gradient_count = layer->live, .training = true};
    if (!status)
        status = ln_plan_new(graph, &options, &plan, err);
    if (!status)
        status = ln_exec_new(plan, &exec, err);
    if (!status)
        status = ln_exec_forward(exec, 3, err);
    if (!status)
        status = ln_exec_backward(exec, err);
    if (!status)
        status = ln_plan_refresh(plan, err);
    ln_exec_free(exec);
    ln_plan_free(plan);
    ln_graph_release(graph);
    return status;
}

static void every_layer_survives_failing_allocations(void **state)
{
    (void)state;
    for (int f = 0; f < FAMILIES; f++)
        for (int i = 0; i < families[f].count; i++)
            sweep_allocation_failures(build_and_run, (void *)(uintptr_t)&families[f].cases[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dropout_masks_by_row),
        cmocka_unit_test(dropout_of_everything_is_zero),
        cmocka_unit_test(nan_goes_through),
        cmocka_unit_test(large_numbers_do_not_overflow),
        cmocka_unit_test(wrong_shapes_are_refused_by_name),
        cmocka_unit_test(reshape_keeps_the_rows),
        cmocka_unit_test(a_rule_may_change_the_weights),
        cmocka_unit_test(every_layer_survives_failing_allocations),
    };
    return cmocka_run_group_tests_name("layers", tests, NULL, NULL);
}
