/* The body of gram.h's kernels, compiled once an instruction set. The including file defines NAME, the table's
 * name, the type `wide`, a register of doubles, and where it has a better way to list places LIST, and the function
 * list that stands here. */

#ifndef LIST
static int64_t list(const double *row, int64_t count, int32_t *place)
{
    int64_t found = 0;
    for (int64_t i = 0; i < count; i++) {
        place[found] = (int32_t)i; /* without a branch */
        found += row[i] != 0;
    }
    return found;
}
#endif

enum { LANES = sizeof(wide) / sizeof(double) };

static void add(const double *row, int64_t line, const int32_t *place, int64_t count, double scale,
                double *sums)
{
    for (int64_t i = 0; i < count; i++) {
        double *to = sums + place[i] * line;
        for (int64_t j = 0; j < line; j += LANES)
            *(wide *)(to + j) += *(const wide *)(row + j) * scale;
    }
}

static void add_rows(const double *rows, int64_t line, const double *scale, int64_t count,
                     int64_t ahead, double *sums)
{
    for (int64_t a = 0; a < count; a++) {
        double *to = sums + a * line;
        for (int64_t j = 0; j < ahead + a + 1; j += LANES) {
            wide sum = *(const wide *)(to + j);
#pragma GCC unroll 4
            for (int k = 0; k < LN_GRAM_ROWS; k++)
                sum += *(const wide *)(rows + k * line + j) * scale[k * count + a];
            *(wide *)(to + j) = sum;
        }
    }
}

const ln_gram_kernels NAME = {.list = list, .add = add, .add_rows = add_rows};
