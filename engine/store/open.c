/* Opening and closing a store.
 *
 * A writer switches the file to WAL, creates or migrates the schema and marks runs whose processes
 * are gone. A reader asks for the same access where it has it, since a read-only connection leaves
 * -wal and -shm files behind, but sets query_only; where it may not write it opens read-only, and
 * where there is no -wal in a folder it may not write, as immutable.
 *
 * Trusted schema is off and defensive mode on: a store from elsewhere cannot run more than its own
 * plain views. Extensions cannot be loaded into our connections. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/internal.h"

static void *sqlite_alloc(int bytes)
{
    return ln_alloc((size_t)bytes);
}

static void *sqlite_realloc(void *block, int bytes)
{
    return ln_realloc(block, (size_t)bytes);
}

static int sqlite_size(void *block)
{
    return block ? (int)ln_alloc_size(block) : 0;
}

static int sqlite_roundup(int bytes)
{
    return (bytes + 7) & ~7;
}

static int sqlite_init(void *unused)
{
    (void)unused;
    return SQLITE_OK;
}

static void sqlite_shutdown(void *unused)
{
    (void)unused;
}

void ln_store_configure(void)
{
    static const sqlite3_mem_methods methods = {
        sqlite_alloc,   ln_free,     sqlite_realloc,  sqlite_size,
        sqlite_roundup, sqlite_init, sqlite_shutdown, NULL};
    /* Too late (SQLITE_MISUSE) once SQLite is in use: then everything is set already. */
    sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

const char *ln_store_library(void)
{
    return sqlite3_libversion();
}

const char *ln_store_path(const ln_store *store)
{
    return store->path;
}

/* The path for SQLite: names with a meaning of their own (":memory:", "file:...") are files to us.
 * */
static char *plain_path(const char *path)
{
    bool special = path[0] == ':' || strncmp(path, "file:", 5) == 0;
    ln_text text = {0};
    ln_text_add(&text, special ? "./" : "");
    ln_text_add(&text, path);
    if (text.failed)
        ln_text_free(&text);
    return text.data;
}

/* "file:/a%20b.db?immutable=1" */
static char *uri_with(const char *path, const char *query)
{
    ln_text text = {0};
    ln_text_add(&text, "file:");
    for (const char *c = path; *c; c++) {
        if (strchr("%?#", *c) || (unsigned char)*c <= ' ')
            ln_text_format(&text, "%%%02X", (unsigned)(unsigned char)*c);
        else
            ln_text_addn(&text, c, 1);
    }
    ln_text_add(&text, query);
    if (text.failed)
        ln_text_free(&text);
    return text.data;
}

/* Whether there is a -wal file with something in it. */
static bool has_log(const char *path)
{
    ln_text wal = {0};
    struct stat about;
    ln_text_format(&wal, "%s-wal", path);
    bool there = !wal.failed && stat(wal.data, &about) == 0 && about.st_size > 0;
    ln_text_free(&wal);
    return there;
}

/* The folder of a file: "." where its path names none. Allocates nothing: these questions are asked
 * also when there is no memory. */
static void folder_of(const char *path, char folder[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    snprintf(folder, PATH_MAX, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
}

static bool folder_writable(const char *path)
{
    char folder[PATH_MAX];
    folder_of(path, folder);
    return access(folder, W_OK) == 0;
}

static bool folder_exists(const char *path)
{
    struct stat about;
    char folder[PATH_MAX];
    folder_of(path, folder);
    return stat(folder, &about) == 0 && S_ISDIR(about.st_mode);
}

static ln_status read_only_folder(const char *path, ln_error *err)
{
    return ln_fail(
        err, LN_ESTORE,
        "the store '%s' cannot be written: its folder is read-only or may not be written "
        "(a store keeps its log beside it)",
        path);
}

static ln_status check_file(const char *path, ln_store_mode mode, ln_error *err)
{
    struct stat about;
    if (path[0] == '\0')
        return ln_fail(err, LN_EFILE, "the store's path is empty");
    if (stat(path, &about) != 0) {
        if (mode == LN_STORE_WRITE && errno == ENOENT)
            return folder_exists(path) && !folder_writable(path) ? read_only_folder(path, err)
                                                                 : LN_OK;
        if (errno == ENOENT) {
            ln_fail(err, LN_EFILE, "there is no store '%s'", path);
            ln_error_hint(err, "`lunette run SCRIPT.lua` makes one; --db PATH or $LUNETTE_DB names "
                               "another");
            return LN_EFILE;
        }
        return ln_fail(err, mode == LN_STORE_READ ? LN_EFILE : LN_ESTORE,
                       "the store '%s' cannot be opened: %s", path, strerror(errno));
    }
    if (S_ISDIR(about.st_mode))
        return ln_fail(err, LN_ESTORE, "'%s' is a folder, a store is a file", path);
    /* Also root, who may write anything, means a file without any write permission to be kept. */
    if (mode == LN_STORE_WRITE && S_ISREG(about.st_mode) && (about.st_mode & 0222) == 0)
        return ln_fail(err, LN_ESTORE, "the store '%s' cannot be written: the file is read-only",
                       path);
    if (mode == LN_STORE_WRITE && !folder_writable(path))
        return read_only_folder(path, err);
    if (access(path, R_OK) != 0)
        return ln_fail(err, mode == LN_STORE_READ ? LN_EFILE : LN_ESTORE,
                       "the store '%s' may not be read (no permission)", path);
    return LN_OK;
}

char *ln_store_uri(const char *path, bool guarded)
{
    char *plain = plain_path(path);
    bool writable = access(path, W_OK) == 0 && folder_writable(path);
    const char *query = !writable && !has_log(path) ? "?immutable=1" : guarded ? "" : "?mode=ro";
    char *uri = plain ? uri_with(plain, query) : NULL;
    ln_free(plain);
    return uri;
}

static ln_status open_file(ln_store *store, ln_error *err)
{
    const char *path = store->path;
    bool reader = store->mode == LN_STORE_READ;
    bool writable = !reader || (access(path, W_OK) == 0 && folder_writable(path));
    bool immutable = !writable && !has_log(path);
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_URI |
                (writable ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) |
                (reader ? 0 : SQLITE_OPEN_CREATE);
    char *plain = plain_path(path);
    char *name = immutable && plain ? uri_with(plain, "?immutable=1") : plain;
    ln_status status = LN_OK;
    if (!name) {
        status = ln_fail_memory(err, strlen(path));
    } else {
        int code = sqlite3_open_v2(name, &store->db, flags, NULL);
        if (code != SQLITE_OK)
            status = store->db ? ln_store_error(store, code, err) : ln_fail_memory(err, 0);
    }
    if (name != plain)
        ln_free(name);
    ln_free(plain);
    return status;
}

ln_status ln_store_connect(ln_store *store, ln_error *err)
{
    ln_status status = open_file(store, err);
    if (status != LN_OK)
        return status;
    sqlite3_busy_timeout(store->db, LN_BUSY_MILLISECONDS);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
    return ln_store_exec(store, "PRAGMA cache_size = -16000", err);
}

static ln_status set_up(ln_store *store, ln_error *err)
{
    int code = ln_sql_register(store->db);
    if (code != SQLITE_OK)
        return ln_store_error(store, code, err);
    sqlite3_set_authorizer(store->db, ln_store_authorize, store);
    return ln_store_exec(store, "PRAGMA foreign_keys = ON", err);
}

/* WAL needs the file for itself for a moment, and SQLite does not wait for that; we do. */
static ln_status set_wal(ln_store *store, ln_error *err)
{
    for (int waited = 0;; waited += 10) {
        sqlite3_stmt *statement;
        ln_status status = ln_store_prepare(store, "PRAGMA journal_mode = WAL", &statement, err);
        if (status != LN_OK)
            return status;
        int code = sqlite3_step(statement);
        const char *mode =
            code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
        bool done = mode && strcmp(mode, "wal") == 0;
        sqlite3_finalize(statement);
        if (done)
            return ln_store_exec(store, "PRAGMA synchronous = NORMAL", err);
        if (code == SQLITE_ROW)
            return ln_fail(err, LN_ESTORE,
                           "the store '%s' cannot be switched to write-ahead logging: its file "
                           "system has no shared memory",
                           store->path);
        if ((code & 0xff) != SQLITE_BUSY || waited >= LN_BUSY_MILLISECONDS)
            return ln_store_error(store, code, err);
        sqlite3_sleep(10);
    }
}

static ln_status newer(const ln_store *store, int version, ln_error *err)
{
    return ln_fail(err, LN_ESTORE,
                   "the store '%s' was written by a newer Lunette (schema version %d); this is "
                   "version %s, which knows schema versions up to %d",
                   store->path, version, LN_VERSION, LN_SCHEMA_VERSION);
}

static ln_status open_writer(ln_store *store, ln_error *err)
{
    int version;
    int64_t marked, page_bytes;
    ln_status status = ln_store_version(store, &version, err);
    if (status != LN_OK)
        return status;
    if (version > LN_SCHEMA_VERSION)
        return newer(store, version, err);
    if (sqlite3_db_readonly(store->db, "main") == 1)
        return ln_sqlite_error(store->db, store->path, SQLITE_READONLY, err);
    if (version == 0) {
        /* An empty file made by someone else may have another page size, fixed once it is WAL. */
        status = ln_store_exec(store, "PRAGMA page_size = 16384", err);
        if (status == LN_OK)
            status = ln_store_number(store, "PRAGMA page_size", 0, 0, &page_bytes, err);
        if (status == LN_OK && page_bytes != LN_PAGE_BYTES)
            status = ln_store_exec(
                store, "PRAGMA journal_mode = DELETE; PRAGMA page_size = 16384; VACUUM", err);
    }
    if (status == LN_OK)
        status = set_wal(store, err);
    if (status == LN_OK && version < LN_SCHEMA_VERSION)
        status = ln_store_migrate(store, ln_migrations, err);
    return status != LN_OK ? status : ln_store_mark_dead(store, &marked, err);
}

/* A reader migrates an older store where it may; where it may not, it can still be read as it is
 * if today's views fit its tables. */
static ln_status bring_up(ln_store *store, int version, bool *old, ln_error *err)
{
    ln_error reason = {0};
    ln_store *writer;
    *old = false;
    ln_status status = ln_store_open(store->path, LN_STORE_WRITE, &writer, &reason);
    ln_store_close(writer);
    if (status == LN_OK)
        return LN_OK;
    *old = version >= LN_SCHEMA_READABLE && status == LN_ESTORE;
    if (*old)
        return LN_OK;
    ln_fail(err, status, "the store '%s' is of an older version (%d) and must be brought to %d: %s",
            store->path, version, LN_SCHEMA_VERSION, reason.message);
    ln_error_hint(err, "a copy of it in a folder that may be written can be read");
    return status;
}

static ln_status open_reader(ln_store *store, ln_error *err)
{
    int version;
    bool old = false, dead = false;
    ln_status status = ln_store_version(store, &version, err);
    if (status != LN_OK)
        return status;
    if (version == 0)
        return ln_fail(err, LN_ESTORE, "'%s' is empty, no store yet", store->path);
    if (version > LN_SCHEMA_VERSION)
        return newer(store, version, err);
    if (version < LN_SCHEMA_VERSION)
        status = bring_up(store, version, &old, err);
    if (status == LN_OK)
        status = ln_store_hide_dead(store, &dead, err);
    if (status == LN_OK && (old || dead))
        status = ln_store_temporary_views(store, old, err);
    return status != LN_OK ? status : ln_store_exec(store, "PRAGMA query_only = 1", err);
}

/* Fills the connection of `copy` with what `store` has. */
static ln_status copy_pages(ln_store *store, ln_store *copy, ln_error *err)
{
    int code = sqlite3_open_v2("", &copy->db,
                               SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_READWRITE |
                                   SQLITE_OPEN_CREATE,
                               NULL);
    if (code != SQLITE_OK)
        return copy->db ? ln_store_error(copy, code, err) : ln_fail_memory(err, 0);
    sqlite3_backup *backup = sqlite3_backup_init(copy->db, "main", store->db, "main");
    if (!backup)
        return ln_store_error(copy, sqlite3_errcode(copy->db), err);
    code = sqlite3_backup_step(backup, -1);
    sqlite3_backup_finish(backup);
    return code == SQLITE_DONE ? set_up(copy, err) : ln_store_error(copy, code, err);
}

ln_status ln_store_current(ln_store *store, ln_store **out, ln_error *err)
{
    int version;
    bool dead;
    *out = NULL;
    ln_status status = ln_store_version(store, &version, err);
    if (status != LN_OK || version == LN_SCHEMA_VERSION)
        return status;
    ln_store *copy = ln_calloc(1, sizeof *copy);
    char *path = ln_strdup(store->path);
    if (!copy || !path) {
        ln_free(copy);
        ln_free(path);
        return ln_fail_memory(err, sizeof *copy);
    }
    copy->path = path;
    copy->mode = LN_STORE_READ;
    copy->running_fd = -1;
    status = copy_pages(store, copy, err);
    if (status == LN_OK)
        status = ln_store_migrate(copy, ln_migrations, err);
    if (status == LN_OK)
        status = ln_store_hide_dead(copy, &dead, err);
    if (status == LN_OK && dead)
        status = ln_store_temporary_views(copy, false, err);
    if (status == LN_OK)
        *out = copy;
    else
        ln_store_close(copy);
    return status;
}

ln_status ln_store_open(const char *path, ln_store_mode mode, ln_store **out, ln_error *err)
{
    *out = NULL;
    ln_store_configure();
    ln_status status = check_file(path, mode, err);
    if (status != LN_OK)
        return status;
    ln_store *store = ln_calloc(1, sizeof *store);
    char *copy = ln_strdup(path);
    if (!store || !copy) {
        ln_free(store);
        ln_free(copy);
        return ln_fail_memory(err, sizeof *store);
    }
    store->path = copy;
    store->mode = mode;
    store->running_fd = -1;
    status = ln_store_connect(store, err);
    if (status == LN_OK)
        status = set_up(store, err);
    if (status == LN_OK)
        status = mode == LN_STORE_WRITE ? open_writer(store, err) : open_reader(store, err);
    if (status != LN_OK) {
        ln_store_close(store);
        return status;
    }
    *out = store;
    return LN_OK;
}

void ln_store_close(ln_store *store)
{
    if (!store)
        return;
    ln_store_writer_close(store);
    for (int i = 0; i < store->kept_count; i++) {
        sqlite3_finalize(store->kept[i].statement);
        ln_free(store->kept[i].key);
    }
    ln_free(store->kept);
    for (size_t i = 0; i < sizeof store->put / sizeof *store->put; i++)
        sqlite3_finalize(store->put[i]);
    sqlite3_close_v2(store->db);
    ln_store_running_close(store);
    ln_free(store->path);
    ln_free(store);
}
