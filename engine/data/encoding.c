/* Applying an encoding, and what it says about itself. (How it is fitted: fit.c.)
 *
 *     numeric      (x - center) / scale, a missing x replaced by fill first         1 input
 *     one-hot      1 at the row's category, else 0; missing or unseen: all 0        1 a category
 *     ordinal      place of the row's category; unseen: -1, missing: missing_place  1 input
 *     missing      1 where the value is missing, else 0                             1 where wanted
 *
 * Computed in float64 and rounded once to float32. Cost: one pass over the chosen rows, after one
 * binary search for each category that the data set knows. */
#include "data/encoding.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"
#include "data/category.h"
#include "data/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ln_encoding_free(ln_encoding *encoding)
{
    if (!encoding)
        return;
    for (int i = 0; i < encoding->column_count && encoding->columns; i++) {
        ln_free(encoding->columns[i].name);
        ln_texts_free(encoding->columns[i].categories, encoding->columns[i].category_count);
    }
    ln_free(encoding->columns);
    ln_free(encoding->column_of);
    ln_free(encoding);
}

/* ---------------------------------------------------------------- applying */

typedef struct destination {
    const int64_t *rows; /* to encode */
    int64_t count;
    int width;  /* of a row of out */
    float *out; /* count x width, zeroed */
} destination;

static ln_status none_may_miss(const ln_encoded_column *to, int64_t row, ln_error *err)
{
    return ln_fail(err, LN_EINVALID,
                   "row %lld has no value in column '%s', and missing = \"error\" forbids that",
                   (long long)row, ln_csv_show(to->name).text);
}

static ln_status apply_numeric(const ln_encoded_column *to, const ln_column *from,
                               const destination *job, ln_error *err)
{
    for (int64_t i = 0; i < job->count; i++) {
        double x = from->numbers[job->rows[i]];
        if (isnan(x)) {
            if (to->required)
                return none_may_miss(to, job->rows[i], err);
            x = to->fill;
            if (to->missing_input >= 0)
                job->out[i * job->width + to->first + to->missing_input] = 1;
        }
        float encoded = (float)((x - to->center) / to->scale);
        if (!isfinite(encoded))
            return ln_fail(err, LN_EINVALID, "row %lld: %g in column '%s' is too large for float32",
                           (long long)job->rows[i], x, ln_csv_show(to->name).text);
        job->out[i * job->width + to->first] = encoded;
    }
    return LN_OK;
}

static int compare_text(const void *key, const void *entry)
{
    return strcmp(key, *(char *const *)entry);
}

static ln_status apply_categorical(const ln_encoded_column *to, const ln_column *from,
                                   const destination *job, ln_error *err)
{
    int32_t *place = ln_alloc((size_t)from->category_count * sizeof *place);
    if (!place)
        return ln_fail_memory(err, (size_t)from->category_count * sizeof *place);
    for (int32_t i = 0; i < from->category_count; i++) {
        char **found = bsearch(from->categories[i], to->categories, (size_t)to->category_count,
                               sizeof *to->categories, compare_text);
        place[i] = found ? (int32_t)(found - to->categories) : -1;
    }
    ln_status status = LN_OK;
    for (int64_t i = 0; i < job->count && status == LN_OK; i++) {
        int32_t code = from->codes[job->rows[i]];
        int32_t at = code < 0 ? to->missing_place : place[code];
        float *out = job->out + i * job->width + to->first;
        if (to->ordinal)
            out[0] = (float)at;
        else if (at >= 0)
            out[at] = 1;
        if (code < 0 && to->missing_input >= 0)
            out[to->missing_input] = 1;
        if (code < 0 && to->required)
            status = none_may_miss(to, job->rows[i], err);
    }
    ln_free(place);
    return status;
}

static ln_status apply_column(const ln_encoded_column *to, const ln_dataset *dataset,
                              const destination *job, ln_error *err)
{
    int found = ln_dataset_find_column(dataset, to->name);
    if (found < 0)
        return ln_fail(err, LN_EINVALID, "%s has no column '%s', which the model's encoding reads",
                       dataset->name, ln_csv_show(to->name).text);
    const ln_column *from = &dataset->columns[found];
    if (from->kind != to->kind)
        return ln_fail(err, LN_EINVALID,
                       "column '%s' of %s is %s, and the model's encoding was fitted on %s values",
                       ln_csv_show(to->name).text, dataset->name,
                       from->kind == LN_COLUMN_NUMERIC ? "numeric" : "categorical",
                       to->kind == LN_COLUMN_NUMERIC ? "numeric" : "categorical");
    return to->kind == LN_COLUMN_NUMERIC ? apply_numeric(to, from, job, err)
                                         : apply_categorical(to, from, job, err);
}

ln_status ln_encoding_apply(const ln_encoding *encoding, const ln_dataset *dataset,
                            const int64_t *rows, int64_t count, ln_tensor **out, ln_error *err)
{
    ln_shape shape = {.rank = 2, .dims = {count, encoding->width}};
    ln_tensor *encoded = NULL;
    for (int64_t i = 0; i < count; i++) {
        if (rows[i] < 0 || rows[i] >= dataset->rows)
            return ln_fail(err, LN_EINVALID, "row %lld does not exist; %s has rows 0 to %lld",
                           (long long)rows[i], dataset->name, (long long)dataset->rows - 1);
    }
    ln_status status = ln_tensor_new(LN_F32, &shape, &encoded, err);
    if (status != LN_OK)
        return status;
    destination job = {rows, count, encoding->width, ln_f32(encoded)};
    for (int i = 0; i < encoding->column_count && status == LN_OK; i++)
        status = apply_column(&encoding->columns[i], dataset, &job, err);
    if (status != LN_OK) {
        ln_tensor_release(encoded);
        return status;
    }
    *out = encoded;
    return LN_OK;
}

/* ---------------------------------------------------------------- describing */

const char *ln_encoding_input_name(const ln_encoding *encoding, int input, char *buffer,
                                   size_t size)
{
    const ln_encoded_column *column = &encoding->columns[encoding->column_of[input]];
    if (input - column->first == column->missing_input)
        snprintf(buffer, size, "%s=(missing)", column->name);
    else if (column->kind == LN_COLUMN_CATEGORICAL && !column->ordinal)
        snprintf(buffer, size, "%s=%s", column->name, column->categories[input - column->first]);
    else
        snprintf(buffer, size, "%s", column->name);
    return buffer;
}

static void numeric_json(ln_text *text, const ln_encoding *encoding,
                         const ln_encoded_column *column)
{
    static const char *const kinds[] = {"standard", "minmax", "none"};
    ln_text_format(text, "{\"kind\":\"%s\",\"center\":", kinds[encoding->options.numeric]);
    ln_text_json_number(text, column->center);
    ln_text_add(text, ",\"scale\":");
    ln_text_json_number(text, column->scale);
    ln_text_add(text, ",\"fill\":");
    ln_text_json_number(text, column->fill); /* NaN, where nothing may be missing: null */
    ln_text_add(text, "}");
}

static void categorical_json(ln_text *text, const ln_encoded_column *column, int input)
{
    if (!column->ordinal) {
        const char *category = column->categories[input - column->first];
        ln_text_add(text, "{\"kind\":\"onehot\",\"category\":");
        ln_text_json_string(text, category, strlen(category));
        ln_text_add(text, column->required ? ",\"required\":true}" : "}");
        return;
    }
    ln_text_add(text, "{\"kind\":\"ordinal\",\"categories\":[");
    for (int i = 0; i < column->category_count; i++) {
        ln_text_add(text, i ? "," : "");
        ln_text_json_string(text, column->categories[i], strlen(column->categories[i]));
    }
    ln_text_add(text, column->missing_place < 0 ? "]" : ",null]");
    ln_text_add(text, column->required ? ",\"required\":true}" : "}");
}

ln_status ln_encoding_input_json(const ln_encoding *encoding, int input, char **out, ln_error *err)
{
    ln_text text = {0};
    const ln_encoded_column *column = &encoding->columns[encoding->column_of[input]];
    if (input - column->first == column->missing_input)
        ln_text_add(&text, "{\"kind\":\"missing\"}");
    else if (column->kind == LN_COLUMN_NUMERIC)
        numeric_json(&text, encoding, column);
    else
        categorical_json(&text, column, input);
    if (text.failed) {
        ln_text_free(&text);
        return ln_fail_memory(err, text.length);
    }
    *out = text.data;
    return LN_OK;
}

static void hash_real(ln_hash *hash, double number)
{
    int64_t bits;
    memcpy(&bits, &number, sizeof bits);
    ln_hash_i64(hash, isnan(number) ? INT64_MAX : bits); /* a NaN has many bit patterns */
}

void ln_encoding_hash(const ln_encoding *encoding, ln_hash *hash)
{
    ln_hash_text(hash, "encoding");
    ln_hash_i64(hash, encoding->column_count);
    for (int i = 0; i < encoding->column_count; i++) {
        const ln_encoded_column *column = &encoding->columns[i];
        ln_hash_text(hash, column->name);
        ln_hash_i64(hash, column->kind);
        ln_hash_i64(hash, column->count);
        if (column->missing_input >= 0 || column->missing_place >= 0)
            ln_hash_text(hash, "missing");
        if (column->kind == LN_COLUMN_NUMERIC) {
            hash_real(hash, column->center);
            hash_real(hash, column->scale);
            hash_real(hash, column->fill);
            continue;
        }
        ln_hash_i64(hash, column->ordinal);
        ln_hash_i64(hash, column->category_count);
        for (int j = 0; j < column->category_count; j++)
            ln_hash_text(hash, column->categories[j]);
    }
}
