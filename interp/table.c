/* Printing rows. See table.h. A cell is written as text first (table_cell.c); table and md keep
 * these texts until the end, the other formats go straight to the output. */
#include "table.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "table_cell.h"

#define LONGEST_RULE 200
#define KEPT_ROWS 10000 /* table, md: widths are theirs; what follows is printed at once */

struct ln_table {
    FILE *out;               /* borrowed */
    ln_format format;        /* one of the six */
    int count;               /* columns */
    ln_cell_columns columns; /* their names and origins, owned */
    ln_text kept;            /* table, md: the cells' texts, each with a NUL */
    int64_t rows;            /* added so far */
    bool streaming;          /* table, md: the kept rows are printed */
    bool terse;              /* empty columns are left out, NULL is blank */
    bool *empty;             /* count entries: only NULL until now */
    bool *numbers;           /* count entries: only numbers and NULL until now */
    int *widths;             /* count entries: the widest text, heading included */
};

ln_status ln_format_parse(const char *text, ln_format *out, ln_error *err)
{
    static const char *const names[] = {"table", "csv", "tsv", "json", "jsonl", "md", NULL};
    *out = LN_FORMAT_TABLE;
    if (!text)
        return LN_OK;
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], text) == 0) {
            *out = (ln_format)i;
            return LN_OK;
        }
    ln_fail(err, LN_EINVALID,
            "--format: expected table, csv, tsv, json, jsonl or md, found '%.60s'", text);
    const char *near = ln_nearest_word(text, names);
    if (near)
        ln_error_hint(err, "did you mean '%s'?", near);
    return LN_EINVALID;
}

static bool is_kept(const ln_table *table)
{
    return table->format == LN_FORMAT_TABLE || table->format == LN_FORMAT_MD;
}

/* The first line of csv and tsv, the first bracket of json. */
static bool print_head(ln_table *table)
{
    ln_text line = {0};
    if (table->format == LN_FORMAT_JSON)
        ln_text_add(&line, "[");
    if (table->format == LN_FORMAT_CSV || table->format == LN_FORMAT_TSV) {
        for (int i = 0; i < table->count; i++) {
            ln_cell name = {.type = LN_CELL_TEXT,
                            .data = table->columns.names[i],
                            .bytes = strlen(table->columns.names[i])};
            ln_text_add(&line, i == 0 ? "" : table->format == LN_FORMAT_CSV ? "," : "\t");
            ln_cell_write(&line, table->format, &name, NULL);
        }
        ln_text_add(&line, "\n");
    }
    bool done = !line.failed;
    if (done && line.length)
        fwrite(line.data, 1, line.length, table->out);
    ln_text_free(&line);
    return done;
}

ln_status ln_table_new(FILE *out, ln_format format, const ln_table_column *columns, int count,
                       ln_table **result, ln_error *err)
{
    *result = NULL;
    ln_table *table = ln_calloc(1, sizeof *table);
    if (!table)
        return ln_fail_memory(err, sizeof *table);
    table->out = out;
    table->format = format;
    table->count = count;
    table->numbers = ln_alloc((size_t)count * sizeof *table->numbers + 1);
    table->empty = ln_alloc((size_t)count * sizeof *table->empty + 1);
    table->widths = ln_calloc((size_t)count + 1, sizeof *table->widths);
    if (!table->numbers || !table->empty || !table->widths ||
        !ln_cell_columns_copy(&table->columns, columns, count)) {
        ln_table_free(table);
        return ln_fail_memory(err, 0);
    }
    for (int i = 0; i < count; i++) {
        table->numbers[i] = table->empty[i] = true;
        table->widths[i] = ln_text_width(table->columns.names[i], strlen(table->columns.names[i]));
        if (format == LN_FORMAT_MD && table->widths[i] < 3)
            table->widths[i] = 3;
    }
    if (!print_head(table)) {
        ln_table_free(table);
        return ln_fail_memory(err, 0);
    }
    *result = table;
    return LN_OK;
}

void ln_table_free(ln_table *table)
{
    if (!table)
        return;
    ln_cell_columns_free(&table->columns);
    ln_text_free(&table->kept);
    ln_free(table->numbers);
    ln_free(table->empty);
    ln_free(table->widths);
    ln_free(table);
}

void ln_table_terse(ln_table *table)
{
    table->terse = true;
}

static ln_status write_failed(const ln_table *table, ln_error *err)
{
    (void)table;
    return ln_fail(err, LN_EIO, "the output cannot be written: %s",
                   errno ? strerror(errno) : "unknown reason");
}

/* table, md: keeps the row's texts. */
static ln_status keep_row(ln_table *table, const ln_cell *cells, ln_error *err)
{
    for (int i = 0; i < table->count; i++) {
        size_t before = table->kept.length;
        ln_cell_origin origin = {&table->columns, cells, i};
        bool null = cells[i].type == LN_CELL_NULL;
        table->empty[i] = table->empty[i] && null;
        if (!null || !table->terse)
            ln_cell_write(&table->kept, table->format, &cells[i], &origin);
        if (table->kept.failed)
            return ln_fail_memory(err, table->kept.length);
        int width = ln_text_width(table->kept.data ? table->kept.data + before : "",
                                  table->kept.length - before);
        ln_text_addn(&table->kept, "", 1);
        if (width > table->widths[i])
            table->widths[i] = width;
        if (cells[i].type == LN_CELL_TEXT || cells[i].type == LN_CELL_BLOB)
            table->numbers[i] = false;
    }
    return table->kept.failed ? ln_fail_memory(err, table->kept.length) : LN_OK;
}

static ln_status print_row(ln_table *table, const ln_cell *cells, ln_error *err)
{
    ln_text line = {0};
    bool json = table->format == LN_FORMAT_JSON || table->format == LN_FORMAT_JSONL;
    const char *between = json ? ", " : table->format == LN_FORMAT_CSV ? "," : "\t";
    if (table->format == LN_FORMAT_JSON)
        ln_text_add(&line, table->rows ? ",\n " : "");
    ln_text_add(&line, json ? "{" : "");
    for (int i = 0; i < table->count; i++) {
        ln_cell_origin origin = {&table->columns, cells, i};
        ln_text_add(&line, i ? between : "");
        if (json) {
            ln_text_json_string(&line, table->columns.names[i], strlen(table->columns.names[i]));
            ln_text_add(&line, ": ");
        }
        ln_cell_write(&line, table->format, &cells[i], &origin);
    }
    /* A line with one empty field would read as no row at all. */
    if (table->format == LN_FORMAT_CSV && table->count == 1 && line.length == 0)
        ln_text_add(&line, "\"\"");
    ln_text_add(&line, json ? "}" : "");
    ln_text_add(&line, table->format == LN_FORMAT_JSON ? "" : "\n");
    ln_status status = line.failed ? ln_fail_memory(err, line.length) : LN_OK;
    errno = 0;
    if (status == LN_OK && fwrite(line.data, 1, line.length, table->out) != line.length)
        status = write_failed(table, err);
    ln_text_free(&line);
    return status;
}

static bool is_shown(const ln_table *table, int column)
{
    return !table->terse || !table->empty[column] || table->rows == 0;
}

/* The last column of a line with something to print; of md the last one shown. */
static int last_column(const ln_table *table, const char *const *texts)
{
    int last = table->count - 1;
    while (last > 0 &&
           (!is_shown(table, last) || (table->format != LN_FORMAT_MD && texts[last][0] == '\0')))
        last--;
    return last;
}

static void print_padded(const ln_table *table, int column, const char *text, bool last)
{
    int blanks = table->widths[column] - ln_text_width(text, strlen(text));
    bool right = table->numbers[column] && table->rows > 0;
    if (right)
        fprintf(table->out, "%*s", blanks, "");
    fputs(text, table->out);
    if (!right && (!last || table->format == LN_FORMAT_MD))
        fprintf(table->out, "%*s", blanks, "");
}

static void print_line(const ln_table *table, const char *const *texts)
{
    bool md = table->format == LN_FORMAT_MD, first = true;
    int last = last_column(table, texts);
    fputs(md ? "| " : "", table->out);
    for (int i = 0; i <= last; i++) {
        if (!is_shown(table, i))
            continue;
        fputs(first ? "" : md ? " | " : "  ", table->out);
        print_padded(table, i, texts[i], i == last);
        first = false;
    }
    fputs(md ? " |\n" : "\n", table->out);
}

static void print_rule(const ln_table *table)
{
    bool md = table->format == LN_FORMAT_MD, first = true;
    for (int i = 0; i < table->count; i++) {
        if (!is_shown(table, i))
            continue;
        bool right = table->numbers[i] && table->rows > 0;
        int dashes = table->widths[i] + (md ? 2 - right : 0);
        if (dashes > LONGEST_RULE && !md)
            dashes = LONGEST_RULE;
        fputs(md ? "|" : first ? "" : "  ", table->out);
        first = false;
        while (dashes-- > 0)
            fputc('-', table->out);
        fputs(md && right ? ":" : "", table->out);
    }
    fputs(md ? "|\n" : "\n", table->out);
}

/* The rows that are kept, the first time below their heading. */
static ln_status print_kept(ln_table *table, int64_t rows, ln_error *err)
{
    const char **texts = ln_alloc((size_t)table->count * sizeof *texts + 1);
    if (!texts)
        return ln_fail_memory(err, 0);
    if (!table->streaming) {
        print_line(table, (const char *const *)table->columns.names);
        print_rule(table);
    }
    const char *at = table->kept.data;
    for (int64_t row = 0; row < rows; row++) {
        for (int i = 0; i < table->count; i++) {
            texts[i] = at;
            at += strlen(at) + 1;
        }
        print_line(table, texts);
    }
    ln_free(texts);
    table->kept.length = 0;
    table->streaming = true;
    return ferror(table->out) ? write_failed(table, err) : LN_OK;
}

ln_status ln_table_row(ln_table *table, const ln_cell *cells, ln_error *err)
{
    if (!is_kept(table)) {
        ln_status status = print_row(table, cells, err);
        table->rows += status == LN_OK;
        return status;
    }
    errno = 0;
    ln_status status = keep_row(table, cells, err);
    table->rows += status == LN_OK;
    /* A page for a reader (terse) is short, and leaves out columns that only its end can tell. */
    if (status == LN_OK && (table->streaming || (table->rows == KEPT_ROWS && !table->terse)))
        status = print_kept(table, table->streaming ? 1 : table->rows, err);
    return status;
}

ln_status ln_table_end(ln_table *table, ln_error *err)
{
    ln_status status = LN_OK;
    errno = 0;
    if (is_kept(table) && table->count > 0 && !table->streaming)
        status = print_kept(table, table->rows, err);
    else if (table->format == LN_FORMAT_JSON)
        fputs("]\n", table->out);
    if (status == LN_OK && (fflush(table->out) != 0 || ferror(table->out)))
        status = write_failed(table, err);
    return status;
}
