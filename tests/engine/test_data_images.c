/* Data sets that are no tables: folders of images and arrays from files. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "data/images.h"
#include "tensor/npy.h"

static const ln_images_options plain = {.mean = {0, 0, 0}, .deviation = {1, 1, 1}};

/* A file of the reference images under another name. */
static void place(const char *name, const char *to)
{
    ln_error err;
    ln_file file;
    char from[96];
    snprintf(from, sizeof from, "reference/image/%s", name);
    assert_ok(ln_file_read(test_file(from), &file, &err));
    char folder[512];
    snprintf(folder, sizeof folder, "%s", test_path(to));
    *strrchr(folder, '/') = '\0';
    assert_ok(ln_folder_make(folder, &err));
    test_write(test_path(to), file.data, file.bytes);
    ln_file_free(&file);
}

/* pets/: two cats (one in a folder of its own), three dogs, and what is passed over. */
static void make_pets(void)
{
    place("rgb.png", "pets/cat/b.png");
    place("photo.jpg", "pets/cat/a/z.JPG");
    place("grey.png", "pets/dog/2.png");
    place("rgba.png", "pets/dog/10.png");
    place("cmyk.jpg", "pets/dog/3.jpeg");
    test_write(test_path("pets/dog/notes.txt"), "x", 1);
    place("rgb.png", "pets/dog/.hidden.png");
    place("rgb.png", "pets/.git/a.png");
    test_write(test_path("pets/README"), "x", 1);
}

static ln_images_options pets(void)
{
    ln_images_options options = plain;
    options.path = test_path("pets");
    return options;
}

static void folders_are_classes_and_files_rows(void **state)
{
    (void)state;
    static const char *const order[] = {"cat/a/z.JPG", "cat/b.png", "dog/10.png", "dog/2.png",
                                        "dog/3.jpeg"};
    static const int32_t labels[] = {0, 0, 1, 1, 1};
    ln_error err;
    ln_dataset *data;
    const ln_images_options options = pets();
    const ln_shape shape = TEST_SHAPE(5, 3, 13, 10);
    assert_ok(ln_images_read(&options, NULL, &data, &err));
    assert_string_equal(data->name, "pets");
    assert_int_equal(data->rows, 5);
    assert_int_equal(data->class_count, 2);
    assert_string_equal(data->classes[0], "cat");
    assert_true(ln_shape_equal(&data->array->shape, &shape));
    for (int i = 0; i < 5; i++) {
        assert_string_equal(data->files[i], order[i]);
        assert_int_equal(data->labels[i], labels[i]);
    }
    char *json;
    assert_ok(ln_dataset_row_json(data, 1, &json, &err));
    assert_string_equal(json, "{\"file\": \"cat/b.png\"}");
    ln_free(json);
    ln_dataset_release(data);
}

/* Channels one after the other, (v / 255 - mean) / deviation of each. */
static void pixels_are_planes_and_normalised(void **state)
{
    (void)state;
    ln_error err;
    ln_dataset *data;
    ln_tensor *wanted, *x;
    ln_images_options options = pets();
    const int64_t rows[] = {3, 1};
    options.mean[0] = 0.485, options.mean[1] = 0.456, options.mean[2] = 0.406;
    options.deviation[0] = 0.229, options.deviation[1] = 0.224, options.deviation[2] = 0.225;
    assert_ok(ln_npy_read(test_file("reference/image/rgb.rgb.npy"), &wanted, NULL, &err));
    assert_ok(ln_images_read(&options, NULL, &data, &err));
    assert_ok(ln_dataset_gather(data, rows, 2, &x, &err));
    assert_int_equal(x->shape.dims[1], 390);
    for (int c = 0; c < 3; c++) {
        for (int i = 0; i < 130; i++) {
            const int v = ((const uint8_t *)wanted->data)[3 * i + c];
            const double number = (v / 255.0 - options.mean[c]) / options.deviation[c];
            assert_true(fabs(ln_f32(x)[390 + 130 * c + i] - number) < 1e-6);
        }
    }
    ln_tensor_release(x);
    ln_tensor_release(wanted);
    ln_dataset_release(data);
}

static void grey_and_resize_apply_to_every_image(void **state)
{
    (void)state;
    ln_error err;
    ln_dataset *data;
    ln_images_options options = pets();
    const ln_shape shape = TEST_SHAPE(5, 1, 6, 8);
    options.grey = true;
    options.height = 6;
    options.width = 8;
    assert_ok(ln_images_read(&options, NULL, &data, &err));
    assert_true(ln_shape_equal(&data->array->shape, &shape));
    ln_dataset_release(data);
}

static void the_order_of_classes_may_be_given(void **state)
{
    (void)state;
    static const char *const listed[] = {"dog", "cat", "fox", NULL}, *const few[] = {"cat", NULL};
    ln_error err = {0};
    ln_dataset *data;
    ln_images_options options = pets();
    options.classes = listed;
    assert_ok(ln_images_read(&options, NULL, &data, &err));
    assert_int_equal(data->class_count, 3);
    assert_int_equal(data->labels[0], 1); /* rows stay in the order of the files */
    ln_dataset_release(data);
    options.classes = few;
    assert_fails(ln_images_read(&options, NULL, &data, &err), LN_EINVALID,
                 "the folder 'dog' is not one of the classes (cat)");
    options.classes = NULL;
    options.positive = "cat";
    assert_ok(ln_images_read(&options, NULL, &data, &err));
    assert_string_equal(data->classes[1], "cat");
    assert_int_equal(data->labels[0], 1);
    ln_dataset_release(data);
    options.positive = "dgo";
    assert_fails(ln_images_read(&options, NULL, &data, &err), LN_EINVALID,
                 "there is no folder 'dgo'; there are cat, dog");
}

static void a_second_folder_is_the_test_part(void **state)
{
    (void)state;
    ln_error err;
    ln_dataset *data;
    ln_images_options options = pets();
    ln_split_options split = {.validation = 0.4, .stratify = true};
    place("deep.png", "later/dog/x.png");
    options.test = test_path("later");
    assert_ok(ln_images_read(&options, NULL, &data, &err));
    assert_int_equal(data->rows, 6);
    assert_ok(ln_dataset_split(data, &split, &err));
    int parts[3] = {0};
    for (int i = 0; i < 6; i++)
        parts[data->split[i]]++;
    assert_int_equal(data->split[5], LN_SPLIT_TEST);
    assert_int_equal(parts[LN_SPLIT_TEST], 1);
    assert_int_equal(parts[LN_SPLIT_VALIDATION], 2); /* 0.4 of the five others */
    split.validation = 0;
    assert_ok(ln_dataset_split(data, &split, &err));
    assert_int_equal(data->split[0], LN_SPLIT_TRAIN);
    ln_dataset_release(data);
}

/* Bits, order and identity, whatever the threads; one byte of one file changes the identity. */
static void threads_change_nothing_and_every_byte_counts(void **state)
{
    (void)state;
    ln_error err;
    ln_dataset *one, *two, *other;
    ln_pool *pool;
    ln_images_options options = pets();
    char path[64];
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "many/%c/%03d.png", "xyz"[i % 3], i);
        place(i % 2 ? "rgb.png" : "interlaced.png", path);
    }
    options.path = test_path("many");
    assert_ok(ln_images_read(&options, NULL, &one, &err));
    assert_ok(ln_pool_new(5, &pool, &err));
    assert_ok(ln_images_read(&options, pool, &two, &err));
    ln_pool_free(pool);
    assert_same_tensor(one->array, two->array);
    assert_memory_equal(one->sha256, two->sha256, LN_SHA256_BYTES);
    place("rgba.png", "many/x/099.png"); /* the same colours, other bytes */
    assert_ok(ln_images_read(&options, NULL, &other, &err));
    assert_same_tensor(one->array, other->array);
    assert_memory_not_equal(one->sha256, other->sha256, LN_SHA256_BYTES);
    ln_dataset_release(one);
    ln_dataset_release(two);
    ln_dataset_release(other);
}

static void what_is_wrong_names_the_file(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_dataset *data = NULL;
    ln_images_options options = plain;
    options.path = test_path("nowhere");
    assert_fails(ln_images_read(&options, NULL, &data, &err), LN_EFILE, "does not exist");
    options.path = test_path("pets/README");
    assert_fails(ln_images_read(&options, NULL, &data, &err), LN_EFILE, "is a file");
    options.path = test_path("pets/dog");
    assert_fails(ln_images_read(&options, NULL, &data, &err), LN_EINVALID,
                 "holds images, but no folders");
    assert_ok(ln_folder_make(test_path("odd/empty"), &err));
    place("rgb.png", "odd/a/1.png");
    options.path = test_path("odd");
    assert_fails(ln_images_read(&options, NULL, &data, &err), LN_EINVALID,
                 "odd/empty' holds no PNG or JPEG images");
    test_write(test_path("odd/empty/7.png"), "hello", 5);
    assert_fails(ln_images_read(&options, NULL, &data, &err), LN_EINVALID,
                 "odd/empty/7.png is neither a PNG nor a JPEG image");
    place("rgb.5x4.npy", "odd/empty/7.png");
    assert_fails(ln_images_read(&options, NULL, &data, &err), LN_EINVALID, "neither");
    assert_ok(ln_folder_make(test_path("odd/empty/8.png"), &err)); /* a folder named so */
    assert_int_equal(unlink(test_path("odd/empty/7.png")), 0);
    assert_fails(ln_images_read(&options, NULL, &data, &err), LN_EINVALID, "holds no PNG");
    assert_null(data);
}

static void sizes_that_differ_need_resize(void **state)
{
    (void)state;
    static const uint8_t dot[] = {0x89, 'P', 'N', 'G',  13,   10,   26,   10,   0,    0, 0, 13,
                                  'I',  'H', 'D', 'R',  0,    0,    0,    1,    0,    0, 0, 1,
                                  8,    0,   0,   0,    0,    0x3A, 0x7E, 0x9B, 0x55, 0, 0, 0,
                                  10,   'I', 'D', 'A',  'T',  0x78, 0x9C, 0x63, 0x60, 0, 0, 0,
                                  2,    0,   1,   0x48, 0xAF, 0xA4, 0x71, 0,    0,    0, 0, 'I',
                                  'E',  'N', 'D', 0xAE, 0x42, 0x60, 0x82};
    ln_error err = {0};
    ln_dataset *data;
    ln_images_options options = plain;
    place("rgb.png", "sizes/a/1.png");
    test_write(test_path("sizes/a/2.png"), dot, sizeof dot);
    options.path = test_path("sizes");
    assert_fails(ln_images_read(&options, NULL, &data, &err), LN_EINVALID,
                 "a/2.png is 1 x 1 (height x width), and ");
    assert_non_null(strstr(err.hint, "resize = { 13, 10 }"));
    assert_string_equal(err.field, "resize");
    options.height = options.width = 4;
    assert_ok(ln_images_read(&options, NULL, &data, &err));
    ln_dataset_release(data);
}

static ln_status read_pets(void *context, ln_error *err)
{
    ln_dataset *data;
    ln_status status = ln_images_read(context, NULL, &data, err);
    ln_dataset_release(data);
    return status;
}

static void failing_allocations_are_survived(void **state)
{
    (void)state;
    ln_images_options options = pets();
    options.positive = "cat";
    options.height = options.width = 5;
    sweep_allocation_failures(read_pets, &options);
}

/* ---------------------------------------------------------------- arrays */

static ln_arrays_options two_parts(void)
{
    static const uint8_t bytes[] = {0, 51, 102, 255, 1, 2};
    ln_error err;
    ln_arrays_options options = {
        .name = "x", .path = "/x", .scale = {1.0 / 255, 1.0 / 255}, .task = -1};
    const ln_shape two = TEST_SHAPE(2, 2), one = TEST_SHAPE(1, 2);
    assert_ok(ln_tensor_copy_of(LN_U8, &two, bytes, &options.inputs[0], &err));
    assert_ok(ln_tensor_copy_of(LN_U8, &one, bytes + 4, &options.inputs[1], &err));
    options.labels[0] = tensor_i64(TEST_SHAPE(2), (const int64_t[]){3, 0});
    options.labels[1] = tensor_i64(TEST_SHAPE(1, 1), (const int64_t[]){1});
    return options;
}

static void release_parts(ln_arrays_options *options)
{
    for (int p = 0; p < 2; p++) {
        ln_tensor_release(options->inputs[p]);
        ln_tensor_release(options->labels[p]);
    }
}

static void arrays_keep_bytes_and_labels_are_ids(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c", "d", "e", NULL};
    ln_error err;
    ln_dataset *data;
    ln_tensor *x;
    ln_arrays_options options = two_parts();
    const int64_t rows[] = {2, 0, 1};
    const float wanted[] = {(float)(1 / 255.0), (float)(2 / 255.0), 0, 0.2f, 0.4f, 1};
    options.row = TEST_SHAPE(1, 1, 2);
    assert_ok(ln_arrays_dataset(&options, &data, &err));
    assert_int_equal(data->array->dtype, LN_U8);
    assert_int_equal(data->array->shape.rank, 4);
    assert_int_equal(data->class_count, 4); /* 0 to 3, whichever occur */
    assert_string_equal(data->classes[3], "3");
    assert_int_equal(data->labels[2], 1);
    assert_int_equal(data->given[1], LN_SPLIT_TRAIN);
    assert_int_equal(data->given[2], LN_SPLIT_TEST);
    assert_ok(ln_dataset_gather(data, rows, 3, &x, &err));
    assert_near_f32(ln_f32(x), wanted, 6, 1e-9, 1e-7);
    ln_tensor_release(x);
    ln_dataset_release(data);
    options.classes = names;
    assert_ok(ln_arrays_dataset(&options, &data, &err));
    assert_int_equal(data->class_count, 5);
    assert_string_equal(data->classes[4], "e");
    ln_dataset_release(data);
    options.task = 1;
    options.classes = NULL;
    assert_ok(ln_arrays_dataset(&options, &data, &err));
    assert_true(!data->classification && data->numbers[0] == 3);
    ln_dataset_release(data);
    release_parts(&options);
}

static void arrays_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", NULL};
    ln_error err = {0};
    ln_dataset *data;
    ln_arrays_options options = two_parts();
    options.row = TEST_SHAPE(3);
    assert_fails(ln_arrays_dataset(&options, &data, &err), LN_EINVALID,
                 "a row of shape (3,) has 3 numbers, and a row of the inputs 2");
    options.row.rank = 0;
    options.classes = names;
    assert_fails(ln_arrays_dataset(&options, &data, &err), LN_EINVALID,
                 "row 0 has label 3; labels are classes from 0, and fewer are listed");
    options.classes = NULL;
    ln_i64(options.labels[0])[1] = -1;
    assert_fails(ln_arrays_dataset(&options, &data, &err), LN_EINVALID, "row 1 has label -1");
    ln_tensor *labels = options.labels[0];
    options.labels[0] = options.labels[1];
    assert_fails(ln_arrays_dataset(&options, &data, &err), LN_EINVALID,
                 "expected one label a row, 2, found labels of shape (1, 1)");
    options.labels[0] = labels;
    ln_tensor_release(options.inputs[1]);
    options.inputs[1] = tensor_f32(TEST_SHAPE(1, 3), (const float[]){1, 2, 3});
    assert_fails(ln_arrays_dataset(&options, &data, &err), LN_EINVALID,
                 "the test inputs have shape (1, 3), the others (2, 2)");
    release_parts(&options);
}

static ln_status make_arrays(void *context, ln_error *err)
{
    ln_dataset *data;
    ln_status status = ln_arrays_dataset(context, &data, err);
    ln_dataset_release(data);
    return status;
}

static void arrays_survive_failing_allocations(void **state)
{
    (void)state;
    ln_arrays_options options = two_parts();
    sweep_allocation_failures(make_arrays, &options);
    options.scale[1] = 2; /* floats */
    sweep_allocation_failures(make_arrays, &options);
    release_parts(&options);
}

int main(void)
{
    make_pets();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_are_classes_and_files_rows),
        cmocka_unit_test(pixels_are_planes_and_normalised),
        cmocka_unit_test(grey_and_resize_apply_to_every_image),
        cmocka_unit_test(the_order_of_classes_may_be_given),
        cmocka_unit_test(a_second_folder_is_the_test_part),
        cmocka_unit_test(threads_change_nothing_and_every_byte_counts),
        cmocka_unit_test(what_is_wrong_names_the_file),
        cmocka_unit_test(sizes_that_differ_need_resize),
        cmocka_unit_test(failing_allocations_are_survived),
        cmocka_unit_test(arrays_keep_bytes_and_labels_are_ids),
        cmocka_unit_test(arrays_that_do_not_fit_are_refused),
        cmocka_unit_test(arrays_survive_failing_allocations),
    };
    return cmocka_run_group_tests_name("data", tests, NULL, NULL);
}
