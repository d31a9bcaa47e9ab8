/* A data set: raw columns as the file has them, the label, the splits. Encoding is the model's
 * business (encoding.h). Images and other arrays are one tensor (N, ...) in place of columns. */
#ifndef LN_DATASET_H
#define LN_DATASET_H

#include "base/hash.h"
#include "lunette.h"
#include "tensor/tensor.h"

typedef enum ln_column_kind { LN_COLUMN_NUMERIC, LN_COLUMN_CATEGORICAL } ln_column_kind;

typedef struct ln_column {
    char *name; /* as the file's first line has it */
    ln_column_kind kind;
    double *numbers;        /* numeric: `rows` values, NaN where missing */
    int32_t *codes;         /* categorical: index into categories, -1 where missing */
    char **categories;      /* sorted by bytes */
    int32_t category_count; /* of all rows, whatever their split */
    int64_t missing;        /* rows without a value */
} ln_column;

typedef enum ln_split {
    LN_SPLIT_NONE = -1,
    LN_SPLIT_TRAIN,
    LN_SPLIT_TEST,
    LN_SPLIT_VALIDATION
} ln_split;
#define LN_SPLIT_CHOICES "train|test|validation"

struct ln_dataset {
    int references;                  /* changed atomically */
    char *name;                      /* file name without folder */
    char *path;                      /* as opened */
    uint8_t sha256[LN_SHA256_BYTES]; /* of the file's bytes */
    int64_t rows;
    int64_t dropped;      /* rows of the file left out by drop_missing */
    int column_count;     /* features, without target, split and weight columns */
    ln_column *columns;   /* in the file's order */
    ln_tensor *array;     /* (rows, ...) u8 or f32 in place of columns; NULL: a table */
    float *levels;        /* of u8: 256 numbers a channel, what each byte stands for; else NULL */
    int channels;         /* of levels: as many as the array's second axis, or 1 for all numbers */
    char **files;         /* rows: an image's path below its folder; NULL: rows are no files */
    uint8_t *file_hashes; /* rows x LN_SHA256_BYTES: of each file's bytes */
    bool classification;  /* the target is classes, else numbers */
    char *target_name;    /* the label's column */
    int class_count;      /* 0 for regression */
    char **classes;       /* class names by id */
    int32_t *labels;      /* rows class ids; NULL for regression */
    double *numbers;      /* rows target numbers; NULL for classification */
    double *weights;      /* rows weights from 0, not all 0; NULL: no weight column */
    int32_t *groups;     /* rows with equal numbers stay in one part of a split; NULL: each alone */
    char *group_name;    /* the groups' column, or NULL */
    int32_t group_count; /* numbers are 0 .. group_count - 1 */
    int8_t *given;       /* rows of ln_split as a column of the file says; NULL: splits are drawn */
    int8_t *split;       /* rows of ln_split: how this data set, or view, is divided */
    int32_t *fold_of;    /* rows: the fold in which a row is tested; NULL without folds */
    ln_dataset *base;    /* a view: whose columns and labels it shows; else NULL */
};

typedef struct ln_csv_options {
    const char *target;             /* column of the label; required */
    const char *positive;           /* class that becomes class 1, or NULL */
    const char *const *classes;     /* NULL-terminated order of the classes; it may list some that
                                        do not occur. NULL: texts by bytes, numbers by value */
    const char *const *numeric;     /* columns forced to be numeric, NULL-terminated or NULL */
    const char *const *categorical; /* columns forced to be categorical */
    const char *const *ignore;      /* columns left out */
    bool drop_missing;              /* rows with a missing value in a column that is used are left
                                       out (ln_dataset.dropped counts them) */
    const char *weight;             /* column of the rows' weights, or NULL */
    const char *by;                 /* column whose equal values stay in one part, or NULL */
    const char *set;                /* column that says each row's part, or NULL */
    const char *const *missing;     /* texts that mean missing (compared without spaces around);
                                        NULL: "", "NA", "NaN", "nan", "null", "?" */
    int task;                       /* -1: by the target's values: texts are classes; so are whole
                                        numbers with at most 20 different ones, and any target with
                                        `positive` or `classes`; other numbers are a regression.
                                        0 classification, 1 regression (ln_task of the model room) */
    char separator;                 /* 0: comma */
} ln_csv_options;

/* RFC 4180: quotes, doubled quotes, line ends inside quotes, CRLF, LF, a BOM; a first line of
 * names; empty lines are skipped. A column is numeric when every value that is not missing reads as
 * a number (decimal point, no locale, no hex), else categorical. Errors name the line of the file
 * and the column: a short or long row, text in a column forced numeric, a name that occurs twice, a
 * missing column (with the nearest name), a class that does not occur, a label that is missing, an
 * open quote, no rows, invalid UTF-8 or NUL bytes. Columns of dates, and of texts that differ in
 * nearly every row, are errors that say what to write; listed in `categorical` they are read. A file
 * compressed by gzip is read as what it holds. Caller releases *out. */
ln_status ln_csv_read(const char *path, const ln_csv_options *options, ln_dataset **out,
                      ln_error *err);
ln_status ln_csv_parse(const char *name, const char *data, size_t bytes,
                       const ln_csv_options *options, ln_dataset **out, ln_error *err);
ln_dataset *ln_dataset_retain(ln_dataset *dataset);
void ln_dataset_release(ln_dataset *dataset);
int ln_dataset_find_column(const ln_dataset *dataset, const char *name); /* or -1 */
int ln_dataset_find_class(const ln_dataset *dataset, const char *name);  /* or -1 */

/* A data set that shares the columns of `base` and is divided on its own. Caller releases *out. */
ln_status ln_dataset_view(ln_dataset *base, ln_dataset **out, ln_error *err);

typedef struct ln_split_options {
    double train, test, validation; /* shares (sum 1 within 1e-9) or counts (whole numbers >= 2,
                                       sum = rows); 0: none. NAN for train or test: what the
                                       others leave; for both: test is 0.25 */
    bool stratify;                  /* classes keep their shares (largest remainders) */
    uint64_t seed;                  /* drawn by (seed, "split", 0) */
    int folds;        /* 0: no folds; else 2 or more: test is one of so many parts, and
                                       train and test are not looked at. Validation is a share or
                                       number of all rows, drawn from those outside the fold */
    int fold, repeat; /* which fold, from 0, of which draw: (seed, "fold", repeat) */
} ln_split_options;
/* Divides the rows. With `groups` the parts are made of whole groups, in sizes as near to what is
 * asked as that allows; with `given` only validation is looked at: a share or
 * number of the training rows. */
ln_status ln_dataset_split(ln_dataset *dataset, const ln_split_options *options, ln_error *err);

/* Row ids in ascending order of those in `split` (LN_SPLIT_NONE: all). `take` > 0 keeps the first
 * n; `sample` > 0 draws n by (seed, "sample", 0), in ascending order; -1 neither. `class_id` -1:
 * any. LN_EINVALID when nothing is left or more is asked for than there is. Caller frees *rows. */
typedef struct ln_rows_options {
    int split; /* ln_split */
    int64_t take, sample;
    int class_id;
    uint64_t seed;
} ln_rows_options;
ln_status ln_dataset_rows(const ln_dataset *dataset, const ln_rows_options *options, int64_t **rows,
                          int64_t *count, ln_error *err);

/* Rows of an array -> (count, width) f32. Caller releases *out. */
ln_status ln_dataset_gather(const ln_dataset *dataset, const int64_t *rows, int64_t count,
                            ln_tensor **out, ln_error *err);

/* One row in original units as a JSON object {"age": 67, "purpose": "radio/tv"}; a missing value is
 * null. Of an image {"file": "cat/7.png"}, of other arrays nothing: *out is NULL. Caller frees with
 * ln_free. */
ln_status ln_dataset_row_json(const ln_dataset *dataset, int64_t row, char **out, ln_error *err);

#endif
