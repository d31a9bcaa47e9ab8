#include "kernels/paths.h"
#include "kernels/choose.h"

const ln_path_kernels *ln_path_kernels_choose(void)
{
    return LN_CHOOSE(ln_paths);
}
