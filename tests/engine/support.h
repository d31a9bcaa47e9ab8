/* What the cmocka programs share: a temporary folder, tensors from literals, comparison of arrays
 * that names the first element that is off, and a sweep of failing allocations.
 *
 * Failures end the running test through cmocka's fail_msg; nothing here returns an error. */
#ifndef LN_TESTS_SUPPORT_H
#define LN_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/error.h"
#include "lunette.h"
#include "tensor/tensor.h"

/* A folder of its own for this program, made at the first call and removed with all in it when the
 * program ends. */
const char *test_folder(void);
/* Its path joined with `name`; good until the eighth call after this one. */
const char *test_path(const char *name);
/* A file of the tests, "reference/npy/x.npy": found from the top of the repository. */
const char *test_file(const char *name);

void test_write(const char *path, const void *data, size_t bytes);

/* Fails the test with the error's message unless status is LN_OK. */
#define assert_ok(call) assert_status_at((call), LN_OK, &err, #call, __FILE__, __LINE__)
/* `ln_error err` must be in sight for both. The message must hold `part` (NULL: any). */
#define assert_fails(call, wanted, part)                                                           \
    do {                                                                                           \
        assert_status_at((call), (wanted), &err, #call, __FILE__, __LINE__);                       \
        assert_message_at(&err, (part), __FILE__, __LINE__);                                       \
    } while (0)
void assert_status_at(ln_status got, ln_status wanted, const ln_error *err, const char *call,
                      const char *file, int line);
void assert_message_at(const ln_error *err, const char *part, const char *file, int line);

/* Tensors. TEST_SHAPE(2, 3) is an ln_shape; TEST_SCALAR has no dimensions. */
#define TEST_SHAPE(...)                                                                            \
    ln_shape_of((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),                         \
                (const int64_t[]){__VA_ARGS__})
#define TEST_SCALAR ((ln_shape){0})
/* tensor_f32(TEST_SHAPE(2, 2), (float[]){1, 2, 3, 4}); the caller releases. */
ln_tensor *tensor_f32(ln_shape shape, const float *values);
ln_tensor *tensor_f64(ln_shape shape, const double *values);
ln_tensor *tensor_i64(ln_shape shape, const int64_t *values);
ln_tensor *tensor_zero(ln_dtype dtype, ln_shape shape);
/* Standard normal numbers of a fixed stream, the same on every run. */
ln_tensor *tensor_random(ln_shape shape, uint64_t seed);
/* The same of a stream by its name, 64-aligned: the caller's, for ln_free_aligned. */
float *random_floats(int64_t count, const char *stream, uint64_t seed);

/* |got - wanted| <= atol + rtol * |wanted|, NaN equal to NaN; names the first element off. */
#define assert_near_f32(got, wanted, count, atol, rtol)                                            \
    assert_near_f32_at((got), (wanted), (count), (atol), (rtol), __FILE__, __LINE__)
#define assert_near_f64(got, wanted, count, atol, rtol)                                            \
    assert_near_f64_at((got), (wanted), (count), (atol), (rtol), __FILE__, __LINE__)
void assert_near_f32_at(const float *got, const float *wanted, size_t count, double atol,
                        double rtol, const char *file, int line);
void assert_near_f64_at(const double *got, const double *wanted, size_t count, double atol,
                        double rtol, const char *file, int line);
/* Same bits. */
#define assert_same_bits(got, wanted, bytes)                                                       \
    assert_same_bits_at((got), (wanted), (bytes), __FILE__, __LINE__)
void assert_same_bits_at(const void *got, const void *wanted, size_t bytes, const char *file,
                         int line);
/* Same dtype, shape and bits. */
#define assert_same_tensor(got, wanted) assert_same_tensor_at((got), (wanted), __FILE__, __LINE__)
void assert_same_tensor_at(const ln_tensor *got, const ln_tensor *wanted, const char *file,
                           int line);

/* Calls `run` with its first, second, ... allocation failing until none fails any more, once with
 * that one failing alone and once with all after it too. Every failing call must return LN_ENOMEM
 * with a message and leave the memory account as it was. `run` releases all it made. */
typedef ln_status (*test_run_fn)(void *context, ln_error *err);
void sweep_allocation_failures(test_run_fn run, void *context);

#endif
