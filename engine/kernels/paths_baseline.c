/* The kernels of paths.h for any machine. */
#include "kernels/paths.h"

#define NAME ln_paths_baseline

#include "kernels/paths_body.h"
