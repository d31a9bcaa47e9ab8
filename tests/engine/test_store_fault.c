/* Each write to a file of the store fails in turn, alone or with all after it, as on a full disk and as
 * on a broken one: the error says so, what was counted as written is there, the store is whole. */
#include "store_fixture.h"

#include <sqlite3.h>

enum { PIECES = 4, ROWS = 5, WIDTH = 600 };

/* --- a file system whose nth write fails ------------------------------------------------------ */

/* Methods of SQLite's own files (those with locks and those without differ), and ours: the same, but
 * for the three below. */
static struct {
    sqlite3_io_methods ours;        /* what files get; first, so that it leads to the real ones */
    const sqlite3_io_methods *real; /* SQLite's own */
} kinds[4];
static sqlite3_vfs *real_vfs, faulty_vfs; /* SQLite's own; the same, but for xOpen */
static int fail_at, writes, fail_code;    /* 0: none fails; atomic: the store has a thread */
static bool fail_on;                      /* all later ones too */

static bool fails_now(void)
{
    int n = __atomic_add_fetch(&writes, 1, __ATOMIC_RELAXED);
    return fail_at > 0 && (fail_on ? n >= fail_at : n == fail_at);
}

static const sqlite3_io_methods *real_of(const sqlite3_file *file)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (file->pMethods == &kinds[i].ours)
            return kinds[i].real;
    abort();
}

static int faulty_write(sqlite3_file *file, const void *data, int bytes, sqlite3_int64 offset)
{
    return fails_now() ? fail_code : real_of(file)->xWrite(file, data, bytes, offset);
}

static int faulty_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return fails_now() ? SQLITE_IOERR_TRUNCATE : real_of(file)->xTruncate(file, size);
}

/* Nothing here switches the machine off: what is written need not reach the disk. */
static int faulty_sync(sqlite3_file *file, int flags)
{
    (void)file, (void)flags;
    return fails_now() ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

/* SQLite's own file, with our methods in the place of its. The first opening is by one thread alone. */
static int faulty_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    int code = real_vfs->xOpen(real_vfs, name, file, flags, out);
    if (code != SQLITE_OK || !file->pMethods)
        return code;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!kinds[i].real) {
            kinds[i].real = file->pMethods;
            kinds[i].ours = *file->pMethods;
            kinds[i].ours.xWrite = faulty_write;
            kinds[i].ours.xTruncate = faulty_truncate;
            kinds[i].ours.xSync = faulty_sync;
        }
        if (file->pMethods == kinds[i].real) {
            file->pMethods = &kinds[i].ours;
            break;
        }
    }
    return code;
}

static void fail_from(int nth, int code, bool on)
{
    fail_at = nth;
    fail_code = code;
    fail_on = on;
    __atomic_store_n(&writes, 0, __ATOMIC_RELAXED);
}

/* --- a store's life --------------------------------------------------------------------------- */

static ln_status begin_run(ln_store *store, int64_t *explanation, ln_error *err)
{
    int64_t experiment, run;
    ln_status status = ln_store_begin(store, err);
    if (status != LN_OK)
        return status;
    status = ln_store_intern(store, "experiment", "name", CELLS(TEXT_CELL("name", "e")),
                             &experiment, NULL, err);
    if (status == LN_OK)
        status = ln_store_insert(store, "run",
                                 CELLS(TEXT_CELL("uuid", "u"), TEXT_CELL("invocation", "i"),
                                       INT_CELL("experiment", experiment),
                                       TEXT_CELL("status", "running"),
                                       TEXT_CELL("started_at", "2026-01-31T12:00:00.000Z")),
                                 &run, err);
    if (status == LN_OK)
        status =
            ln_store_insert(store, "explanation",
                            CELLS(INT_CELL("run", run), INT_CELL("seq", 0), TEXT_CELL("label", "l"),
                                  TEXT_CELL("explainer", "x"), TEXT_CELL("status", "running")),
                            explanation, err);
    if (status == LN_OK)
        return ln_store_commit(store, err);
    ln_store_rollback(store);
    return status;
}

static ln_status write_pieces(ln_store *store, int64_t explanation, ln_error *err)
{
    const int64_t none[ROWS] = {-1, -1, -1, -1, -1};
    ln_status status = LN_OK;
    for (int i = 0; i < PIECES && status == LN_OK; i++) {
        ln_tensor *values = tensor_random(TEST_SHAPE(ROWS, WIDTH), (uint64_t)i);
        const ln_attribution_rows rows = {.explanation = explanation,
                                          .count = ROWS,
                                          .first_seq = (int64_t)i * ROWS,
                                          .sample = none,
                                          .target = none,
                                          .kind = "feature",
                                          .space = "input",
                                          .values = values,
                                          .groups = -1,
                                          .unit = -1};
        status = ln_store_submit_piece(store, &rows, NULL, 0, err);
        ln_tensor_release(values);
    }
    if (status == LN_OK)
        status = ln_store_submit_row(store, "explanation", explanation,
                                     CELLS(TEXT_CELL("status", "ok")), err);
    return status == LN_OK ? ln_store_settle(store, err) : status;
}

/* *written: attributions that it counted. */
static ln_status life(const char *path, int64_t *written, ln_error *err)
{
    ln_store *store;
    int64_t explanation;
    *written = 0;
    ln_status status = ln_store_open(path, LN_STORE_WRITE, &store, err);
    if (status == LN_OK)
        status = begin_run(store, &explanation, err);
    if (status == LN_OK)
        status = write_pieces(store, explanation, err);
    if (store)
        *written = ln_store_written(store);
    ln_store_close(store);
    return status;
}

static void whole_afterwards(const char *path, int64_t written, ln_status status)
{
    char sql[200];
    ln_store *store = open_store(path, LN_STORE_WRITE);
    verify_all(store);
    snprintf(sql, sizeof sql,
             "SELECT count(*) >= %lld, count(*) %% %d, (SELECT count(*) FROM explanation WHERE "
             "status = 'ok') >= %d FROM attribution",
             (long long)written, ROWS, status == LN_OK);
    assert_rows(store, sql, "1|0|1");
    ln_store_close(store);
}

/* Every `step`th write. */
static void sweep(int code, bool on, int step, const char *part)
{
    const char *path = test_path("fault.db");
    char words[80];
    int survived = 0, failed = 0;
    snprintf(words, sizeof words, "%s", part);
    for (int n = 1; survived < 3; n += step) {
        ln_error err = {0};
        int64_t written;
        remove_store(path);
        fail_from(n, code, on);
        ln_status status = life(path, &written, &err);
        bool none = __atomic_load_n(&writes, __ATOMIC_RELAXED) < n;
        fail_from(0, 0, false);
        if (status != LN_OK) {
            if (status != LN_ESTORE ||
                (!strstr(err.message, words) && !strstr(err.message, "cannot be written")))
                fail_msg("write %d failing: status %d, '%s'", n, status, err.message);
            failed++;
        }
        whole_afterwards(path, written, status);
        survived = none ? survived + 1 : 0;
    }
    remove_store(path);
    assert_true(failed > 5); /* the others are those of closing */
}

static void a_full_disk_at_every_write(void **state)
{
    (void)state;
    sweep(SQLITE_FULL, false, 1, "the disk is full");
    sweep(SQLITE_FULL, true, 2, "the disk is full");
}

static void a_broken_disk_at_every_write(void **state)
{
    (void)state;
    sweep(SQLITE_IOERR_WRITE, false, 3, "cannot be written");
    sweep(SQLITE_IOERR_WRITE, true, 3, "cannot be written");
}

static int use_faulty_files(void **state)
{
    (void)state;
    ln_store_configure();
    real_vfs = sqlite3_vfs_find(NULL);
    faulty_vfs = *real_vfs;
    faulty_vfs.zName = "faulty";
    faulty_vfs.xOpen = faulty_open;
    return sqlite3_vfs_register(&faulty_vfs, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_at_every_write),
        cmocka_unit_test(a_broken_disk_at_every_write),
    };
    return cmocka_run_group_tests_name("store_fault", tests, use_faulty_files, NULL);
}
