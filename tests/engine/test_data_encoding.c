/* The model's encoding. Expected numbers of the German credit data are scikit-learn's
 * (tests/reference/data_reference.py). */
#include "support.h"

#include <math.h>
#include <string.h>

#include "data/encoding.h"

static const ln_csv_options by_class = {.target = "class", .task = -1};
static const ln_encoding_options defaults = {LN_NUMERIC_STANDARD, LN_CATEGORICAL_ONEHOT,
                                             LN_MISSING_MEAN};

static ln_dataset *parse(const char *text)
{
    ln_error err;
    ln_dataset *d;
    assert_ok(ln_csv_parse("t.csv", text, strlen(text), &by_class, &d, &err));
    return d;
}

static int64_t *first_rows(int64_t count)
{
    int64_t *rows = ln_alloc((size_t)count * sizeof *rows);
    for (int64_t i = 0; i < count; i++)
        rows[i] = i;
    return rows;
}

static ln_encoding *fitted(const ln_dataset *d, int64_t count, ln_encoding_options options)
{
    ln_error err;
    ln_encoding *encoding;
    int64_t *rows = first_rows(count);
    assert_ok(ln_encoding_fit(d, rows, count, &options, &encoding, &err));
    ln_free(rows);
    return encoding;
}

/* All rows of `d`; expected is rows x width. */
static void assert_encoded(const ln_encoding *encoding, const ln_dataset *d, const float *expected)
{
    ln_error err;
    ln_tensor *x;
    int64_t *rows = first_rows(d->rows);
    assert_ok(ln_encoding_apply(encoding, d, rows, d->rows, &x, &err));
    assert_int_equal(x->shape.rank, 2);
    assert_int_equal(x->shape.dims[0], d->rows);
    assert_int_equal(x->shape.dims[1], encoding->width);
    assert_near_f32(ln_f32(x), expected, (size_t)(d->rows * encoding->width), 1e-7, 1e-6);
    ln_tensor_release(x);
    ln_free(rows);
}

/* ---------------------------------------------------------------- against scikit-learn */

static ln_dataset *credit(void)
{
    ln_error err;
    ln_dataset *d;
    assert_ok(ln_csv_read("experiments/data/german_credit.csv", &by_class, &d, &err));
    return d;
}

static void standard_and_onehot_equal_scikit_learn(void **state)
{
    (void)state;
    static const double mean[] = {21.5,
                                  3633.766666666667,
                                  2.7333333333333334,
                                  3.0,
                                  40.53333333333333,
                                  1.4333333333333333,
                                  1.2333333333333334};
    static const double scale[] = {14.24956139675885,  2907.6564295360317, 0.9637888196533974,
                                   1.0645812948447542, 12.870465760371259, 0.6155395104206463,
                                   0.42295258468165065};
    static const int categories[] = {4, 5, 6, 5, 5, 4, 2, 4, 2, 3, 3, 2, 2};
    static const float last[] = {1.649173617362976f,  0.32405251264572144f, 0.27668577432632446f,
                                 0.9393364191055298f, -1.0515029430389404f, -0.7039894461631775f,
                                 -0.5516772866249084f};
    static const int ones[] = {0, 5, 14, 15, 24, 28, 30, 31, 36, 38, 41, 43, 46};
    ln_error err;
    ln_tensor *x;
    ln_dataset *d = credit();
    ln_encoding *e = fitted(d, 30, defaults);
    int64_t *rows = first_rows(1000);
    assert_ok(ln_encoding_apply(e, d, rows, 1000, &x, &err));
    assert_int_equal(e->width, 7 + 47);
    assert_int_equal(e->column_count, 20);

    int numeric = 0, categorical = 0, onehot = 0, unseen = 0;
    double sum = 0;
    bool complete[1000];
    memset(complete, 1, sizeof complete);
    for (int c = 0; c < 20; c++) {
        const ln_encoded_column *column = &e->columns[c];
        if (column->kind == LN_COLUMN_NUMERIC) {
            assert_near_f64(&column->center, &mean[numeric], 1, 0, 1e-14);
            assert_near_f64(&column->scale, &scale[numeric], 1, 0, 1e-14);
            assert_near_f32(ln_f32(x) + 999 * 54 + column->first, &last[numeric], 1, 0, 1e-6);
            numeric++;
            continue;
        }
        assert_int_equal(column->count, categories[categorical]);
        for (int i = 0; i < 1000; i++) {
            double at_one = 0;
            for (int j = 0; j < column->count; j++) {
                float value = ln_f32(x)[i * 54 + column->first + j];
                at_one += (double)value;
                sum += (double)value * (i + 1) * (onehot + j + 1);
                if (i == 999)
                    assert_true(value == (onehot + j == ones[categorical]));
            }
            complete[i] = complete[i] && at_one == 1;
        }
        onehot += column->count;
        categorical++;
    }
    for (int i = 0; i < 1000; i++)
        unseen += !complete[i];
    assert_true(sum == 180302237.0);
    assert_int_equal(unseen, 152);
    assert_false(complete[31] || complete[973]);
    ln_free(rows);
    ln_tensor_release(x);
    ln_encoding_free(e);
    ln_dataset_release(d);
}

static void minmax_and_ordinal_equal_scikit_learn(void **state)
{
    (void)state;
    static const double low[] = {6, 409, 1, 1, 22, 1, 1}, range[] = {54, 12170, 3, 3, 45, 2, 1};
    static const float last[] = {0, 1, 5, 0, 4, 3, 1, 0, 1, 1, 1, 0, 1};
    ln_error err;
    ln_tensor *x;
    ln_dataset *d = credit();
    ln_encoding *e = fitted(
        d, 30, (ln_encoding_options){LN_NUMERIC_MINMAX, LN_CATEGORICAL_ORDINAL, LN_MISSING_MEAN});
    assert_int_equal(e->width, 20);
    assert_ok(ln_encoding_apply(e, d, (int64_t[]){999}, 1, &x, &err));
    for (int c = 0, numeric = 0, categorical = 0; c < 20; c++) {
        if (e->columns[c].kind == LN_COLUMN_NUMERIC) {
            assert_true(e->columns[c].center == low[numeric]);
            assert_true(e->columns[c].scale == range[numeric++]);
        } else {
            assert_true(ln_f32(x)[c] == last[categorical++]);
        }
        assert_int_equal(e->column_of[c], c);
    }
    ln_tensor_release(x);
    ln_encoding_free(e);
    ln_dataset_release(d);
}

/* ---------------------------------------------------------------- by hand */

static const char *const small = "n,c,class\n1,b,u\n3,a,v\n,?,u\n8,b,v\n5,new,u\n";

static void missing_values_are_filled_and_unseen_categories_are_zero(void **state)
{
    (void)state;
    ln_dataset *d = parse(small);
    const float s = (float)sqrt(26.0 / 3); /* of 1, 3, 8: mean 4 */
    ln_encoding *e = fitted(d, 4, defaults);
    assert_encoded(e, d, (float[]){-3 / s, 0, 1, -1 / s, 1, 0, 0, 0, 0, 4 / s, 0, 1, 1 / s, 0, 0});
    ln_encoding_free(e);
    e = fitted(d, 4,
               (ln_encoding_options){LN_NUMERIC_NONE, LN_CATEGORICAL_ORDINAL, LN_MISSING_MEDIAN});
    assert_encoded(e, d, (float[]){1, 1, 3, 0, 3, -1, 8, 1, 5, -1});
    ln_encoding_free(e);
    e = fitted(d, 5,
               (ln_encoding_options){LN_NUMERIC_MINMAX, LN_CATEGORICAL_ONEHOT, LN_MISSING_MEDIAN});
    assert_true(e->columns[0].fill == 4); /* of 1, 3, 5, 8 */
    ln_encoding_free(e);
    ln_dataset_release(d);
}

static ln_encoding_options with_missing(ln_categorical_encoding categorical,
                                        ln_missing_encoding missing)
{
    return (ln_encoding_options){LN_NUMERIC_NONE, categorical, missing};
}

/* Rows of `small` lack both values in row 2. */
static void missing_values_get_inputs_of_their_own(void **state)
{
    (void)state;
    ln_dataset *d = parse(small);
    ln_encoding *e = fitted(d, 4, with_missing(LN_CATEGORICAL_ONEHOT, LN_MISSING_CATEGORY));
    assert_int_equal(e->width, 4); /* n, c=a, c=b, c=(missing) */
    assert_memory_equal(e->column_of, ((int32_t[]){0, 1, 1, 1}), 4 * sizeof(int32_t));
    assert_encoded(e, d, (float[]){1, 0, 1, 0, 3, 1, 0, 0, 4, 0, 0, 1, 8, 0, 1, 0, 5, 0, 0, 0});
    ln_encoding_free(e);
    e = fitted(d, 4, with_missing(LN_CATEGORICAL_ORDINAL, LN_MISSING_CATEGORY));
    assert_encoded(e, d, (float[]){1, 1, 3, 0, 4, 2, 8, 1, 5, -1});
    ln_encoding_free(e);
    e = fitted(d, 4, with_missing(LN_CATEGORICAL_ONEHOT, LN_MISSING_INDICATOR));
    assert_memory_equal(e->column_of, ((int32_t[]){0, 0, 1, 1, 1}), 5 * sizeof(int32_t));
    assert_encoded(
        e, d, (float[]){1, 0, 0, 1, 0, 3, 0, 1, 0, 0, 4, 1, 0, 0, 1, 8, 0, 0, 1, 0, 5, 0, 0, 0, 0});
    ln_encoding_free(e);
    e = fitted(d, 4, with_missing(LN_CATEGORICAL_ORDINAL, LN_MISSING_INDICATOR));
    assert_encoded(e, d, (float[]){1, 0, 1, 0, 3, 0, 0, 0, 4, 1, -1, 1, 8, 0, 1, 0, 5, 0, -1, 0});
    ln_encoding_free(e);
    /* Nothing misses in the training rows: no input for it, and row 2 is filled. */
    e = fitted(d, 2, with_missing(LN_CATEGORICAL_ONEHOT, LN_MISSING_INDICATOR));
    assert_encoded(e, d, (float[]){1, 0, 1, 3, 1, 0, 2, 0, 0, 8, 0, 1, 5, 0, 0});
    ln_encoding_free(e);
    ln_dataset_release(d);
}

static void constant_columns_are_divided_by_one(void **state)
{
    (void)state;
    ln_dataset *d = parse("a,b,class\n0.1,7,u\n0.1,7,v\n0.1,7,u\n");
    ln_encoding *e = fitted(d, 3, defaults);
    assert_true(e->columns[0].scale == 1 && e->columns[1].scale == 1);
    assert_encoded(e, d, (float[]){0, 0, 0, 0, 0, 0});
    ln_encoding_free(e);
    e = fitted(d, 3,
               (ln_encoding_options){LN_NUMERIC_MINMAX, LN_CATEGORICAL_ONEHOT, LN_MISSING_MEAN});
    assert_true(e->columns[0].scale == 1 && e->columns[0].center == 0.1);
    ln_encoding_free(e);
    ln_dataset_release(d);
}

static void inputs_have_names_and_json(void **state)
{
    (void)state;
    static const struct {
        ln_encoding_options options;
        int input;
        const char *name, *json;
    } cases[] = {
        {{LN_NUMERIC_NONE, LN_CATEGORICAL_ONEHOT, LN_MISSING_MEAN},
         0,
         "n",
         "{\"kind\":\"none\",\"center\":0,\"scale\":1,\"fill\":4}"},
        {{LN_NUMERIC_MINMAX, LN_CATEGORICAL_ONEHOT, LN_MISSING_MEDIAN},
         0,
         "n",
         "{\"kind\":\"minmax\",\"center\":1,\"scale\":7,\"fill\":3}"},
        {{LN_NUMERIC_NONE, LN_CATEGORICAL_ONEHOT, LN_MISSING_MEAN},
         2,
         "c=b",
         "{\"kind\":\"onehot\",\"category\":\"b\"}"},
        {{LN_NUMERIC_NONE, LN_CATEGORICAL_ORDINAL, LN_MISSING_MEAN},
         1,
         "c",
         "{\"kind\":\"ordinal\",\"categories\":[\"a\",\"b\"]}"},
        {{LN_NUMERIC_NONE, LN_CATEGORICAL_ORDINAL, LN_MISSING_CATEGORY},
         1,
         "c",
         "{\"kind\":\"ordinal\",\"categories\":[\"a\",\"b\",null]}"},
        {{LN_NUMERIC_NONE, LN_CATEGORICAL_ONEHOT, LN_MISSING_INDICATOR},
         1,
         "n=(missing)",
         "{\"kind\":\"missing\"}"},
        {{LN_NUMERIC_NONE, LN_CATEGORICAL_ONEHOT, LN_MISSING_CATEGORY},
         3,
         "c=(missing)",
         "{\"kind\":\"missing\"}"},
    };
    ln_error err;
    ln_dataset *d = parse(small);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[64], *json;
        ln_encoding *e = fitted(d, 4, cases[i].options);
        assert_string_equal(ln_encoding_input_name(e, cases[i].input, name, sizeof name),
                            cases[i].name);
        assert_ok(ln_encoding_input_json(e, cases[i].input, &json, &err));
        assert_string_equal(json, cases[i].json);
        ln_free(json);
        ln_encoding_free(e);
    }
    ln_dataset_release(d);

    d = parse("n,class\n1,u\n2,v\n");
    char *json;
    ln_encoding *e = fitted(
        d, 2, (ln_encoding_options){LN_NUMERIC_STANDARD, LN_CATEGORICAL_ONEHOT, LN_MISSING_ERROR});
    assert_ok(ln_encoding_input_json(e, 0, &json, &err));
    assert_string_equal(json, "{\"kind\":\"standard\",\"center\":1.5,\"scale\":0.5,\"fill\":null}");
    ln_free(json);
    ln_encoding_free(e);
    ln_dataset_release(d);
}

static void hash_of(const char *text, int64_t rows, ln_encoding_options options, uint8_t digest[32])
{
    ln_dataset *d = parse(text);
    ln_encoding *e = fitted(d, rows, options);
    ln_hash *hash = ln_hash_new();
    ln_encoding_hash(e, hash);
    ln_hash_finish(hash, digest);
    ln_hash_free(hash);
    ln_encoding_free(e);
    ln_dataset_release(d);
}

static void the_hash_tells_encodings_apart(void **state)
{
    (void)state;
    uint8_t digests[9][32], again[32];
    ln_encoding_options category = with_missing(LN_CATEGORICAL_ORDINAL, LN_MISSING_CATEGORY);
    ln_encoding_options indicator = with_missing(LN_CATEGORICAL_ORDINAL, LN_MISSING_INDICATOR);
    ln_encoding_options median = defaults, ordinal = defaults, none = defaults, error = defaults;
    median.missing = LN_MISSING_MEDIAN;
    ordinal.categorical = LN_CATEGORICAL_ORDINAL;
    none.numeric = LN_NUMERIC_NONE;
    error.missing = LN_MISSING_ERROR;
    hash_of(small, 4, defaults, digests[0]);
    hash_of(small, 5, defaults, digests[1]);
    hash_of(small, 4, median, digests[2]);
    hash_of(small, 4, ordinal, digests[3]);
    hash_of(small, 4, none, digests[4]);
    hash_of("m,c,class\n1,b,u\n3,a,v\n,?,u\n8,b,v\n5,new,u\n", 4, defaults, digests[5]);
    hash_of(small, 2, error, digests[6]);
    hash_of(small, 4, category, digests[7]);
    hash_of(small, 4, indicator, digests[8]);
    for (int i = 0; i < 9; i++) {
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(digests[i], digests[j], 32);
    }
    hash_of("n,c,class\n1,b,u\n3,a,v\n,?,u\n8,b,v\n5,other,u\n", 4, defaults, again);
    assert_memory_equal(digests[0], again, 32); /* what was not in training is no part of it */
}

static void errors_name_row_and_column(void **state)
{
    (void)state;
    ln_error err;
    ln_encoding *e = NULL;
    ln_tensor *x = NULL;
    ln_dataset *d = parse(small), *other;
    ln_encoding_options strict = defaults;
    strict.missing = LN_MISSING_ERROR;
    assert_fails(ln_encoding_fit(d, (int64_t[]){0, 2}, 2, &strict, &e, &err), LN_EINVALID,
                 "row 2 has no value in column 'n'");
    assert_fails(ln_encoding_fit(d, (int64_t[]){2}, 1, &defaults, &e, &err), LN_EINVALID,
                 "column 'n' has no value in any of the training rows");
    assert_string_equal(err.hint, "leave it out: ignore = { \"n\" }");
    strict.numeric = LN_NUMERIC_NONE;
    other = parse("c,class\nx,u\n,v\ny,u\n");
    assert_fails(ln_encoding_fit(other, (int64_t[]){0, 1}, 2, &strict, &e, &err), LN_EINVALID,
                 "row 1 has no value in column 'c'");
    assert_ok(ln_encoding_fit(other, (int64_t[]){0, 2}, 2, &strict, &e, &err));
    assert_fails(ln_encoding_apply(e, other, (int64_t[]){0, 1}, 2, &x, &err), LN_EINVALID,
                 "row 1 has no value in column 'c', and missing = \"error\" forbids that");
    assert_null(x);
    ln_encoding_free(e);
    e = NULL;
    ln_dataset_release(other);
    assert_fails(ln_encoding_fit(d, NULL, 0, &defaults, &e, &err), LN_EINVALID, "there are none");
    assert_fails(ln_encoding_fit(d, (int64_t[]){5}, 1, &defaults, &e, &err), LN_EINVALID,
                 "row 5 does not exist; t.csv has rows 0 to 4");
    assert_null(e);

    assert_ok(ln_encoding_fit(d, (int64_t[]){0, 1}, 2, &strict, &e, &err));
    assert_fails(ln_encoding_apply(e, d, (int64_t[]){1, 2}, 2, &x, &err), LN_EINVALID,
                 "row 2 has no value in column 'n'");
    assert_fails(ln_encoding_apply(e, d, (int64_t[]){-1}, 1, &x, &err), LN_EINVALID,
                 "row -1 does not exist");
    other = parse("n,class\n1,u\n");
    assert_fails(ln_encoding_apply(e, other, (int64_t[]){0}, 1, &x, &err), LN_EINVALID,
                 "t.csv has no column 'c', which the model's encoding reads");
    ln_dataset_release(other);
    other = parse("n,c,class\nx,a,u\n1e300,a,v\n");
    assert_fails(ln_encoding_apply(e, other, (int64_t[]){0}, 1, &x, &err), LN_EINVALID,
                 "column 'n' of t.csv is categorical, and the model's encoding was fitted on "
                 "numeric values");
    ln_dataset_release(other);
    other = parse("n,c,class\n1,a,u\n1e300,a,v\n");
    assert_fails(ln_encoding_apply(e, other, (int64_t[]){0, 1}, 2, &x, &err), LN_EINVALID,
                 "row 1: 1e+300 in column 'n' is too large for float32");
    ln_encoding_free(e);
    ln_dataset_release(other);
    other = parse("n,class\n1e308,u\n1.5e308,v\n");
    assert_fails(ln_encoding_fit(other, (int64_t[]){0, 1}, 2, &defaults, &e, &err), LN_EINVALID,
                 "the numbers in column 'n' are too large to be scaled");
    ln_dataset_release(other);
    assert_null(x);
    ln_dataset_release(d);
}

static ln_status fit_and_apply(void *context, ln_error *err)
{
    ln_encoding *e = NULL;
    ln_tensor *x = NULL;
    char *json = NULL;
    ln_status status = ln_encoding_fit(context, (int64_t[]){0, 1, 3}, 3, &defaults, &e, err);
    if (status == LN_OK)
        status = ln_encoding_apply(e, context, (int64_t[]){0, 4}, 2, &x, err);
    if (status == LN_OK)
        status = ln_encoding_input_json(e, 2, &json, err);
    ln_free(json);
    ln_tensor_release(x);
    ln_encoding_free(e);
    return status;
}

static void failing_allocations_are_survived(void **state)
{
    (void)state;
    ln_dataset *d = parse(small);
    sweep_allocation_failures(fit_and_apply, d);
    ln_dataset_release(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(standard_and_onehot_equal_scikit_learn),
        cmocka_unit_test(minmax_and_ordinal_equal_scikit_learn),
        cmocka_unit_test(missing_values_are_filled_and_unseen_categories_are_zero),
        cmocka_unit_test(missing_values_get_inputs_of_their_own),
        cmocka_unit_test(constant_columns_are_divided_by_one),
        cmocka_unit_test(inputs_have_names_and_json),
        cmocka_unit_test(the_hash_tells_encodings_apart),
        cmocka_unit_test(errors_name_row_and_column),
        cmocka_unit_test(failing_allocations_are_survived),
    };
    return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
