/* Reading CSV: RFC 4180, kinds, numbers, labels and classes, every error with its line. */
#include "csv_support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/rng.h"
#include "data/dataset.h"
#include "data/number.h"

/* ---------------------------------------------------------------- the format */

static void quotes_separators_and_line_ends_follow_rfc_4180(void **state)
{
    (void)state;
    ln_dataset *d = good("\xEF\xBB\xBF\"a\"\"b\",c,class\r\n"
                         "\"x,y\",1,u\r\n"
                         "\"two\r\nlines\",2,v\n"
                         "\"say \"\"hi\"\"\", 3 ,u\n"
                         "\"\",\"4\",v",
                         &by_class);
    assert_int_equal(d->rows, 4);
    assert_int_equal(d->column_count, 2);
    assert_string_equal(d->columns[0].name, "a\"b");
    assert_string_equal(category_of(d, 0, 0), "x,y");
    assert_string_equal(category_of(d, 0, 1), "two\r\nlines");
    assert_string_equal(category_of(d, 0, 2), "say \"hi\"");
    assert_null(category_of(d, 0, 3));
    assert_int_equal(d->columns[1].kind, LN_COLUMN_NUMERIC);
    assert_near_f64(d->columns[1].numbers, ((double[]){1, 2, 3, 4}), 4, 0, 0);
    ln_dataset_release(d);
}

static void lines_are_counted_through_quotes_and_empty_lines(void **state)
{
    (void)state;
    assert_bad("a,class\n\"1\n\n1\",u\n\n\r\n2,v\n3\n", &by_class,
               "t.csv, line 8: the row is too short: it has 1 value, the first line names 2");
    assert_bad("a,class\n1,u,\n", &by_class, "line 2: the row is too long: it has 3 values");
    assert_bad("a,class\n\"1\n\",u\n\"3,v\n\n", &by_class,
               "line 4: the quote that opens here is never closed");
    assert_bad("a,class\n\n1\"2,u\n", &by_class, "line 3: there is a quote inside a field");
    assert_bad("a,class\n\"1\"2,u\n", &by_class, "line 2: text follows a closing quote");
    assert_bad("a,class\r1,u\r", &by_class, "line 1: there is a carriage return without");
}

static void other_separators_are_options(void **state)
{
    (void)state;
    ln_csv_options options = {.target = "class", .task = -1, .separator = ';'};
    ln_dataset *d = good("a;class\n1,5;u\n2;v\n", &options);
    assert_string_equal(category_of(d, 0, 0), "1,5");
    ln_dataset_release(d);
    assert_hint("a;class\n1;u\n", &by_class, "no column 'class'",
                "the values are not separated by commas: set `separator`");
    options.separator = '"';
    assert_bad("a,class\n", &options, "separator must be one ASCII character");
}

static void files_that_are_no_csv_say_what_they_are(void **state)
{
    (void)state;
    ln_error err;
    ln_dataset *none = NULL;
    assert_bad("", &by_class, "t.csv is empty");
    assert_bad("\xEF\xBB\xBF\n\r\n", &by_class, "t.csv is empty");
    assert_bad("a,class\n\n", &by_class, "no rows");
    assert_bad("\xFF\xFE", &by_class, "UTF-16");
    assert_bad("a,class\n1,\xE9\n", &by_class, "line 2: byte 0xE9 is not valid UTF-8");
    assert_bad("a,class\n1,\xC0\x80\n", &by_class, "byte 0xC0 is not valid UTF-8");
    assert_bad("a,class\n1,\xED\xA0\x80\n", &by_class, "byte 0xED is not valid UTF-8");
    assert_fails(ln_csv_parse("t.csv", "a,cl\0ass\n1,2\n", 13, &by_class, &none, &err), LN_EINVALID,
                 "NUL byte; the file is binary or UTF-16");
    assert_fails(ln_csv_read(test_path("none.csv"), &by_class, &none, &err), LN_EFILE, "none.csv");
    assert_null(none);
}

/* ---------------------------------------------------------------- columns */

static void numbers_are_exact_and_nothing_else_is_a_number(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double number;
    } numbers[] = {{"0", 0},
                   {"-12.5", -12.5},
                   {" +3 ", 3},
                   {".5", .5},
                   {"5.", 5},
                   {"1e3", 1e3},
                   {"1E-3", 1e-3},
                   {"0.1", 0.1},
                   {"3.141592653589793238462643", 3.141592653589793},
                   {"123456789012345678", 123456789012345678.0},
                   {"1e22", 1e22},
                   {"1e23", 1e23},
                   {"9007199254740993", 9007199254740992.0},
                   {"2.2250738585072011e-308", 2.2250738585072011e-308},
                   {"4.9e-324", 4.9e-324},
                   {"1e-400", 0},
                   {"1.7976931348623157e308", 1.7976931348623157e308},
                   {"0.000000000000000000000000000000001", 1e-33},
                   {"8.5e-22", 8.5e-22},
                   {"00012", 12},
                   {"-0", -0.0}};
    static const char *const others[] = {"",
                                         " ",
                                         "-",
                                         ".",
                                         "1e",
                                         "1e+",
                                         "e5",
                                         "0x10",
                                         "inf",
                                         "-Infinity",
                                         "nan",
                                         "1,5",
                                         "1 2",
                                         "1_000",
                                         "1.2.3",
                                         "--1",
                                         "1f",
                                         "1e999",
                                         "\xC2\xA0"
                                         "1"};
    double number;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (!ln_number_read(numbers[i].text, &number))
            fail_msg("'%s' is a number", numbers[i].text);
        assert_same_bits(&number, &numbers[i].number, sizeof number);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        if (ln_number_read(others[i], &number))
            fail_msg("'%s' is no number, and was read as %g", others[i], number);
    }
}

static void random_doubles_read_back_with_the_same_bits(void **state)
{
    (void)state;
    ln_rng rng = ln_rng_make(1, "numbers", 0, 0);
    char text[64];
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = (uint64_t)ln_rng_u32(&rng) << 32 | ln_rng_u32(&rng);
        double wanted, got;
        memcpy(&wanted, &bits, sizeof bits);
        if (!isfinite(wanted))
            continue;
        if (i % 2) /* numbers as tables have them: few digits */
            wanted = (double)(int64_t)(bits % 1000000007u) / pow(10, (double)(bits % 12));
        snprintf(text, sizeof text, "%.17g", wanted);
        assert_true(ln_number_read(text, &got));
        assert_same_bits(&got, &wanted, sizeof got);
    }
}

static void kinds_are_inferred_and_can_be_forced(void **state)
{
    (void)state;
    const char *text = "n,c,m,e,class\n1,x,NA,?,u\n 2.5 ,3,?,,v\n,y, nan ,null,u\n";
    ln_dataset *d = good(text, &by_class);
    assert_int_equal(d->columns[0].kind, LN_COLUMN_NUMERIC);
    assert_near_f64(d->columns[0].numbers, ((double[]){1, 2.5, NAN}), 3, 0, 0);
    assert_int_equal(d->columns[1].category_count, 3);
    assert_string_equal(d->columns[1].categories[0], "3");
    assert_string_equal(d->columns[1].categories[2], "y");
    assert_int_equal(d->columns[2].kind, LN_COLUMN_NUMERIC);
    assert_true(isnan(d->columns[2].numbers[0]) && isnan(d->columns[2].numbers[2]));
    assert_int_equal(d->columns[3].kind, LN_COLUMN_NUMERIC);
    ln_dataset_release(d);

    ln_csv_options options = {
        .target = "class", .task = -1, .categorical = LIST("n", "e"), .ignore = LIST("c", "m")};
    d = good(text, &options);
    assert_int_equal(d->column_count, 2);
    assert_string_equal(category_of(d, 0, 1), " 2.5 ");
    assert_null(category_of(d, 0, 2));
    assert_int_equal(d->columns[1].category_count, 0);
    ln_dataset_release(d);

    options = (ln_csv_options){.target = "class", .task = -1, .missing = LIST("x", "y")};
    d = good("c,class\nx,u\n3,v\ny,u\n", &options);
    assert_near_f64(d->columns[0].numbers, ((double[]){NAN, 3, NAN}), 3, 0, 0);
    ln_dataset_release(d);
}

static void wrong_columns_are_named_with_the_nearest(void **state)
{
    (void)state;
    const char *text = "duration,purpose,class\n1,car,u\nlong,tv,v\n";
    ln_csv_options options = {.target = "clas", .task = -1};
    assert_hint(text, &options,
                "t.csv has no column 'clas' (the target); it has duration, purpose, class",
                "did you mean 'class'?");
    options = (ln_csv_options){.target = "class", .task = -1, .numeric = LIST("duratoin")};
    assert_hint(text, &options, "no column 'duratoin' (numeric)", "did you mean 'duration'?");
    options.numeric = LIST("duration");
    assert_bad(text, &options,
               "t.csv, line 3: 'long' in the numeric column 'duration' is not a number");
    options.categorical = LIST("duration");
    assert_bad(text, &options, "column 'duration' cannot be both numeric and categorical");
    options = (ln_csv_options){.target = "class", .task = -1, .ignore = LIST("class")};
    assert_bad(text, &options, "column 'class' cannot be both the target and ignored");
    options.ignore = LIST("duration", "purpose");
    assert_bad(text, &options, "no column left besides the target 'class'");
    options = (ln_csv_options){.task = -1};
    assert_bad(text, &options, "csv needs `target`");
    assert_bad("a,b,a,class\n", &by_class, "line 1: columns 1 and 3 are both named 'a'");
    assert_bad("a,,class\n", &by_class, "line 1: column 2 has no name");
}

/* ---------------------------------------------------------------- labels */

static void assert_labels(const char *text, const ln_csv_options *options, int count,
                          const char *const *classes, const int32_t *labels)
{
    ln_dataset *d = good(text, options);
    assert_true(d->classification);
    assert_null(d->numbers);
    assert_int_equal(d->class_count, count);
    for (int i = 0; i < count; i++)
        assert_string_equal(d->classes[i], classes[i]);
    assert_memory_equal(d->labels, labels, (size_t)d->rows * sizeof *labels);
    ln_dataset_release(d);
}

static void classes_are_numbered_as_scikit_learn_does(void **state)
{
    (void)state;
    assert_labels("a,class\n1,good\n1,bad\n1,Good\n1,good\n", &by_class, 3,
                  LIST("Good", "bad", "good"), (int32_t[]){2, 1, 0, 2});
    assert_labels("a,class\n1,10\n1,2\n1,-1\n1,2.0\n", &by_class, 3, LIST("-1", "2", "10"),
                  (int32_t[]){2, 1, 0, 1});
    assert_labels("a,class\n1,10\n1,2\n1,x\n", &by_class, 3, LIST("10", "2", "x"),
                  (int32_t[]){0, 1, 2});
    ln_csv_options options = {.target = "class", .task = -1, .positive = "bad"};
    assert_labels("a,class\n1,good\n1,bad\n", &options, 2, LIST("good", "bad"), (int32_t[]){0, 1});
    options.positive = "good";
    assert_labels("a,class\n1,good\n1,bad\n", &options, 2, LIST("bad", "good"), (int32_t[]){1, 0});
    options.positive = "0.0";
    assert_labels("a,class\n1,0\n1,1\n", &options, 2, LIST("1", "0"), (int32_t[]){1, 0});
    options = (ln_csv_options){.target = "class", .task = -1, .classes = LIST("u", "w", "v")};
    assert_labels("a,class\n1,v\n1,u\n", &options, 3, LIST("u", "w", "v"), (int32_t[]){2, 0});
    options = (ln_csv_options){.target = "class", .task = 0};
    assert_labels("a,class\n1,0.5\n1,-2.5\n", &options, 2, LIST("-2.5", "0.5"), (int32_t[]){1, 0});
}

static void numbers_make_a_regression_unless_they_are_few_and_whole(void **state)
{
    (void)state;
    char text[1024] = "a,class\n";
    for (int i = 0; i < 20; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "1,%d\n", i * 10);
    ln_dataset *d = good(text, &by_class);
    assert_true(d->classification);
    assert_int_equal(d->class_count, 20);
    ln_dataset_release(d);
    strcat(text, "1,5\n");
    d = good(text, &by_class);
    assert_false(d->classification);
    assert_int_equal(d->class_count, 0);
    assert_null(d->labels);
    assert_true(d->numbers[20] == 5);
    ln_dataset_release(d);
    ln_csv_options options = {.target = "class", .task = 0};
    d = good(text, &options);
    assert_int_equal(d->class_count, 21);
    assert_string_equal(d->classes[1], "5");
    ln_dataset_release(d);
    options.task = 1;
    d = good("a,class\n1,0\n1,1\n", &options);
    assert_near_f64(d->numbers, ((double[]){0, 1}), 2, 0, 0);
    ln_dataset_release(d);
    d = good("a,class\n1,0\n1,1.5\n", &by_class);
    assert_false(d->classification);
    ln_dataset_release(d);
}

static void wrong_labels_and_classes_are_explained(void **state)
{
    (void)state;
    const char *two = "a,class\n1,good\n2,bad\n";
    ln_csv_options options = {.target = "class", .task = -1, .positive = "bda"};
    assert_bad("a,class\n1,good\n2,?\n", &by_class,
               "t.csv, line 3: the label in column 'class' is missing");
    assert_hint(two, &options,
                "the positive class 'bda' does not occur in column 'class' (it has bad, good)",
                "did you mean 'bad'?");
    options.positive = "u";
    assert_bad("a,class\n1,u\n2,v\n3,w\n", &options, "two classes; column 'class' has 3 (u, v, w)");
    options.positive = "bad";
    options.classes = LIST("bad", "good");
    assert_bad(two, &options, "the positive class is class 1, but 'bad' stands first");
    options = (ln_csv_options){.target = "class", .task = -1, .classes = LIST("good", "bat")};
    assert_hint(two, &options,
                "t.csv, line 3: 'bad' in column 'class' is not one of the classes (good, bat)",
                "did you mean 'bat'?");
    options.classes = LIST("good", "bad", "good");
    assert_bad(two, &options, "the class 'good' is listed twice");
    options.classes = LIST("good");
    assert_bad(two, &options, "must list two classes or more");
    options = (ln_csv_options){.target = "class", .task = 1};
    assert_bad(two, &options, "line 2: 'good' in column 'class' is not a number");
    options.positive = "1";
    assert_bad("a,class\n1,0\n2,1\n", &options, "a regression has no classes; leave `positive`");
}

/* ---------------------------------------------------------------- whole files */

static void german_credit_is_read_as_it_is(void **state)
{
    (void)state;
    ln_error err;
    ln_dataset *d;
    char hex[LN_SHA256_HEX], *json;
    ln_csv_options options = {.target = "class", .task = -1, .positive = "bad"};
    assert_ok(ln_csv_read("experiments/data/german_credit.csv", &options, &d, &err));
    assert_string_equal(d->name, "german_credit.csv");
    assert_string_equal(d->path, "experiments/data/german_credit.csv");
    ln_sha256_hex(d->sha256, hex);
    assert_string_equal(hex, "38b6dbf6fb4b0311a3ffc005730f42623128591fb36473ab3c22d270c0467632");
    assert_int_equal(d->rows, 1000);
    assert_int_equal(d->column_count, 20);
    int numeric = 0, bad = 0;
    for (int i = 0; i < d->column_count; i++)
        numeric += d->columns[i].kind == LN_COLUMN_NUMERIC;
    for (int i = 0; i < d->rows; i++)
        bad += d->labels[i];
    assert_int_equal(numeric, 7);
    assert_int_equal(bad, 300);
    assert_string_equal(d->classes[1], "bad");
    assert_int_equal(ln_dataset_find_class(d, "good"), 0);
    assert_int_equal(ln_dataset_find_class(d, "fair"), -1);
    assert_int_equal(ln_dataset_find_column(d, "age"), 12);
    assert_int_equal(ln_dataset_find_column(d, "class"), -1);
    assert_ok(ln_dataset_row_json(d, 0, &json, &err));
    assert_non_null(strstr(json, "{\"checking_status\": \"<0\", \"duration\": 6, "));
    assert_non_null(strstr(json, "\"age\": 67"));
    ln_free(json);
    assert_fails(ln_dataset_row_json(d, 1000, &json, &err), LN_EINVALID, "rows 0 to 999");
    ln_dataset_release(ln_dataset_retain(d));
    assert_int_equal(d->rows, 1000);
    ln_dataset_release(d);
}

static void a_row_is_json_in_original_units(void **state)
{
    (void)state;
    ln_error err;
    char *json;
    ln_dataset *d = good("n,\"a\"\"b\",class\n0.1,\"x\ny\",u\n,?,v\n", &by_class);
    assert_ok(ln_dataset_row_json(d, 0, &json, &err));
    assert_string_equal(json, "{\"n\": 0.1, \"a\\\"b\": \"x\\ny\"}");
    ln_free(json);
    assert_ok(ln_dataset_row_json(d, 1, &json, &err));
    assert_string_equal(json, "{\"n\": null, \"a\\\"b\": null}");
    ln_free(json);
    assert_fails(ln_dataset_row_json(d, -1, &json, &err), LN_EINVALID, "row -1 does not exist");
    ln_dataset_release(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotes_separators_and_line_ends_follow_rfc_4180),
        cmocka_unit_test(lines_are_counted_through_quotes_and_empty_lines),
        cmocka_unit_test(other_separators_are_options),
        cmocka_unit_test(files_that_are_no_csv_say_what_they_are),
        cmocka_unit_test(numbers_are_exact_and_nothing_else_is_a_number),
        cmocka_unit_test(random_doubles_read_back_with_the_same_bits),
        cmocka_unit_test(kinds_are_inferred_and_can_be_forced),
        cmocka_unit_test(wrong_columns_are_named_with_the_nearest),
        cmocka_unit_test(classes_are_numbered_as_scikit_learn_does),
        cmocka_unit_test(numbers_make_a_regression_unless_they_are_few_and_whole),
        cmocka_unit_test(wrong_labels_and_classes_are_explained),
        cmocka_unit_test(german_credit_is_read_as_it_is),
        cmocka_unit_test(a_row_is_json_in_original_units),
    };
    return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
