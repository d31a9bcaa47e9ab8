/* lunette import: another store merged into this one (stdlib/bundle.lua). */
#include "../command.h"
#include "../host.h"

static int run(const ln_options *options, ln_error *err)
{
    return ln_host_main(options, "command", "import", err);
}

static const ln_option_note notes[] = {
    {"quiet", "", "print nothing"},
    {NULL, NULL, NULL},
};

const ln_command ln_command_import = {
    .name = "import",
    .operands = "FILE.db",
    .min_operands = 1,
    .max_operands = 1,
    .options = "db",
    .notes = notes,
    .summary = "merge another store into this one",
    .details =
        "FILE.db is verified first; a damaged file, or one that is no store, is refused and "
        "nothing\n"
        "changes. Runs come with all that belongs to them, tags and notes too, and get numbers of\n"
        "this store; a run that is here already (by its uuid) is left as it is. What is equal, "
        "such\n"
        "as data sets, models and tensors, is stored once. Named queries come along; one of the "
        "same\n"
        "name that asks something else gets a number. All of it happens, or nothing.",
    .run = run,
};
