/* lunette reproduce: the stored script once more, and whether it gives the same. The work is stdlib's:
 * reproduce.lua, verdict.lua. */
#include "../command.h"
#include "../host.h"

static int run(const ln_options *options, ln_error *err)
{
    return ln_host_main(options, "command", "reproduce", err);
}

static const ln_option_note notes[] = {
    {"quiet", "", "the verdict only"},
    {"from", "FILE.db", "RUN is in that store: it is imported into this one, and run again here"},
    {NULL, NULL, NULL},
};

const ln_command ln_command_reproduce = {
    .name = "reproduce",
    .operands = "RUN",
    .min_operands = 1,
    .max_operands = 1,
    .options = "db threads from",
    .notes = notes,
    .summary = "run a stored run again and compare every number",
    .details =
        "Takes the stored script, its modules, seed and settings (never the files on the disk), "
        "checks\n"
        "the hashes of all data and model files, runs it as a new run whose reproduces_run is the "
        "old\n"
        "one, and compares model, predictions, attributions, judges and metrics bit by bit.\n"
        "The last line is the verdict:\n"
        "  bit-identical\n"
        "  within tolerance            on another instruction set or by another build; it gives "
        "the\n"
        "                              greatest difference\n"
        "  differs                     and what differs first; exit status 3\n"
        "  inputs missing or changed   and which, with both hashes; nothing is run; exit status 4\n"
        "`lunette reproduce last --from bundle.db` reproduces what somebody else ran; files that "
        "the\n"
        "bundle carries need not be on this machine.\n"
        "--threads may be another than it was: results do not depend on it.",
    .run = run,
};
