/* Conditions over runs: `roc_auc > 0.8 and train.epochs < 50`. See choose.h.
 *
 * The text is taken apart into SQL's tokens and put together again: strings, numbers, operators and
 * the words of expressions stay, names become columns of temp.chosen, a name before "(" is a
 * function (the authorizer looks at it later). All else is refused: statements, SELECT, ";",
 * comments, parameters, brackets that do not match. So what stands between the brackets that the
 * caller writes around it is one expression over the columns that were asked for, or an error.
 *
 * A name may have points, indices and hyphens (explain.lime-2.samples, model[1].units). As
 * "roc_auc-2" could be a difference, the longest name that some run has is meant; blanks around the
 * minus tell them apart, and double quotes hold any name together. */
#include <string.h>
#include <strings.h>

#include "store/choose.h"

/* Words that stand in expressions. */
static const char *const words[] = {
    "and",  "or",      "not",     "is",       "null",  "isnull", "notnull", "in",      "between",
    "like", "glob",    "escape",  "case",     "when",  "then",   "else",    "end",     "cast",
    "as",   "collate", "nocase",  "binary",   "rtrim", "true",   "false",   "integer", "real",
    "text", "blob",    "numeric", "distinct", "from",  NULL,
};

/* Words that begin something else: their own message. */
static const char *const statements[] = {"select", "with",   "values", "insert", "update",
                                         "delete", "exists", "union",  "pragma", NULL};

static bool listed(const char *text, size_t length, const char *const *list)
{
    for (; *list; list++)
        if (strlen(*list) == length && strncasecmp(text, *list, length) == 0)
            return true;
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool begins_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool in_name(char c)
{
    return begins_name(c) || is_digit(c);
}

/* The end of "a.b[1].c" at text, without hyphens. */
static const char *plain_end(const char *text)
{
    for (;;) {
        while (in_name(*text))
            text++;
        size_t digits = *text == '[' ? strspn(text + 1, "0123456789") : 0;
        if (*text == '.' && in_name(text[1]))
            text++;
        else if (digits > 0 && text[1 + digits] == ']')
            text += digits + 2;
        else
            return text;
    }
}

static const char *number_end(const char *text)
{
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        return text + 2 + strspn(text + 2, "0123456789abcdefABCDEF");
    text += strspn(text, "0123456789");
    if (*text == '.')
        text += 1 + strspn(text + 1, "0123456789");
    const char *exponent = text + 1 + (*text && (text[1] == '+' || text[1] == '-'));
    if ((*text == 'e' || *text == 'E') && is_digit(*exponent))
        text = exponent + strspn(exponent, "0123456789");
    return text;
}

/* Behind the closing quote, doubled ones inside; NULL where there is none. */
static const char *quoted_end(const char *text)
{
    char quote = *text++;
    for (;; text++) {
        if (*text == '\0')
            return NULL;
        if (*text == quote && *++text != quote)
            return text;
    }
}

/* The longest name at text that some run has; *end behind it. *found NULL: none. */
static ln_status longest(ln_chosen_names *names, const char *text, const char **end,
                         const ln_chosen_name **found, ln_error *err)
{
    const char *stops[16];
    int count = 0;
    const char *at = plain_end(text);
    stops[count++] = at;
    while (count < 16 && *at == '-' && in_name(at[1])) {
        at = plain_end(at + 1);
        stops[count++] = at;
    }
    ln_status status = LN_OK;
    *found = NULL;
    while (count > 0 && status == LN_OK && !*found) {
        *end = stops[--count];
        status = ln_chosen_find(names, text, (size_t)(*end - text), found, err);
    }
    return status;
}

/* Whether "< 5", ">= -1" or "between 1" follows: only numbers are compared with a number, while to
 * SQL every text is greater than each of them. */
static bool before_number(const char *text)
{
    text += strspn(text, " \t\r\n");
    if (strncasecmp(text, "not", 3) == 0 && strchr(" \t\r\n", text[3]))
        text += 3 + strspn(text + 3, " \t\r\n");
    if (strncasecmp(text, "between", 7) == 0)
        text += 7;
    else if ((*text == '<' || *text == '>') && text[1] != *text &&
             !(*text == '<' && text[1] == '>'))
        text += 1 + (text[1] == '=');
    else
        return false;
    text += strspn(text, " \t\r\n");
    text += *text == '-' || *text == '+';
    return is_digit(*text) || (*text == '.' && is_digit(text[1]));
}

static void write_column(const ln_chosen_name *name, const char *after, ln_text *sql)
{
    bool mixed = name->kind == LN_NAME_PARAM || name->kind == LN_NAME_TAG;
    if (mixed && before_number(after))
        ln_text_format(sql, "(CASE WHEN typeof(%s) <> 'text' THEN %s END)", name->column,
                       name->column);
    else
        ln_text_add(sql, name->column);
}

static ln_status write_name(ln_chosen_names *names, const char *text, const char **end,
                            ln_text *sql, ln_error *err)
{
    const ln_chosen_name *found = NULL;
    *end = plain_end(text);
    size_t length = (size_t)(*end - text);
    bool call = (*end)[strspn(*end, " \t\r\n")] == '(';
    if (listed(text, length, statements))
        return ln_fail(err, LN_EINVALID,
                       "%.*s has no place in a condition, which is one expression (`lunette query` "
                       "answers whole statements)",
                       (int)length, text);
    if (listed(text, length, words) || call) {
        ln_text_addn(sql, text, length);
        return LN_OK;
    }
    ln_status status = longest(names, text, end, &found, err);
    if (status == LN_OK && !found)
        return ln_chosen_unknown(names, text, length, err);
    if (status == LN_OK)
        write_column(found, *end, sql);
    return status;
}

/* "a""b" -> a"b */
static ln_status write_quoted(ln_chosen_names *names, const char *text, const char *end,
                              ln_text *sql, ln_error *err)
{
    ln_text name = {0};
    const ln_chosen_name *found = NULL;
    for (const char *c = text + 1; c < end - 1; c += 1 + (*c == '"'))
        ln_text_addn(&name, c, 1);
    const char *data = name.data ? name.data : "";
    ln_status status = name.failed ? ln_fail_memory(err, name.length)
                                   : ln_chosen_find(names, data, name.length, &found, err);
    if (status == LN_OK && !found)
        status = ln_chosen_unknown(names, data, name.length, err);
    if (status == LN_OK)
        write_column(found, end, sql);
    ln_text_free(&name);
    return status;
}

static ln_status misplaced(const char *text, ln_error *err)
{
    int length = 1;
    if ((text[0] == '-' && text[1] == '-') || (text[0] == '/' && text[1] == '*'))
        length = 2;
    return ln_fail(err, LN_EINVALID, "'%.*s' has no place in a condition, which is one expression",
                   length, text);
}

/* One token at *at, which moves behind it. */
static ln_status write_token(ln_chosen_names *names, const char **at, int *depth, ln_text *sql,
                             ln_error *err)
{
    const char *text = *at, *end = text + 1;
    ln_status status = LN_OK;
    if (begins_name(*text)) {
        status = write_name(names, text, &end, sql, err);
    } else if (*text == '\'' || *text == '"') {
        end = quoted_end(text);
        if (!end)
            return ln_fail(err, LN_EINVALID, "the quote that begins at %.40s is not closed", text);
        if (*text == '"')
            status = write_quoted(names, text, end, sql, err);
        else
            ln_text_addn(sql, text, (size_t)(end - text));
    } else if (is_digit(*text) || (*text == '.' && is_digit(text[1]))) {
        end = number_end(text);
        ln_text_addn(sql, text, (size_t)(end - text));
        if (begins_name(*end))
            return ln_fail(err, LN_EINVALID, "'%.*s' is neither a number nor a name",
                           (int)(plain_end(end) - text), text);
    } else if (strchr("+-*/%<>=!|&~(), \t\r\n", *text) && !(text[0] == '-' && text[1] == '-') &&
               !(text[0] == '/' && text[1] == '*')) {
        *depth += (*text == '(') - (*text == ')');
        ln_text_addn(sql, text, 1);
        if (*depth < 0)
            return ln_fail(err, LN_EINVALID, "a ) closes nothing");
    } else {
        return misplaced(text, err);
    }
    *at = end;
    return status;
}

ln_status ln_condition_write(ln_chosen_names *names, const char *where, ln_text *sql, ln_error *err)
{
    int depth = 0;
    if (where[strspn(where, " \t\r\n")] == '\0')
        return ln_fail(err, LN_EINVALID, "the condition is empty");
    while (*where) {
        ln_status status = write_token(names, &where, &depth, sql, err);
        if (status != LN_OK)
            return status;
    }
    if (depth > 0)
        return ln_fail(err, LN_EINVALID, "%d ( %s not closed", depth, depth == 1 ? "is" : "are");
    return sql->failed ? ln_fail_memory(err, sql->length) : LN_OK;
}
