/* The error record: filling it, adding to it, and guessing which word was meant.
 *
 * Messages longer than their field are cut at a UTF-8 boundary. Guessing uses the edit distance
 * with transpositions of neighbours (Damerau 1964, restricted form): O(length * length) a word. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define LONGEST_WORD 63

/* Drops the bytes of a character that vsnprintf cut in two. */
static void trim_cut_character(char *text, size_t size)
{
    size_t length = strlen(text);
    if (length + 1 < size)
        return;
    size_t start = length;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t wanted = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (length - (start - 1) < wanted)
        text[start - 1] = '\0';
}

ln_status ln_fail(ln_error *err, ln_status status, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        err->status = status;
        err->field[0] = '\0';
        err->hint[0] = '\0';
        vsnprintf(err->message, sizeof err->message, format, args);
        trim_cut_character(err->message, sizeof err->message);
        va_end(args);
    }
    return status;
}

static void format_bytes(char *buffer, size_t size, size_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double amount = (double)bytes;
    int unit = 0;
    for (; amount >= 1024 && unit < 4; unit++)
        amount /= 1024;
    snprintf(buffer, size, unit == 0 ? "%.0f %s" : "%.1f %s", amount, units[unit]);
}

/* wanted = 0: a library does not tell how much it was. */
ln_status ln_fail_memory(ln_error *err, size_t wanted)
{
    char want[64] = "", used[32], allowed[64] = "", amount[32];
    format_bytes(amount, sizeof amount, wanted);
    if (wanted > 0)
        snprintf(want, sizeof want, "%s more are needed, ", amount);
    format_bytes(used, sizeof used, ln_memory_used());
    format_bytes(amount, sizeof amount, ln_memory_limit_get());
    if (ln_memory_limit_get() > 0)
        snprintf(allowed, sizeof allowed, ", --memory allows %s", amount);
    return ln_fail(err, LN_ENOMEM, "out of memory: %s%s are in use%s", want, used, allowed);
}

void ln_error_hint(ln_error *err, const char *format, ...)
{
    if (!err)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(err->hint, sizeof err->hint, format, args);
    trim_cut_character(err->hint, sizeof err->hint);
    va_end(args);
}

void ln_error_prefix(ln_error *err, const char *format, ...)
{
    if (!err)
        return;
    char message[sizeof err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    size_t length = strlen(message);
    snprintf(message + length, sizeof message - length, ": %s", err->message);
    trim_cut_character(message, sizeof message);
    memcpy(err->message, message, sizeof message);
}

static int min2(int a, int b)
{
    return a < b ? a : b;
}

/* Edits (insert, delete, replace, swap neighbours) from a to b, both at most LONGEST_WORD long. */
static int edit_distance(const char *a, const char *b)
{
    int rows[3][LONGEST_WORD + 1];
    int *before = rows[0], *above = rows[1], *row = rows[2];
    int columns = (int)strlen(b);
    for (int j = 0; j <= columns; j++)
        above[j] = j;
    memset(before, 0, sizeof rows[0]);
    for (int i = 1; a[i - 1]; i++) {
        row[0] = i;
        for (int j = 1; j <= columns; j++) {
            int replace = above[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = min2(replace, min2(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min2(row[j], before[j - 2] + 1);
        }
        int *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[columns];
}

const char *ln_nearest_word(const char *word, const char *const *words)
{
    size_t length = strlen(word);
    if (length == 0 || length > LONGEST_WORD)
        return NULL;
    /* One slip in three letters, and at least one: 'l' is near 'lr', 'lime' is not near 'lift'. */
    int limit = length < 6 ? 1 : (int)length / 3, best = limit;
    const char *nearest = NULL;
    for (size_t i = 0; words[i]; i++) {
        size_t other = strlen(words[i]);
        if (other == 0 || other > LONGEST_WORD)
            continue;
        int distance = edit_distance(word, words[i]);
        if (distance >= (int)other || distance > limit)
            continue;
        if (!nearest || distance < best) {
            best = distance;
            nearest = words[i];
        }
    }
    return nearest;
}

void ln_error_field(ln_error *err, const char *field)
{
    const bool about_input =
        err != NULL &&
        (err->status == LN_EINVALID || err->status == LN_EFILE || err->status == LN_EUNSUPPORTED);
    if (about_input && err->field[0] == '\0') {
        snprintf(err->field, sizeof err->field, "%s", field);
    }
}
