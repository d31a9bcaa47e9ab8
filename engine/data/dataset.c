/* A data set's life, its names, and one row as JSON. A data set is shared by counted references
 * (several runs of one experiment read it) and changed only by ln_dataset_split; where runs divide it
 * differently, each has a view: a data set with its own parts whose columns are its base's. */
#include "data/dataset.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"
#include "data/category.h"
#include "data/number.h"

#include <string.h>

ln_dataset *ln_dataset_retain(ln_dataset *dataset)
{
    __atomic_add_fetch(&dataset->references, 1, __ATOMIC_RELAXED);
    return dataset;
}

void ln_dataset_release(ln_dataset *dataset)
{
    if (!dataset || __atomic_sub_fetch(&dataset->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    ln_free(dataset->split);
    ln_free(dataset->fold_of);
    if (dataset->base) {
        ln_dataset_release(dataset->base);
        ln_free(dataset);
        return;
    }
    for (int i = 0; i < dataset->column_count; i++) {
        ln_column *column = &dataset->columns[i];
        ln_free(column->name);
        ln_free(column->numbers);
        ln_free(column->codes);
        ln_texts_free(column->categories, column->category_count);
    }
    ln_free(dataset->columns);
    ln_tensor_release(dataset->array);
    ln_free(dataset->levels);
    ln_free(dataset->file_hashes);
    ln_texts_free(dataset->files, dataset->files ? dataset->rows : 0);
    ln_texts_free(dataset->classes, dataset->class_count);
    ln_free(dataset->target_name);
    ln_free(dataset->labels);
    ln_free(dataset->numbers);
    ln_free(dataset->weights);
    ln_free(dataset->groups);
    ln_free(dataset->group_name);
    ln_free(dataset->given);
    ln_free(dataset->name);
    ln_free(dataset->path);
    ln_free(dataset);
}

ln_status ln_dataset_view(ln_dataset *base, ln_dataset **out, ln_error *err)
{
    ln_dataset *view = ln_alloc(sizeof *view);
    int8_t *split = ln_alloc((size_t)base->rows);
    if (!view || !split) {
        ln_free(view);
        ln_free(split);
        return ln_fail_memory(err, (size_t)base->rows + sizeof *view);
    }
    *view = *base;
    view->references = 1;
    view->split = split;
    memset(split, LN_SPLIT_NONE, (size_t)base->rows);
    view->fold_of = NULL;
    view->base = ln_dataset_retain(base->base ? base->base : base);
    *out = view;
    return LN_OK;
}

int ln_dataset_find_column(const ln_dataset *dataset, const char *name)
{
    for (int i = 0; i < dataset->column_count; i++) {
        if (strcmp(dataset->columns[i].name, name) == 0)
            return i;
    }
    return -1;
}

int ln_dataset_find_class(const ln_dataset *dataset, const char *name)
{
    double wanted, number;
    for (int i = 0; i < dataset->class_count; i++) {
        if (strcmp(dataset->classes[i], name) == 0)
            return i;
    }
    for (int i = 0; i < dataset->class_count && ln_number_read(name, &wanted); i++) {
        if (ln_number_read(dataset->classes[i], &number) && number == wanted)
            return i;
    }
    return -1;
}

ln_status ln_dataset_gather(const ln_dataset *dataset, const int64_t *rows, int64_t count,
                            ln_tensor **out, ln_error *err)
{
    const int64_t width = ln_shape_row(&dataset->array->shape);
    const int64_t plane = dataset->levels ? width / dataset->channels : 0;
    const ln_shape shape = {.rank = 2, .dims = {count, width}};
    ln_status status = ln_tensor_new(LN_F32, &shape, out, err);
    for (int64_t i = 0; i < count && !status; i++) {
        float *to = ln_f32(*out) + i * width;
        if (!dataset->levels) {
            memcpy(to, ln_f32(dataset->array) + rows[i] * width, (size_t)width * sizeof *to);
            continue;
        }
        const uint8_t *from = (const uint8_t *)dataset->array->data + rows[i] * width;
        for (int c = 0; c < dataset->channels; c++) {
            const float *levels = dataset->levels + 256 * (size_t)c;
            for (int64_t p = c * plane; p < (c + 1) * plane; p++)
                to[p] = levels[from[p]];
        }
    }
    return status;
}

static bool array_row_json(const ln_dataset *dataset, int64_t row, ln_text *text)
{
    if (dataset->files) {
        ln_text_add(text, "{\"file\": ");
        ln_text_json_string(text, dataset->files[row], strlen(dataset->files[row]));
        ln_text_add(text, "}");
    }
    return !text->failed;
}

ln_status ln_dataset_row_json(const ln_dataset *dataset, int64_t row, char **out, ln_error *err)
{
    ln_text text = {0};
    if (row < 0 || row >= dataset->rows)
        return ln_fail(err, LN_EINVALID, "row %lld does not exist; %s has rows 0 to %lld",
                       (long long)row, dataset->name, (long long)dataset->rows - 1);
    *out = NULL;
    if (dataset->array) {
        if (array_row_json(dataset, row, &text)) {
            *out = text.data;
            return LN_OK;
        }
        ln_text_free(&text);
        return ln_fail_memory(err, text.length);
    }
    ln_text_add(&text, "{");
    for (int i = 0; i < dataset->column_count; i++) {
        const ln_column *column = &dataset->columns[i];
        if (i > 0)
            ln_text_add(&text, ", ");
        ln_text_json_string(&text, column->name, strlen(column->name));
        ln_text_add(&text, ": ");
        if (column->kind == LN_COLUMN_NUMERIC) {
            ln_text_json_number(&text, column->numbers[row]); /* a missing one is NaN: null */
        } else if (column->codes[row] < 0) {
            ln_text_add(&text, "null");
        } else {
            const char *category = column->categories[column->codes[row]];
            ln_text_json_string(&text, category, strlen(category));
        }
    }
    ln_text_add(&text, "}");
    if (text.failed) {
        ln_text_free(&text);
        return ln_fail_memory(err, text.length);
    }
    *out = text.data;
    return LN_OK;
}
