/* Many attributions at once: `element` with IN and by idx against its rows one by one, bands that do
 * not hold everything, tensor functions against loops, the extension in Python. */
#include "store_fixture.h"

#include <unistd.h>

#include "base/rng.h"
#include "store/bands.h"
#include "store/internal.h"

static fixture f;

/* The fixture, whose attributions have 2, 3 and 4 numbers, and one of shape (2, 3) with a NaN. */
static int open_fixture(void **state)
{
    (void)state;
    ln_error err = {0};
    fixture_open(&f, "element.db");
    const float map[2][6] = {{1, 2, NAN, 4, 5, 6}, {-1, 0.5f, 3, 0, 7, 9}};
    ln_attribution_rows rows = {.explanation = f.explanation[3],
                                .count = 2,
                                .sample = f.samples,
                                .target = f.samples,
                                .kind = "feature",
                                .space = "input",
                                .values = tensor_f32(TEST_SHAPE(2, 2, 3), &map[0][0]),
                                .groups = -1,
                                .unit = -1};
    assert_ok(ln_store_put_attributions(f.store, &rows, NULL, &err));
    ln_tensor_release((ln_tensor *)rows.values);
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

/* Both statements give the same rows, and the first is planned as `plan` says. */
static void same_rows(const char *sql, const char *plain, const char *plan)
{
    char explain[1024], wanted[8192];
    snprintf(explain, sizeof explain, "EXPLAIN QUERY PLAN %s", sql);
    const char *how = rows_of(f.store, explain);
    char part[200];
    snprintf(part, sizeof part, "VIRTUAL TABLE INDEX %s", plan);
    if (!strstr(how, part) || (strstr(plan, "by idx") && strstr(how, "B-TREE FOR GROUP BY")))
        fail_msg("%s is planned as %s, not as %s", sql, how, plan);
    snprintf(wanted, sizeof wanted, "%s", rows_of(f.store, plain));
    assert_true(strlen(wanted) > 3 && strlen(wanted) < 8000);
    assert_rows(f.store, sql, wanted);
}

static void an_in_list_is_one_walk(void **state)
{
    (void)state;
    same_rows(
        "SELECT attribution, idx, value FROM element WHERE attribution IN (9, 3, '5', 3, NULL, "
        "7.0, 1e30, 99, -1, 'x', 2.5)",
        "SELECT attribution, idx, value FROM element WHERE attribution = 3 UNION ALL SELECT "
        "attribution, idx, value FROM element WHERE attribution = 5 UNION ALL SELECT "
        "attribution, idx, value FROM element WHERE attribution = 7 UNION ALL SELECT "
        "attribution, idx, value FROM element WHERE attribution = 9",
        "64:attribution IN");
    same_rows(
        "SELECT attribution, name, value FROM element WHERE attribution IN (SELECT id FROM "
        "attribution WHERE explanation = 2) AND idx = 1",
        "SELECT a.id, e.name, e.value FROM attribution a CROSS JOIN element e ON e.attribution "
        "= a.id WHERE a.explanation = 2 AND e.idx = 1",
        "70:attribution IN AND idx=?");
    assert_rows(f.store, "SELECT count(*) FROM element WHERE attribution IN (NULL, 'x', 2.5)", "0");
    /* As the inner part of a join, once for each row of the outer one. */
    assert_rows(
        f.store,
        "SELECT e.id, (SELECT sum(value) FROM element WHERE attribution IN (SELECT id FROM "
        "attribution a WHERE a.explanation = e.id)) = (SELECT sum(total) FROM attribution a "
        "WHERE a.explanation = e.id) FROM explanation e WHERE e.id < 4",
        "1|1\n2|1\n3|1");
}

/* Pairs have two names; numbers that are no square, as others may write them, have none. */
static void pairs_are_named_by_both(void **state)
{
    (void)state;
    ln_error err = {0};
    const float numbers[10] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    int64_t id;
    ln_attribution_rows rows = {.explanation = f.explanation[3],
                                .count = 1,
                                .first_seq = 2,
                                .sample = f.samples,
                                .target = f.samples,
                                .kind = "interaction",
                                .space = "column",
                                .groups = -1,
                                .unit = -1};
    for (int count = 9; count <= 10; count++, rows.first_seq++) {
        char sql[160];
        const ln_shape pairs = TEST_SHAPE(1, 3, 3), line = TEST_SHAPE(1, 10);
        rows.values = tensor_f32(count == 9 ? pairs : line, numbers);
        assert_ok(ln_store_put_attributions(f.store, &rows, &id, &err));
        ln_tensor_release((ln_tensor *)rows.values);
        snprintf(sql, sizeof sql,
                 "SELECT count(*), group_concat(name, ' ') FROM element WHERE attribution = %lld",
                 (long long)id);
        assert_rows(f.store, sql,
                    count == 9 ? "9|age age:purpose age:amount purpose:age purpose purpose:amount "
                                 "amount:age amount:purpose amount"
                               : "10|-");
    }
}

static void by_idx_nothing_is_sorted(void **state)
{
    (void)state;
    const char *grouped = "SELECT idx, count(*), count(value), sum(value), min(attribution), "
                          "sum(attribution), max(i0), max(i1), max(i2) FROM ";
    const char *plain = "(SELECT * FROM attribution a CROSS JOIN element e ON e.attribution = a.id "
                        "ORDER BY +a.id)";
    char sql[512], other[512];
    snprintf(sql, sizeof sql, "%selement GROUP BY idx", grouped);
    snprintf(other, sizeof other, "%s%s GROUP BY idx", grouped, plain);
    same_rows(sql, other, "128:by idx");
    snprintf(sql, sizeof sql,
             "%selement WHERE attribution IN (SELECT id FROM attribution WHERE explanation > 2) "
             "GROUP BY idx ORDER BY 4 DESC, 1",
             grouped);
    snprintf(other, sizeof other, "%s%s WHERE explanation > 2 GROUP BY idx ORDER BY 4 DESC, 1",
             grouped, plain);
    same_rows(sql, other, "192:attribution IN, by idx");
    same_rows("SELECT DISTINCT idx FROM element",
              "SELECT value FROM json_each('[0, 1, 2, 3, 4, 5]')", "128:by idx");
    same_rows(
        "SELECT idx, attribution, value FROM element ORDER BY idx, attribution",
        "SELECT e.idx, a.id, e.value FROM attribution a CROSS JOIN element e ON e.attribution "
        "= a.id ORDER BY +e.idx, +a.id",
        "128:by idx");
    /* Names are an attribution's own: those statements are sorted. */
    assert_rows(f.store,
                "SELECT idx, group_concat(DISTINCT name) FROM element WHERE attribution IN (1, 2) "
                "GROUP BY idx",
                "0|age\n1|purpose\n2|amount");
    /* One attribution comes in that order by itself; the other direction is SQLite's to make. */
    assert_rows(f.store, "SELECT idx, value FROM element WHERE attribution = 1 ORDER BY idx",
                "0|1\n1|-2\n2|3");
    assert_rows(f.store, "SELECT idx FROM element WHERE attribution IN (1, 2) ORDER BY idx DESC",
                "2\n2\n1\n1\n0\n0");
    change(f.store, "DELETE FROM attribution");
    assert_rows(f.store, "SELECT idx, sum(value) FROM element GROUP BY idx", "");
}

/* Bands of every size give every number, in the order of idx. */
static void bands_hold_what_fits(void **state)
{
    (void)state;
    ln_reader *reader = ln_reader_new(f.store->db);
    for (int64_t most = 1; most < 120; most++) {
        ln_bands *bands;
        bool end, found;
        int64_t last = -1, numbers = 0;
        double sum = 0;
        assert_int_equal(ln_bands_new(reader, most, &bands), SQLITE_OK);
        for (int64_t id = 1; id < 19; id++) {
            ln_attribution row;
            assert_int_equal(ln_reader_attribution(reader, id, &row, &found), SQLITE_OK);
            assert_true(found);
            assert_int_equal(ln_bands_add(bands, &row), SQLITE_OK);
        }
        assert_int_equal(ln_bands_first(bands, &end), SQLITE_OK);
        while (!end) {
            int64_t place = ln_bands_idx(bands) * 1000 + ln_bands_row(bands)->id;
            assert_true(place > last);
            last = place;
            numbers++;
            float value = ln_bands_value(bands);
            sum += isnan(value) ? 0 : (double)value * (double)(place % 1000 + place / 1000);
            assert_int_equal(ln_bands_next(bands, &end), SQLITE_OK);
        }
        assert_int_equal(numbers, 8 * 3 + 4 * 2 + 4 * 4 + 2 * 6);
        char wanted[64];
        snprintf(wanted, sizeof wanted, "%.9g", sum);
        assert_rows(
            f.store,
            "SELECT sum(e.value * (a.id + e.idx)) FROM attribution a CROSS JOIN element e ON "
            "e.attribution = a.id",
            wanted);
        ln_bands_free(bands);
    }
    ln_reader_free(reader);
}

/* --- tensor functions ------------------------------------------------------------------------- */

enum { MOST = 97 };

/* The only cell of a statement with the lists :a and :b. */
static ln_cell ask(const char *sql, const float *a, const float *b, int64_t count)
{
    ln_error err = {0};
    ln_query *query;
    bool more;
    const ln_cell params[] = {
        {.column = "a", .type = LN_CELL_BLOB, .data = a, .bytes = (size_t)count * sizeof *a},
        {.column = "b", .type = LN_CELL_BLOB, .data = b, .bytes = (size_t)count * sizeof *b}};
    const ln_query_options options = {.params = params, .param_count = 2};
    assert_ok(ln_query_new(f.store, sql, &options, &query, &err));
    assert_ok(ln_query_next(query, &more, &err));
    ln_cell cell = ln_query_cell(query, 0);
    cell.real = cell.type == LN_CELL_INT ? (double)cell.integer : cell.real;
    ln_query_free(query);
    return cell;
}

/* `wanted` NaN: NULL. */
static void gives(const char *sql, const float *a, const float *b, int64_t count, double wanted)
{
    ln_cell cell = ask(sql, a, b, count);
    bool right = isnan(wanted) ? cell.type == LN_CELL_NULL
                               : cell.type != LN_CELL_NULL &&
                                     fabs(cell.real - wanted) <= 1e-12 * (1 + fabs(wanted));
    if (!right)
        fail_msg("%s of %lld numbers: %.17g, wanted %.17g", sql, (long long)count,
                 cell.type == LN_CELL_NULL ? NAN : cell.real, wanted);
}

static double mean_of(const double *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (double)n;
}

static double correlation(const double *x, const double *y, int64_t n, bool centred)
{
    double mx = centred ? mean_of(x, n) : 0, my = centred ? mean_of(y, n) : 0;
    double xy = 0, xx = 0, yy = 0;
    for (int64_t i = 0; i < n; i++) {
        xy += (x[i] - mx) * (y[i] - my);
        xx += (x[i] - mx) * (x[i] - mx);
        yy += (y[i] - my) * (y[i] - my);
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : NAN;
}

/* By counting, without sorting. */
static void ranks_of(const double *x, int64_t n, double *ranks)
{
    for (int64_t i = 0; i < n; i++) {
        double below = 0, equal = 0;
        for (int64_t k = 0; k < n; k++) {
            below += x[k] < x[i];
            equal += x[k] == x[i];
        }
        ranks[i] = below + (equal - 1) / 2;
    }
}

/* Whether element i is among the k of greatest magnitude, the lower index first among equals. */
static bool in_top(const double *x, int64_t n, int64_t i, int64_t k)
{
    int64_t before = 0;
    for (int64_t j = 0; j < n; j++)
        before += fabs(x[j]) > fabs(x[i]) || (fabs(x[j]) == fabs(x[i]) && j < i);
    return before < k;
}

static void check_lists(const float *a, const float *b, int64_t n)
{
    double x[MOST], y[MOST], rx[MOST], ry[MOST], sum = 0, l1 = 0, l2 = 0;
    double min = NAN, max = NAN, argmax = NAN, gap = 0, common = 0, either = 0;
    for (int64_t i = 0; i < n; i++) {
        x[i] = a[i];
        y[i] = b[i];
    }
    for (int64_t i = 0; i < n; i++) {
        sum += x[i];
        l1 += fabs(x[i]);
        l2 += x[i] * x[i];
        min = i == 0 || x[i] < min ? x[i] : min;
        argmax = i == 0 || x[i] > max ? (double)i : argmax;
        max = i == 0 || x[i] > max ? x[i] : max;
        gap = fabs(x[i] - y[i]) > gap ? fabs(x[i] - y[i]) : gap;
        common += in_top(x, n, i, 5) && in_top(y, n, i, 5);
        either += in_top(x, n, i, 5) || in_top(y, n, i, 5);
    }
    ranks_of(x, n, rx);
    ranks_of(y, n, ry);
    gives("SELECT tensor_count(:a), :b", a, b, n, (double)n);
    gives("SELECT tensor_sum(:a), :b", a, b, n, sum);
    gives("SELECT tensor_l1(:a), :b", a, b, n, l1);
    gives("SELECT tensor_l2(:a), :b", a, b, n, sqrt(l2));
    gives("SELECT tensor_min(:a), :b", a, b, n, min);
    gives("SELECT tensor_max(:a), :b", a, b, n, max);
    gives("SELECT tensor_argmax(:a), :b", a, b, n, argmax);
    gives("SELECT tensor_get(:a, 1), :b", a, b, n, n > 1 ? x[1] : NAN);
    gives("SELECT tensor_cosine(:a, :b)", a, b, n, correlation(x, y, n, false));
    gives("SELECT tensor_pearson(:a, :b)", a, b, n, correlation(x, y, n, true));
    gives("SELECT tensor_spearman(:a, :b)", a, b, n, correlation(rx, ry, n, true));
    gives("SELECT tensor_maxdiff(:a, :b)", a, b, n, n > 0 ? gap : NAN);
    gives("SELECT tensor_topk_iou(:a, :b, 5)", a, b, n, n > 0 ? common / either : NAN);
    gives("SELECT sum(value) FROM tensor_each(:a) WHERE :b IS NOT NULL", a, b, n,
          n > 0 ? sum : NAN);
    gives("SELECT tensor_get(tensor_mean(t), 1) FROM (SELECT :a AS t UNION ALL SELECT :b UNION ALL "
          "SELECT NULL)",
          a, b, n, n > 1 ? (double)(float)((x[1] + y[1]) / 2) : NAN);
    gives("SELECT tensor_get(tensor_mean_abs(t), 1) FROM (SELECT :a AS t UNION ALL SELECT :b)", a,
          b, n, n > 1 ? (double)(float)((fabs(x[1]) + fabs(y[1])) / 2) : NAN);
}

static void functions_are_what_loops_compute(void **state)
{
    (void)state;
    float a[MOST], b[MOST];
    for (int64_t n = 0; n <= MOST; n += n < 12 ? 1 : 17)
        for (uint64_t way = 0; way < 3; way++) { /* distinct, with many equal ones, constant */
            ln_rng rng = ln_rng_make(9, "functions", way, (uint64_t)n);
            for (int64_t i = 0; i < n; i++) {
                a[i] = way == 2 ? 0.75f : (float)(ln_rng_uniform(&rng) * 8 - 4);
                b[i] = (float)(ln_rng_uniform(&rng) * 8 - 4);
                if (way == 1) {
                    a[i] = truncf(a[i]);
                    b[i] = truncf(b[i]);
                }
            }
            check_lists(a, b, n);
        }
    /* NaN: NULL where it is summed, passed over where one number is looked for. */
    const float c[3] = {NAN, -2, 1}, d[3] = {1, 2, 3};
    static const char *const undefined[] = {
        "SELECT tensor_sum(:a), :b",
        "SELECT tensor_l1(:a), :b",
        "SELECT tensor_l2(:a), :b",
        "SELECT tensor_cosine(:a, :b)",
        "SELECT tensor_pearson(:b, :a)",
        "SELECT tensor_spearman(:a, :b)",
        "SELECT tensor_maxdiff(:a, :b)",
        "SELECT tensor_get(:a, 0), :b",
        "SELECT value FROM tensor_each(:a) WHERE idx = 0 AND :b NOTNULL"};
    for (size_t i = 0; i < sizeof undefined / sizeof *undefined; i++)
        gives(undefined[i], c, d, 3, NAN);
    gives("SELECT tensor_min(:a), :b", c, d, 3, -2);
    gives("SELECT tensor_max(:a), :b", c, d, 3, 1);
    gives("SELECT tensor_argmax(:a), :b", c, d, 3, 2);
    gives("SELECT tensor_topk(:a, 3) = '[1,2]', :b", c, d, 3, 1);
}

/* --- Python ----------------------------------------------------------------------------------- */

static void python_sees_the_same_rows(void **state)
{
    (void)state;
    static const char program[] =
        "import sqlite3, sys\n"
        "db = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True)\n"
        "if not hasattr(db, 'enable_load_extension'): sys.exit(9)\n"
        "db.enable_load_extension(True)\n"
        "db.load_extension(sys.argv[2])\n"
        "for sql in sys.argv[3:]:\n"
        "    for row in db.execute(sql): print('|'.join('-' if v is None else '%%.9g' %% v for v "
        "in "
        "row))\n";
    static const char sql[] =
        "SELECT idx, count(*), sum(value), avg(abs(value)) FROM element GROUP BY idx";
    char extension[1000], script[300], command[4096], got[4096];
    ssize_t length = readlink("/proc/self/exe", extension, sizeof extension - 32);
    extension[length] = '\0';
    for (int up = 0; up < 2; up++)
        *strrchr(extension, '/') = '\0';
    strcat(extension, "/lunette_sqlite");
    snprintf(script, sizeof script, "%s", test_path("ask.py"));
    char text[sizeof program];
    snprintf(text, sizeof text, program);
    test_write(script, text, strlen(text));
    snprintf(command, sizeof command, "/usr/bin/python3 '%s' '%s' '%s' \"%s\" 2>&1", script, f.path,
             extension, sql);
    FILE *pipe = access("/usr/bin/python3", X_OK) == 0 ? popen(command, "r") : NULL;
    if (!pipe) {
        print_message("no python3: skipped\n");
        skip();
    }
    size_t bytes = fread(got, 1, sizeof got - 1, pipe);
    got[bytes ? bytes - 1 : 0] = '\0';
    int result = pclose(pipe);
    if (WIFEXITED(result) && WEXITSTATUS(result) == 9) {
        print_message("this python3 loads no extensions: skipped\n");
        skip();
    }
    assert_string_equal(got, rows_of(f.store, sql));
    assert_int_equal(result, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        TEST(pairs_are_named_by_both),          TEST(an_in_list_is_one_walk),
        TEST(by_idx_nothing_is_sorted),         TEST(bands_hold_what_fits),
        TEST(functions_are_what_loops_compute), TEST(python_sees_the_same_rows),
    };
    return cmocka_run_group_tests_name("store_element", tests, NULL, NULL);
}
