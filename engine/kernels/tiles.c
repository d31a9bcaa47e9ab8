#include "kernels/tiles.h"

#include "base/parallel.h"

bool ln_tiles_available(void)
{
    return ln_cpu_has("amx");
}
