/* Splits and choosing rows. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/dataset.h"

/* A data set with these many rows of class 0, 1, ... in turn of the classes. */
static ln_dataset *with_classes(const int *counts, int classes)
{
    ln_error err;
    ln_dataset *d;
    static char text[65536];
    size_t length = (size_t)snprintf(text, sizeof text, "a,class\n");
    int left[32];
    memcpy(left, counts, (size_t)classes * sizeof *left);
    for (bool any = true; any;) {
        any = false;
        for (int c = 0; c < classes; c++) {
            if (left[c] == 0)
                continue;
            left[c]--;
            any = true;
            length += (size_t)snprintf(text + length, sizeof text - length, "1,c%02d\n", c);
        }
    }
    ln_csv_options options = {.target = "class", .task = -1};
    assert_ok(ln_csv_parse("t.csv", text, length, &options, &d, &err));
    return d;
}

static void count_split(const ln_dataset *d, int class_id, int counts[3])
{
    memset(counts, 0, 3 * sizeof *counts);
    for (int64_t i = 0; i < d->rows; i++) {
        if (class_id < 0 || d->labels[i] == class_id)
            counts[d->split[i]]++;
    }
}

#define assert_counts(d, class_id, train, test, validation)                                        \
    do {                                                                                           \
        int counts[3];                                                                             \
        count_split((d), (class_id), counts);                                                      \
        assert_int_equal(counts[0], (train));                                                      \
        assert_int_equal(counts[1], (test));                                                       \
        assert_int_equal(counts[2], (validation));                                                 \
    } while (0)

static void classes_keep_their_shares(void **state)
{
    (void)state;
    ln_error err;
    ln_dataset *d = with_classes((int[]){700, 300}, 2);
    ln_split_options options = {.train = 0.7, .test = 0.3, .stratify = true, .seed = 0};
    assert_ok(ln_dataset_split(d, &options, &err));
    assert_counts(d, 0, 490, 210, 0);
    assert_counts(d, 1, 210, 90, 0);
    options = (ln_split_options){.train = 0.6, .test = 0.2, .validation = 0.2, .stratify = true};
    assert_ok(ln_dataset_split(d, &options, &err));
    assert_counts(d, 0, 420, 140, 140);
    assert_counts(d, 1, 180, 60, 60);
    options = (ln_split_options){.train = 500, .test = 300, .validation = 200, .stratify = true};
    assert_ok(ln_dataset_split(d, &options, &err));
    assert_counts(d, 0, 350, 210, 140);
    assert_counts(d, 1, 150, 90, 60);
    ln_dataset_release(d);
}

/* 10 classes of 3 rows, half and half: each class is shared out as 2 and 1 or 1 and 2, and the
 * splits have 15 rows all the same. */
static void rounding_keeps_classes_and_sizes(void **state)
{
    (void)state;
    ln_error err;
    int threes[10], sums[2] = {0, 0};
    for (int i = 0; i < 10; i++)
        threes[i] = 3;
    ln_dataset *d = with_classes(threes, 10);
    ln_split_options options = {.train = 0.5, .test = 0.5, .stratify = true};
    assert_ok(ln_dataset_split(d, &options, &err));
    assert_counts(d, -1, 15, 15, 0);
    for (int c = 0; c < 10; c++) {
        int counts[3];
        count_split(d, c, counts);
        assert_in_range(counts[0], 1, 2);
        assert_int_equal(counts[0] + counts[1], 3);
        sums[counts[0] - 1]++;
    }
    assert_int_equal(sums[0], 5);
    ln_dataset_release(d);

    /* Classes of one row: they cannot be in every split, and no split is empty. */
    d = with_classes((int[]){1, 1, 8}, 3);
    options = (ln_split_options){.train = 0.5, .test = 0.3, .validation = 0.2, .stratify = true};
    assert_ok(ln_dataset_split(d, &options, &err));
    assert_counts(d, -1, 5, 3, 2);
    assert_counts(d, 2, 4, 2, 2);
    ln_dataset_release(d);

    /* 7 rows by 0.7, 0.2, 0.1: 4.9, 1.4, 0.7 -> 5, 1, 1. */
    d = with_classes((int[]){7}, 1);
    options = (ln_split_options){.train = 0.7, .test = 0.2, .validation = 0.1};
    assert_ok(ln_dataset_split(d, &options, &err));
    assert_counts(d, -1, 5, 1, 1);
    ln_dataset_release(d);
}

static void the_seed_alone_decides_who_is_where(void **state)
{
    (void)state;
    ln_error err;
    int8_t first[1000];
    int same = 0;
    ln_dataset *d = with_classes((int[]){600, 400}, 2);
    ln_split_options options = {.train = 0.75, .test = 0.25, .stratify = true, .seed = 4};
    assert_ok(ln_dataset_split(d, &options, &err));
    memcpy(first, d->split, sizeof first);
    options.seed = 5;
    assert_ok(ln_dataset_split(d, &options, &err));
    for (int i = 0; i < 1000; i++)
        same += first[i] == d->split[i];
    assert_in_range(same, 560, 690); /* 625 of 1000 agree by chance, deviation 15 */
    options.seed = 4;
    assert_ok(ln_dataset_split(d, &options, &err));
    assert_memory_equal(first, d->split, sizeof first);
    options.stratify = false;
    assert_ok(ln_dataset_split(d, &options, &err));
    assert_counts(d, -1, 750, 250, 0);
    ln_dataset_release(d);
}

static void open_shares_take_the_rest(void **state)
{
    (void)state;
    const struct {
        ln_split_options options;
        int train, test, validation;
    } cases[] = {
        {{.train = NAN, .test = NAN}, 75, 25, 0},
        {{.train = NAN, .test = NAN, .validation = 0.2}, 55, 25, 20},
        {{.train = 0.7, .test = NAN}, 70, 30, 0},
        {{.train = NAN, .test = 0.1, .validation = 0.1}, 80, 10, 10},
        {{.train = 60, .test = NAN}, 60, 40, 0},
        {{.train = NAN, .test = NAN, .validation = 10}, 65, 25, 10},
        {{.train = 1, .test = NAN}, 100, 0, 0},
    };
    ln_error err;
    ln_dataset *d = with_classes((int[]){60, 40}, 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_ok(ln_dataset_split(d, &cases[i].options, &err));
        assert_counts(d, -1, cases[i].train, cases[i].test, cases[i].validation);
    }
    ln_split_options too_much = {.train = NAN, .test = 0.7, .validation = 0.5};
    assert_fails(ln_dataset_split(d, &too_much, &err), LN_EINVALID, "make 1.2");
    ln_dataset_release(d);
}

static void impossible_splits_are_explained(void **state)
{
    (void)state;
    ln_error err;
    ln_dataset *d = with_classes((int[]){6, 4}, 2);
    const struct {
        ln_split_options options;
        const char *part;
    } cases[] = {
        {{.train = 0.7, .test = 0.2}, "must add up to 1; train, test and validation make 0.9"},
        {{.train = -0.5, .test = 1.5}, "train = -0.5 is no part of a split"},
        {{.train = 7, .test = 2}, "asks for 9 rows in all, and the data set has 10"},
        {{.train = 9.5, .test = 0.5}, "train = 9.5 is no part of a split"},
        {{.train = 9, .test = 1}, "either in shares (up to 1) or in numbers of rows"},
        {{.train = 0.97, .test = 0.03}, "the test split would be empty: test = 0.03 of 10 rows"},
        {{.seed = 1}, "make 0"},
        {{.train = 0.5, .test = 0.5, .validation = NAN}, "validation = nan is no part of a split"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_fails(ln_dataset_split(d, &cases[i].options, &err), LN_EINVALID, cases[i].part);
    ln_split_options all = {.train = 1};
    assert_ok(ln_dataset_split(d, &all, &err));
    assert_counts(d, -1, 10, 0, 0);
    ln_dataset_release(d);

    ln_csv_options regression = {.target = "y", .task = 1};
    ln_split_options stratified = {.train = 0.5, .test = 0.5, .stratify = true};
    assert_ok(ln_csv_parse("t.csv", "a,y\n1,1\n2,2\n", 12, &regression, &d, &err));
    assert_fails(ln_dataset_split(d, &stratified, &err), LN_EINVALID,
                 "a stratified split needs classes; the target of t.csv is numbers");
    stratified.stratify = false;
    assert_ok(ln_dataset_split(d, &stratified, &err));
    ln_dataset_release(d);
}

/* ---------------------------------------------------------------- rows */

static const ln_rows_options any = {
    .split = LN_SPLIT_NONE, .take = -1, .sample = -1, .class_id = -1};

static void rows_are_chosen_by_split_class_and_number(void **state)
{
    (void)state;
    ln_error err;
    int64_t *rows, count;
    ln_dataset *d = with_classes((int[]){6, 4}, 2); /* 0 1 0 1 0 1 0 1 0 0 */
    ln_rows_options options = any;
    assert_ok(ln_dataset_rows(d, &options, &rows, &count, &err));
    assert_int_equal(count, 10);
    assert_int_equal(rows[9], 9);
    ln_free(rows);
    options.class_id = 1;
    options.take = 3;
    assert_ok(ln_dataset_rows(d, &options, &rows, &count, &err));
    assert_int_equal(count, 3);
    assert_memory_equal(rows, ((int64_t[]){1, 3, 5}), 3 * sizeof *rows);
    ln_free(rows);

    ln_split_options split = {.train = 0.5, .test = 0.5};
    assert_ok(ln_dataset_split(d, &split, &err));
    options = any;
    options.split = LN_SPLIT_TEST;
    assert_ok(ln_dataset_rows(d, &options, &rows, &count, &err));
    assert_int_equal(count, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(d->split[rows[i]], LN_SPLIT_TEST);
    ln_free(rows);
    ln_dataset_release(d);
}

static void samples_are_drawn_evenly_and_in_order(void **state)
{
    (void)state;
    ln_error err;
    int64_t *rows, count;
    int hits[10] = {0};
    ln_dataset *d = with_classes((int[]){10}, 1);
    ln_rows_options options = any;
    options.sample = 3;
    for (options.seed = 0; options.seed < 4000; options.seed++) {
        assert_ok(ln_dataset_rows(d, &options, &rows, &count, &err));
        assert_int_equal(count, 3);
        assert_true(rows[0] < rows[1] && rows[1] < rows[2]);
        for (int i = 0; i < 3; i++)
            hits[rows[i]]++;
        ln_free(rows);
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(hits[i], 1200 - 145, 1200 + 145); /* five deviations of 29 */
    ln_dataset_release(d);
}

static void impossible_rows_are_explained(void **state)
{
    (void)state;
    ln_error err;
    int64_t *rows, count;
    ln_dataset *d = with_classes((int[]){6, 4}, 2);
    ln_rows_options options = any;
    options.split = LN_SPLIT_VALIDATION;
    assert_fails(ln_dataset_rows(d, &options, &rows, &count, &err), LN_EINVALID,
                 "there are no validation rows of t.csv");
    options = any;
    options.class_id = 1;
    options.take = 5;
    assert_fails(ln_dataset_rows(d, &options, &rows, &count, &err), LN_EINVALID,
                 "take = 5 asks for more than the 4 rows of class 'c01' of t.csv");
    options.class_id = 2;
    assert_fails(ln_dataset_rows(d, &options, &rows, &count, &err), LN_EINVALID,
                 "class 2 does not exist; t.csv has classes 0 to 1");
    options = any;
    options.sample = 11;
    assert_fails(ln_dataset_rows(d, &options, &rows, &count, &err), LN_EINVALID,
                 "sample = 11 asks for more than the 10 rows of t.csv");
    options.take = 1;
    assert_fails(ln_dataset_rows(d, &options, &rows, &count, &err), LN_EINVALID,
                 "exclude each other");
    options = any;
    options.take = 0;
    assert_fails(ln_dataset_rows(d, &options, &rows, &count, &err), LN_EINVALID,
                 "take = 0 leaves no rows");
    options = any;
    options.split = 3;
    assert_fails(ln_dataset_rows(d, &options, &rows, &count, &err), LN_EINVALID, "no split number");
    ln_dataset_release(d);
}

static ln_status split_and_choose(void *context, ln_error *err)
{
    ln_split_options split = {.train = 0.5, .test = 0.5, .stratify = true};
    ln_rows_options options = any;
    int64_t *rows, count;
    ln_status status = ln_dataset_split(context, &split, err);
    if (status == LN_OK)
        status = ln_dataset_rows(context, &options, &rows, &count, err);
    if (status == LN_OK)
        ln_free(rows);
    return status;
}

static void failing_allocations_are_survived(void **state)
{
    (void)state;
    ln_dataset *d = with_classes((int[]){6, 4}, 2);
    sweep_allocation_failures(split_and_choose, d);
    ln_dataset_release(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_keep_their_shares),
        cmocka_unit_test(rounding_keeps_classes_and_sizes),
        cmocka_unit_test(the_seed_alone_decides_who_is_where),
        cmocka_unit_test(open_shares_take_the_rest),
        cmocka_unit_test(impossible_splits_are_explained),
        cmocka_unit_test(rows_are_chosen_by_split_class_and_number),
        cmocka_unit_test(samples_are_drawn_evenly_and_in_order),
        cmocka_unit_test(impossible_rows_are_explained),
        cmocka_unit_test(failing_allocations_are_survived),
    };
    return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
