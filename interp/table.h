/* Printing rows, for every command that prints rows: table, csv, tsv, json, jsonl or md.
 *
 * table and md right-align columns that hold only numbers, count a character as wide as a terminal
 * shows it, and show NULL as NULL and BLOBs as what they hold: "f32 [784], 3136 bytes" for an
 * expression's (what tensor functions return), "f32 [28, 28], 3136 bytes" for tensor.data beside its
 * shape and dtype, else "16 bytes". csv and tsv leave NULL empty. csv, tsv, json and jsonl write BLOBs whole, in
 * hexadecimal, and reals with the fewest digits that read back the same. A column sha256 is
 * hexadecimal everywhere. */
#ifndef LN_TABLE_H
#define LN_TABLE_H

#include <stdio.h>

#include "base/text.h"
#include "lunette.h"
#include "store/store.h"

typedef enum ln_format {
    LN_FORMAT_TABLE,
    LN_FORMAT_CSV,
    LN_FORMAT_TSV,
    LN_FORMAT_JSON,
    LN_FORMAT_JSONL,
    LN_FORMAT_MD,
} ln_format;

/* NULL: table. LN_EINVALID naming the formats. */
ln_status ln_format_parse(const char *text, ln_format *out, ln_error *err);

typedef struct ln_table_column {
    const char *name;   /* its heading; copied */
    const char *origin; /* the store's column it is, or NULL: an expression; copied */
} ln_table_column;

typedef struct ln_table ln_table;

ln_status ln_table_new(FILE *out, ln_format format, const ln_table_column *columns, int count,
                       ln_table **table, ln_error *err);
/* table and md for a page to read: columns in which every row is NULL are left out, and NULL is
 * blank. */
void ln_table_terse(ln_table *table);
/* One cell a column; cell.column is not looked at. table and md print at the end, or after 10000 rows,
 * whose widths are kept then; the others print at once. */
ln_status ln_table_row(ln_table *table, const ln_cell *cells, ln_error *err);
/* LN_EIO where the output could not be written. */
ln_status ln_table_end(ln_table *table, ln_error *err);
void ln_table_free(ln_table *table); /* NULL is fine */

/* How many terminal cells UTF-8 text takes. */
int ln_text_width(const char *text, size_t bytes);

#endif
