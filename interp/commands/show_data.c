/* lunette show DATA.csv: what is in a table before a script says what it is for: a line a column with
 * its kind, what is missing, its range or its frequent values, and which columns could be classes. */
#include "show_data.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "data/summary.h"

enum { COLUMN, KIND, MISSING, DISTINCT, MIN, MEAN, MAX, CLASSES, VALUES, COLUMNS };

static ln_cell whole(int64_t number)
{
    return (ln_cell){.type = LN_CELL_INT, .integer = number};
}

/* To six significant digits: a page to read. The other formats get the number whole. */
static ln_cell real(double number, ln_format format)
{
    char text[32];
    double shown = number;
    if (isnan(number))
        return (ln_cell){.type = LN_CELL_NULL};
    if (format == LN_FORMAT_TABLE || format == LN_FORMAT_MD) {
        snprintf(text, sizeof text, "%.6g", number);
        sscanf(text, "%lf", &shown);
    }
    return (ln_cell){.type = LN_CELL_REAL, .real = shown};
}

static ln_cell text_of(const char *text)
{
    return (ln_cell){.type = LN_CELL_TEXT, .data = text, .bytes = strlen(text)};
}

/* "good 700, bad 300", with ", ..." where there are more. */
static void add_values(ln_text *out, const ln_column_summary *column)
{
    for (int i = 0; i < column->common_count; i++)
        ln_text_format(out, "%s%s %" PRId64, i ? ", " : "", column->common[i].text,
                       column->common[i].count);
    if (column->common_count > 0 && column->common_count < column->distinct)
        ln_text_add(out, ", ...");
}

static ln_status print_column(const ln_column_summary *column, ln_format format, ln_table *table,
                              ln_error *err)
{
    static const char *const kinds[] = {"numeric", "categorical", "dates", "text", "empty"};
    ln_text values = {0};
    add_values(&values, column);
    const ln_cell nothing = {.type = LN_CELL_NULL};
    const ln_cell cells[COLUMNS] = {
        [COLUMN] = text_of(column->name),
        [KIND] = text_of(kinds[column->kind]),
        [MISSING] = whole(column->missing),
        [DISTINCT] = whole(column->distinct),
        [MIN] = real(column->min, format),
        [MEAN] = real(column->mean, format),
        [MAX] = real(column->max, format),
        [CLASSES] = column->classes ? whole(column->distinct) : nothing,
        [VALUES] = values.length ? text_of(values.data) : nothing,
    };
    ln_status status =
        values.failed ? ln_fail_memory(err, values.length) : ln_table_row(table, cells, err);
    ln_text_free(&values);
    return status;
}

static ln_status print_columns(const ln_data_summary *summary, ln_format format, ln_error *err)
{
    static const ln_table_column columns[COLUMNS] = {
        {"column", NULL}, {"kind", NULL}, {"missing", NULL}, {"distinct", NULL}, {"min", NULL},
        {"mean", NULL},   {"max", NULL},  {"classes", NULL}, {"values", NULL},
    };
    ln_table *table;
    ln_status status = ln_table_new(stdout, format, columns, COLUMNS, &table, err);
    if (status != LN_OK)
        return status;
    ln_table_terse(table);
    for (int i = 0; i < summary->column_count && status == LN_OK; i++)
        status = print_column(&summary->columns[i], format, table, err);
    if (status == LN_OK)
        status = ln_table_end(table, err);
    ln_table_free(table);
    return status;
}

static void print_head(const char *path, const ln_data_summary *summary)
{
    char hex[LN_SHA256_HEX];
    ln_sha256_hex(summary->sha256, hex);
    printf("%-12s %s\n", "data", path);
    printf("%-12s %s\n", "sha256", hex);
    printf("%-12s %" PRId64 "\n", "rows", summary->rows);
    printf("%-12s %d\n", "columns", summary->column_count);
    if (summary->separator != ',')
        printf("%-12s \"%s\" (for csv: separator)\n", "separator",
               summary->separator == '\t' ? "\\t" : (const char[]){summary->separator, '\0'});
    putchar('\n');
}

ln_status ln_show_data(const char *path, ln_format format, int common, ln_error *err)
{
    ln_data_summary summary;
    ln_status status = ln_data_summary_read(path, common, &summary, err);
    if (status != LN_OK)
        return status;
    if (format == LN_FORMAT_TABLE || format == LN_FORMAT_MD)
        print_head(path, &summary);
    status = print_columns(&summary, format, err);
    if (status == LN_OK && fflush(stdout) != 0)
        status = ln_fail(err, LN_EIO, "the output cannot be written");
    ln_data_summary_free(&summary);
    return status;
}
