#include "kernels/gram.h"
#include "kernels/choose.h"

const ln_gram_kernels *ln_kernels_gram(void)
{
    return LN_CHOOSE(ln_gram);
}
