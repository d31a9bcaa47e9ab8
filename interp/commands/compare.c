/* lunette compare: what differs between runs, and whether they explain alike. The work is stdlib's:
 * compare.lua. */
#include "../command.h"
#include "../host.h"

static int run(const ln_options *options, ln_error *err)
{
    return ln_host_main(options, "compare", "main", err);
}

static const ln_option_note notes[] = {
    {"format", "FORMAT", "table (default), md or json"},
    {"limit", "N", "the N samples of each explanation that differ most (default: 5)"},
    {"output", "DIR", "also draw the explanations side by side, DIR/<label>.png"},
    {NULL, NULL, NULL},
};

const ln_command ln_command_compare = {
    .name = "compare",
    .operands = "RUN RUN [RUN ...]",
    .min_operands = 2,
    .max_operands = 16,
    .options = "db all fail-above format limit output threads",
    .notes = notes,
    .summary = "what differs between runs: script, data, model, parameters, metrics, attributions",
    .details =
        "The first run is the reference. Of script, data, model, parameters and environment only\n"
        "what differs is shown (--all: everything). Metrics have their difference and its paired\n"
        "95 % bootstrap interval over the rows that both runs have; roc_auc DeLong's test, "
        "accuracy\n"
        "McNemar's. Explanations of the same label are compared sample by sample and target by\n"
        "target: cosine, Spearman's rank correlation, overlap of the 5 greatest, greatest\n"
        "difference.\n"
        "\n"
        "For use in scripts, --fail-above roc_auc=0.01 --fail-above deletion=0.05: exit status 3\n"
        "where the metric or judge of that label got worse than in the first run by more (a "
        "metric\n"
        "without a better side: where it moved by more).",
    .run = run,
};
