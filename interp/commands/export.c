/* lunette export RUN -o DIR: a run's arrays as files; with --format png its explanations as pictures
 * (stdlib/pictures.lua).
 *
 *   DIR/<label>.npy      (N, *shape) float32, one for each explanation, groups expanded; with
 * several
 *                        targets a row (N, targets, *shape); <label>.<input>.npy for several inputs
 *   DIR/prediction.npy   (N, outputs) float32
 *   DIR/index.csv        label, explainer, params, rows: rows of the data set in the arrays' order
 *
 * --format csv writes <label>.csv and prediction.csv instead: a line a row, its row and target
 * first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../command.h"
#include "../exported.h"
#include "../host.h"
#include "../rows.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "tensor/npy.h"
#include "tensor/tensor.h"

/* One export under way. */
typedef struct export
{
    ln_store *store; /* borrowed */
    int64_t run;     /* its id */
    const char *dir; /* where the files go */
    bool csv;        /* else npy */
    bool quiet;      /* --quiet */
    ln_text index;   /* index.csv */
    int64_t files;   /* written so far */
}
export;

/* A label is plain by the language's rules; a store from elsewhere may hold anything. */
static void add_plain(ln_text *text, const char *label)
{
    for (const char *c = label; *c; c++) {
        bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                     (*c >= '0' && *c <= '9') || *c == '_' || *c == '-' || (*c == '.' && c > label);
        ln_text_addn(text, plain ? c : "_", 1);
    }
}

static char *file_name(const export *e, const char *label, const char *input)
{
    ln_text name = {0};
    ln_text_format(&name, "%s/", e->dir);
    add_plain(&name, label);
    if (input) {
        ln_text_add(&name, ".");
        add_plain(&name, input);
    }
    ln_text_add(&name, e->csv ? ".csv" : ".npy");
    if (name.failed)
        ln_text_free(&name);
    return name.data;
}

/* --- csv ---------------------------------------------------------------------------------------
 * */

static void add_field(ln_text *text, const char *field, size_t bytes)
{
    bool quote = bytes == 0;
    for (size_t i = 0; i < bytes && !quote; i++)
        quote = strchr("\",\r\n", field[i]) != NULL;
    ln_text_add(text, quote ? "\"" : "");
    for (size_t i = 0; i < bytes; i++)
        ln_text_addn(text, field[i] == '"' ? "\"\"" : field + i, field[i] == '"' ? 2 : 1);
    ln_text_add(text, quote ? "\"" : "");
}

/* Names of the columns by idx where there are `count` of them; else their numbers. */
static ln_status add_names(const export *e, const ln_exported *array, const char *prefix,
                           int64_t count, ln_text *text, ln_error *err)
{
    static const char *const element_names =
        "SELECT name FROM element WHERE attribution = :id ORDER BY idx";
    static const char *const column_names =
        "SELECT f.name FROM attribution a JOIN sample s ON s.id = a.sample "
        "JOIN feature f ON f.dataset = s.dataset WHERE a.id = :id ORDER BY f.idx";
    const ln_cell id = {.column = "id", .type = LN_CELL_INT, .integer = array->first};
    const ln_query_options params = {.params = &id, .param_count = 1};
    ln_query *query;
    bool more = true;
    int64_t found = 0;
    size_t before = text->length;
    ln_status status =
        ln_query_new(e->store, array->grouped ? column_names : element_names, &params, &query, err);
    while (status == LN_OK && more && array->targets) {
        status = ln_query_next(query, &more, err);
        ln_cell name = status == LN_OK && more ? ln_query_cell(query, 0) : (ln_cell){0};
        if (name.type != LN_CELL_TEXT)
            break;
        ln_text_add(text, ",");
        add_field(text, name.data, name.bytes);
        found++;
    }
    ln_query_free(query);
    if (status != LN_OK || (found == count && count > 0))
        return status;
    if (text->data)
        text->data[text->length = before] = '\0';
    for (int64_t i = 0; i < count; i++)
        ln_text_format(text, ",%s%lld", prefix, (long long)i);
    return LN_OK;
}

static ln_status write_csv(const export *e, const char *path, const ln_exported *array,
                           ln_error *err)
{
    ln_text text = {0};
    int64_t size = array->count ? ln_shape_count(&array->values->shape) / array->count : 0;
    ln_text_add(&text, array->targets ? "row,target" : "row");
    ln_status status = add_names(e, array, array->targets ? "" : "output_", size, &text, err);
    ln_text_add(&text, "\n");
    for (int64_t i = 0; i < array->count && status == LN_OK; i++) {
        if (array->rows[i] >= 0)
            ln_text_format(&text, "%lld", (long long)array->rows[i]);
        if (array->targets)
            ln_text_add(&text, ",");
        if (array->targets && array->targets[i] >= 0)
            ln_text_format(&text, "%lld", (long long)array->targets[i]);
        for (int64_t k = 0; k < size; k++) {
            float x = ln_f32(array->values)[i * size + k];
            ln_text_format(&text, x != x ? "," : ",%.9g", (double)x);
        }
        ln_text_add(&text, "\n");
        if (text.failed)
            break;
    }
    if (status == LN_OK)
        status = text.failed ? ln_fail_memory(err, text.length)
                             : ln_file_write(path, text.data, text.length, err);
    ln_text_free(&text);
    return status;
}

/* --- files -------------------------------------------------------------------------------------
 * */

static void add_index(export *e, const char *label, const char *explainer, const char *params,
                      const ln_exported *array)
{
    add_field(&e->index, label, strlen(label));
    ln_text_add(&e->index, ",");
    ln_text_add(&e->index, explainer);
    ln_text_add(&e->index, ",");
    if (params[0])
        add_field(&e->index, params, strlen(params));
    ln_text_add(&e->index, ",");
    for (int64_t i = 0; i < array->count; i += array->per_row)
        ln_text_format(&e->index, i ? " %lld" : "%lld", (long long)array->rows[i]);
    ln_text_add(&e->index, "\n");
}

static ln_status write_array(export *e, const char *label, const char *input,
                             const ln_exported *array, ln_error *err)
{
    char *path = file_name(e, label, input);
    if (!path)
        return ln_fail_memory(err, strlen(label));
    ln_status status =
        e->csv ? write_csv(e, path, array, err) : ln_npy_write(path, array->values, err);
    char shape[128];
    if (status == LN_OK && !e->quiet)
        printf("%s  %s\n", path, ln_shape_text(&array->values->shape, shape, sizeof shape));
    e->files += status == LN_OK;
    ln_free(path);
    return status;
}

static ln_status export_explanation(export *e, int64_t id, const char *label, const char *explainer,
                                    const char *params, const char *input, ln_error *err)
{
    ln_exported array;
    ln_status status = ln_export_explanation(e->store, id, input, &array, err);
    if (status != LN_OK) {
        ln_error_prefix(err, "explanation '%s'", label);
        return status;
    }
    if (array.values)
        status = write_array(e, label, input, &array, err);
    else if (!e->quiet)
        fprintf(stderr, "lunette: explanation '%s' has no numbers, so no file\n", label);
    if (status == LN_OK && array.values)
        add_index(e, label, explainer, params, &array);
    ln_exported_free(&array);
    return status;
}

static ln_status export_explanations(export *e, ln_error *err)
{
    const ln_cell run = {.column = "run", .type = LN_CELL_INT, .integer = e->run};
    const ln_query_options params = {.params = &run, .param_count = 1};
    ln_query *query;
    bool more = true;
    ln_status status = ln_query_new(
        e->store,
        "SELECT x.id, x.label, x.explainer, coalesce(x.params, ''), i.input FROM explanation x "
        "LEFT JOIN (SELECT DISTINCT explanation, input FROM attribution WHERE explanation IN "
        "(SELECT id FROM explanation WHERE run = :run)) i ON i.explanation = x.id "
        "WHERE x.run = :run ORDER BY x.seq, i.input",
        &params, &query, err);
    if (status != LN_OK)
        return status;
    while (status == LN_OK) {
        status = ln_query_next(query, &more, err);
        if (status != LN_OK || !more)
            break;
        /* Cells are borrowed until the next row, and nothing below steps this query. */
        status =
            export_explanation(e, ln_query_cell(query, 0).integer, ln_query_cell(query, 1).data,
                               ln_query_cell(query, 2).data, ln_query_cell(query, 3).data,
                               ln_query_cell(query, 4).data, err);
    }
    ln_query_free(query);
    return status;
}

static ln_status export_predictions(export *e, ln_error *err)
{
    ln_exported array;
    ln_status status = ln_export_predictions(e->store, e->run, &array, err);
    if (status == LN_OK && array.values) {
        status = write_array(e, "prediction", NULL, &array, err);
        add_index(e, "prediction", "", "", &array);
    }
    ln_exported_free(&array);
    return status;
}

static ln_status write_all(export *e, ln_error *err)
{
    ln_text path = {0};
    ln_status status = ln_folder_make(e->dir, err);
    ln_text_add(&e->index, "label,explainer,params,rows\n");
    if (status == LN_OK)
        status = export_explanations(e, err);
    if (status == LN_OK)
        status = export_predictions(e, err);
    ln_text_format(&path, "%s/index.csv", e->dir);
    if (status == LN_OK && (path.failed || e->index.failed))
        status = ln_fail_memory(err, e->index.length);
    if (status == LN_OK)
        status = ln_file_write(path.data, e->index.data, e->index.length, err);
    ln_text_free(&path);
    if (status == LN_OK && e->files == 0 && !e->quiet)
        fprintf(stderr, "lunette: the run has neither attributions nor predictions\n");
    return status;
}

/* Formats that stdlib/command.lua writes. */
static const struct {
    const char *format, *function;
} elsewhere[] = {
    {"jsonl", "export_jsonl"},         {"png", "export_pictures"}, {"db", "export_bundle"},
    {"safetensors", "export_weights"}, {"onnx", "export_onnx"},
};

static int run(const ln_options *options, ln_error *err)
{
    export e = {.dir = options->output, .quiet = options->quiet};
    const char *format = options->format ? options->format : "npy";
    if (!e.dir || !e.dir[0])
        return ln_usage(options, err, "'lunette export' needs -o DIR, where the files go");
    if (options->with_data && strcmp(format, "db") != 0)
        return ln_usage(options, err, "--with-data goes with --format db");
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++)
        if (strcmp(format, elsewhere[i].format) == 0)
            return ln_host_main(options, "command", elsewhere[i].function, err);
    if (strcmp(format, "npy") != 0 && strcmp(format, "csv") != 0)
        return ln_usage(
            options, err,
            "--format: expected npy, csv, jsonl, png, db, safetensors or onnx, found '%.60s'",
            format);
    e.csv = strcmp(format, "csv") == 0;
    ln_status status = ln_store_open(options->db, LN_STORE_READ, &e.store, err);
    if (status == LN_OK)
        status = ln_store_find_run(e.store, options->operands.at[0], &e.run, err);
    if (status == LN_OK)
        status = write_all(&e, err);
    ln_text_free(&e.index);
    ln_store_close(e.store);
    return (int)status;
}

static const ln_option_note notes[] = {
    {"format", "FORMAT", "npy (default), csv, jsonl, png, db, safetensors or onnx"},
    {"output", "DIR", "the folder to write to, or with db a FILE.db"},
    {"quiet", "", "the files are not named"},
    {NULL, NULL, NULL},
};

const ln_command ln_command_export = {
    .name = "export",
    .operands = "RUN",
    .min_operands = 1,
    .max_operands = 1,
    .options = "db output format with-data",
    .notes = notes,
    .summary = "write a run's arrays, rows, pictures or model to files, or all of it as a bundle",
    .details = "Into the folder of -o: LABEL.npy (N, ...) of each explanation, prediction.npy (N, "
               "outputs)\n"
               "and index.csv, which says which explainer, parameters and rows each file holds.\n"
               "  csv          LABEL.csv: a line an attribution, row and target first, then a "
               "column a number\n"
               "  jsonl        LABEL.jsonl, prediction.jsonl, metrics.jsonl: a JSON object a line, "
               "with all\n"
               "               that the store says of it\n"
               "  png          LABEL.ROW.png, a heat map of each sample, where attributions are "
               "images, else\n"
               "               LABEL.png, bars of the strongest columns\n"
               "  db           a bundle: a store with this run alone, which somebody else "
               "reproduces (`lunette\n"
               "               reproduce last --from FILE.db`) or imports; --with-data puts in the "
               "files that\n"
               "               the run read\n"
               "  safetensors  model.safetensors, the weights of the run's model by name\n"
               "  onnx         model.onnx, the model with its encoding: an input (N, 1) a column, "
               "float64 for\n"
               "               numbers (NaN: missing) and text for categories (\"\": missing)",
    .run = run,
};
