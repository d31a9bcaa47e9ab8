/* One cell as text, in each format. Part of table.c. */
#ifndef LN_TABLE_CELL_H
#define LN_TABLE_CELL_H

#include "table.h"

/* Copies of ln_table_column, column by column. */
typedef struct ln_cell_columns {
    int count;      /* columns */
    char **names;   /* count headings */
    char **origins; /* count entries, NULL: an expression */
} ln_cell_columns;
bool ln_cell_columns_copy(ln_cell_columns *to, const ln_table_column *from, int count);
void ln_cell_columns_free(ln_cell_columns *columns);

/* Where a cell stands: what it is called and what is beside it. */
typedef struct ln_cell_origin {
    const ln_cell_columns *columns; /* of the table */
    const ln_cell *row;             /* all its cells */
    int column;                     /* which one it is */
} ln_cell_origin;

/* Appends the cell; origin NULL: a heading. */
void ln_cell_write(ln_text *text, ln_format format, const ln_cell *cell,
                   const ln_cell_origin *origin);

#endif
