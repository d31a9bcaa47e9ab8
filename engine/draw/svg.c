#include "draw/svg.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

/* The numbers seen so far; a number's place is its new one. */
typedef struct seen {
    unsigned long *numbers;
    int count, room;
} seen;

static bool place_of(seen *s, unsigned long number, int *place)
{
    for (*place = 0; *place < s->count; ++*place)
        if (s->numbers[*place] == number)
            return true;
    if (s->count == s->room) {
        const int room = s->room ? 2 * s->room : 16;
        unsigned long *grown = ln_realloc(s->numbers, (size_t)room * sizeof *grown);
        if (!grown)
            return false;
        s->numbers = grown;
        s->room = room;
    }
    s->numbers[s->count++] = number;
    return true;
}

/* Length of the name before the number of an id ("surface" of surface12), or 0. */
static size_t name_at(const char *text)
{
    static const char *const names[] = {"surface", "pattern", "image"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const size_t length = strlen(names[i]);
        if (strncmp(text, names[i], length) == 0 && text[length] >= '0' && text[length] <= '9')
            return length;
    }
    return 0;
}

/* The next quote or #. (Not strpbrk: under sanitizers each call reads to the end, megabytes away.) */
static const char *next_mark(const char *at)
{
    while (*at && *at != '"' && *at != '#')
        at++;
    return *at ? at : NULL;
}

ln_status ln_svg_renumber(const ln_text *svg, ln_text *out, ln_error *err)
{
    seen s = {0};
    bool fine = true;
    const char *copied = svg->data ? svg->data : "";
    /* Ids stand after the quote of an attribute or the # of a reference. */
    for (const char *at = next_mark(copied); fine && at; at = next_mark(at)) {
        const size_t name = name_at(++at);
        if (name == 0)
            continue;
        char *end;
        int place;
        fine = place_of(&s, strtoul(at + name, &end, 10), &place);
        ln_text_addn(out, copied, (size_t)(at + name - copied));
        ln_text_format(out, "%d", place);
        copied = at = end;
    }
    ln_text_add(out, copied);
    ln_free(s.numbers);
    return fine && !out->failed ? LN_OK : ln_fail_memory(err, svg->length);
}
