#include "kernels/last.h"

#include <string.h>

#include "base/parallel.h"
#include "kernels/library.h"

const ln_last_kernels *ln_last_kernels_choose(void)
{
#ifdef __x86_64__
    if (ln_cpu_has("avx512"))
        return &ln_last_avx512;
    if (ln_cpu_has("avx2"))
        return &ln_last_avx2;
#endif
    return &ln_last_baseline;
}

bool ln_last_is_fast(void)
{
    return ln_library_convolutions() != NULL;
}

/* In squares that stay in the first cache. */
void ln_last_turn(int64_t rows, int64_t columns, const float *from, float *to)
{
    enum { SIDE = 16 };
    if (rows == 1 || columns == 1) {
        memcpy(to, from, (size_t)(rows * columns) * sizeof *to);
        return;
    }
    for (int64_t r = 0; r < rows; r += SIDE)
        for (int64_t c = 0; c < columns; c += SIDE) {
            const int64_t last_r = r + SIDE < rows ? r + SIDE : rows;
            const int64_t last_c = c + SIDE < columns ? c + SIDE : columns;
            for (int64_t i = c; i < last_c; i++)
                for (int64_t j = r; j < last_r; j++)
                    to[i * rows + j] = from[j * columns + i];
        }
}
