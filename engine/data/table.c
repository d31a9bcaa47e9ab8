/* CSV by RFC 4180: records end in LF or CRLF; a field in quotes may hold separators, line ends and
 * doubled quotes; elsewhere a quote is an error, as is a CR that no LF follows. Spaces are part of
 * a field. A BOM at the start and empty lines are skipped (an empty line is no row: it is what
 * editors leave at the end of files).
 *
 * One pass over a text that may be written to: a field is unquoted in place and ended with a NUL, so
 * that a cell costs one pointer and no copy. Memory: the text and 8 bytes a cell. Before that the
 * text is checked as a whole (UTF-8, no NUL), which also tells binary files and UTF-16 by name. */
#include "data/table.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/gzip.h"
#include "base/parallel.h"
#include "data/category.h"

#include <string.h>

#define ROWS_AT_FIRST 64
#define INTERRUPT_ROWS 65536

typedef struct parser {
    const char *name; /* of the file */
    char *at, *end;   /* what is left of the text; *end is writable */
    char separator;
    int64_t line;  /* of `at`, from 1 */
    char **fields; /* of the current record */
    int64_t count, room;
} parser;

/* ---------------------------------------------------------------- the file */

ln_status ln_csv_file_read(const char *path, ln_csv_file *out, ln_error *err)
{
    ln_file file;
    const char *slash = strrchr(path, '/');
    ln_status status = ln_file_read(path, &file, err);
    if (status != LN_OK)
        return status;
    *out = (ln_csv_file){.name = slash ? slash + 1 : path, .text = file.data, .bytes = file.bytes};
    memcpy(out->sha256, file.sha256, LN_SHA256_BYTES);
    file.data = NULL; /* the caller's from here on */
    if (ln_is_gzip(out->text, out->bytes)) {
        char *packed = out->text;
        status = ln_gunzip(out->name, packed, out->bytes, &out->text, &out->bytes, err);
        ln_free(packed);
    }
    ln_file_free(&file);
    return status;
}

/* ---------------------------------------------------------------- the text as a whole */

/* Bytes of the valid UTF-8 sequence at `at`, or 0: overlong forms, surrogates and numbers above
 * U+10FFFF are invalid (Unicode 15, table 3-7). */
static size_t utf8_length(const unsigned char *at, size_t left)
{
    size_t length = at[0] < 0x80 ? 1 : at[0] < 0xC2 ? 0 : at[0] < 0xE0 ? 2 : at[0] < 0xF0 ? 3 : 4;
    if (length == 0 || at[0] > 0xF4 || length > left)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    }
    if ((at[0] == 0xE0 && at[1] < 0xA0) || (at[0] == 0xED && at[1] > 0x9F) ||
        (at[0] == 0xF0 && at[1] < 0x90) || (at[0] == 0xF4 && at[1] > 0x8F))
        return 0;
    return length;
}

static ln_status check_text(const char *name, const char *text, size_t bytes, ln_error *err)
{
    const unsigned char *data = (const unsigned char *)text;
    int64_t line = 1;

    if (bytes >= 2 &&
        ((data[0] == 0xFF && data[1] == 0xFE) || (data[0] == 0xFE && data[1] == 0xFF)))
        return ln_fail(err, LN_EINVALID, "%s is UTF-16 text; save it as UTF-8", name);
    for (size_t i = 0; i < bytes;) {
        size_t length = data[i] == 0 ? 0 : utf8_length(data + i, bytes - i);
        if (data[i] == 0)
            return ln_fail(err, LN_EINVALID,
                           "%s, line %lld: there is a NUL byte; the file is binary or UTF-16, "
                           "and a CSV file is UTF-8 text",
                           name, (long long)line);
        if (length == 0)
            return ln_fail(err, LN_EINVALID,
                           "%s, line %lld: byte 0x%02X is not valid UTF-8; save the file as UTF-8",
                           name, (long long)line, data[i]);
        line += data[i] == '\n';
        i += length;
    }
    return LN_OK;
}

/* ---------------------------------------------------------------- records */

static ln_status add_field(parser *p, char *field, ln_error *err)
{
    if (p->count == p->room) {
        int64_t room = p->room ? 2 * p->room : 32;
        char **fields = ln_realloc(p->fields, (size_t)room * sizeof *fields);
        if (!fields)
            return ln_fail_memory(err, (size_t)room * sizeof *fields);
        p->fields = fields;
        p->room = room;
    }
    p->fields[p->count++] = field;
    return LN_OK;
}

/* A field that starts with a quote: unquoted towards its own start, `at` moves behind it. */
static ln_status read_quoted(parser *p, ln_error *err)
{
    int64_t opened = p->line;
    char *write = p->at++;
    for (;; p->at++) {
        if (p->at == p->end)
            return ln_fail(err, LN_EINVALID,
                           "%s, line %lld: the quote that opens here is never closed", p->name,
                           (long long)opened);
        if (*p->at == '"') {
            if (p->at + 1 < p->end && p->at[1] == '"')
                p->at++;
            else
                break;
        }
        p->line += *p->at == '\n';
        *write++ = *p->at;
    }
    char *behind = ++p->at;
    if (behind < p->end && *behind != p->separator && *behind != '\n' && *behind != '\r')
        return ln_fail(err, LN_EINVALID,
                       "%s, line %lld: text follows a closing quote; a quote inside a quoted field "
                       "is written twice",
                       p->name, (long long)p->line);
    *write = '\0';
    return LN_OK;
}

static ln_status read_plain(parser *p, ln_error *err)
{
    while (p->at < p->end && *p->at != p->separator && *p->at != '\n' && *p->at != '\r') {
        if (*p->at == '"')
            return ln_fail(err, LN_EINVALID,
                           "%s, line %lld: there is a quote inside a field without quotes; put the "
                           "field in quotes and write the quote twice",
                           p->name, (long long)p->line);
        p->at++;
    }
    return LN_OK;
}

/* One record into fields; *line is where it starts. */
static ln_status read_record(parser *p, int64_t *line, ln_error *err)
{
    p->count = 0;
    *line = p->line;
    for (;;) {
        ln_status status = add_field(p, p->at, err);
        if (status == LN_OK)
            status = p->at < p->end && *p->at == '"' ? read_quoted(p, err) : read_plain(p, err);
        if (status != LN_OK)
            return status;
        char *stop = p->at;
        char what = stop < p->end ? *stop : '\n';
        if (what == '\r') {
            if (stop + 1 < p->end && stop[1] != '\n')
                return ln_fail(err, LN_EINVALID,
                               "%s, line %lld: there is a carriage return without a line feed; "
                               "lines end in LF or CRLF",
                               p->name, (long long)p->line);
            p->at = stop + 1 < p->end ? stop + 2 : p->end;
        } else {
            p->at = stop < p->end ? stop + 1 : p->end;
        }
        *stop = '\0'; /* ends a plain field; a quoted one has its NUL already */
        if (what == p->separator)
            continue;
        p->line++;
        return LN_OK;
    }
}

static void skip_empty_lines(parser *p)
{
    for (;; p->line++) {
        if (p->at < p->end && *p->at == '\n')
            p->at++;
        else if (p->at + 1 < p->end && p->at[0] == '\r' && p->at[1] == '\n')
            p->at += 2;
        else
            return;
    }
}

/* ---------------------------------------------------------------- the table */

static ln_status check_names(const ln_csv_table *table, int64_t line, ln_error *err)
{
    ln_interner seen = {0};
    ln_status status = LN_OK;
    for (int i = 0; i < table->column_count && status == LN_OK; i++) {
        int32_t first = ln_interner_add(&seen, table->names[i]);
        if (first < 0)
            status = ln_fail_memory(err, 2 * (size_t)seen.count * sizeof *seen.texts);
        else if (table->names[i][0] == '\0')
            status = ln_fail(err, LN_EINVALID,
                             "%s, line %lld: column %d has no name; the first line names every "
                             "column",
                             table->name, (long long)line, i + 1);
        else if (first < i)
            status = ln_fail(err, LN_EINVALID,
                             "%s, line %lld: columns %d and %d are both named '%s'; names must "
                             "differ",
                             table->name, (long long)line, first + 1, i + 1,
                             ln_csv_show(table->names[i]).text);
    }
    ln_interner_free(&seen);
    return status;
}

static ln_status read_names(ln_csv_table *table, parser *p, ln_error *err)
{
    int64_t line;
    ln_status status = read_record(p, &line, err);
    if (status != LN_OK)
        return status;
    if (p->count > INT32_MAX / 2)
        return ln_fail(err, LN_EUNSUPPORTED, "%s has %lld columns, which is too many", p->name,
                       (long long)p->count);
    table->names = ln_calloc((size_t)p->count, sizeof *table->names);
    table->cells = ln_calloc((size_t)p->count, sizeof *table->cells);
    if (!table->names || !table->cells)
        return ln_fail_memory(err, (size_t)p->count * sizeof *table->names);
    table->column_count = (int)p->count;
    memcpy(table->names, p->fields, (size_t)p->count * sizeof *table->names);
    return check_names(table, line, err);
}

static ln_status grow(ln_csv_table *table, ln_error *err)
{
    int64_t room = table->room ? table->room + table->room / 2 : ROWS_AT_FIRST;
    for (int i = 0; i < table->column_count; i++) {
        char **cells = ln_realloc(table->cells[i], (size_t)room * sizeof *cells);
        if (!cells)
            return ln_fail_memory(err, (size_t)room * sizeof *cells);
        table->cells[i] = cells;
    }
    int64_t *lines = ln_realloc(table->lines, (size_t)room * sizeof *lines);
    if (!lines)
        return ln_fail_memory(err, (size_t)room * sizeof *lines);
    table->lines = lines;
    table->room = room;
    return LN_OK;
}

static ln_status read_row(ln_csv_table *table, parser *p, ln_error *err)
{
    int64_t line;
    ln_status status = read_record(p, &line, err);
    if (status != LN_OK)
        return status;
    if (p->count != table->column_count) {
        const char *which = p->count < table->column_count ? "short" : "long";
        return ln_fail(err, LN_EINVALID,
                       "%s, line %lld: the row is too %s: it has %lld %s, the first line names %d "
                       "columns",
                       p->name, (long long)line, which, (long long)p->count,
                       p->count == 1 ? "value" : "values", table->column_count);
    }
    if (table->rows == table->room && (status = grow(table, err)) != LN_OK)
        return status;
    for (int i = 0; i < table->column_count; i++)
        table->cells[i][table->rows] = p->fields[i];
    table->lines[table->rows++] = line;
    return LN_OK;
}

ln_status ln_csv_table_read(ln_csv_table *table, const char *name, char *text, size_t bytes,
                            char separator, ln_error *err)
{
    parser p = {.name = name, .at = text, .end = text + bytes, .separator = separator, .line = 1};
    ln_status status;

    *table = (ln_csv_table){.name = name, .text = text};
    status = check_text(name, text, bytes, err);
    if (status != LN_OK)
        return status;
    if (bytes >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        p.at += 3;
    skip_empty_lines(&p);
    if (p.at == p.end)
        return ln_fail(err, LN_EINVALID,
                       "%s is empty; the first line of a CSV file names its columns", name);
    status = read_names(table, &p, err);
    while (status == LN_OK) {
        skip_empty_lines(&p);
        if (p.at == p.end)
            break;
        status = read_row(table, &p, err);
        if (status == LN_OK && table->rows % INTERRUPT_ROWS == 0)
            status = ln_check_interrupt(err);
    }
    if (status == LN_OK && table->rows == 0)
        status = ln_fail(err, LN_EINVALID, "%s has a line of column names but no rows", name);
    ln_free(p.fields);
    return status;
}

void ln_csv_table_free(ln_csv_table *table)
{
    for (int i = 0; i < table->column_count; i++)
        ln_free(table->cells[i]);
    ln_free(table->cells);
    ln_free(table->names);
    ln_free(table->lines);
    ln_free(table->text);
    *table = (ln_csv_table){0};
}

int ln_csv_table_find(const ln_csv_table *table, const char *name)
{
    for (int i = 0; i < table->column_count; i++) {
        if (strcmp(table->names[i], name) == 0)
            return i;
    }
    return -1;
}

ln_shown ln_csv_show(const char *cell)
{
    const size_t most = 48;
    ln_shown shown;
    size_t length = strlen(cell), keep = length;
    if (keep > most) {
        keep = most;
        while (keep > 0 && ((unsigned char)cell[keep] & 0xC0) == 0x80)
            keep--;
    }
    for (size_t i = 0; i < keep; i++)
        shown.text[i] = (unsigned char)cell[i] < 0x20 || cell[i] == 0x7F ? '?' : cell[i];
    strcpy(shown.text + keep, keep < length ? "..." : "");
    return shown;
}
