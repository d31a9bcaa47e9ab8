/* sqlite3.h, twice: inside lunette the library's own functions are called (SQLITE_CORE is defined),
 * inside lunette_sqlite.so the same files call through the table that the host process gives. */
#ifndef LN_STORE_SQLITE_H
#define LN_STORE_SQLITE_H

#ifdef SQLITE_CORE
#include <sqlite3.h>
#else
#include <sqlite3ext.h>
extern const sqlite3_api_routines *sqlite3_api; /* in extension.c */
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Everything this room adds to SQL, on one connection. Returns an SQLite code. */
int ln_sql_register(sqlite3 *db);

/* Its parts; each registers what its file describes. */
int ln_sql_register_scalars(sqlite3 *db);
int ln_sql_register_pairs(sqlite3 *db);
int ln_sql_register_aggregates(sqlite3 *db);
int ln_sql_register_each(sqlite3 *db);

/* --- float32 BLOBs as arguments ----------------------------------------------------------------
 * */

/* A list of float32 numbers, borrowed from an argument; not aligned. */
typedef struct ln_floats {
    const unsigned char *data; /* count * 4 bytes */
    int64_t count;             /* numbers */
} ln_floats;

static inline float ln_float_at(const ln_floats *floats, int64_t i)
{
    float number;
    __builtin_memcpy(&number, floats->data + 4 * i, sizeof number);
    return number;
}

/* Fills *out from an argument. False: the result is set already, to NULL where the argument is
 * NULL, to an error naming `function` where it is no BLOB or its size is no multiple of 4. */
bool ln_sql_floats(sqlite3_context *context, const char *function, sqlite3_value *value,
                   ln_floats *out);

/* An error of an SQL function in our words. */
void ln_sql_error(sqlite3_context *context, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
