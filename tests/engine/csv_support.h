/* What the tests of CSV reading share: parsing a text that is right, or one that must be refused. */
#ifndef LN_TEST_CSV_SUPPORT_H
#define LN_TEST_CSV_SUPPORT_H

#include "support.h"

#include <string.h>

#include "data/dataset.h"

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static const ln_csv_options by_class = {.target = "class", .task = -1};

static inline ln_status parse(const char *text, const ln_csv_options *options, ln_dataset **out,
                              ln_error *err)
{
    *out = NULL;
    return ln_csv_parse("t.csv", text, strlen(text), options, out, err);
}

/* Parses what must be right. */
static inline ln_dataset *good(const char *text, const ln_csv_options *options)
{
    ln_error err;
    ln_dataset *dataset;
    assert_ok(parse(text, options, &dataset, &err));
    return dataset;
}

/* Refused with a message that holds `part`. */
#define assert_bad(text, options, part) bad((text), (options), (part), NULL, __LINE__)
/* ... and with this hint. */
#define assert_hint(text, options, part, hint) bad((text), (options), (part), (hint), __LINE__)
static inline void bad(const char *text, const ln_csv_options *options, const char *part,
                       const char *hint, int line)
{
    ln_error err;
    ln_dataset *none;
    assert_status_at(parse(text, options, &none, &err), LN_EINVALID, &err, text, __FILE__, line);
    assert_message_at(&err, part, __FILE__, line);
    assert_null(none);
    if (hint)
        assert_string_equal(err.hint, hint);
}

static inline const char *category_of(const ln_dataset *dataset, int column, int64_t row)
{
    assert_int_equal(dataset->columns[column].kind, LN_COLUMN_CATEGORICAL);
    int32_t code = dataset->columns[column].codes[row];
    return code < 0 ? NULL : dataset->columns[column].categories[code];
}

#endif
