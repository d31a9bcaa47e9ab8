/* Arrays from files as a data set: inputs (N, ...) and one label a row. Bytes stay bytes (MNIST's
 * 60,000 images are 47 MB, not 188), with a table of what each stands for; all other numbers become
 * float32, as they are given to a model. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "data/images.h"

#define MOST_CLASSES 100000

static int part_count(const ln_arrays_options *options)
{
    return options->inputs[1] ? 2 : 1;
}

static ln_status check_part(const ln_arrays_options *options, int p, ln_error *err)
{
    const ln_shape *first = &options->inputs[0]->shape, *x = &options->inputs[p]->shape;
    const ln_shape *y = &options->labels[p]->shape;
    const char *where = p ? "test: " : "";
    char text[256], other[256];
    ln_shape_text(x, text, sizeof text);
    if (x->rank == 0 || x->dims[0] == 0)
        return ln_fail(err, LN_EINVALID,
                       "%sexpected rows first, (N, ...), found inputs of shape %s", where, text);
    if (ln_shape_count(y) != x->dims[0])
        return ln_fail(err, LN_EINVALID,
                       "%sexpected one label a row, %lld, found labels of shape %s", where,
                       (long long)x->dims[0], ln_shape_text(y, other, sizeof other));
    if (ln_shape_row(first) != ln_shape_row(x))
        return ln_fail(err, LN_EINVALID, "the test inputs have shape %s, the others %s", text,
                       ln_shape_text(first, other, sizeof other));
    if (options->row.rank && ln_shape_count(&options->row) != ln_shape_row(x)) {
        ln_status status = ln_fail(
            err, LN_EINVALID, "a row of shape %s has %lld numbers, and a row of the inputs %lld",
            ln_shape_text(&options->row, other, sizeof other),
            (long long)ln_shape_count(&options->row), (long long)ln_shape_row(x));
        ln_error_field(err, "shape");
        return status;
    }
    return LN_OK;
}

static bool stays_bytes(const ln_arrays_options *options)
{
    bool bytes = true;
    for (int p = 0; p < part_count(options); p++)
        bytes =
            bytes && options->inputs[p]->dtype == LN_U8 && options->scale[p] == options->scale[0];
    return bytes;
}

/* A part's inputs, times its scale, to `to`. */
static ln_status copy_numbers(ln_tensor *from, double scale, float *to, ln_error *err)
{
    ln_tensor *numbers = NULL;
    ln_status status = ln_tensor_convert(from, scale == 1 ? LN_F32 : LN_F64, &numbers, err);
    if (status)
        return status;
    const int64_t count = ln_shape_count(&numbers->shape);
    for (int64_t i = 0; i < count && !status; i++) {
        to[i] = scale == 1 ? ln_f32(numbers)[i] : (float)(ln_f64(numbers)[i] * scale);
        if (!isfinite(to[i]))
            status = ln_fail(err, LN_EINVALID,
                             "number %lld of the inputs is not finite, or too large for float32",
                             (long long)i);
    }
    ln_tensor_release(numbers);
    return status;
}

static ln_status fill_inputs(const ln_arrays_options *options, ln_dataset *data, ln_error *err)
{
    const bool bytes = stays_bytes(options);
    ln_shape shape = options->inputs[0]->shape;
    if (options->row.rank) {
        shape = options->row;
        memmove(shape.dims + 1, shape.dims, sizeof *shape.dims * (size_t)shape.rank);
        shape.rank++;
    }
    shape.dims[0] = data->rows;
    ln_status status = ln_tensor_new(bytes ? LN_U8 : LN_F32, &shape, &data->array, err);
    if (status)
        return status;
    const int64_t row = ln_shape_row(&shape);
    if (bytes) {
        data->channels = 1;
        if (!(data->levels = ln_alloc(256 * sizeof *data->levels)))
            return ln_fail_memory(err, 256 * sizeof *data->levels);
        ln_levels_fill(data->levels, options->scale[0], 0, 1);
    }
    int64_t first = 0;
    for (int p = 0; p < part_count(options) && !status; p++) {
        ln_tensor *from = options->inputs[p];
        if (bytes)
            memcpy((uint8_t *)data->array->data + first * row, from->data, from->bytes);
        else
            status = copy_numbers(from, options->scale[p], ln_f32(data->array) + first * row, err);
        first += from->shape.dims[0];
    }
    return status;
}

/* ---------------------------------------------------------------- labels */

static ln_status check_class(const ln_dataset *data, int64_t row, int64_t listed, ln_error *err)
{
    const int64_t id = data->labels[row], most = listed ? listed : MOST_CLASSES;
    if (id >= 0 && id < most)
        return LN_OK;
    ln_status status =
        ln_fail(err, LN_EINVALID, "row %lld has label %lld; labels are classes from 0%s",
                (long long)row, (long long)id, listed ? ", and fewer are listed" : "");
    if (!listed)
        ln_error_hint(err, "for numbers: task = regression");
    ln_error_field(err, listed ? "classes" : "labels");
    return status;
}

/* Names "0", "1", ... or those that are listed. */
static ln_status name_classes(const ln_arrays_options *options, int count, ln_dataset *data,
                              ln_error *err)
{
    char number[16];
    data->classes = ln_calloc((size_t)count, sizeof *data->classes);
    bool starved = !data->classes;
    for (int i = 0; i < count && !starved; i++) {
        snprintf(number, sizeof number, "%d", i);
        starved = !(data->classes[i] = ln_strdup(options->classes ? options->classes[i] : number));
        data->class_count = i + 1;
    }
    return starved ? ln_fail_memory(err, (size_t)count * sizeof *data->classes) : LN_OK;
}

static bool labels_are_classes(const ln_arrays_options *options)
{
    const ln_dtype type = options->labels[0]->dtype;
    return options->task == 0 || (options->task < 0 && type != LN_F32 && type != LN_F64) ||
           (options->task < 0 && options->classes);
}

static ln_status fill_labels(const ln_arrays_options *options, ln_dataset *data, ln_error *err)
{
    const ln_dtype type = data->classification ? LN_I32 : LN_F64;
    const size_t size = ln_dtype_size(type);
    int64_t row = 0, listed = 0, most = 0;
    uint8_t *to = ln_alloc((size_t)data->rows * size);
    if (!to)
        return ln_fail_memory(err, (size_t)data->rows * size);
    if (data->classification)
        data->labels = (int32_t *)(void *)to;
    else
        data->numbers = (double *)(void *)to;
    for (int p = 0; p < part_count(options); p++) {
        ln_tensor *numbers = NULL;
        ln_status status = ln_tensor_convert(options->labels[p], type, &numbers, err);
        if (status) {
            ln_error_field(err, "labels");
            return status;
        }
        memcpy(to + (size_t)row * size, numbers->data, numbers->bytes);
        row += options->inputs[p]->shape.dims[0];
        ln_tensor_release(numbers);
    }
    if (!data->classification)
        return LN_OK;
    while (options->classes && options->classes[listed])
        listed++;
    for (int64_t i = 0; i < data->rows; i++) {
        ln_status status = check_class(data, i, listed, err);
        if (status)
            return status;
        most = data->labels[i] > most ? data->labels[i] : most;
    }
    return name_classes(options, (int)(listed ? listed : most + 1), data, err);
}

/* ---------------------------------------------------------------- the whole */

static ln_status make(const ln_arrays_options *options, ln_dataset *data, ln_error *err)
{
    const int64_t first = options->inputs[0]->shape.dims[0];
    data->rows = first + (options->inputs[1] ? options->inputs[1]->shape.dims[0] : 0);
    memcpy(data->sha256, options->sha256, LN_SHA256_BYTES);
    data->classification = labels_are_classes(options);
    data->name = ln_strdup(options->name);
    data->path = ln_strdup(options->path);
    data->target_name = ln_strdup("labels");
    data->split = ln_alloc((size_t)data->rows);
    data->given = options->inputs[1] ? ln_alloc((size_t)data->rows) : NULL;
    if (!data->name || !data->path || !data->target_name || !data->split ||
        (options->inputs[1] && !data->given))
        return ln_fail_memory(err, (size_t)data->rows);
    memset(data->split, LN_SPLIT_NONE, (size_t)data->rows);
    for (int64_t i = 0; i < data->rows && data->given; i++)
        data->given[i] = i < first ? LN_SPLIT_TRAIN : LN_SPLIT_TEST;
    ln_status status = fill_labels(options, data, err);
    return status ? status : fill_inputs(options, data, err);
}

ln_status ln_arrays_dataset(const ln_arrays_options *options, ln_dataset **out, ln_error *err)
{
    *out = NULL;
    for (int p = 0; p < part_count(options); p++) {
        ln_status status = check_part(options, p, err);
        if (status)
            return status;
    }
    ln_dataset *data = ln_calloc(1, sizeof *data);
    if (!data)
        return ln_fail_memory(err, sizeof *data);
    data->references = 1;
    ln_status status = make(options, data, err);
    if (status)
        ln_dataset_release(data);
    else
        *out = data;
    return status;
}
