/* One cell as text, in each format, and how wide text is on a terminal.
 *
 * What a terminal would obey (escape sequences, line ends in a name that somebody put into a CSV
 * file) never reaches it: table and md write control characters as \n, \t or \x1b. */
#include "table_cell.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "base/alloc.h"

bool ln_cell_columns_copy(ln_cell_columns *to, const ln_table_column *from, int count)
{
    to->count = count;
    to->names = ln_calloc((size_t)count + 1, sizeof *to->names);
    to->origins = ln_calloc((size_t)count + 1, sizeof *to->origins);
    for (int i = 0; i < count && to->names && to->origins; i++) {
        to->names[i] = ln_strdup(from[i].name);
        to->origins[i] = from[i].origin ? ln_strdup(from[i].origin) : NULL;
        if (!to->names[i] || (from[i].origin && !to->origins[i]))
            return false;
    }
    return to->names && to->origins;
}

void ln_cell_columns_free(ln_cell_columns *columns)
{
    for (int i = 0; i < columns->count; i++) {
        if (columns->names)
            ln_free(columns->names[i]);
        if (columns->origins)
            ln_free(columns->origins[i]);
    }
    ln_free(columns->names);
    ln_free(columns->origins);
}

/* --- characters --------------------------------------------------------------------------------
 * */

/* The character at text and its bytes; a byte that begins none is U+FFFD of 1 byte. */
static uint32_t decode(const unsigned char *text, size_t bytes, size_t *length)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned first = text[0];
    size_t n = first < 0x80 ? 1 : first >= 0xf0 && first < 0xf8 ? 4 : first >= 0xe0 ? 3 : 2;
    uint32_t c = n == 1 ? first : first & (0x7fu >> n);
    *length = 1;
    if (n == 1)
        return c;
    if (first < 0xc2 || first >= 0xf8 || n > bytes)
        return 0xfffd;
    for (size_t i = 1; i < n; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0xfffd;
        c = c << 6 | (text[i] & 0x3f);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0xfffd;
    *length = n;
    return c;
}

/* Terminal cells of a character, as the C library has it from Unicode (main sets LC_CTYPE): 0 of
 * combining marks, 2 of East Asian wide ones; 1 of those it does not know. */
static int width_of(uint32_t c)
{
    int width = c < 0x300 ? 1 : wcwidth((wchar_t)c);
    return width < 0 ? 1 : width;
}

int ln_text_width(const char *text, size_t bytes)
{
    int width = 0;
    for (size_t i = 0, length; i < bytes; i += length)
        width += width_of(decode((const unsigned char *)text + i, bytes - i, &length));
    return width;
}

/* Text for people: control characters visible; in md also the bar escaped. */
static void write_visible(ln_text *out, const char *data, size_t bytes, bool md)
{
    for (size_t i = 0, length; i < bytes; i += length) {
        uint32_t c = decode((const unsigned char *)data + i, bytes - i, &length);
        if (c == '\n' || c == '\t' || c == '\r')
            ln_text_add(out, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r");
        else if (c < 0x20 || (c >= 0x7f && c < 0xa0))
            ln_text_format(out, "\\x%02x", (unsigned)c);
        else if (c == 0xfffd && length == 1)
            ln_text_add(out, "\xef\xbf\xbd");
        else if (c == '|' && md)
            ln_text_add(out, "\\|");
        else
            ln_text_addn(out, data + i, length);
    }
}

static void write_csv(ln_text *out, const char *data, size_t bytes)
{
    bool quote = bytes == 0 || data[0] == ' ' || data[bytes - 1] == ' ';
    for (size_t i = 0; i < bytes && !quote; i++)
        quote = strchr("\",\r\n", data[i]) != NULL;
    if (!quote) {
        ln_text_addn(out, data, bytes);
        return;
    }
    ln_text_add(out, "\"");
    for (size_t i = 0; i < bytes; i++) {
        ln_text_addn(out, data + i, 1);
        if (data[i] == '"')
            ln_text_add(out, "\"");
    }
    ln_text_add(out, "\"");
}

static void write_tsv(ln_text *out, const char *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        const char *escaped = data[i] == '\t'   ? "\\t"
                              : data[i] == '\n' ? "\\n"
                              : data[i] == '\r' ? "\\r"
                              : data[i] == '\\' ? "\\\\"
                                                : NULL;
        if (escaped)
            ln_text_add(out, escaped);
        else
            ln_text_addn(out, data + i, 1);
    }
}

static void write_text(ln_text *out, ln_format format, const char *data, size_t bytes)
{
    if (format == LN_FORMAT_CSV)
        write_csv(out, data, bytes);
    else if (format == LN_FORMAT_TSV)
        write_tsv(out, data, bytes);
    else if (format == LN_FORMAT_JSON || format == LN_FORMAT_JSONL)
        ln_text_json_string(out, data, bytes);
    else
        write_visible(out, data, bytes, format == LN_FORMAT_MD);
}

/* --- numbers and BLOBs -------------------------------------------------------------------------
 * */

/* People get 15 digits as from the sqlite3 shell, files what reads back the same; 2.0 stays 2.0. */
static void write_real(ln_text *out, ln_format format, double real)
{
    bool json = format == LN_FORMAT_JSON || format == LN_FORMAT_JSONL;
    if (!isfinite(real)) {
        ln_text_add(out, json ? "null" : real > 0 ? "inf" : "-inf");
        return;
    }
    size_t before = out->length;
    if (format == LN_FORMAT_TABLE || format == LN_FORMAT_MD)
        ln_text_format(out, "%.15g", real);
    else
        ln_text_json_number(out, real);
    if (!out->failed && !strpbrk(out->data + before, ".en"))
        ln_text_add(out, ".0");
}

static bool named(const ln_cell_origin *origin, int column, const char *name)
{
    const char *there = origin->columns->origins[column];
    return there && strcmp(there, name) == 0;
}

/* The text cell of the row that is the store's column `name`, or NULL. */
static const ln_cell *beside(const ln_cell_origin *origin, const char *name)
{
    for (int i = 0; i < origin->columns->count; i++)
        if (named(origin, i, name) && origin->row[i].type == LN_CELL_TEXT)
            return &origin->row[i];
    return NULL;
}

static void write_hex(ln_text *out, const unsigned char *data, size_t bytes)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes; i++) {
        char two[] = {digits[data[i] >> 4], digits[data[i] & 15]};
        ln_text_addn(out, two, 2);
    }
}

/* "f32 [28, 28], 3136 bytes", "f32 [784], 3136 bytes" or "16 bytes". */
static void write_size(ln_text *out, const ln_cell *cell, const ln_cell_origin *origin)
{
    const ln_cell *shape = beside(origin, "shape"), *dtype = beside(origin, "dtype");
    if (named(origin, origin->column, "data") && shape && dtype) {
        ln_text_format(out, "%.*s ", (int)dtype->bytes, (const char *)dtype->data);
        for (const char *c = shape->data; c < (const char *)shape->data + shape->bytes; c++)
            if (*c != ' ')
                ln_text_add(out, *c == ',' ? ", " : (const char[]){*c, '\0'});
        ln_text_add(out, ", ");
    } else if (!origin->columns->origins[origin->column] && cell->bytes % 4 == 0) {
        ln_text_format(out, "f32 [%zu], ", cell->bytes / 4);
    }
    ln_text_format(out, "%zu bytes", cell->bytes);
}

static void write_blob(ln_text *out, ln_format format, const ln_cell *cell,
                       const ln_cell_origin *origin)
{
    bool json = format == LN_FORMAT_JSON || format == LN_FORMAT_JSONL;
    bool people = format == LN_FORMAT_TABLE || format == LN_FORMAT_MD;
    if (people && !named(origin, origin->column, "sha256")) {
        write_size(out, cell, origin);
        return;
    }
    ln_text_add(out, json ? "\"" : "");
    write_hex(out, cell->data, cell->bytes);
    ln_text_add(out, json ? "\"" : "");
}

void ln_cell_write(ln_text *text, ln_format format, const ln_cell *cell,
                   const ln_cell_origin *origin)
{
    switch (cell->type) {
    case LN_CELL_NULL:
        if (format != LN_FORMAT_CSV && format != LN_FORMAT_TSV)
            ln_text_add(text,
                        format == LN_FORMAT_JSON || format == LN_FORMAT_JSONL ? "null" : "NULL");
        break;
    case LN_CELL_INT:
        ln_text_format(text, "%lld", (long long)cell->integer);
        break;
    case LN_CELL_REAL:
        write_real(text, format, cell->real);
        break;
    case LN_CELL_TEXT:
        write_text(text, format, cell->data ? cell->data : "", cell->bytes);
        break;
    case LN_CELL_BLOB:
        write_blob(text, format, cell, origin);
        break;
    }
}
