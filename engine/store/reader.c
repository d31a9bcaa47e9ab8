/* Reading attributions for SQL. See reader.h.
 *
 * Tensors are kept converted to float32 in a small cache (16 of them, 64 MB), names likewise. A
 * write, ours or another process's, makes it stale: SQLite's data version and the connection's own
 * count of changes are looked at before each use, which costs nanoseconds. */
#include "store/reader.h"

#include <stdlib.h>
#include <string.h>

#include "store/block.h"

#define CACHED_BLOCKS 16
#define CACHED_NAMES 8
#define CACHED_NUMBERS ((int64_t)16 << 20)

struct ln_reader {
    sqlite3 *db;                            /* borrowed */
    sqlite3_stmt *statements[LN_SQL_COUNT]; /* prepared when first used */
    ln_block *blocks[CACHED_BLOCKS];        /* or NULL */
    ln_names *names[CACHED_NAMES];          /* or NULL */
    uint64_t clock;                         /* counts uses */
    unsigned data_version;                  /* when the cache was filled */
    int64_t changes;                        /* own changes, when the cache was filled */
    int64_t scope[3];                       /* the last run with its model and data set */
    char *message;                          /* of the last damage, or NULL */
};

static const char *const sql_texts[LN_SQL_COUNT] = {
    [LN_SQL_ATTRIBUTION] = "SELECT " LN_ATTRIBUTION_COLUMNS LN_ATTRIBUTION_FROM "WHERE a.id = ?1",
    [LN_SQL_TENSOR] = "SELECT dtype, shape, data FROM main.tensor WHERE id = ?1",
    [LN_SQL_INPUT] = "SELECT input, input_row FROM main.run_sample WHERE run = ?1 AND sample = ?2",
    [LN_SQL_INPUT_START] =
        "SELECT json_extract(j.value, '$.name') IS a.input, json_extract(j.value, '$.shape') "
        "FROM main.attribution a JOIN main.model m, "
        "json_each(CASE WHEN json_valid(m.graph) THEN m.graph END, '$.inputs') j "
        "WHERE a.id = ?1 AND m.id = ?2 AND a.input IS NOT NULL ORDER BY j.key",
    [LN_SQL_SCOPE] = "SELECT (SELECT min(model) FROM main.run_model WHERE run = ?1), "
                     "(SELECT s.dataset FROM main.run_sample r JOIN main.sample s "
                     "ON s.id = r.sample WHERE r.run = ?1 LIMIT 1)",
    [LN_SQL_RAW] = "SELECT j.key, j.value FROM main.sample s, "
                   "json_each(CASE WHEN json_valid(s.raw) THEN s.raw END) j WHERE s.id = ?1",
    [LN_SQL_FEATURES] = "SELECT name FROM main.feature WHERE dataset = ?1 ORDER BY idx",
    [LN_SQL_ENCODING] = "SELECT n.name, f.idx FROM main.encoding n LEFT JOIN main.feature f "
                        "ON f.id = n.feature WHERE n.model = ?1 ORDER BY n.idx",
};

void ln_hub_release(void *hub)
{
    ln_hub *shared = hub;
    if (--shared->references == 0)
        sqlite3_free(shared);
}

int ln_hub_reader(ln_hub *hub, ln_reader **out)
{
    if (!hub->reader) {
        sqlite3_stmt *statement = NULL;
        int code = sqlite3_prepare_v2(hub->db, "SELECT 1 FROM element", -1, &statement, NULL);
        sqlite3_finalize(statement);
        if (code != SQLITE_OK)
            return code;
    }
    *out = hub->reader;
    return hub->reader ? SQLITE_OK : SQLITE_ERROR;
}

ln_reader *ln_reader_new(sqlite3 *db)
{
    ln_reader *reader = sqlite3_malloc64(sizeof *reader);
    if (reader) {
        memset(reader, 0, sizeof *reader);
        reader->db = db;
        reader->scope[0] = -1;
    }
    return reader;
}

static void forget(ln_reader *reader)
{
    for (int i = 0; i < CACHED_BLOCKS; i++) {
        ln_block_release(reader->blocks[i]);
        reader->blocks[i] = NULL;
    }
    for (int i = 0; i < CACHED_NAMES; i++) {
        ln_names_release(reader->names[i]);
        reader->names[i] = NULL;
    }
    reader->scope[0] = -1;
}

void ln_reader_free(ln_reader *reader)
{
    if (!reader)
        return;
    forget(reader);
    for (int i = 0; i < LN_SQL_COUNT; i++)
        sqlite3_finalize(reader->statements[i]);
    sqlite3_free(reader->message);
    sqlite3_free(reader);
}

sqlite3 *ln_reader_db(ln_reader *reader)
{
    return reader->db;
}

const char *ln_reader_message(const ln_reader *reader)
{
    return reader->message ? reader->message : "the store is damaged";
}

int ln_reader_statement(ln_reader *reader, ln_reader_sql which, sqlite3_stmt **out)
{
    sqlite3_stmt **statement = &reader->statements[which];
    if (!*statement) {
        int code = sqlite3_prepare_v3(reader->db, sql_texts[which], -1, SQLITE_PREPARE_PERSISTENT,
                                      statement, NULL);
        if (code != SQLITE_OK)
            return code;
    }
    sqlite3_reset(*statement);
    *out = *statement;
    return SQLITE_OK;
}

int64_t ln_column_id(sqlite3_stmt *statement, int column)
{
    return sqlite3_column_type(statement, column) == SQLITE_NULL
               ? -1
               : sqlite3_column_int64(statement, column);
}

/* Empties the cache where the store has changed since it was filled. */
static void refresh(ln_reader *reader)
{
    unsigned version = 0;
    sqlite3_file_control(reader->db, "main", SQLITE_FCNTL_DATA_VERSION, &version);
    int64_t changes = sqlite3_total_changes(reader->db);
    if (version != reader->data_version || changes != reader->changes)
        forget(reader);
    reader->data_version = version;
    reader->changes = changes;
    reader->clock++;
}

void ln_attribution_fill(sqlite3_stmt *statement, ln_attribution *out)
{
    const char *space = (const char *)sqlite3_column_text(statement, 8);
    const char *kind = (const char *)sqlite3_column_text(statement, 9);
    *out = (ln_attribution){
        .id = ln_column_id(statement, 0),
        .sample = ln_column_id(statement, 1),
        .tensor = ln_column_id(statement, 2),
        .tensor_row = ln_column_id(statement, 3),
        .groups = ln_column_id(statement, 4),
        .error = ln_column_id(statement, 5),
        .run = ln_column_id(statement, 6),
        .dataset = ln_column_id(statement, 7),
        .space = !space                         ? LN_SPACE_OTHER
                 : strcmp(space, "column") == 0 ? LN_SPACE_COLUMN
                 : strcmp(space, "input") == 0  ? LN_SPACE_INPUT
                 : strcmp(space, "group") == 0  ? LN_SPACE_GROUP
                                                : LN_SPACE_OTHER,
        .of_pairs = kind && strcmp(kind, "interaction") == 0,
    };
}

int ln_reader_attribution(ln_reader *reader, int64_t id, ln_attribution *out, bool *found)
{
    sqlite3_stmt *statement;
    int code = ln_reader_statement(reader, LN_SQL_ATTRIBUTION, &statement);
    if (code != SQLITE_OK)
        return code;
    sqlite3_bind_int64(statement, 1, id);
    *found = sqlite3_step(statement) == SQLITE_ROW;
    if (*found)
        ln_attribution_fill(statement, out);
    return sqlite3_reset(statement);
}

/* Puts a block in an empty place or that of the one used longest ago, within the cache's size. */
static void cache_block(ln_reader *reader, ln_block *block)
{
    int place = 0;
    int64_t numbers = block->count;
    for (int i = 0; i < CACHED_BLOCKS; i++) {
        const ln_block *there = reader->blocks[i], *chosen = reader->blocks[place];
        numbers += there ? there->count : 0;
        if (chosen && (!there || there->used < chosen->used))
            place = i;
    }
    if (numbers > CACHED_NUMBERS)
        for (int i = 0; i < CACHED_BLOCKS; i++) {
            ln_block_release(reader->blocks[i]);
            reader->blocks[i] = NULL;
        }
    ln_block_release(reader->blocks[place]);
    block->references++;
    reader->blocks[place] = block;
}

static int read_block(ln_reader *reader, int64_t tensor, ln_block **out)
{
    sqlite3_stmt *statement;
    int code = ln_reader_statement(reader, LN_SQL_TENSOR, &statement);
    if (code != SQLITE_OK)
        return code;
    sqlite3_bind_int64(statement, 1, tensor);
    int step = sqlite3_step(statement);
    if (step == SQLITE_ROW)
        code = ln_block_make(statement, out);
    int reset = sqlite3_reset(statement);
    if (code == SQLITE_CORRUPT_VTAB) {
        sqlite3_free(reader->message);
        reader->message = sqlite3_mprintf("tensor %lld is damaged: its dtype, shape and number of "
                                          "bytes do not fit together",
                                          (long long)tensor);
    }
    return code != SQLITE_OK ? code : reset;
}

int ln_reader_block(ln_reader *reader, int64_t tensor, ln_block **out)
{
    refresh(reader);
    *out = NULL;
    for (int i = 0; i < CACHED_BLOCKS && !*out; i++)
        if (reader->blocks[i] && reader->blocks[i]->id == tensor)
            *out = reader->blocks[i];
    if (*out) {
        (*out)->references++;
        (*out)->used = reader->clock;
        return SQLITE_OK;
    }
    int code = read_block(reader, tensor, out);
    if (code == SQLITE_OK && *out) {
        (*out)->id = tensor;
        (*out)->used = reader->clock;
        cache_block(reader, *out);
    }
    return code;
}

void ln_slice_release(ln_slice *slice)
{
    ln_block_release(slice->block);
    *slice = (ln_slice){0};
}

int ln_reader_slice(ln_reader *reader, int64_t tensor, int64_t row, ln_slice *out)
{
    *out = (ln_slice){0};
    if (tensor < 0)
        return SQLITE_OK;
    ln_block *block;
    int code = ln_reader_block(reader, tensor, &block);
    if (code != SQLITE_OK || !block)
        return code;
    if (row >= 0 && (block->rank < 1 || row >= block->dims[0])) {
        sqlite3_free(reader->message);
        reader->message = sqlite3_mprintf(
            "row %lld of tensor %lld is asked for, which has %lld rows", (long long)row,
            (long long)tensor, (long long)(block->rank < 1 ? 0 : block->dims[0]));
        ln_block_release(block);
        return SQLITE_CORRUPT_VTAB;
    }
    int skip = row >= 0;
    int64_t count = skip ? block->count / block->dims[0] : block->count;
    *out = (ln_slice){.block = block,
                      .at = block->at + (skip ? row * count : 0),
                      .count = count,
                      .rank = block->rank - skip,
                      .dims = block->dims + skip};
    return SQLITE_OK;
}

int ln_reader_input(ln_reader *reader, int64_t run, int64_t sample, ln_slice *out)
{
    *out = (ln_slice){0};
    sqlite3_stmt *statement;
    int code = ln_reader_statement(reader, LN_SQL_INPUT, &statement);
    if (code != SQLITE_OK)
        return code;
    sqlite3_bind_int64(statement, 1, run);
    sqlite3_bind_int64(statement, 2, sample);
    int64_t tensor = -1, row = -1;
    if (sqlite3_step(statement) == SQLITE_ROW) {
        tensor = ln_column_id(statement, 0);
        row = ln_column_id(statement, 1);
    }
    code = sqlite3_reset(statement);
    return code != SQLITE_OK ? code : ln_reader_slice(reader, tensor, row, out);
}

/* Numbers a row of a shape as JSON: [null,3,4] has 12. */
static int64_t numbers_of(const char *shape)
{
    int64_t numbers = 1;
    const char *at = strchr(shape, ',');
    for (; at && numbers >= 0; at = strchr(at + 1, ','))
        if (__builtin_mul_overflow(numbers, strtoll(at + 1, NULL, 10), &numbers))
            return 0;
    return numbers < 0 ? 0 : numbers;
}

int ln_reader_input_start(ln_reader *reader, int64_t attribution, int64_t model, int64_t *out)
{
    sqlite3_stmt *statement;
    int code = ln_reader_statement(reader, LN_SQL_INPUT_START, &statement);
    *out = 0;
    if (code != SQLITE_OK)
        return code;
    sqlite3_bind_int64(statement, 1, attribution);
    sqlite3_bind_int64(statement, 2, model);
    while (sqlite3_step(statement) == SQLITE_ROW && !sqlite3_column_int(statement, 0)) {
        const char *shape = (const char *)sqlite3_column_text(statement, 1);
        *out += shape ? numbers_of(shape) : 0;
    }
    return sqlite3_reset(statement);
}

int ln_reader_scope(ln_reader *reader, int64_t run, int64_t *model, int64_t *dataset)
{
    refresh(reader);
    if (reader->scope[0] != run) {
        sqlite3_stmt *statement;
        int code = ln_reader_statement(reader, LN_SQL_SCOPE, &statement);
        if (code != SQLITE_OK)
            return code;
        sqlite3_bind_int64(statement, 1, run);
        reader->scope[0] = -1;
        if (sqlite3_step(statement) == SQLITE_ROW) {
            reader->scope[0] = run;
            reader->scope[1] = ln_column_id(statement, 0);
            reader->scope[2] = ln_column_id(statement, 1);
        }
        code = sqlite3_reset(statement);
        if (code != SQLITE_OK)
            return code;
    }
    *model = reader->scope[1];
    *dataset = reader->scope[2];
    return SQLITE_OK;
}

ln_names *ln_reader_cached_names(ln_reader *reader, const int64_t key[4])
{
    refresh(reader);
    for (int i = 0; i < CACHED_NAMES; i++) {
        ln_names *names = reader->names[i];
        if (names && memcmp(names->key, key, sizeof names->key) == 0) {
            names->references++;
            names->used = reader->clock;
            return names;
        }
    }
    return NULL;
}

void ln_reader_cache_names(ln_reader *reader, ln_names *names)
{
    int place = 0;
    for (int i = 1; i < CACHED_NAMES; i++) {
        const ln_names *there = reader->names[i], *chosen = reader->names[place];
        if (chosen && (!there || there->used < chosen->used))
            place = i;
    }
    ln_names_release(reader->names[place]);
    names->used = reader->clock;
    names->references++;
    reader->names[place] = names;
}
