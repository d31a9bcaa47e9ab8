/* element: an eponymous virtual table, one row a number of each attribution.
 *
 *   attribution  its id                       name   column, input or group; NULL: none
 *   idx          position in row-major order  raw    the column's value in original units
 *   i0 .. i3     coordinates in its shape     input  the number that the model read
 *   value        the number (NaN: NULL)       error  its standard error
 *
 * A grouped attribution has a row a group. `raw` and `input` are given where one value belongs to
 * the number: in space `column` input only for columns that are one encoded input.
 *
 * Pushed down: attribution = and idx = (IN lists and joins come as many of those). Rows come in the
 * order (attribution, idx). Without `attribution =` all attributions are walked. Tensors are read
 * once and kept (reader.h); names, raw values, inputs and errors only when a statement asks for
 * their columns. */
#include "store/element.h"

#include <string.h>

enum {
    COLUMN_ATTRIBUTION,
    COLUMN_IDX,
    COLUMN_I0,
    COLUMN_I3 = COLUMN_I0 + 3,
    COLUMN_NAME,
    COLUMN_RAW,
    COLUMN_INPUT,
    COLUMN_VALUE,
    COLUMN_ERROR,
};

/* Bits of idxNum: which constraints are pushed down and which columns are wanted. */
enum {
    BY_ATTRIBUTION = 1,
    BY_IDX = 2,
    WANT_NAME = 4,
    WANT_RAW = 8,
    WANT_INPUT = 16,
    WANT_ERROR = 32
};

/* The table on one connection. */
typedef struct element_table {
    sqlite3_vtab base; /* SQLite's part */
    ln_hub *hub;       /* shared with the functions */
    ln_reader *reader; /* owned */
} element_table;

/* An open walk. */
typedef struct cursor {
    sqlite3_vtab_cursor base; /* SQLite's part */
    sqlite3_stmt *all;        /* walks the attributions; NULL where one was asked for */
    int wanted;               /* the bits of idxNum */
    int64_t only_idx;         /* with BY_IDX */
    bool end;                 /* no row is left */
    int64_t idx;              /* the row it stands on, of: */
    ln_attribution row;       /* the attribution */
    ln_slice values, errors;  /* its numbers */
    ln_slice input;           /* the sample's input */
    ln_names *names;          /* with WANT_NAME, or NULL */
    ln_names *columns;        /* of the data set, with WANT_RAW */
    ln_names *inputs;         /* of the model, with WANT_RAW or WANT_INPUT */
    sqlite3_value **raw;      /* columns->count values, or NULL */
} cursor;

int ln_element_fail(sqlite3_vtab *table, const ln_reader *reader, int code)
{
    if (code == SQLITE_CORRUPT_VTAB) {
        sqlite3_free(table->zErrMsg);
        table->zErrMsg = sqlite3_mprintf("%s", ln_reader_message(reader));
    }
    return code;
}

static int element_connect(sqlite3 *db, void *context, int argc, const char *const *argv,
                           sqlite3_vtab **out, char **message)
{
    (void)argc, (void)argv, (void)message;
    int code = sqlite3_declare_vtab(
        db, "CREATE TABLE x(attribution INTEGER, idx INTEGER, i0 INTEGER, i1 INTEGER, i2 INTEGER, "
            "i3 INTEGER, name TEXT, raw, input REAL, value REAL, error REAL)");
    if (code != SQLITE_OK)
        return code;
    sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
    element_table *table = sqlite3_malloc64(sizeof *table);
    ln_reader *reader = ln_reader_new(db);
    if (!table || !reader) {
        sqlite3_free(table);
        ln_reader_free(reader);
        return SQLITE_NOMEM;
    }
    memset(table, 0, sizeof *table);
    table->hub = context;
    table->hub->references++;
    table->hub->reader = reader;
    table->reader = reader;
    *out = &table->base;
    return SQLITE_OK;
}

static int element_disconnect(sqlite3_vtab *base)
{
    element_table *table = (element_table *)base;
    if (table->hub->reader == table->reader)
        table->hub->reader = NULL;
    ln_reader_free(table->reader);
    ln_hub_release(table->hub);
    sqlite3_free(table);
    return SQLITE_OK;
}

static int element_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
    (void)base;
    int attribution = -1, idx = -1, arguments = 0;
    for (int i = 0; i < info->nConstraint; i++) {
        if (!info->aConstraint[i].usable || info->aConstraint[i].op != SQLITE_INDEX_CONSTRAINT_EQ)
            continue;
        if (info->aConstraint[i].iColumn == COLUMN_ATTRIBUTION)
            attribution = i;
        else if (info->aConstraint[i].iColumn == COLUMN_IDX)
            idx = i;
    }
    int pushed[] = {attribution, idx};
    for (int i = 0; i < 2; i++) {
        if (pushed[i] < 0)
            continue;
        info->aConstraintUsage[pushed[i]].argvIndex = ++arguments;
        info->aConstraintUsage[pushed[i]].omit = 1; /* xFilter compares as SQLite would */
    }
    sqlite3_uint64 used = info->colUsed;
    info->idxNum =
        (attribution >= 0 ? BY_ATTRIBUTION : 0) | (idx >= 0 ? BY_IDX : 0) |
        (used >> COLUMN_NAME & 1 ? WANT_NAME : 0) | (used >> COLUMN_RAW & 1 ? WANT_RAW : 0) |
        (used >> COLUMN_INPUT & 1 ? WANT_INPUT : 0) | (used >> COLUMN_ERROR & 1 ? WANT_ERROR : 0);
    info->idxStr = attribution >= 0 ? (idx >= 0 ? "attribution=? AND idx=?" : "attribution=?")
                   : idx >= 0       ? "idx=?"
                                    : NULL;
    /* Without statistics SQLite takes every table for a million rows: walking all elements has to
     * look dearer than walking any of them and asking for its elements one by one. */
    info->estimatedRows = (attribution >= 0 ? 1 : (sqlite3_int64)1 << 33) * (idx >= 0 ? 1 : 100);
    info->estimatedCost = (attribution >= 0 ? 5 : 1e12) * (idx >= 0 ? 1.0 : 20.0);
    if (attribution >= 0 && idx >= 0)
        info->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
    info->orderByConsumed = info->nOrderBy > 0;
    for (int i = 0; i < info->nOrderBy; i++)
        if (info->aOrderBy[i].desc || info->nOrderBy > 2 || info->aOrderBy[i].iColumn != i)
            info->orderByConsumed = 0;
    return SQLITE_OK;
}

static int element_open(sqlite3_vtab *base, sqlite3_vtab_cursor **out)
{
    (void)base;
    cursor *c = sqlite3_malloc64(sizeof *c);
    if (!c)
        return SQLITE_NOMEM;
    memset(c, 0, sizeof *c);
    *out = &c->base;
    return SQLITE_OK;
}

static ln_reader *reader_of(cursor *c)
{
    return ((element_table *)c->base.pVtab)->reader;
}

/* Lets go of what belongs to the current attribution. */
static void release_row(cursor *c)
{
    for (int64_t i = 0; c->raw && i < c->columns->count; i++)
        sqlite3_value_free(c->raw[i]);
    sqlite3_free(c->raw);
    c->raw = NULL;
    ln_slice_release(&c->values);
    ln_slice_release(&c->errors);
    ln_slice_release(&c->input);
    ln_names_release(c->names);
    ln_names_release(c->columns);
    ln_names_release(c->inputs);
    c->names = c->columns = c->inputs = NULL;
}

static int element_close(sqlite3_vtab_cursor *base)
{
    cursor *c = (cursor *)base;
    release_row(c);
    sqlite3_finalize(c->all);
    sqlite3_free(c);
    return SQLITE_OK;
}

/* What raw and input need. */
static int load_sample(cursor *c)
{
    ln_reader *reader = reader_of(c);
    int64_t model, dataset;
    int code = ln_reader_scope(reader, c->row.run, &model, &dataset);
    if (code == SQLITE_OK)
        code = ln_reader_inputs(reader, model, &c->inputs);
    if (code == SQLITE_OK && c->wanted & WANT_INPUT)
        code = ln_reader_input(reader, c->row.run, c->row.sample, &c->input);
    if (code == SQLITE_OK && c->wanted & WANT_RAW)
        code = ln_reader_features(reader, c->row.dataset, &c->columns);
    if (code == SQLITE_OK && c->wanted & WANT_RAW)
        code = ln_reader_raw(reader, c->row.sample, c->columns, &c->raw);
    return code;
}

/* Reads what the statement wants of c->row and stands on its first number. */
static int load_row(cursor *c)
{
    ln_reader *reader = reader_of(c);
    release_row(c);
    int code = ln_reader_slice(reader, c->row.tensor, c->row.tensor_row, &c->values);
    if (code == SQLITE_OK && c->wanted & WANT_ERROR)
        code = ln_reader_slice(reader, c->row.error, c->row.tensor_row, &c->errors);
    if (code == SQLITE_OK && c->wanted & WANT_NAME)
        code = ln_reader_names(reader, &c->row, c->values.count, &c->names);
    if (code == SQLITE_OK && c->wanted & (WANT_RAW | WANT_INPUT) && c->row.sample >= 0)
        code = load_sample(c);
    c->idx = c->wanted & BY_IDX ? c->only_idx : 0;
    return ln_element_fail(c->base.pVtab, reader, code);
}

/* Goes on to the next attribution that has a row to show. */
static int next_attribution(cursor *c)
{
    for (;;) {
        int step = c->all ? sqlite3_step(c->all) : SQLITE_DONE;
        if (step != SQLITE_ROW) {
            c->end = true;
            return step == SQLITE_DONE ? SQLITE_OK : step;
        }
        ln_attribution_fill(c->all, &c->row);
        int code = load_row(c);
        if (code != SQLITE_OK || c->idx < c->values.count)
            return code;
    }
}

/* An integer argument; false where it is none (then no row can match). */
static bool integer_argument(sqlite3_value *value, int64_t *out)
{
    if (sqlite3_value_numeric_type(value) == SQLITE_FLOAT) {
        double real = sqlite3_value_double(value);
        *out = real >= -9e15 && real <= 9e15 ? (int64_t)real : -1;
        return (double)*out == real;
    }
    *out = sqlite3_value_int64(value);
    return sqlite3_value_numeric_type(value) == SQLITE_INTEGER;
}

static int element_filter(sqlite3_vtab_cursor *base, int number, const char *text, int argc,
                          sqlite3_value **argv)
{
    (void)text;
    cursor *c = (cursor *)base;
    ln_reader *reader = reader_of(c);
    int64_t id = -1;
    release_row(c);
    c->wanted = number;
    c->end = true;
    c->only_idx = 0;
    if (number & BY_ATTRIBUTION && !integer_argument(argv[0], &id))
        return SQLITE_OK;
    if (number & BY_IDX && (!integer_argument(argv[argc - 1], &c->only_idx) || c->only_idx < 0))
        return SQLITE_OK;
    if (number & BY_ATTRIBUTION) {
        sqlite3_finalize(c->all);
        c->all = NULL;
        bool found;
        int code = ln_reader_attribution(reader, id, &c->row, &found);
        if (code == SQLITE_OK && found)
            code = load_row(c);
        c->end = c->idx >= c->values.count || !found;
        return code;
    }
    int code = SQLITE_OK;
    if (!c->all)
        code =
            sqlite3_prepare_v2(ln_reader_db(reader),
                               "SELECT " LN_ATTRIBUTION_COLUMNS LN_ATTRIBUTION_FROM "ORDER BY a.id",
                               -1, &c->all, NULL);
    sqlite3_reset(c->all);
    c->end = false;
    return code != SQLITE_OK ? code : next_attribution(c);
}

static int element_next(sqlite3_vtab_cursor *base)
{
    cursor *c = (cursor *)base;
    c->idx++;
    if (!(c->wanted & BY_IDX) && c->idx < c->values.count)
        return SQLITE_OK;
    return next_attribution(c);
}

static int element_eof(sqlite3_vtab_cursor *base)
{
    return ((cursor *)base)->end;
}

static void give_coordinate(const cursor *c, sqlite3_context *context, int axis)
{
    if (axis >= c->values.rank)
        return;
    int64_t below = 1;
    for (int i = axis + 1; i < c->values.rank; i++)
        below *= c->values.dims[i];
    sqlite3_result_int64(context, c->idx / below % c->values.dims[axis]);
}

/* The column that the current number stands for, or -1. */
static int64_t column_of(const cursor *c)
{
    if (c->row.space == LN_SPACE_COLUMN)
        return c->idx;
    if (c->row.space == LN_SPACE_INPUT && c->inputs)
        return c->inputs->count == 0       ? c->idx
               : c->idx < c->inputs->count ? c->inputs->column[c->idx]
                                           : -1;
    return -1;
}

static void give_raw(const cursor *c, sqlite3_context *context)
{
    int64_t column = column_of(c);
    if (c->raw && column >= 0 && column < c->columns->count && c->raw[column])
        sqlite3_result_value(context, c->raw[column]);
}

static void give_input(const cursor *c, sqlite3_context *context)
{
    int64_t input = c->row.space == LN_SPACE_INPUT ? c->idx : -1;
    if (c->row.space == LN_SPACE_COLUMN && c->inputs) {
        int64_t matches = 0;
        for (int64_t i = 0; i < c->inputs->count; i++)
            if (c->inputs->column[i] == c->idx && matches++ == 0)
                input = i;
        if (matches > 1)
            input = -1;
        else if (c->inputs->count == 0 && c->input.count == c->values.count)
            input = c->idx;
    }
    if (input >= 0 && input < c->input.count)
        sqlite3_result_double(context, c->input.at[input]);
}

static int element_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
    const cursor *c = (const cursor *)base;
    if (column == COLUMN_VALUE)
        sqlite3_result_double(context, c->values.at[c->idx]);
    else if (column == COLUMN_IDX)
        sqlite3_result_int64(context, c->idx);
    else if (column == COLUMN_ATTRIBUTION)
        sqlite3_result_int64(context, c->row.id);
    else if (column >= COLUMN_I0 && column <= COLUMN_I3)
        give_coordinate(c, context, column - COLUMN_I0);
    else if (column == COLUMN_NAME && c->names && c->names->at[c->idx])
        sqlite3_result_text(context, c->names->at[c->idx], -1, SQLITE_TRANSIENT);
    else if (column == COLUMN_RAW)
        give_raw(c, context);
    else if (column == COLUMN_INPUT)
        give_input(c, context);
    else if (column == COLUMN_ERROR && c->idx < c->errors.count)
        sqlite3_result_double(context, c->errors.at[c->idx]);
    return SQLITE_OK;
}

static int element_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
    const cursor *c = (const cursor *)base;
    *rowid = (sqlite3_int64)((uint64_t)c->row.id << 32 | (uint64_t)c->idx);
    return SQLITE_OK;
}

int ln_sql_register_element(sqlite3 *db, ln_hub *hub)
{
    /* xCreate NULL: eponymous only, nobody can make a table of it. */
    static const sqlite3_module module = {
        .xConnect = element_connect,
        .xBestIndex = element_best_index,
        .xDisconnect = element_disconnect,
        .xOpen = element_open,
        .xClose = element_close,
        .xFilter = element_filter,
        .xNext = element_next,
        .xEof = element_eof,
        .xColumn = element_column,
        .xRowid = element_rowid,
    };
    hub->references++;
    return sqlite3_create_module_v2(db, "element", &module, hub, ln_hub_release);
}
