/* Printing rows: the six formats, alignment, wide and combining characters, what a terminal would
 * obey, NULLs, BLOBs, and numbers that read back the same. */
#include "support.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The program's own files are no part of the engine's library. */
#include "../../interp/table.c"
#include "../../interp/table_cell.c"

#define NULL_CELL                                                                                  \
    {                                                                                              \
        .type = LN_CELL_NULL                                                                       \
    }
#define INT(number)                                                                                \
    {                                                                                              \
        .type = LN_CELL_INT, .integer = (number)                                                   \
    }
#define REAL(number)                                                                               \
    {                                                                                              \
        .type = LN_CELL_REAL, .real = (number)                                                     \
    }
#define TEXT(text)                                                                                 \
    {                                                                                              \
        .type = LN_CELL_TEXT, .data = (text), .bytes = sizeof(text) - 1                            \
    }
#define BLOB(bytes_)                                                                               \
    {                                                                                              \
        .type = LN_CELL_BLOB, .data = (bytes_), .bytes = sizeof(bytes_) - 1                        \
    }

/* Prints rows of `count` columns and compares. */
static void prints(ln_format format, const ln_table_column *columns, int count,
                   const ln_cell *cells, int rows, const char *wanted)
{
    ln_error err = {0};
    ln_table *table;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_ok(ln_table_new(out, format, columns, count, &table, &err));
    for (int i = 0; i < rows; i++)
        assert_ok(ln_table_row(table, cells + i * count, &err));
    assert_ok(ln_table_end(table, &err));
    ln_table_free(table);
    fclose(out);
    assert_string_equal(text, wanted);
    free(text);
}

static const ln_table_column columns[] = {{"id", "id"}, {"name", "name"}, {"value", NULL}};
static const ln_cell cells[] = {
    INT(1),
    TEXT("credit"),
    REAL(0.5),
    INT(-20),
    TEXT("a \"b\", c|d"),
    NULL_CELL,
    NULL_CELL,
    TEXT("two\nlines\t\x1b[31m"),
    REAL(2),
};

static void table_aligns_numbers_right(void **state)
{
    (void)state;
    prints(LN_FORMAT_TABLE, columns, 3, cells, 3,
           "  id  name                  value\n"
           "----  --------------------  -----\n"
           "   1  credit                  0.5\n"
           " -20  a \"b\", c|d             NULL\n"
           "NULL  two\\nlines\\t\\x1b[31m    2.0\n");
    prints(LN_FORMAT_TABLE, columns, 3, NULL, 0, "id  name  value\n--  ----  -----\n");
}

static void markdown_escapes_bars(void **state)
{
    (void)state;
    prints(LN_FORMAT_MD, columns, 3, cells, 2,
           "|  id | name        | value |\n"
           "|----:|-------------|------:|\n"
           "|   1 | credit      |   0.5 |\n"
           "| -20 | a \"b\", c\\|d |  NULL |\n");
}

static void csv_and_tsv_quote_and_escape(void **state)
{
    (void)state;
    prints(LN_FORMAT_CSV, columns, 3, cells, 3,
           "id,name,value\n1,credit,0.5\n-20,\"a \"\"b\"\", c|d\",\n"
           ",\"two\nlines\t\x1b[31m\",2.0\n");
    prints(LN_FORMAT_TSV, columns, 3, cells, 3,
           "id\tname\tvalue\n1\tcredit\t0.5\n-20\ta \"b\", c|d\t\n\ttwo\\nlines\\t\x1b[31m\t2.0\n");
    /* NULL and the empty text differ, and a row of one NULL is still a row. */
    static const ln_cell one[] = {NULL_CELL, TEXT("")};
    prints(LN_FORMAT_CSV, columns, 1, one, 2, "id\n\"\"\n\"\"\n");
    static const ln_cell two[] = {NULL_CELL, TEXT("")};
    prints(LN_FORMAT_CSV, columns, 2, two, 1, "id,name\n,\"\"\n");
}

static void json_is_json(void **state)
{
    (void)state;
    prints(LN_FORMAT_JSON, columns, 3, cells, 2,
           "[{\"id\": 1, \"name\": \"credit\", \"value\": 0.5},\n"
           " {\"id\": -20, \"name\": \"a \\\"b\\\", c|d\", \"value\": null}]\n");
    prints(LN_FORMAT_JSON, columns, 3, NULL, 0, "[]\n");
    static const ln_cell hard[] = {INT(INT64_MIN), TEXT("\xff\xc3\xa4\x01"), REAL(INFINITY)};
    prints(LN_FORMAT_JSONL, columns, 3, hard, 1,
           "{\"id\": -9223372036854775808, \"name\": \"\xef\xbf\xbd\xc3\xa4\\u0001\", "
           "\"value\": null}\n");
}

static void numbers_read_back_the_same(void **state)
{
    (void)state;
    static const ln_table_column one[] = {{"x", NULL}};
    static const ln_cell numbers[] = {REAL(0.1 + 0.2), REAL(1e300), REAL(-0.0), REAL(5e-324),
                                      REAL(-INFINITY)};
    prints(LN_FORMAT_CSV, one, 1, numbers, 5,
           "x\n0.30000000000000004\n1e300\n-0.0\n5e-324\n-inf\n");
    prints(LN_FORMAT_TABLE, one, 1, numbers, 2, "     x\n------\n   0.3\n1e+300\n");
}

static void blobs_are_sizes_for_people_and_whole_for_programs(void **state)
{
    (void)state;
    static const ln_table_column some[] = {{"sha256", "sha256"},
                                           {"dtype", "dtype"},
                                           {"shape", "shape"},
                                           {"data", "data"},
                                           {"f()", NULL}};
    static const ln_cell row[] = {BLOB("\x00\xab\xff"), TEXT("f32"), TEXT("[2, 3]"),
                                  BLOB("123456789012345678901234"), BLOB("12345678")};
    prints(LN_FORMAT_TABLE, some, 5, row, 1,
           "sha256  dtype  shape   data                  f()\n"
           "------  -----  ------  --------------------  ----------------\n"
           "00abff  f32    [2, 3]  f32 [2, 3], 24 bytes  f32 [2], 8 bytes\n");
    prints(LN_FORMAT_TABLE, some + 3, 1, row + 3, 1, "data\n--------\n24 bytes\n");
    prints(LN_FORMAT_TABLE, some + 4, 1, row, 1, "f()\n-------\n3 bytes\n");
    prints(LN_FORMAT_CSV, some, 1, row, 1, "sha256\n00abff\n");
    prints(LN_FORMAT_JSONL, some + 4, 1, row + 4, 1, "{\"f()\": \"3132333435363738\"}\n");
}

static void wide_characters_take_two_cells(void **state)
{
    (void)state;
    static const struct {
        const char *text; /* UTF-8 */
        int width;        /* terminal cells */
    } widths[] = {
        {"abc", 3},
        {"\xc3\xa4", 1},
        {"e\xcc\x81", 1},
        {"\xe6\xbc\xa2\xe5\xad\x97", 4},
        {"\xf0\x9f\x98\x80", 2},
        {"\xef\xbc\xa1", 2},
        {"\xff\xfe", 2},
        {"\xe6\xbc", 2},
        {"", 0},
        {"\xe2\x80\x8b", 0},
        {"\xed\x95\x9c", 2},
        {"\xc0\x80", 2},
    };
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        if (ln_text_width(widths[i].text, strlen(widths[i].text)) != widths[i].width)
            fail_msg("'%s' takes %d cells, not %d", widths[i].text,
                     ln_text_width(widths[i].text, strlen(widths[i].text)), widths[i].width);
    static const ln_table_column two[] = {{"n", NULL}, {"i", NULL}};
    static const ln_cell rows[] = {TEXT("\xe6\xbc\xa2"), INT(1), TEXT("e\xcc\x81xyz"), INT(10)};
    prints(LN_FORMAT_TABLE, two, 2, rows, 2,
           "n      i\n----  --\n\xe6\xbc\xa2     1\ne\xcc\x81xyz  10\n");
}

static void terse_tables_leave_empty_columns_out(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_table *table;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    static const ln_cell rows[] = {INT(1),   NULL_CELL, REAL(0.5), NULL_CELL, NULL_CELL,
                                   REAL(12), INT(3),    NULL_CELL, NULL_CELL};
    assert_ok(ln_table_new(out, LN_FORMAT_TABLE, columns, 3, &table, &err));
    ln_table_terse(table);
    assert_ok(ln_table_row(table, rows, &err));
    assert_ok(ln_table_row(table, rows + 3, &err));
    assert_ok(ln_table_row(table, rows + 6, &err));
    assert_ok(ln_table_end(table, &err));
    ln_table_free(table);
    fclose(out);
    assert_string_equal(text, "id  value\n--  -----\n 1    0.5\n     12.0\n 3\n");
    free(text);
}

static void formats_have_names(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_format format;
    assert_ok(ln_format_parse(NULL, &format, &err));
    assert_int_equal(format, LN_FORMAT_TABLE);
    assert_ok(ln_format_parse("jsonl", &format, &err));
    assert_int_equal(format, LN_FORMAT_JSONL);
    assert_fails(ln_format_parse("jsn", &format, &err), LN_EINVALID, "found 'jsn'");
    assert_string_equal(err.hint, "did you mean 'json'?");
}

static void a_full_output_is_an_error(void **state)
{
    (void)state;
    ln_error err = {0};
    ln_table *table;
    for (ln_format format = LN_FORMAT_TABLE; format <= LN_FORMAT_MD; format++) {
        FILE *full = fopen("/dev/full", "w");
        if (!full)
            skip();
        assert_ok(ln_table_new(full, format, columns, 3, &table, &err));
        assert_ok(ln_table_row(table, cells, &err));
        assert_fails(ln_table_end(table, &err), LN_EIO, "No space left on device");
        ln_table_free(table);
        fclose(full);
    }
}

static ln_status print_once(void *context, ln_error *err)
{
    ln_table *table = NULL;
    FILE *out = fopen("/dev/null", "w");
    ln_status status = ln_table_new(out, *(ln_format *)context, columns, 3, &table, err);
    for (int i = 0; i < 3 && status == LN_OK; i++)
        status = ln_table_row(table, cells + 3 * i, err);
    if (status == LN_OK)
        status = ln_table_end(table, err);
    ln_table_free(table);
    fclose(out);
    return status;
}

static void failing_allocations_are_told(void **state)
{
    (void)state;
    ln_format formats[] = {LN_FORMAT_TABLE, LN_FORMAT_JSON};
    sweep_allocation_failures(print_once, &formats[0]);
    sweep_allocation_failures(print_once, &formats[1]);
}

int main(void)
{
    setlocale(LC_CTYPE, "C.UTF-8"); /* as interp/main.c does */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table_aligns_numbers_right),
        cmocka_unit_test(markdown_escapes_bars),
        cmocka_unit_test(csv_and_tsv_quote_and_escape),
        cmocka_unit_test(json_is_json),
        cmocka_unit_test(numbers_read_back_the_same),
        cmocka_unit_test(blobs_are_sizes_for_people_and_whole_for_programs),
        cmocka_unit_test(wide_characters_take_two_cells),
        cmocka_unit_test(terse_tables_leave_empty_columns_out),
        cmocka_unit_test(formats_have_names),
        cmocka_unit_test(a_full_output_is_an_error),
        cmocka_unit_test(failing_allocations_are_told),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
