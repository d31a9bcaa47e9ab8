/* A band is a range of idx of all attributions at once, copied into one buffer of bounded size, turned
 * so that the numbers of an idx lie side by side. Where all do not fit, the tensors are read again for
 * each band: reading is ten times faster than what SQLite does with a row, sorting twenty times slower. */
#include "store/bands.h"

#include <string.h>

#define TOGETHER 16 /* attributions that are copied at once */

typedef struct shape {
    int rank;        /* axes */
    int64_t dims[8]; /* their lengths */
} shape;

struct ln_bands {
    ln_reader *reader;    /* borrowed */
    int64_t most_numbers; /* of the buffer */
    ln_banded *rows;      /* row_count of them */
    int64_t row_count;    /* how many */
    int64_t row_room;     /* for how many there is room */
    shape *shapes;        /* shape_count distinct ones */
    int shape_count;      /* how many */
    int64_t longest;      /* numbers of the longest attribution */
    int64_t idx, row;     /* where the walk stands */
    int64_t from;         /* the first idx of the band */
    int64_t width;        /* how many idx it has room for */
    float *numbers;       /* (width, row_count); 0 beyond an attribution's end */
};

int ln_bands_new(ln_reader *reader, int64_t most_numbers, ln_bands **out)
{
    *out = sqlite3_malloc64(sizeof **out);
    if (!*out)
        return SQLITE_NOMEM;
    memset(*out, 0, sizeof **out);
    (*out)->reader = reader;
    (*out)->most_numbers = most_numbers;
    return SQLITE_OK;
}

void ln_bands_free(ln_bands *bands)
{
    if (!bands)
        return;
    sqlite3_free(bands->rows);
    sqlite3_free(bands->shapes);
    sqlite3_free(bands->numbers);
    sqlite3_free(bands);
}

/* Which of the shapes a slice has; -1 where there is no memory for a new one. */
static int find_shape(ln_bands *bands, const ln_slice *slice)
{
    const size_t bytes = (size_t)slice->rank * sizeof *slice->dims;
    for (int i = bands->shape_count - 1; i >= 0; i--)
        if (bands->shapes[i].rank == slice->rank &&
            memcmp(bands->shapes[i].dims, slice->dims, bytes) == 0)
            return i;
    shape *more =
        sqlite3_realloc64(bands->shapes, (sqlite3_uint64)(bands->shape_count + 1) * sizeof *more);
    if (!more)
        return -1;
    bands->shapes = more;
    more[bands->shape_count] = (shape){.rank = slice->rank};
    memcpy(more[bands->shape_count].dims, slice->dims, bytes);
    return bands->shape_count++;
}

int ln_bands_add(ln_bands *bands, const ln_attribution *row)
{
    if (bands->row_count == bands->row_room) {
        int64_t room = bands->row_room ? 2 * bands->row_room : 256;
        ln_banded *more = sqlite3_realloc64(bands->rows, (sqlite3_uint64)room * sizeof *more);
        if (!more)
            return SQLITE_NOMEM;
        bands->rows = more;
        bands->row_room = room;
    }
    ln_slice slice;
    int code = ln_reader_slice(bands->reader, row->tensor, row->tensor_row, &slice);
    if (code == SQLITE_OK && slice.count > 0) {
        int shape_index = find_shape(bands, &slice);
        bands->rows[bands->row_count++] =
            (ln_banded){row->id, row->tensor, row->tensor_row, slice.count, shape_index};
        bands->longest = slice.count > bands->longest ? slice.count : bands->longest;
        code = shape_index < 0 ? SQLITE_NOMEM : SQLITE_OK;
    }
    ln_slice_release(&slice);
    return code;
}

/* Copies `count` neighbouring attributions, from row `first`, into the band: side by side, so that a
 * line of the processor's cache is written once. */
static int fill_rows(ln_bands *bands, int64_t first, int64_t count)
{
    ln_slice slices[TOGETHER] = {0};
    int64_t end = bands->longest;
    int code = SQLITE_OK;
    for (int64_t k = 0; k < count && code == SQLITE_OK; k++) {
        const ln_banded *row = &bands->rows[first + k];
        code = ln_reader_slice(bands->reader, row->tensor, row->tensor_row, &slices[k]);
        if (code == SQLITE_OK && slices[k].count != row->count)
            code = SQLITE_ABORT; /* the statement has changed the store meanwhile */
    }
    end = bands->from + bands->width < end ? bands->from + bands->width : end;
    for (int64_t i = bands->from; i < end && code == SQLITE_OK; i++) {
        float *to = bands->numbers + (i - bands->from) * bands->row_count + first;
        for (int64_t k = 0; k < count; k++)
            to[k] = i < slices[k].count ? slices[k].at[i] : 0;
    }
    for (int64_t k = 0; k < count; k++)
        ln_slice_release(&slices[k]);
    return code;
}

/* Fills the band that begins at `from`. */
static int fill(ln_bands *bands, int64_t from)
{
    int code = SQLITE_OK;
    bands->from = from;
    for (int64_t r = 0; r < bands->row_count && code == SQLITE_OK; r += TOGETHER) {
        int64_t left = bands->row_count - r;
        code = fill_rows(bands, r, left < TOGETHER ? left : TOGETHER);
    }
    return code;
}

/* From (idx, row) on to the first attribution that is as long, reading a new band where need be. */
static int settle(ln_bands *bands, bool *end)
{
    for (; bands->idx < bands->longest; bands->idx++, bands->row = 0) {
        if (bands->idx >= bands->from + bands->width) {
            int code = fill(bands, bands->idx);
            if (code != SQLITE_OK)
                return code;
        }
        for (; bands->row < bands->row_count; bands->row++)
            if (bands->rows[bands->row].count > bands->idx) {
                *end = false;
                return SQLITE_OK;
            }
    }
    *end = true;
    return SQLITE_OK;
}

int ln_bands_first(ln_bands *bands, bool *end)
{
    *end = true;
    if (bands->row_count == 0)
        return SQLITE_OK;
    int64_t width = bands->most_numbers / bands->row_count;
    bands->width = width < 1 ? 1 : width < bands->longest ? width : bands->longest;
    bands->numbers = sqlite3_malloc64((sqlite3_uint64)bands->width *
                                      (sqlite3_uint64)bands->row_count * sizeof *bands->numbers);
    if (!bands->numbers)
        return SQLITE_NOMEM;
    bands->idx = bands->row = 0;
    int code = fill(bands, 0);
    return code == SQLITE_OK ? settle(bands, end) : code;
}

int ln_bands_next(ln_bands *bands, bool *end)
{
    bands->row++;
    return settle(bands, end);
}

const ln_banded *ln_bands_row(const ln_bands *bands)
{
    return &bands->rows[bands->row];
}

int64_t ln_bands_idx(const ln_bands *bands)
{
    return bands->idx;
}

float ln_bands_value(const ln_bands *bands)
{
    return bands->numbers[(bands->idx - bands->from) * bands->row_count + bands->row];
}

void ln_bands_shape(const ln_bands *bands, int *rank, const int64_t **dims)
{
    const shape *of = &bands->shapes[bands->rows[bands->row].shape];
    *rank = of->rank;
    *dims = of->dims;
}
