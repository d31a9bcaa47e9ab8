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
    .summary = "describe a command, a word or a field: parameters, defaults, formula, source",
    .details =
        "WORD is a command (run), a word of the language (saliency), one of their fields or\n"
        "parameters (epochs, or train.epochs where there are several of that name), or a\n"
        "topic: language, which tells on a page how words fit together.",
    .run = run,
};
