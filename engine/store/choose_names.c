/* From a name to what it stands for. See choose.h. Order: a column of run_summary, a metric of the
 * model, a judge's mean of an explanation (saliency.deletion), a parameter; "tag.", "metric." and
 * "param." in front say which is meant. */
#include <string.h>
#include <strings.h>

#include "store/choose.h"

#define MOST_NAMES 8192 /* that a suggestion is looked for among */

static const char *const numeric_columns[] = {
    "id",      "seconds",    "seed",           "explanations", "attributions",
    "threads", "parent_run", "reproduces_run", NULL,
};

static const char *const exists[] = {
    [LN_NAME_METRIC] =
        "SELECT 1 FROM main.metric WHERE scope = 'model' AND label = ?1 AND class IS "
        "NULL AND slice IS NULL LIMIT 1",
    [LN_NAME_VERDICT] =
        "SELECT 1 FROM main.metric m JOIN main.explanation e ON e.id = "
        "m.explanation WHERE m.scope = 'explanation' AND m.label = ?2 AND e.label = "
        "?1 LIMIT 1",
    [LN_NAME_PARAM] = "SELECT 1 FROM main.param WHERE key = ?1 LIMIT 1",
    [LN_NAME_TAG] = "SELECT 1 FROM main.tag WHERE key = ?1 LIMIT 1",
};

void ln_chosen_free(ln_chosen_names *names)
{
    for (int i = 0; i < names->count; i++) {
        ln_free(names->at[i].text);
        ln_free(names->at[i].column);
        ln_free(names->at[i].shown);
    }
    ln_free(names->at);
    *names = (ln_chosen_names){0};
}

/* --- what there is ------------------------------------------------------------------------------
 * */

static ln_status is_there(ln_store *store, ln_chosen_name *name, ln_name_kind kind, bool *there,
                          ln_error *err)
{
    sqlite3_stmt *statement;
    ln_status status = ln_store_prepare(store, exists[kind], &statement, err);
    if (status != LN_OK)
        return status;
    sqlite3_bind_text(statement, 1, name->first, (int)name->first_length, SQLITE_STATIC);
    if (kind == LN_NAME_VERDICT)
        sqlite3_bind_text(statement, 2, name->second, -1, SQLITE_STATIC);
    status = ln_store_step(store, statement, there, err);
    sqlite3_finalize(statement);
    name->kind = kind;
    return status;
}

/* A column of run_summary, in any case, as SQL has it. */
static ln_status is_column(ln_store *store, ln_chosen_name *name, bool *there, ln_error *err)
{
    sqlite3_stmt *statement;
    ln_status status = ln_store_prepare(store, "SELECT * FROM run_summary", &statement, err);
    if (status != LN_OK)
        return status;
    for (int i = 0; i < sqlite3_column_count(statement) && !*there; i++)
        *there = strcasecmp(sqlite3_column_name(statement, i), name->text) == 0;
    sqlite3_finalize(statement);
    name->kind = LN_NAME_COLUMN;
    return LN_OK;
}

static bool cut(ln_chosen_name *name, const char *prefix)
{
    size_t length = strlen(prefix);
    if (strncmp(name->text, prefix, length) != 0)
        return false;
    name->first = name->text + length;
    name->first_length = strlen(name->first);
    return true;
}

static ln_status resolve(ln_store *store, ln_chosen_name *name, bool *there, ln_error *err)
{
    *there = false;
    if (cut(name, "tag."))
        return is_there(store, name, LN_NAME_TAG, there, err);
    if (cut(name, "param."))
        return is_there(store, name, LN_NAME_PARAM, there, err);
    bool metric = cut(name, "metric.");
    cut(name, metric ? "metric." : "");
    ln_status status = metric ? LN_OK : is_column(store, name, there, err);
    if (status == LN_OK && !*there)
        status = is_there(store, name, LN_NAME_METRIC, there, err);
    const char *point = strchr(name->first, '.');
    if (status == LN_OK && !*there && point) {
        name->first_length = (size_t)(point - name->first);
        name->second = point + 1;
        status = is_there(store, name, LN_NAME_VERDICT, there, err);
        if (!*there) {
            name->first_length = strlen(name->first);
            name->second = NULL;
        }
    }
    if (status == LN_OK && !*there && !metric)
        status = is_there(store, name, LN_NAME_PARAM, there, err);
    return status;
}

/* --- names that were written --------------------------------------------------------------------
 * */

/* "a""b  ": doubled quotes, and blanks behind it that tell it from names equal but for case. */
static char *quoted(const char *before, const char *text, int blanks)
{
    ln_text out = {0};
    ln_text_format(&out, "\"%s", before);
    for (const char *c = text; *c; c++)
        ln_text_addn(&out, *c == '"' ? "\"\"" : c, *c == '"' ? 2 : 1);
    ln_text_format(&out, "%*s\"", blanks, "");
    if (out.failed)
        ln_text_free(&out);
    return out.data;
}

static ln_status add_name(ln_chosen_names *names, const ln_chosen_name *name, ln_error *err)
{
    int alike = 0;
    for (int i = 0; i < names->count; i++)
        alike += strcasecmp(names->at[i].text, name->text) == 0;
    if (names->count == names->room) {
        int room = names->room ? 2 * names->room : 16;
        ln_chosen_name *more = ln_realloc(names->at, (size_t)room * sizeof *more);
        if (!more)
            return ln_fail_memory(err, (size_t)room * sizeof *more);
        names->at = more;
        names->room = room;
    }
    ln_chosen_name *mine = &names->at[names->count];
    *mine = *name;
    mine->column = quoted("", name->text, alike);
    mine->shown = quoted(" ", name->text, alike);
    if (mine->column && mine->shown) {
        names->count++;
        return LN_OK;
    }
    ln_free(mine->column);
    ln_free(mine->shown);
    return ln_fail_memory(err, 0);
}

ln_status ln_chosen_find(ln_chosen_names *names, const char *text, size_t length,
                         const ln_chosen_name **found, ln_error *err)
{
    *found = NULL;
    for (int i = 0; i < names->count; i++)
        if (strlen(names->at[i].text) == length && strncmp(names->at[i].text, text, length) == 0) {
            *found = &names->at[i];
            return LN_OK;
        }
    ln_chosen_name name = {.text = ln_strndup(text, length)};
    bool there = false;
    if (!name.text)
        return ln_fail_memory(err, length);
    ln_status status = resolve(names->store, &name, &there, err);
    if (status == LN_OK && there)
        status = add_name(names, &name, err);
    if (status == LN_OK && there)
        *found = &names->at[names->count - 1];
    else
        ln_free(name.text);
    return status;
}

/* --- suggestions --------------------------------------------------------------------------------
 * */

static const char all_names[] =
    "SELECT name FROM pragma_table_info('run_summary') UNION SELECT label FROM main.metric WHERE "
    "scope = 'model' AND class IS NULL AND slice IS NULL UNION SELECT DISTINCT e.label || '.' || "
    "m.label FROM main.metric m JOIN main.explanation e ON e.id = m.explanation WHERE m.scope = "
    "'explanation' UNION SELECT DISTINCT key FROM main.param UNION SELECT DISTINCT 'tag.' || key "
    "FROM main.tag ORDER BY 1";

/* "train.epochs" for "epochs". */
static bool ends_in(const char *name, const char *end)
{
    size_t length = strlen(name), most = strlen(end);
    return length > most && strcmp(name + length - most, end) == 0 &&
           name[length - most - 1] == '.';
}

ln_status ln_chosen_unknown(ln_chosen_names *names, const char *text, size_t length, ln_error *err)
{
    sqlite3_stmt *statement;
    const char **list = ln_calloc(MOST_NAMES + 1, sizeof *list);
    char *written = ln_strndup(text, length);
    int count = 0;
    if (!list || !written) {
        ln_free((void *)list);
        ln_free(written);
        return ln_fail_memory(err, MOST_NAMES * sizeof *list);
    }
    const char *near = NULL;
    ln_status status = ln_store_prepare(names->store, all_names, &statement, err);
    while (status == LN_OK && count < MOST_NAMES && sqlite3_step(statement) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(statement, 0);
        list[count] = name ? ln_strdup(name) : NULL;
        if (!list[count])
            break;
        if (!near && ends_in(list[count], written))
            near = list[count];
        count++;
    }
    sqlite3_finalize(statement);
    if (status == LN_OK) {
        status = ln_fail(err, LN_EINVALID, "runs have no column, metric, parameter or tag '%.100s'",
                         written);
        near = near ? near : ln_nearest_word(written, list);
        if (near)
            ln_error_hint(err, "did you mean '%s'?", near);
        else
            ln_error_hint(err, "`lunette show RUN` names the parameters and metrics of a run");
    }
    for (int i = 0; i < count; i++)
        ln_free((void *)list[i]);
    ln_free((void *)list);
    ln_free(written);
    return status;
}

/* --- their values -------------------------------------------------------------------------------
 * */

static void add_literal(ln_text *out, const char *text, size_t length)
{
    ln_text_add(out, "'");
    for (size_t i = 0; i < length; i++)
        ln_text_addn(out, text[i] == '\'' ? "''" : text + i, text[i] == '\'' ? 2 : 1);
    ln_text_add(out, "'");
}

/* The value of a name for the run s.id; `number` as what it is compared as. */
static void add_value(ln_text *out, const ln_chosen_name *name, bool number)
{
    switch (name->kind) {
    case LN_NAME_COLUMN:
        ln_text_format(out, "s.\"%s\"", name->text);
        return;
    case LN_NAME_METRIC:
        ln_text_add(out, "(SELECT value FROM main.metric WHERE run = s.id AND scope = 'model' AND "
                         "class IS NULL AND slice IS NULL AND label = ");
        add_literal(out, name->first, name->first_length);
        ln_text_add(out, " ORDER BY split IS 'train', id LIMIT 1)");
        return;
    case LN_NAME_VERDICT:
        ln_text_add(out, "(SELECT m.value FROM main.explanation e JOIN main.metric m ON "
                         "m.explanation = e.id WHERE e.run = s.id AND m.scope = 'explanation' AND "
                         "e.label = ");
        add_literal(out, name->first, name->first_length);
        ln_text_add(out, " AND m.label = ");
        add_literal(out, name->second, strlen(name->second));
        ln_text_add(out, " LIMIT 1)");
        return;
    case LN_NAME_PARAM:
        ln_text_add(out, number ? "(SELECT coalesce(num, text)"
                                : "(SELECT CASE type WHEN 'integer' THEN CAST(num AS INTEGER) WHEN "
                                  "'real' THEN num ELSE text END");
        ln_text_add(out, " FROM main.param WHERE run = s.id AND key = ");
        add_literal(out, name->first, name->first_length);
        ln_text_add(out, ")");
        return;
    case LN_NAME_TAG:
        ln_text_add(out, "(SELECT value FROM main.tag WHERE run = s.id AND key = ");
        add_literal(out, name->first, name->first_length);
        ln_text_add(out, ")");
        return;
    }
}

void ln_chosen_define(const ln_chosen_names *names, ln_text *columns, ln_text *values)
{
    for (int i = 0; i < names->count; i++) {
        const ln_chosen_name *name = &names->at[i];
        bool text = name->kind == LN_NAME_COLUMN;
        for (int k = 0; numeric_columns[k] && text; k++)
            text = strcasecmp(numeric_columns[k], name->text) != 0;
        ln_text_format(columns, ", %s %s, %s", name->column, text ? "TEXT" : "NUMERIC",
                       name->shown);
        ln_text_add(values, ", ");
        add_value(values, name, true);
        ln_text_add(values, ", ");
        add_value(values, name, false);
    }
}
