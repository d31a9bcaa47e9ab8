/* Open addressing with linear probing, never more than three quarters full. */
#include "store/idmap.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"

static size_t place_of(const ln_idmap *map, int64_t old)
{
    size_t i = (size_t)((uint64_t)old * 0x9E3779B97F4A7C15u) & (map->room - 1);
    while (map->at[2 * i] != 0 && map->at[2 * i] != old)
        i = (i + 1) & (map->room - 1);
    return i;
}

int64_t ln_idmap_get(const ln_idmap *map, int64_t old)
{
    return map->room && old > 0 ? map->at[2 * place_of(map, old) + 1] : 0;
}

ln_status ln_idmap_put(ln_idmap *map, int64_t old, int64_t new, ln_error *err)
{
    if (4 * (map->count + 1) > 3 * map->room) {
        ln_idmap wider = {.room = map->room ? 2 * map->room : 64};
        wider.at = ln_calloc(2 * wider.room, sizeof *wider.at);
        if (!wider.at)
            return ln_fail_memory(err, 2 * wider.room * sizeof *wider.at);
        for (size_t i = 0; i < map->room; i++) {
            if (map->at[2 * i] == 0)
                continue;
            size_t place = place_of(&wider, map->at[2 * i]);
            memcpy(&wider.at[2 * place], &map->at[2 * i], 2 * sizeof *wider.at);
            wider.count++;
        }
        ln_free(map->at);
        *map = wider;
    }
    size_t place = place_of(map, old);
    map->count += map->at[2 * place] == 0;
    map->at[2 * place] = old;
    map->at[2 * place + 1] = new;
    return LN_OK;
}
