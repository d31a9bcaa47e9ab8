/* What every room of the engine shares: status codes, the error record and the names of the
 * types that cross rooms. Nothing here allocates, and nothing here knows Lua, SQLite or oneDNN.
 *
 * Functions that can fail return ln_status (0 or negative) and take an `ln_error *err` as their
 * last parameter; it may be NULL. The lowest layer that knows words the message; the binding adds
 * which explainer and which field of which script. Nothing below interp/main.c exits or prints. */
#ifndef LUNETTE_H
#define LUNETTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LN_VERSION "0.1.0"

typedef enum ln_status {
    LN_OK = 0,
    LN_EINVALID = -1,     /* a script or a file's content is wrong                  exit 2 */
    LN_EFILE = -2,        /* an input file is missing, unreadable or has changed    exit 4 */
    LN_EUNSUPPORTED = -3, /* valid, but Lunette cannot do it: names what and where  exit 2 */
    LN_ENOMEM = -4,       /* the machine or --memory has no more                    exit 1 */
    LN_ESTORE = -5,       /* the store, or SQL                                      exit 1 */
    LN_EIO = -6,          /* a result cannot be written (disk full, permission)     exit 1 */
    LN_EINTERRUPTED = -7, /* Ctrl-C, SIGTERM or --timeout                   exit 130/143/1 */
    LN_ECALLBACK = -8,    /* a Lua callback failed; the Lua error is kept by interp exit 1 */
    LN_EFAILED = -9,      /* the computation failed (diverged training ...)         exit 1 */
} ln_status;

/* Filled by ln_fail; the strings are complete sentences without a file name of ours. */
typedef struct ln_error {
    ln_status status;
    char field[128];   /* path of the script's field, when the engine knows part of it, or "" */
    char message[896]; /* what was found and what would be right */
    char hint[256];    /* "did you mean ...", or "" */
} ln_error;

typedef struct ln_tensor ln_tensor;   /* tensor/tensor.h */
typedef struct ln_graph ln_graph;     /* graph/graph.h */
typedef struct ln_plan ln_plan;       /* graph/plan.h */
typedef struct ln_model ln_model;     /* model/model.h */
typedef struct ln_dataset ln_dataset; /* data/dataset.h */
typedef struct ln_store ln_store;     /* store/store.h */
typedef struct ln_pool ln_pool;       /* base/parallel.h */

#endif
