/* Choosing rows of a data set: by split and class, the first ones or drawn ones. Draws are without
 * replacement (the first n steps of a Fisher-Yates shuffle), reported in ascending order, so that
 * they depend on the seed and the candidates alone. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/rng.h"
#include "data/dataset.h"
#include "data/table.h"

#include <stdio.h>
#include <stdlib.h>

static int by_row(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void draw(int64_t *rows, int64_t count, int64_t wanted, uint64_t seed)
{
    ln_rng rng = ln_rng_make(seed, "sample", 0, 0);
    for (int64_t i = 0; i < wanted; i++) {
        int64_t j = i + (int64_t)ln_rng_below(&rng, (uint64_t)(count - i)), row = rows[i];
        rows[i] = rows[j];
        rows[j] = row;
    }
    qsort(rows, (size_t)wanted, sizeof *rows, by_row);
}

static ln_status check(const ln_dataset *dataset, const ln_rows_options *options, ln_error *err)
{
    if (options->split < LN_SPLIT_NONE || options->split > LN_SPLIT_VALIDATION)
        return ln_fail(err, LN_EINVALID, "there is no split number %d", options->split);
    if (options->take == 0 || options->sample == 0)
        return ln_fail(err, LN_EINVALID, "%s = 0 leaves no rows; ask for one or more",
                       options->take == 0 ? "take" : "sample");
    if (options->take > 0 && options->sample > 0)
        return ln_fail(err, LN_EINVALID,
                       "`take` (the first rows) and `sample` (drawn rows) exclude each other");
    if (options->class_id >= 0 && !dataset->labels)
        return ln_fail(err, LN_EINVALID,
                       "rows cannot be chosen by class: the target of %s is "
                       "numbers",
                       dataset->name);
    if (options->class_id >= dataset->class_count && options->class_id >= 0)
        return ln_fail(err, LN_EINVALID, "class %d does not exist; %s has classes 0 to %d",
                       options->class_id, dataset->name, dataset->class_count - 1);
    return LN_OK;
}

/* "the test rows of class 'bad' of german_credit.csv" */
static void describe(const ln_dataset *dataset, const ln_rows_options *options, char *text,
                     size_t size)
{
    static const char *const splits[] = {"train ", "test ", "validation "};
    bool by_class = options->class_id >= 0;
    snprintf(text, size, "%srows%s%s%s of %s",
             options->split == LN_SPLIT_NONE ? "" : splits[options->split],
             by_class ? " of class '" : "",
             by_class ? ln_csv_show(dataset->classes[options->class_id]).text : "",
             by_class ? "'" : "", dataset->name);
}

ln_status ln_dataset_rows(const ln_dataset *dataset, const ln_rows_options *options, int64_t **rows,
                          int64_t *count, ln_error *err)
{
    int64_t found = 0, wanted = options->take > 0 ? options->take : options->sample;
    char what[256];
    ln_status status = check(dataset, options, err);
    if (status != LN_OK)
        return status;
    int64_t *chosen = ln_alloc((size_t)dataset->rows * sizeof *chosen);
    if (!chosen)
        return ln_fail_memory(err, (size_t)dataset->rows * sizeof *chosen);
    for (int64_t i = 0; i < dataset->rows; i++) {
        if ((options->split == LN_SPLIT_NONE || dataset->split[i] == options->split) &&
            (options->class_id < 0 || dataset->labels[i] == options->class_id))
            chosen[found++] = i;
    }
    if (found == 0 || wanted > found) {
        ln_free(chosen);
        describe(dataset, options, what, sizeof what);
        if (found == 0)
            return ln_fail(err, LN_EINVALID, "there are no %s", what);
        return ln_fail(err, LN_EINVALID, "%s = %lld asks for more than the %lld %s",
                       options->take > 0 ? "take" : "sample", (long long)wanted, (long long)found,
                       what);
    }
    if (options->take > 0)
        found = options->take;
    if (options->sample > 0) {
        draw(chosen, found, options->sample, options->seed);
        found = options->sample;
    }
    *rows = chosen;
    *count = found;
    return LN_OK;
}
