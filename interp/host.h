/* The host of Lua: one state a command, its memory counted with ours, the stdlib embedded in the
 * program. LUNETTE_STDLIB=DIR reads the stdlib from a folder instead (to work on it without
 * building). Only base, coroutine, table, string, math, utf8 and (for stdlib itself) debug are
 * opened; there is no io, os or package anywhere. */
#ifndef LN_HOST_H
#define LN_HOST_H

#include "command.h"

struct lua_State;

/* Calls require(module)[function](options) in a fresh state and returns the exit status: the whole
 * number that the function returned, or that of its error, which is then printed. A negative
 * ln_status with *err where not even a state could be made. */
int ln_host_main(const ln_options *options, const char *module, const char *function,
                 ln_error *err);

/* For bindings: the progress line of this process, whether --trace was given, and the size of the
 * last allocation that failed. */
typedef struct ln_progress_line {
    bool shown_at_all; /* a terminal, and not --quiet */
    bool drawn;        /* something stands there */
    double last;       /* when, in seconds */
} ln_progress_line;
ln_progress_line *ln_host_progress(struct lua_State *L);
/* Of core.c: draws the line, at most every 50 ms and at the last step; nothing unless it is shown at all. */
void ln_progress_show(ln_progress_line *line, double done, double total, const char *text);
bool ln_host_traces(struct lua_State *L);
struct ln_profile *ln_host_profile(struct lua_State *L); /* of --profile, or NULL */
size_t ln_host_wanted(struct lua_State *L);

#endif
