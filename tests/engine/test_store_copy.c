/* Copying runs between stores: everything comes along under new numbers, equal content once, never a
 * run twice, all of it or nothing, and no table is forgotten. */
#include "base/alloc.h"
#include "store/copy.h"
#include "store_fixture.h"

#define MOST_SEEN 8
#define SOURCE_SHA256                                                                              \
    "486d9affb60dbb0063b03d8e23a6ccf6364ce203dc3a9f56f20e750eb41ecade" /* of "return 1" */

typedef struct seen {
    ln_copied at[MOST_SEEN];
    int count;
} seen;

static void note(void *context, const ln_copied *copied)
{
    seen *s = context;
    assert_true(s->count < MOST_SEEN);
    s->at[s->count++] = *copied;
}

static void remark(fixture *f)
{
    fixture_insert(
        f->store, "tag",
        CELLS(INT_CELL("run", f->run), TEXT_CELL("key", "team"), TEXT_CELL("value", "blue")));
    fixture_insert(f->store, "source",
                   CELLS(TEXT_CELL("sha256", SOURCE_SHA256), TEXT_CELL("path", "/a.lua"),
                         TEXT_CELL("text", "return 1")));
    fixture_insert(f->store, "run_source",
                   CELLS(INT_CELL("run", f->run), TEXT_CELL("role", "script"),
                         TEXT_CELL("path", "/a.lua"), TEXT_CELL("sha256", SOURCE_SHA256)));
    int64_t metric = fixture_insert(
        f->store, "metric",
        CELLS(INT_CELL("run", f->run), TEXT_CELL("name", "deletion"),
              TEXT_CELL("label", "deletion"), TEXT_CELL("scope", "attribution"),
              INT_CELL("explanation", f->explanation[2]), INT_CELL("attribution", f->first[2] + 1),
              INT_CELL("sample", f->samples[1]), REAL_CELL("value", 0.25),
              TEXT_CELL("status", "ok")));
    fixture_insert(f->store, "curve",
                   CELLS(INT_CELL("metric", metric), TEXT_CELL("series", ""), INT_CELL("seq", 0),
                         REAL_CELL("x", 0.5)));
    fixture_insert(f->store, "expectation",
                   CELLS(TEXT_CELL("invocation", "i"), INT_CELL("experiment", 1),
                         INT_CELL("seq", 0), TEXT_CELL("text", "at_least"), INT_CELL("held", 1)));
}

static void finish(fixture *f)
{
    change(f->store, "UPDATE run SET status = 'ok'");
}

/* What a store says, without its numbers of rows. */
static const char *const contents[] = {
    "SELECT r.uuid, r.status, x.name, r.seed FROM run r JOIN experiment x ON x.id = r.experiment",
    "SELECT e.label, a.seq, s.idx, a.target, a.total, hex(attribution_values(a.id)), "
    "length(g.data), length(t.data) FROM attribution a JOIN explanation e ON e.id = a.explanation "
    "JOIN sample s ON s.id = a.sample JOIN tensor t ON t.id = a.tensor LEFT JOIN tensor g ON g.id "
    "= "
    "a.groups ORDER BY e.seq, a.seq",
    "SELECT e.name, e.idx, f.name, m.name FROM encoding e JOIN feature f ON f.id = e.feature JOIN "
    "model m ON m.id = e.model ORDER BY e.idx",
    "SELECT s.idx, s.raw, p.class, p.score, p.output_row, hex(t.data) FROM prediction p JOIN "
    "sample s "
    "ON s.id = p.sample JOIN tensor t ON t.id = p.output ORDER BY s.idx",
    "SELECT m.label, m.value, e.label, a.seq, s.idx, c.x FROM metric m JOIN explanation e ON e.id "
    "= "
    "m.explanation JOIN attribution a ON a.id = m.attribution JOIN sample s ON s.id = m.sample "
    "JOIN "
    "curve c ON c.metric = m.id",
    "SELECT t.key, t.value, r.path, s.text FROM tag t JOIN run_source r ON r.run = t.run JOIN "
    "source s "
    "ON s.sha256 = r.sha256",
    "SELECT text, held, run FROM expectation",
};

static void assert_same_contents(ln_store *a, ln_store *b)
{
    char wanted[16384];
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        snprintf(wanted, sizeof wanted, "%s", rows_of(a, contents[i]));
        assert_true(wanted[0] != '\0');
        assert_rows(b, contents[i], wanted);
    }
}

static void a_run_comes_whole_and_once(void **state)
{
    (void)state;
    fixture f;
    seen first = {0}, again = {0};
    ln_error err = {0};
    fixture_open(&f, "copy-from.db");
    remark(&f);
    finish(&f);
    const char *path = test_path("copy-to.db");
    remove_store(path);
    ln_store *to = open_store(path, LN_STORE_WRITE);
    /* Other numbers are taken here. */
    static const float other[2] = {4, 2};
    fixture_tensor(to, tensor_f32(TEST_SHAPE(2), other));
    fixture_insert(to, "experiment", CELLS(TEXT_CELL("name", "another")));
    fixture_insert(to, "dataset",
                   CELLS(TEXT_CELL("sha256", "e"), TEXT_CELL("name", "e"), INT_CELL("rows", 1)));
    assert_ok(ln_store_copy(f.store, to, &f.run, 1, note, &first, &err));
    assert_int_equal(first.count, 1);
    assert_true(first.at[0].added && first.at[0].to == 1);
    assert_same_contents(f.store, to);
    verify_all(to);
    assert_rows(to, "SELECT count(*) FROM dataset", "2");
    char before[16384];
    static const char totals[] =
        "SELECT (SELECT count(*) FROM tensor), (SELECT count(*) FROM sample), "
        "(SELECT count(*) FROM attribution), (SELECT count(*) FROM "
        "expectation), (SELECT count(*) FROM source), (SELECT count(*) FROM "
        "feature), (SELECT count(*) FROM encoding)";
    snprintf(before, sizeof before, "%s", rows_of(to, totals));
    assert_ok(ln_store_copy(f.store, to, NULL, 0, note, &again, &err));
    assert_true(again.count == 1 && !again.at[0].added && again.at[0].to == 1);
    assert_rows(to, totals, before);
    ln_store_close(to);
    fixture_close(&f);
}

static void runs_share_what_is_equal_and_refer_to_each_other(void **state)
{
    (void)state;
    fixture f;
    seen all = {0};
    ln_error err = {0};
    fixture_open(&f, "copy-two.db");
    remark(&f);
    int64_t second = fixture_run(f.store, "0badcafe-0000-4000-8000-000000000002");
    change(f.store, "UPDATE run SET reproduces_run = 1 WHERE id = 2");
    fixture_insert(f.store, "run_sample",
                   CELLS(INT_CELL("run", second), INT_CELL("sample", f.samples[2])));
    change(f.store, "UPDATE run SET status = 'ok' WHERE id = 2");
    const char *path = test_path("copy-two-to.db");
    remove_store(path);
    ln_store *to = open_store(path, LN_STORE_WRITE);
    /* The first still runs: it is left out, and what refers to it refers to nothing. */
    assert_ok(ln_store_copy(f.store, to, NULL, 0, note, &all, &err));
    assert_true(all.count == 2 && all.at[0].running && all.at[0].to == 0 && all.at[1].to == 1);
    assert_rows(to, "SELECT uuid, reproduces_run FROM run",
                "0badcafe-0000-4000-8000-000000000002|-");
    assert_rows(to, "SELECT count(*), min(idx) FROM sample", "1|12");
    assert_rows(to, "SELECT count(*) FROM feature", "3");
    finish(&f);
    assert_ok(ln_store_copy(f.store, to, NULL, 0, NULL, NULL, &err));
    assert_rows(to, "SELECT count(*) FROM run", "2");
    assert_rows(to, "SELECT count(*) FROM sample", "4");
    assert_rows(to, "SELECT count(*) FROM dataset", "1");
    /* Into an empty store both come, in their order. */
    remove_store(test_path("copy-three.db"));
    ln_store *third = open_store(test_path("copy-three.db"), LN_STORE_WRITE);
    assert_ok(ln_store_copy(f.store, third, NULL, 0, NULL, NULL, &err));
    assert_rows(third, "SELECT id, reproduces_run FROM run ORDER BY id", "1|-\n2|1");
    assert_same_contents(f.store, f.store);
    ln_store_close(third);
    ln_store_close(to);
    fixture_close(&f);
}

static void sealed_is_one_file(void **state)
{
    (void)state;
    fixture f;
    ln_error err = {0};
    char name[300];
    fixture_open(&f, "copy-seal.db");
    finish(&f);
    const char *path = test_path("sealed.db");
    remove_store(path);
    ln_store *to = open_store(path, LN_STORE_WRITE);
    assert_ok(ln_store_copy(f.store, to, NULL, 0, NULL, NULL, &err));
    assert_ok(ln_store_seal(to, &err));
    assert_rows(to, "PRAGMA journal_mode", "delete");
    ln_store_close(to);
    snprintf(name, sizeof name, "%s-wal", path);
    assert_int_equal(access(name, F_OK), -1);
    to = open_store(path, LN_STORE_READ);
    verify_all(to);
    ln_store_close(to);
    fixture_close(&f);
}

static bool is_known(const char *table)
{
    size_t count;
    const ln_copy_rule *rules = ln_copy_rules(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(rules[i].table, table) == 0)
            return true;
    for (const char *const *other = ln_copy_others(); *other; other++)
        if (strcmp(*other, table) == 0)
            return true;
    return false;
}

static void no_table_is_forgotten(void **state)
{
    (void)state;
    fixture f;
    char list[2048];
    fixture_open(&f, "copy-tables.db");
    snprintf(list, sizeof list, "%s",
             rows_of(f.store, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT "
                              "LIKE 'sqlite%'"));
    for (char *name = strtok(list, "\n"); name; name = strtok(NULL, "\n"))
        if (!is_known(name))
            fail_msg("copy.c says nothing of the table '%s'", name);
    fixture_close(&f);
}

/* A copy into a new store, of the store at a path that holds everything. */
static ln_status copy_once(void *context, ln_error *err)
{
    ln_store *from = NULL, *to = NULL;
    const char *path = test_path("copy-sweep.db");
    remove_store(path);
    ln_status status = ln_store_open(context, LN_STORE_READ, &from, err);
    if (status == LN_OK)
        status = ln_store_open(path, LN_STORE_WRITE, &to, err);
    if (status == LN_OK)
        status = ln_store_copy(from, to, NULL, 0, NULL, NULL, err);
    ln_store_close(to);
    ln_store_close(from);
    return status;
}

/* Some forty of the allocations, spread over the whole: each opens two stores. */
static void fail_some_allocations(fixture *f)
{
    ln_error err = {0};
    ln_memory_fail_at(0, true);
    assert_ok(copy_once(f->path, &err));
    size_t allocations = ln_memory_fail_at(0, true), before = ln_memory_used();
    for (size_t nth = 1; nth <= allocations; nth += allocations / 40) {
        ln_memory_fail_at(nth, false);
        ln_status status = copy_once(f->path, &err);
        ln_memory_fail_at(0, true);
        assert_int_equal(status, LN_ENOMEM);
        assert_int_equal(ln_memory_used(), before);
    }
}

static void every_failure_leaves_nothing(void **state)
{
    (void)state;
    fixture f;
    ln_error err = {0};
    fixture_open(&f, "copy-fail.db");
    remark(&f);
    finish(&f);
    fixture_close(&f);
    fail_some_allocations(&f);
    f.store = open_store(f.path, LN_STORE_WRITE);
    /* A reference that leads nowhere ends the copy, and takes back what was written. */
    change(f.store, "PRAGMA foreign_keys = OFF");
    change(f.store, "DELETE FROM tensor WHERE id = (SELECT tensor FROM attribution WHERE id = 3)");
    const char *path = test_path("copy-broken.db");
    remove_store(path);
    ln_store *to = open_store(path, LN_STORE_WRITE);
    assert_fails(ln_store_copy(f.store, to, NULL, 0, NULL, NULL, &err), LN_ESTORE,
                 "a row of 'tensor' that another refers to is not there");
    assert_rows(to, "SELECT count(*) FROM run", "0");
    assert_rows(to, "SELECT count(*) FROM sample", "0");
    ln_store_close(to);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_comes_whole_and_once),
        cmocka_unit_test(runs_share_what_is_equal_and_refer_to_each_other),
        cmocka_unit_test(sealed_is_one_file),
        cmocka_unit_test(no_table_is_forgotten),
        cmocka_unit_test(every_failure_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
