/* Putting arrays together from the store. Rows of one chunk share a tensor, so the tensor read
 * last is kept; cost: each tensor once. A grouped attribution's number goes to every element of
 * its group. */
#include "exported.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "tensor/tensor.h"

/* A tensor and its id, kept from row to row. */
typedef struct held {
    int64_t id;        /* 0: none */
    ln_tensor *tensor; /* f32, or groups as i64 */
} held;

static ln_status hold(ln_store *store, held *h, int64_t id, ln_dtype dtype, ln_error *err)
{
    if (h->id == id)
        return LN_OK;
    ln_tensor *raw = NULL, *converted = NULL;
    ln_status status = ln_store_get_tensor(store, id, &raw, err);
    if (status == LN_OK)
        status = ln_tensor_convert(raw, dtype, &converted, err);
    ln_tensor_release(raw);
    if (status != LN_OK)
        return status;
    ln_tensor_release(h->tensor);
    *h = (held){id, converted};
    return LN_OK;
}

void ln_exported_free(ln_exported *exported)
{
    ln_tensor_release(exported->values);
    ln_free(exported->rows);
    ln_free(exported->targets);
    *exported = (ln_exported){0};
}

static ln_status count_rows(ln_store *store, const char *sql, const ln_query_options *params,
                            int64_t *count, ln_error *err)
{
    ln_query *query;
    bool more;
    ln_text text = {0};
    ln_text_format(&text, "SELECT count(*) FROM (%s)", sql);
    ln_status status =
        text.failed ? ln_fail_memory(err, 0) : ln_query_new(store, text.data, params, &query, err);
    if (status == LN_OK) {
        status = ln_query_next(query, &more, err);
        *count = status == LN_OK ? ln_query_cell(query, 0).integer : 0;
        ln_query_free(query);
    }
    ln_text_free(&text);
    return status;
}

/* Columns of the query that `fill` reads. */
enum { SAMPLE_ROW, TARGET, TENSOR, TENSOR_ROW, GROUPS, ID };

static int64_t id_cell(const ln_query *query, int column)
{
    ln_cell cell = ln_query_cell(query, column);
    return cell.type == LN_CELL_INT ? cell.integer : -1;
}

/* The shape of one attribution, groups expanded. */
static ln_shape shape_of_row(const ln_tensor *values, int64_t row, const ln_tensor *groups)
{
    if (groups)
        return groups->shape;
    ln_shape shape = values->shape;
    if (row >= 0 && shape.rank > 0)
        memmove(shape.dims, shape.dims + 1, (size_t)--shape.rank * sizeof *shape.dims);
    return shape;
}

static ln_status make_array(ln_exported *out, const ln_shape *row_shape, ln_error *err)
{
    ln_shape shape = {.rank = 1, .dims = {out->count / out->per_row}};
    if (out->per_row > 1)
        shape.dims[shape.rank++] = out->per_row;
    if (shape.rank + row_shape->rank > LN_MAX_RANK)
        return ln_fail(err, LN_EUNSUPPORTED, "the exported array would have more than %d axes",
                       LN_MAX_RANK);
    for (int i = 0; i < row_shape->rank; i++)
        shape.dims[shape.rank++] = row_shape->dims[i];
    ln_status status = ln_tensor_new(LN_F32, &shape, &out->values, err);
    for (int64_t i = 0; status == LN_OK && i < ln_shape_count(&shape); i++)
        ln_f32(out->values)[i] = NAN;
    return status;
}

/* Copies one attribution to its place. */
static ln_status copy_row(ln_exported *out, int64_t place, const ln_tensor *values, int64_t row,
                          const ln_tensor *groups, ln_error *err)
{
    int64_t size = ln_shape_count(&out->values->shape) / (out->count ? out->count : 1);
    ln_shape shape = shape_of_row(values, row, NULL);
    int64_t count = ln_shape_count(&shape);
    float *to = ln_f32(out->values) + place * size;
    if (row >= 0 && row >= values->shape.dims[0])
        return ln_fail(err, LN_ESTORE, "the store is damaged: a row of a tensor is missing");
    const float *from = ln_f32(values) + (row >= 0 ? row * count : 0);
    if ((groups ? ln_shape_count(&groups->shape) : count) != size)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "its attributions differ in shape, so they are no single array");
    if (!groups) {
        memcpy(to, from, (size_t)size * sizeof *to);
        return LN_OK;
    }
    for (int64_t i = 0; i < size; i++) {
        int64_t group = ln_i64(groups)[i];
        if (group < 0 || group >= count)
            return ln_fail(err, LN_ESTORE,
                           "the store is damaged: element %lld belongs to group %lld of %lld",
                           (long long)i, (long long)group, (long long)count);
        to[i] = from[group];
    }
    return LN_OK;
}

/* Walks the query's rows and copies what they point to. */
static ln_status fill(ln_store *store, ln_query *query, ln_exported *out, ln_error *err)
{
    held values = {0}, groups = {0};
    ln_status status = LN_OK;
    for (int64_t place = 0; status == LN_OK; place++) {
        bool more;
        status = ln_query_next(query, &more, err);
        if (status != LN_OK || !more || place >= out->count)
            break;
        int64_t tensor = id_cell(query, TENSOR), row = id_cell(query, TENSOR_ROW);
        int64_t grouping = id_cell(query, GROUPS);
        out->rows[place] = id_cell(query, SAMPLE_ROW);
        out->targets[place] = id_cell(query, TARGET);
        if (tensor < 0)
            continue;
        status = hold(store, &values, tensor, LN_F32, err);
        if (status == LN_OK && grouping >= 0)
            status = hold(store, &groups, grouping, LN_I64, err);
        const ln_tensor *mapping = grouping >= 0 ? groups.tensor : NULL;
        if (out->count % out->per_row != 0)
            out->per_row = 1; /* global ones among them */
        if (status == LN_OK && !out->values) {
            ln_shape shape = shape_of_row(values.tensor, row, mapping);
            status = make_array(out, &shape, err);
            out->first = id_cell(query, ID);
            out->grouped = mapping != NULL;
        }
        if (status == LN_OK)
            status = copy_row(out, place, values.tensor, row, mapping, err);
    }
    ln_tensor_release(values.tensor);
    ln_tensor_release(groups.tensor);
    return status;
}

static ln_status collect(ln_store *store, const char *sql, const ln_query_options *params,
                         ln_exported *out, ln_error *err)
{
    ln_query *query = NULL;
    ln_status status = count_rows(store, sql, params, &out->count, err);
    if (status == LN_OK) {
        out->rows = ln_alloc((size_t)out->count * sizeof *out->rows);
        out->targets = ln_alloc((size_t)out->count * sizeof *out->targets);
        if (!out->rows || !out->targets)
            status = ln_fail_memory(err, (size_t)out->count * sizeof *out->rows);
    }
    if (status == LN_OK)
        status = ln_query_new(store, sql, params, &query, err);
    if (status == LN_OK)
        status = fill(store, query, out, err);
    ln_query_free(query);
    if (status != LN_OK)
        ln_exported_free(out);
    return status;
}

/* How many attributions each sample has, where that is the same for all; else 1. */
static ln_status count_per_row(ln_store *store, const ln_query_options *params, int64_t *per_row,
                               ln_error *err)
{
    ln_query *query;
    bool more;
    ln_status status =
        ln_query_new(store,
                     "SELECT min(n), max(n) FROM (SELECT count(*) AS n FROM attribution "
                     "WHERE explanation = :explanation AND input IS :input AND sample IS NOT NULL "
                     "GROUP BY sample)",
                     params, &query, err);
    if (status != LN_OK)
        return status;
    status = ln_query_next(query, &more, err);
    if (status == LN_OK) {
        int64_t least = id_cell(query, 0), most = id_cell(query, 1);
        *per_row = least == most && most > 1 ? most : 1;
    }
    ln_query_free(query);
    return status;
}

ln_status ln_export_explanation(ln_store *store, int64_t explanation, const char *input,
                                ln_exported *out, ln_error *err)
{
    const ln_cell cells[] = {
        {.column = "explanation", .type = LN_CELL_INT, .integer = explanation},
        {.column = "input",
         .type = input ? LN_CELL_TEXT : LN_CELL_NULL,
         .data = input,
         .bytes = input ? strlen(input) : 0},
    };
    const ln_query_options params = {.params = cells, .param_count = 2};
    *out = (ln_exported){.per_row = 1};
    ln_status status = count_per_row(store, &params, &out->per_row, err);
    if (status != LN_OK)
        return status;
    /* Several targets of a sample stand together even where they were explained apart. */
    return collect(store,
                   "SELECT s.idx, a.target, a.tensor, a.tensor_row, "
                   "CASE WHEN a.space = 'group' AND a.kind <> 'interaction' THEN a.groups END, "
                   "a.id FROM attribution a "
                   "LEFT JOIN sample s ON s.id = a.sample WHERE a.explanation = :explanation "
                   "AND a.input IS :input ORDER BY CASE WHEN a.sample IS NULL THEN a.seq ELSE "
                   "min(a.seq) OVER (PARTITION BY a.sample) END, a.seq",
                   &params, out, err);
}

ln_status ln_export_predictions(ln_store *store, int64_t run, ln_exported *out, ln_error *err)
{
    const ln_cell cell = {.column = "run", .type = LN_CELL_INT, .integer = run};
    const ln_query_options params = {.params = &cell, .param_count = 1};
    *out = (ln_exported){.per_row = 1};
    ln_status status = collect(
        store,
        "SELECT s.idx, NULL, p.output, p.output_row, NULL, p.sample FROM prediction p "
        "JOIN sample s ON s.id = p.sample LEFT JOIN run_sample r ON r.run = p.run AND "
        "r.sample = p.sample WHERE p.run = :run AND p.output IS NOT NULL AND "
        "(r.input IS NOT NULL OR NOT EXISTS (SELECT 1 FROM run_sample i WHERE i.run = :run AND "
        "i.input IS NOT NULL)) ORDER BY r.input_row, s.idx",
        &params, out, err);
    ln_free(out->targets);
    out->targets = NULL;
    if (status == LN_OK && out->values && out->values->shape.rank == 1) {
        ln_shape shape = {.rank = 2, .dims = {out->count, 1}};
        ln_tensor *column;
        status = ln_tensor_reshape(out->values, &shape, &column, err);
        if (status == LN_OK) {
            ln_tensor_release(out->values);
            out->values = column;
        } else {
            ln_exported_free(out);
        }
    }
    return status;
}
