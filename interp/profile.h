/* What --profile prints: where the processors' time went, layer by layer. */
#ifndef LN_INTERP_PROFILE_H
#define LN_INTERP_PROFILE_H

#include <stdio.h>

#include "graph/profile.h"

/* A table of the profile's lines, a row each way that ran, the longest first; nothing where nothing
 * ran. Sorts the profile. */
ln_status ln_profile_print(ln_profile *profile, FILE *out, ln_error *err);

#endif
