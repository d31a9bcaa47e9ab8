/* The block product in registers of 8 floats: 4 rows x 1 panel (two registers) are 8 of
 * 16. 6 rows would use 12, but the compiler then spills addresses: measured 58 against 97 GFLOP/s. */
#include <string.h>

#include "kernels/lanes_avx2.h"
#include "kernels/plain.h"

#define TALL_ROWS 4
#define TALL_PANELS 1
#define TALL_LIST(X) X(1) X(2) X(3) X(4)
#define WIDE_ROWS 2
#define WIDE_PANELS 2
#define WIDE_LIST(X) X(1) X(2)

#include "kernels/plain_block.h"

void ln_block_avx2(const ln_block *block)
{
    whole_block(block);
}
