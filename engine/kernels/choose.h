/* Inside kernels/: of a function or table NAME that is compiled once an instruction set, as NAME_baseline,
 * NAME_avx2 and NAME_avx512, the address of this machine's. */
#ifndef LN_KERNELS_CHOOSE_H
#define LN_KERNELS_CHOOSE_H

#include "base/parallel.h"

#ifdef __x86_64__
#define LN_CHOOSE(name)                                                                            \
    (ln_cpu_has("avx512") ? &name##_avx512 : ln_cpu_has("avx2") ? &name##_avx2 : &name##_baseline)
#else
#define LN_CHOOSE(name) (&name##_baseline)
#endif

#endif
