/* Pieces written while the run goes on: the same rows as written at once, in order, with the owner's
 * transactions between; failures in their own words; failing allocations. */
#include "store_fixture.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/rng.h"
#include "base/text.h"

enum { PIECES = 40, ROWS = 5, WIDTH = 7 };

/* A piece whose numbers tell which it is. */
typedef struct made {
    ln_attribution_rows rows;    /* points into the rest */
    ln_verdict_rows verdicts[2]; /* the second undefined at row 3 */
    int64_t sample[ROWS], target[ROWS], nan_count[ROWS];
    double output[ROWS], total[ROWS], values[2][ROWS], lower[ROWS], upper[ROWS];
    int64_t n[ROWS]; /* of the second's values, with their bounds and parameters of their own */
    const char *status[ROWS], *reason[ROWS], *why[ROWS], *own[ROWS];
    char text[64], label[16], input[16];
    ln_attribution_rows other; /* of every third: to another input */
} made;

static ln_status make_piece(made *m, int64_t run, int64_t explanation, int number,
                            const int64_t *samples, ln_error *err)
{
    ln_tensor *values = NULL;
    ln_shape shape = TEST_SHAPE(ROWS, WIDTH);
    ln_status status = ln_tensor_new(LN_F32, &shape, &values, err);
    if (status != LN_OK)
        return status;
    *m = (made){.rows = {.explanation = explanation,
                         .count = ROWS,
                         .first_seq = (int64_t)number * ROWS,
                         .sample = m->sample,
                         .target = m->target,
                         .kind = "feature",
                         .space = "input",
                         .values = values,
                         .groups = -1,
                         .unit = -1,
                         .output = m->output,
                         .total = m->total,
                         .nan_count = m->nan_count,
                         .status = m->status,
                         .reason = m->reason}};
    snprintf(m->text, sizeof m->text, "reason %d", number);
    snprintf(m->label, sizeof m->label, "deletion");
    for (int i = 0; i < ROWS; i++) {
        for (int k = 0; k < WIDTH; k++)
            ((float *)values->data)[i * WIDTH + k] = (float)(100 * number + 10 * i + k);
        m->sample[i] = samples ? samples[i % 4] : -1;
        m->target[i] = i - 1;
        m->output[i] = number + i * 0.25;
        m->total[i] = i == 2 ? NAN : WIDTH * (100 * number + 10 * i) + 21;
        m->status[i] = i == 2 ? "undefined" : NULL;
        m->reason[i] = i == 2 ? m->text : NULL;
        m->values[0][i] = number;
        m->values[1][i] = i == 3 ? NAN : i;
        m->why[i] = i == 3 ? m->text : NULL;
        m->lower[i] = i == 1 ? NAN : number - 0.5;
        m->upper[i] = number + 0.5;
        m->n[i] = i == 2 ? -1 : 10 * i;
        m->own[i] = i == 4 ? NULL : m->text;
    }
    for (int v = 0; v < 2; v++)
        m->verdicts[v] = (ln_verdict_rows){.run = run,
                                           .name = "deletion",
                                           .label = v ? "other" : m->label,
                                           .params = "{}",
                                           .higher_is_better = v - 1,
                                           .values = m->values[v],
                                           .reasons = v ? m->why : NULL,
                                           .own_params = v ? m->own : NULL,
                                           .lower = v ? m->lower : NULL,
                                           .upper = v ? m->upper : NULL,
                                           .n = v ? m->n : NULL};
    return LN_OK;
}

/* Two inputs: the attributions to the second are others. */
static void add_other(made *m, int number)
{
    m->other = m->rows;
    m->other.values = tensor_random(TEST_SHAPE(ROWS, 3), (uint64_t)number);
    m->other.input = m->input;
    m->rows.next = &m->other;
    m->rows.input = "first";
    snprintf(m->input, sizeof m->input, "second");
}

/* Overwrites what a submitted piece pointed to: it must have been copied. */
static void spoil(made *m)
{
    ln_tensor_release((ln_tensor *)m->rows.values);
    if (m->rows.next)
        ln_tensor_release((ln_tensor *)m->other.values);
    memset(m, 0x55, sizeof *m);
}

/* All that a store has of the pieces, row by row. */
static char *content(ln_store *store)
{
    static const char *const sql[] = {
        "SELECT id, explanation, sample, target, seq, tensor, tensor_row, output, total, "
        "nan_count, "
        "status, reason, input FROM attribution WHERE explanation = 4",
        "SELECT id, name, label, params, scope, explanation, attribution, sample, value, lower, "
        "upper, n, higher_is_better, status, reason FROM metric WHERE id % 9 = 0 OR scope = "
        "'explanation'",
        "SELECT id, hex(sha256), hex(substr(data, 1, 40)) FROM tensor",
    };
    ln_text text = {0};
    for (size_t i = 0; i < sizeof sql / sizeof *sql; i++) {
        const char *rows = rows_of(store, sql[i]);
        assert_true(strlen(rows) < 15800); /* not cut */
        ln_text_format(&text, "%s\n", rows);
    }
    assert_false(text.failed);
    return text.data;
}

/* What a verdict says of each row besides its value; NaN, -1 and NULL are NULL. */
static void verdicts_have_bounds_and_parameters_of_their_own(void **state)
{
    (void)state;
    ln_error err = {0};
    fixture f;
    made m;
    fixture_open(&f, "verdicts.db");
    assert_ok(make_piece(&m, f.run, f.explanation[3], 7, f.samples, &err));
    assert_ok(ln_store_put_piece(f.store, &m.rows, m.verdicts, 2, &err));
    spoil(&m);
    assert_rows(f.store,
                "SELECT label, params, lower, upper, n FROM metric "
                "WHERE explanation = 4 AND label = 'other' ORDER BY id",
                "other|reason 7|6.5|7.5|0\nother|reason 7|-|7.5|10\nother|reason 7|6.5|7.5|-\n"
                "other|reason 7|6.5|7.5|30\nother|-|6.5|7.5|40");
    fixture_close(&f);
}

static void what_is_submitted_is_what_would_be_put(void **state)
{
    (void)state;
    ln_error err = {0};
    char *found[2];
    for (int submitted = 0; submitted < 2; submitted++) {
        fixture f;
        made m;
        fixture_open(&f, submitted ? "submitted.db" : "put.db");
        for (int i = 0; i < PIECES; i++) {
            assert_ok(make_piece(&m, f.run, f.explanation[3], i, f.samples, &err));
            if (i % 3 == 1)
                add_other(&m, i);
            assert_ok(submitted ? ln_store_submit_piece(f.store, &m.rows, m.verdicts, 2, &err)
                                : ln_store_put_piece(f.store, &m.rows, m.verdicts, 2, &err));
            spoil(&m);
        }
        char label[] = "the mean";
        const ln_cell mean[] = {INT_CELL("run", f.run),    TEXT_CELL("name", "deletion"),
                                TEXT_CELL("label", label), TEXT_CELL("scope", "explanation"),
                                REAL_CELL("value", 0.5),   TEXT_CELL("status", "ok")};
        assert_ok(submitted ? ln_store_submit_row(f.store, "metric", 0, mean, 6, &err)
                            : ln_store_insert(f.store, "metric", mean, 6, NULL, &err));
        memset(label, 'x', sizeof label - 1);
        const ln_cell status[] = {TEXT_CELL("status", "ok"), INT_CELL("evaluations", 12)};
        assert_ok(submitted ? ln_store_submit_row(f.store, "explanation", 4, status, 2, &err)
                            : ln_store_update(f.store, "explanation", 4, status, 2, &err));
        /* A query sees all of it, without being told to wait. */
        assert_rows(f.store, "SELECT evaluations FROM explanation WHERE id = 4", "12");
        assert_int_equal(ln_store_written(f.store), submitted ? PIECES * ROWS : 0);
        found[submitted] = content(f.store);
        assert_rows(f.store,
                    "SELECT input, count(*) FROM attribution WHERE explanation = 4 GROUP BY 1",
                    "-|139\nfirst|65\nsecond|65");
        assert_rows(
            f.store,
            "SELECT a.seq - b.seq, a.id - b.id, count(*) FROM attribution a JOIN attribution b "
            "ON a.explanation = 4 AND b.explanation = 4 AND a.seq = b.seq AND a.input = 'second' "
            "AND b.input = 'first' GROUP BY 1, 2",
            "0|5|65");
        assert_rows(f.store,
                    "SELECT count(*) FROM metric m JOIN attribution a ON a.id = m.attribution "
                    "WHERE a.input = 'second'",
                    "0");
        verify_all(f.store);
        fixture_close(&f);
    }
    assert_string_equal(found[0], found[1]);
    assert_non_null(strstr(found[0], "reason 39"));
    assert_non_null(strstr(found[0], "the mean"));
    ln_free(found[0]);
    ln_free(found[1]);
}

static void transactions_of_the_owner_take_turns(void **state)
{
    (void)state;
    ln_error err = {0};
    fixture f;
    made m;
    fixture_open(&f, "turns.db");
    for (int i = 0; i < PIECES; i++) {
        assert_ok(make_piece(&m, f.run, f.explanation[3], i, f.samples, &err));
        assert_ok(ln_store_submit_piece(f.store, &m.rows, NULL, 0, &err));
        spoil(&m);
        assert_ok(ln_store_begin(f.store, &err));
        int64_t before = ln_store_written(f.store);
        change(f.store, "INSERT INTO tag VALUES (1, (SELECT count(*) FROM tag), 'x')");
        assert_int_equal(ln_store_written(f.store), before);
        if (i % 3 == 2)
            ln_store_rollback(f.store);
        else
            assert_ok(ln_store_commit(f.store, &err));
    }
    /* Submitted within a transaction it is written after it, and waits for nothing. */
    assert_ok(ln_store_begin(f.store, &err));
    assert_ok(make_piece(&m, f.run, f.explanation[3], PIECES, f.samples, &err));
    assert_ok(ln_store_submit_piece(f.store, &m.rows, NULL, 0, &err));
    spoil(&m);
    assert_ok(ln_store_commit(f.store, &err));
    assert_rows(f.store,
                "SELECT (SELECT count(*) FROM tag), count(*), count(DISTINCT seq) FROM attribution "
                "WHERE explanation = 4 AND l1 IS NULL",
                "27|205|205");
    /* Closing writes what waits. */
    assert_ok(make_piece(&m, f.run, f.explanation[3], PIECES + 1, f.samples, &err));
    assert_ok(ln_store_submit_piece(f.store, &m.rows, NULL, 0, &err));
    spoil(&m);
    ln_store_close(f.store);
    f.store = open_store(f.path, LN_STORE_WRITE);
    assert_rows(f.store, "SELECT count(*) FROM attribution WHERE explanation = 4 AND l1 IS NULL",
                "210");
    fixture_close(&f);
}

static void failures_are_told_by_the_next_call(void **state)
{
    (void)state;
    ln_error err = {0};
    fixture f;
    made m;
    fixture_open(&f, "failing.db");
    for (int way = 0; way < 3; way++) {
        assert_ok(ln_store_begin(f.store, &err)); /* until it ends all three wait */
        for (int i = 0; i < 3; i++) { /* the second cannot be written, the third is not */
            assert_ok(make_piece(&m, f.run, i == 1 ? 99 : f.explanation[3], way, f.samples, &err));
            assert_ok(ln_store_submit_piece(f.store, &m.rows, NULL, 0, &err));
            spoil(&m);
        }
        ln_store_rollback(f.store);
        ln_status told = way == 0 ? ln_store_settle(f.store, &err) : LN_OK;
        while (told == LN_OK && way == 1)
            if ((told = ln_store_begin(f.store, &err)) == LN_OK)
                ln_store_rollback(f.store);
        ln_query *query = NULL;
        if (told == LN_OK)
            told = ln_query_new(f.store, "SELECT 1", NULL, &query, &err);
        assert_fails(told, LN_ESTORE, "has lost explanation 99 while it was being written");
        err = (ln_error){0};
        assert_ok(ln_store_settle(f.store, &err));
    }
    assert_rows(
        f.store,
        "SELECT sum(explanation = 99), sum(explanation = 4 AND l1 IS NULL) FROM attribution",
        "0|15"); /* of each three the first alone */
    assert_ok(ln_store_submit_row(f.store, "tag", 0, CELLS(TEXT_CELL("nothing", "x")), &err));
    assert_fails(ln_store_settle(f.store, &err), LN_ESTORE, "no column 'nothing'");
    verify_all(f.store);
    fixture_close(&f);
}

/* In a child: pieces until the limit on the file's size is met; how many were said to be written. */
static int fill(fixture *f)
{
    ln_error err = {0};
    made m;
    ln_status status = LN_OK;
    int pieces = 0;
    for (; status == LN_OK && pieces < 1000000; pieces++) {
        status = make_piece(&m, f->run, f->explanation[3], pieces, f->samples, &err);
        if (status == LN_OK)
            status = ln_store_submit_piece(f->store, &m.rows, m.verdicts, 2, &err);
        spoil(&m);
    }
    if (status != LN_ESTORE || !strstr(err.message, "cannot be written"))
        fprintf(stderr, "status %d: %s\n", status, err.message);
    return status == LN_ESTORE && strstr(err.message, "what was finished before is kept") ? 0 : 1;
}

static void a_full_disk_is_told_and_keeps_what_was_written(void **state)
{
    (void)state;
    fixture f;
    int64_t written[2] = {0};
    int report[2];
    fixture_open(&f, "limit.db");
    ln_store_close(f.store);
    assert_int_equal(pipe(report), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct rlimit limit = {.rlim_cur = 3 << 20, .rlim_max = 3 << 20};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        if (ln_store_open(f.path, LN_STORE_WRITE, &f.store, NULL) != LN_OK)
            _exit(2);
        int result = fill(&f);
        written[0] = ln_store_written(f.store);
        ln_store_close(f.store);
        _exit(write(report[1], written, sizeof written) == sizeof written ? result : 3);
    }
    close(report[1]);
    assert_int_equal(wait_for(pid), 0);
    assert_int_equal(read(report[0], written, sizeof written), sizeof written);
    close(report[0]);
    assert_true(written[0] > 100);
    f.store = open_store(f.path, LN_STORE_WRITE);
    char sql[200];
    snprintf(sql, sizeof sql,
             "SELECT count(*) = %lld, count(*) %% %d FROM attribution WHERE explanation = 4 AND l1 "
             "IS NULL",
             (long long)written[0], ROWS);
    assert_rows(f.store, sql, "1|0");
    verify_all(f.store);
    fixture_close(&f);
}

/* Killed at a random moment, with pieces waiting: what was counted as written is there. */
static void killed_writers_keep_what_they_counted(void **state)
{
    (void)state;
    fixture f;
    ln_rng rng = ln_rng_make(2, "kill", 0, 0);
    fixture_open(&f, "killed.db");
    int64_t before = 0, all = 0;
    for (int round = 0; round < 12; round++) {
        int report[2];
        assert_int_equal(pipe(report), 0);
        pid_t pid = fork();
        if (pid == 0) {
            ln_store *store = NULL; /* the parent's is not touched */
            made m;
            bool ok = ln_store_open(f.path, LN_STORE_WRITE, &store, NULL) == LN_OK;
            for (int i = 0; ok && i < 1000000; i++) {
                ok = make_piece(&m, f.run, f.explanation[3], i, f.samples, NULL) == LN_OK &&
                     ln_store_submit_piece(store, &m.rows, m.verdicts, 2, NULL) == LN_OK;
                spoil(&m);
                int64_t written = ln_store_written(store);
                ok = ok && write(report[1], &written, sizeof written) == sizeof written;
            }
            _exit(1);
        }
        close(report[1]);
        /* Some way into its work, which no clock knows; then in the midst of a piece. */
        const int64_t enough = (int64_t)ln_rng_below(&rng, 200);
        int64_t written = 0, last = 0;
        while (last < enough && read(report[0], &written, sizeof written) == sizeof written)
            last = written;
        usleep((unsigned)ln_rng_below(&rng, 5000));
        kill(pid, SIGKILL);
        wait_for(pid);
        while (read(report[0], &written, sizeof written) == sizeof written)
            last = written;
        close(report[0]);
        char sql[300];
        snprintf(sql, sizeof sql,
                 "SELECT count(*) >= %lld, count(*) %% %d, (SELECT count(*) FROM metric WHERE "
                 "explanation = 4) - 2 * count(*) FROM attribution WHERE explanation = 4 AND l1 IS "
                 "NULL",
                 (long long)(before + last), ROWS);
        assert_rows(f.store, sql, "1|0|0");
        before =
            atoll(rows_of(f.store, "SELECT count(*) FROM attribution WHERE explanation = 4 AND "
                                   "l1 IS NULL"));
        all += last;
    }
    assert_true(all > 50); /* it did write */
    verify_all(f.store);
    fixture_close(&f);
}

/* --- failing allocations ---------------------------------------------------------------------- */

static ln_status few_pieces(void *context, ln_error *err)
{
    fixture *f = context;
    ln_store *store = NULL;
    made m;
    ln_status status = ln_store_open(f->path, LN_STORE_WRITE, &store, err);
    for (int i = 0; i < 3 && status == LN_OK; i++) {
        status = make_piece(&m, f->run, f->explanation[3], i, f->samples, err);
        if (status != LN_OK)
            break;
        status = ln_store_submit_piece(store, &m.rows, m.verdicts, 2, err);
        spoil(&m);
    }
    if (status == LN_OK)
        status = ln_store_submit_row(store, "explanation", f->explanation[3],
                                     CELLS(TEXT_CELL("reason", "x")), err);
    if (status == LN_OK)
        status = ln_store_settle(store, err);
    ln_store_close(store);
    return status;
}

static void no_allocation_failure_does_harm(void **state)
{
    (void)state;
    fixture f;
    ln_error err = {0};
    fixture_open(&f, "sweep.db"); /* stays open: the run is alive */
    assert_ok(few_pieces(&f, &err));
    /* The thread allocates beside us, so the nth is not the same each time: all of them are tried
     * all the same. SQLite goes on without some. */
    size_t n = 1;
    for (int survived = 0; survived < 20; n += n < 200 ? 1 : 7) {
        size_t before = ln_memory_used();
        ln_memory_fail_at(n, true);
        err = (ln_error){0};
        ln_status status = few_pieces(&f, &err);
        size_t made_in_all = ln_memory_fail_at(0, true);
        assert_true(status == LN_OK || (status == LN_ENOMEM && err.message[0]));
        if (ln_memory_used() > before + 4096) /* SQLite keeps a mutex or two for the process */
            fail_msg("allocation %zu failing leaves %zd bytes", n,
                     (ssize_t)(ln_memory_used() - before));
        survived = made_in_all < n ? survived + 1 : 0;
    }
    assert_true(n > 300);
    assert_rows(f.store,
                "SELECT count(*) % 5 FROM attribution WHERE explanation = 4 AND l1 IS NULL", "0");
    verify_all(f.store);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_have_bounds_and_parameters_of_their_own),
        cmocka_unit_test(what_is_submitted_is_what_would_be_put),
        cmocka_unit_test(transactions_of_the_owner_take_turns),
        cmocka_unit_test(failures_are_told_by_the_next_call),
        cmocka_unit_test(a_full_disk_is_told_and_keeps_what_was_written),
        cmocka_unit_test(killed_writers_keep_what_they_counted),
        cmocka_unit_test(no_allocation_failure_does_harm),
    };
    return cmocka_run_group_tests_name("store_writer", tests, NULL, NULL);
}
