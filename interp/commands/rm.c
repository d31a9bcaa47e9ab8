/* lunette rm: takes runs out of the store. */
#include <stdio.h>
#include <unistd.h>

#include "../command.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"
#include "store/store.h"

/* "run 3 (credit, 6 explanations, 600 attributions)" */
static ln_status describe(ln_store *store, int64_t run, char text[256], ln_error *err)
{
    const ln_cell cell = {.column = "run", .type = LN_CELL_INT, .integer = run};
    const ln_query_options params = {.params = &cell, .param_count = 1};
    ln_query *query;
    bool more = false;
    ln_status status = ln_query_new(store,
                                    "SELECT printf('run %d (%s, %d explanation%s, %d "
                                    "attribution%s)', id, experiment, explanations, "
                                    "iif(explanations = 1, '', 's'), attributions, "
                                    "iif(attributions = 1, '', 's')) FROM run_summary WHERE "
                                    "id = :run",
                                    &params, &query, err);
    if (status == LN_OK)
        status = ln_query_next(query, &more, err);
    ln_cell found = more ? ln_query_cell(query, 0) : (ln_cell){0};
    snprintf(text, 256, "%.*s", (int)found.bytes, found.data ? (const char *)found.data : "");
    ln_query_free(query);
    return status;
}

/* Whether to go on: asked on a terminal, unless --yes. */
static ln_status ask(ln_store *store, const ln_options *options, const int64_t *runs, bool *go,
                     ln_error *err)
{
    *go = options->yes;
    if (options->yes)
        return LN_OK;
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return ln_usage(
            options, err,
            "nothing was removed: there is no terminal to ask on; --yes removes without "
            "asking");
    for (int i = 0; i < options->operands.count; i++) {
        char text[256];
        ln_status status = describe(store, runs[i], text, err);
        if (status != LN_OK)
            return status;
        fprintf(stderr, "%s%s", i ? ", " : "remove ", text);
    }
    fputs("? [y/N] ", stderr);
    int answer = getchar();
    *go = answer == 'y' || answer == 'Y';
    return LN_OK;
}

static ln_status remove_them(ln_store *store, const ln_options *options, int64_t *runs,
                             ln_error *err)
{
    ln_removed removed;
    bool go = false;
    int count = options->operands.count;
    ln_status status = LN_OK;
    for (int i = 0; i < count && status == LN_OK; i++)
        status = ln_store_find_run(store, options->operands.at[i], &runs[i], err);
    if (status == LN_OK)
        status = ask(store, options, runs, &go, err);
    if (status != LN_OK || !go)
        return status;
    status = ln_store_remove_runs(store, runs, count, &removed, err);
    if (status != LN_OK || options->quiet)
        return status;
    for (int i = 0; i < count; i++) {
        bool again = false;
        for (int k = 0; k < i; k++)
            again = again || runs[k] == runs[i];
        if (!again)
            printf("removed run %lld\n", (long long)runs[i]);
    }
    if (removed.changed > 0)
        printf("left %lld file%s that changed since %s written\n", (long long)removed.changed,
               removed.changed == 1 ? "" : "s", removed.changed == 1 ? "it was" : "they were");
    return LN_OK;
}

static int run(const ln_options *options, ln_error *err)
{
    ln_store *store = NULL;
    int64_t *runs = ln_calloc((size_t)options->operands.count, sizeof *runs);
    if (!runs)
        return ln_fail_memory(err, 0);
    /* A reader first: nothing is made where there is no store. */
    ln_status status = ln_store_open(options->db, LN_STORE_READ, &store, err);
    ln_store_close(store);
    store = NULL;
    if (status == LN_OK)
        status = ln_store_open(options->db, LN_STORE_WRITE, &store, err);
    if (status == LN_OK)
        status = remove_them(store, options, runs, err);
    ln_store_close(store);
    ln_free(runs);
    return (int)status;
}

const ln_command ln_command_rm = {
    .name = "rm",
    .operands = "RUN ...",
    .min_operands = 1,
    .max_operands = -1,
    .options = "db yes",
    .summary = "remove runs with all that belongs to them alone",
    .details =
        "Asks on a terminal; elsewhere it needs --yes. What goes: parameters, tags, notes,\n"
        "predictions, explanations and their attributions, metrics, verdicts, and files "
        "(pictures)\n"
        "that are still as they were written. Data, models, tensors, scripts and environments may\n"
        "be shared with other runs and stay until `lunette gc`. The number of a run is never used\n"
        "again. A run that is running, or that another run reproduces or resumes, is not removed\n"
        "(with that one together it is).",
    .run = run,
};
