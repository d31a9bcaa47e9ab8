#include "kernels/elementary.h"
#include "kernels/choose.h"

const ln_elementary *ln_elementary_choose(void)
{
    return LN_CHOOSE(ln_elementary);
}
