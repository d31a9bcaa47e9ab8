/* The loops of walks.h for any machine. */
#include "kernels/lanes_baseline.h"
#include "kernels/walks.h"

#define NAME ln_walks_baseline

#include "kernels/walks_body.h"
