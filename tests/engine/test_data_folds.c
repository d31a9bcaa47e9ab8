/* Folds, parts of whole groups, parts and weights that the file gives. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/dataset.h"

static ln_dataset *parsed(const char *text, const ln_csv_options *options)
{
    ln_error err;
    ln_dataset *d;
    assert_ok(ln_csv_parse("t.csv", text, strlen(text), options, &d, &err));
    return d;
}

/* Rows 0 .. n - 1 with class i % 10 < ones ? 1 : 0 and group i % groups. */
static ln_dataset *numbered(int rows, int ones, int groups)
{
    static char text[1 << 16];
    const ln_csv_options options = {
        .target = "class", .task = -1, .by = groups ? "g" : NULL, .categorical = NULL};
    size_t length = (size_t)snprintf(text, sizeof text, "a,g,class\n");
    for (int i = 0; i < rows; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%d,%d,%d\n", i,
                                   groups ? i % groups : 0, i % 10 < ones);
    return parsed(text, &options);
}

static int count(const ln_dataset *d, int fold, int class_id)
{
    int n = 0;
    for (int64_t i = 0; i < d->rows; i++)
        n += (fold < 0 || d->fold_of[i] == fold) && (class_id < 0 || d->labels[i] == class_id);
    return n;
}

static int in_part(const ln_dataset *d, ln_split part)
{
    int n = 0;
    for (int64_t i = 0; i < d->rows; i++)
        n += d->split[i] == part;
    return n;
}

/* 103 rows, 33 of class 1, in 5 folds: 21, 21, 21, 20, 20 rows with 7, 7, 7, 6, 6 of class 1: what
 * scikit-learn's StratifiedKFold gives, in another order. */
static void folds_of_a_class_differ_by_one_at_most(void **state)
{
    (void)state;
    ln_error err;
    ln_dataset *d = numbered(103, 3, 0);
    assert_int_equal(count(d, -1, 1), 33);
    int rows[22] = {0}, ones[22] = {0};
    for (int fold = 0; fold < 5; fold++) {
        const ln_split_options options = {.folds = 5, .fold = fold, .stratify = true};
        assert_ok(ln_dataset_split(d, &options, &err));
        rows[count(d, fold, -1)]++;
        ones[count(d, fold, 1)]++;
        assert_int_equal(in_part(d, LN_SPLIT_TEST), count(d, fold, -1));
        assert_int_equal(in_part(d, LN_SPLIT_TRAIN), 103 - count(d, fold, -1));
        for (int64_t i = 0; i < d->rows; i++)
            assert_int_equal(d->split[i] == LN_SPLIT_TEST, d->fold_of[i] == fold);
    }
    assert_int_equal(rows[21], 3);
    assert_int_equal(rows[20], 2);
    assert_int_equal(ones[7], 3);
    assert_int_equal(ones[6], 2);
    ln_dataset_release(d);
}

/* Another repeat and another seed are other draws; the fold is not part of the draw. */
static void folds_are_drawn_by_seed_and_repeat(void **state)
{
    (void)state;
    ln_error err;
    int32_t first[200];
    ln_dataset *d = numbered(200, 5, 0);
    ln_split_options options = {.folds = 4, .seed = 3};
    assert_ok(ln_dataset_split(d, &options, &err));
    memcpy(first, d->fold_of, sizeof first);
    options.fold = 2;
    assert_ok(ln_dataset_split(d, &options, &err));
    assert_memory_equal(first, d->fold_of, sizeof first);
    options.repeat = 1;
    assert_ok(ln_dataset_split(d, &options, &err));
    assert_memory_not_equal(first, d->fold_of, sizeof first);
    options = (ln_split_options){.folds = 4, .seed = 4};
    assert_ok(ln_dataset_split(d, &options, &err));
    assert_memory_not_equal(first, d->fold_of, sizeof first);
    for (int fold = 0; fold < 4; fold++)
        assert_int_equal(count(d, fold, -1), 50);
    ln_dataset_release(d);
}

/* 0.15 of 200 rows, from the 150 outside the fold, with the classes' shares. */
static void validation_is_drawn_outside_the_fold(void **state)
{
    (void)state;
    ln_error err;
    ln_dataset *d = numbered(200, 3, 0);
    const ln_split_options options = {.folds = 4, .fold = 1, .validation = 0.15, .stratify = true};
    assert_ok(ln_dataset_split(d, &options, &err));
    assert_int_equal(in_part(d, LN_SPLIT_VALIDATION), 30);
    assert_int_equal(in_part(d, LN_SPLIT_TEST), 50);
    int ones = 0;
    for (int64_t i = 0; i < d->rows; i++) {
        if (d->split[i] == LN_SPLIT_VALIDATION) {
            assert_int_not_equal(d->fold_of[i], 1);
            ones += d->labels[i];
        }
    }
    assert_int_equal(ones, 9);
    ln_dataset_release(d);
}

static void impossible_folds_are_explained(void **state)
{
    (void)state;
    ln_error err;
    ln_dataset *d = numbered(6, 5, 0);
    ln_split_options options = {.folds = 7};
    assert_fails(ln_dataset_split(d, &options, &err), LN_EINVALID,
                 "7 folds of 6 rows are not possible; from 2 to 6 are");
    options = (ln_split_options){.folds = 3, .fold = 3};
    assert_fails(ln_dataset_split(d, &options, &err), LN_EINVALID,
                 "there is no fold 3; folds are 0 to 2");
    options = (ln_split_options){.folds = 3, .validation = 4};
    assert_fails(ln_dataset_split(d, &options, &err), LN_EINVALID,
                 "validation = 4 is no part of the 4 rows outside a fold");
    ln_dataset_release(d);
}

static void views_divide_the_same_rows_on_their_own(void **state)
{
    (void)state;
    ln_error err;
    ln_dataset *d = numbered(40, 5, 0), *a, *b;
    const ln_split_options options = {.train = 0.5, .test = 0.5};
    assert_ok(ln_dataset_split(d, &options, &err));
    assert_ok(ln_dataset_view(d, &a, &err));
    assert_ok(ln_dataset_view(a, &b, &err));
    ln_dataset_release(d); /* the views keep it */
    assert_int_equal(in_part(a, LN_SPLIT_NONE), 40);
    const ln_split_options folds = {.folds = 4};
    assert_ok(ln_dataset_split(a, &folds, &err));
    assert_int_equal(in_part(a, LN_SPLIT_TEST), 10);
    assert_int_equal(in_part(b, LN_SPLIT_NONE), 40);
    assert_null(b->fold_of);
    assert_ptr_equal(a->columns, b->columns);
    ln_dataset_release(a);
    assert_int_equal(b->columns[0].numbers[39], 39);
    ln_dataset_release(b);
}

/* ---------------------------------------------------------------- groups */

static void assert_groups_whole(const ln_dataset *d, const int32_t *of)
{
    int32_t part[64];
    memset(part, -1, sizeof part);
    for (int64_t i = 0; i < d->rows; i++) {
        const int32_t mark = of ? of[i] : d->split[i];
        if (part[d->groups[i]] < 0)
            part[d->groups[i]] = mark;
        assert_int_equal(part[d->groups[i]], mark);
    }
}

/* 20 groups of 10 rows: every size is a multiple of a group's, and is met. */
static void groups_stay_together_and_sizes_are_met(void **state)
{
    (void)state;
    ln_error err;
    ln_dataset *d = numbered(200, 5, 20);
    assert_int_equal(d->column_count, 1); /* the groups are no feature */
    assert_int_equal(d->group_count, 20);
    ln_split_options options = {.train = 0.6, .test = 0.3, .validation = 0.1};
    assert_ok(ln_dataset_split(d, &options, &err));
    assert_groups_whole(d, NULL);
    assert_int_equal(in_part(d, LN_SPLIT_TRAIN), 120);
    assert_int_equal(in_part(d, LN_SPLIT_TEST), 60);
    assert_int_equal(in_part(d, LN_SPLIT_VALIDATION), 20);
    int8_t first[200];
    memcpy(first, d->split, sizeof first);
    options.seed = 1;
    assert_ok(ln_dataset_split(d, &options, &err));
    assert_memory_not_equal(first, d->split, sizeof first);
    options = (ln_split_options){.folds = 4, .fold = 2, .validation = 0.25};
    assert_ok(ln_dataset_split(d, &options, &err));
    assert_groups_whole(d, d->fold_of);
    assert_groups_whole(d, NULL);
    for (int fold = 0; fold < 4; fold++)
        assert_int_equal(count(d, fold, -1), 50);
    assert_int_equal(in_part(d, LN_SPLIT_VALIDATION), 50);
    assert_int_equal(in_part(d, LN_SPLIT_TEST), 50);
    ln_dataset_release(d);
}

/* One group of 90 rows and two of 5: no part is empty, whatever the order. */
static void no_part_of_groups_is_empty(void **state)
{
    (void)state;
    ln_error err;
    char text[4096];
    size_t length = (size_t)snprintf(text, sizeof text, "a,g,class\n");
    for (int i = 0; i < 100; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%d,%s,%d\n", i,
                                   i < 90   ? "large"
                                   : i < 95 ? "one"
                                            : "two",
                                   i % 2);
    const ln_csv_options csv = {.target = "class", .task = -1, .by = "g"};
    ln_dataset *d = parsed(text, &csv);
    ln_split_options options = {.train = 0.7, .test = 0.2, .validation = 0.1};
    for (options.seed = 0; options.seed < 20; options.seed++) {
        assert_ok(ln_dataset_split(d, &options, &err));
        assert_groups_whole(d, NULL);
        for (int part = LN_SPLIT_TRAIN; part <= LN_SPLIT_VALIDATION; part++)
            assert_true(in_part(d, part) >= 5);
    }
    options = (ln_split_options){.folds = 4};
    assert_fails(ln_dataset_split(d, &options, &err), LN_EINVALID,
                 "column 'g' has 3 different values, too few for 4 parts that share none");
    options = (ln_split_options){.train = 0.5, .test = 0.5, .stratify = true};
    assert_fails(ln_dataset_split(d, &options, &err), LN_EINVALID, "cannot be stratified");
    ln_dataset_release(d);
}

/* ---------------------------------------------------------------- what the file says */

static void parts_come_from_a_column(void **state)
{
    (void)state;
    ln_error err;
    ln_dataset *d;
    const ln_csv_options csv = {.target = "class", .task = -1, .set = "set"};
    const ln_split_options options = {.train = 0.5, .test = 0.5};
    d = parsed("a,set,class\n1,train,x\n2,test,y\n3, validation ,x\n4,train,y\n", &csv);
    assert_ok(ln_dataset_split(d, &options, &err));
    assert_memory_equal(d->split, ((int8_t[]){0, 1, 2, 0}), 4);
    assert_int_equal(d->column_count, 1);
    ln_dataset_release(d);

    const struct {
        const char *text, *message;
    } wrong[] = {
        {"a,set,class\n1,train,x\n\n2,tset,y\n",
         "t.csv, line 4: 'tset' in column 'set' is no part of a split; it must be train, test or "
         "validation"},
        {"a,set,class\n1,train,x\n2,Test,y\n", "line 3: 'Test'"},
        {"a,set,class\n1,train,x\n2,,y\n", "line 3: the part in column 'set' is missing"},
        {"a,group,class\n1,train,x\n", "has no column 'set' (the parts of the split)"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_fails(ln_csv_parse("t.csv", wrong[i].text, strlen(wrong[i].text), &csv, &d, &err),
                     LN_EINVALID, wrong[i].message);
        assert_string_equal(err.field, "split.column");
    }
}

static void weights_come_from_a_column(void **state)
{
    (void)state;
    ln_error err;
    ln_dataset *d;
    const ln_csv_options csv = {.target = "class", .task = -1, .weight = "w"};
    d = parsed("a,w,class\n1,0.5,x\n2,0,y\n3,2e1,x\n", &csv);
    assert_memory_equal(d->weights, ((double[]){0.5, 0, 20}), 3 * sizeof(double));
    assert_int_equal(d->column_count, 1);
    ln_dataset_release(d);
    const struct {
        const char *text, *message;
    } wrong[] = {
        {"a,w,class\n1,1,x\n2,-1,y\n",
         "line 3: the weight '-1' in column 'w' is not a number from 0"},
        {"a,w,class\n1,heavy,x\n2,1,y\n", "line 2: the weight 'heavy'"},
        {"a,w,class\n1,1,x\n2,NA,y\n", "line 3: the weight in column 'w' is missing"},
        {"a,w,class\n1,0,x\n2,0.0,y\n", "every weight in column 'w' is 0"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_fails(ln_csv_parse("t.csv", wrong[i].text, strlen(wrong[i].text), &csv, &d, &err),
                     LN_EINVALID, wrong[i].message);
        assert_string_equal(err.field, "weight");
    }
    const ln_csv_options both = {.target = "class", .task = -1, .weight = "class"};
    assert_fails(ln_csv_parse("t.csv", "a,class\n1,2\n", 12, &both, &d, &err), LN_EINVALID,
                 "column 'class' cannot be both the target and the weight");
}

static ln_status divide(void *context, ln_error *err)
{
    static const char text[] =
        "a,g,w,class\n1,u,1,x\n2,v,1,y\n3,w,2,x\n4,x,1,y\n5,u,1,x\n6,v,1,x\n";
    const ln_csv_options csv = {.target = "class",
                                .task = -1,
                                .weight = "w",
                                .by = *(const bool *)context ? "g" : NULL,
                                .drop_missing = true};
    const ln_split_options options = {
        .folds = 2, .validation = 1.0 / 3, .stratify = !*(const bool *)context};
    ln_dataset *d = NULL, *view = NULL;
    ln_status status = ln_csv_parse("t.csv", text, sizeof text - 1, &csv, &d, err);
    if (status == LN_OK)
        status = ln_dataset_view(d, &view, err);
    if (status == LN_OK)
        status = ln_dataset_split(view, &options, err);
    ln_dataset_release(view);
    ln_dataset_release(d);
    return status;
}

static void failing_allocations_are_survived(void **state)
{
    (void)state;
    bool grouped = false;
    sweep_allocation_failures(divide, &grouped);
    grouped = true;
    sweep_allocation_failures(divide, &grouped);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folds_of_a_class_differ_by_one_at_most),
        cmocka_unit_test(folds_are_drawn_by_seed_and_repeat),
        cmocka_unit_test(validation_is_drawn_outside_the_fold),
        cmocka_unit_test(impossible_folds_are_explained),
        cmocka_unit_test(views_divide_the_same_rows_on_their_own),
        cmocka_unit_test(groups_stay_together_and_sizes_are_met),
        cmocka_unit_test(no_part_of_groups_is_empty),
        cmocka_unit_test(parts_come_from_a_column),
        cmocka_unit_test(weights_come_from_a_column),
        cmocka_unit_test(failing_allocations_are_survived),
    };
    return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
