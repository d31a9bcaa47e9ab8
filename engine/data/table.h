/* The text of a CSV file taken apart into cells; what they mean is csv.c's business. */
#ifndef LN_DATA_TABLE_H
#define LN_DATA_TABLE_H

#include "base/hash.h"
#include "lunette.h"

typedef struct ln_csv_file {
    const char *name;                /* the path without its folder; borrowed from the path */
    char *text;                      /* the file's text, what gzip packed unpacked, and a NUL */
    size_t bytes;                    /* of the text */
    uint8_t sha256[LN_SHA256_BYTES]; /* of the file as it is on the disk */
} ln_csv_file;
/* Caller frees file->text, or hands it to ln_csv_table_read. */
ln_status ln_csv_file_read(const char *path, ln_csv_file *file, ln_error *err);

typedef struct ln_csv_table {
    const char *name; /* the file's, for messages; borrowed */
    char *text;       /* the file, quotes resolved in place: every cell ends in a NUL */
    int column_count;
    char **names;   /* of the columns, into text */
    char ***cells;  /* a column's cells: rows pointers into text; a column may be freed early */
    int64_t *lines; /* the line of the file where each row starts, from 1 */
    int64_t rows;
    int64_t room; /* rows that cells and lines have memory for */
} ln_csv_table;

/* `text`: the file's bytes with one more byte behind them; taken over, changed, freed with the
 * table. After an error the table is to be freed too. */
ln_status ln_csv_table_read(ln_csv_table *table, const char *name, char *text, size_t bytes,
                            char separator, ln_error *err);
void ln_csv_table_free(ln_csv_table *table);
int ln_csv_table_find(const ln_csv_table *table, const char *name); /* column or -1 */

/* A cell as a message shows it: cut at a character's end, control characters as '?'. */
typedef struct ln_shown {
    char text[64]; /* what to print */
} ln_shown;
ln_shown ln_csv_show(const char *cell);

#endif
