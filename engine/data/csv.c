/* From a CSV file to a data set: which column is what, kinds, values, label.
 *
 * The table (table.c) costs 8 bytes a cell; it is turned into columns one by one, each freed when it
 * is done, so that the peak is the text and about two numbers a cell. A column is tried as numbers
 * until a value is none. What counts as missing is compared without the spaces around it. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/parallel.h"
#include "data/category.h"
#include "data/cells.h"
#include "data/dataset.h"
#include "data/marks.h"
#include "data/suspect.h"
#include "data/table.h"
#include "data/target.h"

#include <string.h>

typedef enum role {
    ROLE_FEATURE,
    ROLE_NUMERIC,
    ROLE_CATEGORICAL,
    ROLE_TARGET, /* from here on: no features */
    ROLE_WEIGHT,
    ROLE_BY,
    ROLE_SET,
    ROLE_IGNORED
} role;

static const char *role_name(role what)
{
    static const char *const names[] = {"a feature",
                                        "numeric",
                                        "categorical",
                                        "the target",
                                        "the weight",
                                        "the groups of the split",
                                        "the parts of the split",
                                        "ignored"};
    return names[what];
}

/* ---------------------------------------------------------------- which column is what */

/* The option that gives columns this role. */
static const char *role_field(role what)
{
    static const char *const fields[] = {"path",   "numeric",  "categorical",  "target",
                                         "weight", "split.by", "split.column", "ignore"};
    return fields[what];
}

static ln_status missing_column(const ln_csv_table *table, const char *name, const char *what,
                                ln_error *err)
{
    ln_status status = ln_fail(err, LN_EINVALID, "%s has no column '%s' (%s); it has %s",
                               table->name, ln_csv_show(name).text, what,
                               ln_texts_list(table->names, table->column_count).text);
    if (table->column_count == 1 && strpbrk(table->names[0], ";\t|"))
        ln_error_hint(err, "the values are not separated by commas: set `separator`");
    else
        ln_texts_hint(err, name, table->names, table->column_count);
    return status;
}

static ln_status give_role(const ln_csv_table *table, const char *name, role what, role *roles,
                           ln_error *err)
{
    int column = ln_csv_table_find(table, name);
    ln_status status = LN_OK;
    if (column < 0)
        status = missing_column(table, name, role_name(what), err);
    else if (roles[column] != ROLE_FEATURE && roles[column] != what)
        status = ln_fail(err, LN_EINVALID, "column '%s' cannot be both %s and %s",
                         ln_csv_show(name).text, role_name(roles[column]), role_name(what));
    else
        roles[column] = what;
    if (status)
        ln_error_field(err, role_field(what));
    return status;
}

static ln_status give_roles(const ln_csv_table *table, const ln_csv_options *options, role *roles,
                            ln_error *err)
{
    const char *const *lists[] = {options->numeric, options->categorical, options->ignore};
    const role what[] = {ROLE_NUMERIC, ROLE_CATEGORICAL, ROLE_IGNORED};
    const char *const single[] = {options->target, options->weight, options->by, options->set};
    int features = 0;
    ln_status status = LN_OK;
    for (int i = 0; i < 4 && status == LN_OK; i++) {
        if (single[i])
            status = give_role(table, single[i], ROLE_TARGET + i, roles, err);
    }
    for (int list = 0; list < 3 && status == LN_OK; list++) {
        for (const char *const *name = lists[list]; name && *name && status == LN_OK; name++)
            status = give_role(table, *name, what[list], roles, err);
    }
    if (status != LN_OK)
        return status;
    for (int i = 0; i < table->column_count; i++)
        features += roles[i] < ROLE_TARGET;
    if (features == 0)
        return ln_fail(err, LN_EINVALID, "%s has no column left besides the target '%s'",
                       table->name, ln_csv_show(options->target).text);
    return LN_OK;
}

/* ---------------------------------------------------------------- columns */

/* Leaves out the rows with a missing cell in a column that is used. */
static ln_status drop_rows(ln_csv_table *table, const role *roles, ln_dataset *dataset,
                           ln_error *err)
{
    bool *dropped = ln_calloc((size_t)table->rows, sizeof *dropped);
    int64_t kept = 0;
    if (!dropped)
        return ln_fail_memory(err, (size_t)table->rows);
    for (int c = 0; c < table->column_count; c++) {
        for (int64_t i = 0; i < table->rows && roles[c] != ROLE_IGNORED; i++)
            dropped[i] = dropped[i] || !table->cells[c][i];
    }
    for (int64_t i = 0; i < table->rows; i++) {
        if (dropped[i])
            continue;
        for (int c = 0; c < table->column_count; c++)
            table->cells[c][kept] = table->cells[c][i];
        table->lines[kept++] = table->lines[i];
    }
    ln_free(dropped);
    if (kept == 0)
        return ln_fail(err, LN_EINVALID,
                       "drop_missing leaves no row of %s: every one lacks a value", table->name);
    dataset->dropped = table->rows - kept;
    dataset->rows = table->rows = kept;
    return LN_OK;
}

static ln_status make_column(const ln_csv_table *table, int from, role what, ln_column *column,
                             ln_error *err)
{
    char *const *cells = table->cells[from];
    column->name = ln_strdup(table->names[from]);
    if (!column->name)
        return ln_fail_memory(err, strlen(table->names[from]) + 1);
    for (int64_t i = 0; i < table->rows; i++)
        column->missing += !cells[i];
    if (what != ROLE_CATEGORICAL) {
        column->numbers = ln_alloc((size_t)table->rows * sizeof *column->numbers);
        if (!column->numbers)
            return ln_fail_memory(err, (size_t)table->rows * sizeof *column->numbers);
        int64_t bad = ln_cells_read_numbers(cells, table->rows, column->numbers);
        column->kind = LN_COLUMN_NUMERIC;
        if (bad < 0)
            return LN_OK;
        if (what == ROLE_NUMERIC)
            return ln_fail(err, LN_EINVALID,
                           "%s, line %lld: '%s' in the numeric column '%s' is not a number",
                           table->name, (long long)table->lines[bad], ln_csv_show(cells[bad]).text,
                           ln_csv_show(column->name).text);
        ln_free(column->numbers);
        column->numbers = NULL;
    }
    column->kind = LN_COLUMN_CATEGORICAL;
    if (what == ROLE_FEATURE && ln_column_is_dates(cells, table->rows))
        return ln_refuse_dates(table, from, err);
    ln_status status = ln_categories_make(cells, table->rows, &column->codes, &column->categories,
                                          &column->category_count, err);
    if (status == LN_OK && what == ROLE_FEATURE &&
        ln_column_is_text(column->category_count, table->rows - column->missing))
        status = ln_refuse_text(table, from, column->category_count, err);
    return status;
}

/* Whatever a column is for, from its cells. */
static ln_status use_column(const ln_csv_table *table, int from, role what,
                            const ln_csv_options *options, ln_dataset *dataset, ln_error *err)
{
    ln_status status = LN_OK;
    switch (what) {
    case ROLE_FEATURE:
    case ROLE_NUMERIC:
    case ROLE_CATEGORICAL:
        return make_column(table, from, what, &dataset->columns[dataset->column_count++], err);
    case ROLE_TARGET:
        return ln_csv_target(table, from, options, dataset, err);
    case ROLE_WEIGHT:
        status = ln_csv_weights(table, from, dataset, err);
        break;
    case ROLE_BY:
        status = ln_csv_groups(table, from, dataset, err);
        break;
    case ROLE_SET:
        status = ln_csv_parts(table, from, dataset, err);
        break;
    case ROLE_IGNORED:
        break;
    }
    if (status != LN_OK)
        ln_error_field(err, role_field(what));
    return status;
}

static ln_status make_columns(ln_csv_table *table, const ln_csv_options *options, const role *roles,
                              ln_dataset *dataset, ln_error *err)
{
    ln_status status = LN_OK;
    int64_t count = 0;
    dataset->columns = ln_calloc((size_t)table->column_count, sizeof *dataset->columns);
    if (!dataset->columns)
        return ln_fail_memory(err, (size_t)table->column_count * sizeof *dataset->columns);
    for (int i = 0; i < table->column_count; i++) {
        if (roles[i] != ROLE_IGNORED)
            count += ln_cells_mark_missing(table->cells[i], table->rows, options->missing);
    }
    if (options->drop_missing && count > 0)
        status = drop_rows(table, roles, dataset, err);
    for (int i = 0; i < table->column_count && status == LN_OK; i++) {
        status = use_column(table, i, roles[i], options, dataset, err);
        ln_free(table->cells[i]);
        table->cells[i] = NULL;
        if (status == LN_OK)
            status = ln_check_interrupt(err);
    }
    return status;
}

/* ---------------------------------------------------------------- the file */

static ln_status check_options(const ln_csv_options *options, ln_error *err)
{
    char separator = options->separator;
    if (!options->target || !options->target[0])
        return ln_fail(err, LN_EINVALID, "csv needs `target`, the name of the label's column");
    if (separator == '"' || separator == '\n' || separator == '\r' || (separator & 0x80))
        return ln_fail(
            err, LN_EINVALID,
            "the separator must be one ASCII character that is no quote and no line end");
    if (options->classes && (!options->classes[0] || !options->classes[1]))
        return ln_fail(err, LN_EINVALID, "`classes` must list two classes or more");
    return LN_OK;
}

/* Takes over `text`; `sha256` is of the file. */
static ln_status parse(const char *name, const char *path, char *text, size_t bytes,
                       const uint8_t *sha256, const ln_csv_options *options, ln_dataset **out,
                       ln_error *err)
{
    ln_csv_table table;
    role *roles = NULL;
    ln_dataset *dataset = NULL;
    char separator = options->separator ? options->separator : ',';
    ln_status status = ln_csv_table_read(&table, name, text, bytes, separator, err);
    if (status != LN_OK)
        goto out;

    roles = ln_calloc((size_t)table.column_count, sizeof *roles);
    dataset = ln_calloc(1, sizeof *dataset);
    if (!roles || !dataset) {
        status = ln_fail_memory(err, sizeof *dataset);
        goto out;
    }
    dataset->references = 1;
    dataset->rows = table.rows;
    memcpy(dataset->sha256, sha256, LN_SHA256_BYTES);
    dataset->name = ln_strdup(name);
    dataset->path = ln_strdup(path);
    dataset->split = ln_alloc((size_t)table.rows);
    if (!dataset->name || !dataset->path || !dataset->split) {
        status = ln_fail_memory(err, (size_t)table.rows);
        goto out;
    }
    memset(dataset->split, LN_SPLIT_NONE, (size_t)table.rows);
    status = give_roles(&table, options, roles, err);
    if (status == LN_OK)
        status = make_columns(&table, options, roles, dataset, err);
out:
    if (status == LN_OK)
        *out = dataset;
    else
        ln_dataset_release(dataset);
    ln_free(roles);
    ln_csv_table_free(&table);
    return status;
}

ln_status ln_csv_read(const char *path, const ln_csv_options *options, ln_dataset **out,
                      ln_error *err)
{
    ln_csv_file file;
    ln_status status = check_options(options, err);
    if (status == LN_OK)
        status = ln_csv_file_read(path, &file, err);
    if (status != LN_OK)
        return status;
    return parse(file.name, path, file.text, file.bytes, file.sha256, options, out, err);
}

ln_status ln_csv_parse(const char *name, const char *data, size_t bytes,
                       const ln_csv_options *options, ln_dataset **out, ln_error *err)
{
    uint8_t sha256[LN_SHA256_BYTES];
    ln_status status = check_options(options, err);
    if (status != LN_OK)
        return status;
    char *text = ln_alloc(bytes + 1);
    if (!text)
        return ln_fail_memory(err, bytes + 1);
    if (bytes > 0)
        memcpy(text, data, bytes);
    ln_sha256(data, bytes, sha256);
    return parse(name, name, text, bytes, sha256, options, out, err);
}
