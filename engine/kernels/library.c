#include "kernels/library.h"

#include <dnnl.h>
#include <stdio.h>

const char *ln_kernels_library(char *buffer, size_t size)
{
    const dnnl_version_t *version = dnnl_version();
    snprintf(buffer, size, "%d.%d.%d", version->major, version->minor, version->patch);
    return buffer;
}
