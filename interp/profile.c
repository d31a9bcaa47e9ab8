#include "profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "table.h"

/* One way through one node. */
typedef struct way_line {
    const ln_profile_line *line;
    int way;
} way_line;

static int64_t time_of(const way_line *way)
{
    return way->line->nanoseconds[way->way];
}

static int compare(const void *a, const void *b)
{
    const int64_t left = time_of(a), right = time_of(b);
    return (left < right) - (left > right);
}

static ln_cell text(const char *text)
{
    return text ? (ln_cell){.type = LN_CELL_TEXT, .data = text, .bytes = strlen(text)}
                : (ln_cell){.type = LN_CELL_NULL};
}

static ln_cell real(double x, double steps)
{
    return (ln_cell){.type = LN_CELL_REAL, .real = round(x * steps) / steps};
}

static ln_status print_way(ln_table *table, const way_line *way, double whole, ln_error *err)
{
    static const char *const names[] = {"forward", "backward"};
    const ln_profile_line *line = way->line;
    const double time = (double)time_of(way), work = line->operations[way->way];
    const ln_cell cells[] = {
        text(line->node),
        text(line->operator_name),
        text(line->layer ? names[way->way] : NULL), /* else it is no pass */
        text(line->kernels[way->way]),
        {.type = LN_CELL_INT, .integer = line->rows[way->way]},
        real(time * 1e-6, 1000),
        work > 0 && time > 0 ? real(work / time, 10) : text(NULL),
        real(time / whole * 100, 10),
    };
    return ln_table_row(table, cells, err);
}

ln_status ln_profile_print(ln_profile *profile, FILE *out, ln_error *err)
{
    static const ln_table_column columns[] = {{"layer", NULL},   {"operator", NULL}, {"pass", NULL},
                                              {"kernel", NULL},  {"rows", NULL},     {"ms", NULL},
                                              {"GFLOP/s", NULL}, {"%", NULL}};
    way_line *ways = ln_calloc((size_t)profile->count * 2 + 1, sizeof *ways);
    ln_table *table = NULL;
    double whole = 1e-9;
    int count = 0;
    if (!ways)
        return ln_fail_memory(err, (size_t)profile->count * 2 * sizeof *ways);
    for (int i = 0; i < profile->count; i++)
        for (int way = 0; way < LN_PROFILE_WAYS; way++)
            if (profile->lines[i].rows[way] > 0) {
                ways[count++] = (way_line){&profile->lines[i], way};
                whole += (double)profile->lines[i].nanoseconds[way];
            }
    if (count > 0)
        qsort(ways, (size_t)count, sizeof *ways, compare);
    ln_status status = LN_OK;
    if (count > 0) {
        fputs("\nprocessor time by layer\n", out);
        status = ln_table_new(out, LN_FORMAT_TABLE, columns, 8, &table, err);
        if (!status)
            ln_table_terse(table);
        for (int i = 0; i < count && !status; i++)
            status = print_way(table, &ways[i], whole, err);
        if (!status)
            status = ln_table_end(table, err);
    }
    ln_table_free(table);
    ln_free(ways);
    return status;
}
