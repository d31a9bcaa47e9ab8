/* The virtual tables over attributions, and the functions that read one. */
#ifndef LN_STORE_ELEMENT_H
#define LN_STORE_ELEMENT_H

#include "store/reader.h"

/* Each keeps a reference to the hub, also when it fails. */
int ln_sql_register_element(sqlite3 *db, ln_hub *hub);
int ln_sql_register_importance(sqlite3 *db, ln_hub *hub);
int ln_sql_register_values(sqlite3 *db, ln_hub *hub);

/* Hands an error of the reader to SQLite with the reader's words. Returns the code. */
int ln_element_fail(sqlite3_vtab *table, const ln_reader *reader, int code);

#endif
