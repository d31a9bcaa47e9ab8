/* A chunk of attributions: one tensor (count, ...) and `count` rows that point into it. One tensor
 * a chunk instead of one a row is what makes 30 numbers cost some 100 bytes besides themselves. */
#include <math.h>
#include <string.h>

#include "store/bulk.h"
#include "store/internal.h"

static const ln_bulk attribution_bulk = {
    LN_PUT_ATTRIBUTION, "attribution",
    "explanation, form, layer, tensor, groups, error, input, unit, "
    "sample, target, seq, tensor_row, output, baseline_output, total, residual, absorbed, min, "
    "max, l1, nan_count, status, reason",
    8, 15};
static const ln_bulk verdict_bulk = {LN_PUT_VERDICT, "metric",
                                     "run, name, label, scope, explanation, higher_is_better, "
                                     "params, attribution, sample, value, lower, upper, n, status, "
                                     "reason",
                                     6, 9};

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
    int64_t groups;                  /* id, or -1 */
    int64_t first_id;                /* of the attributions */
    int form;                        /* kind and space */
} piece;

static int place_in(const char *const *words, const char *word)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], word) == 0)
            return i;
    return -1;
}

/* Kind and space as the number that stands for them: see 0007-attribution-form.sql. */
static ln_status find_form(const ln_attribution_rows *rows, int *form, ln_error *err)
{
    static const char *const kinds[] = {"feature", "interaction", "activation", "input", NULL};
    static const char *const spaces[] = {"column", "input", "group", "layer", NULL};
    const int kind = place_in(kinds, rows->kind), space = place_in(spaces, rows->space);
    if (kind < 0 || space < 0)
        return ln_fail(err, LN_ESTORE, "no attribution is of kind '%s' and space '%s'", rows->kind,
                       rows->space);
    *form = 4 * kind + space;
    return LN_OK;
}

static void bind_attribution(sqlite3_stmt *statement, const void *context)
{
    const piece *p = context;
    sqlite3_bind_int64(statement, 1, p->rows->explanation);
    sqlite3_bind_int(statement, 2, p->form);
    bind_text(statement, 3, p->rows->layer);
    sqlite3_bind_int64(statement, 4, p->tensor);
    bind_id(statement, 5, p->groups);
    bind_id(statement, 6, p->errors);
    bind_text(statement, 7, p->rows->input);
    bind_id(statement, 8, p->rows->unit);
}

static void bind_attribution_row(sqlite3_stmt *statement, int place, const void *context, int64_t i)
{
    const piece *p = context;
    const ln_attribution_rows *rows = p->rows;
    bind_id(statement, place, rows->sample[i]);
    bind_id(statement, place + 1, rows->target[i]);
    sqlite3_bind_int64(statement, place + 2, rows->first_seq + i);
    sqlite3_bind_int64(statement, place + 3, i);
    bind_real(statement, place + 4, rows->output, i);
    bind_real(statement, place + 5, rows->baseline_output, i);
    bind_real(statement, place + 6, rows->total, i);
    bind_real(statement, place + 7, rows->residual, i);
    bind_real(statement, place + 8, rows->absorbed, i);
    bind_real(statement, place + 9, rows->min, i);
    bind_real(statement, place + 10, rows->max, i);
    bind_real(statement, place + 11, rows->l1, i);
    if (rows->nan_count)
        sqlite3_bind_int64(statement, place + 12, rows->nan_count[i]);
    bind_text(statement, place + 13, rows->status && rows->status[i] ? rows->status[i] : "ok");
    bind_text(statement, place + 14, rows->reason ? rows->reason[i] : NULL);
}

/* The id that SQLite will pick for the next attribution, from which it counts on: nobody else writes meanwhile. */
static ln_status next_id(ln_store *store, int64_t *id, ln_error *err)
{
    bool row;
    sqlite3_stmt **statement = &store->put[LN_PUT_NEXT_ATTRIBUTION];
    ln_status status =
        *statement ? LN_OK
                   : ln_store_prepare(store, "SELECT ifnull(max(id), 0) + 1 FROM main.attribution",
                                      statement, err);
    if (status == LN_OK)
        status = ln_store_step(store, *statement, &row, err);
    if (status == LN_OK)
        *id = sqlite3_column_int64(*statement, 0);
    sqlite3_reset(*statement);
    return status;
}

ln_status ln_store_put_attributions(ln_store *store, const ln_attribution_rows *rows,
                                    int64_t *first_id, ln_error *err)
{
    const ln_tensor *values = rows->values, *errors = rows->errors;
    piece p = {.rows = rows, .tensor = -1, .errors = -1, .groups = rows->groups};
    if (values->shape.rank < 1 || values->shape.dims[0] != rows->count || rows->count < 1)
        return ln_fail(err, LN_ESTORE,
                       "%lld attributions need a tensor with as many rows, at least one",
                       (long long)rows->count);
    if (errors && !ln_shape_equal(&values->shape, &errors->shape))
        return ln_fail(err, LN_ESTORE, "attributions and their errors differ in shape");
    bool own;
    ln_status status = find_form(rows, &p.form, err);
    if (status == LN_OK)
        status = ln_store_enter(store, &own, err);
    if (status != LN_OK)
        return status;
    status = ln_store_put_tensor(store, values, &p.tensor, err);
    if (status == LN_OK && errors)
        status = ln_store_put_tensor(store, errors, &p.errors, err);
    if (status == LN_OK && rows->grouping)
        status = ln_store_put_tensor(store, rows->grouping, &p.groups, err);
    if (status == LN_OK)
        status = next_id(store, &p.first_id, err);
    if (status == LN_OK)
        status = ln_store_put_bulk(store, &attribution_bulk, bind_attribution, bind_attribution_row,
                                   &p, rows->count, err);
    status = ln_store_leave(store, own, status, err);
    if (status == LN_OK && first_id)
        *first_id = p.first_id;
    return status;
}

ln_status ln_store_put_cost(ln_store *store, const ln_attribution_rows *rows, ln_error *err)
{
    bool row;
    sqlite3_stmt **statement = &store->put[LN_PUT_COST];
    ln_status status = *statement
                           ? LN_OK
                           : ln_store_prepare(store,
                                              "UPDATE main.explanation SET evaluations = ?2, "
                                              "elapsed_ns = ?3 WHERE id = ?1",
                                              statement, err);
    if (status != LN_OK)
        return status;
    sqlite3_bind_int64(*statement, 1, rows->explanation);
    sqlite3_bind_int64(*statement, 2, rows->evaluations);
    sqlite3_bind_int64(*statement, 3, rows->elapsed_ns);
    status = ln_store_step(store, *statement, &row, err);
    sqlite3_reset(*statement);
    if (status == LN_OK && sqlite3_changes(store->db) == 0)
        status = ln_fail(err, LN_ESTORE,
                         "the store '%s' has lost explanation %lld while it was being written",
                         store->path, (long long)rows->explanation);
    return status;
}

/* --- verdicts --------------------------------------------------------------------------------- */

static void bind_verdict(sqlite3_stmt *statement, const void *context)
{
    const piece *p = context;
    sqlite3_bind_int64(statement, 1, p->verdicts->run);
    bind_text(statement, 2, p->verdicts->name);
    bind_text(statement, 3, p->verdicts->label);
    bind_text(statement, 4, "attribution");
    sqlite3_bind_int64(statement, 5, p->rows->explanation);
    bind_id(statement, 6, p->verdicts->higher_is_better);
}

static void bind_verdict_row(sqlite3_stmt *statement, int place, const void *context, int64_t i)
{
    const piece *p = context;
    const ln_verdict_rows *verdicts = p->verdicts;
    bool defined = !isnan(verdicts->values[i]);
    bind_text(statement, place, verdicts->own_params ? verdicts->own_params[i] : verdicts->params);
    sqlite3_bind_int64(statement, place + 1, p->first_id + i);
    bind_id(statement, place + 2, p->rows->sample[i]);
    sqlite3_bind_double(statement, place + 3, verdicts->values[i]);
    bind_real(statement, place + 4, verdicts->lower, i);
    bind_real(statement, place + 5, verdicts->upper, i);
    bind_id(statement, place + 6, verdicts->n ? verdicts->n[i] : -1);
    bind_text(statement, place + 7, defined ? "ok" : "undefined");
    bind_text(statement, place + 8, verdicts->reasons ? verdicts->reasons[i] : NULL);
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
    for (const ln_attribution_rows *next = rows->next; next && status == LN_OK; next = next->next)
        status = ln_store_put_attributions(store, next, NULL, err);
    for (int i = 0; i < verdict_count && status == LN_OK; i++) {
        p.verdicts = &verdicts[i];
        status = ln_store_put_bulk(store, &verdict_bulk, bind_verdict, bind_verdict_row, &p,
                                   rows->judged ? rows->judged : rows->count, err);
    }
    return ln_store_leave(store, own, status, err);
}
