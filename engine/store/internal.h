/* What the files of this room share about an open store. */
#ifndef LN_STORE_INTERNAL_H
#define LN_STORE_INTERNAL_H

#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"
#include "store/sqlite.h"
#include "store/store.h"

#define LN_SCHEMA_VERSION 8
/* The oldest version whose tables today's views and readers understand as they are: such a store is
 * read where it cannot be migrated. A migration that adds what readers need moves this up. */
#define LN_SCHEMA_READABLE 1
#define LN_APPLICATION_ID 0x4c756e65 /* "Lune": what `file` and SQLite's header know us by */
#define LN_PAGE_BYTES 16384
#define LN_BUSY_MILLISECONDS 30000

/* A prepared statement and what it was prepared for. */
typedef struct ln_kept {
    uint64_t hash;           /* of the key */
    char *key;               /* kind, table and columns, each with a line end */
    sqlite3_stmt *statement; /* reset between uses */
} ln_kept;

/* Statements that the room itself keeps; of rows in bulk one of several and one of a single row. */
enum {
    LN_PUT_FIND_TENSOR,
    LN_PUT_TENSOR,
    LN_PUT_COST,
    LN_PUT_NEXT_ATTRIBUTION,
    LN_PUT_ATTRIBUTION,
    LN_PUT_VERDICT = LN_PUT_ATTRIBUTION + 2,
    LN_PUT_CURVE = LN_PUT_VERDICT + 2,
    LN_PUT_COUNT = LN_PUT_CURVE + 2
};

struct ln_store {
    sqlite3 *db;                      /* the connection */
    char *path;                       /* as given */
    ln_store_mode mode;               /* as given */
    ln_kept *kept;                    /* kept_count statements of write.c */
    int kept_count;                   /* how many */
    int kept_room;                    /* for how many there is room */
    sqlite3_stmt *put[LN_PUT_COUNT];  /* LN_PUT_FIND_TENSOR ... */
    int running_fd;                   /* open `<store>-running` with our locks, or -1 */
    bool guarded;                     /* a read-only query is being prepared or stepped */
    struct ln_background *background; /* writer.c: its thread, once something was submitted */
    struct ln_store *writer;          /* writer.c: the thread's connection */
    int64_t written;                  /* attributions written by it; atomic */
};

/* An older store that may not be written, brought to this version: a copy in a temporary file of SQLite's,
 * which goes when it is closed. NULL where the store itself is of this version. */
ln_status ln_store_current(ln_store *store, ln_store **out, ln_error *err);

/* The URI under which another file is read: as it is where `guarded` says that the connection cannot
 * write anyway (a read-only one would leave -wal and -shm behind), immutable where the file may not be
 * written and has no log. Caller frees; NULL when out of memory. */
char *ln_store_uri(const char *path, bool guarded);

/* Fills err from SQLite's last error on this connection: full disk, lock, damage ... in our words.
 * `code` is SQLite's. Returns LN_ESTORE, LN_ENOMEM or LN_EINTERRUPTED. */
ln_status ln_store_error(ln_store *store, int code, ln_error *err);
/* The same for a connection that is not a store yet. */
ln_status ln_sqlite_error(sqlite3 *db, const char *path, int code, ln_error *err);

/* Whether main has the table, and it the columns that the cells name. */
ln_status ln_store_check_names(const ln_store *store, const char *table, const ln_cell *cells,
                               int count, ln_error *err);
/* Statements without results; several at once. */
ln_status ln_store_exec(ln_store *store, const char *sql, ln_error *err);
/* Binds one cell. `lifetime`: SQLITE_STATIC where the cell outlives the step, else SQLITE_TRANSIENT. */
int ln_store_bind_cell(sqlite3_stmt *statement, int place, const ln_cell *cell,
                       sqlite3_destructor_type lifetime);
ln_status ln_store_prepare(ln_store *store, const char *sql, sqlite3_stmt **out, ln_error *err);
/* One step: LN_OK with *row. Otherwise the statement is reset and err filled. */
ln_status ln_store_step(ln_store *store, sqlite3_stmt *statement, bool *row, ln_error *err);
/* The first column of the only row of a query; `fallback` where there is none or it is NULL. */
ln_status ln_store_number(ln_store *store, const char *sql, int64_t argument, int64_t fallback,
                          int64_t *out, ln_error *err);

/* A transaction of our own where none is open (*own says whether), for calls that need several
 * statements to hold together; ends it by commit or, on failure, rollback. */
ln_status ln_store_enter(ln_store *store, bool *own, ln_error *err);
ln_status ln_store_leave(ln_store *store, bool own, ln_status status, ln_error *err);

/* One step of the schema's history: what leads from version - 1 to version. */
typedef struct ln_migration {
    int version;      /* reached by it */
    const char *file; /* embedded SQL: "store/schema.sql"; or NULL: */
    const char *sql;  /* a short step's SQL itself */
} ln_migration;
extern const ln_migration ln_migrations[]; /* ascending; ends with version 0 */

/* The schema's version, 0 of an empty file; LN_ESTORE where the file is no store of ours. */
ln_status ln_store_version(ln_store *store, int *version, ln_error *err);
/* Brings the store from its version to the last one of the list, in one transaction. */
ln_status ln_store_migrate(ln_store *store, const ln_migration *list, ln_error *err);
/* Opens store->db at store->path as store->mode asks, without looking at what is in it. */
ln_status ln_store_connect(ln_store *store, ln_error *err);
/* What the explanation of a piece has cost so far, in its row; LN_ESTORE where that is gone. */
ln_status ln_store_put_cost(ln_store *store, const ln_attribution_rows *rows, ln_error *err);
/* Writes what waits, and ends the thread. */
void ln_store_writer_close(ln_store *store);

/* Whether the process of some run lives, of a finished one too. */
ln_status ln_store_any_alive(const ln_store *store, bool *alive, ln_error *err);
void ln_store_running_close(ln_store *store);
/* Readers: a TEMP view over `run` that shows dead runs as interrupted (*any: there are some). */
ln_status ln_store_hide_dead(ln_store *store, bool *any, ln_error *err);
/* Readers: today's views as TEMP views; of all of them, or of run_summary alone, which reads `run`. */
ln_status ln_store_temporary_views(ln_store *store, bool all, ln_error *err);

/* Where an artifact's file is (caller frees *out), and whether its content has the stored hash. */
typedef enum ln_artifact_state {
    LN_ARTIFACT_SAME,
    LN_ARTIFACT_CHANGED, /* or it cannot be read */
    LN_ARTIFACT_MISSING,
} ln_artifact_state;
ln_status ln_store_artifact_path(const ln_store *store, const char *path, char **out,
                                 ln_error *err);
ln_status ln_store_artifact_state(const ln_store *store, const char *path, const char *sha256,
                                  ln_artifact_state *state, ln_error *err);

/* The authorizer of read-only queries; looks at store->guarded. */
int ln_store_authorize(void *store, int action, const char *a, const char *b, const char *schema,
                       const char *trigger);

#endif
