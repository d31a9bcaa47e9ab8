/* Several processes: killed writers, two writers at a time, runs that are alive and runs that are
 * not. */
#include "store_fixture.h"

#include <signal.h>
#include <unistd.h>

#include "base/rng.h"

/* --- in a child: no cmocka, only an exit status
 * --------------------------------------------------- */

/* One run with one explanation and its first chunk of attributions; 0 where something failed. */
static int64_t write_run(ln_store *store, const char *uuid, int64_t chunks, int report)
{
    ln_error err = {0};
    int64_t experiment, run, explanation, first;
    const int64_t global[8] = {-1, -1, -1, -1, -1, -1, -1, -1};
    bool ok =
        ln_store_begin(store, &err) == LN_OK &&
        ln_store_intern(store, "experiment", "name", CELLS(TEXT_CELL("name", "many")), &experiment,
                        NULL, &err) == LN_OK &&
        ln_store_insert(store, "run",
                        CELLS(TEXT_CELL("uuid", uuid), TEXT_CELL("invocation", "i"),
                              INT_CELL("experiment", experiment), TEXT_CELL("status", "running"),
                              TEXT_CELL("started_at", "2026-01-31T12:00:00.000Z")),
                        &run, &err) == LN_OK &&
        ln_store_run_begin(store, run, &err) == LN_OK &&
        ln_store_insert(store, "explanation",
                        CELLS(INT_CELL("run", run), INT_CELL("seq", 0), TEXT_CELL("label", "l"),
                              TEXT_CELL("explainer", "x"), TEXT_CELL("status", "ok")),
                        &explanation, &err) == LN_OK &&
        ln_store_commit(store, &err) == LN_OK;
    float numbers[8][30];
    ln_shape shape = {.rank = 2, .dims = {8, 30}};
    for (int64_t chunk = 0; ok && chunk < chunks; chunk++) {
        ln_tensor *values = NULL;
        for (int i = 0; i < 240; i++)
            numbers[i / 30][i % 30] = (float)(i + 1000 * chunk + 7 * run);
        ln_attribution_rows rows = {.explanation = explanation,
                                    .count = 8,
                                    .first_seq = 8 * chunk,
                                    .sample = global,
                                    .target = global,
                                    .kind = "feature",
                                    .space = "input",
                                    .groups = -1,
                                    .unit = -1};
        ok = ln_tensor_copy_of(LN_F32, &shape, numbers, &values, &err) == LN_OK;
        rows.values = values;
        ok = ok && ln_store_put_attributions(store, &rows, &first, &err) == LN_OK;
        ln_tensor_release(values);
        if (ok && report >= 0)
            ok = write(report, &chunk, sizeof chunk) == sizeof chunk;
    }
    if (!ok)
        fprintf(stderr, "a writer failed: %s\n", err.message);
    return ok ? run : 0;
}

/* A child that writes one long run and reports every finished chunk; killed after `delay`
 * microseconds. */
static int64_t kill_a_writer(const char *path, unsigned delay, int64_t number)
{
    int report[2];
    char uuid[32];
    snprintf(uuid, sizeof uuid, "killed-%lld", (long long)number);
    assert_int_equal(pipe(report), 0);
    pid_t pid = fork();
    if (pid == 0) {
        ln_store *store = NULL;
        close(report[0]);
        if (ln_store_open(path, LN_STORE_WRITE, &store, NULL) == LN_OK)
            write_run(store, uuid, 1000000, report[1]);
        _exit(1);
    }
    close(report[1]);
    usleep(delay);
    kill(pid, SIGKILL);
    wait_for(pid);
    int64_t chunk, finished = 0;
    while (read(report[0], &chunk, sizeof chunk) == sizeof chunk)
        finished = chunk + 1;
    close(report[0]);
    return finished;
}

static void killed_writers_leave_what_they_finished(void **state)
{
    (void)state;
    const char *path = test_path("killed.db");
    ln_rng rng = ln_rng_make(1, "kill", 0, 0);
    char sql[256], wanted[64];
    remove_store(path);
    int64_t all = 0;
    for (int64_t i = 0; i < 25; i++) {
        int64_t finished = kill_a_writer(path, (unsigned)ln_rng_below(&rng, 60000), i);
        if (access(path, F_OK) != 0)
            continue; /* killed before it made the file */
        /* A reader sees what was reported and knows that its writer is dead. */
        ln_error err = {0};
        ln_store *store = NULL;
        if (ln_store_open(path, LN_STORE_READ, &store, &err) == LN_OK) {
            assert_rows(store, "SELECT count(*) FROM run WHERE status = 'running'", "0");
            assert_rows(store, "SELECT count(*) FROM run_summary WHERE status = 'running'", "0");
            ln_store_close(store);
        } else {
            assert_int_equal(finished, 0);
        }
        store = open_store(path, LN_STORE_WRITE);
        snprintf(
            sql, sizeof sql,
            "SELECT count(*) >= %lld FROM attribution a JOIN explanation e ON e.id = a.explanation "
            "JOIN run r ON r.id = e.run WHERE r.uuid = 'killed-%lld'",
            (long long)(8 * finished), (long long)i);
        assert_rows(store, sql, "1");
        assert_rows(store, "SELECT count(*) FROM run WHERE status <> 'interrupted'", "0");
        assert_rows(store, "SELECT count(*) % 8 FROM attribution", "0");
        verify_all(store);
        ln_store_close(store);
        all += finished;
    }
    snprintf(wanted, sizeof wanted, "%lld", (long long)all);
    assert_true(all > 100); /* it did write */
    remove_store(path);
}

static void two_processes_write_200_runs_each(void **state)
{
    (void)state;
    const char *path = test_path("two.db");
    remove_store(path);
    pid_t children[2];
    for (int c = 0; c < 2; c++) {
        children[c] = fork();
        if (children[c] == 0) {
            /* Both make the file, at the same time. */
            ln_store *store = NULL;
            ln_error err = {0};
            char uuid[32];
            bool ok = ln_store_open(path, LN_STORE_WRITE, &store, &err) == LN_OK;
            if (!ok)
                fprintf(stderr, "open: %s\n", err.message);
            for (int i = 0; ok && i < 200; i++) {
                snprintf(uuid, sizeof uuid, "%d-%d", c, i);
                int64_t run = write_run(store, uuid, 2, -1);
                ok = run > 0 && ln_store_update(store, "run", run, CELLS(TEXT_CELL("status", "ok")),
                                                &err) == LN_OK;
            }
            ln_store_close(store);
            _exit(ok ? 0 : 1);
        }
    }
    for (int c = 0; c < 2; c++)
        assert_int_equal(wait_for(children[c]), 0);
    ln_store *store = open_store(path, LN_STORE_WRITE);
    assert_rows(
        store,
        "SELECT count(*), count(DISTINCT uuid), max(id), (SELECT count(*) FROM attribution), "
        "(SELECT count(*) FROM experiment), (SELECT count(*) FROM run WHERE status = 'ok') FROM "
        "run",
        "400|400|400|6400|1|400");
    verify_all(store);
    ln_store_close(store);
    char side[300];
    snprintf(side, sizeof side, "%s-running", path);
    assert_int_equal(access(side, F_OK), -1); /* the last one removed it */
    remove_store(path);
}

static void living_runs_are_left_alone(void **state)
{
    (void)state;
    fixture f;
    ln_error err = {0};
    int64_t marked;
    fixture_open(&f, "alive.db");
    ln_store *other = open_store(f.path, LN_STORE_WRITE);
    assert_rows(other, "SELECT status FROM run", "running");
    assert_ok(ln_store_mark_dead(other, &marked, &err));
    assert_int_equal(marked, 0);
    ln_store *reader = open_store(f.path, LN_STORE_READ);
    assert_rows(reader, "SELECT r.status, s.status FROM run r JOIN run_summary s USING (id)",
                "running|running");
    ln_store_close(reader);
    /* Closed without a status: as good as dead. */
    fixture_close(&f);
    reader = open_store(f.path, LN_STORE_READ);
    assert_rows(
        reader,
        "SELECT r.status, s.status, m.status, s.error FROM run r JOIN run_summary s USING (id) "
        "JOIN main.run m USING (id)",
        "interrupted|interrupted|running|its process ended without a word");
    ln_store_close(reader);
    assert_ok(ln_store_mark_dead(other, &marked, &err));
    assert_int_equal(marked, 1);
    assert_rows(other, "SELECT status, error FROM run",
                "interrupted|its process ended without a word");
    ln_store_close(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_writers_leave_what_they_finished),
        cmocka_unit_test(two_processes_write_200_runs_each),
        cmocka_unit_test(living_runs_are_left_alone),
    };
    return cmocka_run_group_tests_name("store_process", tests, NULL, NULL);
}
