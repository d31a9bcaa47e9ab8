/* The block product in registers of 16 floats: 8 rows x 2 panels are 16 of 32
 * registers. 12 rows would use 24, but their addresses no longer fit the integer registers: measured
 * 60 against 114 GFLOP/s. */
#include <string.h>

#include "kernels/lanes_avx512.h"
#include "kernels/plain.h"

#define TALL_ROWS 8
#define TALL_PANELS 2
#define TALL_LIST(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define WIDE_ROWS 6
#define WIDE_PANELS 4
#define WIDE_LIST(X) X(1) X(2) X(3) X(4) X(5) X(6)

#include "kernels/plain_block.h"

void ln_block_avx512(const ln_block *block)
{
    whole_block(block);
}
