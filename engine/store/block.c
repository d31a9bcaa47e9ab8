/* From the columns dtype, shape and data to float32 numbers. Attributions are float32 already and
 * are copied; other dtypes (labels, groups, scores in float64) are rounded to the nearest float32.
 * */
#include "store/block.h"

#include <string.h>

#define MOST_ELEMENTS ((int64_t)1 << 40)

void ln_block_release(ln_block *block)
{
    if (!block || --block->references > 0)
        return;
    sqlite3_free(block->at);
    sqlite3_free(block);
}

bool ln_shape_parse(const char *text, int *rank, int64_t dims[8], int64_t *count)
{
    *rank = 0;
    *count = 1;
    if (!text || *text++ != '[')
        return false;
    while (*text == ' ')
        text++;
    if (*text == ']')
        return text[1] == '\0';
    for (;;) {
        int64_t dim = 0;
        while (*text == ' ')
            text++;
        if (*text < '0' || *text > '9' || *rank == 8)
            return false;
        for (; *text >= '0' && *text <= '9'; text++) {
            dim = 10 * dim + (*text - '0');
            if (dim > MOST_ELEMENTS)
                return false;
        }
        if (dim > 0 && *count > MOST_ELEMENTS / dim)
            return false;
        *count *= dim;
        dims[(*rank)++] = dim;
        while (*text == ' ')
            text++;
        if (*text == ']')
            return text[1] == '\0';
        if (*text++ != ',')
            return false;
    }
}

#define CONVERT(type)                                                                              \
    for (int64_t i = 0; i < count; i++) {                                                          \
        type number;                                                                               \
        memcpy(&number, data + i * (int64_t)sizeof number, sizeof number);                         \
        to[i] = (float)number;                                                                     \
    }

/* Bytes of one element, or 0 for a name that is no dtype; with `to` the numbers as well. */
static int64_t convert(const char *dtype, const unsigned char *data, int64_t count, float *to)
{
    if (strcmp(dtype, "f32") == 0) {
        if (to)
            memcpy(to, data, (size_t)count * 4);
        return 4;
    }
    if (strcmp(dtype, "f64") == 0) {
        if (to)
            CONVERT(double)
        return 8;
    }
    if (strcmp(dtype, "i64") == 0) {
        if (to)
            CONVERT(int64_t)
        return 8;
    }
    if (strcmp(dtype, "i32") == 0) {
        if (to)
            CONVERT(int32_t)
        return 4;
    }
    if (strcmp(dtype, "u8") == 0 || strcmp(dtype, "bool") == 0) {
        if (to)
            CONVERT(uint8_t)
        return 1;
    }
    return 0;
}

int ln_block_make(sqlite3_stmt *statement, ln_block **out)
{
    const char *dtype = (const char *)sqlite3_column_text(statement, 0);
    const char *shape = (const char *)sqlite3_column_text(statement, 1);
    const unsigned char *data = sqlite3_column_blob(statement, 2);
    int64_t bytes = sqlite3_column_bytes(statement, 2);
    ln_block *block = sqlite3_malloc64(sizeof *block);
    if (!dtype || !shape || (!data && bytes > 0) || !block) {
        sqlite3_free(block);
        return SQLITE_NOMEM;
    }
    memset(block, 0, sizeof *block);
    block->references = 1;
    int64_t each = convert(dtype, NULL, 0, NULL);
    if (each == 0 || !ln_shape_parse(shape, &block->rank, block->dims, &block->count) ||
        block->count * each != bytes) {
        ln_block_release(block);
        return SQLITE_CORRUPT_VTAB;
    }
    block->at = sqlite3_malloc64((sqlite3_uint64)block->count * sizeof(float) + 1);
    if (!block->at) {
        ln_block_release(block);
        return SQLITE_NOMEM;
    }
    if (block->count > 0)
        convert(dtype, data, block->count, block->at);
    *out = block;
    return SQLITE_OK;
}
