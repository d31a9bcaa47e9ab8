/* The model's encoding of raw columns into the numbers it reads: numeric columns scaled, categorical
 * ones one-hot, missing values filled. Fitted on the training rows; part of the model's identity.
 * Encoded input j belongs to column column_of[j]. */
#ifndef LN_ENCODING_H
#define LN_ENCODING_H

#include "data/dataset.h"
#include "lunette.h"

typedef enum ln_numeric_encoding {
    LN_NUMERIC_STANDARD,
    LN_NUMERIC_MINMAX,
    LN_NUMERIC_NONE
} ln_numeric_encoding;
#define LN_NUMERIC_CHOICES "standard|minmax|none"
typedef enum ln_categorical_encoding {
    LN_CATEGORICAL_ONEHOT,
    LN_CATEGORICAL_ORDINAL
} ln_categorical_encoding;
#define LN_CATEGORICAL_CHOICES "onehot|ordinal"
typedef enum ln_missing_encoding {
    LN_MISSING_MEAN,
    LN_MISSING_MEDIAN,
    LN_MISSING_CATEGORY,
    LN_MISSING_INDICATOR,
    LN_MISSING_ERROR
} ln_missing_encoding;
#define LN_MISSING_CHOICES "mean|median|category|indicator|error"

typedef struct ln_encoding_options {
    ln_numeric_encoding numeric;         /* standard: (x - mean) / deviation, population (ddof 0),
                                            a constant column is divided by 1 (scikit-learn) */
    ln_categorical_encoding categorical; /* one-hot: one input a category seen in training; a
                                            category not seen there is all zeros. ordinal: one input,
                                            the category's place; not seen or missing: -1 */
    ln_missing_encoding missing;         /* mean, median: of the values there are, for a missing
                                            number; a missing category is all zeros. category: a
                                            category of their own for missing ones (ordinal: the
                                            place after the last), where training rows have some;
                                            numbers as with mean. indicator: one more input, 1 where
                                            the value is missing, for each column where training rows
                                            lack some; the rest as with mean. error: none may miss.
                                            Missing values take no part in the scaling */
} ln_encoding_options;

typedef struct ln_encoded_column {
    ln_column_kind kind;
    char *name;
    int first, count;     /* its encoded inputs */
    double center, scale; /* numeric: (x - center) / scale */
    double fill;          /* numeric: in place of a missing value, raw units; NaN: none may miss */
    bool required;        /* none may miss */
    int missing_input;    /* from `first`: its input that is 1 where the value misses; -1: none */
    int missing_place;    /* ordinal: stands for a missing value, -1 or the place after the last */
    bool ordinal;         /* categorical: one input, the place among categories; else one-hot */
    char **categories;    /* categorical: seen in training, sorted; in the order of its inputs */
    int category_count;
} ln_encoded_column;

typedef struct ln_encoding {
    ln_encoding_options options;
    int column_count;
    ln_encoded_column *columns;
    int width;          /* encoded inputs */
    int32_t *column_of; /* width entries: the column of each encoded input */
} ln_encoding;

ln_status ln_encoding_fit(const ln_dataset *dataset, const int64_t *rows, int64_t count,
                          const ln_encoding_options *options, ln_encoding **out, ln_error *err);
/* Of an encoding whose columns are all there: where each one's inputs stand, width and column_of. */
ln_status ln_encoding_arrange(ln_encoding *encoding, ln_error *err);
void ln_encoding_free(ln_encoding *encoding);
/* Rows of a data set -> (count, width) f32. Columns are matched by name. */
ln_status ln_encoding_apply(const ln_encoding *encoding, const ln_dataset *dataset,
                            const int64_t *rows, int64_t count, ln_tensor **out, ln_error *err);
/* "age", or "purpose=radio/tv" for a one-hot input. Returns buffer. */
const char *ln_encoding_input_name(const ln_encoding *encoding, int input, char *buffer,
                                   size_t size);
/* The store's encoding.meta of one input: {"kind":"standard","center":..,"scale":..,"fill":..} or
 * {"kind":"onehot","category":".."} or {"kind":"ordinal","categories":[..]}, with "required":true
 * where a category may not miss (a number: its fill is null). Caller frees. */
ln_status ln_encoding_input_json(const ln_encoding *encoding, int input, char **out, ln_error *err);
void ln_encoding_hash(const ln_encoding *encoding, ln_hash *hash); /* into the model's identity */

#endif
