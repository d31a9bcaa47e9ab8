/* Writing a model with its encoding. What the encoding does in float64 is done in float64 in the file
 * too, column by column:
 *
 *     number     Where(IsNaN(x), fill, x), then Sub, Div, Cast to float32; the indicator is Cast(IsNaN(x))
 *     one-hot    ai.onnx.ml's OneHotEncoder on the text, an unknown category all zeros
 *     ordinal    ai.onnx.ml's LabelEncoder, an unknown category -1
 *
 * and all of them side by side are the network's input. */
#include "model/export.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "onnx/proto.h"
#include "onnx/writer.h"

enum { NAME = 512 };
#define ML "ai.onnx.ml"
static const ln_onnx_written END = {.name = NULL};

/* The encoding under way: the parts of the network's input. */
typedef struct encoding_writer {
    ln_onnx_writer *writer;
    const ln_graph *graph;
    char (*parts)[NAME]; /* names, in the order of the encoded inputs */
    int part_count;
} encoding_writer;

static void put(ln_onnx_writer *writer, const char *operator_name, const char *domain,
                const char *a, const char *b, const char *c, const char *out,
                const ln_onnx_written *attributes)
{
    char name[NAME];
    ln_onnx_write_node(writer, operator_name, domain,
                       ln_onnx_write_name(writer, operator_name, name, NAME),
                       (const char *const[]){a, b, b ? c : NULL, NULL},
                       (const char *const[]){out, NULL}, attributes);
}

static ln_status put_f64(ln_onnx_writer *writer, const char *stem, double number, char *name,
                         ln_error *err)
{
    ln_tensor *scalar;
    ln_status status = ln_tensor_copy_of(LN_F64, &(ln_shape){0}, &number, &scalar, err);
    if (status)
        return status;
    ln_onnx_write_constant(writer, ln_onnx_write_name(writer, stem, name, NAME), scalar);
    ln_tensor_release(scalar);
    return LN_OK;
}

static const ln_onnx_written to_float[] = {
    {.name = "to", .kind = LN_ONNX_WRITTEN_INT, .number = LN_ONNX_FLOAT}, {.name = NULL}};

static char *next_part(encoding_writer *e, const char *stem)
{
    char *name = e->parts[e->part_count++];
    ln_onnx_write_name(e->writer, stem, name, NAME);
    return name;
}

static ln_status write_number(encoding_writer *e, const ln_encoded_column *column,
                              const char *input, ln_error *err)
{
    char missing[NAME], fill[NAME], filled[NAME], center[NAME], scale[NAME], moved[NAME],
        scaled[NAME];
    const char *x = input;
    ln_onnx_writer *w = e->writer;
    ln_status status = put_f64(w, input, column->center, center, err);
    if (!status)
        status = put_f64(w, input, column->scale, scale, err);
    if (!status && !isnan(column->fill)) {
        status = put_f64(w, input, column->fill, fill, err);
        put(w, "IsNaN", "", x, NULL, NULL, ln_onnx_write_name(w, input, missing, NAME), NULL);
        put(w, "Where", "", missing, fill, x, ln_onnx_write_name(w, input, filled, NAME), NULL);
        x = filled;
    }
    if (status)
        return status;
    put(w, "Sub", "", x, center, NULL, ln_onnx_write_name(w, input, moved, NAME), NULL);
    put(w, "Div", "", moved, scale, NULL, ln_onnx_write_name(w, input, scaled, NAME), NULL);
    put(w, "Cast", "", scaled, NULL, NULL, next_part(e, input), to_float);
    if (column->missing_input >= 0)
        put(w, "Cast", "", missing, NULL, NULL, next_part(e, input), to_float);
    return LN_OK;
}

/* (N, 1) text -> (N, count) float32, 1 at its category. */
static void write_one_hot(encoding_writer *e, const char *input, const char *const *categories,
                          int count, const char *list)
{
    const ln_onnx_written attributes[] = {
        {.name = "cats_strings",
         .kind = LN_ONNX_WRITTEN_TEXTS,
         .count = count,
         .texts = categories},
        {.name = "zeros", .kind = LN_ONNX_WRITTEN_INT, .number = 1},
        END};
    char hot[NAME];
    put(e->writer, "OneHotEncoder", ML, input, NULL, NULL,
        ln_onnx_write_name(e->writer, input, hot, NAME), attributes);
    put(e->writer, "Reshape", "", hot, list, NULL, next_part(e, input), NULL);
}

static ln_status write_ordinal(encoding_writer *e, const ln_encoded_column *column,
                               const char *input, ln_error *err)
{
    const int count = column->category_count + 1;
    const char **keys = ln_calloc((size_t)count, sizeof *keys);
    float *places = ln_calloc((size_t)count, sizeof *places);
    if (keys && places) {
        keys[0] = "";
        places[0] = (float)column->missing_place;
        for (int i = 1; i < count; i++) {
            keys[i] = column->categories[i - 1];
            places[i] = (float)(i - 1);
        }
        const ln_onnx_written attributes[] = {
            {.name = "keys_strings", .kind = LN_ONNX_WRITTEN_TEXTS, .count = count, .texts = keys},
            {.name = "values_floats",
             .kind = LN_ONNX_WRITTEN_FLOATS,
             .count = count,
             .floats = places},
            {.name = "default_float", .kind = LN_ONNX_WRITTEN_FLOAT, .number = -1},
            END};
        put(e->writer, "LabelEncoder", ML, input, NULL, NULL, next_part(e, input), attributes);
    }
    const bool failed = !keys || !places;
    ln_free(keys);
    ln_free(places);
    return failed ? ln_fail_memory(err, (size_t)count * sizeof *keys) : LN_OK;
}

static ln_status write_category(encoding_writer *e, const ln_encoded_column *column,
                                const char *input, ln_error *err)
{
    static const char *const missing[] = {""};
    static const int64_t flat[] = {0, -1};
    char list[NAME];
    ln_tensor *shape;
    if (column->ordinal) {
        ln_status status = write_ordinal(e, column, input, err);
        if (status || column->missing_input < 0)
            return status;
    }
    ln_status status = ln_tensor_copy_of(LN_I64, &(ln_shape){1, {2}}, flat, &shape, err);
    if (status)
        return status;
    ln_onnx_write_constant(e->writer, ln_onnx_write_name(e->writer, input, list, NAME), shape);
    ln_tensor_release(shape);
    if (!column->ordinal && column->category_count > 0)
        write_one_hot(e, input, (const char *const *)column->categories, column->category_count,
                      list);
    if (column->missing_input >= 0)
        write_one_hot(e, input, missing, 1, list);
    return LN_OK;
}

static ln_status write_column(encoding_writer *e, const ln_encoded_column *column, ln_error *err)
{
    static const int64_t dims[] = {-1, 1};
    char input[NAME];
    const bool number = column->kind == LN_COLUMN_NUMERIC;
    if (column->missing_input >= 0 && column->missing_input != column->count - 1)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "the encoding of column '%s' cannot be written as ONNX", column->name);
    snprintf(input, sizeof input, "%s", column->name);
    if (ln_graph_find_value(e->graph, input) >= 0)
        snprintf(input, sizeof input, "column %s", column->name);
    ln_onnx_write_input(e->writer, input, number ? LN_ONNX_DOUBLE : LN_ONNX_STRING, 2, dims);
    return number ? write_number(e, column, input, err) : write_category(e, column, input, err);
}

/* All parts side by side, as the network's input; Concat takes any number of them. */
static ln_status join_parts(encoding_writer *e, const ln_value *input, ln_error *err)
{
    const ln_onnx_written axis[] = {{.name = "axis", .kind = LN_ONNX_WRITTEN_INT, .number = 1},
                                    END};
    const char **names = ln_calloc((size_t)e->part_count + 1, sizeof *names);
    char row[NAME], list[NAME];
    ln_tensor *shape;
    ln_shape wanted = input->shape;
    if (!names)
        return ln_fail_memory(err, ((size_t)e->part_count + 1) * sizeof *names);
    for (int i = 0; i < e->part_count; i++)
        names[i] = e->parts[i];
    const bool flat = wanted.rank == 2;
    const char *out = flat ? input->name : ln_onnx_write_name(e->writer, "encoded", row, NAME);
    ln_onnx_write_node(e->writer, "Concat", "", "encoding", names, (const char *const[]){out, NULL},
                       axis);
    ln_free(names);
    if (flat)
        return LN_OK;
    wanted.dims[0] = 0;
    ln_status status =
        ln_tensor_copy_of(LN_I64, &(ln_shape){1, {wanted.rank}}, wanted.dims, &shape, err);
    if (status)
        return status;
    ln_onnx_write_constant(e->writer, ln_onnx_write_name(e->writer, "encoded", list, NAME), shape);
    ln_tensor_release(shape);
    put(e->writer, "Reshape", "", row, list, NULL, input->name, NULL);
    return LN_OK;
}

static ln_status write_encoding(ln_onnx_writer *writer, const ln_model *model, ln_error *err)
{
    const ln_encoding *encoding = model->encoding;
    const size_t room = 2 * (size_t)encoding->column_count + 1;
    encoding_writer e = {
        .writer = writer, .graph = model->graph, .parts = ln_calloc(room, sizeof *e.parts)};
    ln_status status = e.parts ? LN_OK : ln_fail_memory(err, room * sizeof *e.parts);
    for (int i = 0; i < encoding->column_count && !status; i++)
        status = write_column(&e, &encoding->columns[i], err);
    if (!status)
        status = join_parts(&e, &model->graph->values[model->graph->inputs[0]], err);
    ln_free(e.parts);
    return status;
}

static int element_type(ln_dtype dtype)
{
    return dtype == LN_F32   ? LN_ONNX_FLOAT
           : dtype == LN_I64 ? LN_ONNX_INT64
           : dtype == LN_I32 ? LN_ONNX_INT32
                             : LN_ONNX_BOOL;
}

ln_status ln_model_to_onnx(const ln_model *model, ln_text *out, ln_error *err)
{
    ln_onnx_writer writer = {.made = 0};
    const ln_graph *graph = model->graph;
    const ln_value *output = &graph->values[model->output_value];
    ln_status status = LN_OK;
    if (model->callback.run)
        return ln_fail(err, LN_EUNSUPPORTED, "a blackbox cannot be written as ONNX");
    if (model->encoding)
        status = write_encoding(&writer, model, err);
    for (int i = 0; i < graph->input_count && !model->encoding; i++) {
        const ln_value *input = &graph->values[graph->inputs[i]];
        ln_onnx_write_input(&writer, input->name, element_type(input->dtype), input->shape.rank,
                            input->shape.dims);
    }
    ln_onnx_write_output(&writer, output->name, LN_ONNX_FLOAT, output->shape.rank,
                         output->shape.dims);
    if (!status)
        status = ln_onnx_write_graph(&writer, graph, model->output_value, err);
    if (!status)
        return ln_onnx_write_finish(&writer, out, err);
    ln_onnx_write_abandon(&writer);
    return status;
}

ln_status ln_model_save_onnx(const ln_model *model, const char *path, ln_error *err)
{
    ln_text file = {0};
    ln_status status = ln_model_to_onnx(model, &file, err);
    if (!status)
        status = ln_file_write(path, file.data, file.length, err);
    ln_text_free(&file);
    return status;
}
