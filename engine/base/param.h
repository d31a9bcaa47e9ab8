/* Parameters as data. Every explainer, layer, metric, judge, loss, optimizer ends in a descriptor
 * with a list of ln_param: validation, `lunette help`, the words of the language, the tables in
 * docs/ and the resolved parameters in the store all come from it.
 *
 * Scalars are written by interp/args.c into the parameter struct at `offset` in the C type of
 * `type`. Parameters with a meaning of their own (baseline, background, groups, mask, layer) are
 * resolved by the driver into tensors of the request instead: their offset is LN_NO_OFFSET. */
#ifndef LN_BASE_PARAM_H
#define LN_BASE_PARAM_H

#include "lunette.h"

typedef enum ln_param_type {
    LN_PARAM_INT,        /* int64_t */
    LN_PARAM_REAL,       /* double */
    LN_PARAM_BOOL,       /* bool */
    LN_PARAM_CHOICE,     /* int: index into `choices` */
    LN_PARAM_STRING,     /* const char *, borrowed from the parameter table for the call */
    LN_PARAM_INTS,       /* ln_ints: a whole number or a list of them (window, stride ...) */
    LN_PARAM_BASELINE,   /* number, "zero", "mean", "median", "min", "max" or npy */
    LN_PARAM_BACKGROUND, /* rows {...} or npy */
    LN_PARAM_GROUPS,     /* npy of integers, or lists of column names */
    LN_PARAM_MASK,       /* npy, or a list of column names */
    LN_PARAM_TREE,       /* "correlation", npy, or pairs of pairs ... of column names */
    LN_PARAM_LAYER,      /* a layer's number or name, or an ONNX node's or value's name */
    LN_PARAM_WORD,       /* another word of the category named in `choices` ("explainer") */
    LN_PARAM_STOP, /* double: { standard_error = number }, the error that is small enough; NAN: none */
    LN_PARAM_COMPOSITE, /* ln_entries: one of `choices`, or a list of tables of `fields` */
    LN_PARAM_TABLE,     /* checked by the word itself in stdlib/ */
} ln_param_type;

typedef struct ln_ints {
    int count; /* 0: not given; LN_INTS_CHOICE(i): the i-th of the parameter's choices in its place */
    int64_t at[8];
} ln_ints;
#define LN_INTS_CHOICE(index) (-1 - (index))

typedef struct ln_entries {
    int choice;     /* index into `choices`; -1: a list in its place */
    int count;      /* entries of the list */
    const void *at; /* that many structs of `fields`, behind the parameter struct */
} ln_entries;

#define LN_NO_OFFSET ((size_t)-1)
#define LN_REQUIRED "required" /* as `fallback`: there is no default */

typedef struct ln_param {
    const char *name;
    ln_param_type type;
    size_t offset;        /* in the parameter struct, or LN_NO_OFFSET */
    const char *fallback; /* the default as a Lua literal ("50", "\"gausslegendre\"", "nil"), or
                             LN_REQUIRED */
    double min, max;      /* inclusive range of numbers; -HUGE_VAL and HUGE_VAL: none */
    bool above_min;       /* the lower end itself is not allowed */
    const char *choices;  /* for LN_PARAM_CHOICE "a|b|c"; for LN_PARAM_INTS texts that may stand in
                             place of the numbers, or NULL; for LN_PARAM_INT and _REAL the same,
                             stored as -1 for the first, -2 ...; for LN_PARAM_WORD a category */
    const struct ln_param
        *fields;        /* for LN_PARAM_COMPOSITE, of one entry, all with an offset ... */
    size_t fields_size; /* ... in a struct of so many bytes */
    int position;       /* 1: also accepted as the first positional argument; 0: only by name */
    const char *help;   /* one sentence, with unit and shape where it has one */
} ln_param;

/* Lists of parameters end with an entry whose name is NULL. */
#define LN_PARAM_END                                                                               \
    {                                                                                              \
        .name = NULL                                                                               \
    }

/* How a word of C code describes itself (the common head of all descriptors). */
typedef struct ln_word {
    const char *name;    /* the word: lower case, underscores, the file's name */
    const char *summary; /* one line, no full stop */
    const char *formula; /* plain text; "" where it has none */
    const char *source;  /* paper or reference implementation; "" where it has none */
    const ln_param *params;
    size_t params_size; /* of the parameter struct; 0: no parameters of its own */
} ln_word;

/* The index of `name` in "a|b|c", or -1. */
int ln_choice_index(const char *choices, const char *name, size_t length);

#endif
