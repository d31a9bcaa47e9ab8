/* What a read-only statement may do: an allow list, since SQLite's own switches leave doors open
 * (`PRAGMA query_only = 0` works from SQL, ATTACH creates files, VACUUM INTO writes one even with a
 * read-only connection). Reading tables and views, built-in functions of ours and SQLite's, and
 * pragmas that only tell are allowed; all else is not, whatever SQLite adds later. */
#include <string.h>

#include "store/internal.h"

/* Pragmas that tell about a table, index or the connection; they may have an argument. */
static const char *const telling[] = {
    "collation_list",
    "compile_options",
    "database_list",
    "foreign_key_check",
    "foreign_key_list",
    "function_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "integrity_check",
    "module_list",
    "pragma_list",
    "quick_check",
    "table_info",
    "table_list",
    "table_xinfo",
    NULL,
};

/* Pragmas that tell without an argument and change something with one. */
static const char *const settings[] = {
    "application_id", "auto_vacuum",    "cache_size",   "data_version", "encoding",
    "foreign_keys",   "freelist_count", "journal_mode", "page_count",   "page_size",
    "query_only",     "schema_version", "synchronous",  "user_version", NULL,
};

/* Functions of SQLite that do more than compute. */
static const char *const acting[] = {
    "load_extension", "fts3_tokenizer", "fts5", "sqlite_log", "writefile", "readfile", "edit", NULL,
};

static bool listed(const char *name, const char *const *list)
{
    for (; name && *list; list++)
        if (sqlite3_stricmp(name, *list) == 0)
            return true;
    return false;
}

int ln_store_authorize(void *context, int action, const char *a, const char *b, const char *schema,
                       const char *trigger)
{
    (void)schema, (void)trigger;
    const ln_store *store = context;
    if (!store->guarded)
        return SQLITE_OK;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_UPDATE:
        /* SQLite asks this while it declares the columns of a virtual table, and then throws the
         * update away. A statement's own is refused all the same: defensive mode guards this
         * table, and the statement would not be read-only. */
        return a && strcmp(a, "sqlite_master") == 0 ? SQLITE_OK : SQLITE_DENY;
    case SQLITE_FUNCTION:
        return listed(b, acting) ? SQLITE_DENY : SQLITE_OK;
    case SQLITE_PRAGMA:
        return listed(a, telling) || (!b && listed(a, settings)) ? SQLITE_OK : SQLITE_DENY;
    default:
        return SQLITE_DENY;
    }
}
