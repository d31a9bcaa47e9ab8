#include "explainers/common/rule_text.h"

#include <float.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define NAME_SIZE 256    /* of one input's name */
#define MOST_DIGITS 6    /* of a bound */
#define LONGEST_NAME 120 /* of a piece, as the store has it: store/names.c */

/* The numbers between which a rule wants a column; NULL: no bound. */
typedef struct range {
    const ln_condition *above, *at_most;
} range;

static const ln_encoded_column *column_of(const ln_encoding *encoding, int64_t input)
{
    return encoding ? &encoding->columns[encoding->column_of[input]] : NULL;
}

static void add_name(ln_text *text, const ln_encoding *encoding, int64_t input)
{
    char name[NAME_SIZE];
    if (encoding)
        ln_text_add(text, ln_encoding_input_name(encoding, (int)input, name, sizeof name));
    else
        ln_text_format(text, "input %" PRId64, input);
}

/* How many digits of a number mean something where it is the sum of two parts of that size, rounded to float32. */
static int digits_of(double number, double size)
{
    const double digits = log10(fabs(number) / (size * (double)FLT_EPSILON));
    return digits >= MOST_DIGITS ? MOST_DIGITS : digits >= 1 ? (int)digits : 1;
}

/* A number of the encoding in the column's own units: without digits that are the encoding's rounding, so that the
 * 0 of a column is one. */
static void add_number(ln_text *text, const ln_encoding *encoding, int64_t input, double number)
{
    const ln_encoded_column *column = column_of(encoding, input);
    if (!column || column->kind != LN_COLUMN_NUMERIC ||
        input - column->first == column->missing_input) {
        ln_text_format(text, "%.*g", MOST_DIGITS, number);
        return;
    }
    const double own = number * column->scale + column->center;
    const double size = fabs(number * column->scale) + fabs(column->center);
    if (fabs(own) <= size * (double)FLT_EPSILON)
        ln_text_add(text, "0");
    else
        ln_text_format(text, "%.*g", digits_of(own, size), own);
}

static void add_range(ln_text *text, const ln_neighbourhood *near, const ln_encoding *encoding,
                      int64_t c, range wanted)
{
    const ln_near_column *column = &near->columns[c];
    const double *bound = column->bins.bound;
    if (wanted.above && wanted.at_most) {
        add_number(text, encoding, column->number, bound[wanted.above->bin]);
        ln_text_add(text, " < ");
    }
    add_name(text, encoding, column->number);
    if (wanted.at_most) {
        ln_text_add(text, " <= ");
        add_number(text, encoding, column->number, bound[wanted.at_most->bin]);
    } else if (wanted.above) {
        ln_text_add(text, " > ");
        add_number(text, encoding, column->number, bound[wanted.above->bin]);
    }
}

#define NO_CATEGORY (-1) /* all inputs are 0, or the place is that of none */
#define A_MIX (-2)       /* no category's inputs: of rows that an attack made */

/* Which of its inputs is 1 where the others are 0. */
static int category_of_inputs(const float *inputs, int count)
{
    int category = NO_CATEGORY;
    for (int i = 0; i < count; i++) {
        if (inputs[i] == 0)
            continue;
        if (inputs[i] != 1 || category != NO_CATEGORY)
            return A_MIX;
        category = i;
    }
    return category;
}

static int category_at_place(float place)
{
    if (!(place >= NO_CATEGORY && place < (float)INT_MAX) || place != floorf(place))
        return A_MIX;
    return (int)place;
}

/* The category of a column of them; an input, or a place, may stand for a value that misses. */
static void add_category(ln_text *text, const ln_encoding *encoding, const ln_near_column *column,
                         const float *x)
{
    const ln_encoded_column *from = column_of(encoding, column->first);
    const int category = from->ordinal ? category_at_place(x[column->first])
                                       : category_of_inputs(x + column->first, (int)column->count);
    const int missing = from->ordinal ? from->missing_place : from->missing_input;
    if (category == A_MIX)
        ln_text_format(text, "%s as it is", from->name);
    else if (category >= 0 && category == missing)
        ln_text_format(text, "%s is missing", from->name);
    else
        ln_text_format(text, "%s = %s", from->name,
                       category >= 0 && category < from->category_count ? from->categories[category]
                                                                        : "(other or missing)");
}

/* What LN_CONDITION_SAME says of one column. */
static void add_same(ln_text *text, const ln_conditions *it, const ln_encoding *encoding, int64_t c,
                     const float *x)
{
    const ln_near_column *column = &it->near->columns[c];
    const int bin = it->bins[c];
    if (column->number < 0) {
        add_category(text, encoding, column, x);
    } else if (bin == LN_NEAR_MISSING) {
        ln_text_format(text, "%s is missing", column_of(encoding, column->first)->name);
    } else {
        const ln_condition above = {.bin = bin - 1}, at_most = {.bin = bin};
        add_range(text, it->near, encoding, c,
                  (range){.above = bin > 0 ? &above : NULL,
                          .at_most = bin < column->bins.count - 1 ? &at_most : NULL});
    }
}

/* A piece of masks: columns of a table that are all in it, and single inputs of others, by their names, as long as
 * there is room; what has none by its number. */
static void add_piece(ln_text *text, const ln_conditions *it, const ln_encoding *encoding,
                      int64_t group)
{
    const ln_groups *pieces = it->pieces;
    const int64_t first = pieces->start[group], end = pieces->start[group + 1];
    const size_t before = text->length;
    for (int64_t m = first, next; m < end && encoding; m = next) {
        if (text->length - before > LONGEST_NAME) {
            ln_text_add(text, "+...");
            break;
        }
        const ln_encoded_column *column = column_of(encoding, pieces->member[m]);
        for (next = m; next < end && column_of(encoding, pieces->member[next]) == column;)
            next++;
        const bool whole = next - m == column->count;
        if (!whole)
            next = m + 1;
        ln_text_add(text, m > first ? "+" : "");
        if (whole)
            ln_text_add(text, column->name);
        else
            add_name(text, encoding, pieces->member[m]);
    }
    if (!encoding || first == end)
        ln_text_format(text, "%s %" PRId64, pieces->count == it->width ? "input" : "group", group);
    ln_text_add(text, " kept");
}

static void add_condition(ln_text *text, const ln_conditions *it, const ln_encoding *encoding,
                          const int32_t *rule, int64_t size, int64_t k, const float *x)
{
    const ln_condition *condition = &it->at[rule[k]];
    range wanted = {0};
    if (!it->near) {
        add_piece(text, it, encoding, condition->group);
        return;
    }
    if (condition->kind == LN_CONDITION_SAME) {
        const int64_t first = it->near->start[condition->group];
        for (int64_t c = first; c < it->near->start[condition->group + 1]; c++) {
            ln_text_add(text, c > first ? " AND " : "");
            add_same(text, it, encoding, c, x);
        }
        return;
    }
    for (int64_t i = 0; i < size; i++) { /* the narrowest bounds of the column */
        const ln_condition *other = &it->at[rule[i]];
        if (other->group != condition->group)
            continue;
        if (other->kind == LN_CONDITION_ABOVE && (!wanted.above || other->bin > wanted.above->bin))
            wanted.above = other;
        if (other->kind == LN_CONDITION_AT_MOST &&
            (!wanted.at_most || other->bin < wanted.at_most->bin))
            wanted.at_most = other;
    }
    add_range(text, it->near, encoding, condition->column, wanted);
}

/* Whether an earlier condition was about the group already. */
static bool is_told(const ln_conditions *it, const int32_t *rule, int64_t k)
{
    for (int64_t i = 0; i < k; i++)
        if (it->at[rule[i]].group == it->at[rule[k]].group)
            return true;
    return false;
}

char *ln_rule_text(const ln_conditions *it, const ln_encoding *encoding, const int32_t *rule,
                   int64_t size, const float *x)
{
    ln_text text = {0};
    for (int64_t k = 0; k < size; k++) {
        if (is_told(it, rule, k))
            continue;
        ln_text_add(&text, k > 0 ? " AND " : "");
        add_condition(&text, it, encoding, rule, size, k, x);
    }
    if (size == 0)
        ln_text_add(&text, "any row");
    if (text.failed) {
        ln_text_free(&text);
        return NULL;
    }
    return text.data;
}
