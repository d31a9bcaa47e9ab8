/* Looking up a file that is part of the binary. The table is short (tens of files) and asked for
 * once a file and process, so a walk is enough. */
#include "base/embedded.h"

#include <string.h>

const struct ln_embedded *ln_embedded_find(const char *name)
{
    for (const struct ln_embedded *file = ln_embedded_files; file->name; file++)
        if (strcmp(file->name, name) == 0)
            return file;
    return NULL;
}
