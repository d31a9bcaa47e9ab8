/* A graph's inputs and outputs, and where the rows of its inputs are.
 *
 * The first axis of the first input is the batch, open or not: a model exported with a batch of 1 is one
 * that explains each row on its own. Where that axis has a name ("batch"), an axis of that name holds
 * the rows of the other inputs too, wherever it stands; else it is their first one. All other axes must
 * have a size, from the file or bound by the caller. */
#include "onnx/inputs.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

/* The nominal number of rows where the file leaves it open: a prime that sizes of layers hardly ever
 * contain, so that shape arithmetic shows where the rows went. */
#define OPEN_ROWS 31
#define LARGEST_ROW ((int64_t)1 << 40)

/* What decides about the rows. */
typedef struct rows_of {
    bool known;
    ln_bytes symbol; /* name of the batch's axis, or empty */
    bool open;       /* the file fixes no number of rows */
} rows_of;

/* The binding of an input, the `place`-th of those that are no initializers. */
static const ln_onnx_binding *binding_of(const ln_onnx_import *import, ln_bytes name, int place)
{
    const ln_onnx_options *options = import->options;
    for (int i = 0; i < options->binding_count; i++) {
        const ln_onnx_binding *binding = &options->bindings[i];
        if (binding->name ? ln_bytes_equal(name, binding->name) : i == place)
            return binding;
    }
    return NULL;
}

static bool is_initializer(const ln_onnx_import *import, ln_bytes name)
{
    return ln_onnx_symbol_find(import, name)->initializer.data != NULL;
}

static bool same_bytes(ln_bytes a, ln_bytes b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

/* The size that another input's binding gives to an axis of this name, or -1. */
static int64_t size_by_name(const ln_onnx_import *import, ln_bytes symbol)
{
    int place = 0;
    for (size_t i = 0; i < import->messages.inputs.count && import->options->binding_count > 0;
         i++) {
        ln_onnx_value other;
        if (symbol.size == 0 ||
            ln_onnx_decode_value(import->messages.inputs.at[i], import->origin, &other, NULL) !=
                LN_OK ||
            is_initializer(import, other.name))
            continue;
        const ln_onnx_binding *binding = binding_of(import, other.name, place++);
        for (int axis = 1; binding && axis < binding->shape.rank && axis < (int)other.rank; axis++)
            if (binding->shape.dims[axis] > 0 && same_bytes(other.symbols[axis], symbol))
                return binding->shape.dims[axis];
    }
    return -1;
}

static ln_status bind_axes(ln_onnx_import *import, ln_onnx_value *input,
                           const ln_onnx_binding *binding, const rows_of *rows, ln_error *err)
{
    for (size_t axis = 0; axis < input->rank; axis++) {
        int64_t given = binding && (int)axis < binding->shape.rank ? binding->shape.dims[axis] : -1;
        const bool is_rows =
            rows->symbol.size > 0 && same_bytes(input->symbols[axis], rows->symbol);
        if (given < 0 && input->dims[axis] < 0 && axis > 0)
            given = size_by_name(import, input->symbols[axis]);
        if ((axis == 0 || is_rows) && !import->options->whole)
            given = -1; /* the rows stay open */
        if (binding && given == 0)
            return ln_fail(err, LN_EUNSUPPORTED, "the input '%s' is empty",
                           ln_bytes_text(input->name).at);
        if (input->dims[axis] < 0)
            input->dims[axis] = given > 0 ? given : import->options->whole ? 1 : -1;
    }
    return LN_OK;
}

static ln_status check_type(const ln_onnx_value *input, ln_dtype *dtype, ln_error *err)
{
    if (!input->is_tensor)
        return ln_fail(err, LN_EUNSUPPORTED, "the input '%s' is no tensor",
                       ln_bytes_text(input->name).at);
    if (!ln_onnx_type_dtype(input->type, dtype))
        return ln_fail(err, LN_EUNSUPPORTED,
                       "the input '%s' is of type %s; networks on floating-point or whole numbers "
                       "are read",
                       ln_bytes_text(input->name).at, ln_onnx_type_name(input->type));
    if (!input->has_shape)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "the input '%s' has no shape; the first axis must be the rows",
                       ln_bytes_text(input->name).at);
    if (input->rank > LN_MAX_RANK)
        return ln_fail(err, LN_EUNSUPPORTED, "the input '%s' has %zu axes; up to %d are read",
                       ln_bytes_text(input->name).at, input->rank, LN_MAX_RANK);
    return LN_OK;
}

/* The first input says what the rows are. */
static ln_status learn_rows(ln_onnx_import *import, const ln_onnx_value *input, rows_of *rows,
                            ln_error *err)
{
    rows->known = true;
    if (import->options->whole) {
        import->batch = 1;
        import->single = true;
        return LN_OK;
    }
    if (input->rank == 0)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "the input '%s' has no axes; the first axis must be the rows",
                       ln_bytes_text(input->name).at);
    if (input->rank == 1 && input->dims[0] > 0)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "the input '%s' has the one axis of size %lld: there is none for the rows",
                       ln_bytes_text(input->name).at, (long long)input->dims[0]);
    rows->open = input->dims[0] < 0;
    rows->symbol = rows->open ? input->symbols[0] : (ln_bytes){0};
    import->batch = rows->open ? OPEN_ROWS : input->dims[0];
    import->single = import->batch == 1;
    return LN_OK;
}

/* The axis that holds the input's rows; -1: none does, which only files with one row may say. */
static ln_status find_rows(const ln_onnx_import *import, const ln_onnx_value *input,
                           const rows_of *rows, int *axis, ln_error *err)
{
    *axis = -1;
    if (import->options->whole)
        return LN_OK;
    for (int i = 0; i < (int)input->rank && rows->symbol.size && *axis < 0; i++)
        if (input->dims[i] < 0 && same_bytes(input->symbols[i], rows->symbol))
            *axis = i;
    if (*axis >= 0)
        return LN_OK;
    if (input->rank > 0 && (rows->open || input->dims[0] < 0 || input->dims[0] == import->batch)) {
        *axis = 0;
        return LN_OK;
    }
    if (import->single)
        return LN_OK;
    return ln_fail(err, LN_EUNSUPPORTED,
                   "the input '%s' has no axis for the %lld rows that the first input has",
                   ln_bytes_text(input->name).at, (long long)import->batch);
}

/* Gives open axes the size that the options have for them, and says so in the note. */
static void close_axes(ln_onnx_import *import, ln_onnx_value *input, int rows_axis)
{
    const int64_t size = import->options->open_size;
    bool any = false;
    for (int axis = 0; axis < (int)input->rank && size > 0; axis++)
        if (axis != rows_axis && input->dims[axis] < 0) {
            input->dims[axis] = size;
            any = true;
        }
    if (any && !import->info->note[0])
        snprintf(import->info->note, sizeof import->info->note,
                 "axes that the file leaves open have size %lld here", (long long)size);
}

static ln_status check_open(const ln_onnx_value *input, int rows_axis, ln_error *err)
{
    int64_t row = 1;
    for (int axis = 0; axis < (int)input->rank; axis++) {
        if (axis == rows_axis)
            continue;
        const ln_bytes symbol = input->symbols[axis];
        if (input->dims[axis] < 0)
            return ln_fail(err, LN_EUNSUPPORTED,
                           "axis %d of the input '%s' has no fixed size%s%s%s; only the first, the "
                           "rows, may be open",
                           axis, ln_bytes_text(input->name).at, symbol.size ? " ('" : "",
                           ln_bytes_text(symbol).at, symbol.size ? "')" : "");
        if (__builtin_mul_overflow(row, input->dims[axis], &row) || row > LARGEST_ROW)
            return ln_fail(err, LN_EUNSUPPORTED,
                           "a row of the input '%s' has more than %lld numbers",
                           ln_bytes_text(input->name).at, (long long)LARGEST_ROW);
    }
    return LN_OK;
}

static ln_status add_input(ln_onnx_import *import, ln_onnx_value *input,
                           const ln_onnx_binding *binding, rows_of *rows, ln_onnx_symbol *symbol,
                           ln_error *err)
{
    const char *name;
    ln_dtype dtype;
    ln_shape stored;
    ln_onnx_layout layout = {.before = 1, .after = 1};
    ln_status status = check_type(input, &dtype, err);
    if (!status)
        status = bind_axes(import, input, binding, rows, err);
    if (!status && !rows->known)
        status = learn_rows(import, input, rows, err);
    if (!status)
        status = find_rows(import, input, rows, &layout.axis, err);
    if (!status) {
        close_axes(import, input, layout.axis);
        status = check_open(input, layout.axis, err);
    }
    if (status)
        return status;
    const ln_shape shape = ln_shape_of((int)input->rank, input->dims);
    import->operator_name = "input";
    status = ln_onnx_name_copy(&import->scratch, input->name, &name, err);
    if (!status) {
        import->name = name;
        status = ln_onnx_stored_shape(import, &shape, &layout, &stored, err);
    }
    if (!status)
        status = ln_graph_add_input(import->graph, name, dtype, &stored, &symbol->value, err);
    return status ? status : ln_onnx_set_layout(import, symbol->value, layout, err);
}

ln_status ln_onnx_add_inputs(ln_onnx_import *import, ln_error *err)
{
    rows_of rows = {.known = false};
    int place = 0;
    ln_status status = LN_OK;
    for (size_t i = 0; i < import->messages.inputs.count && !status; i++) {
        ln_onnx_value input;
        status = ln_onnx_decode_value(import->messages.inputs.at[i], import->origin, &input, err);
        if (status)
            break;
        ln_onnx_symbol *symbol = ln_onnx_symbol_find(import, input.name);
        if (symbol->initializer.data)
            continue; /* a constant that old files list among the inputs */
        symbol->type = input.type;
        const ln_onnx_binding *binding = binding_of(import, input.name, place++);
        if (binding && binding->constant)
            symbol->constant = ln_tensor_retain(binding->constant);
        else
            status = add_input(import, &input, binding, &rows, symbol, err);
        ln_arena_free(&import->scratch);
    }
    if (!status && import->graph->input_count == 0 && !import->options->whole)
        return ln_fail(err, LN_EUNSUPPORTED, "the graph has no input");
    return status;
}

/* ---------------------------------------------------------------- outputs */

/* A constant that is an output, as a value of the graph. */
static ln_status constant_output(ln_onnx_import *import, ln_onnx_symbol *symbol, int *value,
                                 ln_error *err)
{
    const char *name;
    ln_status status = ln_onnx_symbol_constant(import, symbol, err);
    if (!status)
        status = ln_onnx_name_copy(&import->scratch, symbol->name, &name, err);
    if (status)
        return status;
    *value = ln_graph_find_value(import->graph, name);
    if (*value >= 0)
        return LN_OK;
    return ln_graph_add_constant(import->graph, name, symbol->constant, false, value, err);
}

ln_status ln_onnx_add_outputs(ln_onnx_import *import, ln_error *err)
{
    ln_status status = LN_OK;
    bool live = import->options->whole;
    ln_bytes last = {0};
    for (size_t i = 0; i < import->messages.outputs.count && !status; i++) {
        ln_onnx_value output;
        status = ln_onnx_decode_value(import->messages.outputs.at[i], import->origin, &output, err);
        if (status)
            break;
        ln_onnx_symbol *symbol = ln_onnx_symbol_find(import, output.name);
        if (!symbol)
            return ln_fail(err, LN_EINVALID, "the output '%s' is made by nothing in the file",
                           ln_bytes_text(output.name).at);
        if (symbol->dropped) {
            snprintf(import->info->note, sizeof import->info->note,
                     "the output '%s' is left out: %.180s", ln_bytes_text(symbol->name).at,
                     import->refusal.message);
            continue;
        }
        int value = symbol->value;
        const bool constant = symbol->constant || symbol->initializer.data;
        if (!constant && value < 0)
            return ln_fail(err, LN_EUNSUPPORTED,
                           "the output '%s' is an additional output of node %zu that is not made",
                           ln_bytes_text(output.name).at, symbol->node);
        if (constant)
            status = constant_output(import, symbol, &value, err);
        live = live || !constant;
        last = symbol->name;
        if (!status)
            status = ln_graph_add_output(import->graph, value, err);
        ln_arena_free(&import->scratch);
    }
    if (!status && import->graph->output_count == 0 && import->refusal.status) {
        if (err)
            *err = import->refusal;
        return import->refusal.status;
    }
    if (!status && import->graph->output_count == 0)
        return ln_fail(err, LN_EINVALID, "the graph has no output");
    if (!status && !live)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "the output '%s' does not depend on the network's input",
                       ln_bytes_text(last).at);
    return status;
}
