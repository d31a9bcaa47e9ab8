/* lunette run: load a script, check all of it, run every experiment, log everything. The work is
 * stdlib's: command.lua, schema.lua, run.lua. */
#include "../command.h"
#include "../host.h"

static int run(const ln_options *options, ln_error *err)
{
    if (options->operands.count == 0 && !options->resume)
        return ln_usage(options, err, "'lunette run' needs SCRIPT.lua [-- ARG ...]");
    return ln_host_main(options, "command", "run", err);
}

static const ln_option_note notes[] = {
    {"quiet", "", "verdicts only: no progress, and no tables but that of the expectations"},
    {NULL, NULL, NULL},
};

const ln_command ln_command_run = {
    .name = "run",
    .operands = "SCRIPT.lua [-- ARG ...]",
    .min_operands = 0,
    .max_operands = 1,
    .options = "db threads set seed numerics dry-run profile needed resume confine allow",
    .notes = notes,
    .summary = "run a script; every run is logged",
    .details =
        "Loads the script, checks the whole of it, and only then starts its runs. What is "
        "finished\n"
        "is in the store at once: after Ctrl-C, --timeout or a crash it is there to be asked.\n"
        "The script gets ARG ... as `...` and as the list `arg`.\n"
        "`lunette run --resume RUN` takes no script: it continues a run that was interrupted or "
        "failed\n"
        "from the stored one. What was finished is kept, the rest computed, and the result is that "
        "of a\n"
        "run that nobody disturbed.\n"
        "With --profile a table follows: the processor time of each layer, forward and backward, "
        "what\n"
        "computed it, and the speed and share of it; and what explainers do beside passes.\n"
        "\n"
        "Exit status: 0 fine; 1 a run, the store or the disk failed, or time or memory ran out;\n"
        "2 the script is wrong, and nothing was run; 3 an `expect` did not hold; 4 an input file "
        "is\n"
        "missing or unreadable; 130 stopped by Ctrl-C, 143 by a signal.",
    .run = run,
};
