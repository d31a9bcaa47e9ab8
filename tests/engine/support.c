/* Helpers of the cmocka programs; support.h says what each does. */
#include "support.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"

static char folder[64];

static int remove_entry(const char *path, const struct stat *about, int kind, struct FTW *place)
{
    (void)about;
    (void)kind;
    (void)place;
    return remove(path);
}

static void remove_folder(void)
{
    nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

const char *test_folder(void)
{
    if (!folder[0]) {
        const char *base = getenv("TMPDIR");
        if (!base || strlen(base) > 40)
            base = P_tmpdir;
        snprintf(folder, sizeof folder, "%s/lunette-XXXXXX", base);
        if (!mkdtemp(folder))
            fail_msg("no temporary folder below %s", base);
        atexit(remove_folder);
    }
    return folder;
}

/* One of eight buffers in turn. */
static const char *joined(const char *base, const char *name)
{
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", base, name);
    return path;
}

const char *test_path(const char *name)
{
    return joined(test_folder(), name);
}

const char *test_file(const char *name)
{
    const char *path = joined("tests", name);
    if (access(path, R_OK) != 0)
        fail_msg("%s is missing: run the tests from the top of the repository", path);
    return path;
}

void test_write(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, bytes, file) != bytes || fclose(file) != 0)
        fail_msg("%s cannot be written", path);
}

void assert_status_at(ln_status got, ln_status wanted, const ln_error *err, const char *call,
                      const char *file, int line)
{
    if (got == wanted)
        return;
    print_error("%s returned %d, not %d%s%s\n", call, got, wanted, got ? ": " : "",
                got ? err->message : "");
    _fail(file, line);
}

void assert_message_at(const ln_error *err, const char *part, const char *file, int line)
{
    if (err->message[0] && (!part || strstr(err->message, part)))
        return;
    print_error("the message is \"%s\", without \"%s\"\n", err->message, part ? part : "");
    _fail(file, line);
}

static ln_tensor *tensor_of(ln_dtype dtype, ln_shape shape, const void *values)
{
    ln_error err;
    ln_tensor *tensor;
    if (values)
        assert_ok(ln_tensor_copy_of(dtype, &shape, values, &tensor, &err));
    else
        assert_ok(ln_tensor_new(dtype, &shape, &tensor, &err));
    return tensor;
}

ln_tensor *tensor_f32(ln_shape shape, const float *values)
{
    return tensor_of(LN_F32, shape, values);
}

ln_tensor *tensor_f64(ln_shape shape, const double *values)
{
    return tensor_of(LN_F64, shape, values);
}

ln_tensor *tensor_i64(ln_shape shape, const int64_t *values)
{
    return tensor_of(LN_I64, shape, values);
}

ln_tensor *tensor_zero(ln_dtype dtype, ln_shape shape)
{
    return tensor_of(dtype, shape, NULL);
}

ln_tensor *tensor_random(ln_shape shape, uint64_t seed)
{
    ln_tensor *tensor = tensor_zero(LN_F32, shape);
    ln_rng rng = ln_rng_make(seed, "test", 0, 0);
    for (int64_t i = 0; i < ln_shape_count(&shape); i++)
        ln_f32(tensor)[i] = (float)ln_rng_normal(&rng);
    return tensor;
}

float *random_floats(int64_t count, const char *stream, uint64_t seed)
{
    float *out = ln_alloc_aligned((size_t)count * sizeof *out);
    ln_rng rng = ln_rng_make(seed, stream, 0, 0);
    assert_non_null(out);
    for (int64_t i = 0; i < count; i++)
        out[i] = (float)ln_rng_normal(&rng);
    return out;
}

static bool near(double got, double wanted, double atol, double rtol)
{
    if (isnan(wanted) || isnan(got))
        return isnan(wanted) && isnan(got);
    if (got == wanted)
        return true; /* infinities too */
    return fabs(got - wanted) <= atol + rtol * fabs(wanted);
}

static void report_far(size_t at, size_t count, double got, double wanted, const char *file,
                       int line)
{
    print_error("element %zu of %zu is %.9g, not %.9g (off by %.3g)\n", at, count, got, wanted,
                got - wanted);
    _fail(file, line);
}

void assert_near_f32_at(const float *got, const float *wanted, size_t count, double atol,
                        double rtol, const char *file, int line)
{
    for (size_t i = 0; i < count; i++)
        if (!near((double)got[i], (double)wanted[i], atol, rtol))
            report_far(i, count, (double)got[i], (double)wanted[i], file, line);
}

void assert_near_f64_at(const double *got, const double *wanted, size_t count, double atol,
                        double rtol, const char *file, int line)
{
    for (size_t i = 0; i < count; i++)
        if (!near(got[i], wanted[i], atol, rtol))
            report_far(i, count, got[i], wanted[i], file, line);
}

void assert_same_bits_at(const void *got, const void *wanted, size_t bytes, const char *file,
                         int line)
{
    const unsigned char *a = got, *b = wanted;
    for (size_t i = 0; i < bytes; i++)
        if (a[i] != b[i]) {
            print_error("byte %zu of %zu is 0x%02x, not 0x%02x\n", i, bytes, a[i], b[i]);
            _fail(file, line);
        }
}

void assert_same_tensor_at(const ln_tensor *got, const ln_tensor *wanted, const char *file,
                           int line)
{
    char a[128], b[128];
    if (got->dtype != wanted->dtype || !ln_shape_equal(&got->shape, &wanted->shape)) {
        print_error("%s %s, not %s %s\n", ln_dtype_name(got->dtype),
                    ln_shape_text(&got->shape, a, sizeof a), ln_dtype_name(wanted->dtype),
                    ln_shape_text(&wanted->shape, b, sizeof b));
        _fail(file, line);
    }
    assert_same_bits_at(got->data, wanted->data, wanted->bytes, file, line);
}

void sweep_allocation_failures(test_run_fn run, void *context)
{
    ln_error err;
    size_t before = ln_memory_used();
    ln_memory_fail_at(0, true); /* restarts the count */
    assert_ok(run(context, &err));
    size_t allocations = ln_memory_fail_at(0, true);
    assert_int_equal(ln_memory_used(), before);
    assert_true(allocations > 0);

    for (int once = 0; once < 2; once++)
        for (size_t nth = 1; nth <= allocations; nth++) {
            err = (ln_error){0};
            ln_memory_fail_at(nth, once);
            ln_status status = run(context, &err);
            ln_memory_fail_at(0, true);
            if (status != LN_ENOMEM || !err.message[0])
                fail_msg("allocation %zu of %zu failed and the call returned %d (\"%s\")", nth,
                         allocations, status, err.message);
            if (ln_memory_used() != before)
                fail_msg("allocation %zu of %zu failed and %zd bytes were left", nth, allocations,
                         (ssize_t)(ln_memory_used() - before));
        }
}
