/* Which runs: names of a condition, and what of the store they stand for. */
#ifndef LN_STORE_CHOOSE_H
#define LN_STORE_CHOOSE_H

#include "store/internal.h"

typedef enum ln_name_kind {
    LN_NAME_COLUMN,  /* of run_summary */
    LN_NAME_METRIC,  /* of the model, by its label */
    LN_NAME_VERDICT, /* of a judge: label of the explanation, a point, label of the judge */
    LN_NAME_PARAM,   /* a parameter's key */
    LN_NAME_TAG,     /* tag.NAME */
} ln_name_kind;

/* A name that was written, and the columns of temp.chosen that it became. */
typedef struct ln_chosen_name {
    char *text;        /* as written */
    ln_name_kind kind; /* what it stands for */
    const char *first; /* the key, or the explanation's label; in text */
    size_t first_length;
    const char *second; /* of a verdict the judge's label; in text, or NULL */
    char *column;       /* quoted: "roc_auc" compares as a number where it is one */
    char *shown;        /* quoted: " roc_auc" is the value as it is stored */
} ln_chosen_name;

/* The names of one choice. */
typedef struct ln_chosen_names {
    ln_store *store;    /* borrowed */
    ln_chosen_name *at; /* count of them */
    int count, room;
} ln_chosen_names;

void ln_chosen_free(ln_chosen_names *names);
/* Whether some run of the store has it; adds it then. *found is NULL where there is none. Borrowed
 * until the next call. */
ln_status ln_chosen_find(ln_chosen_names *names, const char *text, size_t length,
                         const ln_chosen_name **found, ln_error *err);
/* LN_EINVALID, with near names, for one that was not found. */
ln_status ln_chosen_unknown(ln_chosen_names *names, const char *text, size_t length, ln_error *err);
/* Appends the columns' definitions (", "a" NUMERIC, " a"") and their expressions over run_summary s. */
void ln_chosen_define(const ln_chosen_names *names, ln_text *columns, ln_text *values);

/* A condition in SQL, its names replaced by columns of temp.chosen, appended to sql. Nothing but one
 * expression comes through. */
ln_status ln_condition_write(ln_chosen_names *names, const char *where, ln_text *sql,
                             ln_error *err);

#endif
