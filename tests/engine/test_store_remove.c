/* Tags, notes, removing runs and collecting what is left: what other runs use stays as it is. */
#include "store_fixture.h"

#include <sys/stat.h>
#include <unistd.h>

/* Two finished runs that share the data set, samples, model and every tensor but one each. */
static void two_runs(fixture *f, const char *name)
{
    fixture_open(f, name);
    fixture_close(f);
    f->store = open_store(f->path, LN_STORE_WRITE); /* the run's process is gone: interrupted */
    change(f->store, "INSERT INTO run (uuid, invocation, experiment, status, started_at) "
                     "SELECT 'second', 'j', experiment, 'ok', started_at FROM run");
    change(f->store, "INSERT INTO run_model SELECT 2, model FROM run_model");
    change(f->store,
           "INSERT INTO run_sample SELECT 2, sample, split, fold, weight, input, input_row "
           "FROM run_sample");
    change(f->store, "INSERT INTO prediction SELECT 2, sample, class, label, score, output, "
                     "output_row FROM prediction");
    change(f->store, "INSERT INTO explanation (run, seq, label, explainer, params, status) "
                     "SELECT 2, seq, label, explainer, params, status FROM explanation");
    change(f->store,
           "INSERT INTO attribution (explanation, sample, target, form, seq, tensor, "
           "tensor_row, groups, error, status) SELECT explanation + 4, sample, target, form, "
           "seq, tensor, tensor_row, groups, error, status FROM attribution");
    for (int run = 1; run <= 2; run++) {
        char sql[300];
        int64_t own = fixture_tensor(f->store, tensor_f32(TEST_SHAPE(2), (float[]){7, (float)run}));
        snprintf(sql, sizeof sql,
                 "INSERT INTO metric (run, name, label, scope, tensor, status, attribution) "
                 "VALUES (%d, 'm', 'm', 'model', %lld, 'ok', %d)",
                 run, (long long)own, run == 1 ? 1 : 17);
        change(f->store, sql);
        snprintf(sql, sizeof sql, "INSERT INTO tag VALUES (%d, 'k', 'v')", run);
        change(f->store, sql);
        snprintf(sql, sizeof sql,
                 "INSERT INTO event (run, at, level, message) VALUES (%d, 't', 'note', 'n')", run);
        change(f->store, sql);
    }
    change(f->store, "INSERT INTO expectation (invocation, experiment, run, seq, text) VALUES "
                     "('i', 1, NULL, 0, 'of i'), ('j', 1, NULL, 0, 'of j')");
}

/* Everything of run 2, its numbers included. */
#define OF_RUN_2                                                                                   \
    "SELECT (SELECT count(*) || '/' || sum(e.value) || '/' || group_concat(e.name) || '/' || "     \
    "sum(e.input) FROM element e JOIN attribution_view v ON v.id = e.attribution WHERE v.run = "   \
    "2), "                                                                                         \
    "(SELECT group_concat(raw) FROM sample JOIN run_sample r ON r.sample = sample.id WHERE r.run " \
    "= "                                                                                           \
    "2), (SELECT tensor_sum(tensor_values(tensor)) FROM metric WHERE run = 2), "                   \
    "(SELECT count(*) FROM prediction WHERE run = 2), (SELECT group_concat(name) FROM encoding), " \
    "(SELECT value FROM tag WHERE run = 2), (SELECT message FROM event WHERE run = 2)"

typedef struct kinds {
    char text[512]; /* "models 1, samples 4" of those that are there */
} kinds;

static void collected(void *context, const char *what, int64_t rows, int64_t bytes)
{
    kinds *k = context;
    size_t at = strlen(k->text);
    if (rows > 0)
        snprintf(k->text + at, sizeof k->text - at, "%s%s %lld (%lld)", at ? ", " : "", what,
                 (long long)rows, (long long)bytes);
}

static const char *collect(ln_store *store, bool dry_run)
{
    static kinds k;
    ln_error err = {0};
    k.text[0] = '\0';
    assert_ok(ln_store_collect(store, dry_run, collected, &k, &err));
    return k.text;
}

static void removing_and_collecting_leaves_what_others_use(void **state)
{
    (void)state;
    fixture f;
    ln_error err = {0};
    ln_removed removed;
    char before[2048];
    int64_t smaller;
    two_runs(&f, "shared.db");
    snprintf(before, sizeof before, "%s", rows_of(f.store, OF_RUN_2));
    assert_non_null(strstr(before, "48/"));
    assert_string_equal(collect(f.store, true), "");
    assert_ok(ln_store_remove_runs(f.store, (int64_t[]){1, 1}, 2, &removed, &err));
    assert_rows(f.store, "SELECT id FROM run", "2");
    assert_rows(f.store,
                "SELECT (SELECT count(*) FROM explanation), (SELECT count(*) FROM attribution), "
                "(SELECT count(*) FROM metric), (SELECT count(*) FROM tag), (SELECT count(*) FROM "
                "event), (SELECT count(*) FROM run_sample), (SELECT count(*) FROM prediction), "
                "(SELECT group_concat(text) FROM expectation)",
                "4|16|1|1|1|4|4|of j");
    change(f.store, "INSERT INTO run_file VALUES (2, 0, 'data', '/d.csv', 'a')");
    change(f.store, "INSERT INTO file VALUES ('a', x'0102'), ('b', x'010203')");
    assert_string_equal(collect(f.store, true), "tensors 1 (8), files 1 (3)");
    change(f.store, "DELETE FROM file");
    /* Only run 1's own tensor is left over; a dry run takes nothing, the other that alone. */
    for (int go = 0; go < 3; go++)
        assert_string_equal(collect(f.store, go == 0), go < 2 ? "tensors 1 (8)" : "");
    assert_string_equal(rows_of(f.store, OF_RUN_2), before);
    verify_all(f.store);
    assert_rows(f.store, "PRAGMA foreign_keys", "1");
    /* With its last run goes all that is shared. */
    assert_ok(ln_store_remove_runs(f.store, (int64_t[]){2}, 1, &removed, &err));
    assert_string_equal(collect(f.store, false),
                        "models 1 (0), samples 4 (170), data sets 1 (0), tensors 10 (368), "
                        "experiments 1 (6)");
    assert_rows(f.store,
                "SELECT (SELECT count(*) FROM tensor), (SELECT count(*) FROM sample), (SELECT "
                "count(*) FROM feature), (SELECT count(*) FROM encoding), (SELECT count(*) FROM "
                "model), (SELECT count(*) FROM dataset)",
                "0|0|0|0|0|0");
    verify_all(f.store);
    assert_ok(ln_store_shrink(f.store, &smaller, &err));
    assert_int_equal(fixture_run(f.store, "third"), 3); /* numbers are never used again */
    fixture_close(&f);
}

static void a_model_keeps_the_columns_it_is_encoded_by(void **state)
{
    (void)state;
    fixture f;
    two_runs(&f, "columns.db");
    /* Run 2 used the model on no sample of that data set. */
    change(f.store, "DELETE FROM run WHERE id = 1");
    change(f.store, "DELETE FROM attribution");
    change(f.store, "DELETE FROM run_sample");
    change(f.store, "DELETE FROM prediction");
    assert_null(strstr(collect(f.store, false), "data sets"));
    assert_rows(f.store, "SELECT count(*) FROM feature", "3");
    verify_all(f.store);
    fixture_close(&f);
}

static void some_runs_are_not_removed(void **state)
{
    (void)state;
    fixture f;
    ln_error err = {0};
    ln_removed removed;
    kinds k = {""};
    fixture_open(&f, "alive.db");
    assert_fails(ln_store_remove_runs(f.store, (int64_t[]){1}, 1, &removed, &err), LN_EFAILED,
                 "run 1 is running");
    assert_fails(ln_store_collect(f.store, false, collected, &k, &err), LN_EFAILED,
                 "a run is writing to the store");
    assert_string_equal(k.text, "");
    fixture_close(&f);
    two_runs(&f, "related.db");
    change(f.store, "UPDATE run SET reproduces_run = 1 WHERE id = 2");
    assert_fails(ln_store_remove_runs(f.store, (int64_t[]){1}, 1, &removed, &err), LN_EFAILED,
                 "run 1 cannot be removed alone: run 2 reproduces it");
    assert_string_equal(err.hint, "`lunette rm 1 2` removes both");
    change(f.store, "UPDATE run SET reproduces_run = NULL, parent_run = 1 WHERE id = 2");
    assert_fails(ln_store_remove_runs(f.store, (int64_t[]){1}, 1, &removed, &err), LN_EFAILED,
                 "run 2 resumes it");
    assert_rows(f.store, "SELECT count(*) FROM attribution", "32");
    assert_ok(ln_store_remove_runs(f.store, (int64_t[]){1, 2}, 2, &removed, &err));
    assert_rows(f.store, "SELECT count(*) FROM run", "0");
    fixture_close(&f);
}

static void add_artifact(fixture *f, int run, const char *name, const char *path, const char *file)
{
    char sql[700], hex[LN_SHA256_HEX];
    uint8_t digest[LN_SHA256_BYTES];
    ln_sha256("picture", 7, digest);
    ln_sha256_hex(digest, hex);
    test_write(file, "picture", 7);
    snprintf(sql, sizeof sql,
             "INSERT INTO artifact (run, name, path, sha256) VALUES (%d, '%s', '%s', '%s')", run,
             name, path, hex);
    change(f->store, sql);
}

static void only_the_run_s_own_unchanged_files_go(void **state)
{
    (void)state;
    fixture f;
    ln_error err = {0};
    ln_removed removed;
    char outside[300];
    assert_non_null(test_folder());
    mkdir(test_path("place"), 0755);
    mkdir(test_path("place/pictures"), 0755);
    mkdir(test_path("place/more"), 0755);
    snprintf(outside, sizeof outside, "%s", test_path("outside.png"));
    two_runs(&f, "place/files.db");
    add_artifact(&f, 1, "own", "pictures/own.png", test_path("place/pictures/own.png"));
    add_artifact(&f, 1, "shared", "more/shared.png", test_path("place/more/shared.png"));
    add_artifact(&f, 2, "shared", "more/shared.png", test_path("place/more/shared.png"));
    add_artifact(&f, 1, "changed", "more/changed.png", test_path("place/more/changed.png"));
    test_write(test_path("place/more/changed.png"), "mine", 4);
    add_artifact(&f, 1, "absolute", outside, outside);
    add_artifact(&f, 1, "above", "../outside.png", outside);
    assert_ok(ln_store_remove_runs(f.store, (int64_t[]){1}, 1, &removed, &err));
    assert_int_equal(removed.files, 1);
    assert_int_equal(removed.changed, 1);
    assert_int_equal(access(test_path("place/pictures"), F_OK), -1); /* empty now */
    assert_int_equal(access(test_path("place/more/shared.png"), F_OK), 0);
    assert_int_equal(access(test_path("place/more/changed.png"), F_OK), 0);
    assert_int_equal(access(outside, F_OK), 0);
    fixture_close(&f);
}

static void tags_and_notes_are_for_finished_runs_too(void **state)
{
    (void)state;
    fixture f;
    ln_error err = {0};
    two_runs(&f, "tags.db");
    assert_ok(ln_store_tag(f.store, 2, "author", "me \"and\" \\you", &err));
    assert_ok(ln_store_tag(f.store, 2, "author", "you", &err));
    assert_ok(ln_store_tag(f.store, 2, "why.not-", "", &err));
    assert_rows(f.store, "SELECT key, value FROM tag WHERE run = 2", "author|you\nk|v\nwhy.not-|");
    assert_ok(ln_store_tag(f.store, 2, "k", "a \"b\" \\c", &err));
    assert_rows(f.store, "SELECT tags ->> 'k' FROM run_summary WHERE id = 2", "a \"b\" \\c");
    assert_ok(ln_store_untag(f.store, 2, "author", &err));
    assert_fails(ln_store_untag(f.store, 2, "author", &err), LN_EINVALID,
                 "run 2 has no tag 'author'");
    assert_fails(ln_store_tag(f.store, 2, "a b", "x", &err), LN_EINVALID, "found 'a b'");
    assert_fails(ln_store_tag(f.store, 2, "", "x", &err), LN_EINVALID, "a tag's name has letters");
    assert_fails(ln_store_tag(f.store, 2, "a", "x\ny", &err), LN_EINVALID, "control character");
    assert_ok(ln_store_note(f.store, 2, "first\nsecond line", &err));
    assert_ok(ln_store_note(f.store, 2, "later", &err));
    assert_fails(ln_store_note(f.store, 2, " \n", &err), LN_EINVALID, "the note is empty");
    assert_rows(f.store,
                "SELECT group_concat(message, '+'), min(length(at) >= 1) FROM event WHERE run = 2 "
                "AND level = 'note'",
                "n+first\nsecond line+later|1");
    assert_rows(f.store, "SELECT note FROM run_summary WHERE id = 2", "later");
    fixture_close(&f);
}

static ln_status collect_and_remove(void *context, ln_error *err)
{
    ln_store *store = context;
    ln_removed removed;
    kinds k = {""};
    ln_status status = ln_store_collect(store, true, collected, &k, err);
    if (status == LN_OK)
        status = ln_store_begin(store, err);
    if (status == LN_OK)
        status = ln_store_remove_runs(store, (int64_t[]){1}, 1, &removed, err);
    ln_store_rollback(store);
    return status;
}

static void no_allocation_failure_loses_a_row(void **state)
{
    (void)state;
    fixture f;
    ln_error err = {0};
    two_runs(&f, "sweep.db");
    fixture_close(&f);
    bool failed = true;
    for (size_t n = 1; failed; n += 5) {
        size_t before = ln_memory_used();
        ln_store *store = open_store(f.path, LN_STORE_WRITE);
        ln_memory_fail_at(n, true);
        err = (ln_error){0};
        ln_status status = collect_and_remove(store, &err);
        failed = ln_memory_fail_at(0, true) >= n;
        assert_true(status == LN_OK || (status == LN_ENOMEM && err.message[0]));
        ln_store_close(store);
        if (ln_memory_used() != before && n > 1) /* SQLite keeps something from the first time */
            fail_msg("allocation %zu failing leaves %zd bytes", n,
                     (ssize_t)(ln_memory_used() - before));
        assert_true(n < 100000);
    }
    ln_store *store = open_store(f.path, LN_STORE_READ);
    assert_rows(store, "SELECT count(*), (SELECT count(*) FROM attribution) FROM run", "2|32");
    verify_all(store);
    ln_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(removing_and_collecting_leaves_what_others_use),
        cmocka_unit_test(a_model_keeps_the_columns_it_is_encoded_by),
        cmocka_unit_test(some_runs_are_not_removed),
        cmocka_unit_test(only_the_run_s_own_unchanged_files_go),
        cmocka_unit_test(tags_and_notes_are_for_finished_runs_too),
        cmocka_unit_test(no_allocation_failure_loses_a_row),
    };
    return cmocka_run_group_tests_name("store_remove", tests, NULL, NULL);
}
