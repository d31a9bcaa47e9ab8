/* Names for the numbers of an attribution.
 *
 *   space column  the data set's columns (feature.name)
 *   space input   the model's encoded inputs (encoding.name); where it has no encoding, the columns
 *   space group   a group's columns joined by "+", from the groups tensor over columns or inputs
 *   else          none
 *
 * Names are given only where there are exactly as many as numbers: pixels have none. The numbers of an
 * interaction are named by two of them (element.c). Cost: one
 * query a data set, model or grouping, then the cache. */
#include "store/reader.h"

#include <math.h>
#include <string.h>

enum { KEY_FEATURES = 1, KEY_INPUTS, KEY_GROUPS };

#define LONGEST_GROUP_NAME 120

void ln_names_release(ln_names *names)
{
    if (!names || --names->references > 0)
        return;
    for (int64_t i = 0; i < names->count; i++)
        sqlite3_free(names->at[i]);
    sqlite3_free(names->at);
    sqlite3_free(names->column);
    sqlite3_free(names);
}

static ln_names *names_new(const int64_t key[4])
{
    ln_names *names = sqlite3_malloc64(sizeof *names);
    if (names) {
        memset(names, 0, sizeof *names);
        names->references = 1;
        memcpy(names->key, key, sizeof names->key);
    }
    return names;
}

/* Appends a name (taken over; NULL: out of memory) and its column. */
static bool names_add(ln_names *names, int64_t *room, char *name, int64_t column)
{
    if (name && names->count == *room) {
        int64_t more = *room ? 2 * *room : 16;
        char **at = sqlite3_realloc64(names->at, (sqlite3_uint64)more * sizeof *at);
        names->at = at ? at : names->at;
        int64_t *columns =
            at ? sqlite3_realloc64(names->column, (sqlite3_uint64)more * sizeof *columns) : NULL;
        names->column = columns ? columns : names->column;
        if (columns)
            *room = more;
    }
    if (!name || names->count == *room) {
        sqlite3_free(name);
        return false;
    }
    names->column[names->count] = column;
    names->at[names->count++] = name;
    return true;
}

/* Names of one data set or model: statement columns name and (inputs) column. */
static int read_names(ln_reader *reader, ln_reader_sql which, int64_t kind, int64_t id,
                      ln_names **out)
{
    int64_t key[4] = {kind, id, 0, 0};
    *out = ln_reader_cached_names(reader, key);
    if (*out)
        return SQLITE_OK;
    sqlite3_stmt *statement;
    int code = ln_reader_statement(reader, which, &statement);
    ln_names *names = code == SQLITE_OK ? names_new(key) : NULL;
    if (!names)
        return code != SQLITE_OK ? code : SQLITE_NOMEM;
    int64_t room = 0;
    sqlite3_bind_int64(statement, 1, id);
    while (code == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(statement, 0);
        int64_t column = which == LN_SQL_ENCODING ? ln_column_id(statement, 1) : names->count;
        if (!names_add(names, &room, name ? sqlite3_mprintf("%s", name) : NULL, column))
            code = SQLITE_NOMEM;
    }
    int reset = sqlite3_reset(statement);
    code = code != SQLITE_OK ? code : reset;
    if (code != SQLITE_OK) {
        ln_names_release(names);
        return code;
    }
    ln_reader_cache_names(reader, names);
    *out = names;
    return SQLITE_OK;
}

int ln_reader_features(ln_reader *reader, int64_t dataset, ln_names **out)
{
    return read_names(reader, LN_SQL_FEATURES, KEY_FEATURES, dataset, out);
}

int ln_reader_inputs(ln_reader *reader, int64_t model, ln_names **out)
{
    return read_names(reader, LN_SQL_ENCODING, KEY_INPUTS, model, out);
}

/* Adds `name` to a group's name unless it is its last part already (inputs of one column stand
 * together); an over-long one ends in "+...". Returns the new name; frees the old one. */
static char *join(char *group, const char *name)
{
    if (!group)
        return sqlite3_mprintf("%s", name);
    size_t have = strlen(group), more = strlen(name);
    bool same = have >= more && strcmp(group + have - more, name) == 0 &&
                (have == more || group[have - more - 1] == '+');
    if (same || (have > LONGEST_GROUP_NAME && strcmp(group + have - 4, "+...") == 0))
        return group;
    char *longer = sqlite3_mprintf("%s+%s", group, have > LONGEST_GROUP_NAME ? "..." : name);
    sqlite3_free(group);
    return longer;
}

/* Fills `names` with a name a group from the members' names. */
static int name_groups(const ln_block *groups, const ln_names *members, const ln_names *columns,
                       int64_t count, ln_names *names)
{
    char **at = sqlite3_malloc64((sqlite3_uint64)count * sizeof *at + 1);
    if (!at)
        return SQLITE_NOMEM;
    memset(at, 0, (size_t)count * sizeof *at);
    names->at = at;
    names->count = count;
    for (int64_t i = 0; i < groups->count; i++) {
        float group = groups->at[i];
        int64_t column = members->column[i];
        bool known = column >= 0 && column < columns->count;
        if (!(group >= 0 && group < (float)count))
            continue;
        char **name = &at[(int64_t)group];
        *name = join(*name, known ? columns->at[column] : members->at[i]);
        if (!*name)
            return SQLITE_NOMEM;
    }
    return SQLITE_OK;
}

static int group_names(ln_reader *reader, int64_t tensor, int64_t model, int64_t dataset,
                       int64_t count, ln_names **out)
{
    int64_t key[4] = {KEY_GROUPS, tensor, model, dataset};
    *out = ln_reader_cached_names(reader, key);
    if (*out)
        return SQLITE_OK;
    ln_block *groups = NULL;
    ln_names *columns = NULL, *inputs = NULL, *names = names_new(key);
    int code = names ? ln_reader_block(reader, tensor, &groups) : SQLITE_NOMEM;
    if (code == SQLITE_OK)
        code = ln_reader_features(reader, dataset, &columns);
    if (code == SQLITE_OK)
        code = ln_reader_inputs(reader, model, &inputs);
    if (code == SQLITE_OK && groups) {
        const ln_names *members = groups->count == columns->count  ? columns
                                  : groups->count == inputs->count ? inputs
                                                                   : NULL;
        if (members && members->count > 0)
            code = name_groups(groups, members, columns, count, names);
    }
    if (code == SQLITE_OK) {
        ln_reader_cache_names(reader, names);
        *out = names;
        names = NULL;
    }
    ln_names_release(names);
    ln_names_release(columns);
    ln_names_release(inputs);
    ln_block_release(groups);
    return code;
}

int ln_reader_names(ln_reader *reader, const ln_attribution *attribution, int64_t count,
                    ln_names **out)
{
    *out = NULL;
    if (attribution->space == LN_SPACE_OTHER)
        return SQLITE_OK;
    if (attribution->of_pairs) {
        const int64_t side = llround(sqrt((double)count));
        if (side * side != count)
            return SQLITE_OK; /* of a store that others wrote */
        count = side;
    }
    int64_t model, dataset;
    int code = ln_reader_scope(reader, attribution->run, &model, &dataset);
    if (code != SQLITE_OK)
        return code;
    dataset = attribution->dataset >= 0 ? attribution->dataset : dataset;
    if (attribution->space == LN_SPACE_GROUP)
        code = group_names(reader, attribution->groups, model, dataset, count, out);
    else if (attribution->space == LN_SPACE_INPUT)
        code = ln_reader_inputs(reader, model, out);
    if (code == SQLITE_OK && *out && (*out)->count != count) {
        ln_names_release(*out);
        *out = NULL;
    }
    if (code == SQLITE_OK && !*out && attribution->space != LN_SPACE_GROUP) {
        code = ln_reader_features(reader, dataset, out);
        if (code == SQLITE_OK && (*out)->count != count) {
            ln_names_release(*out);
            *out = NULL;
        }
    }
    return code;
}

/* The place of a JSON key among the columns; tried at `hint` first, where it stands as a rule. */
static int64_t find_column(const ln_names *columns, const char *key, int64_t hint)
{
    if (hint < columns->count && strcmp(columns->at[hint], key) == 0)
        return hint;
    for (int64_t i = 0; i < columns->count; i++)
        if (strcmp(columns->at[i], key) == 0)
            return i;
    return -1;
}

int ln_reader_raw(ln_reader *reader, int64_t sample, const ln_names *columns, sqlite3_value ***out)
{
    sqlite3_stmt *statement;
    sqlite3_value **values = NULL;
    int code = ln_reader_statement(reader, LN_SQL_RAW, &statement);
    if (code == SQLITE_OK) {
        sqlite3_uint64 bytes = (sqlite3_uint64)columns->count * sizeof(sqlite3_value *);
        values = sqlite3_malloc64(bytes + 1);
        if (!values)
            return SQLITE_NOMEM;
        memset(values, 0, bytes);
        sqlite3_bind_int64(statement, 1, sample);
        for (int64_t n = 0; code == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW; n++) {
            const char *key = (const char *)sqlite3_column_text(statement, 0);
            int64_t at = key ? find_column(columns, key, n) : -1;
            if (at < 0 || values[at])
                continue;
            values[at] = sqlite3_value_dup(sqlite3_column_value(statement, 1));
            code = values[at] ? SQLITE_OK : SQLITE_NOMEM;
        }
        int reset = sqlite3_reset(statement);
        code = code != SQLITE_OK ? code : reset;
    }
    if (code != SQLITE_OK && values) {
        for (int64_t i = 0; i < columns->count; i++)
            sqlite3_value_free(values[i]);
        sqlite3_free(values);
        values = NULL;
    }
    *out = values;
    return code;
}
