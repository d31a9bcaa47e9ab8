/* lunette verify: integrity of the store and the axioms of its attributions. */
#include <stdio.h>
#include <string.h>

#include "../command.h"
#include "base/error.h"
#include "store/store.h"

#define MOST_PRINTED 100 /* of each severity */

/* What has been found so far. */
typedef struct findings {
    int64_t broken, residual, missing; /* how many */
    bool quiet;                        /* --quiet: only what is broken is printed */
} findings;

static void finding(void *context, const char *severity, const char *text)
{
    findings *found = context;
    bool broken = strcmp(severity, "broken") == 0;
    int64_t *count = broken                             ? &found->broken
                     : strcmp(severity, "missing") == 0 ? &found->missing
                                                        : &found->residual;
    ++*count;
    if (*count <= MOST_PRINTED && (broken || !found->quiet))
        printf("%s: %s\n", severity, text);
}

/* How many runs a reader shows as interrupted though the file says running; 0 where it cannot
 * tell. */
static int64_t count_dead(ln_store *store)
{
    ln_query *query = NULL;
    bool more = false;
    ln_status status = ln_query_new(store,
                                    "SELECT count(*) FROM main.run r JOIN run_summary s "
                                    "ON s.id = r.id WHERE r.status <> s.status",
                                    NULL, &query, NULL);
    if (status == LN_OK)
        status = ln_query_next(query, &more, NULL);
    int64_t dead = status == LN_OK && more ? ln_query_cell(query, 0).integer : 0;
    ln_query_free(query);
    return dead;
}

/* Opening for writing marks runs of dead processes; not where nobody died, nor where it may not. */
static void mark_dead(const char *db)
{
    ln_store *store = NULL;
    int64_t dead = 0;
    if (ln_store_open(db, LN_STORE_READ, &store, NULL) == LN_OK)
        dead = count_dead(store);
    ln_store_close(store);
    if (dead > 0 && ln_store_open(db, LN_STORE_WRITE, &store, NULL) == LN_OK) {
        ln_store_close(store);
        printf("%lld run%s of dead processes marked interrupted\n", (long long)dead,
               dead == 1 ? "" : "s");
    }
}

static ln_status verify(ln_store *store, const ln_options *options, findings *found,
                        int64_t *checked, ln_error *err)
{
    int64_t run = 0;
    ln_status status = LN_OK;
    if (options->operands.count > 0)
        status = ln_store_find_run(store, options->operands.at[0], &run, err);
    if (status == LN_OK)
        status = ln_store_verify(store, run, finding, found, checked, err);
    return status;
}

static int run(const ln_options *options, ln_error *err)
{
    ln_store *store = NULL;
    findings found = {.quiet = options->quiet};
    int64_t checked = 0;
    mark_dead(options->db);
    ln_status status = ln_store_open(options->db, LN_STORE_READ, &store, err);
    if (status == LN_OK)
        status = verify(store, options, &found, &checked, err);
    ln_store_close(store);
    if (status != LN_OK)
        return (int)status;
    if (found.broken > MOST_PRINTED || found.residual > MOST_PRINTED ||
        found.missing > MOST_PRINTED)
        printf("... (%d of each kind are printed)\n", MOST_PRINTED);
    printf("%lld tensors and attributions checked: %lld broken, %lld beyond the tolerance of their "
           "method",
           (long long)checked, (long long)found.broken, (long long)found.residual);
    if (found.missing > 0)
        printf(", %lld file%s missing", (long long)found.missing, found.missing == 1 ? "" : "s");
    putchar('\n');
    if (fflush(stdout) != 0)
        return ln_fail(err, LN_EIO, "the output cannot be written");
    return found.broken > 0 || (options->strict && (found.residual > 0 || found.missing > 0));
}

static const ln_option_note notes[] = {
    {"strict", "", "residuals beyond their tolerance and missing files fail too"},
    {"quiet", "", "print only what is broken; residuals and missing files are counted"},
    {NULL, NULL, NULL},
};

const ln_command ln_command_verify = {
    .name = "verify",
    .operands = "[RUN]",
    .min_operands = 0,
    .max_operands = 1,
    .options = "db strict",
    .notes = notes,
    .summary = "check the store's integrity and the axioms of its attributions",
    .details =
        "Integrity: SQLite's own checks, references between rows, the hash of every tensor, of\n"
        "every stored script and of the files beside the store (pictures), every attribution's\n"
        "numbers against its recorded total. Axioms: |residual| <= tolerance * scale for methods\n"
        "that promise completeness. Runs whose process has died are marked interrupted.\n"
        "Exit status 1 for broken integrity; with --strict also for residuals beyond their\n"
        "tolerance and for files that are not there.",
    .run = run,
};
