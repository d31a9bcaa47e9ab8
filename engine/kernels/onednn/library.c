/* A build with oneDNN. It has products and direct convolutions whose bits do not depend on the other
 * rows from AVX2 on; on other processors ours compute everything. */
#include "kernels/library.h"

#include <dnnl.h>
#include <stdio.h>

#include "base/parallel.h"
#include "kernels/onednn/entries.h"

static bool is_fast(void)
{
    return ln_cpu_has("avx2");
}

const ln_kernels *ln_library_products(void)
{
    return is_fast() ? &ln_kernels_onednn : NULL;
}

const ln_convolutions *ln_library_convolutions(void)
{
    return is_fast() ? &ln_convolutions_onednn : NULL;
}

const char *ln_library_name(char *buffer, size_t size)
{
    const dnnl_version_t *version = dnnl_version();
    snprintf(buffer, size, "oneDNN %d.%d.%d", version->major, version->minor, version->patch);
    return buffer;
}
