/* A column of names, comments or dates would become one input a row, and a model could learn each
 * row by heart. Such a column is an error that names it and says what to write, either way. */
#include "data/suspect.h"

#include "base/error.h"

#include <string.h>

#define FEW_CATEGORIES 50

/* Reads `least` to `most` digits; returns what follows, or NULL. */
static const char *digits(const char *at, int least, int most)
{
    int count = 0;
    while (count < most && at[count] >= '0' && at[count] <= '9')
        count++;
    return count < least ? NULL : at + count;
}

/* A date of three numbers of these widths with `mark` between them; what follows, or NULL. */
static const char *three_numbers(const char *at, char mark, int first, int last)
{
    const int least[] = {first == 4 ? 4 : 1, 1, last == 4 ? 4 : 1}, most[] = {first, 2, last};
    for (int i = 0; i < 3; i++) {
        if (i > 0 && *at++ != mark)
            return NULL;
        if (!(at = digits(at, least[i], most[i])))
            return NULL;
    }
    return at;
}

static bool is_date(const char *cell)
{
    cell += strspn(cell, " \t");
    const char *behind = three_numbers(cell, '-', 4, 2);
    behind = behind ? behind : three_numbers(cell, '/', 4, 2);
    behind = behind ? behind : three_numbers(cell, '.', 2, 4);
    behind = behind ? behind : three_numbers(cell, '/', 2, 4);
    if (!behind || *behind == '\0')
        return behind != NULL;
    /* a time of day: anything of its characters */
    return (*behind == ' ' || *behind == 'T') &&
           behind[strspn(behind, " T0123456789:.,+-ZAPMapm")] == '\0';
}

bool ln_column_is_dates(char *const *cells, int64_t rows)
{
    bool any = false;
    for (int64_t i = 0; i < rows; i++) {
        if (cells[i] && !is_date(cells[i]))
            return false;
        any = any || cells[i];
    }
    return any;
}

bool ln_column_is_text(int32_t distinct, int64_t values)
{
    return distinct > FEW_CATEGORIES && 10 * (int64_t)distinct > 9 * values;
}

static void say_how(const char *name, ln_error *err)
{
    ln_error_hint(err,
                  "leave it out: ignore = { \"%s\" }; or, if its values are meant as categories: "
                  "categorical = { \"%s\" }",
                  name, name);
}

ln_status ln_refuse_dates(const ln_csv_table *table, int column, ln_error *err)
{
    const ln_shown name = ln_csv_show(table->names[column]);
    ln_status status =
        ln_fail(err, LN_EINVALID, "%s: column '%s' holds dates, which are no categories",
                table->name, name.text);
    say_how(name.text, err);
    return status;
}

ln_status ln_refuse_text(const ln_csv_table *table, int column, int32_t distinct, ln_error *err)
{
    const ln_shown name = ln_csv_show(table->names[column]);
    ln_status status = ln_fail(err, LN_EINVALID,
                               "%s: column '%s' looks like free text or names: %d different values "
                               "in %lld rows",
                               table->name, name.text, distinct, (long long)table->rows);
    say_how(name.text, err);
    return status;
}
