/* verify: is the store whole, and do the explanations hold what they promise?
 *
 * Broken integrity ("broken"): what SQLite's integrity_check and foreign_key_check find, a tensor
 * whose numbers have another hash or size than its row says, an attribution that points to a row
 * that its tensor does not have, or whose recorded total, l1, min, max or NaN count are not those
 * of its numbers; a script or module whose text has another hash; a file of a run (a picture) whose
 * content has. A file that is not there is "missing": a store may travel without it. Axioms
 * ("residual"): |residual| > tolerance * (|output| + |baseline_output| + l1), with the explanation's
 * parameter `tolerance`; l1 of all inputs of a model together.
 *
 * Totals are compared within 1e-5 of l1: they may have been summed before rounding to float32.
 * Cost: every tensor is read and hashed once. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "store/element.h"
#include "store/internal.h"

#define TOTAL_SLACK 1e-5

/* One call of ln_store_verify. */
typedef struct check {
    ln_store *store;    /* borrowed */
    int64_t run;        /* 0: all */
    ln_finding_fn each; /* told every finding */
    void *context;      /* of each */
    int64_t checked;    /* tensors and attributions looked at */
} check;

static void tell(const check *c, const char *severity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void tell(const check *c, const char *severity, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    c->each(c->context, severity, text);
}

static ln_status check_file(check *c, ln_error *err)
{
    sqlite3_stmt *statement;
    bool row = true;
    ln_status status = ln_store_prepare(c->store, "PRAGMA integrity_check(100)", &statement, err);
    while (status == LN_OK && row) {
        status = ln_store_step(c->store, statement, &row, err);
        const char *text =
            status == LN_OK && row ? (const char *)sqlite3_column_text(statement, 0) : NULL;
        if (text && strcmp(text, "ok") != 0)
            tell(c, "broken", "the file is damaged: %s", text);
    }
    sqlite3_finalize(statement);
    return status;
}

static ln_status check_references(check *c, ln_error *err)
{
    sqlite3_stmt *statement;
    bool row = true;
    ln_status status = ln_store_prepare(
        c->store, "SELECT \"table\", rowid, parent FROM pragma_foreign_key_check LIMIT 100",
        &statement, err);
    while (status == LN_OK && row) {
        status = ln_store_step(c->store, statement, &row, err);
        if (status == LN_OK && row)
            tell(c, "broken", "row %lld of '%s' refers to a row of '%s' that is not there",
                 (long long)sqlite3_column_int64(statement, 1),
                 (const char *)sqlite3_column_text(statement, 0),
                 (const char *)sqlite3_column_text(statement, 2));
    }
    sqlite3_finalize(statement);
    return status;
}

#define SOURCES                                                                                    \
    "SELECT sha256, text, path FROM main.source WHERE ?1 = 0 OR sha256 IN (SELECT sha256 FROM "    \
    "main.run_source WHERE run = ?1)"
#define FILES                                                                                      \
    "SELECT f.sha256, f.data, r.path FROM main.file f JOIN (SELECT sha256, min(path) AS path "     \
    "FROM main.run_file WHERE ?1 IN (0, run) GROUP BY sha256) r ON r.sha256 = f.sha256"

/* Scripts, modules and carried files by their content, files of runs by their content. */
static ln_status check_sources(check *c, ln_error *err)
{
    sqlite3_stmt *statement;
    bool row = true;
    /* An older store that may not be written has no table of files. */
    bool files = sqlite3_table_column_metadata(c->store->db, "main", "file", NULL, NULL, NULL, NULL,
                                               NULL, NULL) == SQLITE_OK;
    ln_status status =
        ln_store_prepare(c->store, files ? SOURCES " UNION ALL " FILES : SOURCES, &statement, err);
    sqlite3_bind_int64(statement, 1, c->run);
    while (status == LN_OK) {
        uint8_t digest[LN_SHA256_BYTES];
        char hex[LN_SHA256_HEX];
        status = ln_store_step(c->store, statement, &row, err);
        if (status != LN_OK || !row)
            break;
        const void *text = sqlite3_column_blob(statement, 1);
        ln_sha256(text, (size_t)sqlite3_column_bytes(statement, 1), digest);
        ln_sha256_hex(digest, hex);
        if (strcmp(hex, (const char *)sqlite3_column_text(statement, 0)) != 0)
            tell(c, "broken",
                 "the stored content of '%s' has changed: it does not have its hash %.12s",
                 (const char *)sqlite3_column_text(statement, 2),
                 (const char *)sqlite3_column_text(statement, 0));
    }
    sqlite3_finalize(statement);
    return status;
}

static ln_status check_artifacts(check *c, ln_error *err)
{
    sqlite3_stmt *statement;
    bool row = true;
    ln_status status = ln_store_prepare(
        c->store,
        "SELECT run, path, sha256 FROM main.artifact WHERE path IS NOT NULL AND sha256 IS NOT "
        "NULL AND (?1 = 0 OR run = ?1) ORDER BY id",
        &statement, err);
    sqlite3_bind_int64(statement, 1, c->run);
    while (status == LN_OK) {
        ln_artifact_state state;
        status = ln_store_step(c->store, statement, &row, err);
        if (status != LN_OK || !row)
            break;
        const char *path = (const char *)sqlite3_column_text(statement, 1);
        status = ln_store_artifact_state(
            c->store, path, (const char *)sqlite3_column_text(statement, 2), &state, err);
        if (status == LN_OK && state == LN_ARTIFACT_MISSING)
            tell(c, "missing", "run %lld: the file '%s' is not there",
                 (long long)sqlite3_column_int64(statement, 0), path);
        if (status == LN_OK && state == LN_ARTIFACT_CHANGED)
            tell(c, "broken", "run %lld: the file '%s' has changed since it was written",
                 (long long)sqlite3_column_int64(statement, 0), path);
    }
    sqlite3_finalize(statement);
    return status;
}

/* All tensors, or those that a run refers to. */
#define RUN_TENSORS                                                                                \
    "SELECT a.tensor FROM main.attribution a JOIN main.explanation e ON e.id = a.explanation "     \
    "WHERE e.run = ?1 UNION SELECT a.error FROM main.attribution a JOIN main.explanation e "       \
    "ON e.id = a.explanation WHERE e.run = ?1 UNION SELECT a.groups FROM main.attribution a "      \
    "JOIN main.explanation e ON e.id = a.explanation WHERE e.run = ?1 "                            \
    "UNION SELECT input FROM main.run_sample WHERE run = ?1 "                                      \
    "UNION SELECT output FROM main.prediction WHERE run = ?1 "                                     \
    "UNION SELECT tensor FROM main.metric WHERE run = ?1 "                                         \
    "UNION SELECT m.weights FROM main.run_model r JOIN main.model m ON m.id = r.model "            \
    "WHERE r.run = ?1"

static ln_status check_tensor(check *c, int64_t id, const void *stored, int stored_bytes,
                              ln_error *err)
{
    ln_tensor *tensor;
    ln_error reason = {0};
    uint8_t digest[LN_SHA256_BYTES];
    ln_status status = ln_store_get_tensor(c->store, id, &tensor, &reason);
    if (status == LN_ESTORE) {
        tell(c, "broken", "%s", reason.message);
        return LN_OK;
    }
    if (status != LN_OK)
        return ln_fail(err, status, "%s", reason.message);
    ln_tensor_sha256(tensor, digest);
    if (stored_bytes != LN_SHA256_BYTES || memcmp(stored, digest, LN_SHA256_BYTES) != 0)
        tell(c, "broken",
             "tensor %lld has changed: its numbers do not have the hash it was stored "
             "with",
             (long long)id);
    ln_tensor_release(tensor);
    return LN_OK;
}

static ln_status check_tensors(check *c, ln_error *err)
{
    sqlite3_stmt *statement;
    bool row = true;
    ln_status status = ln_store_prepare(
        c->store,
        c->run ? "SELECT id, sha256 FROM main.tensor WHERE id IN (" RUN_TENSORS ") ORDER BY id"
               : "SELECT id, sha256 FROM main.tensor ORDER BY id",
        &statement, err);
    if (status == LN_OK && c->run)
        sqlite3_bind_int64(statement, 1, c->run);
    while (status == LN_OK) {
        status = ln_store_step(c->store, statement, &row, err);
        if (status != LN_OK || !row)
            break;
        c->checked++;
        status =
            check_tensor(c, sqlite3_column_int64(statement, 0), sqlite3_column_blob(statement, 1),
                         sqlite3_column_bytes(statement, 1), err);
    }
    sqlite3_finalize(statement);
    return status;
}

/* --- attributions ------------------------------------------------------------------------------
 * */

/* Columns after those of LN_ATTRIBUTION_COLUMNS. */
enum {
    TOTAL = LN_ATTRIBUTION_COLUMN_COUNT,
    MIN,
    MAX,
    L1,
    NAN_COUNT,
    STATUS,
    LABEL,
    PLAIN,
    RESIDUAL,
    TOLERANCE,
    OUTPUT,
    BASELINE,
    L1_OF_ALL
};
/* Rows of the inputs of a model, where it has several: one attribution, whose residual all of them have. */
#define BESIDE                                                                                     \
    " FROM main.attribution b WHERE b.explanation = a.explanation AND b.sample IS a.sample "       \
    "AND b.seq = a.seq"
#define SUMMARY_COLUMNS                                                                            \
    ", a.total, a.min, a.max, a.l1, a.nan_count, a.status, e.label, "                              \
    "a.kind IN ('feature', 'interaction') AND a.input IS NULL AND a.absorbed IS NULL, "            \
    "CASE WHEN a.input IS NULL OR a.id = (SELECT min(b.id)" BESIDE ") THEN a.residual END, "       \
    "json_extract(CASE WHEN json_valid(e.params) THEN e.params END, '$.tolerance'), a.output, "    \
    "a.baseline_output, "                                                                          \
    "CASE WHEN a.input IS NULL THEN a.l1 ELSE (SELECT total(b.l1)" BESIDE ") END"

static bool is_null(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_type(statement, column) == SQLITE_NULL;
}

static bool differs(sqlite3_stmt *statement, int column, double number, double slack)
{
    return !is_null(statement, column) &&
           !(fabs(sqlite3_column_double(statement, column) - number) <= slack);
}

/* The recorded summary against the numbers. */
static void check_summary(const check *c, sqlite3_stmt *row, const ln_attribution *a,
                          const ln_slice *slice)
{
    double total = 0, l1 = 0, min = 0, max = 0;
    int64_t nans = 0, seen = 0;
    for (int64_t i = 0; i < slice->count; i++) {
        double x = slice->at[i];
        if (isnan(x)) {
            nans++;
            continue;
        }
        total += x;
        l1 += fabs(x);
        min = seen == 0 || x < min ? x : min;
        max = seen == 0 || x > max ? x : max;
        seen++;
    }
    double slack = TOTAL_SLACK * l1;
    const char *what = NULL;
    if (!is_null(row, NAN_COUNT) && sqlite3_column_int64(row, NAN_COUNT) != nans)
        what = "number of NaN";
    else if (nans == 0 && isfinite(l1) && sqlite3_column_int(row, PLAIN) &&
             differs(row, TOTAL, total, slack))
        what = "total";
    else if (isfinite(l1) && differs(row, L1, l1, slack))
        what = "l1";
    else if (seen > 0 && isfinite(min) && differs(row, MIN, min, 0))
        what = "min";
    else if (seen > 0 && isfinite(max) && differs(row, MAX, max, 0))
        what = "max";
    if (what)
        tell(c, "broken", "attribution %lld (%s): its recorded %s is not that of its numbers",
             (long long)a->id, (const char *)sqlite3_column_text(row, LABEL), what);
}

static void check_residual(const check *c, sqlite3_stmt *row, const ln_attribution *a)
{
    if (is_null(row, RESIDUAL) || is_null(row, TOLERANCE))
        return;
    double residual = fabs(sqlite3_column_double(row, RESIDUAL));
    double scale = fabs(sqlite3_column_double(row, OUTPUT)) +
                   fabs(sqlite3_column_double(row, BASELINE)) +
                   sqlite3_column_double(row, L1_OF_ALL);
    double tolerance = sqlite3_column_double(row, TOLERANCE);
    if (residual > tolerance * scale)
        tell(c, "residual",
             "attribution %lld (%s): its sum misses the output's difference by %.3g, %.3g of the "
             "scale %.3g, where %g is allowed",
             (long long)a->id, (const char *)sqlite3_column_text(row, LABEL), residual,
             residual / scale, scale, tolerance);
}

static ln_status check_attribution(check *c, ln_reader *reader, sqlite3_stmt *row, ln_error *err)
{
    ln_attribution a;
    ln_slice values, errors = {0};
    ln_attribution_fill(row, &a);
    int code = ln_reader_slice(reader, a.tensor, a.tensor_row, &values);
    if (code == SQLITE_OK)
        code = ln_reader_slice(reader, a.error, a.tensor_row, &errors);
    const char *status_text = (const char *)sqlite3_column_text(row, STATUS);
    bool ok = status_text && strcmp(status_text, "ok") == 0;
    if (code == SQLITE_CORRUPT_VTAB)
        tell(c, "broken", "attribution %lld: %s", (long long)a.id, ln_reader_message(reader));
    else if (code == SQLITE_OK && ok && !values.block)
        tell(c, "broken", "attribution %lld is 'ok' but has no numbers", (long long)a.id);
    else if (code == SQLITE_OK && errors.block && errors.count != values.count)
        tell(c, "broken", "attribution %lld has %lld numbers but %lld errors", (long long)a.id,
             (long long)values.count, (long long)errors.count);
    if (code == SQLITE_OK && values.block) {
        check_summary(c, row, &a, &values);
        check_residual(c, row, &a);
    }
    ln_slice_release(&values);
    ln_slice_release(&errors);
    return code == SQLITE_OK || code == SQLITE_CORRUPT_VTAB ? LN_OK
                                                            : ln_store_error(c->store, code, err);
}

static ln_status check_attributions(check *c, ln_error *err)
{
    sqlite3_stmt *statement = NULL;
    bool row = true;
    ln_reader *reader = ln_reader_new(c->store->db);
    if (!reader)
        return ln_fail_memory(err, 0);
    ln_status status = ln_store_prepare(
        c->store,
        c->run ? "SELECT " LN_ATTRIBUTION_COLUMNS SUMMARY_COLUMNS LN_ATTRIBUTION_FROM
                 "WHERE e.run = ?1 ORDER BY a.id"
               : "SELECT " LN_ATTRIBUTION_COLUMNS SUMMARY_COLUMNS LN_ATTRIBUTION_FROM
                 "ORDER BY a.id",
        &statement, err);
    if (status == LN_OK && c->run)
        sqlite3_bind_int64(statement, 1, c->run);
    while (status == LN_OK) {
        status = ln_store_step(c->store, statement, &row, err);
        if (status != LN_OK || !row)
            break;
        c->checked++;
        status = check_attribution(c, reader, statement, err);
    }
    sqlite3_finalize(statement);
    ln_reader_free(reader);
    return status;
}

ln_status ln_store_verify(ln_store *store, int64_t run, ln_finding_fn each, void *context,
                          int64_t *checked, ln_error *err)
{
    check c = {.store = store, .run = run, .each = each, .context = context};
    ln_status status = check_file(&c, err);
    if (status == LN_OK)
        status = check_references(&c, err);
    if (status == LN_OK)
        status = check_sources(&c, err);
    if (status == LN_OK)
        status = check_artifacts(&c, err);
    if (status == LN_OK)
        status = check_tensors(&c, err);
    if (status == LN_OK)
        status = check_attributions(&c, err);
    if (checked)
        *checked = c.checked;
    return status;
}
