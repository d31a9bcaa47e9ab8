/* Weights are numbers from 0, not all of them 0. Groups are the texts of a column as they stand. The
 * part of a row is one of the three words of LN_SPLIT_CHOICES, blanks around it aside; nothing is
 * guessed from other words, since a row that lands in the wrong part spoils a result unseen. */
#include "data/marks.h"

#include "base/alloc.h"
#include "base/error.h"
#include "data/category.h"
#include "data/number.h"

#include <string.h>

static ln_status missing(const ln_csv_table *table, int column, int64_t row, const char *what,
                         ln_error *err)
{
    ln_status status =
        ln_fail(err, LN_EINVALID, "%s, line %lld: %s in column '%s' is missing", table->name,
                (long long)table->lines[row], what, ln_csv_show(table->names[column]).text);
    ln_error_hint(err, "fill it in, or leave such rows out: drop_missing = true");
    return status;
}

ln_status ln_csv_weights(const ln_csv_table *table, int column, ln_dataset *dataset, ln_error *err)
{
    char *const *cells = table->cells[column];
    bool any = false;
    dataset->weights = ln_alloc((size_t)table->rows * sizeof *dataset->weights);
    if (!dataset->weights)
        return ln_fail_memory(err, (size_t)table->rows * sizeof *dataset->weights);
    for (int64_t i = 0; i < table->rows; i++) {
        double *weight = &dataset->weights[i];
        if (!cells[i])
            return missing(table, column, i, "the weight", err);
        if (!ln_number_read(cells[i], weight) || *weight < 0)
            return ln_fail(err, LN_EINVALID,
                           "%s, line %lld: the weight '%s' in column '%s' is not a number from 0",
                           table->name, (long long)table->lines[i], ln_csv_show(cells[i]).text,
                           ln_csv_show(table->names[column]).text);
        any = any || *weight > 0;
    }
    if (!any)
        return ln_fail(err, LN_EINVALID, "%s: every weight in column '%s' is 0", table->name,
                       ln_csv_show(table->names[column]).text);
    return LN_OK;
}

ln_status ln_csv_groups(const ln_csv_table *table, int column, ln_dataset *dataset, ln_error *err)
{
    char *const *cells = table->cells[column];
    char **texts;
    for (int64_t i = 0; i < table->rows; i++) {
        if (!cells[i])
            return missing(table, column, i, "the group", err);
    }
    dataset->group_name = ln_strdup(table->names[column]);
    if (!dataset->group_name)
        return ln_fail_memory(err, strlen(table->names[column]) + 1);
    ln_status status = ln_categories_make(cells, table->rows, &dataset->groups, &texts,
                                          &dataset->group_count, err);
    if (status == LN_OK)
        ln_texts_free(texts, dataset->group_count);
    return status;
}

/* The part that a cell names, or LN_SPLIT_NONE. */
static ln_split read_part(const char *cell)
{
    static const char *const names[] = {"train", "test", "validation"};
    size_t length;
    cell += strspn(cell, " \t");
    length = strlen(cell);
    while (length > 0 && (cell[length - 1] == ' ' || cell[length - 1] == '\t'))
        length--;
    for (int s = LN_SPLIT_TRAIN; s <= LN_SPLIT_VALIDATION; s++) {
        if (strlen(names[s]) == length && strncmp(cell, names[s], length) == 0)
            return (ln_split)s;
    }
    return LN_SPLIT_NONE;
}

ln_status ln_csv_parts(const ln_csv_table *table, int column, ln_dataset *dataset, ln_error *err)
{
    char *const *cells = table->cells[column];
    dataset->given = ln_alloc((size_t)table->rows);
    if (!dataset->given)
        return ln_fail_memory(err, (size_t)table->rows);
    for (int64_t i = 0; i < table->rows; i++) {
        if (!cells[i])
            return missing(table, column, i, "the part", err);
        const ln_split part = read_part(cells[i]);
        if (part == LN_SPLIT_NONE)
            return ln_fail(err, LN_EINVALID,
                           "%s, line %lld: '%s' in column '%s' is no part of a split; it must be "
                           "train, test or validation",
                           table->name, (long long)table->lines[i], ln_csv_show(cells[i]).text,
                           ln_csv_show(table->names[column]).text);
        dataset->given[i] = (int8_t)part;
    }
    return LN_OK;
}
