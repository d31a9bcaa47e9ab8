/* Cells of the store's rows, from C values and from Lua tables. */
#ifndef LN_INTERP_CELLS_H
#define LN_INTERP_CELLS_H

#include "interp.h"

enum { LN_CELLS_MOST = 32 };

ln_cell ln_text_cell(const char *column, const char *text); /* NULL: NULL */
ln_cell ln_integer_cell(const char *column, int64_t integer);
ln_cell ln_real_cell(const char *column, double real); /* NaN: NULL */
/* The cells of a table { column = value }; their texts are borrowed from it. Returns their number. */
int ln_read_cells(lua_State *L, int table, ln_cell cells[LN_CELLS_MOST]);

#endif
