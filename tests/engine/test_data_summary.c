/* What `lunette show data.csv` says of a table. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/summary.h"

static ln_data_summary read_text(const char *text, int common)
{
    ln_error err;
    ln_data_summary s;
    test_write(test_path("s.csv"), text, strlen(text));
    assert_ok(ln_data_summary_read(test_path("s.csv"), common, &s, &err));
    return s;
}

static void assert_common(const ln_column_summary *column, int at, const char *text, int64_t count)
{
    assert_in_range(at, 0, column->common_count - 1);
    assert_string_equal(column->common[at].text, text);
    assert_int_equal(column->common[at].count, count);
}

static void columns_are_told_by_kind(void **state)
{
    (void)state;
    ln_data_summary s = read_text("n,c,d,e,class\n"
                                  "1,x,2024-01-31,,0\n"
                                  "2.5,y,2024-02-01,NA,1\n"
                                  ",y,2024-02-02,?,1\n"
                                  "-8,,2024-02-02,,1\n"
                                  "1.0,x,,,0\n"
                                  "1,y,2024-02-03,,1\n",
                                  2);
    assert_int_equal(s.rows, 6);
    assert_int_equal(s.column_count, 5);
    assert_int_equal(s.separator, ',');

    const ln_column_summary *n = &s.columns[0], *c = &s.columns[1], *class = &s.columns[4];
    assert_string_equal(n->name, "n");
    assert_int_equal(n->kind, LN_SUMMARY_NUMERIC);
    assert_int_equal(n->missing, 1);
    assert_int_equal(n->distinct, 3); /* 1 and 1.0 are one */
    assert_true(n->min == -8 && n->max == 2.5 && n->mean == -0.5);
    assert_false(n->classes);
    assert_int_equal(n->common_count, 2);
    assert_common(n, 0, "1", 3);
    assert_common(n, 1, "-8", 1);

    assert_int_equal(c->kind, LN_SUMMARY_CATEGORICAL);
    assert_int_equal(c->missing, 1);
    assert_int_equal(c->distinct, 2);
    assert_true(isnan(c->min));
    assert_false(c->classes); /* one is missing */
    assert_common(c, 0, "y", 3);
    assert_common(c, 1, "x", 2);

    assert_int_equal(s.columns[2].kind, LN_SUMMARY_DATES);
    assert_int_equal(s.columns[2].distinct, 4);
    assert_int_equal(s.columns[2].common_count, 0);
    assert_int_equal(s.columns[3].kind, LN_SUMMARY_EMPTY);
    assert_int_equal(s.columns[3].missing, 6);
    assert_int_equal(s.columns[3].distinct, 0);
    assert_true(class->classes);
    assert_common(class, 0, "1", 4);
    ln_data_summary_free(&s);
}

/* 20 whole numbers may be classes, 21 may not and list no values; 51 names are text. */
static void many_values_are_no_classes(void **state)
{
    (void)state;
    char text[8192];
    size_t length = (size_t)snprintf(text, sizeof text, "a,b,half,name\n");
    for (int i = 0; i < 60; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%d,%d,%g,name %d\n",
                                   i % 20, i % 21, (i % 2) / 2.0, i);
    ln_data_summary s = read_text(text, 3);
    assert_true(s.columns[0].classes);
    assert_int_equal(s.columns[0].distinct, 20);
    assert_int_equal(s.columns[0].common_count, 3);
    assert_common(&s.columns[0], 0, "0", 3);
    assert_false(s.columns[1].classes);
    assert_int_equal(s.columns[1].distinct, 21);
    assert_int_equal(s.columns[1].common_count, 0);
    assert_false(s.columns[2].classes); /* 0 and 0.5 */
    assert_common(&s.columns[2], 1, "0.5", 30);
    assert_int_equal(s.columns[3].kind, LN_SUMMARY_TEXT);
    ln_data_summary_free(&s);
}

static void separators_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        char separator;
        int columns;
    } cases[] = {
        {"a;b;c\n1;2,5;3\n", ';', 3},   {"a\tb\n1\t2\n", '\t', 2}, {"a|b\n1|2\n", '|', 2},
        {"\"a;b;c\",d\n1,2\n", ',', 2}, {"a\n1\n", ',', 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ln_data_summary s = read_text(cases[i].text, 5);
        assert_int_equal(s.separator, cases[i].separator);
        assert_int_equal(s.column_count, cases[i].columns);
        ln_data_summary_free(&s);
    }
}

static ln_status summarise(void *context, ln_error *err)
{
    ln_data_summary s;
    ln_status status = ln_data_summary_read(context, 3, &s, err);
    ln_data_summary_free(&s);
    return status;
}

static void mistakes_and_failing_allocations_are_survived(void **state)
{
    (void)state;
    ln_error err;
    ln_data_summary s;
    const char text[] = "n,c,class\n1,x,0\n2,y,1\n,x,1\n";
    test_write(test_path("s.csv"), text, sizeof text - 1);
    char path[512];
    snprintf(path, sizeof path, "%s", test_path("s.csv"));
    sweep_allocation_failures(summarise, path);
    assert_fails(ln_data_summary_read(test_path("absent.csv"), 3, &s, &err), LN_EFILE,
                 "does not exist");
    test_write(test_path("s.csv"), "a,b\n1\n", 6);
    assert_fails(ln_data_summary_read(test_path("s.csv"), 3, &s, &err), LN_EINVALID,
                 "s.csv, line 2: the row is too short");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_told_by_kind),
        cmocka_unit_test(many_values_are_no_classes),
        cmocka_unit_test(separators_are_found),
        cmocka_unit_test(mistakes_and_failing_allocations_are_survived),
    };
    return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
