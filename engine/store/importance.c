/* explanation_importance(explanation): the importance of each column (input, group, pixel) over all
 * `feature` attributions of one explanation. The view feature_importance is made of it.
 *
 *   idx, name   as in `element`           mean_abs  mean of |a|
 *   n           numbers that are not NaN  mean      mean of a
 *   std         sqrt(mean of (a - mean)^2): of all, as NumPy's default, not of a sample
 *
 * Sums are float64 in the order of the attributions' ids; std by Welford's update, which does not
 * lose digits where the mean is large. One C loop over the tensors: some 100 million numbers a
 * second, where GROUP BY over `element` reads 8. */
#include "store/element.h"

#include <math.h>
#include <string.h>

enum {
    COLUMN_IDX,
    COLUMN_NAME,
    COLUMN_MEAN_ABS,
    COLUMN_MEAN,
    COLUMN_STD,
    COLUMN_N,
    COLUMN_ARGUMENT
};

/* The table on one connection. */
typedef struct importance_table {
    sqlite3_vtab base; /* SQLite's part */
    ln_hub *hub;       /* shared */
} importance_table;

/* What is summed of one column. */
typedef struct moments {
    int64_t n;       /* numbers that are not NaN */
    double sum, l1;  /* of a and |a| */
    double mean, m2; /* Welford: running mean, sum of squared differences from it */
} moments;

/* An open walk. */
typedef struct cursor {
    sqlite3_vtab_cursor base; /* SQLite's part */
    int64_t explanation;      /* the argument */
    int64_t idx, count;       /* the row it stands on, of how many */
    moments *at;              /* count entries */
    ln_names *names;          /* or NULL */
} cursor;

static int importance_connect(sqlite3 *db, void *context, int argc, const char *const *argv,
                              sqlite3_vtab **out, char **message)
{
    (void)argc, (void)argv, (void)message;
    int code = sqlite3_declare_vtab(db, "CREATE TABLE x(idx INTEGER, name TEXT, mean_abs REAL, "
                                        "mean REAL, std REAL, n INTEGER, "
                                        "explanation INTEGER HIDDEN)");
    if (code != SQLITE_OK)
        return code;
    sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
    importance_table *table = sqlite3_malloc64(sizeof *table);
    if (!table)
        return SQLITE_NOMEM;
    memset(table, 0, sizeof *table);
    table->hub = context;
    table->hub->references++;
    *out = &table->base;
    return SQLITE_OK;
}

static int importance_disconnect(sqlite3_vtab *base)
{
    ln_hub_release(((importance_table *)base)->hub);
    sqlite3_free(base);
    return SQLITE_OK;
}

static int importance_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    for (int i = 0; i < info->nConstraint; i++) {
        if (info->aConstraint[i].iColumn != COLUMN_ARGUMENT ||
            info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ)
            continue;
        if (!info->aConstraint[i].usable)
            return SQLITE_CONSTRAINT;
        info->aConstraintUsage[i].argvIndex = 1;
        info->idxStr = "explanation=?";
        info->estimatedCost = 10000;
        info->estimatedRows = 100;
        return SQLITE_OK;
    }
    sqlite3_free(base->zErrMsg);
    base->zErrMsg = sqlite3_mprintf("explanation_importance needs the id of an explanation: "
                                    "explanation_importance(7)");
    return SQLITE_ERROR;
}

static int importance_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
    (void)base;
    cursor *c = sqlite3_malloc64(sizeof *c);
    if (!c)
        return SQLITE_NOMEM;
    memset(c, 0, sizeof *c);
    *out = &c->base;
    return SQLITE_OK;
}

static void clear(cursor *c)
{
    sqlite3_free(c->at);
    c->at = NULL;
    ln_names_release(c->names);
    c->names = NULL;
    c->idx = c->count = 0;
}

static int importance_close(sqlite3_vtab_cursor *base)
{
    clear((cursor *)base);
    sqlite3_free(base);
    return SQLITE_OK;
}

static bool add(cursor *c, const ln_slice *slice)
{
    if (slice->count > c->count) {
        moments *at = sqlite3_realloc64(c->at, (sqlite3_uint64)slice->count * sizeof *at);
        if (!at)
            return false;
        memset(at + c->count, 0, (size_t)(slice->count - c->count) * sizeof *at);
        c->at = at;
        c->count = slice->count;
    }
    for (int64_t i = 0; i < slice->count; i++) {
        double x = slice->at[i];
        moments *m = &c->at[i];
        if (isnan(x))
            continue;
        double gap = x - m->mean;
        m->n++;
        m->sum += x;
        m->l1 += fabs(x);
        m->mean += gap / (double)m->n;
        m->m2 += gap * (x - m->mean);
    }
    return true;
}

static int importance_filter(sqlite3_vtab_cursor *base, int number, const char *text, int argc,
                             sqlite3_value **argv)
{
    (void)number, (void)text, (void)argc;
    cursor *c = (cursor *)base;
    ln_hub *hub = ((importance_table *)base->pVtab)->hub;
    ln_reader *reader;
    sqlite3_stmt *rows = NULL;
    ln_attribution row = {0};
    clear(c);
    c->explanation = sqlite3_value_int64(argv[0]);
    int code = ln_hub_reader(hub, &reader);
    if (code != SQLITE_OK)
        return code;
    code = sqlite3_prepare_v2(hub->db,
                              "SELECT " LN_ATTRIBUTION_COLUMNS LN_ATTRIBUTION_FROM
                              "WHERE a.explanation = ?1 AND a.kind = 'feature' ORDER BY a.id",
                              -1, &rows, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_bind_value(rows, 1, argv[0]);
    bool any = false;
    while (code == SQLITE_OK && sqlite3_step(rows) == SQLITE_ROW) {
        ln_attribution_fill(rows, &row);
        ln_slice slice;
        code = ln_reader_slice(reader, row.tensor, row.tensor_row, &slice);
        if (code == SQLITE_OK && !add(c, &slice))
            code = SQLITE_NOMEM;
        ln_slice_release(&slice);
        any = true;
    }
    int last = sqlite3_finalize(rows);
    code = code != SQLITE_OK ? code : last;
    if (code == SQLITE_OK && any)
        code = ln_reader_names(reader, &row, c->count, &c->names);
    return ln_element_fail(base->pVtab, reader, code);
}

static int importance_next(sqlite3_vtab_cursor *base)
{
    ((cursor *)base)->idx++;
    return SQLITE_OK;
}

static int importance_eof(sqlite3_vtab_cursor *base)
{
    const cursor *c = (const cursor *)base;
    return c->idx >= c->count;
}

static int importance_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    const cursor *c = (const cursor *)base;
    const moments *m = &c->at[c->idx];
    double n = (double)m->n;
    if (column == COLUMN_IDX)
        sqlite3_result_int64(context, c->idx);
    else if (column == COLUMN_NAME && c->names && c->names->at[c->idx])
        sqlite3_result_text(context, c->names->at[c->idx], -1, SQLITE_TRANSIENT);
    else if (column == COLUMN_N)
        sqlite3_result_int64(context, m->n);
    else if (column == COLUMN_ARGUMENT)
        sqlite3_result_int64(context, c->explanation);
    else if (column == COLUMN_MEAN_ABS && m->n > 0)
        sqlite3_result_double(context, m->l1 / n);
    else if (column == COLUMN_MEAN && m->n > 0)
        sqlite3_result_double(context, m->sum / n);
    else if (column == COLUMN_STD && m->n > 0)
        sqlite3_result_double(context, sqrt(m->m2 / n));
    return SQLITE_OK;
}

static int importance_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
    *rowid = ((cursor *)base)->idx;
    return SQLITE_OK;
}

int ln_sql_register_importance(sqlite3 *db, ln_hub *hub)
{
    static const sqlite3_module module = {
        .xConnect = importance_connect,
        .xBestIndex = importance_best_index,
        .xDisconnect = importance_disconnect,
        .xOpen = importance_open,
        .xClose = importance_close,
        .xFilter = importance_filter,
        .xNext = importance_next,
        .xEof = importance_eof,
        .xColumn = importance_column,
        .xRowid = importance_rowid,
    };
    hub->references++;
    return sqlite3_create_module_v2(db, "explanation_importance", &module, hub, ln_hub_release);
}
