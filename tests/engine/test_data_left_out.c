/* Reading CSV: rows and columns that are left out or refused (missing values, dates, free text). */
#include "csv_support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void rows_with_missing_values_are_dropped(void **state)
{
    (void)state;
    ln_error err;
    ln_dataset *d;
    const char text[] = "a,b,spare,class\n1,x,,u\n,x,1,v\n3,?,1,u\n4,y,1,\n5,y,,v\n";
    ln_csv_options options = {
        .target = "class", .task = -1, .ignore = LIST("spare"), .drop_missing = true};
    assert_ok(ln_csv_parse("t.csv", text, sizeof text - 1, &options, &d, &err));
    assert_int_equal(d->rows, 2); /* what is ignored may miss */
    assert_int_equal(d->dropped, 3);
    assert_memory_equal(d->columns[0].numbers, ((double[]){1, 5}), 2 * sizeof(double));
    assert_memory_equal(d->labels, ((int32_t[]){0, 1}), 2 * sizeof(int32_t));
    assert_int_equal(d->columns[0].missing, 0);
    ln_dataset_release(d);
    options.ignore = NULL;
    assert_fails(ln_csv_parse("t.csv", "a,class\n,u\n1,\n", 14, &options, &d, &err), LN_EINVALID,
                 "drop_missing leaves no row of t.csv: every one lacks a value");
    options = (ln_csv_options){.target = "class", .task = -1};
    assert_ok(ln_csv_parse("t.csv", "a,b,class\n,x,u\nNA,,v\n1,y,u\n", 27, &options, &d, &err));
    assert_int_equal(d->columns[0].missing, 2);
    assert_int_equal(d->columns[1].missing, 1);
    assert_int_equal(d->dropped, 0);
    ln_dataset_release(d);
    /* The line of a message is the file's, whatever was left out before it. */
    options =
        (ln_csv_options){.target = "class", .task = -1, .drop_missing = true, .numeric = LIST("a")};
    assert_fails(ln_csv_parse("t.csv", "a,class\n,u\n1,v\nten,u\n", 21, &options, &d, &err),
                 LN_EINVALID, "t.csv, line 4: 'ten'");
}

static ln_status read_dates(const char *first, const char *second, ln_error *err)
{
    char text[256];
    ln_dataset *d = NULL;
    const ln_csv_options options = {.target = "class", .task = -1};
    int length = snprintf(text, sizeof text, "when,class\n%s,u\n,v\n%s,u\n", first, second);
    ln_status status = ln_csv_parse("t.csv", text, (size_t)length, &options, &d, err);
    ln_dataset_release(d);
    return status;
}

static void columns_of_dates_are_refused(void **state)
{
    (void)state;
    ln_error err;
    assert_fails(read_dates("2024-01-31", "1999-12-1", &err), LN_EINVALID,
                 "t.csv: column 'when' holds dates, which are no categories");
    assert_string_equal(err.hint,
                        "leave it out: ignore = { \"when\" }; or, if its values are meant as "
                        "categories: categorical = { \"when\" }");
    assert_fails(read_dates("31.01.2024", "1.2.1999 12:30", &err), LN_EINVALID, "holds dates");
    assert_fails(read_dates("01/31/2024", "2/1/1999", &err), LN_EINVALID, "holds dates");
    assert_fails(read_dates("2024/01/31", "1999/2/1", &err), LN_EINVALID, "holds dates");
    assert_fails(read_dates("2024-01-31T10:00:00Z", "2024-01-31 10:00:00.5+01:00", &err),
                 LN_EINVALID, "holds dates");
    assert_ok(read_dates("2024-01-31", "never", &err));
    assert_ok(read_dates("1.2.3", "1.2.4", &err)); /* a version */
    assert_ok(read_dates("2024", "1999", &err));   /* a number */
    assert_ok(read_dates("2024-01-31 was a day", "2024-01-30", &err));
}

/* 51 values that all differ are names; 50 of them, or 60 values of which 54 differ, are not. */
static void columns_of_free_text_are_refused(void **state)
{
    (void)state;
    const struct {
        int rows, distinct;
        bool refused;
    } cases[] = {{51, 51, true}, {50, 50, false}, {60, 55, true}, {60, 54, false}};
    ln_error err;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        char text[4096], message[128];
        size_t length = (size_t)snprintf(text, sizeof text, "who,class\n");
        for (int i = 0; i < cases[c].rows; i++)
            length += (size_t)snprintf(text + length, sizeof text - length, "name %d,%c\n",
                                       i % cases[c].distinct, i % 2 ? 'u' : 'v');
        const char *const who[] = {"who", NULL};
        ln_dataset *d = NULL;
        ln_csv_options options = {.target = "class", .task = -1};
        if (cases[c].refused) {
            snprintf(message, sizeof message,
                     "column 'who' looks like free text or names: %d different values in %d rows",
                     cases[c].distinct, cases[c].rows);
            assert_fails(ln_csv_parse("t.csv", text, length, &options, &d, &err), LN_EINVALID,
                         message);
            options.categorical = who;
        }
        assert_ok(ln_csv_parse("t.csv", text, length, &options, &d, &err));
        assert_int_equal(d->columns[0].category_count, cases[c].distinct);
        ln_dataset_release(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_with_missing_values_are_dropped),
        cmocka_unit_test(columns_of_dates_are_refused),
        cmocka_unit_test(columns_of_free_text_are_refused),
    };
    return cmocka_run_group_tests_name("data_left_out", tests, NULL, NULL);
}
