/* The command line's options: one row each, from which parsing, `lunette help` and the list of
 * names for a suggestion come. */
#ifndef LN_OPTIONS_H
#define LN_OPTIONS_H

#include "command.h"

typedef enum ln_option_kind {
    LN_OPTION_FLAG,    /* bool */
    LN_OPTION_TEXT,    /* const char * */
    LN_OPTION_TEXTS,   /* ln_texts: may be repeated */
    LN_OPTION_COUNT,   /* int64_t, 0 or more */
    LN_OPTION_THREADS, /* int, 1 to 1024 */
    LN_OPTION_SEED,    /* int64_t, and seed_given */
    LN_OPTION_BYTES,   /* size_t, with K, M or G */
    LN_OPTION_SECONDS, /* double, above 0 */
} ln_option_kind;

typedef struct ln_option {
    const char *name; /* without the dashes */
    char letter;      /* of the short form, or 0 */
    ln_option_kind kind;
    size_t offset;     /* in ln_options */
    const char *value; /* what stands for the value in the synopsis, "" for flags */
    const char *help;  /* one line, no full stop */
    bool common;       /* every command takes it */
} ln_option;

extern const ln_option ln_option_rows[]; /* the last one's name is NULL */

/* Whether the command's own list names it, or it is common. */
bool ln_option_allowed(const ln_command *command, const ln_option *option);

/* What the command line asks for in place of a command. */
typedef enum ln_request_kind { LN_ASK_RUN, LN_ASK_HELP, LN_ASK_VERSION } ln_request_kind;

/* Fills *options (released with ln_options_free, also after an error) and says which command is
 * meant: NULL with LN_ASK_HELP where none was named. LN_EINVALID for whatever is not understood. */
ln_status ln_options_parse(int argc, char **argv, ln_options *options, const ln_command **command,
                           ln_request_kind *kind, ln_error *err);
void ln_options_free(ln_options *options);

#endif
