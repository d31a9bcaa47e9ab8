/* element: an eponymous virtual table, one row a number of each attribution.
 *
 *   attribution  its id                       name   column, input or group; NULL: none
 *   idx          position in row-major order  raw    the column's value in original units
 *   i0 .. i3     coordinates in its shape     input  the number that the model read
 *   value        the number (NaN: NULL)       error  its standard error
 *
 * A grouped attribution has a row a group; an interaction a row for each two, (M, M), named "a:b", and "a" on
 * its diagonal, without raw and input. `raw` and `input` are given where one value belongs to
 * the number: in space `column` input only for columns that are one encoded input.
 *
 * Pushed down: attribution =, attribution IN (a list or a query, in one walk) and idx =; without the
 * first two all attributions are walked. Rows come in the order (attribution, idx), or for a
 * statement that groups or orders by idx in the order (idx, attribution) (element_plan.c, bands.h).
 * Tensors are read once and kept (reader.h); names, raw values, inputs and errors only when a
 * statement asks for their columns. */
#include "store/element.h"

#include <stdlib.h>
#include <string.h>

#include "store/bands.h"

#define BAND_NUMBERS ((int64_t)16 << 20) /* 64 MB */

/* The table on one connection. */
typedef struct element_table {
    sqlite3_vtab base; /* SQLite's part */
    ln_hub *hub;       /* shared with the functions */
    ln_reader *reader; /* owned */
} element_table;

/* An open walk. */
typedef struct cursor {
    sqlite3_vtab_cursor base; /* SQLite's part */
    sqlite3_stmt *all;        /* walks the attributions, with neither = nor IN */
    int64_t *listed;          /* of IN: ids in ascending order, listed_count of them */
    int64_t listed_count;     /* how many */
    int64_t next_listed;      /* which comes next */
    ln_bands *bands;          /* with LN_IN_BANDS: the numbers, instead of `row` and below */
    int wanted;               /* the bits of idxNum */
    int64_t only_idx;         /* with LN_BY_IDX */
    bool end;                 /* no row is left */
    int64_t idx;              /* the row it stands on, of: */
    ln_attribution row;       /* the attribution */
    ln_slice values, errors;  /* its numbers */
    ln_slice input;           /* the sample's input */
    int64_t input_start;      /* where in it the attribution's own input starts */
    ln_names *names;          /* with LN_WANT_NAME, or NULL */
    ln_names *columns;        /* of the data set, with LN_WANT_RAW */
    ln_names *inputs;         /* of the model, with LN_WANT_RAW or LN_WANT_INPUT */
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

/* Lets go of what xFilter made. */
static void release_walk(cursor *c)
{
    sqlite3_finalize(c->all);
    sqlite3_free(c->listed);
    ln_bands_free(c->bands);
    c->all = NULL;
    c->listed = NULL;
    c->bands = NULL;
    c->listed_count = c->next_listed = 0;
}

static int element_close(sqlite3_vtab_cursor *base)
{
    cursor *c = (cursor *)base;
    release_row(c);
    release_walk(c);
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
    if (code == SQLITE_OK && c->wanted & LN_WANT_INPUT)
        code = ln_reader_input(reader, c->row.run, c->row.sample, &c->input);
    if (code == SQLITE_OK && c->wanted & LN_WANT_INPUT)
        code = ln_reader_input_start(reader, c->row.id, model, &c->input_start);
    if (code == SQLITE_OK && c->wanted & LN_WANT_RAW)
        code = ln_reader_features(reader, c->row.dataset, &c->columns);
    if (code == SQLITE_OK && c->wanted & LN_WANT_RAW)
        code = ln_reader_raw(reader, c->row.sample, c->columns, &c->raw);
    return code;
}

/* Reads what the statement wants of c->row and stands on its first number. */
static int load_row(cursor *c)
{
    ln_reader *reader = reader_of(c);
    release_row(c);
    int code = ln_reader_slice(reader, c->row.tensor, c->row.tensor_row, &c->values);
    if (code == SQLITE_OK && c->wanted & LN_WANT_ERROR)
        code = ln_reader_slice(reader, c->row.error, c->row.tensor_row, &c->errors);
    if (code == SQLITE_OK && c->wanted & LN_WANT_NAME)
        code = ln_reader_names(reader, &c->row, c->values.count, &c->names);
    if (code == SQLITE_OK && c->wanted & (LN_WANT_RAW | LN_WANT_INPUT) && c->row.sample >= 0)
        code = load_sample(c);
    c->idx = c->wanted & LN_BY_IDX ? c->only_idx : 0;
    return ln_element_fail(c->base.pVtab, reader, code);
}

/* Reads the next attribution of the walk into c->row. */
static int next_row(cursor *c, bool *more)
{
    *more = false;
    while (c->next_listed < c->listed_count && !*more) {
        int code = ln_reader_attribution(reader_of(c), c->listed[c->next_listed++], &c->row, more);
        if (code != SQLITE_OK)
            return code;
    }
    if (!c->all)
        return SQLITE_OK;
    int step = sqlite3_step(c->all);
    *more = step == SQLITE_ROW;
    if (*more)
        ln_attribution_fill(c->all, &c->row);
    return *more || step == SQLITE_DONE ? SQLITE_OK : step;
}

/* Goes on to the next attribution that has a row to show. */
static int next_attribution(cursor *c)
{
    for (;;) {
        bool more;
        int code = next_row(c, &more);
        c->end = !more;
        if (code == SQLITE_OK && more)
            code = load_row(c);
        if (code != SQLITE_OK || !more || c->idx < c->values.count)
            return code;
    }
}

/* Brings the numbers of the whole walk into the order of idx. */
static int start_bands(cursor *c)
{
    bool more = true;
    int code = ln_bands_new(reader_of(c), BAND_NUMBERS, &c->bands);
    while (code == SQLITE_OK && more) {
        code = next_row(c, &more);
        if (code == SQLITE_OK && more)
            code = ln_bands_add(c->bands, &c->row);
    }
    if (code == SQLITE_OK)
        code = ln_bands_first(c->bands, &c->end);
    return ln_element_fail(c->base.pVtab, reader_of(c), code);
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

static int by_number(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* The ids of `attribution =` (one) or of all of `attribution IN (...)`, each once. */
static int read_list(cursor *c, sqlite3_value *argument)
{
    sqlite3_value *value = argument;
    int64_t room = 0;
    int code = SQLITE_OK;
    if (c->wanted & LN_BY_LIST)
        code = sqlite3_vtab_in_first(argument, &value);
    while (code == SQLITE_OK && value) {
        if (c->listed_count == room) {
            room = room ? 2 * room : 1;
            int64_t *more = sqlite3_realloc64(c->listed, (sqlite3_uint64)room * sizeof *more);
            if (!more)
                return SQLITE_NOMEM;
            c->listed = more;
        }
        c->listed_count += integer_argument(value, &c->listed[c->listed_count]);
        code = c->wanted & LN_BY_LIST ? sqlite3_vtab_in_next(argument, &value) : SQLITE_DONE;
    }
    int64_t distinct = 0;
    qsort(c->listed, (size_t)c->listed_count, sizeof *c->listed, by_number);
    for (int64_t i = 0; i < c->listed_count; i++)
        if (i == 0 || c->listed[i] != c->listed[distinct - 1])
            c->listed[distinct++] = c->listed[i];
    c->listed_count = distinct;
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int element_filter(sqlite3_vtab_cursor *base, int number, const char *text, int argc,
                          sqlite3_value **argv)
{
    (void)text;
    cursor *c = (cursor *)base;
    int code = SQLITE_OK;
    release_row(c);
    release_walk(c);
    c->wanted = number;
    c->end = true;
    c->only_idx = 0;
    if (number & LN_BY_IDX && (!integer_argument(argv[argc - 1], &c->only_idx) || c->only_idx < 0))
        return SQLITE_OK;
    if (number & (LN_BY_ATTRIBUTION | LN_BY_LIST))
        code = read_list(c, argv[0]);
    else
        code =
            sqlite3_prepare_v2(ln_reader_db(reader_of(c)),
                               "SELECT " LN_ATTRIBUTION_COLUMNS LN_ATTRIBUTION_FROM "ORDER BY a.id",
                               -1, &c->all, NULL);
    if (code != SQLITE_OK)
        return code;
    return number & LN_IN_BANDS ? start_bands(c) : next_attribution(c);
}

static int element_next(sqlite3_vtab_cursor *base)
{
    cursor *c = (cursor *)base;
    if (c->bands)
        return ln_element_fail(base->pVtab, reader_of(c), ln_bands_next(c->bands, &c->end));
    c->idx++;
    if (!(c->wanted & LN_BY_IDX) && c->idx < c->values.count)
        return SQLITE_OK;
    return next_attribution(c);
}

static int element_eof(sqlite3_vtab_cursor *base)
{
    return ((cursor *)base)->end;
}

static void give_coordinate(sqlite3_context *context, int rank, const int64_t *dims, int64_t idx,
                            int axis)
{
    if (axis >= rank)
        return;
    int64_t below = 1;
    for (int i = axis + 1; i < rank; i++)
        below *= dims[i];
    sqlite3_result_int64(context, idx / below % dims[axis]);
}

/* In bands there are these columns only (element_plan.c). */
static void give_banded(const ln_bands *bands, sqlite3_context *context, int column)
{
    int rank;
    const int64_t *dims;
    if (column == LN_ELEMENT_VALUE) {
        sqlite3_result_double(context, ln_bands_value(bands));
    } else if (column == LN_ELEMENT_IDX) {
        sqlite3_result_int64(context, ln_bands_idx(bands));
    } else if (column == LN_ELEMENT_ATTRIBUTION) {
        sqlite3_result_int64(context, ln_bands_row(bands)->id);
    } else if (column >= LN_ELEMENT_I0 && column <= LN_ELEMENT_I3) {
        ln_bands_shape(bands, &rank, &dims);
        give_coordinate(context, rank, dims, ln_bands_idx(bands), column - LN_ELEMENT_I0);
    }
}

static void give_name(const cursor *c, sqlite3_context *context)
{
    const int64_t count = c->names->count;
    const int64_t place = c->row.of_pairs ? c->idx / count : c->idx;
    const char *first = c->names->at[place];
    const char *second = c->row.of_pairs ? c->names->at[c->idx % count] : first;
    if (!first || !second)
        return;
    if (first == second) {
        sqlite3_result_text(context, first, -1, SQLITE_TRANSIENT);
        return;
    }
    char *both = sqlite3_mprintf("%s:%s", first, second);
    if (both)
        sqlite3_result_text(context, both, -1, sqlite3_free);
    else
        sqlite3_result_error_nomem(context);
}

/* The column that the current number stands for, or -1. */
static int64_t column_of(const cursor *c)
{
    if (c->row.of_pairs)
        return -1;
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
    int64_t input = c->row.space == LN_SPACE_INPUT ? c->input_start + c->idx : -1;
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
    if (c->bands)
        give_banded(c->bands, context, column);
    else if (column == LN_ELEMENT_VALUE)
        sqlite3_result_double(context, c->values.at[c->idx]);
    else if (column == LN_ELEMENT_IDX)
        sqlite3_result_int64(context, c->idx);
    else if (column == LN_ELEMENT_ATTRIBUTION)
        sqlite3_result_int64(context, c->row.id);
    else if (column >= LN_ELEMENT_I0 && column <= LN_ELEMENT_I3)
        give_coordinate(context, c->values.rank, c->values.dims, c->idx, column - LN_ELEMENT_I0);
    else if (column == LN_ELEMENT_NAME && c->names)
        give_name(c, context);
    else if (column == LN_ELEMENT_RAW)
        give_raw(c, context);
    else if (column == LN_ELEMENT_INPUT && !c->row.of_pairs)
        give_input(c, context);
    else if (column == LN_ELEMENT_ERROR && c->idx < c->errors.count)
        sqlite3_result_double(context, c->errors.at[c->idx]);
    return SQLITE_OK;
}

static int element_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
    const cursor *c = (const cursor *)base;
    const int64_t id = c->bands ? ln_bands_row(c->bands)->id : c->row.id;
    const int64_t idx = c->bands ? ln_bands_idx(c->bands) : c->idx;
    *rowid = (sqlite3_int64)((uint64_t)id << 32 | (uint64_t)idx);
    return SQLITE_OK;
}

int ln_sql_register_element(sqlite3 *db, ln_hub *hub)
{
    /* xCreate NULL: eponymous only, nobody can make a table of it. */
    static const sqlite3_module module = {
        .xConnect = element_connect,
        .xBestIndex = ln_element_plan,
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
