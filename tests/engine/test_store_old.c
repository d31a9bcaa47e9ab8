/* Stores of older versions: the one that tests/stores/first.lua made with the first landing (schema
 * version 1) is opened, migrated, queried and verified; where it may not be written it is read as it
 * is. Artifacts of moved stores. */
#include "store_fixture.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/gzip.h"
#include "store/internal.h"

#define NOBODY 65534

static void unpack(const char *path)
{
    ln_error err = {0};
    ln_file file;
    char *data;
    size_t bytes;
    remove_store(path);
    assert_ok(ln_file_read(test_file("stores/first.db.gz"), &file, &err));
    assert_ok(ln_gunzip("first.db.gz", file.data, file.bytes, &data, &bytes, &err));
    test_write(path, data, bytes);
    ln_free(data);
    ln_file_free(&file);
}

/* What both versions of the store must answer. */
static void same_content(ln_store *store)
{
    assert_rows(store, "SELECT id, experiment, status, seed, attributions, tags FROM run_summary",
                "1|first|ok|0|8|{\"author\":\"me\"}\n2|first|ok|1|8|{}");
    assert_rows(store, "SELECT count(*), count(value) FROM element", "32|32");
    assert_rows(store,
                "SELECT label, name FROM feature_importance WHERE run = 1 AND idx = 1 "
                "ORDER BY explanation",
                "saliency|purpose\nintegrated_gradients|purpose");
    assert_rows(store, "SELECT name FROM saved_query", "worst");
    assert_rows(store,
                "SELECT count(*) FROM metric m JOIN curve c ON c.metric = m.id WHERE run = 2 "
                "AND m.name = 'loss'",
                "2");
}

static void note(void *context, const char *severity, const char *text)
{
    char *all = context;
    size_t at = strlen(all);
    snprintf(all + at, 2048 - at, "%s: %s\n", severity, text);
}

static void the_first_landing_s_store_migrates(void **state)
{
    (void)state;
    ln_error err = {0};
    char found[2048] = "";
    int64_t checked;
    char path[300];
    snprintf(path, sizeof path, "%s", test_path("first.db"));
    unpack(path);
    for (int open = 0; open < 3; open++) { /* the first one, a reader, migrates */
        ln_store *store = open_store(path, open == 1 ? LN_STORE_WRITE : LN_STORE_READ);
        same_content(store);
        char version[16];
        snprintf(version, sizeof version, "%d", LN_SCHEMA_VERSION);
        assert_rows(store, "SELECT max(version) FROM schema_version", version);
        assert_rows(store, "SELECT path FROM artifact WHERE run = 2",
                    "old-pictures/run-2/importance_bar.png\n"
                    "old-pictures/run-2/importance_bar.svg");
        ln_store_close(store);
    }
    ln_store *store = open_store(path, LN_STORE_READ);
    assert_ok(ln_store_verify(store, 0, note, found, &checked, &err));
    ln_store_close(store);
    assert_int_equal(checked, 25);
    assert_string_equal(found,
                        "missing: run 1: the file 'old-pictures/run-1/importance_bar.png' is not "
                        "there\n"
                        "missing: run 1: the file 'old-pictures/run-1/importance_bar.svg' is not "
                        "there\n"
                        "missing: run 2: the file 'old-pictures/run-2/importance_bar.png' is not "
                        "there\n"
                        "missing: run 2: the file 'old-pictures/run-2/importance_bar.svg' is not "
                        "there\n");
    remove_store(path);
}

/* Gives the old store's 16 attributions every kind and space that there may be. */
static void mix_words(const char *path)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db,
                     "UPDATE attribution SET kind = json_extract('[\"feature\", \"interaction\", "
                     "\"activation\", \"input\"]', '$[' || ((id - 1) / 4) || ']'), space = "
                     "json_extract('[\"column\", \"input\", \"group\", \"layer\"]', '$[' || "
                     "((id - 1) % 4) || ']')",
                     NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_changes(db), 16);
    sqlite3_close(db);
}

static void has_mixed_words(ln_store *store)
{
    assert_rows(store, "SELECT id, kind, space FROM attribution ORDER BY id",
                "1|feature|column\n2|feature|input\n3|feature|group\n4|feature|layer\n"
                "5|interaction|column\n6|interaction|input\n7|interaction|group\n"
                "8|interaction|layer\n9|activation|column\n10|activation|input\n"
                "11|activation|group\n12|activation|layer\n13|input|column\n14|input|input\n"
                "15|input|group\n16|input|layer");
}

static void kinds_and_spaces_of_an_old_store_stay(void **state)
{
    (void)state;
    char path[300];
    snprintf(path, sizeof path, "%s", test_path("words.db"));
    unpack(path);
    mix_words(path);
    ln_store *store = open_store(path, LN_STORE_READ);
    has_mixed_words(store);
    ln_store_close(store);
    remove_store(path);
}

static void only_paths_beside_the_store_become_relative(void **state)
{
    (void)state;
    char path[300];
    snprintf(path, sizeof path, "%s", test_path("paths.db"));
    unpack(path);
    char command[700];
    snprintf(command, sizeof command,
             "sqlite3 '%s' \"UPDATE artifact SET path = '/a b/it''s/old-pictures/run-1/' || name "
             "WHERE id = 1; UPDATE artifact SET path = '/else/where/' || name WHERE id = 2; "
             "UPDATE artifact SET path = '/x/old-pictures/run-1/' || name WHERE id = 3; "
             "UPDATE artifact SET path = NULL WHERE id = 4\"",
             path);
    if (system("command -v sqlite3 >/dev/null") != 0 || system(command) != 0)
        skip();
    ln_store *store = open_store(path, LN_STORE_READ);
    assert_rows(store, "SELECT path FROM artifact ORDER BY id",
                "old-pictures/run-1/importance_bar.png\n/else/where/importance_bar.svg\n"
                "/x/old-pictures/run-1/importance_bar.png\n-");
    ln_store_close(store);
    remove_store(path);
}

/* Does something with the store as somebody who may not write it, in a process of its own. */
static void as_reader(const char *path, void (*work)(const char *path))
{
    struct stat before, after;
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(chmod(path, 0444), 0);
    assert_int_equal(chmod(test_path("kept"), 0555), 0);
    assert_int_equal(chmod(test_folder(), 0755), 0);
    pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
            _exit(77);
        work(path);
        _exit(0);
    }
    assert_int_equal(wait_for(pid), 0);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
    assert_int_equal(chmod(test_path("kept"), 0755), 0);
    remove_store(path);
}

static void read_as_it_is(const char *path)
{
    ln_error err = {0};
    char found[2048] = "";
    int64_t checked;
    ln_store *store = open_store(path, LN_STORE_READ);
    same_content(store);
    assert_rows(store, "SELECT max(version) FROM schema_version", "1");
    if (ln_store_verify(store, 0, note, found, &checked, &err) != LN_OK || checked != 25 ||
        strstr(found, "broken"))
        fail_msg("verify: %s %s", err.message, found);
    ln_store_close(store);
    assert_fails(ln_store_open(path, LN_STORE_WRITE, &store, &err), LN_ESTORE, "read-only");
}

static void copy_with_mixed_words(const char *path)
{
    ln_error err = {0};
    ln_store *store = open_store(path, LN_STORE_READ);
    ln_store *copy = open_store(test_path("copies/new.db"), LN_STORE_WRITE);
    has_mixed_words(store);
    assert_ok(ln_store_copy(store, copy, NULL, 0, NULL, NULL, &err));
    has_mixed_words(copy);
    ln_store_close(copy);
    ln_store_close(store);
}

static void an_old_store_that_may_not_be_written_is_read_as_it_is(void **state)
{
    (void)state;
    char path[300];
    mkdir(test_path("kept"), 0755);
    snprintf(path, sizeof path, "%s", test_path("kept/first.db"));
    unpack(path);
    as_reader(path, read_as_it_is);
}

static void an_old_store_that_may_not_be_written_is_copied(void **state)
{
    (void)state;
    char path[300];
    mkdir(test_path("kept"), 0755);
    mkdir(test_path("copies"), 0777);
    assert_int_equal(chmod(test_path("copies"), 0777), 0);
    snprintf(path, sizeof path, "%s", test_path("kept/words.db"));
    unpack(path);
    mix_words(path);
    as_reader(path, copy_with_mixed_words);
    remove_store(test_path("copies/new.db"));
}

static void artifacts_are_found_beside_the_store(void **state)
{
    (void)state;
    fixture f;
    ln_error err = {0};
    char found[2048] = "", hex[LN_SHA256_HEX], sql[300];
    uint8_t digest[LN_SHA256_BYTES];
    int64_t checked;
    mkdir(test_path("home"), 0755);
    fixture_open(&f, "home/art.db");
    test_write(test_path("home/a.png"), "picture", 7);
    ln_sha256("picture", 7, digest);
    ln_sha256_hex(digest, hex);
    snprintf(sql, sizeof sql,
             "INSERT INTO artifact (run, name, path, sha256) VALUES (1, 'a', 'a.png', '%s')", hex);
    change(f.store, sql);
    verify_all(f.store);
    test_write(test_path("home/a.png"), "Picture", 7);
    assert_ok(ln_store_verify(f.store, 1, note, found, &checked, &err));
    assert_string_equal(found,
                        "broken: run 1: the file 'a.png' has changed since it was written\n");
    remove(test_path("home/a.png"));
    found[0] = '\0';
    assert_ok(ln_store_verify(f.store, 1, note, found, &checked, &err));
    assert_string_equal(found, "missing: run 1: the file 'a.png' is not there\n");
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_landing_s_store_migrates),
        cmocka_unit_test(kinds_and_spaces_of_an_old_store_stay),
        cmocka_unit_test(only_paths_beside_the_store_become_relative),
        cmocka_unit_test(an_old_store_that_may_not_be_written_is_read_as_it_is),
        cmocka_unit_test(an_old_store_that_may_not_be_written_is_copied),
        cmocka_unit_test(artifacts_are_found_beside_the_store),
    };
    return cmocka_run_group_tests_name("store_old", tests, NULL, NULL);
}
