/* From a query to printed rows. See rows.h. */
#include "rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

static ln_status start_table(const ln_query *query, ln_format format, FILE *out, ln_table **table,
                             ln_error *err)
{
    int count = ln_query_columns(query);
    ln_table_column *columns = ln_calloc((size_t)count, sizeof *columns);
    if (!columns)
        return ln_fail_memory(err, (size_t)count * sizeof *columns);
    for (int i = 0; i < count; i++)
        columns[i] = (ln_table_column){ln_query_name(query, i), ln_query_origin(query, i)};
    ln_status status = ln_table_new(out, format, columns, count, table, err);
    ln_free(columns);
    return status;
}

static ln_status print_rows(ln_query *query, ln_table *table, int64_t *rows, ln_error *err)
{
    int count = ln_query_columns(query);
    ln_cell *cells = ln_calloc((size_t)count + 1, sizeof *cells);
    if (!cells)
        return ln_fail_memory(err, (size_t)count * sizeof *cells);
    bool more = true;
    ln_status status = LN_OK;
    while (status == LN_OK && more) {
        status = ln_query_next(query, &more, err);
        if (status != LN_OK || !more || !table)
            continue;
        for (int i = 0; i < count; i++)
            cells[i] = ln_query_cell(query, i);
        status = ln_table_row(table, cells, err);
        ++*rows;
    }
    ln_free(cells);
    return status;
}

ln_status ln_rows_print_query(ln_query *query, ln_format format, bool terse, FILE *out,
                              int64_t *rows, ln_error *err)
{
    ln_table *table = NULL;
    int64_t count = 0;
    ln_status status = LN_OK;
    if (ln_query_columns(query) > 0)
        status = start_table(query, format, out, &table, err);
    if (table && terse)
        ln_table_terse(table);
    if (status == LN_OK)
        status = print_rows(query, table, &count, err);
    if (status == LN_OK && table)
        status = ln_table_end(table, err);
    ln_table_free(table);
    if (rows)
        *rows = count;
    return status;
}

ln_status ln_rows_print(ln_store *store, const char *sql, const ln_query_options *options,
                        ln_format format, FILE *out, int64_t *rows, ln_error *err)
{
    ln_query *query;
    ln_status status = ln_query_new(store, sql, options, &query, err);
    if (status == LN_OK && *ln_query_rest(query))
        status =
            ln_fail(err, LN_ESTORE, "one SQL statement is expected, found another after it: %.60s",
                    ln_query_rest(query));
    if (status == LN_OK)
        status = ln_rows_print_query(query, format, false, out, rows, err);
    ln_query_free(query);
    return status;
}

/* -?(0|[1-9][0-9]*) then perhaps a fraction and an exponent: "007" and "1e" are text. */
static bool is_number(const char *text, bool *whole)
{
    text += *text == '-';
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || (digits > 1 && *text == '0'))
        return false;
    text += digits;
    *whole = *text == '\0';
    if (*text == '.') {
        digits = strspn(text + 1, "0123456789");
        if (digits == 0)
            return false;
        text += 1 + digits;
    }
    if (*text == 'e' || *text == 'E') {
        text += 1 + (text[1] == '+' || text[1] == '-');
        digits = strspn(text, "0123456789");
        if (digits == 0)
            return false;
        text += digits;
    }
    return *text == '\0';
}

ln_status ln_param_cell(const char *text, ln_cell *out, char **name, ln_error *err)
{
    const char *equals = strchr(text, '=');
    bool whole = false;
    text += strspn(text, ":@$");
    if (!equals || equals <= text)
        return ln_fail(err, LN_EINVALID, "--param: expected name=value, found '%.100s'", text);
    *name = ln_strndup(text, (size_t)(equals - text));
    if (!*name)
        return ln_fail_memory(err, strlen(text));
    const char *value = equals + 1;
    *out = (ln_cell){.column = *name, .type = LN_CELL_TEXT, .data = value, .bytes = strlen(value)};
    if (!is_number(value, &whole))
        return LN_OK;
    errno = 0;
    out->integer = whole ? strtoll(value, NULL, 10) : 0;
    out->type = whole && errno == 0 ? LN_CELL_INT : LN_CELL_REAL;
    out->real = strtod(value, NULL);
    return LN_OK;
}
