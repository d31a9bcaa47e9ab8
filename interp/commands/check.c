/* lunette check: all that `run` checks before it opens a file. */
#include "../command.h"
#include "../host.h"

static int run(const ln_options *options, ln_error *err)
{
    return ln_host_main(options, "command", "check", err);
}

const ln_command ln_command_check = {
    .name = "check",
    .operands = "SCRIPT.lua [-- ARG ...]",
    .min_operands = 1,
    .max_operands = 1,
    .options = "db threads set seed numerics confine allow",
    .summary = "load a script and check it, run nothing",
    .details =
        "Checks what can be known without opening the script's data and model files: words,\n"
        "options, types, ranges, labels, sweeps and expectations. Exit status 0 or 2.",
    .run = run,
};
