/* What an explainer is, and the job that runs one. An explainer's file ends in one exported
 * descriptor; explainers.c is the table. It sees encoded rows, never columns, files, Lua or the
 * store: the driver (stdlib/run.lua through interp/bind_explain.c) resolves baseline, background,
 * groups and targets into the request beforehand and sums encoded inputs over columns afterwards.
 *
 * An item is one row explained for one target; its result depends on nothing else (its draws on
 * seed, word, stream and the row's number in the data set), so items may be cut into chunks and
 * spread over workers in any way. */
#ifndef LN_EXPLAINER_H
#define LN_EXPLAINER_H

#include <stdatomic.h>

#include "base/parallel.h"
#include "base/param.h"
#include "image/superpixels.h"
#include "model/model.h"

#define LN_NEEDS_GRADIENT 1u /* a network: gradients */
#define LN_TAKES_BASELINE 2u /* has a parameter `baseline` */
#define LN_TAKES_GROUPS 4u   /* one value a group (perturbation); columns are the default groups */
#define LN_TAKES_BACKGROUND 8u /* has a parameter `background` */
#define LN_COMPLETE 16u   /* promises total = output - baseline_output (residual is recorded) */
#define LN_RANDOM 32u     /* draws: has `stream` */
#define LN_HAS_ERRORS 64u /* estimates: gives standard errors */
#define LN_CONSERVES 128u /* relevance: total + absorbed = output (residual is their difference) */
#define LN_TAKES_LAYER 256u  /* has a parameter `layer`, request->layer */
#define LN_AT_LAYER 512u     /* its values are the layer's, not the inputs' */
#define LN_NO_TARGET 1024u   /* explains no output: one item a row, whatever the targets are */
#define LN_INSIDE 2048u      /* runs a job of its own, on the caller's thread (common/inside.h) */
#define LN_HAS_FIT 4096u     /* fits a model of its own: says how well */
#define LN_OF_TRAINING 8192u /* its default background is all training rows, with their classes */
#define LN_OF_PROBABILITY 16384u /* explains probabilities where the script names no link */
#define LN_WRAPS 32768u /* the job inside is of request->of, what the parameter `of` says */
#define LN_OF_PIECES                                                                               \
    131072u               /* of images its default groups are superpixels, without a background */
#define LN_ATTACKS 65536u /* its values are rows, moved on the link "loss"; `fit` is its success */
#define LN_TAKES_TREE 262144u /* has a parameter of type LN_PARAM_TREE, request->tree */
#define LN_WATCHED 524288u    /* shows the rows that it evaluates (common/manifold.h) */
#define LN_OF_PAIRS 1048576u  /* its values are (M, M), one a pair of the M groups */
#define LN_HAS_RULE 2097152u  /* finds a rule: `fit` is its precision, `rules` the rest */

typedef struct ln_item {
    int64_t row;    /* row of request->x */
    int64_t target; /* class id or output, as the user counts; 0 with a single output */
} ln_item;

/* A hidden unit that is explained in place of an output. */
typedef struct ln_neuron {
    int value;    /* of the model's graph (ln_model_layer) */
    int64_t unit; /* its place in a row of that, flattened */
} ln_neuron;

/* Groups that every row has of its own, as many as it takes (common/by_row.h). */
typedef struct ln_row_groups {
    const int32_t *given; /* (N, width) a row's group of each input, from 0 without gaps; or NULL */
    ln_superpixels
        superpixels; /* without `given`: how a row's image is cut; channels share the pieces */
} ln_row_groups;

typedef struct ln_manifold ln_manifold; /* common/manifold.h */
typedef struct ln_watcher ln_watcher;

typedef struct ln_request {
    ln_model *model;           /* borrowed for the job's life */
    ln_link link;              /* scale on which the model is explained */
    const ln_tensor *x;        /* (N, width) f32, encoded */
    const int64_t *row_ids;    /* (N) numbers in the data set, for draws */
    const ln_item *items;      /* item_count of them */
    int64_t item_count;        /* entries of items */
    const ln_tensor *baseline; /* (1, width) or (N, width) f32, or NULL */
    bool own_baselines;  /* a row has a baseline of its own, also where there is one row only */
    bool baseline_holds; /* its rows have the held numbers of x already (ln_model_hold) */
    const ln_tensor *background;      /* (K, width) f32, or NULL */
    const int64_t *background_labels; /* LN_OF_TRAINING: (K) classes of these rows, or NULL */
    const int32_t *groups; /* width entries 0 .. group_count - 1, -1: held (ln_model_hold) and not
                                    explained, or NULL: every input alone;
                                    read by LN_TAKES_GROUPS only */
    int64_t group_count;   /* width when groups is NULL */
    const ln_row_groups *row_groups; /* in place of groups, or NULL */
    const ln_tensor *tree; /* LN_TAKES_TREE: (group_count - 1, 2) i64 (common/tree.h), or NULL: by
                              correlation */
    ln_shape input_shape;  /* of one row as the user gave it, `width` numbers in all; rank 0:
                                    columns of a table, which have no axes */
    int layer;             /* LN_TAKES_LAYER: a value of the model's graph (ln_model_layer) */
    const struct ln_explainer *of; /* LN_WRAPS: the other explainer; what this request refers to
                                      (baseline, background, groups, layer) is that one's */
    const void *of_params;         /* its parameter struct */
    const ln_tensor *range;  /* LN_WRAPS: (1, width) f32, how far each input ranges; NULL: as far as
                               the row's own numbers */
    const ln_neuron *neuron; /* what is explained, whatever target and link; NULL: an output */
    const ln_manifold *watch; /* LN_WATCHED: what its rows are compared with, or NULL */
    const void *params;       /* the explainer's parameter struct */
    /* Options that say nothing beside others are let pass: a stored script ran with them, another variant of a
     * sweep may read them (stdlib/idle.lua). Their checks ask this and nothing else does: no result depends on it. */
    bool allows_idle;
    uint64_t seed, stream; /* of draws */
} ln_request;

/* LN_HAS_RULE: what was found for an item beside its values. */
typedef struct ln_found_rule {
    char *text;          /* the rule in words, owned; NULL: there is none */
    double lower, upper; /* bounds of its precision */
    double coverage;     /* NaN without a rule */
    int64_t draws;       /* that its precision was measured by */
    const char *note;    /* static: how it falls short of what was asked for, or NULL */
} ln_found_rule;

/* What a run of items fills; arrays have one entry (or `width`) an item. NaN: not defined. */
typedef struct ln_explanation {
    int64_t count;  /* items */
    int64_t width;  /* values an item: the model's width, or group_count */
    int64_t *units; /* with row_groups: (count) values that an item has, the rest of `width`
                                are 0; else NULL: all of them */
    int32_t
        *groups;    /* with row_groups: (count, the model's width) group of each input; else NULL */
    float *values;  /* (count, width) */
    float *errors;  /* (count, width) standard errors, or NULL */
    double *output; /* the explained number at the row */
    double *baseline_output; /* at the baseline; NaN where the method has none */
    double *absorbed;        /* LN_CONSERVES: what biases and stabilisers took; else NULL */
    double *fit; /* LN_HAS_FIT: R^2 of the fitted model, or LN_ATTACKS: 1 where it succeeded, else
                            0, or LN_HAS_RULE: the rule's precision; NaN where undefined; else NULL */
    ln_found_rule *rules; /* LN_HAS_RULE: one an item; else NULL */
    double *outside; /* with a watch: share of the rows evaluated that lie outside of the training
                        data; NaN where there were none; else NULL */
    char **
        reasons; /* with row_groups: (count) why an item has no values, NULL where it has; else NULL */
    int64_t evaluations; /* rows passed forward, plus rows passed backward */
} ln_explanation;

struct ln_explainer;

/* One running explainer: shared state and one scratch a worker. */
typedef struct ln_job {
    const struct ln_explainer *explainer; /* what runs */
    const ln_request *request;            /* borrowed */
    ln_composite *composite;              /* the explainer's, or NULL */
    ln_function *function;                /* made by the job as `needs` and `composite` say */
    bool
        looks; /* function looks at the request's layer: LN_TAKES_LAYER, unless prepare clears it */
    int beside_count;                    /* functions beside that one (ln_job_beside) */
    ln_function_options *beside_options; /* what they are to be */
    ln_function **beside;                /* made by the job after prepare */
    int64_t width;  /* values an item; of LN_AT_LAYER the layer's, unless prepare changes it */
    ln_shape shape; /* LN_AT_LAYER: of an item's values, `width` in all */
    bool
        of_pixels; /* the values were enlarged to the input: one a pixel, which its channels share */
    const ln_target *targets; /* one an item of the request, resolved on its link */
    const float *baseline;    /* LN_TAKES_BASELINE: the request's, or one row of zeros */
    int64_t baseline_stride;  /* 0: one row for all, else its width: row by row */
    int threads;              /* that take its chunks */
    int64_t items_per_chunk;  /* at most; set by the explainer's prepare */
    int64_t rows_per_item;    /* with ln_passes_set: whole items share a pass; else 0 */
    int64_t rows_per_pass;    /* that an explainer hands to its runner together */
    bool joined;              /* set by prepare: rows of a pass look at one another */
    bool shares;       /* few items: the threads may share the rows of a pass, in place of items */
    const int *behind; /* set by prepare: the function's rows are numbers of this value */
    void *shared;      /* the explainer's own, read-only while running */
    ln_pool *pool;     /* of LN_INSIDE: for the job inside; of others: for start; or NULL */
    ln_progress_fn tell; /* set by the caller, or NULL: how many of ln_job_run's parts are done */
    void *tell_context;  /* its */
    _Atomic double worst_error; /* of all items finished; 0: none known */
} ln_job;

/* Numbers a row of what the request explains, on any link, at most: for buffers of outputs that are laid out
 * before there is a function. */
int64_t ln_request_outputs(const ln_request *request);

/* The baseline of a row of request->x. */
static inline const float *ln_job_baseline(const ln_job *job, int64_t row)
{
    return job->baseline + row * job->baseline_stride;
}

/* With a profile: what a worker has spent on mixtures of rows that go through layers without a pass. */
typedef struct ln_job_mixtures {
    int64_t rows, nanoseconds;
    double operations; /* of products, as a pass would have them */
} ln_job_mixtures;

/* Given to run for each chunk: items [first, first + count) of the request, results in place. */
typedef struct ln_job_chunk {
    int64_t first, count;      /* items */
    ln_runner *runner;         /* this worker's */
    ln_runner **beside;        /* this worker's of job->beside */
    void *scratch;             /* this worker's, job scratch_bytes, 64-aligned */
    ln_watcher *watcher;       /* this worker's, or NULL (common/manifold.h) */
    ln_explanation *out;       /* arrays already moved to `first`: entry 0 is item `first` */
    int64_t evaluations;       /* to be added to by run */
    ln_job_mixtures *mixtures; /* to be added to, the same; NULL without a profile */
    /* With a profile, of LN_INSIDE, to be added to: what run did itself, on any thread, without passes and the job
     * inside (ln_inside_clock). */
    int64_t nanoseconds;
} ln_job_chunk;

typedef struct ln_explainer {
    ln_word word;     /* name, summary, formula, source, parameters */
    unsigned flags;   /* LN_NEEDS_... | LN_TAKES_... | LN_COMPLETE | LN_RANDOM */
    int version;      /* changes when results change; stored */
    double tolerance; /* of LN_COMPLETE: default of the parameter `tolerance` */
    const char *cost; /* "steps forward and backward passes a row" */
    /* The rules of the backward pass, or NULL: none. *out is one block of ln_alloc, which the job
     * frees; it begins with the composite and holds all that the rules need. Called after prepare. */
    ln_status (*composite)(const ln_job *job, ln_composite **out, ln_error *err);
    /* Checks parameters against the model and the request, chooses items_per_chunk,
     * rows_per_pass (ln_passes_set) and scratch bytes, may allocate job->shared. May be NULL. */
    ln_status (*prepare)(ln_job *job, size_t *scratch_bytes, ln_error *err);
    /* Evaluates once what all items share, before the first chunk; adds to *evaluations, which the
     * first ln_job_run reports. May be NULL. */
    ln_status (*start)(ln_job *job, ln_runner *runner, int64_t *evaluations, ln_error *err);
    void (*release)(ln_job *job); /* frees job->shared; may be NULL */
    ln_status (*run)(const ln_job *job, ln_job_chunk *chunk, ln_error *err); /* one chunk */
    /* In place of run, where every item is computed by itself: entry `entry` of the chunk. */
    ln_status (*explain)(const ln_job *job, ln_job_chunk *chunk, int64_t entry, ln_error *err);
} ln_explainer;

extern const ln_explainer *const ln_explainers[]; /* NULL-terminated */
const ln_explainer *ln_explainer_find(const char *word);

/* Makes function, runners and scratch once; then any run of items, in parallel. Errors name the
 * layer and operator where the method is not defined for the model. */
ln_status ln_job_new(const ln_explainer *explainer, const ln_request *request, ln_pool *pool,
                     ln_job **out, ln_error *err);
/* For prepare: the job's run needs so many functions of the model beside job->function. Their options,
 * zeroed, go to *out to be filled; link and, where they are 0, rows are job->function's. */
ln_status ln_job_beside(ln_job *job, int count, ln_function_options **out, ln_error *err);
/* For a job that wraps another: the targets of that one's items have changed. */
ln_status ln_job_retarget(ln_job *job, ln_error *err);
/* Items [first, first + count). Caller frees the result with ln_explanation_free. */
ln_status ln_job_run(ln_job *job, int64_t first, int64_t count, ln_explanation *out, ln_error *err);
/* The greatest standard error of what the job has finished, 0 without any: also while it runs. */
double ln_job_worst_error(const ln_job *job);
void ln_job_note_errors(ln_job *job, const ln_explanation *finished);
void ln_job_free(ln_job *job);
void ln_explanation_free(ln_explanation *explanation);

/* Sums the `width` values of each item over columns: column_of has `width` entries below `columns`, -1
 * for values that are left out.
 * For one-number-a-column results (space "column"). In place of explanation->values. A column of
 * several inputs has no standard error (theirs are not independent): NaN. */
ln_status ln_explanation_by_column(ln_explanation *explanation, const int32_t *column_of,
                                   int64_t columns, ln_error *err);

/* What the store keeps of one attribution besides its numbers; float64 sums in index order. */
typedef struct ln_summary {
    double total;    /* NaN where one of the numbers is */
    double residual; /* total - (output - baseline_output); NaN where one of them is not defined.
                        Of relevance, what was absorbed stands for the baseline's output */
    double min, max, l1; /* over the numbers that are not NaN; 0 where there are none */
    int64_t nan_count;
} ln_summary;
ln_summary ln_summarise(const float *values, int64_t width, double output, double baseline_output);

/* |residual| <= tolerance * (|output| + |baseline_output| + sum|a|), the test of completeness. A
 * residual that is not defined does not hold: ask only where the method promises one. */
bool ln_residual_holds(const ln_summary *summary, double output, double baseline_output,
                       double tolerance);

#endif
