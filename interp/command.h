/* A command of the program: one file in commands/, one line in commands.c. main.c parses the
 * command line by the command's own list of options, calls `run`, prints the error it left and
 * turns the result into the exit status of the contract. No command exits by itself. */
#ifndef LN_COMMAND_H
#define LN_COMMAND_H

#include "lunette.h"

/* A list of texts, borrowed from argv: what an option that may be repeated was given. */
typedef struct ln_texts {
    const char **at;
    int count;
} ln_texts;

/* The parsed command line. Texts are borrowed from argv or the environment. */
typedef struct ln_options {
    const char *command; /* its name */
    ln_texts operands;   /* what is no option, in order */
    ln_texts arguments;  /* what follows `--` (the script's own arguments) */
    ln_texts argv;       /* the whole command line, for the store; argv[0] is the program */

    const char *db;       /* --db, else $LUNETTE_DB, else "lunette.db" */
    int threads;          /* --threads, else the cores this process may use; >= 1 */
    ln_texts set;         /* --set path=value, in order */
    bool seed_given;      /* --seed was given */
    int64_t seed;         /* its value */
    const char *numerics; /* --numerics; NULL: as the script has it */
    size_t memory;        /* --memory in bytes; 0: no limit */
    double timeout;       /* --timeout in seconds; 0: none */
    bool quiet;           /* --quiet: no progress, and of run only verdicts */
    bool trace;           /* --trace: Lua tracebacks */
    bool dry_run;         /* --dry-run */
    bool profile;         /* --profile: print where the time of passes goes */
    const char *from;     /* --from FILE.db: the run is in that store; or NULL */
    bool with_data;       /* --with-data: a bundle carries the files that the run read */
    const char *resume;   /* --resume RUN: continue this one; or NULL */
    bool needed;          /* --needed: leave out runs that the store has already */
    bool confine;         /* --confine: files only below the script's folder ... */
    ln_texts allow;       /* --allow read=DIR: ... and these */
    const char *format;   /* --format as written, or NULL: the command's own default */
    int64_t limit;        /* --limit; -1: not given */
    const char *where;    /* --where, SQL; or NULL */
    const char *sort;     /* --sort, a column; or NULL */
    const char *output;   /* -o, --output; or NULL */
    ln_texts params;      /* --param name=value, in order */
    bool write;           /* --write */
    bool strict;          /* --strict */
    const char *head;     /* --head: name of a model's output; or NULL */
    bool all;             /* --all: what does not differ, too */
    ln_texts fail_above;  /* --fail-above METRIC=DELTA, in order */
    bool yes;             /* --yes: do not ask */
    bool no_vacuum;       /* --no-vacuum */
    const char *remove;   /* --remove NAME, or NULL */
    const char *save;     /* --save NAME, or NULL */
    bool saved;           /* --saved: list the kept queries */
    bool schema;          /* --schema: what can be asked */
    ln_texts attach;      /* --attach "FILE AS name", in order */
    const char *columns;  /* --columns a,b,c; or NULL */
} ln_options;

/* What an option means to one command, where that is not what options.c says of all of them. */
typedef struct ln_option_note {
    const char *name;  /* of the option, without the dashes */
    const char *value; /* what stands for its value in the synopsis */
    const char *help;  /* one line, no full stop */
} ln_option_note;

typedef struct ln_command {
    const char *name;     /* the verb */
    const char *operands; /* for the synopsis: "SCRIPT.lua [-- ARG ...]", or "" */
    int min_operands;
    int max_operands;    /* -1: any number */
    const char *options; /* names of the options it takes, between blanks: "db limit where"; all
                               commands also take help, quiet, trace, memory and timeout */
    const ln_option_note *notes; /* ends with a NULL name; or NULL: none */
    const char *summary;         /* one line, no full stop */
    const char *details;         /* further lines for `lunette help VERB`, or "" */
    /* The exit status (0, or 3 and the like where nothing is to be said any more), or a negative
     * ln_status with *err filled: main prints it and exits as the contract says. */
    int (*run)(const ln_options *options, ln_error *err);
} ln_command;

extern const ln_command *const ln_commands[]; /* NULL-terminated, in the order of `lunette help` */
const ln_command *ln_command_find(const char *name);

/* Exit status of an error: 0, 1, 2, 4, 130 or 143 (contract, section 1). */
int ln_exit_status(ln_status status);

/* Prints `lunette: message` and the hint on the line below to standard error. */
void ln_print_error(const ln_error *err);

/* An error of usage: `LN_EINVALID` with a pointer to `lunette help COMMAND` as the hint. */
ln_status ln_usage(const ln_options *options, ln_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
