#include "draw/library.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"

/* One function: its name, and its place in the table. */
typedef struct entry {
    const char *name; /* NULL ends the list */
    size_t offset;    /* in ln_draw_library */
} entry;

static ln_status fill(const char *file, const char *package, const entry *entries,
                      ln_draw_library *out, ln_error *err)
{
    void *library = dlopen(file, RTLD_NOW | RTLD_NODELETE);
    if (!library) {
        ln_fail(err, LN_EFAILED, "pictures need the library %s, which cannot be loaded", file);
        ln_error_hint(err, "install the package %s", package);
        return LN_EFAILED;
    }
    for (const entry *e = entries; e->name; e++) {
        void *function = dlsym(library, e->name);
        if (!function)
            return ln_fail(err, LN_EFAILED, "the library %s is too old for pictures: it has no %s",
                           file, e->name);
        memcpy((char *)out + e->offset, &function, sizeof function);
    }
    return LN_OK;
}

#define ENTRY(name) {#name, offsetof(ln_draw_library, name)},

ln_status ln_draw_library_open(ln_draw_library *out, ln_error *err)
{
    static const entry cairo[] = {LN_DRAW_CAIRO(ENTRY){NULL, 0}};
    static const entry pangocairo[] = {LN_DRAW_PANGOCAIRO(ENTRY){NULL, 0}};
    static const entry pango[] = {LN_DRAW_PANGO(ENTRY){NULL, 0}};
    static const entry gobject[] = {LN_DRAW_GOBJECT(ENTRY){NULL, 0}};
    ln_status status = fill("libcairo.so.2", "libcairo2", cairo, out, err);
    if (status == LN_OK)
        status = fill("libpangocairo-1.0.so.0", "libpangocairo-1.0-0", pangocairo, out, err);
    if (status == LN_OK)
        status = fill("libpango-1.0.so.0", "libpango-1.0-0", pango, out, err);
    if (status == LN_OK)
        status = fill("libgobject-2.0.so.0", "libglib2.0-0", gobject, out, err);
    return status;
}
