/* lunette list: the words of one kind, from their descriptors. */
#include "../command.h"
#include "../host.h"

static int run(const ln_options *options, ln_error *err)
{
    return ln_host_main(options, "command", "list", err);
}

const ln_command ln_command_list = {
    .name = "list",
    .operands = "[CATEGORY]",
    .min_operands = 0,
    .max_operands = 1,
    .options = "format",
    .summary = "list explainers, metrics, judges, layers and other words",
    .details = "CATEGORY is explainers, metrics, judges, layers, losses, optimizers, schedules, "
               "pictures,\n"
               "words (all of them) or commands. Without it: the categories.",
    .run = run,
};
