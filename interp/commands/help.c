/* lunette help: any command or word; without one, the commands. */
#include "../command.h"
#include "../host.h"

static int run(const ln_options *options, ln_error *err)
{
    return ln_host_main(options, "command", "help", err);
}

const ln_command ln_command_help = {
    .name = "help",
    .operands = "[WORD]",
    .min_operands = 0,
    .max_operands = 1,
    .options = "",
    .summary = "any command or word: parameters, defaults, formula, source",
    .details = "",
    .run = run,
};
