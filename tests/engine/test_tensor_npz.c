/* .npz archives that NumPy wrote (tests/reference/base/npz.py), and damaged ones. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/rng.h"
#include "tensor/npz.h"

static const char *reference(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "reference/base/npz/%s.npz", name);
    return test_file(path);
}

static void arrays_are_read_by_name(void **state)
{
    (void)state;
    static const char *const archives[] = {"stored", "deflated"};
    static const float wanted[] = {0, 0.25f, 0.5f, 0.75f, 1, 1.25f};
    ln_error err;
    for (int i = 0; i < 2; i++) {
        ln_tensor *x, *y;
        uint8_t sha256[LN_SHA256_BYTES];
        ln_file file;
        const ln_shape shape = TEST_SHAPE(2, 3);
        assert_ok(ln_npz_read(reference(archives[i]), "x", &x, sha256, &err));
        assert_int_equal(x->dtype, LN_F32);
        assert_true(ln_shape_equal(&x->shape, &shape));
        assert_memory_equal(x->data, wanted, sizeof wanted);
        assert_ok(ln_file_read(reference(archives[i]), &file, &err));
        assert_memory_equal(sha256, file.sha256, sizeof sha256); /* of the archive */
        ln_file_free(&file);
        assert_ok(ln_npz_read(reference(archives[i]), "y", &y, NULL, &err));
        assert_memory_equal(y->data, ((int64_t[]){1, 0}), 2 * sizeof(int64_t));
        ln_tensor_release(x);
        ln_tensor_release(y);
    }
    ln_tensor *zeros; /* larger than the first buffer */
    assert_ok(ln_npz_read(reference("deflated"), "zeros", &zeros, NULL, &err));
    assert_int_equal(zeros->bytes, 100000);
    ln_tensor_release(zeros);
}

static void one_array_needs_no_name(void **state)
{
    (void)state;
    ln_error err;
    ln_tensor *x;
    assert_ok(ln_npz_read(reference("single"), NULL, &x, NULL, &err));
    assert_int_equal(ln_shape_count(&x->shape), 6);
    ln_tensor_release(x);
    assert_ok(ln_npz_read(reference("single"), "arr_0", &x, NULL, &err));
    ln_tensor_release(x);
    assert_fails(ln_npz_read(reference("stored"), NULL, &x, NULL, &err), LN_EINVALID,
                 "holds 2 arrays; say which one with `key`: x, y");
    assert_string_equal(err.field, "key");
    assert_fails(ln_npz_read(reference("deflated"), "X", &x, NULL, &err), LN_EINVALID,
                 "has no array 'X'; it has x, y, zeros");
    assert_string_equal(err.field, "key");
    assert_null(x);
}

static void what_is_no_array_is_refused(void **state)
{
    (void)state;
    ln_error err;
    ln_tensor *x;
    assert_fails(ln_npz_read(reference("other"), NULL, &x, NULL, &err), LN_EINVALID,
                 "holds no arrays (entries that end in .npy)");
    assert_fails(ln_npz_read(reference("objects"), "x", &x, NULL, &err), LN_EUNSUPPORTED, NULL);
    assert_fails(ln_npz_parse("t.npz", "no archive", 10, NULL, &x, &err), LN_EINVALID,
                 "t.npz is no .npz file, or a damaged one");
    assert_fails(ln_npz_parse("t.npz", "", 0, NULL, &x, &err), LN_EINVALID, "holds no arrays");
    assert_fails(ln_npz_read(test_path("absent.npz"), NULL, &x, NULL, &err), LN_EFILE,
                 "does not exist");
}

/* Cut off anywhere, or with any byte changed: an answer or a message, never more. */
static void damaged_archives_are_survived(void **state)
{
    (void)state;
    static const char *const archives[] = {"stored", "deflated"};
    ln_error err;
    ln_rng rng = ln_rng_make(1, "damage", 0, 0);
    int refused = 0;
    for (int a = 0; a < 2; a++) {
        ln_file file;
        ln_tensor *x;
        assert_ok(ln_file_read(reference(archives[a]), &file, &err));
        for (size_t bytes = 0; bytes < file.bytes; bytes++)
            assert_fails(ln_npz_parse("t.npz", file.data, bytes, "x", &x, &err), LN_EINVALID, NULL);
        for (int i = 0; i < 3000; i++) {
            const size_t at = ln_rng_below(&rng, file.bytes);
            const char was = file.data[at];
            file.data[at] = (char)ln_rng_below(&rng, 256);
            err = (ln_error){0};
            if (ln_npz_parse("t.npz", file.data, file.bytes, "x", &x, &err) == LN_OK) {
                ln_tensor_release(x);
            } else {
                assert_null(x);
                assert_true(err.message[0] != '\0');
                refused++;
            }
            file.data[at] = was;
        }
        ln_file_free(&file);
    }
    assert_true(refused > 1000); /* checksums see it */
}

static ln_status read_deflated(void *context, ln_error *err)
{
    const ln_file *file = context;
    ln_tensor *x;
    ln_status status = ln_npz_parse("t.npz", file->data, file->bytes, "zeros", &x, err);
    ln_tensor_release(x);
    return status;
}

static void failing_allocations_are_survived(void **state)
{
    (void)state;
    ln_error err;
    ln_file file;
    assert_ok(ln_file_read(reference("deflated"), &file, &err));
    sweep_allocation_failures(read_deflated, &file);
    ln_file_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_are_read_by_name),
        cmocka_unit_test(one_array_needs_no_name),
        cmocka_unit_test(what_is_no_array_is_refused),
        cmocka_unit_test(damaged_archives_are_survived),
        cmocka_unit_test(failing_allocations_are_survived),
    };
    return cmocka_run_group_tests_name("tensor", tests, NULL, NULL);
}
