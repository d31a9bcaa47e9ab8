/* Files in and out, folders, and the growing text with its JSON. */
#include "support.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

/* ---------------------------------------------------------------- files */

static void a_file_comes_back_whole_with_its_hash(void **state)
{
    (void)state;
    ln_error err;
    ln_file file;
    const char *path = test_path("abc");
    assert_ok(ln_file_write(path, "abc", 3, &err));
    assert_ok(ln_file_read(path, &file, &err));
    assert_int_equal(file.bytes, 3);
    assert_string_equal(file.data, "abc"); /* a NUL is behind the content */
    char hex[LN_SHA256_HEX];
    ln_sha256_hex(file.sha256, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ln_file_free(&file);
    assert_null(file.data);

    assert_ok(ln_file_write(path, "", 0, &err)); /* over the old one */
    assert_ok(ln_file_read(path, &file, &err));
    assert_int_equal(file.bytes, 0);
    assert_string_equal(file.data, "");
    ln_file_free(&file);
}

/* Files of /proc tell the size 0: what counts is what can be read. */
static void sizes_are_not_trusted(void **state)
{
    (void)state;
    ln_error err;
    ln_file file;
    assert_ok(ln_file_read("/proc/self/maps", &file, &err));
    assert_true(file.bytes > 200);
    assert_int_equal(strlen(file.data), file.bytes);
    ln_file_free(&file);
}

static void unreadable_files_are_named(void **state)
{
    (void)state;
    ln_error err;
    ln_file file;
    assert_fails(ln_file_read(test_path("none"), &file, &err), LN_EFILE, "/none' does not exist");
    assert_null(file.data);
    assert_fails(ln_file_read(test_folder(), &file, &err), LN_EFILE, "is a folder");
    assert_fails(ln_file_read("/dev/null", &file, &err), LN_EFILE, "no regular file");
    assert_int_equal(mkfifo(test_path("pipe"), 0600), 0);
    assert_fails(ln_file_read(test_path("pipe"), &file, &err), LN_EFILE, "no regular file");
    test_write(test_path("plain"), "x", 1);
    assert_fails(ln_file_read(test_path("plain/below"), &file, &err), LN_EFILE, "does not exist");
}

static int files_in_folder(const char *name)
{
    char command[600];
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", name);
    FILE *out = popen(command, "r");
    int count = -1;
    if (fscanf(out, "%d", &count) != 1)
        count = -1;
    pclose(out);
    return count;
}

static void writing_leaves_the_old_file_or_the_new_one(void **state)
{
    (void)state;
    ln_error err;
    ln_file file;
    assert_ok(ln_folder_make(test_path("w"), &err));
    assert_ok(ln_file_write(test_path("w/f"), "old", 3, &err));
    assert_int_equal(symlink("f", test_path("w/link")), 0);
    assert_ok(ln_file_write(test_path("w/link"), "newer", 5, &err));
    assert_ok(ln_file_read(test_path("w/f"), &file, &err)); /* through the link, which stays */
    assert_string_equal(file.data, "newer");
    ln_file_free(&file);
    assert_int_equal(files_in_folder(test_path("w")), 2);

    assert_fails(ln_file_write(test_path("w"), "x", 1, &err), LN_EIO, "it is a folder");
    assert_fails(ln_file_write(test_path("no/f"), "x", 1, &err), LN_EIO,
                 "its folder does not exist");
    /* /dev/full is written directly: a rename would replace the device. */
    assert_fails(ln_file_write("/dev/full", "x", 1, &err), LN_EIO, "the disk is full");
    assert_int_equal(access("/dev/full", F_OK), 0);
    assert_int_equal(files_in_folder(test_path("w")), 2);
}

static void folders_are_made_with_their_parents(void **state)
{
    (void)state;
    ln_error err;
    struct stat about;
    assert_ok(ln_folder_make(test_path("a/b//c/"), &err));
    assert_ok(ln_folder_make(test_path("a/b/c"), &err)); /* again is fine */
    assert_int_equal(stat(test_path("a/b/c"), &about), 0);
    assert_true(S_ISDIR(about.st_mode));
    test_write(test_path("a/file"), "x", 1);
    assert_fails(ln_folder_make(test_path("a/file"), &err), LN_EIO, "a file is in its way");
    assert_fails(ln_folder_make(test_path("a/file/d"), &err), LN_EIO, "a file is in its way");
    assert_fails(ln_folder_make("/proc/none/d", &err), LN_EIO, "cannot be made");
}

static ln_status write_and_read(void *context, ln_error *err)
{
    ln_file file;
    ln_status status = ln_folder_make(test_path("sweep"), err);
    if (!status)
        status = ln_file_write(context, "content", 7, err);
    if (!status)
        status = ln_file_read(context, &file, err);
    if (!status)
        ln_file_free(&file);
    return status;
}

static void files_survive_failing_allocations(void **state)
{
    (void)state;
    char path[512];
    snprintf(path, sizeof path, "%s", test_path("sweep/f"));
    sweep_allocation_failures(write_and_read, path);
}

/* ---------------------------------------------------------------- text */

static void a_text_grows(void **state)
{
    (void)state;
    ln_text text = {0};
    char want[6000] = "";
    for (int i = 0; i < 1000; i++) {
        ln_text_format(&text, "%d,", i);
        sprintf(want + strlen(want), "%d,", i);
    }
    assert_string_equal(text.data, want);
    assert_int_equal(text.length, strlen(want));
    ln_text_addn(&text, "a\0b", 3);
    assert_int_equal(text.length, strlen(want) + 3);
    assert_false(text.failed);
    ln_text_free(&text);
    assert_null(text.data);
    ln_text_add(&text, "");
    assert_string_equal(text.data, "");
    ln_text_free(&text);
}

static void a_failed_text_stays_failed(void **state)
{
    (void)state;
    ln_text text = {0};
    ln_text_add(&text, "kept");
    ln_memory_fail_at(1, true);
    ln_text_format(&text, "%1000d", 1);
    ln_memory_fail_at(0, true);
    assert_true(text.failed);
    ln_text_add(&text, "not added");
    assert_string_equal(text.data, "kept");
    ln_text_free(&text);
}

static void assert_json_string(const char *part, size_t length, const char *want)
{
    ln_text text = {0};
    ln_text_json_string(&text, part, length);
    assert_string_equal(text.data, want);
    ln_text_free(&text);
}

#define FFFD "\xEF\xBF\xBD"

static void json_strings_are_escaped(void **state)
{
    (void)state;
    assert_json_string("", 0, "\"\"");
    assert_json_string("a\"b\\c/", 6, "\"a\\\"b\\\\c/\"");
    assert_json_string("\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"");
    assert_json_string("bfnrt", 5, "\"bfnrt\"");
    assert_json_string("a\0\x1f\x7f", 4, "\"a\\u0000\\u001f\x7f\"");
    /* Two, three and four bytes pass as they are. */
    assert_json_string("\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80", 9,
                       "\"\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\"");
}

/* One replacement for each longest part that could have begun a character (Unicode 15, 3.9). */
static void invalid_utf8_is_replaced(void **state)
{
    (void)state;
    assert_json_string("\x80", 1, "\"" FFFD "\"");
    assert_json_string("\xC0\xAF", 2, "\"" FFFD FFFD "\"");          /* overlong */
    assert_json_string("\xE0\x80\xAF", 3, "\"" FFFD FFFD FFFD "\""); /* overlong */
    assert_json_string("\xED\xA0\x80", 3, "\"" FFFD FFFD FFFD "\""); /* surrogate */
    assert_json_string("\xF4\x90\x80\x80", 4, "\"" FFFD FFFD FFFD FFFD "\"");
    assert_json_string("\xE2\x82", 2, "\"" FFFD "\""); /* cut at the end */
    assert_json_string("\xF0\x9F\x98z", 4, "\"" FFFD "z\"");
    assert_json_string("\xFF\xFEz", 3, "\"" FFFD FFFD "z\"");
}

static void json_numbers_are_shortest_and_read_back(void **state)
{
    (void)state;
    static const struct {
        double number;
        const char *want;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-42, "-42"},
        {0.1, "0.1"},
        {1e-3, "0.001"},
        {1e-4, "0.0001"},
        {1e-7, "1e-7"},
        {1e20, "1e20"},
        {-2.5e-10, "-2.5e-10"},
        {999999999999999, "999999999999999"},
        {1e15, "1e15"},
        {9007199254740993.0, "9007199254740992"},
        {1.0 / 3, "0.3333333333333333"},
        {0.1 + 0.2, "0.30000000000000004"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e308"},
        {NAN, "null"},
        {INFINITY, "null"},
        {-INFINITY, "null"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ln_text text = {0};
        ln_text_json_number(&text, cases[i].number);
        assert_string_equal(text.data, cases[i].want);
        if (isfinite(cases[i].number))
            assert_true(strtod(text.data, NULL) == cases[i].number);
        ln_text_free(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_comes_back_whole_with_its_hash),
        cmocka_unit_test(sizes_are_not_trusted),
        cmocka_unit_test(unreadable_files_are_named),
        cmocka_unit_test(writing_leaves_the_old_file_or_the_new_one),
        cmocka_unit_test(folders_are_made_with_their_parents),
        cmocka_unit_test(files_survive_failing_allocations),
        cmocka_unit_test(a_text_grows),
        cmocka_unit_test(a_failed_text_stays_failed),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(invalid_utf8_is_replaced),
        cmocka_unit_test(json_numbers_are_shortest_and_read_back),
    };
    return cmocka_run_group_tests_name("base_file", tests, NULL, NULL);
}
