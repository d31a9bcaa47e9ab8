/* Writing ONNX: what a network is written as reads back as the same network, bit by bit; what cannot be
 * written is named. That ONNX Runtime computes the same from such files, encodings included, is seen
 * by reference/onnx_export_check.py. */
#include "model_support.h"

#include "layers/window.h"
#include "model/export.h"
#include "onnx/onnx.h"
#include "onnx/proto.h"
#include "onnx/writer.h"

static ln_error err;

static ln_status add_word(ln_declaration *declaration, const char *word, const void *attributes)
{
    return ln_declare_layer(declaration, ln_layer_find(word), attributes, NULL, &err);
}

/* Every layer that has an operator: numbers, shapes and activations one after the other. */
static ln_model *tower(void)
{
    const ln_shape input = TEST_SHAPE(2, 3);
    const ln_dense_attributes dense = {.units = 4, .bias = true}, bare = {.units = 6};
    const ln_reshape_attributes flat = {.shape = {1, {8}}}, back = {.shape = {2, {2, -1}}};
    const ln_axis_attributes last = {-1}, first = {1};
    const ln_flatten_attributes whole = {1}, tail = {2};
    ln_declaration declaration;
    assert_ok(ln_declare_begin(&input, 5, &declaration, &err));
    assert_ok(add_word(&declaration, "dense", &dense));
    assert_ok(add_word(&declaration, "tanh", NULL));
    assert_ok(add_word(&declaration, "reshape", &flat));
    assert_ok(add_word(&declaration, "dense", &bare));
    assert_ok(add_word(&declaration, "elu", &(ln_elu_attributes){0.7}));
    assert_ok(add_word(&declaration, "reshape", &back));
    assert_ok(add_word(&declaration, "dropout", &(ln_dropout_attributes){0.3}));
    assert_ok(add_word(&declaration, "softmax", &first));
    assert_ok(add_word(&declaration, "flatten", &tail));
    assert_ok(add_word(&declaration, "leaky_relu", &(ln_leaky_relu_attributes){0.2}));
    assert_ok(add_word(&declaration, "identity", NULL));
    const int branch = declaration.value;
    assert_ok(add_word(&declaration, "sigmoid", NULL));
    const int both[] = {branch, declaration.value};
    assert_ok(ln_declare_join(&declaration, "add", both, 2, &err));
    const int three[] = {branch, declaration.value, both[1]};
    assert_ok(ln_declare_join(&declaration, "concat", three, 3, &err));
    assert_ok(add_word(&declaration, "softplus", &(ln_softplus_attributes){1, 20}));
    assert_ok(add_word(&declaration, "flatten", &whole));
    assert_ok(add_word(&declaration, "relu", NULL));
    assert_ok(add_word(&declaration, "softmax", &last));
    return model_of(&declaration, LN_TASK_CLASSIFICATION);
}

/* Convolutions, poolings and normalisations of two axes and of one. */
static ln_model *pictures(void)
{
    const ln_shape input = TEST_SHAPE(2, 12, 10);
    const ln_convolution_attributes same = {.out_channels = 4,
                                            .kernel_size = {1, {3}},
                                            .padding = {LN_PADDING_SAME, {0}},
                                            .groups = 1,
                                            .bias = true};
    const ln_convolution_attributes apart = {.out_channels = 4,
                                             .kernel_size = {2, {3, 2}},
                                             .stride = {2, {2, 1}},
                                             .padding = {2, {1, 0}},
                                             .dilation = {2, {1, 2}},
                                             .groups = 4};
    const ln_convolution_attributes up = {.out_channels = 6,
                                          .kernel_size = {1, {3}},
                                          .stride = {1, {2}},
                                          .output_padding = {2, {1, 1}},
                                          .groups = 2,
                                          .bias = true};
    const ln_pool_attributes greatest = {
        .kernel_size = {1, {3}}, .stride = {1, {2}}, .padding = {1, {1}}, .ceil_mode = true};
    const ln_pool_attributes mean = {.kernel_size = {1, {2}},
                                     .stride = {1, {1}},
                                     .padding = {1, {1}},
                                     .count_include_pad = true};
    const ln_channel_norm_attributes affine = {.eps = 1e-3, .momentum = 0.1, .affine = true};
    const ln_channel_norm_attributes bare = {.eps = 1e-5};
    const ln_layer_norm_attributes last = {.normalized_shape = {1, {3}}, .eps = 1e-5};
    const ln_response_norm_attributes beside = {.size = 3, .alpha = 1e-2, .beta = 0.75, .k = 1};
    const ln_adaptive_attributes three = {.output_size = {1, {3}}}, one = {.output_size = {1, {1}}};
    ln_declaration declaration;
    assert_ok(ln_declare_begin(&input, 5, &declaration, &err));
    assert_ok(add_word(&declaration, "conv2d", &same));
    assert_ok(add_word(&declaration, "batch_norm2d", &affine));
    assert_ok(add_word(&declaration, "max_pool2d", &greatest));
    assert_ok(add_word(&declaration, "conv2d", &apart));
    assert_ok(add_word(&declaration, "local_response_norm", &beside));
    assert_ok(add_word(&declaration, "avg_pool2d", &mean));
    assert_ok(add_word(&declaration, "conv_transpose2d", &up));
    assert_ok(add_word(&declaration, "instance_norm2d", &bare));
    assert_ok(add_word(&declaration, "adaptive_avg_pool2d", &three));
    assert_ok(add_word(&declaration, "layer_norm", &last));
    assert_ok(add_word(&declaration, "reshape", &(ln_reshape_attributes){.shape = {2, {6, 9}}}));
    assert_ok(add_word(
        &declaration, "conv1d",
        &(ln_convolution_attributes){.out_channels = 5, .kernel_size = {1, {4}}, .groups = 1}));
    assert_ok(add_word(&declaration, "adaptive_max_pool1d", &one));
    assert_ok(add_word(&declaration, "flatten", &(ln_flatten_attributes){1}));
    return model_of(&declaration, LN_TASK_CLASSIFICATION);
}

/* Recurrent layers of all forms that scripts declare: steps first in the file, gates in another order. */
static ln_model *sequences(const char *word, bool bidirectional, bool last, bool bias,
                           int nonlinearity)
{
    const ln_shape input = TEST_SHAPE(6, 4);
    const ln_recurrent_attributes first = {.hidden_size = 5,
                                           .bias = bias,
                                           .bidirectional = bidirectional,
                                           .nonlinearity = nonlinearity};
    const ln_recurrent_attributes second = {.hidden_size = 3,
                                            .bias = bias,
                                            .bidirectional = bidirectional,
                                            .last = last,
                                            .nonlinearity = nonlinearity};
    ln_declaration declaration;
    assert_ok(ln_declare_begin(&input, 5, &declaration, &err));
    assert_ok(add_word(&declaration, word, &first));
    assert_ok(add_word(&declaration, "gelu", &(ln_scalar_attributes){.approximate = last}));
    assert_ok(add_word(&declaration, word, &second));
    return model_of(&declaration, LN_TASK_CLASSIFICATION);
}

static ln_model *read_back(const ln_model *model)
{
    ln_text file = {0};
    ln_graph *graph = NULL;
    ln_model *back = NULL;
    assert_ok(ln_model_to_onnx(model, &file, &err));
    assert_ok(ln_onnx_parse("written", file.data, file.length, NULL, &graph, NULL, &err));
    assert_ok(ln_model_new("onnx", graph, NULL, NULL, model->task, &back, &err));
    ln_graph_release(graph);
    ln_text_free(&file);
    return back;
}

static void assert_same_outputs(ln_model *a, ln_model *b)
{
    ln_tensor *x = tensor_random(TEST_SHAPE(9, a->width), 4), *ya = NULL, *yb = NULL;
    assert_int_equal(a->width, b->width);
    assert_ok(ln_model_forward(a, LN_LINK_RAW, x, NULL, &ya, &err));
    assert_ok(ln_model_forward(b, LN_LINK_RAW, x, NULL, &yb, &err));
    assert_same_tensor(ya, yb);
    ln_tensor_release(x);
    ln_tensor_release(ya);
    ln_tensor_release(yb);
}

static void networks_read_back_with_the_same_bits(void **state)
{
    (void)state;
    ln_model *model = pictures(), *back = read_back(model);
    assert_same_outputs(model, back);
    ln_model_release(model);
    ln_model_release(back);
    model = tower();
    back = read_back(model);
    assert_same_outputs(model, back);
    assert_string_equal(model->graph->values[model->output_value].name,
                        back->graph->values[back->output_value].name);
    /* What was read is written as the same file again. */
    ln_text once = {0}, again = {0};
    assert_ok(ln_model_to_onnx(back, &once, &err));
    ln_model *third = read_back(back);
    assert_ok(ln_model_to_onnx(third, &again, &err));
    assert_same_outputs(model, third);
    ln_text_free(&once);
    ln_text_free(&again);
    ln_model_release(model);
    ln_model_release(back);
    ln_model_release(third);
}

/* To float32's rounding: layers between are others. */
static void assert_near_outputs(ln_model *a, ln_model *b)
{
    ln_tensor *x = tensor_random(TEST_SHAPE(3, a->width), 8), *ya = NULL, *yb = NULL;
    assert_ok(ln_model_forward(a, LN_LINK_RAW, x, NULL, &ya, &err));
    assert_ok(ln_model_forward(b, LN_LINK_RAW, x, NULL, &yb, &err));
    assert_true(ln_shape_equal(&ya->shape, &yb->shape));
    assert_near_f32(ln_f32(yb), ln_f32(ya), (size_t)ln_shape_count(&ya->shape), 1e-6, 1e-6);
    ln_tensor_release(x);
    ln_tensor_release(ya);
    ln_tensor_release(yb);
}

static void recurrent_networks_read_back(void **state)
{
    (void)state;
    static const char *const words[] = {"lstm", "gru", "rnn"};
    for (int form = 0; form < 24; form++) {
        ln_model *model = sequences(words[form / 8], form & 1, form & 2, form & 4,
                                    form / 8 == 2 && (form & 2) ? 1 : 0);
        ln_model *back = read_back(model);
        assert_near_outputs(model, back);
        ln_model_release(model);
        ln_model_release(back);
    }
}

static void layers_without_an_operator_are_named(void **state)
{
    (void)state;
    const ln_shape input = TEST_SHAPE(3);
    ln_declaration declaration;
    ln_text file = {0};
    assert_ok(ln_declare_begin(&input, 5, &declaration, &err));
    assert_ok(add_word(&declaration, "dense", &(ln_dense_attributes){.units = 2, .bias = true}));
    assert_ok(add_word(&declaration, "threshold", &(ln_scalar_attributes){0.1, 20, 0}));
    ln_model *model = model_of(&declaration, LN_TASK_CLASSIFICATION);
    const size_t before = ln_memory_used();
    assert_fails(ln_model_to_onnx(model, &file, &err), LN_EUNSUPPORTED,
                 "threshold 'threshold_1': the layer 'threshold' cannot be written as ONNX yet");
    assert_int_equal(ln_memory_used(), before);
    ln_model_release(model);
}

static ln_status write_model(void *context, ln_error *error)
{
    ln_text file = {0};
    ln_status status = ln_model_to_onnx(context, &file, error);
    ln_text_free(&file);
    return status;
}

/* Two columns of each kind: their inputs in the file, and the sweep of allocations. */
static void encodings_are_written(void **state)
{
    (void)state;
    char *seen[] = {"high", "low"}, name_a[] = "age", name_b[] = "dense_0", name_c[] = "level";
    ln_encoded_column columns[] = {
        {.kind = LN_COLUMN_NUMERIC,
         .name = name_a,
         .count = 2,
         .center = 3,
         .scale = 2,
         .fill = 1,
         .missing_input = 1,
         .missing_place = -1},
        {.kind = LN_COLUMN_CATEGORICAL,
         .name = name_b,
         .count = 2,
         .categories = seen,
         .category_count = 2,
         .missing_input = -1,
         .missing_place = -1},
        {.kind = LN_COLUMN_CATEGORICAL,
         .name = name_c,
         .count = 1,
         .categories = seen,
         .category_count = 2,
         .missing_input = -1,
         .missing_place = 2,
         .ordinal = true},
    };
    ln_encoding encoding = {.columns = columns, .column_count = 3, .width = 5};
    ln_model *model = mlp_model(&(mlp){.sizes = {5, 2}, .task = LN_TASK_CLASSIFICATION});
    model->encoding = &encoding;
    ln_text file = {0};
    assert_ok(ln_model_to_onnx(model, &file, &err));
    ln_onnx_model head;
    ln_onnx_graph graph;
    ln_arena arena;
    const char *names[] = {"age", "column dense_0", "level"};
    const int types[] = {LN_ONNX_DOUBLE, LN_ONNX_STRING, LN_ONNX_STRING};
    const ln_bytes bytes = {(const uint8_t *)file.data, file.length};
    ln_arena_init(&arena, 0);
    assert_ok(ln_onnx_decode_model(bytes, &head, &err));
    assert_int_equal(head.opset, 17);
    assert_ok(ln_onnx_decode_graph(head.graph, bytes.data, &arena, &graph, &err));
    assert_int_equal(graph.inputs.count, 3);
    for (int i = 0; i < 3; i++) {
        ln_onnx_value input;
        assert_ok(ln_onnx_decode_value(graph.inputs.at[i], bytes.data, &input, &err));
        assert_true(ln_bytes_equal(input.name, names[i]));
        assert_int_equal(input.type, types[i]);
        assert_true(input.rank == 2 && input.dims[0] == -1 && input.dims[1] == 1);
    }
    ln_arena_free(&arena);
    ln_text_free(&file);
    sweep_allocation_failures(write_model, model);
    model->encoding = NULL;
    ln_model_release(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_read_back_with_the_same_bits),
        cmocka_unit_test(recurrent_networks_read_back),
        cmocka_unit_test(layers_without_an_operator_are_named),
        cmocka_unit_test(encodings_are_written),
    };
    return cmocka_run_group_tests_name("onnx writer", tests, NULL, NULL);
}
