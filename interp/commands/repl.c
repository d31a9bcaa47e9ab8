/* lunette repl: the same words, a statement at a time. The session is stdlib/repl.lua; lines come from
 * interp/line.c. */
#include "../command.h"
#include "../host.h"

static int run(const ln_options *options, ln_error *err)
{
    return ln_host_main(options, "repl", "main", err);
}

static const ln_option_note notes[] = {
    {"format", "", "how query prints rows"},
    {NULL, NULL, NULL},
};

const ln_command ln_command_repl = {
    .name = "repl",
    .operands = "",
    .min_operands = 0,
    .max_operands = 0,
    .options = "db threads set seed numerics dry-run needed confine allow format",
    .notes = notes,
    .summary = "the words of the language, interactively: history, completion, queries",
    .details =
        "A statement ends where Lua could end it: an open { asks for more lines. A name that is\n"
        "assigned stays, with or without `local`. Where the statement is an expression, its value\n"
        "is shown; an experiment, or a list of them, is run and logged like a script's, and what "
        "was\n"
        "typed so far is kept as its script.\n"
        "  run(x)         runs x, an experiment or a list of them; x alone does the same\n"
        "  query \"SQL\"    rows of the store          help \"WORD\"    this manual\n"
        "  quit()         or Ctrl-D, ends the session\n"
        "Tab completes words, options and values, and where several fit lists them with their "
        "help.\n"
        "Ctrl-C stops the statement, not the session. Lines are kept in "
        "~/.local/state/lunette/history\n"
        "($LUNETTE_HISTORY is another file, none where it is empty).\n"
        "\n"
        "On a pipe there is no prompt: statements are run in order, and the exit status is that of "
        "the\n"
        "first that failed, else 0. At a terminal it is 0.",
    .run = run,
};
