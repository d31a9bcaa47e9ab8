/* Typed tensors. A tensor is a small record (dtype, shape, pointer) over a counted storage; views
 * are records of their own over the same storage. Both counts are atomic: workers may retain and
 * release. All tensors are contiguous and row-major, so a view is a range of whole rows or another
 * shape of the same elements, and copies are memcpy. */
#include "tensor/tensor.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

struct ln_storage {
    void *data;          /* 64-aligned */
    int references;      /* tensors over it; changed atomically */
    ln_tensor_form form; /* of a tensor asleep; else zeros */
};

static const struct {
    const char *name; /* as in the store */
    size_t bytes;     /* of one element */
} dtypes[] = {
    [LN_F32] = {"f32", 4}, [LN_F64] = {"f64", 8}, [LN_I64] = {"i64", 8},
    [LN_I32] = {"i32", 4}, [LN_U8] = {"u8", 1},   [LN_BOOL] = {"bool", 1},
};

size_t ln_dtype_size(ln_dtype dtype)
{
    return dtypes[dtype].bytes;
}

const char *ln_dtype_name(ln_dtype dtype)
{
    return dtypes[dtype].name;
}

bool ln_dtype_parse(const char *name, ln_dtype *out)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        if (strcmp(dtypes[i].name, name) == 0) {
            *out = (ln_dtype)i;
            return true;
        }
    return false;
}

int64_t ln_shape_count(const ln_shape *shape)
{
    int64_t count = 1;
    for (int i = 0; i < shape->rank; i++)
        count *= shape->dims[i];
    return count;
}

int64_t ln_shape_row(const ln_shape *shape)
{
    int64_t count = 1;
    for (int i = 1; i < shape->rank; i++)
        count *= shape->dims[i];
    return count;
}

bool ln_shape_equal(const ln_shape *a, const ln_shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i])
            return false;
    return true;
}

ln_shape ln_shape_of(int rank, const int64_t *dims)
{
    ln_shape shape = {.rank = rank};
    for (int i = 0; i < rank && i < LN_MAX_RANK; i++)
        shape.dims[i] = dims[i];
    return shape;
}

const char *ln_shape_text(const ln_shape *shape, char *buffer, size_t size)
{
    size_t length = 0;
    if (size == 0)
        return buffer;
    buffer[0] = '\0';
    for (int i = 0; i <= shape->rank && length < size; i++) {
        const char *before = i == 0 ? "(" : i == shape->rank ? "" : ", ";
        const char *after = i < shape->rank ? "" : shape->rank == 1 ? ",)" : ")";
        char number[24] = "";
        if (i < shape->rank && shape->dims[i] == -1)
            snprintf(number, sizeof number, "N");
        else if (i < shape->rank)
            snprintf(number, sizeof number, "%" PRId64, shape->dims[i]);
        int put = snprintf(buffer + length, size - length, "%s%s%s", before, number, after);
        length += (size_t)put;
    }
    return buffer;
}

/* Elements and bytes of a tensor of that shape. Zero-sized dimensions do not hide an overflow of
 * the others: strides would overflow all the same. */
static ln_status measure(ln_dtype dtype, const ln_shape *shape, size_t *bytes, ln_error *err)
{
    char text[256];
    if (shape->rank < 0 || shape->rank > LN_MAX_RANK)
        return ln_fail(err, LN_EINVALID, "%d dimensions: a tensor has at most %d", shape->rank,
                       LN_MAX_RANK);
    int64_t total = (int64_t)dtypes[dtype].bytes;
    bool empty = false, overflow = false;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dims[i] < 0)
            return ln_fail(err, LN_EINVALID, "the shape %s has a negative dimension",
                           ln_shape_text(shape, text, sizeof text));
        if (shape->dims[i] == 0)
            empty = true;
        else if (__builtin_mul_overflow(total, shape->dims[i], &total))
            overflow = true;
    }
    if (overflow)
        return ln_fail(err, LN_EINVALID, "the shape %s has more elements than can be counted",
                       ln_shape_text(shape, text, sizeof text));
    *bytes = empty ? 0 : (size_t)total;
    return LN_OK;
}

/* A record over `storage`, whose reference is taken over when it succeeds. */
static ln_tensor *new_record(ln_dtype dtype, const ln_shape *shape, struct ln_storage *storage,
                             void *data, size_t bytes)
{
    ln_tensor *tensor = ln_alloc(sizeof *tensor);
    if (tensor)
        *tensor = (ln_tensor){.dtype = dtype,
                              .shape = ln_shape_of(shape->rank, shape->dims),
                              .data = data,
                              .bytes = bytes,
                              .storage = storage,
                              .references = 1};
    return tensor;
}

/* Not zeroed. */
static ln_status new_tensor(ln_dtype dtype, const ln_shape *shape, ln_tensor **out, ln_error *err)
{
    *out = NULL;
    size_t bytes;
    ln_status status = measure(dtype, shape, &bytes, err);
    if (status)
        return status;
    struct ln_storage *storage = ln_alloc(sizeof *storage);
    if (!storage)
        return ln_fail_memory(err, sizeof *storage);
    *storage = (struct ln_storage){.data = ln_alloc_aligned(bytes), .references = 1};
    if (storage->data)
        *out = new_record(dtype, shape, storage, storage->data, bytes);
    if (!*out) {
        ln_free_aligned(storage->data);
        ln_free(storage);
        return ln_fail_memory(err, bytes);
    }
    return LN_OK;
}

ln_status ln_tensor_new(ln_dtype dtype, const ln_shape *shape, ln_tensor **out, ln_error *err)
{
    ln_status status = new_tensor(dtype, shape, out, err);
    if (!status)
        memset((*out)->data, 0, (*out)->bytes);
    return status;
}

ln_status ln_tensor_copy_of(ln_dtype dtype, const ln_shape *shape, const void *data,
                            ln_tensor **out, ln_error *err)
{
    ln_status status = new_tensor(dtype, shape, out, err);
    if (!status && (*out)->bytes > 0)
        memcpy((*out)->data, data, (*out)->bytes);
    return status;
}

ln_tensor *ln_tensor_retain(ln_tensor *tensor)
{
    __atomic_add_fetch(&tensor->references, 1, __ATOMIC_RELAXED);
    return tensor;
}

static void forget_form(struct ln_storage *storage)
{
    if (storage->form.packed)
        storage->form.release(storage->form.packed);
    storage->form = (ln_tensor_form){0};
}

void ln_tensor_release(ln_tensor *tensor)
{
    if (!tensor || __atomic_sub_fetch(&tensor->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    if (__atomic_sub_fetch(&tensor->storage->references, 1, __ATOMIC_ACQ_REL) == 0) {
        forget_form(tensor->storage);
        ln_free_aligned(tensor->storage->data);
        ln_free(tensor->storage);
    }
    ln_free(tensor);
}

static bool is_alone(const ln_tensor *tensor)
{
    return __atomic_load_n(&tensor->references, __ATOMIC_ACQUIRE) == 1 &&
           __atomic_load_n(&tensor->storage->references, __ATOMIC_ACQUIRE) == 1;
}

static void free_data(ln_tensor *tensor)
{
    ln_free_aligned(tensor->storage->data);
    tensor->storage->data = tensor->data = NULL;
}

void ln_tensor_drop_data(ln_tensor *tensor)
{
    if (is_alone(tensor))
        free_data(tensor);
}

bool ln_tensor_sleep(ln_tensor *tensor, const ln_tensor_form *form)
{
    if (!tensor->data || !is_alone(tensor))
        return false;
    free_data(tensor);
    tensor->storage->form = *form;
    return true;
}

ln_status ln_tensor_wake(ln_tensor *tensor, ln_error *err)
{
    const ln_tensor_form *form = ln_tensor_asleep(tensor);
    if (!form)
        return LN_OK;
    void *data = ln_alloc_aligned(tensor->bytes);
    ln_status status =
        data ? form->unpack(form->packed, data, err) : ln_fail_memory(err, tensor->bytes);
    if (status) {
        ln_free_aligned(data);
        return status;
    }
    tensor->storage->data = tensor->data = data;
    forget_form(tensor->storage);
    return LN_OK;
}

const ln_tensor_form *ln_tensor_asleep(const ln_tensor *tensor)
{
    return tensor->storage->form.packed ? &tensor->storage->form : NULL;
}

ln_status ln_tensor_shell(const ln_tensor *like, ln_tensor **out, ln_error *err)
{
    struct ln_storage *storage = ln_alloc(sizeof *storage);
    *out = NULL;
    if (!storage)
        return ln_fail_memory(err, sizeof *storage);
    *storage = (struct ln_storage){.references = 1};
    *out = new_record(like->dtype, &like->shape, storage, NULL, like->bytes);
    if (*out)
        return LN_OK;
    ln_free(storage);
    return ln_fail_memory(err, sizeof **out);
}

/* A view of `bytes` bytes from `offset`. */
static ln_status new_view(ln_tensor *tensor, const ln_shape *shape, size_t offset, size_t bytes,
                          ln_tensor **out, ln_error *err)
{
    assert(tensor->data); /* a view would never hear that it woke */
    *out = new_record(tensor->dtype, shape, tensor->storage, (char *)tensor->data + offset, bytes);
    if (!*out)
        return ln_fail_memory(err, sizeof **out);
    __atomic_add_fetch(&tensor->storage->references, 1, __ATOMIC_RELAXED);
    return LN_OK;
}

ln_status ln_tensor_reshape(ln_tensor *tensor, const ln_shape *shape, ln_tensor **out,
                            ln_error *err)
{
    *out = NULL;
    size_t bytes;
    ln_status status = measure(tensor->dtype, shape, &bytes, err);
    if (status)
        return status;
    if (bytes != tensor->bytes) {
        char from[256], to[256];
        return ln_fail(err, LN_EINVALID, "the shape %s has not the number of elements of %s",
                       ln_shape_text(shape, to, sizeof to),
                       ln_shape_text(&tensor->shape, from, sizeof from));
    }
    return new_view(tensor, shape, 0, bytes, out, err);
}

static ln_status need_rows(const ln_tensor *tensor, ln_error *err)
{
    if (tensor->shape.rank == 0)
        return ln_fail(err, LN_EINVALID, "a single number, shape (), has no rows");
    return LN_OK;
}

ln_status ln_tensor_rows(ln_tensor *tensor, int64_t first, int64_t count, ln_tensor **out,
                         ln_error *err)
{
    *out = NULL;
    ln_status status = need_rows(tensor, err);
    if (status)
        return status;
    int64_t rows = tensor->shape.dims[0];
    if (first < 0 || count < 0 || first > rows || count > rows - first)
        return ln_fail(err, LN_EINVALID,
                       "%" PRId64 " rows from row %" PRId64 " on are wanted, there are %" PRId64,
                       count, first, rows);
    ln_shape shape = tensor->shape;
    shape.dims[0] = count;
    size_t row_bytes = rows > 0 ? tensor->bytes / (size_t)rows : 0;
    return new_view(tensor, &shape, (size_t)first * row_bytes, (size_t)count * row_bytes, out, err);
}

ln_status ln_tensor_take(const ln_tensor *tensor, const int64_t *rows, int64_t count,
                         ln_tensor **out, ln_error *err)
{
    *out = NULL;
    ln_status status = need_rows(tensor, err);
    if (status)
        return status;
    int64_t have = tensor->shape.dims[0];
    for (int64_t i = 0; i < count; i++)
        if (rows[i] < 0 || rows[i] >= have)
            return ln_fail(err, LN_EINVALID,
                           "row %" PRId64 " is wanted, there are rows 0 to %" PRId64, rows[i],
                           have - 1);
    ln_shape shape = tensor->shape;
    shape.dims[0] = count;
    status = new_tensor(tensor->dtype, &shape, out, err);
    if (status)
        return status;
    size_t row_bytes = have > 0 ? tensor->bytes / (size_t)have : 0;
    for (int64_t i = 0; i < count && row_bytes > 0; i++)
        memcpy((char *)(*out)->data + (size_t)i * row_bytes,
               (const char *)tensor->data + (size_t)rows[i] * row_bytes, row_bytes);
    return LN_OK;
}

void ln_tensor_sha256(const ln_tensor *tensor, uint8_t digest[LN_SHA256_BYTES])
{
    /* dtype name and NUL, rank, dimensions: 8 little-endian bytes each. */
    uint8_t head[8 + 8 * (LN_MAX_RANK + 1)];
    size_t length = strlen(ln_dtype_name(tensor->dtype)) + 1;
    memcpy(head, ln_dtype_name(tensor->dtype), length);
    for (int i = -1; i < tensor->shape.rank; i++) {
        uint64_t number = (uint64_t)(i < 0 ? tensor->shape.rank : tensor->shape.dims[i]);
        for (int byte = 0; byte < 8; byte++)
            head[length++] = (uint8_t)(number >> (8 * byte));
    }
    assert(tensor->data);
    ln_sha256_pair(head, length, tensor->data, tensor->bytes, digest);
}
