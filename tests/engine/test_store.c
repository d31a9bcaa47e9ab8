/* The store: schema, rows, tensors, attributions, runs by name, verify, failing allocations. */
#include "store_fixture.h"

#include <sys/stat.h>
#include <unistd.h>

static fixture f;

static int open_fixture(void **state)
{
    (void)state;
    fixture_open(&f, "store.db");
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

/* The columns of the contract, in its order; the store may have more, after them or between. */
static const char *const contract[][2] = {
    {"experiment", "id name"},
    {"run",
     "id uuid invocation experiment status started_at finished_at seed numerics threads argv "
     "script_sha256 environment parent_run reproduces_run error"},
    {"source", "sha256 path text"},
    {"run_source", "run role path sha256"},
    {"run_settings", "run settings"},
    {"run_file", "run seq role path sha256"},
    {"file", "sha256 data"},
    {"environment", "id sha256 host os cpu isa compiler version build libraries"},
    {"param", "run key type num text"},
    {"tag", "run key value"},
    {"dataset", "id sha256 name path rows meta"},
    {"feature", "dataset idx name kind"},
    {"sample", "id dataset idx label raw"},
    {"run_sample", "run sample split fold weight input input_row"},
    {"model", "id sha256 name format graph parameters weights file"},
    {"run_model", "run model"},
    {"encoding", "model idx feature name meta"},
    {"prediction", "run sample class label score output output_row"},
    {"explanation", "id run seq label explainer version params params_sha256 status reason "
                    "evaluations elapsed_ns"},
    {"attribution",
     "id explanation sample target kind space layer unit seq tensor tensor_row groups "
     "error output baseline_output total residual absorbed min max l1 nan_count "
     "status reason"},
    {"tensor", "id sha256 dtype shape data"},
    {"metric", "id run name label params scope split class slice explanation attribution sample "
               "value lower upper n higher_is_better tensor status reason"},
    {"curve", "metric series seq x y threshold"},
    {"expectation", "invocation experiment run seq text held detail"},
    {"saved_query", "name sql"},
    {"artifact", "run name media_type path sha256 bytes"},
    {"event", "run at level message"},
    {"training_layer", "run epoch seq layer gradient weight change units dead bins finding"},
    {"schema_version", "version applied_at"},
    {"element", "attribution idx i0 i1 i2 i3 name raw input value error"},
    {"attribution_view", "run experiment label explainer idx"},
    {"feature_importance", "run explanation label explainer input idx name mean_abs mean std"},
    {"run_summary", "id uuid experiment status metrics"},
    {"leaderboard", "experiment metric place value"},
};

static void schema_has_the_columns_of_the_contract(void **state)
{
    (void)state;
    char sql[256];
    for (size_t i = 0; i < sizeof contract / sizeof *contract; i++) {
        snprintf(sql, sizeof sql,
                 "SELECT group_concat(name, ' ') || ' ' FROM pragma_table_xinfo('%s')",
                 contract[i][0]);
        const char *have = rows_of(f.store, sql);
        char wanted[512];
        snprintf(wanted, sizeof wanted, "%s", contract[i][1]);
        for (char *save, *name = strtok_r(wanted, " ", &save); name;
             name = strtok_r(NULL, " ", &save)) {
            char word[64];
            snprintf(word, sizeof word, "%s ", name);
            const char *at = strstr(have, word);
            while (at && at > have && at[-1] != ' ')
                at = strstr(at + 1, word);
            if (!at)
                fail_msg("table %s has no column %s: %s", contract[i][0], name, have);
        }
    }
}

static void schema_is_strict_wal_and_paged(void **state)
{
    (void)state;
    assert_rows(f.store,
                "SELECT group_concat(name) FROM pragma_table_list WHERE schema = 'main' AND type = "
                "'table' AND strict = 0 AND name NOT LIKE 'sqlite%'",
                "-");
    assert_rows(f.store, "PRAGMA page_size", "16384");
    assert_rows(f.store, "PRAGMA journal_mode", "wal");
    assert_rows(f.store, "PRAGMA synchronous", "1");
    assert_rows(f.store, "PRAGMA foreign_keys", "1");
    assert_rows(f.store, "SELECT min(version), min(length(applied_at)) FROM schema_version",
                "1|24");
    /* Every `id` is the row's number. */
    assert_rows(
        f.store,
        "SELECT group_concat(t.name) FROM pragma_table_list t, pragma_table_xinfo(t.name) c "
        "WHERE t.schema = 'main' AND t.type = 'table' AND c.name = 'id' AND "
        "(c.pk <> 1 OR c.type <> 'INTEGER')",
        "-");
}

static void run_ids_are_never_used_again(void **state)
{
    (void)state;
    int64_t second = fixture_run(f.store, "second");
    change(f.store, "DELETE FROM run WHERE uuid = 'second'");
    assert_int_equal(fixture_run(f.store, "third"), second + 1);
}

static void deleting_a_run_takes_what_is_its_own(void **state)
{
    (void)state;
    change(f.store, "DELETE FROM run");
    assert_rows(f.store,
                "SELECT (SELECT count(*) FROM explanation), (SELECT count(*) FROM attribution), "
                "(SELECT count(*) FROM prediction), (SELECT count(*) FROM run_sample), "
                "(SELECT count(*) FROM sample), (SELECT count(*) FROM tensor) > 0",
                "0|0|0|0|4|1");
}

static void insert_checks_names_and_keeps_types(void **state)
{
    (void)state;
    ln_error err = {0};
    assert_fails(ln_store_insert(f.store, "runs", CELLS(INT_CELL("id", 1)), NULL, &err), LN_ESTORE,
                 "no table 'runs'");
    assert_fails(ln_store_insert(f.store, "run", CELLS(INT_CELL("idd", 1)), NULL, &err), LN_ESTORE,
                 "no column 'idd'");
    assert_fails(ln_store_insert(f.store, "run", CELLS(INT_CELL("id\" --", 1)), NULL, &err),
                 LN_ESTORE, "no column");
    assert_fails(ln_store_insert(f.store, "run_model",
                                 CELLS(INT_CELL("run", 1), INT_CELL("model", 99)), NULL, &err),
                 LN_ESTORE, "FOREIGN KEY");
    fixture_insert(f.store, "param",
                   CELLS(INT_CELL("run", f.run), TEXT_CELL("key", "k"), TEXT_CELL("type", "real"),
                         REAL_CELL("num", NAN), {.column = "text", .type = LN_CELL_TEXT}));
    assert_rows(f.store, "SELECT num, text, typeof(text) FROM param", "-||text");
}

static void intern_finds_what_is_there(void **state)
{
    (void)state;
    ln_error err = {0};
    int64_t first, second, other;
    bool added;
    assert_ok(ln_store_intern(f.store, "source", "sha256",
                              CELLS(TEXT_CELL("sha256", "a"), TEXT_CELL("text", "x")), &first,
                              &added, &err));
    assert_true(added);
    assert_ok(ln_store_intern(f.store, "source", "sha256",
                              CELLS(TEXT_CELL("sha256", "a"), TEXT_CELL("text", "y")), &second,
                              &added, &err));
    assert_false(added);
    assert_int_equal(first, second);
    assert_rows(f.store, "SELECT text FROM source WHERE sha256 = 'a'", "x");
    assert_ok(ln_store_intern(f.store, "source", "sha256",
                              CELLS(TEXT_CELL("sha256", "b"), TEXT_CELL("text", "y")), &other, NULL,
                              &err));
    assert_int_not_equal(first, other);
    assert_fails(ln_store_intern(f.store, "source", "sha256", CELLS(TEXT_CELL("text", "y")), &other,
                                 NULL, &err),
                 LN_ESTORE, "needs a value for its key");
}

static void update_changes_only_running_runs(void **state)
{
    (void)state;
    ln_error err = {0};
    assert_ok(ln_store_update(f.store, "explanation", f.explanation[0],
                              CELLS(INT_CELL("evaluations", 12)), &err));
    assert_rows(f.store, "SELECT evaluations FROM explanation WHERE label = 'saliency'", "12");
    assert_fails(ln_store_update(f.store, "tensor", 1, CELLS(TEXT_CELL("dtype", "f64")), &err),
                 LN_ESTORE, "rows of 'tensor' never change");
    assert_fails(ln_store_update(f.store, "run", 99, CELLS(TEXT_CELL("status", "ok")), &err),
                 LN_ESTORE, "there is no row 99");
    assert_ok(ln_store_update(f.store, "run", f.run, CELLS(TEXT_CELL("status", "ok")), &err));
    assert_fails(ln_store_update(f.store, "explanation", f.explanation[0],
                                 CELLS(INT_CELL("evaluations", 13)), &err),
                 LN_ESTORE, "finished run");
    assert_fails(ln_store_update(f.store, "run", f.run, CELLS(TEXT_CELL("status", "failed")), &err),
                 LN_ESTORE, "finished run");
    assert_rows(f.store, "SELECT evaluations FROM explanation WHERE label = 'saliency'", "12");
}

static void transactions_hold_together(void **state)
{
    (void)state;
    ln_error err = {0};
    assert_ok(ln_store_begin(f.store, &err));
    assert_fails(ln_store_begin(f.store, &err), LN_ESTORE, "open already");
    fixture_run(f.store, "gone");
    ln_store_rollback(f.store);
    assert_rows(f.store, "SELECT count(*) FROM run WHERE uuid = 'gone'", "0");
    ln_store_rollback(f.store); /* without effect */
    assert_ok(ln_store_begin(f.store, &err));
    fixture_run(f.store, "kept");
    assert_ok(ln_store_commit(f.store, &err));
    assert_rows(f.store, "SELECT count(*) FROM run WHERE uuid = 'kept'", "1");
}

static void tensors_are_stored_once_and_come_back(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_dtype dtypes[] = {LN_F32, LN_F64, LN_I64, LN_I32, LN_U8, LN_BOOL};
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++) {
        ln_tensor *tensor = tensor_zero(dtypes[i], TEST_SHAPE(2, 3, 1)), *back;
        memset(tensor->data, i == 5 ? 1 : (int)i + 1, tensor->bytes);
        int64_t id, again;
        assert_ok(ln_store_put_tensor(f.store, tensor, &id, &err));
        assert_ok(ln_store_put_tensor(f.store, tensor, &again, &err));
        assert_int_equal(id, again);
        assert_ok(ln_store_get_tensor(f.store, id, &back, &err));
        assert_same_tensor(back, tensor);
        ln_tensor_release(back);
        ln_tensor_release(tensor);
    }
    /* The same bytes in another shape are another tensor; empty and scalar ones are fine. */
    ln_tensor *flat = tensor_zero(LN_F32, TEST_SHAPE(6)),
              *tall = tensor_zero(LN_F32, TEST_SHAPE(6, 1));
    ln_tensor *none = tensor_zero(LN_F32, TEST_SHAPE(0, 4)),
              *one = tensor_zero(LN_F64, TEST_SCALAR);
    ln_tensor *all[] = {flat, tall, none, one}, *back;
    int64_t ids[4];
    for (int i = 0; i < 4; i++) {
        assert_ok(ln_store_put_tensor(f.store, all[i], &ids[i], &err));
        assert_ok(ln_store_get_tensor(f.store, ids[i], &back, &err));
        assert_same_tensor(back, all[i]);
        ln_tensor_release(back);
        ln_tensor_release(all[i]);
    }
    assert_int_not_equal(ids[0], ids[1]);
    assert_rows(f.store, "SELECT shape FROM tensor ORDER BY id DESC LIMIT 4",
                "[]\n[0,4]\n[6,1]\n[6]");
    assert_fails(ln_store_get_tensor(f.store, 4711, &back, &err), LN_ESTORE, "no tensor 4711");
}

static void attributions_share_a_tensor(void **state)
{
    (void)state;
    assert_rows(
        f.store,
        "SELECT count(*), count(DISTINCT tensor), group_concat(tensor_row), group_concat(seq), "
        "max(id) - min(id) FROM attribution WHERE explanation = 1",
        "4|2|0,1,0,1|0,1,2,3|3");
    assert_rows(
        f.store,
        "SELECT target, kind, space, output, total, residual, min, max, l1, nan_count, status "
        "FROM attribution WHERE explanation = 2 ORDER BY seq",
        "1|feature|column|2.5|2|0|-1|2|4|0|ok\n1|feature|column|-4.5|-5|0|-5|4|13|0|ok\n"
        "0|feature|column|6.5|6|0|-8|8|22|0|ok\n-|feature|column|1.5|1|0|0|1|1|0|ok");
    ln_error err = {0};
    ln_attribution_rows rows = {.count = 3, .values = tensor_zero(LN_F32, TEST_SHAPE(2, 3))};
    assert_fails(ln_store_put_attributions(f.store, &rows, NULL, &err), LN_ESTORE, "as many rows");
    ln_tensor_release((ln_tensor *)rows.values);
}

static void runs_are_found_by_every_name(void **state)
{
    (void)state;
    ln_error err = {0};
    int64_t run;
    fixture_run(f.store, "0badd00d-0000-4000-8000-000000000002");
    static const struct {
        const char *text; /* of the command line */
        int64_t run;      /* 0: none */
        const char *part; /* of the message */
    } cases[] = {
        {"1", 1, ""},
        {"2", 2, ""},
        {"last", 2, ""},
        {"last~1", 1, ""},
        {"credit", 2, ""},
        {"0badc", 1, ""},
        {"0BADD", 2, ""},
        {"0badcafe-0000-4000-8000-000000000001", 1, ""},
        {"3", 0, "has 2 runs, the newest is 2"},
        {"0bad", 0, "uuids of 2 runs"},
        {"0ba", 0, "no run '0ba'"},
        {"last~2", 0, "no run 'last~2'"},
        {"last~x", 0, "no run"},
        {"", 0, "no run ''"},
        {"credti", 0, "'credit'"},
        {"99999999999999999999999", 0, "no run"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].run) {
            assert_ok(ln_store_find_run(f.store, cases[i].text, &run, &err));
            assert_int_equal(run, cases[i].run);
        } else {
            assert_fails(ln_store_find_run(f.store, cases[i].text, &run, &err), LN_EINVALID,
                         cases[i].part);
        }
    }
    assert_int_equal(ln_store_find_run(f.store, "credti", &run, &err), LN_EINVALID);
    assert_string_equal(err.hint, "did you mean 'credit'?");
}

/* What verify says, one line a finding. */
static void note(void *context, const char *severity, const char *text)
{
    char *all = context;
    size_t at = strlen(all);
    snprintf(all + at, 2048 - at, "%s: %s\n", severity, text);
}

static void verified(const char *change_sql, const char *wanted)
{
    ln_error err = {0};
    char found[2048] = "";
    int64_t checked;
    if (change_sql)
        change(f.store, change_sql);
    assert_ok(ln_store_verify(f.store, 0, note, found, &checked, &err));
    if (wanted[0] == '\0' ? found[0] != '\0' : !strstr(found, wanted))
        fail_msg("verify said '%s', wanted '%s'", found, wanted);
    assert_int_not_equal(checked, 0);
}

static void verify_names_what_changed(void **state)
{
    (void)state;
    verified(NULL, "");
    /* One float of a stored tensor. */
    change(f.store, "SAVEPOINT s");
    verified("UPDATE tensor SET data = CAST(x'0000803f' || substr(data, 5) AS BLOB) WHERE id = "
             "(SELECT tensor FROM attribution WHERE id = 5)",
             "");
    change(f.store, "ROLLBACK TO s");
    verified("UPDATE tensor SET data = CAST(x'0000803e' || substr(data, 5) AS BLOB) WHERE id = "
             "(SELECT tensor FROM attribution WHERE id = 5)",
             "has changed");
    change(f.store, "ROLLBACK TO s");
    verified("UPDATE tensor SET shape = '[4,4]' WHERE id = (SELECT tensor FROM attribution WHERE "
             "id = 5)",
             "do not fit together");
    change(f.store, "ROLLBACK TO s");
    verified("UPDATE attribution SET tensor_row = 9 WHERE id = 5",
             "attribution 5: row 9 of tensor");
    change(f.store, "ROLLBACK TO s");
    verified("UPDATE attribution SET total = total + 0.01 WHERE id = 5",
             "attribution 5 (ig): its recorded total");
    change(f.store, "ROLLBACK TO s");
    verified("UPDATE attribution SET nan_count = 1 WHERE id = 5", "number of NaN");
    change(f.store, "ROLLBACK TO s");
    verified("UPDATE attribution SET tensor = NULL WHERE id = 5",
             "attribution 5 is 'ok' but has no numbers");
    change(f.store, "ROLLBACK TO s");
    change(f.store,
           "INSERT INTO source VALUES ('9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15"
           "d6c15b0f00a08', 's.lua', 'test')");
    verified("INSERT INTO file SELECT sha256, CAST(text AS BLOB) FROM source", "");
    change(f.store, "INSERT INTO run_file SELECT 1, 0, 'data', '/d.csv', sha256 FROM source");
    verified("UPDATE source SET text = 'tests'",
             "the stored content of 's.lua' has changed: it does not have its hash 9f86d081884c");
    change(f.store, "UPDATE source SET text = 'test'");
    verified("UPDATE file SET data = x'00'", "the stored content of '/d.csv' has changed");
    change(f.store, "ROLLBACK TO s");
    /* output 2.5, baseline 0.5, l1 4: the scale is 7, and 0.05 of it 0.35. */
    verified("UPDATE attribution SET residual = -0.34 WHERE id = 5", "");
    verified("UPDATE attribution SET residual = -0.36 WHERE id = 5",
             "residual: attribution 5 (ig): its sum misses the output's difference by 0.36");
    change(f.store, "ROLLBACK TO s");
    change(f.store, "PRAGMA foreign_keys = OFF");
    change(f.store, "RELEASE s");
    change(f.store, "PRAGMA foreign_keys = OFF");
    verified("DELETE FROM sample WHERE id = 1", "refers to a row of 'sample' that is not there");
}

static ln_status whole_life(void *context, ln_error *err)
{
    (void)context;
    ln_store *store = NULL;
    ln_tensor *tensor = NULL;
    int64_t id, first, checked;
    ln_query *query = NULL;
    bool more;
    char found[2048] = "";
    const int64_t samples[2] = {-1, -1}, targets[2] = {0, 1};
    const char *path = test_path("sweep.db");
    remove(path);
    ln_shape shape = TEST_SHAPE(2, 2);
    ln_status status = ln_tensor_new(LN_F32, &shape, &tensor, err);
    if (status == LN_OK)
        status = ln_store_open(path, LN_STORE_WRITE, &store, err);
    if (status == LN_OK)
        status = ln_store_intern(store, "experiment", "name", CELLS(TEXT_CELL("name", "e")), &id,
                                 NULL, err);
    if (status == LN_OK)
        status = ln_store_insert(store, "run",
                                 CELLS(TEXT_CELL("uuid", "u"), TEXT_CELL("invocation", "i"),
                                       INT_CELL("experiment", id), TEXT_CELL("status", "running"),
                                       TEXT_CELL("started_at", "2026-01-31T12:00:00.000Z")),
                                 &id, err);
    if (status == LN_OK)
        status = ln_store_run_begin(store, id, err);
    if (status == LN_OK)
        status =
            ln_store_insert(store, "explanation",
                            CELLS(INT_CELL("run", id), INT_CELL("seq", 0), TEXT_CELL("label", "l"),
                                  TEXT_CELL("explainer", "x"), TEXT_CELL("status", "ok")),
                            &id, err);
    ln_attribution_rows rows = {.explanation = id,
                                .count = 2,
                                .sample = samples,
                                .target = targets,
                                .kind = "feature",
                                .space = "input",
                                .values = tensor,
                                .groups = -1,
                                .unit = -1};
    if (status == LN_OK)
        status = ln_store_put_attributions(store, &rows, &first, err);
    if (status == LN_OK)
        status = ln_query_new(store,
                              "SELECT tensor_topk(attribution_values(1), 1), e.value, i.std FROM "
                              "element e, explanation_importance(1) i WHERE e.attribution = 2",
                              NULL, &query, err);
    if (status == LN_OK)
        status = ln_query_next(query, &more, err);
    if (status == LN_OK)
        status = ln_store_verify(store, 0, note, found, &checked, err);
    ln_query_free(query);
    ln_store_close(store);
    ln_tensor_release(tensor);
    remove(path);
    char side[300];
    snprintf(side, sizeof side, "%s-wal", path);
    remove(side);
    snprintf(side, sizeof side, "%s-shm", path);
    remove(side);
    return status;
}

/* SQLite keeps some memory for the process (its page cache's first block, the mutexes): a first
 * life makes that, so that the sweep sees only what a store leaves behind. */
static void no_allocation_failure_does_harm(void **state)
{
    (void)state;
    ln_error err = {0};
    assert_ok(whole_life(NULL, &err));
    size_t n = 1;
    /* Every one of the first, then every eleventh: they are thousands, and each is a life on disk.
     * */
    for (int survived = 0; survived < 20; n += n < 300 ? 1 : 11) {
        size_t before = ln_memory_used();
        ln_memory_fail_at(n, true);
        err = (ln_error){0};
        ln_status status = whole_life(NULL, &err);
        size_t made = ln_memory_fail_at(0, true);
        assert_true(status == LN_OK || status == LN_ENOMEM);
        assert_true(status == LN_OK || err.message[0]);
        if (ln_memory_used() != before)
            fail_msg("allocation %zu failing leaves %zd bytes", n,
                     (ssize_t)(ln_memory_used() - before));
        survived = made < n ? survived + 1 : 0; /* SQLite goes on without some of them */
    }
    assert_true(n > 500);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        TEST(schema_has_the_columns_of_the_contract),
        TEST(schema_is_strict_wal_and_paged),
        TEST(run_ids_are_never_used_again),
        TEST(deleting_a_run_takes_what_is_its_own),
        TEST(insert_checks_names_and_keeps_types),
        TEST(intern_finds_what_is_there),
        TEST(update_changes_only_running_runs),
        TEST(transactions_hold_together),
        TEST(tensors_are_stored_once_and_come_back),
        TEST(attributions_share_a_tensor),
        TEST(runs_are_found_by_every_name),
        TEST(verify_names_what_changed),
        cmocka_unit_test(no_allocation_failure_does_harm),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
