/* Bad days of a file: missing, foreign, empty, truncated, newer, read-only, the disk full;
 * migrations. */
#include "store_fixture.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/internal.h"

#define NOBODY 65534

static void fails_to_open(const char *path, ln_store_mode mode, ln_status status, const char *part)
{
    ln_error err = {0};
    ln_store *store;
    assert_fails(ln_store_open(path, mode, &store, &err), status, part);
    assert_null(store);
}

static void no_store_is_touched_that_is_none(void **state)
{
    (void)state;
    char path[256], text[256];
    snprintf(path, sizeof path, "%s", test_path("foreign.db"));
    fails_to_open(path, LN_STORE_READ, LN_EFILE, "there is no store");
    assert_int_equal(access(path, F_OK), -1);
    fails_to_open(test_path("no/such/folder.db"), LN_STORE_WRITE, LN_ESTORE, "cannot be opened");
    fails_to_open(test_folder(), LN_STORE_WRITE, LN_ESTORE, "is a folder");
    fails_to_open("", LN_STORE_READ, LN_EFILE, "path is empty");
    memset(text, 'x', sizeof text);
    for (int mode = 0; mode < 2; mode++) {
        struct stat before, after;
        test_write(path, text, sizeof text);
        stat(path, &before);
        fails_to_open(path, (ln_store_mode)mode, LN_ESTORE, "not an SQLite file");
        stat(path, &after);
        assert_int_equal(before.st_size, after.st_size);
        remove(path);
    }
    test_write(path, "", 0);
    fails_to_open(path, LN_STORE_READ, LN_ESTORE, "is empty");
    ln_store_close(open_store(path, LN_STORE_WRITE)); /* an empty file becomes a store */
    remove_store(path);
    /* Somebody else's database. */
    snprintf(text, sizeof text, "sqlite3 '%s' 'CREATE TABLE run (a); INSERT INTO run VALUES (1)'",
             path);
    if (system("command -v sqlite3 >/dev/null") != 0 || system(text) != 0)
        return;
    fails_to_open(path, LN_STORE_WRITE, LN_ESTORE, "no store of Lunette");
    fails_to_open(path, LN_STORE_READ, LN_ESTORE, "no store of Lunette");
    remove_store(path);
}

static void damaged_and_newer_stores_are_told(void **state)
{
    (void)state;
    fixture f;
    fixture_open(&f, "bad.db");
    change(f.store, "INSERT INTO schema_version VALUES (99, '2030')");
    fixture_close(&f);
    fails_to_open(f.path, LN_STORE_READ, LN_ESTORE, "newer Lunette (schema version 99)");
    fails_to_open(f.path, LN_STORE_WRITE, LN_ESTORE, "newer Lunette (schema version 99)");
    fixture_open(&f, "bad.db");
    fixture_close(&f);
    struct stat about;
    assert_int_equal(stat(f.path, &about), 0);
    assert_int_equal(truncate(f.path, about.st_size / 2 / 16384 * 16384), 0);
    fails_to_open(f.path, LN_STORE_READ, LN_ESTORE, "is damaged");
    fails_to_open(f.path, LN_STORE_WRITE, LN_ESTORE, "is damaged");
    struct stat now;
    assert_int_equal(stat(f.path, &now), 0);
    assert_int_equal(now.st_size, about.st_size / 2 / 16384 * 16384);
    assert_int_equal(truncate(f.path, 100), 0);
    fails_to_open(f.path, LN_STORE_READ, LN_ESTORE, "is damaged");
}

/* Calls `check` in a child that may not write everywhere. */
static void as_nobody(void (*check)(const char *path), const char *path)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
            _exit(77);
        check(path);
        _exit(0);
    }
    assert_int_equal(wait_for(pid), 0);
}

#define demand(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "line %d: not so: %s (%s)\n", __LINE__, #condition, err.message);      \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

static void check_read_only(const char *path)
{
    ln_error err = {0};
    ln_store *store = NULL;
    demand(access(path, W_OK) != 0);
    demand(ln_store_open(path, LN_STORE_WRITE, &store, &err) == LN_ESTORE);
    demand(strstr(err.message, "read-only"));
    demand(ln_store_open(path, LN_STORE_READ, &store, &err) == LN_OK);
    ln_query *query;
    bool more;
    demand(ln_query_new(store, "SELECT status, (SELECT count(*) FROM element) FROM run", NULL,
                        &query, &err) == LN_OK);
    demand(ln_query_next(query, &more, &err) == LN_OK && more);
    demand(strcmp(ln_query_cell(query, 0).data, "interrupted") == 0);
    demand(ln_query_cell(query, 1).integer == 48);
    ln_query_free(query);
    ln_store_close(store);
}

static void read_only_stores_can_be_read(void **state)
{
    (void)state;
    fixture f;
    char side[300];
    fixture_open(&f, "ro/none.db");
    fixture_close(&f);
    assert_int_equal(chmod(f.path, 0444), 0);
    snprintf(side, sizeof side, "%s", f.path);
    *strrchr(side, '/') = '\0';
    assert_int_equal(chmod(side, 0555), 0);
    assert_int_equal(chmod(test_folder(), 0755), 0);
    fails_to_open(f.path, LN_STORE_WRITE, LN_ESTORE, "read-only"); /* also for root */
    as_nobody(check_read_only, f.path);
    assert_int_equal(chmod(side, 0755), 0);
}

static int make_ro_folder(void **state)
{
    (void)state;
    mkdir(test_path("ro"), 0755);
    return 0;
}

/* Writes until it fails; the error must be about the disk, and the store be whole afterwards. */
static void fill_disk(const char *path, const char *part)
{
    ln_error err = {0};
    ln_store *store = NULL;
    ln_status status = ln_store_open(path, LN_STORE_WRITE, &store, &err);
    ln_shape shape = {.rank = 1, .dims = {20000}};
    for (int64_t i = 0; status == LN_OK && i < 100000; i++) {
        ln_tensor *tensor;
        int64_t id;
        demand(ln_tensor_new(LN_F32, &shape, &tensor, NULL) == LN_OK);
        memcpy(tensor->data, &i, sizeof i);
        status = ln_store_put_tensor(store, tensor, &id, &err);
        ln_tensor_release(tensor);
    }
    demand(status == LN_ESTORE);
    demand(strstr(err.message, part));
    ln_store_close(store);
}

static void verify_after(const char *path)
{
    ln_store *store = open_store(path, LN_STORE_READ);
    verify_all(store);
    assert_rows(store, "SELECT count(*) > 5 FROM tensor", "1");
    ln_store_close(store);
}

static void a_full_disk_keeps_what_was_finished(void **state)
{
    (void)state;
    const char *path = test_path("limit.db"), *mount_point = test_path("small");
    remove_store(path);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit = {.rlim_cur = 2 << 20, .rlim_max = 2 << 20};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        fill_disk(path, "cannot be written");
        _exit(0);
    }
    assert_int_equal(wait_for(pid), 0);
    verify_after(path);
    remove_store(path);
    /* A real one, where we may make it. */
    mkdir(mount_point, 0755);
    if (mount("tmpfs", mount_point, "tmpfs", 0, "size=4m") != 0) {
        print_message("no tmpfs may be mounted here: only the limit on the file size was tried\n");
        return;
    }
    char small[300];
    snprintf(small, sizeof small, "%s/full.db", mount_point);
    pid = fork();
    if (pid == 0) {
        fill_disk(small, "the disk is full");
        _exit(0);
    }
    int status = wait_for(pid);
    if (status == 0)
        verify_after(small);
    umount(mount_point);
    assert_int_equal(status, 0);
}

/* --- migrations ------------------------------------------------------------------------------- */

static void migrations_go_all_the_way_or_not_at_all(void **state)
{
    (void)state;
    enum { NEXT = LN_SCHEMA_VERSION + 1 };
    static const ln_migration first = {1, "store/schema.sql", NULL}, end = {0, NULL, NULL};
    const ln_migration same[] = {first, end};
    const ln_migration broken[] = {first,
                                   {NEXT, NULL, "ALTER TABLE run ADD COLUMN note TEXT"},
                                   {NEXT + 1, NULL, "CREATE TABLE run (a)"},
                                   end};
    const ln_migration missing[] = {first, {NEXT, "store/none.sql", NULL}, end};
    const ln_migration good[] = {first,
                                 {NEXT, NULL, "ALTER TABLE run ADD COLUMN note TEXT"},
                                 {NEXT + 1, NULL, "ALTER TABLE run RENAME COLUMN note TO remark"},
                                 end};
    static const char *const schema =
        "SELECT group_concat(sql) FROM (SELECT * FROM sqlite_schema ORDER BY name)";
    fixture f;
    ln_error err = {0};
    int version;
    char before[16384];
    fixture_open(&f, "migrate.db");
    snprintf(before, sizeof before, "%s", rows_of(f.store, schema));
    assert_ok(ln_store_migrate(f.store, same, &err)); /* nothing to do */
    assert_fails(ln_store_migrate(f.store, broken, &err), LN_ESTORE, "already exists");
    assert_fails(ln_store_migrate(f.store, missing, &err), LN_ESTORE, "is not part of this build");
    assert_ok(ln_store_version(f.store, &version, &err));
    assert_int_equal(version, LN_SCHEMA_VERSION);
    assert_string_equal(rows_of(f.store, schema), before);
    /* Views are made again, whatever was there: one that SQLite cannot read would stop the
     * renaming. */
    change(f.store, "CREATE VIEW stale AS SELECT missing_function(1)");
    change(f.store, "DROP VIEW leaderboard");
    assert_ok(ln_store_migrate(f.store, good, &err));
    assert_ok(ln_store_version(f.store, &version, &err));
    assert_int_equal(version, NEXT + 1);
    assert_rows(f.store,
                "SELECT count(*), sum(name = 'stale') FROM sqlite_schema WHERE type = 'view'",
                "4|0");
    assert_rows(f.store, "SELECT count(*), max(remark) FROM run", "1|-");
    assert_rows(f.store, "SELECT count(*) FROM attribution", "16");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_store_is_touched_that_is_none),
        cmocka_unit_test(damaged_and_newer_stores_are_told),
        cmocka_unit_test_setup(read_only_stores_can_be_read, make_ro_folder),
        cmocka_unit_test(a_full_disk_keeps_what_was_finished),
        cmocka_unit_test(migrations_go_all_the_way_or_not_at_all),
    };
    return cmocka_run_group_tests_name("store_files", tests, NULL, NULL);
}
