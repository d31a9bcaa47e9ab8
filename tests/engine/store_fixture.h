/* A small store for the tests of the store's room: one run over four rows of a table of three
 * columns (age, purpose, amount), which the model reads as four inputs (purpose is one-hot), with
 * four explanations: by column in two chunks, by column with errors and a tolerance, by group, by
 * input. */
#ifndef LN_TESTS_STORE_FIXTURE_H
#define LN_TESTS_STORE_FIXTURE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "store/store.h"
#include "support.h"

#define INT_CELL(name, number)                                                                     \
    {                                                                                              \
        .column = name, .type = LN_CELL_INT, .integer = (number)                                   \
    }
#define REAL_CELL(name, number)                                                                    \
    {                                                                                              \
        .column = name, .type = LN_CELL_REAL, .real = (number)                                     \
    }
#define TEXT_CELL(name, text)                                                                      \
    {                                                                                              \
        .column = name, .type = LN_CELL_TEXT, .data = (text), .bytes = strlen(text)                \
    }
#define CELLS(...)                                                                                 \
    (const ln_cell[]){__VA_ARGS__}, (int)(sizeof((ln_cell[]){__VA_ARGS__}) / sizeof(ln_cell))

/* Numbers of the fixture's attributions: by sample, then by column or input. */
static const float by_column[4][3] = {{1, -2, 3}, {-4, 5, -6}, {7, 8, -9}, {0.5f, 0, -0.25f}};
static const float by_column_2[4][3] = {{1, -1, 2}, {-4, 4, -5}, {6, 8, -8}, {0, 1, 0}};
static const float by_error[4][3] = {
    {0.1f, 0.2f, 0.3f}, {0.4f, 0.5f, 0.6f}, {0.7f, 0.8f, 0.9f}, {1, 1.1f, 1.2f}};
static const float by_group[4][2] = {{4, -2}, {-10, 5}, {-2, 8}, {0.25f, 0}};
static const float by_input[4][4] = {
    {1, -1, -1, 3}, {-4, 2, 3, -6}, {7, 4, 4, -9}, {0.5f, 0, 0, -0.25f}};
static const float model_inputs[4][4] = {
    {0.5f, 1, 0, -1.5f}, {-0.5f, 0, 1, 0.25f}, {1.5f, 1, 0, 2}, {0, 0, 1, -0.75f}};

/* Ids that the tests use. */
typedef struct fixture {
    ln_store *store;        /* open for writing */
    char path[256];         /* of its file */
    int64_t run;            /* the run, still running */
    int64_t samples[4];     /* their ids */
    int64_t explanation[4]; /* column, column with errors, group, input */
    int64_t first[4];       /* the first attribution of each */
} fixture;

static inline int64_t fixture_insert(ln_store *store, const char *table, const ln_cell *cells,
                                     int count)
{
    ln_error err = {0};
    int64_t id = 0;
    assert_ok(ln_store_insert(store, table, cells, count, &id, &err));
    return id;
}

static inline int64_t fixture_tensor(ln_store *store, ln_tensor *tensor)
{
    ln_error err = {0};
    int64_t id = 0;
    assert_ok(ln_store_put_tensor(store, tensor, &id, &err));
    ln_tensor_release(tensor);
    return id;
}

static inline int64_t fixture_run(ln_store *store, const char *uuid)
{
    ln_error err = {0};
    int64_t experiment;
    bool added;
    assert_ok(ln_store_intern(store, "experiment", "name", CELLS(TEXT_CELL("name", "credit")),
                              &experiment, &added, &err));
    return fixture_insert(store, "run",
                          CELLS(TEXT_CELL("uuid", uuid), TEXT_CELL("invocation", "i"),
                                INT_CELL("experiment", experiment), TEXT_CELL("status", "running"),
                                TEXT_CELL("started_at", "2026-01-31T12:00:00.000Z"),
                                INT_CELL("seed", 7)));
}

static inline int64_t fixture_explanation(fixture *f, int seq, const char *label, const char *word,
                                          const char *params)
{
    return fixture_insert(f->store, "explanation",
                          CELLS(INT_CELL("run", f->run), INT_CELL("seq", seq),
                                TEXT_CELL("label", label), TEXT_CELL("explainer", word),
                                TEXT_CELL("params", params), TEXT_CELL("status", "ok")));
}

/* Rows [first, first + count) of a table of numbers as one chunk; returns the first id. */
static inline int64_t fixture_chunk(fixture *f, int which, const char *space, const float *values,
                                    const float *errors, int64_t width, int64_t first,
                                    int64_t count, int64_t groups)
{
    ln_error err = {0};
    double output[4], baseline[4], total[4] = {0}, residual[4], min[4], max[4], l1[4] = {0};
    int64_t targets[4] = {1, 1, 0, -1}, nans[4] = {0}, id;
    for (int64_t i = 0; i < count; i++) {
        min[i] = INFINITY;
        max[i] = -INFINITY;
        for (int64_t k = 0; k < width; k++) {
            double x = values[(first + i) * width + k];
            total[i] += x;
            l1[i] += fabs(x);
            min[i] = x < min[i] ? x : min[i];
            max[i] = x > max[i] ? x : max[i];
        }
        output[i] = total[i] + 0.5;
        baseline[i] = 0.5;
        residual[i] = which == 1 ? 0 : NAN;
    }
    ln_attribution_rows rows = {
        .explanation = f->explanation[which],
        .count = count,
        .first_seq = first,
        .sample = f->samples + first,
        .target = targets + first,
        .kind = "feature",
        .space = space,
        .values = tensor_f32(TEST_SHAPE(count, width), values + first * width),
        .errors = errors ? tensor_f32(TEST_SHAPE(count, width), errors + first * width) : NULL,
        .groups = groups,
        .output = output,
        .baseline_output = baseline,
        .total = total,
        .residual = residual,
        .min = min,
        .max = max,
        .l1 = l1,
        .nan_count = nans};
    assert_ok(ln_store_put_attributions(f->store, &rows, &id, &err));
    ln_tensor_release((ln_tensor *)rows.values);
    ln_tensor_release((ln_tensor *)rows.errors);
    return id;
}

static inline void fixture_data(fixture *f)
{
    static const char *const raw[4] = {"{\"age\": 67, \"purpose\": \"car\", \"amount\": 1169}",
                                       "{\"age\": 22, \"purpose\": \"tv\", \"amount\": 5951.5}",
                                       "{\"purpose\": \"car\", \"amount\": null, \"age\": 49}",
                                       "{\"age\": 35, \"purpose\": \"t\\u00fcr\"}"};
    static const char *const names[3] = {"age", "purpose", "amount"};
    static const char *const inputs[4] = {"age", "purpose=car", "purpose=tv", "amount"};
    static const int column_of[4] = {0, 1, 1, 2};
    int64_t features[3];
    int64_t dataset = fixture_insert(
        f->store, "dataset",
        CELLS(TEXT_CELL("sha256", "d"), TEXT_CELL("name", "german.csv"), INT_CELL("rows", 4)));
    for (int i = 0; i < 3; i++)
        features[i] = fixture_insert(
            f->store, "feature",
            CELLS(INT_CELL("dataset", dataset), INT_CELL("idx", i), TEXT_CELL("name", names[i])));
    int64_t model = fixture_insert(f->store, "model",
                                   CELLS(TEXT_CELL("sha256", "m"), TEXT_CELL("name", "network")));
    for (int i = 0; i < 4; i++)
        fixture_insert(f->store, "encoding",
                       CELLS(INT_CELL("model", model), INT_CELL("idx", i),
                             INT_CELL("feature", features[column_of[i]]),
                             TEXT_CELL("name", inputs[i])));
    fixture_insert(f->store, "run_model", CELLS(INT_CELL("run", f->run), INT_CELL("model", model)));
    int64_t input = fixture_tensor(f->store, tensor_f32(TEST_SHAPE(4, 4), &model_inputs[0][0]));
    for (int i = 0; i < 4; i++) {
        f->samples[i] = fixture_insert(f->store, "sample",
                                       CELLS(INT_CELL("dataset", dataset), INT_CELL("idx", 10 + i),
                                             INT_CELL("label", i % 2), TEXT_CELL("raw", raw[i])));
        fixture_insert(f->store, "run_sample",
                       CELLS(INT_CELL("run", f->run), INT_CELL("sample", f->samples[i]),
                             TEXT_CELL("split", "test"), INT_CELL("input", input),
                             INT_CELL("input_row", i)));
    }
}

static inline void fixture_predictions(fixture *f)
{
    static const float outputs[4][2] = {{2, -1}, {0, 1}, {-3, 3}, {0.5f, 0.25f}};
    int64_t output = fixture_tensor(f->store, tensor_f32(TEST_SHAPE(4, 2), &outputs[0][0]));
    for (int i = 0; i < 4; i++)
        fixture_insert(f->store, "prediction",
                       CELLS(INT_CELL("run", f->run), INT_CELL("sample", f->samples[i]),
                             INT_CELL("class", outputs[i][1] > outputs[i][0]),
                             INT_CELL("label", i % 2), REAL_CELL("score", 0.75),
                             INT_CELL("output", output), INT_CELL("output_row", i)));
}

/* A new store of that name with everything in it; the run is still running. */
static inline void fixture_open(fixture *f, const char *name)
{
    ln_error err = {0};
    static const int64_t groups_of_columns[3] = {0, 1, 0};
    memset(f, 0, sizeof *f);
    snprintf(f->path, sizeof f->path, "%s", test_path(name));
    remove(f->path);
    assert_ok(ln_store_open(f->path, LN_STORE_WRITE, &f->store, &err));
    assert_ok(ln_store_begin(f->store, &err));
    f->run = fixture_run(f->store, "0badcafe-0000-4000-8000-000000000001");
    assert_ok(ln_store_run_begin(f->store, f->run, &err));
    fixture_data(f);
    fixture_predictions(f);
    f->explanation[0] = fixture_explanation(f, 0, "saliency", "saliency", "{}");
    f->explanation[1] =
        fixture_explanation(f, 1, "ig", "integrated_gradients", "{\"tolerance\":0.05}");
    f->explanation[2] = fixture_explanation(f, 2, "ablation", "feature_ablation", "{}");
    f->explanation[3] = fixture_explanation(f, 3, "raw", "saliency", "{}");
    int64_t groups = fixture_tensor(f->store, tensor_i64(TEST_SHAPE(3), groups_of_columns));
    f->first[0] = fixture_chunk(f, 0, "column", &by_column[0][0], NULL, 3, 0, 2, -1);
    fixture_chunk(f, 0, "column", &by_column[0][0], NULL, 3, 2, 2, -1);
    f->first[1] = fixture_chunk(f, 1, "column", &by_column_2[0][0], &by_error[0][0], 3, 0, 4, -1);
    f->first[2] = fixture_chunk(f, 2, "group", &by_group[0][0], NULL, 2, 0, 4, groups);
    f->first[3] = fixture_chunk(f, 3, "input", &by_input[0][0], NULL, 4, 0, 4, -1);
    assert_ok(ln_store_commit(f->store, &err));
}

static inline void fixture_close(fixture *f)
{
    ln_store_close(f->store);
    f->store = NULL;
}

/* All rows of a statement as one text: cells with "|", rows with a line end, NULL as "-", BLOBs as
 * their size, reals with %.9g. Good until the next call. */
static inline const char *rows_of(ln_store *store, const char *sql)
{
    static char text[16384];
    ln_error err = {0};
    ln_query *query;
    bool more = true;
    size_t at = 0;
    text[0] = '\0';
    assert_ok(ln_query_new(store, sql, NULL, &query, &err));
    for (;;) {
        assert_ok(ln_query_next(query, &more, &err));
        if (!more)
            break;
        for (int i = 0; i < ln_query_columns(query) && at < sizeof text - 512; i++) {
            ln_cell cell = ln_query_cell(query, i);
            const char *before = i ? "|" : at ? "\n" : "";
            int room = (int)(sizeof text - at);
            if (cell.type == LN_CELL_NULL)
                at += (size_t)snprintf(text + at, (size_t)room, "%s-", before);
            else if (cell.type == LN_CELL_INT)
                at += (size_t)snprintf(text + at, (size_t)room, "%s%lld", before,
                                       (long long)cell.integer);
            else if (cell.type == LN_CELL_REAL)
                at += (size_t)snprintf(text + at, (size_t)room, "%s%.9g", before, cell.real);
            else if (cell.type == LN_CELL_TEXT)
                at += (size_t)snprintf(text + at, (size_t)room, "%s%.*s", before,
                                       (int)(cell.bytes < 400 ? cell.bytes : 400),
                                       (const char *)cell.data);
            else
                at += (size_t)snprintf(text + at, (size_t)room, "%s[%zu]", before, cell.bytes);
        }
    }
    ln_query_free(query);
    return text;
}

#define assert_rows(store, sql, wanted) assert_string_equal(rows_of((store), (sql)), (wanted))

/* A statement that changes the store, by the way of `query --write`. */
static inline void change(ln_store *store, const char *sql)
{
    ln_error err = {0};
    ln_query *query;
    bool more = true;
    ln_query_options options = {.write = true};
    assert_ok(ln_query_new(store, sql, &options, &query, &err));
    while (more)
        assert_ok(ln_query_next(query, &more, &err));
    ln_query_free(query);
}

/* --- files and processes -----------------------------------------------------------------------
 * */

static inline void remove_store(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-running"};
    char name[300];
    for (size_t i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
        remove(name);
    }
}

static inline ln_store *open_store(const char *path, ln_store_mode mode)
{
    ln_error err = {0};
    ln_store *store;
    assert_ok(ln_store_open(path, mode, &store, &err));
    return store;
}

static inline int wait_for(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static inline void nothing_found(void *context, const char *severity, const char *text)
{
    (void)context;
    fail_msg("verify: %s: %s", severity, text);
}

static inline void verify_all(ln_store *store)
{
    ln_error err = {0};
    int64_t checked;
    assert_ok(ln_store_verify(store, 0, nothing_found, NULL, &checked, &err));
}

#endif
