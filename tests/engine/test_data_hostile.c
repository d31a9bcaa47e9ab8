/* CSV files that are cut off, damaged or large, and memory that runs out. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "data/dataset.h"

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static const ln_csv_options by_class = {.target = "class", .task = -1};

static const char sample[] = "\xEF\xBB\xBF"
                             "n,\"c\"\"d\",m,class\r\n"
                             "1.5,\"x,\n\"\"y\"\"\",NA,good\r\n"
                             "-2e3,z\xC3\xA4,7,bad\r\n\r\n"
                             "\"3\",,?,good\n"
                             "4,\"x\",9,\"bad\"\r\n";

/* Any outcome is right but a crash, a status without a message, or a data set that is not whole. */
static int outcome_is_clean(const char *data, size_t bytes)
{
    ln_error err = {0};
    ln_dataset *d = NULL;
    size_t before = ln_memory_used();
    ln_status status = ln_csv_parse("t.csv", data, bytes, &by_class, &d, &err);
    if (status != LN_OK) {
        assert_null(d);
        assert_int_equal(status, LN_EINVALID);
        assert_int_equal(err.status, status);
        assert_non_null(strstr(err.message, "t.csv"));
    } else {
        assert_in_range(d->rows, 1, 64);
        for (int64_t i = 0; i < d->rows && d->labels; i++)
            assert_in_range(d->labels[i], 0, (unsigned)d->class_count - 1);
        ln_dataset_release(d);
    }
    assert_int_equal(ln_memory_used(), before);
    return status == LN_OK;
}

static void every_prefix_is_read_or_refused(void **state)
{
    (void)state;
    int read = 0;
    for (size_t bytes = 0; bytes < sizeof sample; bytes++)
        read += outcome_is_clean(sample, bytes);
    assert_in_range(read, 10, 60); /* where a row is whole, or a label is cut short */
}

static void mutations_are_read_or_refused(void **state)
{
    (void)state;
    static const char tokens[] = "\",\n\r;\0 \xFF\xC3"
                                 "0e.NA-";
    ln_rng rng = ln_rng_make(5, "mutations", 0, 0);
    int read = 0;
    for (int round = 0; round < 4000; round++) {
        char text[2 * sizeof sample];
        size_t bytes = sizeof sample - 1;
        memcpy(text, sample, bytes);
        for (uint64_t edits = 1 + ln_rng_below(&rng, 4); edits > 0; edits--) {
            size_t at = (size_t)ln_rng_below(&rng, bytes);
            char token = tokens[ln_rng_below(&rng, sizeof tokens)];
            uint64_t what = ln_rng_below(&rng, 3);
            if (what == 0) { /* put in */
                memmove(text + at + 1, text + at, bytes - at);
                bytes++;
            } else if (what == 1 && bytes > 1) { /* take out */
                memmove(text + at, text + at + 1, bytes - at - 1);
                bytes--;
                continue;
            }
            text[at] = token;
        }
        read += outcome_is_clean(text, bytes);
    }
    assert_in_range(read, 400, 3600); /* the mutations are neither all harmless nor all fatal */
}

static ln_status read_sample(void *context, ln_error *err)
{
    ln_dataset *d;
    ln_status status = ln_csv_parse("t.csv", sample, sizeof sample - 1, context, &d, err);
    if (status != LN_OK)
        return status;
    char *json;
    status = ln_dataset_row_json(d, 1, &json, err);
    if (status == LN_OK)
        ln_free(json);
    ln_dataset_release(d);
    return status;
}

static ln_status read_digits(void *context, ln_error *err)
{
    const char *text = "a,class\n1,1\n2,0\n";
    ln_dataset *d;
    ln_status status = ln_csv_parse("t.csv", text, strlen(text), context, &d, err);
    if (status == LN_OK)
        ln_dataset_release(d);
    return status;
}

static ln_status read_credit(void *context, ln_error *err)
{
    ln_dataset *d;
    ln_status status = ln_csv_read("experiments/data/german_credit.csv", context, &d, err);
    if (status == LN_OK)
        ln_dataset_release(d);
    return status;
}

static void failing_allocations_are_survived(void **state)
{
    (void)state;
    ln_csv_options options = {
        .target = "class", .task = -1, .classes = LIST("good", "bad"), .positive = "bad"};
    sweep_allocation_failures(read_sample, &options);
    sweep_allocation_failures(read_credit, &options);
    options = by_class;
    sweep_allocation_failures(read_digits, &options);
    options.task = 1;
    sweep_allocation_failures(read_digits, &options);
}

static void memory_is_in_the_order_of_the_data(void **state)
{
    (void)state;
    enum { ROWS = 20000, COLUMNS = 20 };
    size_t room = (size_t)ROWS * COLUMNS * 10, length = 0;
    char *text = ln_alloc(room);
    for (int c = 0; c < COLUMNS; c++)
        length += (size_t)snprintf(text + length, room - length, "c%d,", c);
    length += (size_t)snprintf(text + length, room - length, "class\n");
    for (int r = 0; r < ROWS; r++) {
        for (int c = 0; c < COLUMNS; c++)
            length += (size_t)snprintf(text + length, room - length, c % 2 ? "%d.5," : "k%d,",
                                       c % 2 ? r * c : r % 7);
        length += (size_t)snprintf(text + length, room - length, "%d\n", r % 3);
    }
    size_t before = ln_memory_used();
    ln_memory_limit(before + length + (size_t)ROWS * COLUMNS * 20);
    ln_error err;
    ln_dataset *d;
    ln_status status = ln_csv_parse("t.csv", text, length, &by_class, &d, &err);
    ln_memory_limit(0);
    assert_status_at(status, LN_OK, &err, "ln_csv_parse", __FILE__, __LINE__);
    assert_int_equal(d->rows, ROWS);
    assert_true(d->columns[3].numbers[ROWS - 1] == (ROWS - 1) * 3 + 0.5);
    assert_int_equal(d->columns[4].category_count, 7);
    ln_dataset_release(d);
    ln_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_prefix_is_read_or_refused),
        cmocka_unit_test(mutations_are_read_or_refused),
        cmocka_unit_test(failing_allocations_are_survived),
        cmocka_unit_test(memory_is_in_the_order_of_the_data),
    };
    return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
