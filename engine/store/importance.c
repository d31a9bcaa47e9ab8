/* explanation_importance(explanation): the importance of each column (input, group, pixel) over all
 * `feature` attributions of one explanation. The view feature_importance is made of it.
 *
 *   idx, name   as in `element`           mean_abs  mean of |a|
 *   n           numbers that are not NaN  mean      mean of a
 *   std         sqrt(mean of (a - mean)^2): of all, as NumPy's default, not of a sample
 *   input       the model's input that it belongs to, where there are several; idx counts within it
 *
 * An explanation whose attributions have groups of their own each (superpixels) has none: their numbers are
 * not those of the same things. Sums are float64 in the order of the attributions' ids; std by Welford's update, which does not
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
    COLUMN_INPUT,
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

/* What belongs to one of the model's inputs. */
typedef struct section {
    char *input;         /* its name, or NULL: the model has one */
    int64_t count;       /* columns */
    moments *at;         /* count entries */
    ln_attribution last; /* some attribution to it */
    ln_names *names;     /* or NULL */
} section;

/* An open walk. */
typedef struct cursor {
    sqlite3_vtab_cursor base; /* SQLite's part */
    int64_t explanation;      /* the argument */
    section *sections;        /* section_count of them, in the order of their first attributions */
    int section_count;        /* how many */
    int in;                   /* the section it stands in */
    int64_t idx;              /* its row there */
} cursor;

static int importance_connect(sqlite3 *db, void *context, int argc, const char *const *argv,
                              sqlite3_vtab **out, char **message)
{
    (void)argc, (void)argv, (void)message;
    int code = sqlite3_declare_vtab(db, "CREATE TABLE x(idx INTEGER, name TEXT, mean_abs REAL, "
                                        "mean REAL, std REAL, n INTEGER, input TEXT, "
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
    for (int i = 0; i < c->section_count; i++) {
        sqlite3_free(c->sections[i].input);
        sqlite3_free(c->sections[i].at);
        ln_names_release(c->sections[i].names);
    }
    sqlite3_free(c->sections);
    c->sections = NULL;
    c->section_count = c->in = 0;
    c->idx = 0;
}

static int importance_close(sqlite3_vtab_cursor *base)
{
    clear((cursor *)base);
    sqlite3_free(base);
    return SQLITE_OK;
}

/* The section of an input (NULL: the model has one), made where it is new; NULL: no memory. */
static section *section_of(cursor *c, const char *input)
{
    for (int i = 0; i < c->section_count; i++) {
        const char *have = c->sections[i].input;
        if (have && input ? strcmp(have, input) == 0 : !have && !input)
            return &c->sections[i];
    }
    section *more =
        sqlite3_realloc64(c->sections, ((sqlite3_uint64)c->section_count + 1) * sizeof *more);
    if (!more)
        return NULL;
    c->sections = more;
    more += c->section_count;
    *more = (section){.input = input ? sqlite3_mprintf("%s", input) : NULL};
    if (input && !more->input)
        return NULL;
    c->section_count++;
    return more;
}

static bool add(section *c, const ln_slice *slice)
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

/* On to the first section that has a row left. */
static void skip_empty(cursor *c)
{
    for (; c->in < c->section_count && c->idx >= c->sections[c->in].count; c->in++)
        c->idx = 0;
}

enum { INPUT_TEXT = LN_ATTRIBUTION_COLUMN_COUNT };

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
                              "SELECT " LN_ATTRIBUTION_COLUMNS ", a.input" LN_ATTRIBUTION_FROM
                              "WHERE a.explanation = ?1 AND a.kind = 'feature' ORDER BY a.id",
                              -1, &rows, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_bind_value(rows, 1, argv[0]);
    while (code == SQLITE_OK && sqlite3_step(rows) == SQLITE_ROW) {
        section *in = section_of(c, (const char *)sqlite3_column_text(rows, INPUT_TEXT));
        ln_slice slice = {0};
        ln_attribution_fill(rows, &row);
        if (in && in->count && row.groups != in->last.groups) {
            clear(c);
            break;
        }
        code = ln_reader_slice(reader, row.tensor, row.tensor_row, &slice);
        if (code == SQLITE_OK && (!in || !add(in, &slice)))
            code = SQLITE_NOMEM;
        if (in)
            in->last = row;
        ln_slice_release(&slice);
    }
    int last = sqlite3_finalize(rows);
    code = code != SQLITE_OK ? code : last;
    for (int i = 0; i < c->section_count && code == SQLITE_OK; i++) {
        section *in = &c->sections[i];
        code = ln_reader_names(reader, &in->last, in->count, &in->names);
    }
    skip_empty(c);
    return ln_element_fail(base->pVtab, reader, code);
}

static int importance_next(sqlite3_vtab_cursor *base)
{
    cursor *c = (cursor *)base;
    c->idx++;
    skip_empty(c);
    return SQLITE_OK;
}

static int importance_eof(sqlite3_vtab_cursor *base)
{
    const cursor *c = (const cursor *)base;
    return c->in >= c->section_count;
}

static int importance_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    const cursor *c = (const cursor *)base;
    const section *in = &c->sections[c->in];
    const moments *m = &in->at[c->idx];
    double n = (double)m->n;
    if (column == COLUMN_IDX)
        sqlite3_result_int64(context, c->idx);
    else if (column == COLUMN_NAME && in->names && in->names->at[c->idx])
        sqlite3_result_text(context, in->names->at[c->idx], -1, SQLITE_TRANSIENT);
    else if (column == COLUMN_INPUT && in->input)
        sqlite3_result_text(context, in->input, -1, SQLITE_TRANSIENT);
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
    const cursor *c = (const cursor *)base;
    *rowid = ((int64_t)c->in << 40) + c->idx;
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
