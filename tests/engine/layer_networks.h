/* The two networks of tests/reference/explainers_layer_reference.py, whose values have names: one of dense
 * layers and one of convolutions, with branches, joins and one relu that several layers read. */
#ifndef LN_TESTS_LAYER_NETWORKS_H
#define LN_TESTS_LAYER_NETWORKS_H

#include "networks.h"

#include "onnx/onnx.h"

#define ROWS 5 /* of the stored arrays */

static inline ln_tensor *array_of(const char *network, const char *part)
{
    char file[160];
    ln_error err = {0};
    ln_tensor *tensor = NULL;
    snprintf(file, sizeof file, "reference/explainers_layer/%s.%s.npy", network, part);
    assert_ok(ln_npy_read(test_file(file), &tensor, NULL, &err));
    return tensor;
}

static inline ln_model *model_of(const char *network)
{
    char file[160];
    ln_error err = {0};
    ln_graph *graph = NULL;
    ln_onnx_info info = {0};
    const ln_onnx_options options = {0};
    ln_model *model = NULL;
    snprintf(file, sizeof file, "reference/explainers_layer/%s.onnx", network);
    assert_ok(ln_onnx_read(test_file(file), &options, &graph, &info, &err));
    assert_ok(ln_model_new("onnx", graph, NULL, NULL, LN_TASK_CLASSIFICATION, &model, &err));
    ln_graph_release(graph);
    return model;
}

static inline int layer_of(const ln_model *model, const char *name)
{
    int value;
    ln_error err = {0};
    assert_ok(ln_model_layer(model, name, &value, &err));
    return value;
}

/* tests/reference/explainers_layer/<network>.<part>.npy against the numbers of an explanation. */
static inline void check_array(const char *network, const char *part, const ln_explanation *got)
{
    ln_tensor *array = array_of(network, part);
    const int64_t numbers = ln_shape_count(&array->shape);
    double scale = 0;
    assert_int_equal(got->count * got->width, numbers);
    for (int64_t i = 0; i < numbers; i++)
        scale = fmax(scale, fabs(ln_f64(array)[i]));
    for (int64_t i = 0; i < numbers; i++)
        if (!(fabs((double)got->values[i] - ln_f64(array)[i]) <= 3e-6 * scale))
            fail_msg("%s, %s: number %d is %.9g, the reference says %.9g", network, part, (int)i,
                     (double)got->values[i], ln_f64(array)[i]);
    ln_tensor_release(array);
}

#endif
