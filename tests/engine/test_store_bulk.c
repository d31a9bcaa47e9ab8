/* Rows that are written several a statement: the same as one by one, whatever their number; all or none
 * where one of them cannot be written or there is no memory. */
#include "store_fixture.h"

#include "base/alloc.h"
#include "base/error.h"

enum { MOST = 100 };

/* --- points of curves -------------------------------------------------------------------------- */

static int64_t new_metric(fixture *f, const char *label)
{
    return fixture_insert(f->store, "metric",
                          CELLS(INT_CELL("run", f->run), TEXT_CELL("name", "roc_curve"),
                                TEXT_CELL("label", label), TEXT_CELL("scope", "model"),
                                TEXT_CELL("status", "ok")));
}

/* Point i of a curve: x and y tell which it is, every fifth y is none. */
static ln_curve_rows curve_of(int64_t metric, const char *series, int64_t count, bool threshold)
{
    static double x[MOST], y[MOST], at[MOST];
    for (int i = 0; i < MOST; i++) {
        x[i] = i + 0.5;
        y[i] = i % 5 == 3 ? NAN : -i;
        at[i] = i ? 1.0 / i : NAN;
    }
    return (ln_curve_rows){.metric = metric,
                           .series = series,
                           .count = count,
                           .x = x,
                           .y = y,
                           .threshold = threshold ? at : NULL};
}

static int64_t number_of(ln_store *store, const char *sql)
{
    return strtoll(rows_of(store, sql), NULL, 10);
}

static void curves_of_any_length_have_every_point(void **state)
{
    (void)state;
    static const int64_t counts[] = {0, 1, 2, 15, 16, 17, 31, 32, 33, MOST};
    ln_error err = {0};
    fixture f;
    char sql[400];
    fixture_open(&f, "bulk-curves.db");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        const int64_t metric = new_metric(&f, "curve"), count = counts[i];
        const ln_curve_rows with = curve_of(metric, "with", count, true);
        assert_ok(ln_store_put_curve(f.store, &with, &err));
        const ln_curve_rows without = curve_of(metric, "", count, false);
        assert_ok(ln_store_put_curve(f.store, &without, &err));
        snprintf(sql, sizeof sql,
                 "SELECT count(*), coalesce(min(seq), 0), coalesce(max(seq), -1) FROM curve WHERE "
                 "metric = %lld GROUP BY series",
                 (long long)metric);
        char wanted[64];
        snprintf(wanted, sizeof wanted, "%lld|0|%lld\n%lld|0|%lld", (long long)count,
                 (long long)count - 1, (long long)count, (long long)count - 1);
        assert_rows(f.store, sql, count ? wanted : "");
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM curve WHERE metric = %lld AND x = seq + 0.5 AND y IS "
                 "iif(seq %% 5 = 3, NULL, -seq) AND threshold IS iif(series = '' OR seq = 0, NULL, "
                 "1.0 / seq)",
                 (long long)metric);
        assert_int_equal(number_of(f.store, sql), 2 * count);
    }
    verify_all(f.store);
    fixture_close(&f);
}

static void a_point_that_is_there_already_leaves_the_curve_out(void **state)
{
    (void)state;
    ln_error err = {0};
    fixture f;
    fixture_open(&f, "bulk-twice.db");
    const int64_t metric = new_metric(&f, "curve");
    fixture_insert(
        f.store, "curve",
        CELLS(INT_CELL("metric", metric), TEXT_CELL("series", "s"), INT_CELL("seq", 20)));
    ln_curve_rows curve = curve_of(metric, "s", 40, true); /* 20 is within the second statement */
    assert_int_equal(ln_store_put_curve(f.store, &curve, &err), LN_ESTORE);
    assert_non_null(strstr(err.message, "UNIQUE"));
    assert_rows(f.store, "SELECT seq FROM curve", "20");
    curve.metric = 777; /* of a metric that is not there */
    assert_int_equal(ln_store_put_curve(f.store, &curve, &err), LN_ESTORE);
    assert_rows(f.store, "SELECT seq FROM curve", "20");
    curve.metric = metric; /* the statement that failed can be used again */
    curve.series = "t";
    assert_ok(ln_store_put_curve(f.store, &curve, &err));
    assert_rows(f.store, "SELECT count(*) FROM curve", "41");
    fixture_close(&f);
}

/* --- rows of any table ------------------------------------------------------------------------- */

enum { WIDE = 40000 }; /* more than two pages */

/* Tensors whose bytes, and text, lie where those of the row before lay. */
typedef struct tensors {
    int64_t first, bad;    /* the number of row 0; the row that fails, or -1 */
    ln_cell_type bad_type; /* ... with data of this type, or LN_CELL_BLOB: fill itself says no */
    unsigned char bytes[WIDE];
    char shape[32], sha[16];
} tensors;

static ln_status fill_tensor(void *context, int64_t i, ln_cell *cells, ln_error *err)
{
    tensors *all = context;
    const int64_t number = all->first + i;
    if (i == all->bad && all->bad_type == LN_CELL_BLOB)
        return ln_fail(err, LN_EINVALID, "row %lld is bad", (long long)i);
    memset(all->bytes, (int)number, sizeof all->bytes);
    snprintf(all->sha, sizeof all->sha, "hash %lld", (long long)number);
    const int length = snprintf(all->shape, sizeof all->shape, "[%lld]", (long long)number);
    cells[0].type = LN_CELL_BLOB;
    cells[0].data = all->sha;
    cells[0].bytes = strlen(all->sha);
    cells[1].type = LN_CELL_TEXT;
    cells[1].data = all->shape;
    cells[1].bytes = (size_t)length;
    cells[2].type = i == all->bad ? all->bad_type : LN_CELL_BLOB;
    cells[2].integer = 5;
    cells[2].data = all->bytes;
    cells[2].bytes = i % 3 == 0 ? WIDE : (size_t)i % 7; /* wide, short and empty ones */
    return LN_OK;
}

static ln_status put_tensors(ln_store *store, tensors *all, int64_t count, ln_error *err)
{
    static const char *const columns[] = {"sha256", "shape", "data"};
    const ln_cell dtype[] = {TEXT_CELL("dtype", "u8")};
    const ln_many_rows many = {.table = "tensor",
                               .common = dtype,
                               .common_count = 1,
                               .columns = columns,
                               .column_count = 3,
                               .count = count,
                               .context = all,
                               .fill = fill_tensor};
    return ln_store_insert_many(store, &many, err);
}

static void many_rows_are_what_was_filled_in(void **state)
{
    (void)state;
    static const int64_t counts[] = {0, 1, 15, 16, 17, 33};
    ln_error err = {0};
    fixture f;
    tensors all = {.first = 0, .bad = -1};
    fixture_open(&f, "bulk-many.db");
    const int64_t before = number_of(f.store, "SELECT count(*) FROM tensor");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        assert_ok(put_tensors(f.store, &all, counts[i], &err));
        char sql[300];
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM tensor WHERE dtype = 'u8' AND shape = '[' || "
                 "substr(CAST(sha256 AS TEXT), 6) || ']' AND substr(shape, 2) + 0 >= %lld",
                 (long long)all.first);
        assert_int_equal(number_of(f.store, sql), counts[i]);
        all.first += counts[i];
    }
    assert_int_equal(number_of(f.store, "SELECT count(*) FROM tensor"), before + all.first);
    /* Row 16 of the last call is the first of its second statement, row 32 one by itself. */
    assert_rows(f.store,
                "SELECT length(data), hex(substr(data, 1, 1)), hex(substr(data, -1)) FROM tensor "
                "WHERE shape IN ('[49]', '[65]', '[81]') ORDER BY id",
                "40000|31|31\n2|41|41\n4|51|51");
    fixture_close(&f);
}

static void a_row_that_fails_takes_all_of_them_along(void **state)
{
    (void)state;
    ln_error err = {0};
    fixture f;
    fixture_open(&f, "bulk-fails.db");
    const int64_t before = number_of(f.store, "SELECT count(*) FROM tensor");
    for (int64_t bad = 0; bad < 40; bad += 13) {
        tensors all = {.first = 0, .bad = bad, .bad_type = LN_CELL_BLOB};
        assert_int_equal(put_tensors(f.store, &all, 40, &err), LN_EINVALID);
        assert_non_null(strstr(err.message, "is bad"));
        all.bad_type = LN_CELL_NULL;
        assert_int_equal(put_tensors(f.store, &all, 40, &err), LN_ESTORE);
        assert_non_null(strstr(err.message, "NOT NULL"));
        all.bad_type = LN_CELL_INT; /* STRICT: no number in a BLOB */
        assert_int_equal(put_tensors(f.store, &all, 40, &err), LN_ESTORE);
        assert_non_null(strstr(err.message, "tensor.data"));
        assert_int_equal(number_of(f.store, "SELECT count(*) FROM tensor"), before);
    }
    const ln_cell run[] = {INT_CELL("run", f.run)};
    const char *const wrong[] = {"tensr"};
    ln_many_rows many = {.table = "runs", .common = run, .common_count = 1, .count = 1};
    assert_int_equal(ln_store_insert_many(f.store, &many, &err), LN_ESTORE);
    assert_non_null(strstr(err.message, "no table 'runs'"));
    many.table = "metric";
    many.columns = wrong;
    many.column_count = 1;
    assert_int_equal(ln_store_insert_many(f.store, &many, &err), LN_ESTORE);
    assert_non_null(strstr(err.message, "no column 'tensr'"));
    many.column_count = LN_MANY_COLUMNS;
    assert_int_equal(ln_store_insert_many(f.store, &many, &err), LN_ESTORE);
    fixture_close(&f);
}

/* Samples of a data set, one after the other. */
static ln_status fill_sample(void *context, int64_t i, ln_cell *cells, ln_error *err)
{
    const int64_t *bad = context;
    if (i == *bad)
        return ln_fail(err, LN_EINVALID, "row %lld is bad", (long long)i);
    cells[0].type = LN_CELL_INT;
    cells[0].integer = 1000 + i;
    return LN_OK;
}

/* What rows point to is looked up for each of them, or their owner once; afterwards each is again. */
static void rows_of_an_owner_need_it(void **state)
{
    (void)state;
    enum { COUNT = 35, GONE = 777 };
    static const char *const columns[] = {"idx"};
    ln_error err = {0};
    fixture f;
    fixture_open(&f, "bulk-owner.db");
    const int64_t set = number_of(f.store, "SELECT min(id) FROM dataset"),
                  before = number_of(f.store, "SELECT count(*) FROM sample");
    int64_t bad = -1;
    ln_cell dataset[] = {INT_CELL("dataset", GONE)};
    ln_many_rows many = {.table = "sample",
                         .common = dataset,
                         .common_count = 1,
                         .columns = columns,
                         .column_count = 1,
                         .count = COUNT,
                         .owner = "dataset",
                         .context = &bad,
                         .fill = fill_sample};
    assert_int_equal(ln_store_insert_many(f.store, &many, &err), LN_ESTORE);
    assert_non_null(strstr(err.message, "has lost dataset 777"));
    many.owner = NULL;
    assert_int_equal(ln_store_insert_many(f.store, &many, &err), LN_ESTORE);
    assert_non_null(strstr(err.message, "FOREIGN KEY"));
    many.owner = "dataset";
    dataset[0].integer = set;
    bad = COUNT - 1;
    assert_int_equal(ln_store_insert_many(f.store, &many, &err), LN_EINVALID);
    assert_int_equal(number_of(f.store, "SELECT count(*) FROM sample"), before);
    assert_rows(f.store, "PRAGMA foreign_keys", "1");
    bad = -1;
    assert_ok(ln_store_insert_many(f.store, &many, &err));
    assert_int_equal(number_of(f.store, "SELECT count(*) FROM sample WHERE idx >= 1000"), COUNT);
    assert_rows(f.store, "PRAGMA foreign_keys", "1");
    const ln_cell lost[] = {INT_CELL("dataset", GONE), INT_CELL("idx", 0)};
    assert_int_equal(ln_store_insert(f.store, "sample", lost, 2, NULL, &err), LN_ESTORE);
    assert_non_null(strstr(err.message, "FOREIGN KEY"));
    verify_all(f.store);
    fixture_close(&f);
}

/* --- attributions ------------------------------------------------------------------------------ */

static void attributions_of_any_number_follow_each_other(void **state)
{
    (void)state;
    static const int64_t counts[] = {1, 15, 16, 17, 33, MOST};
    ln_error err = {0};
    fixture f;
    fixture_open(&f, "bulk-attributions.db");
    double total[MOST];
    int64_t sample[MOST], target[MOST], nans[MOST], seq = 4;
    const char *status[MOST], *reason[MOST];
    for (int i = 0; i < MOST; i++) {
        sample[i] = i % 3 ? f.samples[i % 4] : -1;
        target[i] = i % 4 - 1;
        total[i] = i % 5 ? i : NAN;
        nans[i] = i % 6;
        status[i] = i % 7 ? NULL : "undefined";
        reason[i] = i % 7 ? NULL : "why";
    }
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++, seq += counts[k - 1]) {
        const int64_t count = counts[k],
                      next = 1 + number_of(f.store, "SELECT max(id) FROM attribution");
        ln_tensor *values = tensor_zero(LN_F32, TEST_SHAPE(count, 3));
        const ln_attribution_rows rows = {.explanation = f.explanation[0],
                                          .count = count,
                                          .first_seq = seq,
                                          .sample = sample,
                                          .target = target,
                                          .kind = "feature",
                                          .space = "column",
                                          .values = values,
                                          .groups = -1,
                                          .unit = -1,
                                          .total = total,
                                          .nan_count = nans,
                                          .status = status,
                                          .reason = reason};
        int64_t first;
        assert_ok(ln_store_put_attributions(f.store, &rows, &first, &err));
        ln_tensor_release(values);
        assert_int_equal(first, next);
        char sql[700];
        snprintf(
            sql, sizeof sql,
            "SELECT count(*) FROM (SELECT *, tensor_row AS i FROM attribution WHERE id >= %lld) "
            "WHERE id = %lld + i AND seq = %lld + i AND total IS iif(i %% 5, i, NULL) AND "
            "output IS NULL AND groups IS NULL AND target IS nullif(i %% 4 - 1, -1) AND "
            "(sample IS NULL) = (i %% 3 = 0) AND nan_count = i %% 6 AND status = "
            "iif(i %% 7, 'ok', 'undefined') AND reason IS iif(i %% 7, NULL, 'why')",
            (long long)first, (long long)first, (long long)seq);
        assert_int_equal(number_of(f.store, sql), count);
    }
    fixture_close(&f);
}

static void every_kind_and_space_is_read_as_it_was_written(void **state)
{
    (void)state;
    static const char *const kinds[] = {"feature", "interaction", "activation", "input"};
    static const char *const spaces[] = {"column", "input", "group", "layer"};
    static const int64_t none[] = {-1};
    ln_error err = {0};
    fixture f;
    fixture_open(&f, "bulk-words.db");
    ln_attribution_rows rows = {.explanation = f.explanation[0],
                                .count = 1,
                                .sample = none,
                                .target = none,
                                .values = tensor_zero(LN_F32, TEST_SHAPE(1, 3)),
                                .groups = -1,
                                .unit = -1};
    for (int i = 0; i < 16; i++) {
        char sql[160], wanted[32];
        int64_t id;
        rows.kind = kinds[i / 4];
        rows.space = spaces[i % 4];
        assert_ok(ln_store_put_attributions(f.store, &rows, &id, &err));
        snprintf(sql, sizeof sql, "SELECT kind, space FROM attribution WHERE id = %lld",
                 (long long)id);
        snprintf(wanted, sizeof wanted, "%s|%s", rows.kind, rows.space);
        assert_rows(f.store, sql, wanted);
    }
    rows.space = "pixel";
    assert_fails(ln_store_put_attributions(f.store, &rows, NULL, &err), LN_ESTORE,
                 "no attribution is of kind 'input' and space 'pixel'");
    ln_tensor_release((ln_tensor *)rows.values);
    fixture_close(&f);
}

/* --- no memory --------------------------------------------------------------------------------- */

/* Both kinds in one transaction of the caller's, which ends it. */
static ln_status write_both(ln_store *store, int64_t metric, tensors *all, ln_error *err)
{
    const ln_curve_rows curve = curve_of(metric, "s", 20, true);
    ln_status status = ln_store_begin(store, err);
    if (status != LN_OK)
        return status;
    status = ln_store_put_curve(store, &curve, err);
    if (status == LN_OK)
        status = put_tensors(store, all, 20, err);
    if (status == LN_OK)
        return ln_store_commit(store, err);
    ln_store_rollback(store);
    return status;
}

static void failing_allocations_leave_all_or_nothing(void **state)
{
    (void)state;
    ln_error err = {0};
    fixture f;
    fixture_open(&f, "bulk-memory.db");
    const int64_t metric = new_metric(&f, "curve");
    const int64_t before = number_of(f.store, "SELECT count(*) FROM tensor");
    fixture_close(&f);
    static tensors all;
    all = (tensors){.first = 0, .bad = -1};
    int failed = 0;
    for (size_t nth = 1;; nth++) {
        ln_store *store = open_store(f.path, LN_STORE_WRITE); /* whose statements are new */
        ln_memory_fail_at(nth, true);
        const ln_status status = write_both(store, metric, &all, &err);
        const size_t made = ln_memory_fail_at(0, true);
        const int64_t points = number_of(store, "SELECT count(*) FROM curve");
        const int64_t tensors_now = number_of(store, "SELECT count(*) FROM tensor");
        assert_int_equal(points, status == LN_OK ? 20 : 0);
        assert_int_equal(tensors_now, before + (status == LN_OK ? 20 : 0));
        if (status != LN_OK) {
            assert_int_equal(status, LN_ENOMEM);
            failed++;
        } else {
            change(store, "DELETE FROM curve");
            change(store, "DELETE FROM tensor WHERE dtype = 'u8'");
        }
        ln_store_close(store);
        if (made < nth)
            break;
    }
    assert_true(failed > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(curves_of_any_length_have_every_point),
        cmocka_unit_test(a_point_that_is_there_already_leaves_the_curve_out),
        cmocka_unit_test(many_rows_are_what_was_filled_in),
        cmocka_unit_test(a_row_that_fails_takes_all_of_them_along),
        cmocka_unit_test(rows_of_an_owner_need_it),
        cmocka_unit_test(attributions_of_any_number_follow_each_other),
        cmocka_unit_test(every_kind_and_space_is_read_as_it_was_written),
        cmocka_unit_test(failing_allocations_leave_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
