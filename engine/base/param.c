/* Lists of choices are written "a|b|c" in descriptors: short, and printed as they stand. */
#include "base/param.h"

#include <string.h>

int ln_choice_index(const char *choices, const char *name, size_t length)
{
    if (length == 0)
        return -1;
    for (int index = 0; choices && *choices; index++) {
        size_t here = strcspn(choices, "|");
        if (here == length && memcmp(choices, name, length) == 0)
            return index;
        choices += here;
        if (*choices == '|')
            choices++;
    }
    return -1;
}
