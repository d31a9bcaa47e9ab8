/* A build without oneDNN: our own kernels compute everything. */
#include "kernels/library.h"

#include <stdio.h>

const ln_kernels *ln_library_products(void)
{
    return NULL;
}

const ln_convolutions *ln_library_convolutions(void)
{
    return NULL;
}

const char *ln_library_name(char *buffer, size_t size)
{
    snprintf(buffer, size, "plain");
    return buffer;
}
