/* LSTM, GRU and RNN. The file's weights hold both directions and ONNX's order of gates; the layers take
 * PyTorch's parameters, so they are taken apart while the file is read.
 *
 * Rows: a sequence each where the batch is the rows' axis; else (a file of one row) a batch within. */
#include <string.h>

#include "base/error.h"
#include "onnx/operators.h"

/* What differs between the three. */
typedef struct kind {
    const char *operator_name, *word;
    int gates;
    int order[4];            /* gate i of the layer is the file's gate order[i] */
    const char *activations; /* of one direction */
} kind;

static const kind kinds[] = {
    {"GRU", "gru", 3, {1, 0, 2, 0}, "SigmoidTanh"},
    {"LSTM", "lstm", 4, {0, 2, 3, 1}, "SigmoidTanhTanh"},
    {"RNN", "rnn", 1, {0, 0, 0, 0}, "Tanh"},
};

static const kind *find_kind(const ln_onnx_import *import)
{
    const kind *found = kinds;
    while (strcmp(found->operator_name, import->operator_name) != 0)
        found++;
    return found;
}

/* ---------------------------------------------------------------- attributes */

/* The activations must be the usual ones; RNN may have Relu. */
static ln_status read_activations(ln_onnx_import *import, const kind *k, int directions,
                                  ln_recurrent_attributes *own, ln_error *err)
{
    ln_bytes list[8];
    size_t count;
    char joined[128] = "";
    ln_status status = ln_onnx_texts(import, "activations", list, 8, &count, err);
    if (status || count == 0)
        return status;
    const size_t each = count / (size_t)directions;
    for (size_t i = 0; i < count; i++) {
        if (strlen(joined) + list[i].size + 1 > sizeof joined)
            break;
        strncat(joined, (const char *)list[i].data, list[i].size);
        if ((i + 1) % (each ? each : 1) != 0)
            continue;
        const bool relu = k->gates == 1 && strcmp(joined, "Relu") == 0;
        own->nonlinearity = relu;
        if (!relu && strcmp(joined, k->activations) != 0)
            return ln_onnx_refuse(import, err, "has the activations '%s'; '%s' are supported",
                                  joined, k->activations);
        joined[0] = '\0';
    }
    return LN_OK;
}

static ln_status read_attributes(ln_onnx_import *import, const kind *k, int *directions,
                                 int64_t *layout, ln_recurrent_attributes *own, ln_error *err)
{
    int direction = 0;
    int64_t reset_after = 0, forget = 0;
    float clip = 0;
    ln_status status = ln_onnx_choice(import, "direction", "forward|reverse|bidirectional",
                                      "forward", &direction, err);
    if (!status)
        status = ln_onnx_int(import, "hidden_size", 0, &own->hidden_size, err);
    if (!status)
        status = ln_onnx_int(import, "layout", 0, layout, err);
    if (!status)
        status = ln_onnx_int(import, "linear_before_reset", 0, &reset_after, err);
    if (!status)
        status = ln_onnx_int(import, "input_forget", 0, &forget, err);
    if (!status)
        status = ln_onnx_float(import, "clip", 0, &clip, err);
    if (!status && forget)
        status = ln_onnx_refuse(import, err, "couples its input and forget gates (input_forget)");
    if (status)
        return status;
    *directions = direction == 2 ? 2 : 1;
    own->bidirectional = direction == 2;
    own->backwards = direction == 1;
    own->reset_first = k->gates == 3 && !reset_after;
    own->clip = (double)clip;
    own->bias = true;
    own->apart = true;
    return read_activations(import, k, *directions, own, err);
}

/* ---------------------------------------------------------------- weights */

/* `gates` blocks of `block` numbers from `from`, in the layer's order, as a constant of the import. */
static ln_status own_gates(ln_onnx_import *import, const kind *k, const float *from, int64_t block,
                           const ln_shape *shape, const char *suffix, int *value, ln_error *err)
{
    ln_tensor *tensor;
    ln_status status = ln_tensor_new(LN_F32, shape, &tensor, err);
    if (status)
        return status;
    for (int gate = 0; gate < k->gates && from; gate++)
        memcpy(ln_f32(tensor) + gate * block, from + k->order[gate] * block,
               (size_t)block * sizeof(float));
    status = ln_onnx_own_constant(import, suffix, tensor, value, err);
    ln_tensor_release(tensor);
    return status;
}

/* The weights of all directions as the layer's inputs behind the first. */
static ln_status read_weights(ln_onnx_import *import, const kind *k, int directions,
                              ln_recurrent_attributes *own, int *inputs, int *count, ln_error *err)
{
    ln_tensor *w, *r, *b = NULL;
    ln_status status = ln_onnx_numbers(import, 1, LN_F32, &w, err);
    if (!status)
        status = ln_onnx_numbers(import, 2, LN_F32, &r, err);
    if (!status && ln_onnx_has_input(import, 3))
        status = ln_onnx_numbers(import, 3, LN_F32, &b, err);
    if (status)
        return status;
    if (own->hidden_size == 0 && r->shape.rank == 3)
        own->hidden_size = r->shape.dims[2];
    const int64_t h = own->hidden_size, g = k->gates * h;
    const int64_t f = w->shape.rank == 3 ? w->shape.dims[2] : 0;
    const ln_shape of_w = {3, {directions, g, f}}, of_r = {3, {directions, g, h}};
    const ln_shape of_b = {2, {directions, 2 * g}};
    if (h < 1 || !ln_shape_equal(&w->shape, &of_w) || !ln_shape_equal(&r->shape, &of_r) ||
        (b && !ln_shape_equal(&b->shape, &of_b)))
        return ln_onnx_malformed(import, err, "has weights that do not fit hidden_size %lld",
                                 (long long)h);
    const ln_shape input = {2, {g, f}}, state = {2, {g, h}}, bias = {1, {g}};
    for (int d = 0; d < directions && !status; d++) {
        status = own_gates(import, k, ln_f32(w) + d * g * f, h * f, &input, ".weight_ih",
                           &inputs[(*count)++], err);
        if (!status)
            status = own_gates(import, k, ln_f32(r) + d * g * h, h * h, &state, ".weight_hh",
                               &inputs[(*count)++], err);
        for (int i = 0; i < 2 && !status; i++)
            status = own_gates(import, k, b ? ln_f32(b) + (2 * d + i) * g : NULL, h, &bias,
                               i ? ".bias_hh" : ".bias_ih", &inputs[(*count)++], err);
    }
    return status;
}

/* Peepholes of LSTM: the file's order is input, output, forget; the layer's input, forget, output. */
static ln_status read_peepholes(ln_onnx_import *import, int directions, int64_t h, int *inputs,
                                ln_error *err)
{
    static const kind order = {"LSTM", "lstm", 3, {0, 2, 1, 0}, ""};
    const ln_shape whole = {2, {directions, 3 * h}}, shape = {1, {3 * h}};
    ln_tensor *p;
    ln_status status = ln_onnx_numbers(import, 7, LN_F32, &p, err);
    if (!status && !ln_shape_equal(&p->shape, &whole))
        return ln_onnx_malformed(import, err, "has peepholes that do not fit hidden_size %lld",
                                 (long long)h);
    for (int d = 0; d < directions && !status; d++)
        status = own_gates(import, &order, ln_f32(p) + d * 3 * h, h, &shape, ".peephole",
                           &inputs[d], err);
    return status;
}

/* ---------------------------------------------------------------- states and lengths */

/* Whether every row of the batch has the same numbers: [outer][batch][inner]. */
static bool same_rows(const ln_tensor *tensor, int64_t outer, int64_t batch, size_t inner)
{
    const char *at = tensor->data;
    for (int64_t o = 0; o < outer; o++, at += (size_t)batch * inner)
        for (int64_t b = 1; b < batch; b++)
            if (memcmp(at, at + (size_t)b * inner, inner) != 0)
                return false;
    return true;
}

/* A constant first state, as one row has it. */
static ln_status constant_state(ln_onnx_import *import, size_t input, int layout, int batch_axis,
                                int *value, ln_error *err)
{
    ln_tensor *tensor, *row;
    ln_status status = ln_onnx_numbers(import, input, LN_F32, &tensor, err);
    if (status)
        return status;
    if (layout != LN_RECURRENT_ROWS)
        return ln_onnx_constant_value(import, input, value, err);
    if (tensor->shape.rank != 3)
        return ln_onnx_malformed(import, err, "has a first state with %d axes", tensor->shape.rank);
    const int64_t *dims = tensor->shape.dims;
    const int64_t batch = dims[batch_axis], outer = batch_axis == 0 ? 1 : dims[0];
    const ln_shape shape = {2, {dims[batch_axis == 0 ? 1 : 0], dims[2]}};
    const size_t inner = (size_t)(batch_axis == 0 ? dims[1] * dims[2] : dims[2]) * sizeof(float);
    if (!same_rows(tensor, outer, batch, inner))
        return ln_onnx_refuse(import, err, "has a constant first state for single rows");
    status = ln_tensor_new(LN_F32, &shape, &row, err);
    for (int64_t o = 0; o < outer && !status; o++)
        memcpy((char *)row->data + (size_t)o * inner,
               (const char *)tensor->data + (size_t)(o * batch) * inner, inner);
    if (status)
        return status;
    status = ln_onnx_own_constant(import, ".first", row, value, err);
    ln_tensor_release(row);
    return status;
}

static ln_status read_state(ln_onnx_import *import, size_t input, int layout, int batch_axis,
                            int *value, ln_error *err)
{
    ln_onnx_operand x;
    *value = -1;
    if (!ln_onnx_has_input(import, input))
        return LN_OK;
    if (!import->folding && ln_onnx_is_constant(import, input))
        return constant_state(import, input, layout, batch_axis, value, err);
    ln_status status = ln_onnx_live(import, input, &x, err);
    if (!status && layout != LN_RECURRENT_ROWS)
        status = ln_onnx_unfold(import, &x, err);
    else if (!status && (x.layout.axis != batch_axis || ln_onnx_is_shared(&x.layout)))
        status = ln_onnx_refuse(import, err, "has a first state whose rows are not the batch");
    *value = x.value;
    return status;
}

static ln_status read_lengths(ln_onnx_import *import, int layout, int64_t steps, int *value,
                              ln_error *err)
{
    ln_tensor *given, *lengths;
    *value = -1;
    if (!ln_onnx_has_input(import, 4))
        return LN_OK;
    ln_status status = ln_onnx_constant(import, 4, &given, err);
    if (status)
        return status;
    const int64_t count = ln_shape_count(&given->shape);
    if ((given->dtype != LN_I32 && given->dtype != LN_I64) || given->shape.rank != 1 || count < 1)
        return ln_onnx_malformed(import, err, "has lengths that are no list of whole numbers");
    const ln_shape shape = {1, {layout == LN_RECURRENT_ROWS ? 1 : count}};
    status = ln_tensor_new(LN_I64, &shape, &lengths, err);
    bool whole = true;
    for (int64_t i = 0; i < count && !status; i++) {
        const int64_t length =
            given->dtype == LN_I64 ? ln_i64(given)[i] : ((const int32_t *)given->data)[i];
        whole = whole && length == steps;
        if (length < 0 || length > steps)
            status = ln_onnx_malformed(import, err, "has a sequence of %lld of %lld steps",
                                       (long long)length, (long long)steps);
        else if (i < shape.dims[0])
            ln_i64(lengths)[i] = length;
        else if (length != ln_i64(lengths)[0])
            status = ln_onnx_refuse(import, err, "has another length for each row of a batch");
    }
    if (!status && !whole)
        status = ln_onnx_own_constant(import, ".lengths", lengths, value, err);
    ln_tensor_release(lengths);
    return status;
}

/* ---------------------------------------------------------------- the operator */

/* x with the batch as its rows, or, where it is not, all of it within one row; *layout says which. */
static ln_status read_input(ln_onnx_import *import, int64_t batch_first, ln_onnx_operand *x,
                            int *layout, ln_error *err)
{
    const int batch_axis = batch_first ? 0 : 1;
    ln_status status = ln_onnx_live(import, 0, x, err);
    if (!status && x->shape.rank != 3)
        return ln_onnx_malformed(import, err, "has an input with %d axes, not 3", x->shape.rank);
    *layout = LN_RECURRENT_ROWS;
    if (status || (x->layout.axis == batch_axis && !ln_onnx_is_shared(&x->layout)))
        return status;
    if (!import->single)
        return ln_onnx_refuse(
            import, err, "has the rows of a batch as axis %d of its input, where it has its %s",
            x->layout.axis, x->layout.axis == 2 ? "numbers" : "steps");
    *layout = batch_first ? LN_RECURRENT_BATCH_FIRST : LN_RECURRENT_STEPS_FIRST;
    return ln_onnx_unfold(import, x, err);
}

ln_status ln_onnx_recurrent(ln_onnx_import *import, ln_error *err)
{
    const kind *k = find_kind(import);
    ln_recurrent_attributes own = {0};
    ln_onnx_operand x;
    int inputs[16], count = 1, directions = 1;
    int64_t batch_first = 0;
    ln_status status = read_attributes(import, k, &directions, &batch_first, &own, err);
    if (!status)
        status = read_input(import, batch_first, &x, &own.layout, err);
    if (!status)
        status = read_weights(import, k, directions, &own, inputs, &count, err);
    if (status)
        return status;
    const int64_t steps = x.shape.dims[batch_first ? 1 : 0];
    const int batch_axis = batch_first ? 0 : 1;
    inputs[0] = x.value;
    status = read_state(import, 5, own.layout, batch_axis, &inputs[count], err);
    inputs[count + 1] = -1;
    if (!status && k->gates == 4)
        status = read_state(import, 6, own.layout, batch_axis, &inputs[count + 1], err);
    if (!status)
        status = read_lengths(import, own.layout, steps, &inputs[count + 2], err);
    inputs[count + 3] = inputs[count + 4] = -1;
    if (!status && k->gates == 4 && ln_onnx_has_input(import, 7))
        status = read_peepholes(import, directions, own.hidden_size, inputs + count + 3, err);
    if (status)
        return status;
    /* The batch as an axis of the results: (T, D, N, H) and (D, N, H), or (N, T, D, H), (N, D, H). */
    const bool rows = own.layout == LN_RECURRENT_ROWS;
    const ln_onnx_layout all = {rows ? (batch_first ? 0 : 2) : -1, 1, 1};
    const ln_onnx_layout state = {rows ? (batch_first ? 0 : 1) : -1, 1, 1};
    return ln_onnx_finish_outputs(import, k->word, &own, inputs, count + 3 + directions,
                                  (const ln_onnx_layout[]){all, state, state},
                                  k->gates == 4 ? 3 : 2, err);
}
