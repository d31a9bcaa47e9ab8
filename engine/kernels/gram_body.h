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

static void add(const double *row, int64_t line, const int32_t *place, const double *scale,
                int64_t count, double *sums)
{
    for (int64_t i = 0; i < count; i++) {
        double *to = sums + place[i] * line;
        for (int64_t j = 0; j < line; j += LANES)
            *(wide *)(to + j) += *(const wide *)(row + j) * scale[i];
    }
}

const ln_gram_kernels NAME = {.list = list, .add = add};
