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

void ln_last_turn(int64_t rows, int64_t columns, const float *from, float *to)
{
    if (rows == 1 || columns == 1)
        memcpy(to, from, (size_t)(rows * columns) * sizeof *to);
    else
        ln_last_kernels_choose()->turn(rows, columns, from, to);
}
