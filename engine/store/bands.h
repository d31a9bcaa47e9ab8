/* Numbers of many attributions in the order (idx, attribution): what GROUP BY idx needs, which SQLite
 * would otherwise sort. */
#ifndef LN_STORE_BANDS_H
#define LN_STORE_BANDS_H

#include "store/reader.h"

/* One attribution of the walk. */
typedef struct ln_banded {
    int64_t id, tensor, tensor_row; /* as the columns */
    int64_t count;                  /* its numbers */
    int shape;                      /* which of the walk's shapes */
} ln_banded;

typedef struct ln_bands ln_bands;

/* `most_numbers`: of one band. Codes are SQLite's. Caller frees. */
int ln_bands_new(ln_reader *reader, int64_t most_numbers, ln_bands **out);
void ln_bands_free(ln_bands *bands); /* NULL is fine */
/* Adds an attribution, in the order of ids. */
int ln_bands_add(ln_bands *bands, const ln_attribution *row);
/* Goes to the first number, after the last was added; then to the next. *end: there is none. */
int ln_bands_first(ln_bands *bands, bool *end);
int ln_bands_next(ln_bands *bands, bool *end);

/* Where it stands. */
const ln_banded *ln_bands_row(const ln_bands *bands);
int64_t ln_bands_idx(const ln_bands *bands);
float ln_bands_value(const ln_bands *bands);
/* The shape of its attribution. */
void ln_bands_shape(const ln_bands *bands, int *rank, const int64_t **dims);

#endif
