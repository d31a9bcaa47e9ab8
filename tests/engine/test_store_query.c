/* Queries: what a read-only one may not do, parameters, errors with their place, the time limit. */
#include "store_fixture.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/parallel.h"

static fixture f;

static int open_fixture(void **state)
{
    (void)state;
    fixture_open(&f, "query.db");
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

/* Runs a statement read-only; LN_OK or its error. */
static ln_status try_sql(ln_store *store, const char *sql, const ln_query_options *options,
                         ln_error *err)
{
    ln_query *query = NULL;
    bool more = true;
    *err = (ln_error){0};
    ln_status status = ln_query_new(store, sql, options, &query, err);
    while (status == LN_OK && more)
        status = ln_query_next(query, &more, err);
    ln_query_free(query);
    return status;
}

static const char *const forbidden[] = {
    "DROP TABLE run",
    "DROP VIEW leaderboard",
    "DELETE FROM run",
    "UPDATE run SET status = 'ok'",
    "INSERT INTO tag VALUES (1, 'a', 'b')",
    "REPLACE INTO tag VALUES (1, 'a', 'b')",
    "WITH x AS (SELECT 1) DELETE FROM run",
    "CREATE TABLE t (a)",
    "CREATE TEMP TABLE t (a)",
    "CREATE VIEW v AS SELECT 1",
    "CREATE TEMP VIEW v AS SELECT 1",
    "CREATE INDEX i ON run (seed)",
    "CREATE TRIGGER t AFTER INSERT ON run BEGIN SELECT 1; END",
    "CREATE VIRTUAL TABLE v USING fts5(a)",
    "ALTER TABLE run ADD COLUMN x",
    "ATTACH 'attached.db' AS other",
    "ATTACH ':memory:' AS other",
    "DETACH main",
    "VACUUM",
    "VACUUM INTO 'vacuumed.db'",
    "REINDEX",
    "ANALYZE",
    "BEGIN",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT s",
    "PRAGMA query_only = 0",
    "PRAGMA query_only(0)",
    "PRAGMA writable_schema = 1",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA journal_mode(off)",
    "PRAGMA user_version = 7",
    "PRAGMA wal_checkpoint",
    "PRAGMA incremental_vacuum",
    "PRAGMA optimize",
    "PRAGMA foreign_keys = 0",
    "PRAGMA temp_store_directory = '/'",
    "SELECT * FROM pragma_user_version(7)",
    "UPDATE sqlite_master SET sql = ''",
    "UPDATE sqlite_schema SET sql = '' WHERE name = 'run'",
    "DELETE FROM sqlite_master",
    "SELECT load_extension('x')",
    "SELECT fts3_tokenizer('simple', x'00')",
    "SELECT writefile('written.txt', 'x')",
    "SELECT readfile('/etc/passwd')",
    "SELECT edit('x')",
    "EXPLAIN DELETE FROM run",
};

static void refuse_all(ln_store *store)
{
    ln_error err;
    char before[256], now[256];
    static const char *const state_sql = "SELECT (SELECT count(*) FROM sqlite_schema), (SELECT "
                                         "count(*) FROM run), (SELECT count(*) FROM "
                                         "tag), (SELECT user_version FROM pragma_user_version), "
                                         "(SELECT group_concat(status) FROM run)";
    snprintf(before, sizeof before, "%s", rows_of(store, state_sql));
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
        ln_status status = try_sql(store, forbidden[i], NULL, &err);
        if (status != LN_ESTORE || !err.message[0])
            fail_msg("%s: status %d, '%s'", forbidden[i], status, err.message);
    }
    snprintf(now, sizeof now, "%s", rows_of(store, state_sql));
    assert_string_equal(now, before);
    assert_int_equal(access("attached.db", F_OK), -1);
    assert_int_equal(access("vacuumed.db", F_OK), -1);
    assert_int_equal(access("written.txt", F_OK), -1);
}

static void readers_cannot_do_more_than_read(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_store *reader;
    assert_int_equal(chdir(test_folder()), 0);
    assert_ok(ln_store_open(f.path, LN_STORE_READ, &reader, &err));
    refuse_all(reader);
    /* Not even through --write: a reader's connection is query_only. */
    ln_query_options write = {.write = true};
    assert_int_equal(try_sql(reader, "DELETE FROM run", &write, &err), LN_ESTORE);
    assert_non_null(strstr(err.message, "would change the store"));
    ln_store_close(reader);
}

static void read_only_queries_of_a_writer_neither(void **state)
{
    (void)state;
    assert_int_equal(chdir(test_folder()), 0);
    refuse_all(f.store);
    ln_error err;
    ln_query_options write = {.write = true};
    assert_int_equal(try_sql(f.store, "CREATE TABLE t (a)", &write, &err), LN_OK);
    /* Defensive mode stays on. */
    assert_int_equal(try_sql(f.store, "PRAGMA writable_schema = 1", &write, &err), LN_OK);
    assert_int_equal(try_sql(f.store, "UPDATE sqlite_master SET sql = ''", &write, &err),
                     LN_ESTORE);
    assert_int_equal(try_sql(f.store, "SELECT load_extension('x')", &write, &err), LN_ESTORE);
}

static void reading_in_every_form_is_allowed(void **state)
{
    (void)state;
    static const char *const allowed[] = {
        "SELECT 1",
        "  -- a comment\n ; SELECT 1 ;; -- the end",
        "/* c */ VALUES (1)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 9) SELECT sum(i) "
        "FROM n",
        "EXPLAIN QUERY PLAN SELECT * FROM run",
        "EXPLAIN SELECT 1",
        "PRAGMA table_info(run)",
        "PRAGMA journal_mode",
        "PRAGMA user_version",
        "PRAGMA integrity_check",
        "SELECT * FROM pragma_table_list",
        "SELECT name FROM sqlite_schema",
        "SELECT * FROM dbstat",
        "SELECT * FROM run_summary, json_each('[1]')",
        "SELECT rank() OVER (ORDER BY id) FROM run",
        "SELECT * FROM feature_importance",
        "SELECT sqrt(2), printf('%d', 1), datetime('now')",
    };
    ln_error err;
    ln_store *reader;
    assert_ok(ln_store_open(f.path, LN_STORE_READ, &reader, &err));
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        if (try_sql(reader, allowed[i], NULL, &err) != LN_OK)
            fail_msg("%s: %s", allowed[i], err.message);
    ln_store_close(reader);
}

static void parameters_have_names_and_types(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_query *query;
    bool more;
    const ln_cell cells[] = {INT_CELL("n", 7),
                             TEXT_CELL("t", "seven"),
                             REAL_CELL("r", 0.5),
                             {.column = "b", .type = LN_CELL_BLOB, .data = "\1\2", .bytes = 2},
                             {.column = "z", .type = LN_CELL_NULL}};
    ln_query_options options = {.params = cells, .param_count = 5};
    assert_ok(ln_query_new(f.store, "SELECT :n + 1, @t, $r, hex(:b), :z IS NULL; SELECT 2",
                           &options, &query, &err));
    assert_string_equal(ln_query_rest(query), "SELECT 2");
    assert_true(ln_query_uses(query, "t"));
    assert_false(ln_query_uses(query, "x"));
    assert_ok(ln_query_next(query, &more, &err));
    assert_true(more);
    assert_int_equal(ln_query_cell(query, 0).integer, 8);
    assert_memory_equal(ln_query_cell(query, 1).data, "seven", 6);
    assert_true(ln_query_cell(query, 2).real == 0.5);
    assert_string_equal(ln_query_cell(query, 3).data, "0102");
    assert_int_equal(ln_query_cell(query, 4).integer, 1);
    assert_ok(ln_query_next(query, &more, &err));
    assert_false(more);
    ln_query_free(query);
    assert_int_equal(try_sql(f.store, "SELECT :missing", &options, &err), LN_ESTORE);
    assert_non_null(strstr(err.message, "parameter :missing"));
    assert_string_equal(err.hint, "--param missing=VALUE gives it one");
    assert_int_equal(try_sql(f.store, "SELECT ?", &options, &err), LN_ESTORE);
    assert_non_null(strstr(err.message, "without a name"));
}

static void errors_mark_the_place(void **state)
{
    (void)state;
    ln_error err;
    assert_int_equal(try_sql(f.store, "SELECT id FORM run", NULL, &err), LN_ESTORE);
    assert_string_equal(err.message, "near \"run\": syntax error\n  SELECT id FORM run\n"
                                     "                 ^");
    assert_int_equal(try_sql(f.store, "SELECT id\nFROM run\nWHERE statuss = 1", NULL, &err),
                     LN_ESTORE);
    assert_string_equal(err.message, "no such column: statuss\n  WHERE statuss = 1\n        ^");
    assert_int_equal(try_sql(f.store, "SELECT '\xc3\xa4\xc3\xb6', nix", NULL, &err), LN_ESTORE);
    assert_string_equal(err.message, "no such column: nix\n  SELECT '\xc3\xa4\xc3\xb6', nix\n"
                                     "               ^");
    assert_int_equal(try_sql(f.store, " ; -- nothing", NULL, &err), LN_ESTORE);
    assert_string_equal(err.message, "there is no SQL statement");
    assert_int_equal(try_sql(f.store, "SELECT * FROM runs", NULL, &err), LN_ESTORE);
    assert_non_null(strstr(err.message, "no such table: runs"));
}

static const char endless[] =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

static void endless_statements_are_stopped(void **state)
{
    (void)state;
    ln_error err;
    ln_query_options options = {.timeout = 0.2};
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    assert_int_equal(try_sql(f.store, endless, &options, &err), LN_ESTORE);
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_string_equal(err.message,
                        "the statement was stopped after 0.2 seconds (the time limit)");
    double seconds =
        (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) * 1e-9;
    assert_true(seconds >= 0.2 && seconds < 5);
    /* The connection is as good as before. */
    assert_rows(f.store, "SELECT count(*) FROM run", "1");
}

static void origins_are_known(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_query *query;
    assert_ok(
        ln_query_new(f.store, "SELECT sha256 AS x, data || '' FROM tensor", NULL, &query, &err));
    assert_string_equal(ln_query_name(query, 0), "x");
    assert_string_equal(ln_query_origin(query, 0), "sha256");
    assert_null(ln_query_origin(query, 1));
    ln_query_free(query);
}

/* Last: the flag cannot be taken back. */
static void interrupts_stop_a_statement(void **state)
{
    (void)state;
    ln_error err;
    ln_interrupt(2);
    assert_int_equal(try_sql(f.store, endless, NULL, &err), LN_EINTERRUPTED);
    assert_true(err.message[0]);
}

/* --- attached files, kept queries, what there is ---------------------------------------------- */

static void attached_files_are_read_and_never_written(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_store *stores[2];
    char other[300], text[300];
    fixture o;
    snprintf(other, sizeof other, "%s", test_path("100% o'th#er?.db"));
    fixture_open(&o, "100% o'th#er?.db");
    fixture_close(&o);
    stores[0] = open_store(f.path, LN_STORE_READ);
    stores[1] = open_store(f.path, LN_STORE_WRITE);
    for (int i = 0; i < 2; i++) {
        const ln_query_options write = {.write = i == 1};
        assert_ok(ln_store_attach(stores[i], other, "old_1", &err));
        assert_rows(stores[i], "SELECT count(*), (SELECT count(*) FROM main.run) FROM old_1.run",
                    "1|1");
        static const char *const changing[] = {
            "DELETE FROM old_1.run",         "DROP TABLE old_1.tag",
            "CREATE TABLE old_1.t (a)",      "INSERT INTO old_1.tag VALUES (1, 'a', 'b')",
            "PRAGMA old_1.user_version = 3", "ALTER TABLE old_1.run ADD COLUMN x"};
        for (size_t k = 0; k < sizeof changing / sizeof *changing; k++)
            if (try_sql(stores[i], changing[k], &write, &err) == LN_OK)
                fail_msg("not refused: %s", changing[k]);
        if (i == 0) /* no ATTACH of one's own, also beside an attached file */
            assert_fails(try_sql(stores[i], "ATTACH 'x.db' AS x", &write, &err), LN_ESTORE,
                         "not authorized");
        assert_rows(stores[i], "SELECT count(*) FROM old_1.run", "1");
        ln_store_close(stores[i]);
    }
    ln_store *store = open_store(f.path, LN_STORE_READ);
    assert_fails(ln_store_attach(store, test_path("none.db"), "o", &err), LN_EFILE,
                 "cannot be attached: No such file");
    snprintf(text, sizeof text, "%s", test_path("text.db"));
    test_write(text, "this is a text, no database at all", 34);
    assert_fails(ln_store_attach(store, text, "o", &err), LN_ESTORE, "not an SQLite file");
    static const char *const names[] = {"", "1a", "a b", "main", "TEMP", "a\"b", "a;"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_fails(ln_store_attach(store, other, names[i], &err), LN_EINVALID,
                     "a file is attached under a name of letters");
    assert_ok(ln_store_attach(store, other, "twice", &err));
    assert_fails(ln_store_attach(store, other, "twice", &err), LN_EINVALID, "already in use");
    ln_store_close(store);
}

static void queries_are_kept_by_name(void **state)
{
    (void)state;
    ln_error err = {0};
    char *sql;
    assert_ok(ln_store_save_query(f.store, "worst-1", "SELECT 1", &err));
    assert_ok(ln_store_save_query(f.store, "worst-1", "SELECT 'it''s'", &err));
    assert_ok(ln_store_saved_query(f.store, "worst-1", &sql, &err));
    assert_string_equal(sql, "SELECT 'it''s'");
    ln_free(sql);
    assert_fails(ln_store_saved_query(f.store, "worst-2", &sql, &err), LN_EINVALID,
                 "keeps no query 'worst-2'");
    assert_string_equal(err.hint, "did you mean '@worst-1'?");
    assert_fails(ln_store_save_query(f.store, "a b", "SELECT 1", &err), LN_EINVALID, "found 'a b'");
    assert_fails(ln_store_save_query(f.store, "-a", "SELECT 1", &err), LN_EINVALID, "found '-a'");
    assert_ok(ln_store_remove_query(f.store, "worst-1", &err));
    assert_fails(ln_store_remove_query(f.store, "worst-1", &err), LN_EINVALID, "keeps no query");
    assert_ok(ln_query_check(f.store, "SELECT :x; -- and\nSELECT id FROM run;", false, &err));
    assert_fails(ln_query_check(f.store, "SELECT 1; SELEC 2", false, &err), LN_ESTORE, "SELEC");
    assert_fails(ln_query_check(f.store, "SELECT 1; DELETE FROM run", false, &err), LN_ESTORE,
                 "not authorized");
    assert_ok(ln_query_check(f.store, "DELETE FROM run", true, &err));
    assert_rows(f.store, "SELECT count(*) FROM run", "1");
    assert_fails(ln_query_check(f.store, " ; ", false, &err), LN_ESTORE, "there is no SQL");
}

/* describe.c against the schema and what is registered, both ways. */
static void what_there_is_is_described(void **state)
{
    (void)state;
    char listed[4096] = "('')";
    for (const ln_described *d = ln_store_described; d->name; d++) {
        size_t at = strlen(listed);
        snprintf(listed + at, sizeof listed - at, ", ('%s')", d->name);
        assert_true(d->summary[0] && d->summary[strlen(d->summary) - 1] != '.');
    }
    static const char there[] =
        "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE "
        "'sqlite%' "
        "UNION SELECT name FROM pragma_function_list WHERE name LIKE 'tensor%' OR name LIKE "
        "'attribution%' UNION SELECT name FROM pragma_module_list WHERE name IN ('element', "
        "'tensor_each', 'explanation_importance')";
    char sql[6000];
    snprintf(sql, sizeof sql,
             "WITH listed(name) AS (VALUES %s), there AS (%s) SELECT name, 'is not described' FROM "
             "there WHERE name NOT IN listed UNION ALL SELECT name, 'is not there' FROM listed "
             "WHERE name NOT IN there AND name <> ''",
             listed, there);
    assert_rows(f.store, sql, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        TEST(readers_cannot_do_more_than_read),
        TEST(read_only_queries_of_a_writer_neither),
        TEST(reading_in_every_form_is_allowed),
        TEST(parameters_have_names_and_types),
        TEST(errors_mark_the_place),
        TEST(endless_statements_are_stopped),
        TEST(origins_are_known),
        TEST(attached_files_are_read_and_never_written),
        TEST(queries_are_kept_by_name),
        TEST(what_there_is_is_described),
        TEST(interrupts_stop_a_statement),
    };
    return cmocka_run_group_tests_name("store_query", tests, NULL, NULL);
}
