/* A chunk of attributions: one tensor (count, ...) and `count` rows that point into it. One tensor
 * a chunk instead of one a row is what makes 30 numbers cost some 100 bytes besides themselves. */
#include <math.h>
#include <string.h>

#include "store/internal.h"

enum { PUT_ATTRIBUTION = 2, PUT_VERDICT }; /* places in store->put */

#define INSERT_SQL                                                                                 \
    "INSERT INTO main.attribution (id, explanation, sample, target, kind, space, layer, seq, "     \
    "tensor, tensor_row, groups, error, output, baseline_output, total, residual, absorbed, min, " \
    "max, l1, nan_count, status, reason, input) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, " \
    "?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24)"

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

/* What is the same for all rows of the chunk. */
static void bind_common(sqlite3_stmt *statement, const ln_attribution_rows *rows, int64_t tensor,
                        int64_t errors)
{
    sqlite3_bind_int64(statement, 2, rows->explanation);
    bind_text(statement, 5, rows->kind);
    bind_text(statement, 6, rows->space);
    bind_text(statement, 7, rows->layer);
    sqlite3_bind_int64(statement, 9, tensor);
    bind_id(statement, 11, rows->groups);
    bind_id(statement, 12, errors);
    bind_text(statement, 24, rows->input);
}

static void bind_row(sqlite3_stmt *statement, const ln_attribution_rows *rows, int64_t i)
{
    bind_id(statement, 3, rows->sample[i]);
    bind_id(statement, 4, rows->target[i]);
    sqlite3_bind_int64(statement, 8, rows->first_seq + i);
    sqlite3_bind_int64(statement, 10, i);
    bind_real(statement, 13, rows->output, i);
    bind_real(statement, 14, rows->baseline_output, i);
    bind_real(statement, 15, rows->total, i);
    bind_real(statement, 16, rows->residual, i);
    bind_real(statement, 17, rows->absorbed, i);
    bind_real(statement, 18, rows->min, i);
    bind_real(statement, 19, rows->max, i);
    bind_real(statement, 20, rows->l1, i);
    if (rows->nan_count)
        sqlite3_bind_int64(statement, 21, rows->nan_count[i]);
    bind_text(statement, 22, rows->status && rows->status[i] ? rows->status[i] : "ok");
    bind_text(statement, 23, rows->reason ? rows->reason[i] : NULL);
}

static ln_status put_rows(ln_store *store, const ln_attribution_rows *rows, int64_t tensor,
                          int64_t errors, int64_t *first_id, ln_error *err)
{
    ln_status status = LN_OK;
    bool row;
    if (!store->put[PUT_ATTRIBUTION])
        status = ln_store_prepare(store, INSERT_SQL, &store->put[PUT_ATTRIBUTION], err);
    sqlite3_stmt *statement = store->put[PUT_ATTRIBUTION];
    if (status == LN_OK)
        bind_common(statement, rows, tensor, errors);
    for (int64_t i = 0; i < rows->count && status == LN_OK; i++) {
        /* SQLite picks the first id, the others follow it: nobody else writes meanwhile. */
        if (i > 0)
            sqlite3_bind_int64(statement, 1, *first_id + i);
        bind_row(statement, rows, i);
        status = ln_store_step(store, statement, &row, err);
        sqlite3_reset(statement);
        if (i == 0)
            *first_id = sqlite3_last_insert_rowid(store->db);
    }
    if (statement)
        sqlite3_clear_bindings(statement);
    return status;
}

ln_status ln_store_put_attributions(ln_store *store, const ln_attribution_rows *rows,
                                    int64_t *first_id, ln_error *err)
{
    const ln_tensor *values = rows->values, *errors = rows->errors;
    int64_t first = 0, tensor = -1, error = -1;
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
    status = ln_store_put_tensor(store, values, &tensor, err);
    if (status == LN_OK && errors)
        status = ln_store_put_tensor(store, errors, &error, err);
    if (status == LN_OK)
        status = put_rows(store, rows, tensor, error, &first, err);
    status = ln_store_leave(store, own, status, err);
    if (status == LN_OK && first_id)
        *first_id = first;
    return status;
}

/* --- verdicts --------------------------------------------------------------------------------- */

#define INSERT_VERDICT_SQL                                                                         \
    "INSERT INTO main.metric (run, name, label, params, scope, explanation, attribution, sample, " \
    "value, higher_is_better, status, reason) "                                                    \
    "VALUES (?1, ?2, ?3, ?4, 'attribution', ?5, ?6, ?7, ?8, ?9, ?10, ?11)"

static ln_status put_verdicts(ln_store *store, const ln_attribution_rows *rows,
                              const ln_verdict_rows *verdicts, int64_t first_id, ln_error *err)
{
    ln_status status = LN_OK;
    bool row;
    if (!store->put[PUT_VERDICT])
        status = ln_store_prepare(store, INSERT_VERDICT_SQL, &store->put[PUT_VERDICT], err);
    if (status != LN_OK)
        return status;
    sqlite3_stmt *statement = store->put[PUT_VERDICT];
    sqlite3_bind_int64(statement, 1, verdicts->run);
    bind_text(statement, 2, verdicts->name);
    bind_text(statement, 3, verdicts->label);
    bind_text(statement, 4, verdicts->params);
    sqlite3_bind_int64(statement, 5, rows->explanation);
    bind_id(statement, 9, verdicts->higher_is_better);
    for (int64_t i = 0; i < rows->count && status == LN_OK; i++) {
        bool defined = !isnan(verdicts->values[i]);
        sqlite3_bind_int64(statement, 6, first_id + i);
        bind_id(statement, 7, rows->sample[i]);
        sqlite3_bind_double(statement, 8, verdicts->values[i]);
        bind_text(statement, 10, defined ? "ok" : "undefined");
        bind_text(statement, 11, defined || !verdicts->reasons ? NULL : verdicts->reasons[i]);
        status = ln_store_step(store, statement, &row, err);
        sqlite3_reset(statement);
    }
    sqlite3_clear_bindings(statement);
    return status;
}

ln_status ln_store_put_piece(ln_store *store, const ln_attribution_rows *rows,
                             const ln_verdict_rows *verdicts, int verdict_count, ln_error *err)
{
    int64_t first_id;
    bool own;
    ln_status status = ln_store_enter(store, &own, err);
    if (status != LN_OK)
        return status;
    status = ln_store_put_attributions(store, rows, &first_id, err);
    for (int i = 0; i < verdict_count && status == LN_OK; i++)
        status = put_verdicts(store, rows, &verdicts[i], first_id, err);
    return ln_store_leave(store, own, status, err);
}
