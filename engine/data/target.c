/* The label: class ids or numbers.
 *
 * Without a `task` the target's values decide. Texts are classes. Numbers are classes when all of
 * them are whole and there are at most 20 different ones, else a regression's target: scikit-learn's
 * type_of_target takes every set of whole numbers for classes, which would make 1000 classes of a
 * column of prices in whole units.
 *
 * Classes are numbered as scikit-learn's LabelEncoder does: texts sorted by bytes, numbers by
 * value ("2" before "10", "1" and "1.0" are one class, named "1"). */
#include "data/target.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"
#include "data/category.h"
#include "data/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_WHOLE_CLASSES 20

enum { BY_VALUES = -1, CLASSIFICATION, REGRESSION }; /* ln_csv_options.task */

/* All cells as numbers; *bad is the first row that is none, or -1. */
static void read_numbers(const ln_csv_table *table, int column, double *numbers, int64_t *bad)
{
    char *const *cells = table->cells[column];
    *bad = -1;
    for (int64_t i = 0; i < table->rows && *bad < 0; i++) {
        if (!ln_number_read(cells[i], &numbers[i]))
            *bad = i;
        else if (numbers[i] == 0)
            numbers[i] = 0; /* -0 is the same class */
    }
}

static bool looks_like_classes(const double *numbers, int64_t rows)
{
    double seen[MOST_WHOLE_CLASSES];
    int count = 0;
    for (int64_t i = 0; i < rows; i++) {
        int at = 0;
        if (numbers[i] != floor(numbers[i]))
            return false;
        while (at < count && seen[at] != numbers[i])
            at++;
        if (at == MOST_WHOLE_CLASSES)
            return false;
        if (at == count)
            seen[count++] = numbers[i];
    }
    return true;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Classes of numbers: sorted by value, named by their shortest text. */
static ln_status number_classes(const double *numbers, int64_t rows, ln_dataset *dataset,
                                ln_error *err)
{
    ln_status status = LN_OK;
    ln_text text = {0};
    int64_t count = 0;
    double *sorted = ln_alloc((size_t)rows * sizeof *sorted);
    dataset->labels = ln_alloc((size_t)rows * sizeof *dataset->labels);
    if (!sorted || !dataset->labels) {
        status = ln_fail_memory(err, (size_t)rows * sizeof *sorted);
        goto out;
    }
    memcpy(sorted, numbers, (size_t)rows * sizeof *sorted);
    qsort(sorted, (size_t)rows, sizeof *sorted, by_value);
    for (int64_t i = 0; i < rows; i++) {
        if (count == 0 || sorted[i] != sorted[count - 1])
            sorted[count++] = sorted[i];
    }
    dataset->classes = ln_calloc((size_t)count, sizeof *dataset->classes);
    if (!dataset->classes) {
        status = ln_fail_memory(err, (size_t)count * sizeof *dataset->classes);
        goto out;
    }
    dataset->class_count = (int)count;
    for (int64_t i = 0; i < count; i++) {
        text.length = 0;
        ln_text_json_number(&text, sorted[i]);
        if (text.failed || !(dataset->classes[i] = ln_strdup(text.data))) {
            status = ln_fail_memory(err, text.length + 1);
            goto out;
        }
    }
    for (int64_t i = 0; i < rows; i++) {
        const double *at = bsearch(&numbers[i], sorted, (size_t)count, sizeof *sorted, by_value);
        dataset->labels[i] = (int32_t)(at - sorted);
    }
out:
    ln_text_free(&text);
    ln_free(sorted);
    return status;
}

/* ---------------------------------------------------------------- the order of the classes */

/* Names by their new ids, and the new id of each old one; both get class_count entries more or
 * less than there were. */
static ln_status renumber(ln_dataset *dataset, char **names, int count, const int32_t *to)
{
    for (int64_t i = 0; i < dataset->rows; i++)
        dataset->labels[i] = to[dataset->labels[i]];
    ln_texts_free(dataset->classes, dataset->class_count);
    dataset->classes = names;
    dataset->class_count = count;
    return LN_OK;
}

/* Every class of the file must be in the list; the list may hold more. */
static ln_status check_all_listed(const ln_csv_table *table, const ln_dataset *dataset,
                                  const int32_t *to, char *const *names, int count, ln_error *err)
{
    for (int64_t i = 0; i < dataset->rows; i++) {
        const char *found = dataset->classes[dataset->labels[i]];
        if (to[dataset->labels[i]] >= 0)
            continue;
        ln_status status = ln_fail(
            err, LN_EINVALID, "%s, line %lld: '%s' in column '%s' is not one of the classes (%s)",
            table->name, (long long)table->lines[i], ln_csv_show(found).text, dataset->target_name,
            ln_texts_list(names, count).text);
        ln_texts_hint(err, found, names, count);
        return status;
    }
    return LN_OK;
}

static ln_status order_by_list(const ln_csv_table *table, const char *const *classes,
                               ln_dataset *dataset, ln_error *err)
{
    int count = 0;
    while (classes[count])
        count++;
    ln_status status = LN_OK;
    char **names = ln_calloc((size_t)count, sizeof *names);
    int32_t *to = ln_alloc((size_t)dataset->class_count * sizeof *to);
    if (!names || !to) {
        status = ln_fail_memory(err, (size_t)count * sizeof *names);
        goto out;
    }
    for (int i = 0; i < dataset->class_count; i++)
        to[i] = -1;
    for (int i = 0; i < count; i++) {
        int found = ln_dataset_find_class(dataset, classes[i]);
        bool twice = found >= 0 && to[found] >= 0;
        for (int j = 0; j < i; j++)
            twice = twice || strcmp(classes[i], classes[j]) == 0;
        if (twice) {
            status = ln_fail(err, LN_EINVALID, "the class '%s' is listed twice",
                             ln_csv_show(classes[i]).text);
            goto out;
        }
        if (found >= 0)
            to[found] = i;
        if (!(names[i] = ln_strdup(classes[i]))) {
            status = ln_fail_memory(err, strlen(classes[i]) + 1);
            goto out;
        }
    }
    status = check_all_listed(table, dataset, to, names, count, err);
out:
    if (status == LN_OK)
        status = renumber(dataset, names, count, to);
    else
        ln_texts_free(names, count);
    ln_free(to);
    return status;
}

static ln_status make_positive(const ln_csv_options *options, ln_dataset *dataset, ln_error *err)
{
    int id = ln_dataset_find_class(dataset, options->positive);
    ln_listed listed = ln_texts_list(dataset->classes, dataset->class_count);
    if (id < 0) {
        ln_status status = ln_fail(
            err, LN_EINVALID, "the positive class '%s' does not occur in column '%s' (it has %s)",
            ln_csv_show(options->positive).text, dataset->target_name, listed.text);
        ln_texts_hint(err, options->positive, dataset->classes, dataset->class_count);
        return status;
    }
    if (dataset->class_count != 2)
        return ln_fail(err, LN_EINVALID,
                       "a positive class needs a target with two classes; column '%s' has %d (%s)",
                       dataset->target_name, dataset->class_count, listed.text);
    if (options->classes && id != 1)
        return ln_fail(err, LN_EINVALID,
                       "the positive class is class 1, but '%s' stands first among the classes "
                       "(%s); list it second or leave one of the two options out",
                       ln_csv_show(options->positive).text, listed.text);
    if (id == 0) {
        char *first = dataset->classes[0];
        dataset->classes[0] = dataset->classes[1];
        dataset->classes[1] = first;
        for (int64_t i = 0; i < dataset->rows; i++)
            dataset->labels[i] = 1 - dataset->labels[i];
    }
    return LN_OK;
}

/* ---------------------------------------------------------------- the column */

static ln_status check_labels(const ln_csv_table *table, int column, const ln_csv_options *options,
                              int64_t not_number, ln_error *err)
{
    if (options->task == REGRESSION && (options->positive || options->classes))
        return ln_fail(err, LN_EINVALID,
                       "a regression has no classes; leave `%s` out or set task = classification",
                       options->positive ? "positive" : "classes");
    if (options->task == REGRESSION && not_number >= 0)
        return ln_fail(err, LN_EINVALID,
                       "%s, line %lld: '%s' in column '%s' is not a number, which a regression's "
                       "target must be",
                       table->name, (long long)table->lines[not_number],
                       ln_csv_show(table->cells[column][not_number]).text,
                       ln_csv_show(table->names[column]).text);
    return LN_OK;
}

ln_status ln_csv_target(const ln_csv_table *table, int column, const ln_csv_options *options,
                        ln_dataset *dataset, ln_error *err)
{
    int64_t not_number;
    ln_status status;

    dataset->target_name = ln_strdup(table->names[column]);
    double *numbers = ln_alloc((size_t)table->rows * sizeof *numbers);
    if (!dataset->target_name || !numbers) {
        status = ln_fail_memory(err, (size_t)table->rows * sizeof *numbers);
        goto out;
    }
    for (int64_t i = 0; i < table->rows; i++) {
        if (!table->cells[column][i]) {
            status = ln_fail(err, LN_EINVALID,
                             "%s, line %lld: the label in column '%s' is missing; fill it in or "
                             "leave the row out",
                             table->name, (long long)table->lines[i],
                             ln_csv_show(table->names[column]).text);
            goto out;
        }
    }
    read_numbers(table, column, numbers, &not_number);
    status = check_labels(table, column, options, not_number, err);
    if (status != LN_OK)
        goto out;

    dataset->classification =
        options->task == CLASSIFICATION || not_number >= 0 || options->positive ||
        options->classes ||
        (options->task == BY_VALUES && looks_like_classes(numbers, table->rows));
    if (options->task == REGRESSION)
        dataset->classification = false;
    if (!dataset->classification) {
        dataset->numbers = numbers;
        numbers = NULL;
        goto out;
    }
    if (not_number < 0)
        status = number_classes(numbers, table->rows, dataset, err);
    else
        status = ln_categories_make(table->cells[column], table->rows, &dataset->labels,
                                    &dataset->classes, &dataset->class_count, err);
    if (status == LN_OK && options->classes) {
        status = order_by_list(table, options->classes, dataset, err);
        if (status)
            ln_error_field(err, "classes");
    }
    if (status == LN_OK && options->positive) {
        status = make_positive(options, dataset, err);
        if (status)
            ln_error_field(err, "positive");
    }
out:
    ln_free(numbers);
    return status;
}
