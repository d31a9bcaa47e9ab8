/* Columns are looked at one by one with the same eyes as when a script reads the file (kinds, missing
 * values, what is refused), so that the summary says what a script will meet. Cost: sorting each
 * column; memory: the text, 8 bytes a cell and one column of numbers. */
#include "data/summary.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"
#include "base/text.h"
#include "data/category.h"
#include "data/cells.h"
#include "data/suspect.h"
#include "data/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_CLASSES 20

void ln_data_summary_free(ln_data_summary *summary)
{
    for (int i = 0; i < summary->column_count && summary->columns; i++) {
        ln_column_summary *column = &summary->columns[i];
        for (int j = 0; j < column->common_count; j++)
            ln_free(column->common[j].text);
        ln_free(column->common);
        ln_free(column->name);
    }
    ln_free(summary->columns);
    *summary = (ln_data_summary){0};
}

static char find_separator(const char *text, size_t bytes)
{
    static const char marks[] = {',', ';', '\t', '|'};
    int64_t counts[sizeof marks] = {0};
    size_t best = 0;
    bool quoted = false;
    for (size_t i = 0; i < bytes && (quoted || (text[i] != '\n' && text[i] != '\r')); i++) {
        quoted = quoted != (text[i] == '"');
        for (size_t m = 0; m < sizeof marks; m++)
            counts[m] += !quoted && text[i] == marks[m];
    }
    for (size_t m = 1; m < sizeof marks; m++)
        best = counts[m] > counts[best] ? m : best;
    return marks[best];
}

/* ---------------------------------------------------------------- common values */

/* A value and its place in sorted order. */
typedef struct counted {
    int64_t count;
    int64_t place;
} counted;

static int by_count(const void *a, const void *b)
{
    const counted *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return (x->place > y->place) - (x->place < y->place);
}

static ln_status keep_text(ln_column_summary *column, const char *text, int64_t count,
                           ln_error *err)
{
    ln_value_count *value = &column->common[column->common_count];
    value->text = ln_strdup(text);
    value->count = count;
    if (!value->text)
        return ln_fail_memory(err, strlen(text) + 1);
    column->common_count++;
    return LN_OK;
}

/* The first `most` of `values` (`count` of them; sorted here), named by texts or by numbers. */
static ln_status keep_common(ln_column_summary *column, counted *values, int64_t count, int most,
                             char *const *texts, const double *numbers, ln_error *err)
{
    ln_status status = LN_OK;
    ln_text shown = {0};
    const int64_t kept = count < most ? count : most;
    qsort(values, (size_t)count, sizeof *values, by_count);
    column->common = ln_calloc((size_t)kept, sizeof *column->common);
    if (!column->common)
        return ln_fail_memory(err, (size_t)kept * sizeof *column->common);
    for (int64_t i = 0; i < kept && status == LN_OK; i++) {
        shown.length = 0;
        if (texts)
            ln_text_add(&shown, texts[values[i].place]);
        else
            ln_text_json_number(&shown, numbers[values[i].place]);
        status = shown.failed ? ln_fail_memory(err, shown.length)
                              : keep_text(column, shown.data, values[i].count, err);
    }
    ln_text_free(&shown);
    return status;
}

/* ---------------------------------------------------------------- kinds */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* values: `count` numbers, which are sorted here; runs of equal ones become `groups`. */
static ln_status summarise_numbers(ln_column_summary *column, double *values, int64_t count,
                                   int most, ln_error *err)
{
    counted few[MOST_CLASSES];
    double sum = 0;
    bool whole = true;
    qsort(values, (size_t)count, sizeof *values, by_value);
    for (int64_t i = 0; i < count; i++) {
        sum += values[i];
        whole = whole && values[i] == floor(values[i]);
        if (i == 0 || values[i] != values[i - 1]) {
            if (column->distinct < MOST_CLASSES)
                few[column->distinct] = (counted){0, i};
            column->distinct++;
        }
        if (column->distinct <= MOST_CLASSES)
            few[column->distinct - 1].count++;
    }
    column->kind = LN_SUMMARY_NUMERIC;
    column->min = values[0];
    column->max = values[count - 1];
    column->mean = sum / (double)count;
    column->classes =
        whole && column->missing == 0 && column->distinct >= 2 && column->distinct <= MOST_CLASSES;
    if (column->distinct > MOST_CLASSES)
        return LN_OK;
    return keep_common(column, few, column->distinct, most, NULL, values, err);
}

static ln_status summarise_texts(ln_column_summary *column, char *const *cells, int64_t rows,
                                 int most, ln_error *err)
{
    int32_t *codes, count;
    char **texts;
    ln_status status = ln_categories_make(cells, rows, &codes, &texts, &count, err);
    if (status != LN_OK)
        return status;
    counted *values = ln_alloc((size_t)count * sizeof *values);
    if (!values) {
        status = ln_fail_memory(err, (size_t)count * sizeof *values);
        goto out;
    }
    for (int32_t i = 0; i < count; i++)
        values[i] = (counted){0, i};
    for (int64_t i = 0; i < rows; i++) {
        if (codes[i] >= 0)
            values[codes[i]].count++;
    }
    column->distinct = count;
    column->kind = ln_column_is_dates(cells, rows)                    ? LN_SUMMARY_DATES
                   : ln_column_is_text(count, rows - column->missing) ? LN_SUMMARY_TEXT
                                                                      : LN_SUMMARY_CATEGORICAL;
    column->classes = column->kind == LN_SUMMARY_CATEGORICAL && column->missing == 0 &&
                      count >= 2 && count <= MOST_CLASSES;
    if (column->kind == LN_SUMMARY_CATEGORICAL)
        status = keep_common(column, values, count, most, texts, NULL, err);
out:
    ln_free(values);
    ln_free(codes);
    ln_texts_free(texts, count);
    return status;
}

static ln_status summarise(ln_csv_table *table, int at, int most, ln_column_summary *column,
                           ln_error *err)
{
    char **cells = table->cells[at];
    *column = (ln_column_summary){.min = NAN, .mean = NAN, .max = NAN};
    column->name = ln_strdup(table->names[at]);
    double *numbers = ln_alloc((size_t)table->rows * sizeof *numbers);
    ln_status status = LN_OK;
    if (!column->name || !numbers) {
        status = ln_fail_memory(err, (size_t)table->rows * sizeof *numbers);
        goto out;
    }
    column->missing = ln_cells_mark_missing(cells, table->rows, NULL);
    if (column->missing == table->rows) {
        column->kind = LN_SUMMARY_EMPTY;
    } else if (ln_cells_read_numbers(cells, table->rows, numbers) < 0) {
        int64_t count = 0;
        for (int64_t i = 0; i < table->rows; i++) {
            if (!isnan(numbers[i]))
                numbers[count++] = numbers[i];
        }
        status = summarise_numbers(column, numbers, count, most, err);
    } else {
        status = summarise_texts(column, cells, table->rows, most, err);
    }
out:
    ln_free(numbers);
    return status;
}

ln_status ln_data_summary_read(const char *path, int common, ln_data_summary *out, ln_error *err)
{
    ln_csv_file file;
    ln_csv_table table;
    *out = (ln_data_summary){0};
    ln_status status = ln_csv_file_read(path, &file, err);
    if (status != LN_OK)
        return status;
    out->separator = find_separator(file.text, file.bytes);
    memcpy(out->sha256, file.sha256, LN_SHA256_BYTES);
    status = ln_csv_table_read(&table, file.name, file.text, file.bytes, out->separator, err);
    if (status == LN_OK) {
        out->rows = table.rows;
        out->columns = ln_calloc((size_t)table.column_count, sizeof *out->columns);
        if (!out->columns)
            status = ln_fail_memory(err, (size_t)table.column_count * sizeof *out->columns);
    }
    for (int i = 0; i < table.column_count && status == LN_OK; i++) {
        out->column_count = i + 1;
        status = summarise(&table, i, common, &out->columns[i], err);
        ln_free(table.cells[i]);
        table.cells[i] = NULL;
        if (status == LN_OK)
            status = ln_check_interrupt(err);
    }
    ln_csv_table_free(&table);
    if (status != LN_OK)
        ln_data_summary_free(out);
    return status;
}
