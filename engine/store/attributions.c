/* A chunk of attributions: one tensor (count, ...) and `count` rows that point into it. One tensor
 * a chunk instead of one a row is what makes 30 numbers cost some 100 bytes besides themselves. */
#include <math.h>
#include <string.h>

#include "store/internal.h"

/* Rows of one statement: SQLite spends as much on beginning and ending one as on a row. */
#define TOGETHER 16

/* Places in store->put: a statement of TOGETHER rows, and after it the one of a single row. */
enum { PUT_ATTRIBUTION = 2, PUT_VERDICT = 4 };

/* What is inserted: first the columns that are the same for all rows of a piece. */
typedef struct bulk {
    int place;           /* in store->put */
    const char *table;   /* in main */
    const char *columns; /* its columns, the common ones first */
    int common, own;     /* how many are common, how many a row's own */
} bulk;

static const bulk attribution_bulk = {
    PUT_ATTRIBUTION, "attribution",
    "explanation, kind, space, layer, tensor, groups, error, input, "
    "id, sample, target, seq, tensor_row, output, baseline_output, total, residual, absorbed, min, "
    "max, l1, nan_count, status, reason",
    8, 16};
static const bulk verdict_bulk = {PUT_VERDICT, "metric",
                                  "run, name, label, params, scope, explanation, higher_is_better, "
                                  "attribution, sample, value, status, reason",
                                  7, 5};

/* The statement of `rows` rows, prepared once. */
static ln_status bulk_statement(ln_store *store, const bulk *into, int rows, sqlite3_stmt **out,
                                ln_error *err)
{
    sqlite3_stmt **kept = &store->put[into->place + (rows == 1)];
    ln_status status = LN_OK;
    ln_text sql = {0};
    if (!*kept) {
        ln_text_format(&sql, "INSERT INTO main.%s (%s) VALUES ", into->table, into->columns);
        for (int row = 0; row < rows; row++) {
            for (int i = 0; i < into->common + into->own; i++)
                ln_text_format(&sql, "%s?%d",
                               i     ? ", "
                               : row ? ", ("
                                     : "(",
                               1 + i + (i < into->common ? 0 : row * into->own));
            ln_text_add(&sql, ")");
        }
        status = sql.failed ? ln_fail_memory(err, 0) : ln_store_prepare(store, sql.data, kept, err);
        ln_text_free(&sql);
    }
    *out = *kept;
    return status;
}

/* Binds what is common; binds a row's own columns, of which the first has the place given. */
typedef void (*bind_common_fn)(sqlite3_stmt *statement, const void *context);
typedef void (*bind_row_fn)(sqlite3_stmt *statement, int place, const void *context, int64_t i);

static ln_status put_bulk(ln_store *store, const bulk *into, bind_common_fn bind_common,
                          bind_row_fn bind_row, const void *context, int64_t count, ln_error *err)
{
    ln_status status = LN_OK;
    bool row;
    for (int64_t i = 0; i < count && status == LN_OK;) {
        int rows = count - i >= TOGETHER ? TOGETHER : 1;
        sqlite3_stmt *statement;
        status = bulk_statement(store, into, rows, &statement, err);
        if (status != LN_OK)
            break;
        bind_common(statement, context);
        do {
            for (int k = 0; k < rows; k++)
                bind_row(statement, 1 + into->common + k * into->own, context, i + k);
            status = ln_store_step(store, statement, &row, err);
            sqlite3_reset(statement);
            i += rows;
        } while (status == LN_OK && count - i >= rows);
        sqlite3_clear_bindings(statement);
    }
    return status;
}

static void bind_id(sqlite3_stmt *statement, int place, int64_t id)
{
    if (id >= 0)
        sqlite3_bind_int64(statement, place, id);
    else
        sqlite3_bind_null(statement, place);
}

static void bind_real(sqlite3_stmt *statement, int place, const double *numbers, int64_t i)
{
    if (numbers)
        sqlite3_bind_double(statement, place, numbers[i]); /* NaN becomes NULL */
}

static void bind_text(sqlite3_stmt *statement, int place, const char *text)
{
    sqlite3_bind_text(statement, place, text, -1, SQLITE_STATIC); /* NULL becomes NULL */
}

/* The rows of a piece and what was found out for them. */
typedef struct piece {
    const ln_attribution_rows *rows;
    const ln_verdict_rows *verdicts; /* for verdicts */
    int64_t tensor, errors;          /* ids; errors -1: none */
    int64_t first_id;                /* of the attributions */
} piece;

static void bind_attribution(sqlite3_stmt *statement, const void *context)
{
    const piece *p = context;
    sqlite3_bind_int64(statement, 1, p->rows->explanation);
    bind_text(statement, 2, p->rows->kind);
    bind_text(statement, 3, p->rows->space);
    bind_text(statement, 4, p->rows->layer);
    sqlite3_bind_int64(statement, 5, p->tensor);
    bind_id(statement, 6, p->rows->groups);
    bind_id(statement, 7, p->errors);
    bind_text(statement, 8, p->rows->input);
}

static void bind_attribution_row(sqlite3_stmt *statement, int place, const void *context, int64_t i)
{
    const piece *p = context;
    const ln_attribution_rows *rows = p->rows;
    sqlite3_bind_int64(statement, place, p->first_id + i);
    bind_id(statement, place + 1, rows->sample[i]);
    bind_id(statement, place + 2, rows->target[i]);
    sqlite3_bind_int64(statement, place + 3, rows->first_seq + i);
    sqlite3_bind_int64(statement, place + 4, i);
    bind_real(statement, place + 5, rows->output, i);
    bind_real(statement, place + 6, rows->baseline_output, i);
    bind_real(statement, place + 7, rows->total, i);
    bind_real(statement, place + 8, rows->residual, i);
    bind_real(statement, place + 9, rows->absorbed, i);
    bind_real(statement, place + 10, rows->min, i);
    bind_real(statement, place + 11, rows->max, i);
    bind_real(statement, place + 12, rows->l1, i);
    if (rows->nan_count)
        sqlite3_bind_int64(statement, place + 13, rows->nan_count[i]);
    bind_text(statement, place + 14, rows->status && rows->status[i] ? rows->status[i] : "ok");
    bind_text(statement, place + 15, rows->reason ? rows->reason[i] : NULL);
}

ln_status ln_store_put_attributions(ln_store *store, const ln_attribution_rows *rows,
                                    int64_t *first_id, ln_error *err)
{
    const ln_tensor *values = rows->values, *errors = rows->errors;
    piece p = {.rows = rows, .tensor = -1, .errors = -1};
    if (values->shape.rank < 1 || values->shape.dims[0] != rows->count || rows->count < 1)
        return ln_fail(err, LN_ESTORE,
                       "%lld attributions need a tensor with as many rows, at least one",
                       (long long)rows->count);
    if (errors && !ln_shape_equal(&values->shape, &errors->shape))
        return ln_fail(err, LN_ESTORE, "attributions and their errors differ in shape");
    bool own;
    ln_status status = ln_store_enter(store, &own, err);
    if (status != LN_OK)
        return status;
    status = ln_store_put_tensor(store, values, &p.tensor, err);
    if (status == LN_OK && errors)
        status = ln_store_put_tensor(store, errors, &p.errors, err);
    if (status == LN_OK) /* the id that SQLite would pick; nobody else writes meanwhile */
        status = ln_store_number(store, "SELECT max(id) + 1 FROM main.attribution", 0, 1,
                                 &p.first_id, err);
    if (status == LN_OK)
        status = put_bulk(store, &attribution_bulk, bind_attribution, bind_attribution_row, &p,
                          rows->count, err);
    status = ln_store_leave(store, own, status, err);
    if (status == LN_OK && first_id)
        *first_id = p.first_id;
    return status;
}

/* --- verdicts --------------------------------------------------------------------------------- */

static void bind_verdict(sqlite3_stmt *statement, const void *context)
{
    const piece *p = context;
    sqlite3_bind_int64(statement, 1, p->verdicts->run);
    bind_text(statement, 2, p->verdicts->name);
    bind_text(statement, 3, p->verdicts->label);
    bind_text(statement, 4, p->verdicts->params);
    bind_text(statement, 5, "attribution");
    sqlite3_bind_int64(statement, 6, p->rows->explanation);
    bind_id(statement, 7, p->verdicts->higher_is_better);
}

static void bind_verdict_row(sqlite3_stmt *statement, int place, const void *context, int64_t i)
{
    const piece *p = context;
    const ln_verdict_rows *verdicts = p->verdicts;
    bool defined = !isnan(verdicts->values[i]);
    sqlite3_bind_int64(statement, place, p->first_id + i);
    bind_id(statement, place + 1, p->rows->sample[i]);
    sqlite3_bind_double(statement, place + 2, verdicts->values[i]);
    bind_text(statement, place + 3, defined ? "ok" : "undefined");
    bind_text(statement, place + 4, defined || !verdicts->reasons ? NULL : verdicts->reasons[i]);
}

ln_status ln_store_put_piece(ln_store *store, const ln_attribution_rows *rows,
                             const ln_verdict_rows *verdicts, int verdict_count, ln_error *err)
{
    piece p = {.rows = rows};
    bool own;
    ln_status status = ln_store_enter(store, &own, err);
    if (status != LN_OK)
        return status;
    status = ln_store_put_attributions(store, rows, &p.first_id, err);
    for (int i = 0; i < verdict_count && status == LN_OK; i++) {
        p.verdicts = &verdicts[i];
        status =
            put_bulk(store, &verdict_bulk, bind_verdict, bind_verdict_row, &p, rows->count, err);
    }
    return ln_store_leave(store, own, status, err);
}
