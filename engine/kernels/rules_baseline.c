/* The kernels of rules.h for any machine. */
#include "kernels/rules.h"

#define NAME ln_rules_baseline

#include "kernels/rules_body.h"
