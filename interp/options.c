/* Parsing of the command line: `lunette COMMAND`, with options before and after operands, as
 * `--name value`, `--name=value` or `-o value`; what follows `--` belongs to the script. An unknown
 * name is answered with the nearest one. Texts stay where argv has them. */
#include "options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/parallel.h"

#define AT(member) offsetof(ln_options, member)

const ln_option ln_option_rows[] = {
    {"db", 0, LN_OPTION_TEXT, AT(db), "PATH",
     "the store (default: $LUNETTE_DB, else lunette.db in this folder)", false},
    {"threads", 0, LN_OPTION_THREADS, AT(threads), "N",
     "worker threads (default: all cores); results do not depend on it", false},
    {"set", 0, LN_OPTION_TEXTS, AT(set), "PATH=VALUE",
     "a field of the script: train.epochs=3, explain[2].steps=100, explain.saliency.absolute=false",
     false},
    {"seed", 0, LN_OPTION_SEED, AT(seed), "N", "the same as --set seed=N", false},
    {"numerics", 0, LN_OPTION_TEXT, AT(numerics), "MODE",
     "the same as --set numerics=MODE: strict, or fast, which makes convolutions of less work",
     false},
    {"from", 0, LN_OPTION_TEXT, AT(from), "FILE.db", "the run is in that store", false},
    {"with-data", 0, LN_OPTION_FLAG, AT(with_data), "",
     "with --format db: the bundle carries the files that the run read", false},
    {"resume", 0, LN_OPTION_TEXT, AT(resume), "RUN",
     "continue an interrupted or failed run from the stored script, as a new run", false},
    {"needed", 0, LN_OPTION_FLAG, AT(needed), "",
     "leave out runs that the store has, finished, with the same identity", false},
    {"dry-run", 0, LN_OPTION_FLAG, AT(dry_run), "", "print the plan, run nothing", false},
    {"profile", 0, LN_OPTION_FLAG, AT(profile), "",
     "at the end, print which layers of the models took the time", false},
    {"confine", 0, LN_OPTION_FLAG, AT(confine), "",
     "read data and models only below the script's folder", false},
    {"allow", 0, LN_OPTION_TEXTS, AT(allow), "read=DIR", "with --confine: and below DIR", false},
    {"format", 0, LN_OPTION_TEXT, AT(format), "FORMAT",
     "table (default), csv, tsv, json, jsonl or md", false},
    {"limit", 0, LN_OPTION_COUNT, AT(limit), "N", "at most N rows", false},
    {"where", 0, LN_OPTION_TEXT, AT(where), "SQL", "only rows for which this condition holds",
     false},
    {"sort", 0, LN_OPTION_TEXT, AT(sort), "COLUMN", "order of the rows", false},
    {"output", 'o', LN_OPTION_TEXT, AT(output), "PATH", "where the result is written", false},
    {"param", 0, LN_OPTION_TEXTS, AT(params), "NAME=VALUE", "a named parameter of the SQL", false},
    {"write", 0, LN_OPTION_FLAG, AT(write), "", "let the SQL change the store", false},
    {"strict", 0, LN_OPTION_FLAG, AT(strict), "", "residuals beyond their tolerance fail too",
     false},
    {"head", 0, LN_OPTION_TEXT, AT(head), "NAME", "the model's output, where there are several",
     false},
    {"all", 0, LN_OPTION_FLAG, AT(all), "", "also what does not differ", false},
    {"fail-above", 0, LN_OPTION_TEXTS, AT(fail_above), "METRIC=DELTA",
     "exit status 3 where the metric got worse by more than DELTA", false},
    {"yes", 'y', LN_OPTION_FLAG, AT(yes), "", "do not ask", false},
    {"no-vacuum", 0, LN_OPTION_FLAG, AT(no_vacuum), "",
     "leave the free pages in the file for later runs", false},
    {"remove", 0, LN_OPTION_TEXT, AT(remove), "NAME", "take it away", false},
    {"save", 0, LN_OPTION_TEXT, AT(save), "NAME", "keep the SQL in the store as @NAME", false},
    {"saved", 0, LN_OPTION_FLAG, AT(saved), "", "list the queries kept in the store", false},
    {"schema", 0, LN_OPTION_FLAG, AT(schema), "", "list tables, views and functions", false},
    {"attach", 0, LN_OPTION_TEXTS, AT(attach), "FILE [AS N]", "read another SQLite file too",
     false},
    {"columns", 0, LN_OPTION_TEXT, AT(columns), "A,B,...", "which columns are shown", false},
    {"memory", 0, LN_OPTION_BYTES, AT(memory), "SIZE", "stop beyond this much memory: 500M, 2G",
     true},
    {"timeout", 0, LN_OPTION_SECONDS, AT(timeout), "SECONDS", "stop after this time", true},
    {"quiet", 'q', LN_OPTION_FLAG, AT(quiet), "", "print no progress and no messages", true},
    {"trace", 0, LN_OPTION_FLAG, AT(trace), "", "show where in the Lua code an error arose", true},
    {NULL, 0, LN_OPTION_FLAG, 0, NULL, NULL, false},
};

#define OPTION_COUNT (sizeof ln_option_rows / sizeof ln_option_rows[0])

bool ln_option_allowed(const ln_command *command, const ln_option *option)
{
    if (option->common)
        return true;
    size_t length = strlen(option->name);
    for (const char *at = command->options; *at;) {
        size_t here = strcspn(at, " ");
        if (here == length && strncmp(at, option->name, length) == 0)
            return true;
        at += here;
        at += strspn(at, " ");
    }
    return false;
}

static const ln_option *find_option(const char *name, size_t length)
{
    for (const ln_option *option = ln_option_rows; option->name; option++)
        if (strlen(option->name) == length && strncmp(option->name, name, length) == 0)
            return option;
    return NULL;
}

static const ln_option *find_letter(char letter)
{
    for (const ln_option *option = ln_option_rows; option->name; option++)
        if (letter && option->letter == letter)
            return option;
    return NULL;
}

/* Names of all options, or of those that one command takes. */
static void option_names(const ln_command *command, const char *names[OPTION_COUNT + 3])
{
    int count = 0;
    for (const ln_option *option = ln_option_rows; option->name; option++)
        if (!command || ln_option_allowed(command, option))
            names[count++] = option->name;
    names[count++] = "help";
    names[count++] = "version";
    names[count] = NULL;
}

static ln_status unknown_option(const ln_command *command, const char *written, size_t length,
                                ln_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)(length < 63 ? length : 63), written);
    const char *names[OPTION_COUNT + 3];
    option_names(command, names);
    const char *dashes = name[0] == '-' ? "" : "--";
    if (command)
        ln_fail(err, LN_EINVALID, "'lunette %s' has no option '%s%s'", command->name, dashes, name);
    else
        ln_fail(err, LN_EINVALID, "there is no option '%s%s'", dashes, name);
    const char *near = ln_nearest_word(name, names);
    if (near)
        ln_error_hint(err, "did you mean '--%s'?", near);
    else if (command)
        ln_error_hint(err, "'lunette help %s' lists its options", command->name);
    else
        ln_error_hint(err, "'lunette help' lists the commands");
    return LN_EINVALID;
}

static ln_status bad_value(const ln_option *option, const char *expected, const char *value,
                           ln_error *err)
{
    return ln_fail(err, LN_EINVALID, "--%s: expected %s, found '%.100s'", option->name, expected,
                   value);
}

static ln_status parse_whole(const ln_option *option, const char *value, int64_t min, int64_t max,
                             const char *expected, int64_t *out, ln_error *err)
{
    char *end;
    errno = 0;
    long long number = strtoll(value, &end, 10);
    if (end == value || *end || errno || number < min || number > max || strchr(" \t\n", *value))
        return bad_value(option, expected, value, err);
    *out = number;
    return LN_OK;
}

static ln_status parse_bytes(const ln_option *option, const char *value, size_t *out, ln_error *err)
{
    char *end;
    double number = strtod(value, &end);
    double unit = 1;
    if (*end == 'K' || *end == 'k')
        unit = 1024.0, end++;
    else if (*end == 'M' || *end == 'm')
        unit = 1024.0 * 1024, end++;
    else if (*end == 'G' || *end == 'g')
        unit = 1024.0 * 1024 * 1024, end++;
    if (unit > 1 && *end == 'i')
        end++;
    if (*end == 'B')
        end++;
    if (end == value || *end || !(number > 0) || !(number * unit < 1e18) || number * unit < 1)
        return bad_value(option, "a size such as 500M or 2G", value, err);
    *out = (size_t)(number * unit);
    return LN_OK;
}

static ln_status apply(const ln_option *option, const char *value, ln_options *options,
                       ln_error *err)
{
    void *place = (char *)options + option->offset;
    int64_t whole = 0;
    ln_status status;
    switch (option->kind) {
    case LN_OPTION_FLAG:
        *(bool *)place = true;
        return LN_OK;
    case LN_OPTION_TEXT:
        *(const char **)place = value;
        return LN_OK;
    case LN_OPTION_TEXTS: {
        ln_texts *texts = place;
        texts->at[texts->count++] = value;
        return LN_OK;
    }
    case LN_OPTION_COUNT:
        status = parse_whole(option, value, 0, INT64_MAX, "a whole number from 0", &whole, err);
        *(int64_t *)place = whole;
        return status;
    case LN_OPTION_THREADS:
        status = parse_whole(option, value, 1, 1024, "a whole number from 1 to 1024", &whole, err);
        *(int *)place = (int)whole;
        return status;
    case LN_OPTION_SEED:
        status = parse_whole(option, value, 0, INT64_MAX, "a whole number from 0", &whole, err);
        *(int64_t *)place = whole;
        options->seed_given = true;
        return status;
    case LN_OPTION_BYTES:
        return parse_bytes(option, value, place, err);
    case LN_OPTION_SECONDS: {
        char *end;
        double seconds = strtod(value, &end);
        if (end == value || *end || !(seconds > 0) || !(seconds <= 1e9))
            return bad_value(option, "a number of seconds above 0", value, err);
        *(double *)place = seconds;
        return LN_OK;
    }
    }
    return LN_OK;
}

/* Where the parser stands. */
typedef struct parser {
    int argc, next; /* arguments, and the next one to look at */
    char **argv;
    ln_options *options;
    const ln_option **used; /* options seen, for the check against the command's list */
    int used_count;
    bool help, version;
} parser;

static ln_status parse_option(parser *p, const char *text, ln_error *err)
{
    const ln_option *option;
    const char *value = NULL;
    if (text[1] == '-') {
        const char *name = text + 2;
        size_t length = strcspn(name, "=");
        option = find_option(name, length);
        if (!option && length == 4 && strncmp(name, "help", 4) == 0) {
            p->help = true;
            return LN_OK;
        }
        if (!option && length == 7 && strncmp(name, "version", 7) == 0) {
            p->version = true;
            return LN_OK;
        }
        if (!option)
            return unknown_option(NULL, name, length, err);
        if (name[length] == '=')
            value = name + length + 1;
    } else {
        option = find_letter(text[1]);
        if (!option && strcmp(text, "-h") == 0) {
            p->help = true;
            return LN_OK;
        }
        if (!option)
            return unknown_option(NULL, text, strlen(text), err);
        if (text[2])
            value = text[2] == '=' ? text + 3 : text + 2;
    }
    if (option->kind == LN_OPTION_FLAG && value)
        return ln_fail(err, LN_EINVALID, "--%s takes no value, found '%.100s'", option->name,
                       value);
    if (option->kind != LN_OPTION_FLAG && !value) {
        if (p->next >= p->argc)
            return ln_fail(err, LN_EINVALID, "--%s needs a value: --%s %s", option->name,
                           option->name, option->value);
        value = p->argv[p->next++];
    }
    p->used[p->used_count++] = option;
    return apply(option, value, p->options, err);
}

static ln_status parse_all(parser *p, ln_error *err)
{
    ln_options *options = p->options;
    while (p->next < p->argc) {
        const char *text = p->argv[p->next++];
        if (strcmp(text, "--") == 0) {
            while (p->next < p->argc)
                options->arguments.at[options->arguments.count++] = p->argv[p->next++];
        } else if (text[0] == '-' && text[1]) {
            ln_status status = parse_option(p, text, err);
            if (status)
                return status;
        } else if (!options->command) {
            options->command = text;
        } else {
            options->operands.at[options->operands.count++] = text;
        }
    }
    return LN_OK;
}

static ln_status unknown_command(const char *name, ln_error *err)
{
    const char *names[64];
    int count = 0;
    for (int i = 0; ln_commands[i] && count < 63; i++)
        if (ln_commands[i]->summary[0])
            names[count++] = ln_commands[i]->name;
    names[count] = NULL;
    ln_fail(err, LN_EINVALID, "there is no command '%.100s'", name);
    const char *near = ln_nearest_word(name, names);
    size_t length = strlen(name);
    if (near)
        ln_error_hint(err, "did you mean 'lunette %s'?", near);
    else if (length > 4 && strcmp(name + length - 4, ".lua") == 0)
        ln_error_hint(err, "to run a script: lunette run %.200s", name);
    else
        ln_error_hint(err, "'lunette help' lists the commands");
    return LN_EINVALID;
}

static ln_status check_for(const parser *p, const ln_command *command, ln_error *err)
{
    const ln_options *options = p->options;
    for (int i = 0; i < p->used_count; i++)
        if (!ln_option_allowed(command, p->used[i]))
            return unknown_option(command, p->used[i]->name, strlen(p->used[i]->name), err);
    int count = options->operands.count;
    if (count < command->min_operands)
        return ln_usage(options, err, "'lunette %s' needs %s", command->name, command->operands);
    if (command->max_operands >= 0 && count > command->max_operands)
        return ln_usage(options, err, "'lunette %s' does not know what to do with '%.100s'",
                        command->name, options->operands.at[command->max_operands]);
    return LN_OK;
}

ln_status ln_options_parse(int argc, char **argv, ln_options *options, const ln_command **command,
                           ln_request_kind *kind, ln_error *err)
{
    const char *db = getenv("LUNETTE_DB");
    memset(options, 0, sizeof *options);
    options->db = db && *db ? db : "lunette.db";
    options->threads = ln_cpu_count();
    options->limit = -1;
    *command = NULL;
    *kind = LN_ASK_RUN;

    /* One block holds all lists: none can be longer than argv. */
    const size_t room = (size_t)argc + 1, size = (4 + OPTION_COUNT) * room;
    const char **block = ln_calloc(size, sizeof *block);
    if (!block)
        return ln_fail_memory(err, size * sizeof *block);
    options->argv.at = block;
    options->operands.at = block + room;
    options->arguments.at = block + 2 * room;
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (ln_option_rows[i].kind == LN_OPTION_TEXTS)
            ((ln_texts *)(void *)((char *)options + ln_option_rows[i].offset))->at =
                block + (4 + i) * room;
    for (int i = 0; i < argc; i++)
        options->argv.at[options->argv.count++] = argv[i];

    parser p = {.argc = argc, .next = 1, .argv = argv, .options = options};
    p.used = (const ln_option **)(void *)(block + 3 * room);
    ln_status status = parse_all(&p, err);
    if (status)
        return status;
    if (p.version) {
        *kind = LN_ASK_VERSION;
        return LN_OK;
    }
    if (!options->command) {
        *kind = LN_ASK_HELP;
        if (p.help)
            *command = ln_command_find("help");
        return LN_OK;
    }
    *command = ln_command_find(options->command);
    if (!*command)
        return unknown_command(options->command, err);
    if (p.help) {
        *kind = LN_ASK_HELP;
        return LN_OK;
    }
    return check_for(&p, *command, err);
}

void ln_options_free(ln_options *options)
{
    ln_free(options->argv.at);
    options->argv.at = NULL;
}

ln_status ln_usage(const ln_options *options, ln_error *err, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ln_fail(err, LN_EINVALID, "%s", text);
    ln_error_hint(err, "'lunette help %s' says more", options->command ? options->command : "");
    return LN_EINVALID;
}
