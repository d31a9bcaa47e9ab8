/* What can be asked of the store, a line each; docs/store.md says more. A test holds the list
 * against the schema and the registered functions. */
#include "store/store.h"

#define TABLE(name, summary) {"table", name, NULL, summary},
#define VIEW(name, summary) {"view", name, NULL, summary},
#define VIRTUAL(name, summary) {"virtual table", name, NULL, summary},
#define FUNCTION(name, arguments, summary) {"function", name, name "(" arguments ")", summary},
#define AGGREGATE(name, summary) {"aggregate", name, name "(t)", summary},

const ln_described ln_store_described[] = {
    /* clang-format off */
    VIEW("run_summary", "a run in one row, with its metrics and tags as JSON")
    VIEW("attribution_view", "an attribution with its run, explanation, sample and prediction")
    VIEW("feature_importance", "how much each column counts in an explanation, over its samples")
    VIEW("leaderboard", "runs by metric and explanations by judge, with their place")
    TABLE("run", "one run of one experiment: status, times, seed, hashes")
    TABLE("experiment", "names of experiments")
    TABLE("param", "the resolved configuration of a run, defaults included")
    TABLE("tag", "your tags of runs")
    TABLE("event", "what happened in a run, and your notes")
    TABLE("metric", "metrics of models, judges of explanations and of attributions")
    TABLE("curve", "the points of a metric that is a curve")
    TABLE("expectation", "what a script expected, and whether it held")
    TABLE("prediction", "predicted class, label and score of a sample in a run")
    TABLE("explanation", "one explainer's work in a run, with its parameters")
    TABLE("attribution", "one sample explained for one target: sums, residual, where its numbers are")
    TABLE("tensor", "numbers by content: dtype, shape and raw data")
    TABLE("dataset", "data by content, named by its hash")
    TABLE("feature", "columns of a data set, without the target")
    TABLE("sample", "rows of a data set, with their raw values as JSON")
    TABLE("run_sample", "how a run used a sample: split, fold, weight, what the model read")
    TABLE("model", "models by content: graph and weights")
    TABLE("run_model", "which run has which model")
    TABLE("encoding", "a model's encoded inputs and the columns they come from")
    TABLE("source", "scripts and modules, whole, by their hash")
    TABLE("run_source", "which run read which of them")
    TABLE("run_settings", "how a run was asked for: script, folder, arguments, --set")
    TABLE("run_file", "the files that a run read, by their hash")
    TABLE("file", "content of such files, in stores that carry it")
    TABLE("environment", "machine, compiler, version and libraries")
    TABLE("artifact", "files of a run, such as pictures")
    TABLE("training_layer", "a layer in an epoch of training: gradients, steps, dead units")
    TABLE("checkpoint", "how far the training of an unfinished run is")
    TABLE("saved_query", "queries kept under a name")
    TABLE("schema_version", "versions of these tables")
    VIRTUAL("element", "every number of every attribution, with name, raw value and input")
    VIRTUAL("explanation_importance", "a column of one explanation: mean, mean absolute, std")
    VIRTUAL("tensor_each", "the numbers of a BLOB as rows: idx, value")
    FUNCTION("attribution_values", "id", "the numbers of an attribution, as a BLOB of float32")
    FUNCTION("tensor_values", "id", "all numbers of a tensor, as a BLOB of float32")
    FUNCTION("tensor_count", "t", "how many numbers")
    FUNCTION("tensor_get", "t, i", "number i, from 0")
    FUNCTION("tensor_sum", "t", "their sum")
    FUNCTION("tensor_l1", "t", "the sum of their magnitudes")
    FUNCTION("tensor_l2", "t", "the root of the sum of their squares")
    FUNCTION("tensor_min", "t", "the least")
    FUNCTION("tensor_max", "t", "the greatest")
    FUNCTION("tensor_argmax", "t", "the first index of the greatest")
    FUNCTION("tensor_topk", "t, k", "JSON list of the k indices of greatest magnitude")
    FUNCTION("tensor_topk_iou", "a, b, k", "common top k indices over all top k indices")
    FUNCTION("tensor_cosine", "a, b", "cosine similarity")
    FUNCTION("tensor_pearson", "a, b", "linear correlation")
    FUNCTION("tensor_spearman", "a, b", "rank correlation")
    FUNCTION("tensor_maxdiff", "a, b", "the greatest absolute difference")
    AGGREGATE("tensor_mean", "the mean of rows, element by element, as a BLOB")
    AGGREGATE("tensor_mean_abs", "the mean of magnitudes, element by element, as a BLOB")
    {NULL, NULL, NULL, NULL},
    /* clang-format on */
};
