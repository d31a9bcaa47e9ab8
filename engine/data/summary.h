/* What is in a CSV file, before anybody says what it is for: a line a column. */
#ifndef LN_DATA_SUMMARY_H
#define LN_DATA_SUMMARY_H

#include "base/hash.h"
#include "lunette.h"

typedef enum ln_summary_kind {
    LN_SUMMARY_NUMERIC,
    LN_SUMMARY_CATEGORICAL,
    LN_SUMMARY_DATES, /* `csv` refuses this column, and the next kind */
    LN_SUMMARY_TEXT,
    LN_SUMMARY_EMPTY /* no value in any row */
} ln_summary_kind;

typedef struct ln_value_count {
    char *text;    /* as the file has it; numbers by their shortest text */
    int64_t count; /* rows */
} ln_value_count;

typedef struct ln_column_summary {
    char *name;
    ln_summary_kind kind;
    int64_t missing, distinct; /* rows without a value; different values */
    double min, mean, max;     /* numeric: of the values there are; else NaN */
    bool classes;              /* may be a target with classes: 2 to 20 of them, none missing */
    ln_value_count *common;    /* the most frequent values, as many as asked for, most frequent
                                  first (ties: as sorted); none of dates, texts and numbers with more
                                  than 20 different values */
    int common_count;
} ln_column_summary;

typedef struct ln_data_summary {
    int64_t rows;
    int column_count;
    ln_column_summary *columns;
    char separator;                  /* the one found: the most frequent of , ; tab | in the line of
                                        names, outside quotes */
    uint8_t sha256[LN_SHA256_BYTES]; /* of the file */
} ln_data_summary;

/* The errors of ln_csv_read for a file that is no CSV. Caller frees with ln_data_summary_free. */
ln_status ln_data_summary_read(const char *path, int common, ln_data_summary *out, ln_error *err);
void ln_data_summary_free(ln_data_summary *summary);

#endif
