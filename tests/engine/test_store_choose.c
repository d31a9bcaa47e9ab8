/* Which runs: names of a condition, numbers among texts, order, columns, and that nothing but one
 * expression comes through. */
#include "store_fixture.h"

static fixture f;
static ln_store *reader;

/* Runs 1 to 4: roc_auc 0.9, 0.7, none, 0.8; train.epochs 5, 50, 500, "auto"; tags. */
static int open_fixture(void **state)
{
    (void)state;
    fixture_open(&f, "choose.db");
    fixture_close(&f);
    f.store = open_store(f.path, LN_STORE_WRITE);
    change(f.store, "UPDATE run SET status = 'ok'");
    for (int i = 2; i <= 4; i++) {
        char sql[200];
        snprintf(sql, sizeof sql,
                 "INSERT INTO run (uuid, invocation, experiment, status, started_at, seed) VALUES "
                 "('u%d', 'i', 1, 'ok', '2026-02-0%dT00:00:00.000Z', %d)",
                 i, i, i);
        change(f.store, sql);
    }
    change(f.store, "INSERT INTO metric (run, name, label, scope, split, value, status) VALUES "
                    "(1, 'roc_auc', 'roc_auc', 'model', 'train', 0.1, 'ok'), "
                    "(1, 'roc_auc', 'roc_auc', 'model', 'test', 0.9, 'ok'), "
                    "(2, 'roc_auc', 'roc_auc', 'model', 'test', 0.7, 'ok'), "
                    "(4, 'roc_auc', 'roc_auc', 'model', 'test', 0.8, 'ok'), "
                    "(4, 'roc_auc', 'roc_auc-2', 'model', 'test', 3, 'ok')");
    change(f.store,
           "INSERT INTO metric (run, name, label, scope, explanation, value, status) VALUES "
           "(1, 'deletion', 'deletion', 'explanation', 1, 0.25, 'ok'), "
           "(1, 'deletion', 'deletion', 'explanation', 2, 0.5, 'ok')");
    change(f.store, "INSERT INTO param VALUES (1, 'train.epochs', 'integer', 5, '5'), "
                    "(2, 'train.epochs', 'integer', 50, '50'), "
                    "(3, 'train.epochs', 'integer', 500, '500'), "
                    "(4, 'train.epochs', 'text', NULL, 'auto'), "
                    "(1, 'model[1].units', 'integer', 64, '64'), "
                    "(2, 'explain.lime-2.absolute', 'boolean', 1, 'true'), "
                    "(3, 'a \"b\"', 'text', NULL, 'it''s')");
    change(f.store, "INSERT INTO tag VALUES (1, 'author', 'me'), (2, 'author', '10'), "
                    "(3, 'author', '9'), (4, 'Author', 'you')");
    ln_store_close(f.store);
    reader = open_store(f.path, LN_STORE_READ);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    ln_store_close(reader);
    return 0;
}

/* The ids of the runs of a condition, "1 4". */
static const char *ids(const char *where, const char *sort)
{
    static char text[64];
    ln_error err = {0};
    char *sql;
    const ln_run_choice choice = {.where = where, .sort = sort, .columns = "id", .limit = -1};
    assert_ok(ln_store_choose_runs(reader, &choice, &sql, &err));
    snprintf(text, sizeof text, "%s", rows_of(reader, sql));
    for (char *c = text; *c; c++)
        *c = *c == '\n' ? ' ' : *c;
    ln_free(sql);
    return text;
}

static void conditions_choose_by_every_kind_of_name(void **state)
{
    (void)state;
    static const struct {
        const char *where, *wanted;
    } cases[] = {
        {"roc_auc > 0.75", "4 1"},
        {"roc_auc > 0.75 and train.epochs < 50", "1"},
        {"roc_auc is null", "3"},
        {"metric.roc_auc between 0.7 and 0.8", "4 2"},
        {"train.epochs > 9", "3 2"}, /* "auto" is no number */
        {"train.epochs = 'auto'", "4"},
        {"train.epochs >= 50 or train.epochs = 'auto'", "4 3 2"},
        {"train.epochs not between 1 and 50", "3"},
        {"train.epochs = '50'", "2"},
        {"param.train.epochs <> 50", "4 3 1"},
        {"tag.author > 9", "2"},
        {"tag.author = 'me'", "1"},
        {"tag.author = 9", "3"},
        {"tag.author = '9'", "3"},
        {"tag.author is not null and not tag.Author is null", ""},
        {"tag.Author = 'you'", "4"},
        {"ig.deletion > saliency.deletion", "1"},
        {"model[1].units = 64", "1"},
        {"explain.lime-2.absolute", "2"},
        {"explain.lime-2.absolute = true", "2"},
        {"\"explain.lime-2.absolute\" = 1", "2"},
        {"\"a \"\"b\"\"\" = 'it''s'", "3"},
        {"roc_auc-2 = 3", "4"},         /* the name with the hyphen is there */
        {"roc_auc - 2 > -1.25", "4 1"}, /* blanks make it a difference */
        {"train.epochs-2 = 3", "1"},    /* no such name */
        {"seed in (2, 3) and id <> 2", "3"},
        {"started_at >= '2026-02-03'", "4 3"},
        {"started_at > '2026'", "4 3 2 1"},
        {"STATUS = 'ok' AND NOT (id < 3)", "4 3"},
        {"case when id = 2 then 0 else roc_auc end > .75e0", "4 1"},
        {"cast(seed as text) || 'x' like '2%'", "2"},
        {"uuid glob 'u[34]'", "4 3"},
        {"abs(id - 3) <= 1 and max(roc_auc, 0.75) = 0.8", "4"},
        {"experiment = 'credit' and id = 0x2", "2"},
        {"metrics ->> 'roc_auc' = 0.7", "2"},
        {"explanations = 4 and attributions = 16", "1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {

        if (strcmp(ids(cases[i].where, NULL), cases[i].wanted) != 0)
            fail_msg("%s: '%s', not '%s'", cases[i].where, ids(cases[i].where, NULL),
                     cases[i].wanted);
    }
}

static void runs_are_ordered_by_names(void **state)
{
    (void)state;
    assert_string_equal(ids(NULL, NULL), "4 3 2 1");
    assert_string_equal(ids(NULL, "id"), "1 2 3 4");
    assert_string_equal(ids(NULL, "-roc_auc"), "1 4 2 3"); /* without one: last */
    assert_string_equal(ids(NULL, "roc_auc"), "2 4 1 3");
    assert_string_equal(ids(NULL, "roc_auc:desc"), "1 4 2 3");
    assert_string_equal(ids(NULL, "train.epochs:asc"), "1 2 3 4"); /* numbers, then texts */
    assert_string_equal(ids(NULL, "status, -seed"), "1 4 3 2");
    assert_string_equal(ids("id > 1", " -id "), "4 3 2");
}

static void columns_and_limit(void **state)
{
    (void)state;
    ln_error err = {0};
    char *sql;
    ln_run_choice choice = {.columns = "id, roc_auc,train.epochs, tag.author,tag.Author,a \"b\"",
                            .sort = "id",
                            .limit = 3};
    assert_ok(ln_store_choose_runs(reader, &choice, &sql, &err));
    assert_rows(reader, sql, "1|0.9|5|me|-|-\n2|0.7|50|10|-|-\n3|-|500|9|-|it's");
    ln_free(sql);
    choice = (ln_run_choice){
        .fallback = "id, seed", .where = "seed > 1", .sort = "-roc_auc", .limit = 2};
    assert_ok(ln_store_choose_runs(reader, &choice, &sql, &err));
    assert_rows(reader, sql, "1|7\n4|4");
    ln_free(sql);
}

static void only_an_expression_comes_through(void **state)
{
    (void)state;
    static const char *const refused[][3] = {
        {"roc_auk > 1", "'roc_auk'", "did you mean 'roc_auc'?"},
        {"epochs > 1", "'epochs'", "did you mean 'train.epochs'?"},
        {"tag.autor = 'me'", "'tag.autor'", "did you mean 'tag.author'?"},
        {"\"roc_auc \" > 1", "'roc_auc '", NULL},
        {"id IN (SELECT 1)", "SELECT has no place", NULL},
        {"exists (select 1)", "exists has no place", NULL},
        {"id IN (VALUES (1))", "VALUES has no place", NULL},
        {"id IN sqlite_schema", "'sqlite_schema'", NULL},
        {"1); DELETE FROM run; --", "a ) closes nothing", NULL},
        {"1; DELETE FROM run", "';' has no place", NULL},
        {"1 -- comment", "'--' has no place", NULL},
        {"1 /* comment */", "'/*' has no place", NULL},
        {"id = ?", "'?' has no place", NULL},
        {"id = :x", "':' has no place", NULL},
        {"id = @x", "'@' has no place", NULL},
        {"id = `id`", "'`' has no place", NULL},
        {"[id] = 1", "'[' has no place", NULL},
        {"id = 'x", "the quote that begins at 'x is not closed", NULL},
        {"id = \"x", "is not closed", NULL},
        {"(id = 1", "1 ( is not closed", NULL},
        {"id = 1)", "a ) closes nothing", NULL},
        {"1x = 2", "'1x' is neither", NULL},
        {" ", "the condition is empty", NULL},
        {"", "the condition is empty", NULL},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        ln_error err = {0};
        char *sql;
        const ln_run_choice choice = {.where = refused[i][0], .fallback = "id", .limit = -1};
        assert_fails(ln_store_choose_runs(reader, &choice, &sql, &err), LN_EINVALID, refused[i][1]);
        assert_null(sql);
        assert_non_null(strstr(err.message, "--where: "));
        if (refused[i][2])
            assert_string_equal(err.hint, refused[i][2]);
    }
    /* What is an expression, but would do more than read, meets the authorizer. */
    static const char *const acting[][2] = {
        {"load_extension('x')", "not authorized"},
        {"writefile('x', 'y')", "no such function"},
        {"id IN pragma_user_version(7)", "pragma_user_version"},
    };
    for (size_t i = 0; i < sizeof acting / sizeof *acting; i++) {
        ln_error err = {0};
        ln_query *query;
        char *sql;
        const ln_run_choice choice = {.where = acting[i][0], .fallback = "id", .limit = -1};
        assert_ok(ln_store_choose_runs(reader, &choice, &sql, &err));
        assert_fails(ln_query_new(reader, sql, NULL, &query, &err), LN_ESTORE, acting[i][1]);
        ln_free(sql);
    }
    /* The reader is one again afterwards. */
    assert_rows(reader, "PRAGMA query_only", "1");
    ln_error err = {0};
    char *sql;
    ln_run_choice choice = {.sort = "-id,", .fallback = "id", .limit = -1};
    assert_fails(ln_store_choose_runs(reader, &choice, &sql, &err), LN_EINVALID,
                 "--sort: a name is missing");
    choice = (ln_run_choice){.columns = "id;uuid", .limit = -1};
    assert_fails(ln_store_choose_runs(reader, &choice, &sql, &err), LN_EINVALID,
                 "--columns: runs have no");
}

static ln_status choose(void *context, ln_error *err)
{
    (void)context;
    char *sql;
    ln_query *query = NULL;
    bool more;
    const ln_run_choice choice = {.where = "roc_auc > 0.1 and tag.author = 'me' and \"seed\" > 0",
                                  .sort = "-train.epochs",
                                  .columns = "id,model[1].units",
                                  .limit = 3};
    ln_status status = ln_store_choose_runs(reader, &choice, &sql, err);
    if (status == LN_OK)
        status = ln_query_new(reader, sql, NULL, &query, err);
    if (status == LN_OK)
        status = ln_query_next(query, &more, err);
    ln_query_free(query);
    ln_free(sql);
    return status;
}

static void allocations_that_fail_are_told(void **state)
{
    (void)state;
    ln_error err = {0};
    bool failed = true;
    assert_ok(choose(NULL, &err));
    for (size_t n = 1; failed; n++) {
        ln_memory_fail_at(n, false);
        err = (ln_error){0};
        ln_status status = choose(NULL, &err);
        failed = ln_memory_fail_at(0, false) >= n;
        assert_true(status == LN_OK || (status == LN_ENOMEM && err.message[0]));
    }
    assert_rows(reader, "PRAGMA query_only", "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_choose_by_every_kind_of_name),
        cmocka_unit_test(runs_are_ordered_by_names),
        cmocka_unit_test(columns_and_limit),
        cmocka_unit_test(only_an_expression_comes_through),
        cmocka_unit_test(allocations_that_fail_are_told),
    };
    return cmocka_run_group_tests_name("store_choose", tests, open_fixture, close_fixture);
}
