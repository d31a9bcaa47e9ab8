/* lunette query --schema: what can be asked, a line each; of one table its columns. */
#include "query_schema.h"

#include <string.h>

#include "../rows.h"
#include "base/error.h"

static ln_cell text_cell(const char *text)
{
    return text ? (ln_cell){.type = LN_CELL_TEXT, .data = text, .bytes = strlen(text)}
                : (ln_cell){.type = LN_CELL_NULL};
}

static ln_status print_all(ln_format format, FILE *out, ln_error *err)
{
    static const ln_table_column columns[] = {{"kind", NULL}, {"name", NULL}, {"summary", NULL}};
    ln_table *table;
    ln_status status = ln_table_new(out, format, columns, 3, &table, err);
    for (const ln_described *d = ln_store_described; d->name && status == LN_OK; d++) {
        const ln_cell cells[] = {text_cell(d->kind), text_cell(d->form ? d->form : d->name),
                                 text_cell(d->summary)};
        status = ln_table_row(table, cells, err);
    }
    if (status == LN_OK)
        status = ln_table_end(table, err);
    ln_table_free(table);
    return status;
}

static ln_status unknown(const char *name, ln_error *err)
{
    const char *names[128];
    int count = 0;
    for (const ln_described *d = ln_store_described; d->name && count < 127; d++)
        names[count++] = d->name;
    names[count] = NULL;
    ln_fail(err, LN_EINVALID, "the store has no table, view or function '%.100s'", name);
    const char *near = ln_nearest_word(name, names);
    if (near)
        ln_error_hint(err, "did you mean '%s'?", near);
    else
        ln_error_hint(err, "`lunette query --schema` lists them");
    return LN_EINVALID;
}

ln_status ln_query_schema(ln_store *store, const ln_options *options, ln_format format, FILE *out,
                          ln_error *err)
{
    if (options->operands.count == 0)
        return print_all(format, out, err);
    const char *name = options->operands.at[0];
    const ln_described *d = ln_store_described;
    while (d->name && strcmp(d->name, name) != 0)
        d++;
    const ln_cell cell = {
        .column = "name", .type = LN_CELL_TEXT, .data = name, .bytes = strlen(name)};
    const ln_query_options params = {.params = &cell, .param_count = 1};
    if (d->name && !d->form)
        return ln_rows_print(
            store,
            "SELECT cid AS idx, name AS \"column\", nullif(type, '') AS type, "
            "\"notnull\" AS required, pk > 0 AS key FROM pragma_table_xinfo(:name)",
            &params, format, out, NULL, err);
    if (!d->name)
        return unknown(name, err);
    static const ln_table_column columns[] = {{"kind", NULL}, {"name", NULL}, {"summary", NULL}};
    ln_table *table;
    const ln_cell cells[] = {text_cell(d->kind), text_cell(d->form), text_cell(d->summary)};
    ln_status status = ln_table_new(out, format, columns, 3, &table, err);
    if (status == LN_OK)
        status = ln_table_row(table, cells, err);
    if (status == LN_OK)
        status = ln_table_end(table, err);
    ln_table_free(table);
    return status;
}
