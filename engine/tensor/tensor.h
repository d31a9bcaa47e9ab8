/* Typed tensors: contiguous, row-major, rank 0 to 8, counted references. A view shares its
 * storage with (and retains) the tensor it was made from. Data are 64-aligned. */
#ifndef LN_TENSOR_H
#define LN_TENSOR_H

#include <assert.h>

#include "base/hash.h"
#include "lunette.h"

#define LN_MAX_RANK 8

typedef enum ln_dtype { LN_F32, LN_F64, LN_I64, LN_I32, LN_U8, LN_BOOL } ln_dtype;

typedef struct ln_shape {
    int rank;
    int64_t dims[LN_MAX_RANK]; /* >= 0; in a graph's values -1 is the batch, bound by a plan */
} ln_shape;

struct ln_tensor {
    ln_dtype dtype;
    ln_shape shape;
    void *data;
    size_t bytes;               /* of data */
    struct ln_storage *storage; /* counted; shared by views */
    int references;             /* changed atomically */
};

/* Zeroed. LN_ENOMEM; LN_EINVALID when the element count overflows. Caller releases. */
ln_status ln_tensor_new(ln_dtype dtype, const ln_shape *shape, ln_tensor **out, ln_error *err);
ln_status ln_tensor_copy_of(ln_dtype dtype, const ln_shape *shape, const void *data,
                            ln_tensor **out, ln_error *err);
ln_tensor *ln_tensor_retain(ln_tensor *tensor); /* returns it */
void ln_tensor_release(ln_tensor *tensor);      /* NULL is fine */
/* Gives back the memory of a tensor that nobody else holds or views: `data` is NULL then. Of others nothing
 * changes. */
void ln_tensor_drop_data(ln_tensor *tensor);

/* What the numbers of a tensor can be made of again: weights that kernels have packed, say. */
typedef struct ln_tensor_form {
    void *packed; /* one reference */
    ln_status (*unpack)(const void *packed, void *data, ln_error *err);
    void (*release)(void *packed);
} ln_tensor_form;

/* A tensor asleep has no numbers (`data` is NULL), but a form. It is put to sleep only if nobody else holds or views
 * it; then the form is the tensor's (true), else still the caller's. Whoever may meet one wakes it before
 * it reads: the form is let go then. One thread at a time, and no reader beside it. */
bool ln_tensor_sleep(ln_tensor *tensor, const ln_tensor_form *form);
ln_status ln_tensor_wake(ln_tensor *tensor,
                         ln_error *err); /* LN_ENOMEM; nothing to do where it is awake */
const ln_tensor_form *ln_tensor_asleep(const ln_tensor *tensor); /* its form, or NULL: awake */
/* Dtype and shape of another without numbers, as ln_tensor_drop_data leaves it. Caller releases. */
ln_status ln_tensor_shell(const ln_tensor *like, ln_tensor **out, ln_error *err);

/* Views: the same storage. */
ln_status ln_tensor_reshape(ln_tensor *tensor, const ln_shape *shape, ln_tensor **out,
                            ln_error *err);
ln_status ln_tensor_rows(ln_tensor *tensor, int64_t first, int64_t count, ln_tensor **out,
                         ln_error *err);
/* Copies: chosen rows (row ids are checked), another dtype (values that do not fit: LN_EINVALID).
 * Conversion to the dtype it has already returns a retained reference. */
ln_status ln_tensor_take(const ln_tensor *tensor, const int64_t *rows, int64_t count,
                         ln_tensor **out, ln_error *err);
ln_status ln_tensor_convert(ln_tensor *tensor, ln_dtype dtype, ln_tensor **out, ln_error *err);

int64_t ln_shape_count(const ln_shape *shape); /* number of elements */
int64_t ln_shape_row(const ln_shape *shape);   /* elements of one row (dims 1..) */
bool ln_shape_equal(const ln_shape *a, const ln_shape *b);
ln_shape ln_shape_of(int rank, const int64_t *dims);
/* "(32, 1, 28, 28)", with "N" for -1; returns buffer. */
const char *ln_shape_text(const ln_shape *shape, char *buffer, size_t size);
size_t ln_dtype_size(ln_dtype dtype);
const char *ln_dtype_name(ln_dtype dtype); /* "f32", as in the store */
bool ln_dtype_parse(const char *name, ln_dtype *out);

static inline float *ln_f32(const ln_tensor *tensor)
{
    assert(tensor->data); /* nobody reads one that is asleep */
    return (float *)tensor->data;
}
static inline double *ln_f64(const ln_tensor *tensor)
{
    return (double *)tensor->data;
}
static inline int64_t *ln_i64(const ln_tensor *tensor)
{
    return (int64_t *)tensor->data;
}

/* Over dtype, shape and data: what the store calls the tensor's sha256. */
void ln_tensor_sha256(const ln_tensor *tensor, uint8_t digest[LN_SHA256_BYTES]);

#endif
