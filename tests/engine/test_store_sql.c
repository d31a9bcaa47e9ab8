/* What the store adds to SQL: tensor functions against values by hand, element and its push-down,
 * the views over shared tensors and groups, the same rows from the sqlite3 shell with the
 * extension. */
#include "store_fixture.h"

#include <unistd.h>

static fixture f;

static int open_fixture(void **state)
{
    (void)state;
    fixture_open(&f, "sql.db");
    return 0;
}

static int close_fixture(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

/* --- functions ---------------------------------------------------------------------------------
 * */

/* Lists of float32 as SQL literals. */
#define F_1 "0000803f"
#define F_2 "00000040"
#define F_3 "00004040"
#define F_M1 "000080bf"
#define F_M3 "000040c0"
#define F_0 "00000000"
#define F_NAN "0000c07f"
#define F_INF "0000807f"

static const struct {
    const char *sql;    /* an expression */
    const char *wanted; /* as rows_of writes it */
} expressions[] = {
    {"tensor_sum(x'" F_1 F_2 F_M3 "')", "0"},
    {"tensor_l1(x'" F_1 F_2 F_M3 "')", "6"},
    {"tensor_l2(x'" F_0 F_3 F_M3 "')", "4.24264069"},
    {"tensor_min(x'" F_1 F_2 F_M3 "')", "-3"},
    {"tensor_max(x'" F_1 F_2 F_M3 "')", "2"},
    {"tensor_argmax(x'" F_1 F_3 F_3 "')", "1"},
    {"tensor_count(x'" F_1 F_3 F_3 "')", "3"},
    {"tensor_get(x'" F_1 F_2 F_M3 "', 2)", "-3"},
    {"tensor_get(x'" F_1 F_2 F_M3 "', 3)", "-"},
    {"tensor_get(x'" F_1 F_2 F_M3 "', -1)", "-"},
    {"tensor_get(x'" F_1 "', NULL)", "-"},
    /* NaN: sums are not defined, extremes pass it over. */
    {"tensor_sum(x'" F_1 F_NAN "')", "-"},
    {"tensor_max(x'" F_NAN F_1 F_NAN "')", "1"},
    {"tensor_min(x'" F_NAN F_2 F_1 "')", "1"},
    {"tensor_argmax(x'" F_NAN F_1 F_2 "')", "2"},
    {"tensor_max(x'" F_NAN "')", "-"},
    {"tensor_get(x'" F_NAN "', 0)", "-"},
    {"tensor_sum(x'')", "0"},
    {"tensor_max(x'')", "-"},
    {"tensor_argmax(x'')", "-"},
    {"tensor_sum(NULL)", "-"},
    /* Two lists. cos((1,2),(2,1)) = 4/5. */
    {"tensor_cosine(x'" F_1 F_2 "', x'" F_2 F_1 "')", "0.8"},
    {"tensor_cosine(x'" F_1 F_2 "', x'" F_0 F_0 "')", "-"},
    {"tensor_cosine(NULL, x'" F_0 F_0 "')", "-"},
    {"tensor_cosine(x'" F_0 F_0 "', NULL)", "-"},
    /* (1,2,3) less its mean (-1,0,1); (3,1,3) less its mean (2/3,-4/3,2/3): 0. */
    {"tensor_pearson(x'" F_1 F_2 F_3 "', x'" F_3 F_1 F_3 "')", "0"},
    {"tensor_pearson(x'" F_1 F_2 F_3 "', x'" F_3 F_2 F_1 "')", "-1"},
    {"tensor_pearson(x'" F_1 F_1 "', x'" F_3 F_2 "')", "-"},
    {"tensor_pearson(x'', x'')", "-"},
    /* Ranks (0,1,2) and (0.5,0.5,2): products of (-1,0,1) and (-.5,-.5,1) = 1.5; / sqrt(2 * 1.5).
     * */
    {"tensor_spearman(x'" F_1 F_2 F_3 "', x'" F_0 F_0 F_1 "')", "0.866025404"},
    {"tensor_spearman(x'" F_M3 F_2 F_INF "', x'" F_M1 F_0 F_1 "')", "1"},
    {"tensor_spearman(x'" F_1 F_NAN "', x'" F_1 F_2 "')", "-"},
    {"tensor_maxdiff(x'" F_1 F_2 "', x'" F_M3 F_3 "')", "4"},
    {"tensor_maxdiff(x'" F_1 F_2 "', x'" F_1 F_NAN "')", "-"},
    {"tensor_maxdiff(x'', x'')", "-"},
    /* By magnitude, of equal ones the lower index, never NaN. */
    {"tensor_topk(x'" F_1 F_M3 F_3 F_2 "', 3)", "[1,2,3]"},
    {"tensor_topk(x'" F_1 F_M3 F_3 F_2 "', 9)", "[1,2,3,0]"},
    {"tensor_topk(x'" F_NAN F_1 F_NAN F_2 "', 4)", "[3,1]"},
    {"tensor_topk(x'" F_1 "', 0)", "[]"},
    {"tensor_topk(x'" F_1 "', NULL)", "-"},
    {"tensor_topk(NULL, 1)", "-"},
    {"(SELECT sum(value) FROM json_each(tensor_topk(x'" F_1 F_M3 F_3 "', 2)))", "3"},
    /* {1,2} and {0,1}: one of three. */
    {"tensor_topk_iou(x'" F_1 F_M3 F_3 "', x'" F_3 F_3 F_1 "', 2)", "0.333333333"},
    {"tensor_topk_iou(x'" F_1 F_M3 F_3 "', x'" F_1 F_M3 F_3 "', 2)", "1"},
    {"tensor_topk_iou(x'" F_1 "', x'" F_1 "', 0)", "-"},
    /* Aggregates. */
    {"(SELECT hex(tensor_mean(t)) FROM (SELECT x'" F_1 F_M3 "' AS t UNION ALL SELECT x'" F_3 F_1
     "' "
     "UNION ALL SELECT NULL))",
     "00000040000080BF"},
    {"(SELECT hex(tensor_mean_abs(t)) FROM (SELECT x'" F_1 F_M3
     "' AS t UNION ALL SELECT x'" F_3 F_M1 "'))",
     "0000004000000040"},
    {"(SELECT tensor_mean(t) FROM (SELECT NULL AS t))", "-"},
    {"(SELECT tensor_mean(t) FROM (SELECT 1 AS t) WHERE 0)", "-"},
    {"(SELECT group_concat(idx || ':' || coalesce(value, 'null')) FROM tensor_each(x'" F_1 F_NAN
         F_M3 "'))",
     "0:1.0,1:null,2:-3.0"},
    {"(SELECT count(*) FROM tensor_each(NULL))", "0"},
    {"(SELECT count(*) FROM tensor_each)", "0"},
    /* The store's own numbers. */
    {"hex(attribution_values(1))", "0000803F000000C000004040"},
    {"tensor_sum(attribution_values(4))", "0.25"},
    {"attribution_values(999)", "-"},
    {"attribution_values(NULL)", "-"},
    {"attribution_values('x')", "-"},
    {"(SELECT group_concat(value) FROM tensor_each(tensor_values((SELECT max(groups) FROM "
     "attribution))))",
     "0.0,1.0,0.0"},
    {"tensor_values(999)", "-"},
};

static void functions_give_values_by_hand(void **state)
{
    (void)state;
    char sql[512];
    for (size_t i = 0; i < sizeof expressions / sizeof *expressions; i++) {
        snprintf(sql, sizeof sql, "SELECT %s", expressions[i].sql);
        const char *got = rows_of(f.store, sql);
        if (strcmp(got, expressions[i].wanted) != 0)
            fail_msg("%s is %s, not %s", expressions[i].sql, got, expressions[i].wanted);
    }
}

static const char *const errors[][2] = {
    {"tensor_sum(x'0000803f00')",
     "tensor_sum expects a BLOB of float32 numbers (4 bytes each) and was "
     "given 5 bytes"},
    {"tensor_sum('abc')", "was given text"},
    {"tensor_l2(1.5)", "tensor_l2 expects a BLOB"},
    {"tensor_cosine(x'" F_1 "', x'" F_1 F_2 "')", "equal length and was given 1 and 2"},
    {"tensor_spearman(x'" F_1 "', x'')", "equal length and was given 1 and 0"},
    {"tensor_topk_iou(x'" F_1 "', x'" F_1 F_1 "', 1)", "equal length"},
    {"tensor_topk(x'" F_1 "', -1)", "k to be a whole number, 0 or greater"},
    {"tensor_topk(x'" F_1 "', 'many')", "k to be a whole number"},
    {"tensor_get(x'" F_1 "', 'x')", "a whole number as its second"},
    {"(SELECT tensor_mean(t) FROM (SELECT x'" F_1 "' AS t UNION ALL SELECT x'" F_1 F_2 "'))",
     "tensor_mean expects lists of equal length"},
    {"(SELECT tensor_mean_abs(t) FROM (SELECT x'00' AS t))", "tensor_mean_abs expects a BLOB"},
    {"(SELECT count(*) FROM tensor_each(x'00'))", "tensor_each expects a BLOB"},
    {"(SELECT count(*) FROM explanation_importance)", "needs the id of an explanation"},
};

static void functions_say_what_is_wrong(void **state)
{
    (void)state;
    ln_error err = {0};
    char sql[512];
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        ln_query *query = NULL;
        bool more;
        snprintf(sql, sizeof sql, "SELECT %s", errors[i][0]);
        ln_status status = ln_query_new(f.store, sql, NULL, &query, &err);
        if (status == LN_OK)
            status = ln_query_next(query, &more, &err);
        ln_query_free(query);
        if (status != LN_ESTORE || !strstr(err.message, errors[i][1]))
            fail_msg("%s: status %d, '%s', wanted '%s'", errors[i][0], status, err.message,
                     errors[i][1]);
    }
}

/* --- element -----------------------------------------------------------------------------------
 * */

static void element_shows_every_number(void **state)
{
    (void)state;
    assert_rows(f.store,
                "SELECT attribution, idx, i0, i1, name, raw, input, value, error FROM element "
                "WHERE attribution = 1",
                "1|0|0|-|age|67|0.5|1|-\n1|1|1|-|purpose|car|-|-2|-\n1|2|2|-|amount|1169|-1.5|3|-");
    /* Raw values by name whatever their order; null and missing ones are NULL. */
    assert_rows(f.store, "SELECT name, raw FROM element WHERE attribution = 3",
                "age|49\npurpose|car\namount|-");
    assert_rows(f.store, "SELECT raw, input, error FROM element WHERE attribution = 8",
                "35|0|1\nt\xc3\xbcr|-|1.10000002\n-|-0.75|1.20000005");
    /* Groups: a row a group, named by its columns. */
    assert_rows(f.store, "SELECT idx, name, raw, input, value FROM element WHERE attribution = 10",
                "0|age+amount|-|-|-10\n1|purpose|-|-|5");
    /* Inputs: what the model read, and the raw value of their column. */
    assert_rows(f.store, "SELECT name, raw, input, value FROM element WHERE attribution = 14",
                "age|22|-0.5|-4\npurpose=car|tv|0|2\npurpose=tv|tv|1|3\namount|5951.5|0.25|-6");
    assert_rows(f.store, "SELECT count(*), count(DISTINCT attribution), sum(value) FROM element",
                "48|16|13.75");
    assert_rows(f.store, "SELECT count(*) FROM element WHERE attribution IN (1, 1, 9, 99, NULL)",
                "5");
    assert_rows(f.store, "SELECT attribution, value FROM element WHERE idx = 3",
                "13|3\n14|-6\n15|-9\n16|-0.25");
    assert_rows(f.store, "SELECT count(*) FROM element WHERE attribution = 'x' OR idx = -1", "0");
    assert_rows(f.store, "SELECT value FROM element WHERE attribution = '2' AND idx = 1.0", "5");
    assert_rows(f.store,
                "SELECT e.value FROM attribution a JOIN element e ON e.attribution = a.id "
                "WHERE a.explanation = 2 AND e.idx = 2 ORDER BY a.id",
                "2\n-5\n-8\n0");
}

static void element_has_coordinates(void **state)
{
    (void)state;
    ln_error err = {0};
    const int64_t sample = -1, target = 0;
    const double zero = 0;
    ln_attribution_rows rows = {.explanation = f.explanation[0],
                                .count = 1,
                                .sample = &sample,
                                .target = &target,
                                .kind = "feature",
                                .space = "input",
                                .groups = -1,
                                .unit = -1,
                                .total = &zero,
                                .values = tensor_random(TEST_SHAPE(1, 2, 3, 4), 1)};
    int64_t id;
    assert_ok(ln_store_put_attributions(f.store, &rows, &id, &err));
    ln_tensor_release((ln_tensor *)rows.values);
    assert_rows(
        f.store,
        "SELECT idx, i0, i1, i2, i3, name, raw, input FROM element WHERE attribution = 17 AND "
        "idx IN (0, 7, 23)",
        "0|0|0|0|-|-|-|-\n7|0|1|3|-|-|-|-\n23|1|2|3|-|-|-|-");
    assert_rows(
        f.store,
        "SELECT count(*) FROM element e WHERE attribution = 17 AND idx = i0 * 12 + i1 * 4 + i2 "
        "AND value = tensor_get(attribution_values(17), idx)",
        "24");
}

static void element_pushes_down(void **state)
{
    (void)state;
    static const char *const plans[][2] = {
        {"SELECT value FROM element WHERE attribution = 1", "attribution=?"},
        {"SELECT value FROM element WHERE attribution = 1 AND idx = 2", "attribution=? AND idx=?"},
        {"SELECT value FROM element WHERE attribution IN (1, 2)", "attribution IN"},
        {"SELECT value FROM element WHERE idx = 2", "idx=?"},
        {"SELECT e.value FROM element e JOIN attribution a ON a.id = e.attribution "
         "WHERE a.explanation = 2",
         "attribution=?"},
        {"SELECT idx, avg(value) FROM element e JOIN attribution a ON a.id = e.attribution JOIN "
         "explanation x ON x.id = a.explanation WHERE x.label = 'ig' GROUP BY idx",
         "attribution=?"},
    };
    char sql[512];
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", plans[i][0]);
        const char *plan = rows_of(f.store, sql), *at = strstr(plan, "VIRTUAL TABLE INDEX");
        at = at ? strchr(at, ':') : NULL;
        if (!at || strncmp(at + 1, plans[i][1], strlen(plans[i][1])) != 0 ||
            (at[1 + strlen(plans[i][1])] && at[1 + strlen(plans[i][1])] != '\n'))
            fail_msg("%s: %s", plans[i][0], plan);
    }
    /* Rows come in order, so nothing is sorted for it. */
    assert_null(strstr(rows_of(f.store, "EXPLAIN QUERY PLAN SELECT value FROM element "
                                        "ORDER BY attribution, idx"),
                       "TEMP B-TREE"));
}

/* Without push-down the damaged attribution would be read, and the statement fail. */
static void pushed_down_statements_read_only_their_attribution(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_query *query;
    bool more;
    change(f.store, "UPDATE attribution SET tensor_row = 99 WHERE id = 5");
    assert_rows(f.store, "SELECT sum(value) FROM element WHERE attribution IN (1, 6)", "-3");
    assert_ok(ln_query_new(f.store, "SELECT sum(value) FROM element", NULL, &query, &err));
    assert_fails(ln_query_next(query, &more, &err), LN_ESTORE, "row 99 of tensor");
    ln_query_free(query);
    assert_ok(ln_query_new(f.store, "SELECT attribution_values(5)", NULL, &query, &err));
    assert_fails(ln_query_next(query, &more, &err), LN_ESTORE, "row 99 of tensor");
    ln_query_free(query);
}

static void readers_see_what_was_written_meanwhile(void **state)
{
    (void)state;
    assert_rows(f.store, "SELECT tensor_sum(attribution_values(1))", "2");
    change(f.store,
           "UPDATE tensor SET data = zeroblob(24) WHERE id = (SELECT tensor FROM attribution "
           "WHERE id = 1)");
    assert_rows(f.store, "SELECT tensor_sum(attribution_values(1))", "0");
    change(f.store, "UPDATE feature SET name = 'years' WHERE idx = 0");
    assert_rows(f.store, "SELECT name FROM element WHERE attribution = 1 AND idx = 0", "years");
}

/* --- views -------------------------------------------------------------------------------------
 * */

static void feature_importance_is_by_column(void **state)
{
    (void)state;
    /* |1| + |4| + |7| + |.5| = 12.5 over 4; 1 - 4 + 7 + .5 = 4.5 over 4; ... */
    assert_rows(
        f.store,
        "SELECT run, explanation, label, explainer, idx, name, mean_abs, mean FROM "
        "feature_importance WHERE label IN ('saliency', 'ablation') ORDER BY explanation, idx",
        "1|1|saliency|saliency|0|age|3.125|1.125\n"
        "1|1|saliency|saliency|1|purpose|3.75|2.75\n"
        "1|1|saliency|saliency|2|amount|4.5625|-3.0625\n"
        "1|3|ablation|feature_ablation|0|age+amount|4.0625|-1.9375\n"
        "1|3|ablation|feature_ablation|1|purpose|3.75|2.75");
    /* Of all: sqrt(mean((a - mean)^2)), and the same by element. */
    assert_rows(
        f.store,
        "SELECT count(*), max(abs(i.std - e.std) + abs(i.mean - e.mean)) < 1e-12 FROM "
        "feature_importance i JOIN (SELECT a.explanation, e.idx, avg(e.value) AS mean, "
        "sqrt(avg(e.value * e.value) - avg(e.value) * avg(e.value)) AS std FROM attribution a "
        "JOIN element e ON e.attribution = a.id GROUP BY a.explanation, e.idx) e "
        "USING (explanation, idx)",
        "12|1");
    assert_rows(f.store, "SELECT name FROM feature_importance WHERE label = 'raw' ORDER BY idx",
                "age\npurpose=car\npurpose=tv\namount");
}

static void feature_importance_passes_nan_over(void **state)
{
    (void)state;
    change(f.store,
           "UPDATE tensor SET data = CAST(x'" F_NAN "' || substr(data, 5) AS BLOB) WHERE id = "
           "(SELECT tensor FROM attribution WHERE id = 1)");
    assert_rows(f.store, "SELECT n, mean FROM feature_importance WHERE explanation = 1",
                "3|1.16666667\n4|2.75\n4|-3.0625");
}

static void attribution_view_leads_to_run_and_sample(void **state)
{
    (void)state;
    assert_rows(f.store,
                "SELECT id, run, experiment, label, explainer, idx, sample_label, target, class "
                "FROM attribution_view WHERE label = 'ig' ORDER BY idx",
                "5|1|credit|ig|integrated_gradients|10|0|1|0\n"
                "6|1|credit|ig|integrated_gradients|11|1|1|1\n"
                "7|1|credit|ig|integrated_gradients|12|0|0|1\n"
                "8|1|credit|ig|integrated_gradients|13|1|-|0");
}

static void add_metric(const char *label, const char *scope, int64_t explanation, double value,
                       int64_t higher)
{
    fixture_insert(f.store, "metric",
                   CELLS(INT_CELL("run", f.run), TEXT_CELL("name", label),
                         TEXT_CELL("label", label), TEXT_CELL("scope", scope),
                         TEXT_CELL("status", "ok"), REAL_CELL("value", value),
                         INT_CELL("higher_is_better", higher),
                         {.column = "explanation",
                          .type = explanation ? LN_CELL_INT : LN_CELL_NULL,
                          .integer = explanation}));
}

static void summary_and_leaderboard_rank_metrics(void **state)
{
    (void)state;
    add_metric("accuracy", "model", 0, 0.75, 1);
    add_metric("ks", "model", 0, NAN, 1);
    add_metric("deletion", "explanation", f.explanation[0], 0.25, 0);
    add_metric("deletion", "explanation", f.explanation[1], 0.125, 0);
    add_metric("deletion", "explanation", f.explanation[2], 0.25, 0);
    assert_rows(f.store,
                "SELECT id, experiment, status, model, explanations, attributions, metrics, "
                "metrics ->> 'accuracy' FROM run_summary",
                "1|credit|running|network|4|16|{\"accuracy\":0.75}|0.75");
    assert_rows(f.store,
                "SELECT metric, place, label, value FROM leaderboard ORDER BY metric, place, label",
                "accuracy|1|-|0.75\ndeletion|1|ig|0.125\ndeletion|2|ablation|0.25\n"
                "deletion|2|saliency|0.25");
}

/* --- the extension -----------------------------------------------------------------------------
 * */

/* Beside the tests' folder: build/tests/test_store_sql, build/lunette_sqlite.so. */
static bool extension_path(char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 32);
    if (length <= 0)
        return false;
    path[length] = '\0';
    for (int up = 0; up < 2; up++)
        *strrchr(path, '/') = '\0';
    strcat(path, "/lunette_sqlite");
    char file[1024];
    snprintf(file, sizeof file, "%s.so", path);
    return access(file, R_OK) == 0;
}

static void the_shell_sees_the_same_rows(void **state)
{
    (void)state;
    static const char *const statements[] = {
        "SELECT attribution, idx, i0, name, raw, input, value FROM element ORDER BY 1, 2",
        "SELECT run, label, idx, name, round(mean_abs, 6), round(mean, 6), n FROM "
        "feature_importance",
        "SELECT id, tensor_topk(attribution_values(id), 2), hex(attribution_values(id)) FROM "
        "attribution",
        "SELECT explanation, hex(tensor_mean(attribution_values(id))) FROM attribution GROUP BY 1",
        "SELECT id, experiment, status, metrics FROM run_summary",
        "SELECT a.id, e.value FROM attribution a, tensor_each(attribution_values(a.id)) e",
    };
    char extension[1000], command[4096], got[16384];
    if (!extension_path(extension, sizeof extension) ||
        system("command -v sqlite3 >/dev/null") != 0) {
        print_message("no sqlite3 shell or no lunette_sqlite.so: skipped\n");
        skip();
    }
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        snprintf(command, sizeof command,
                 "sqlite3 -cmd '.load %s' -cmd 'PRAGMA trusted_schema = 0' -list -nullvalue - '%s' "
                 "\"%s\"",
                 extension, f.path, statements[i]);
        FILE *pipe = popen(command, "r");
        assert_non_null(pipe);
        size_t length = fread(got, 1, sizeof got - 1, pipe);
        assert_int_equal(pclose(pipe), 0);
        got[length ? length - 1 : 0] = '\0'; /* the last line end */
        /* The shell writes 1.0 where rows_of writes 1. */
        char plain[16384], *to = plain;
        for (const char *at = got; *at;) {
            if (strncmp(at, ".0", 2) == 0 && (at[2] == '|' || at[2] == '\n' || at[2] == '\0'))
                at += 2;
            else
                *to++ = *at++;
        }
        *to = '\0';
        assert_string_equal(plain, rows_of(f.store, statements[i]));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)
    const struct CMUnitTest tests[] = {
        TEST(functions_give_values_by_hand),
        TEST(functions_say_what_is_wrong),
        TEST(element_shows_every_number),
        TEST(element_has_coordinates),
        TEST(element_pushes_down),
        TEST(pushed_down_statements_read_only_their_attribution),
        TEST(readers_see_what_was_written_meanwhile),
        TEST(feature_importance_is_by_column),
        TEST(feature_importance_passes_nan_over),
        TEST(attribution_view_leads_to_run_and_sample),
        TEST(summary_and_leaderboard_rank_metrics),
        TEST(the_shell_sees_the_same_rows),
    };
    return cmocka_run_group_tests_name("store_sql", tests, NULL, NULL);
}
