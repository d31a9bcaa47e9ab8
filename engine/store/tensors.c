/* Tensors by content: one row for each (dtype, shape, numbers), found by SHA-256. */
#include <string.h>

#include "store/block.h"
#include "store/internal.h"

static ln_status put_statement(ln_store *store, int which, const char *sql, ln_error *err)
{
    return store->put[which] ? LN_OK : ln_store_prepare(store, sql, &store->put[which], err);
}

static ln_status find_tensor(ln_store *store, const uint8_t *digest, int64_t *id, ln_error *err)
{
    bool row;
    ln_status status = put_statement(store, LN_PUT_FIND_TENSOR,
                                     "SELECT id FROM main.tensor WHERE sha256 = ?1", err);
    if (status != LN_OK)
        return status;
    sqlite3_stmt *statement = store->put[LN_PUT_FIND_TENSOR];
    sqlite3_bind_blob(statement, 1, digest, LN_SHA256_BYTES, SQLITE_STATIC);
    status = ln_store_step(store, statement, &row, err);
    *id = status == LN_OK && row ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return status;
}

static ln_status insert_tensor(ln_store *store, const ln_tensor *tensor, const uint8_t *digest,
                               int64_t *id, ln_error *err)
{
    bool row;
    ln_text shape = {0};
    ln_text_add(&shape, "[");
    for (int i = 0; i < tensor->shape.rank; i++)
        ln_text_format(&shape, i ? ",%lld" : "%lld", (long long)tensor->shape.dims[i]);
    ln_text_add(&shape, "]");
    ln_status status = shape.failed ? ln_fail_memory(err, 64) : LN_OK;
    if (status == LN_OK)
        status = put_statement(store, LN_PUT_TENSOR,
                               "INSERT INTO main.tensor (sha256, dtype, shape, data) "
                               "VALUES (?1, ?2, ?3, ?4)",
                               err);
    if (status == LN_OK) {
        sqlite3_stmt *statement = store->put[LN_PUT_TENSOR];
        sqlite3_bind_blob(statement, 1, digest, LN_SHA256_BYTES, SQLITE_STATIC);
        sqlite3_bind_text(statement, 2, ln_dtype_name(tensor->dtype), -1, SQLITE_STATIC);
        sqlite3_bind_text(statement, 3, shape.data, -1, SQLITE_STATIC);
        int code = sqlite3_bind_blob64(statement, 4, tensor->data ? tensor->data : "",
                                       tensor->bytes, SQLITE_STATIC);
        if (code == SQLITE_TOOBIG)
            status = ln_fail(err, LN_ESTORE,
                             "a tensor of %zu bytes does not fit into the store, which takes "
                             "1,000,000,000 at most",
                             tensor->bytes);
        else
            status = ln_store_step(store, statement, &row, err);
        sqlite3_reset(statement);
        sqlite3_clear_bindings(statement);
        *id = sqlite3_last_insert_rowid(store->db);
    }
    ln_text_free(&shape);
    return status;
}

ln_status ln_store_put_tensor(ln_store *store, const ln_tensor *tensor, int64_t *id, ln_error *err)
{
    uint8_t digest[LN_SHA256_BYTES];
    bool own;
    ln_tensor_sha256(tensor, digest);
    ln_status status = ln_store_enter(store, &own, err);
    if (status != LN_OK)
        return status;
    status = find_tensor(store, digest, id, err);
    if (status == LN_OK && *id == 0)
        status = insert_tensor(store, tensor, digest, id, err);
    return ln_store_leave(store, own, status, err);
}

/* By SQLite's file format (fileformat2.html, section 1.6): a row lies in a leaf where it fits; else as
 * much of it as leaves the last of its overflow pages full, if that fits, or else the least part. */
double ln_store_tensor_bytes(int64_t bytes)
{
    const int64_t usable = LN_PAGE_BYTES, leaf = usable - 8, overflow = usable - 4, cell = 12;
    const int64_t row = bytes + 72; /* header, hash, dtype and shape beside the numbers */
    const int64_t most = usable - 35, least = (usable - 12) * 32 / 255 - 23;
    int64_t here = row;
    if (row > most) {
        here = least + (row - least) % overflow;
        here = here <= most ? here : least;
    }
    const int64_t beside = leaf / (here + cell); /* such rows in a leaf */
    const int64_t pages = (row - here + overflow - 1) / overflow;
    return LN_PAGE_BYTES * ((double)pages + 1.0 / (double)(beside ? beside : 1));
}

/* The tensor of the statement's row: dtype, shape, data. */
static ln_status make_tensor(sqlite3_stmt *statement, int64_t id, ln_tensor **out, ln_error *err)
{
    const char *dtype_name = (const char *)sqlite3_column_text(statement, 0);
    const char *shape_text = (const char *)sqlite3_column_text(statement, 1);
    const void *data = sqlite3_column_blob(statement, 2);
    size_t bytes = (size_t)sqlite3_column_bytes(statement, 2);
    ln_dtype dtype;
    ln_shape shape = {0};
    int64_t count;
    if (!dtype_name || !shape_text || (!data && bytes > 0))
        return ln_fail_memory(err, bytes);
    if (!ln_dtype_parse(dtype_name, &dtype) ||
        !ln_shape_parse(shape_text, &shape.rank, shape.dims, &count) ||
        (uint64_t)count * ln_dtype_size(dtype) != bytes)
        return ln_fail(err, LN_ESTORE,
                       "tensor %lld is damaged: dtype %s, shape %s and %zu bytes do not fit "
                       "together",
                       (long long)id, dtype_name, shape_text, bytes);
    if (count == 0)
        return ln_tensor_new(dtype, &shape, out, err);
    return ln_tensor_copy_of(dtype, &shape, data, out, err);
}

ln_status ln_store_get_tensor(ln_store *store, int64_t id, ln_tensor **out, ln_error *err)
{
    sqlite3_stmt *statement;
    bool row;
    *out = NULL;
    ln_status status = ln_store_prepare(
        store, "SELECT dtype, shape, data FROM main.tensor WHERE id = ?1", &statement, err);
    if (status != LN_OK)
        return status;
    sqlite3_bind_int64(statement, 1, id);
    status = ln_store_step(store, statement, &row, err);
    if (status == LN_OK && !row)
        status = ln_fail(err, LN_ESTORE, "the store '%s' has no tensor %lld", store->path,
                         (long long)id);
    if (status == LN_OK)
        status = make_tensor(statement, id, out, err);
    sqlite3_finalize(statement);
    return status;
}
