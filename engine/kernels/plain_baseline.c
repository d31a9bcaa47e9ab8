/* The block product for any machine, in registers of 4 floats. */
#include <string.h>

#include "kernels/lanes_baseline.h"
#include "kernels/plain.h"

#define TALL_ROWS 3
#define TALL_PANELS 1
#define TALL_LIST(X) X(1) X(2) X(3)
#define WIDE_ROWS 1
#define WIDE_PANELS 2
#define WIDE_LIST(X) X(1)

#include "kernels/plain_block.h"

void ln_block_baseline(const ln_block *block)
{
    whole_block(block);
}
