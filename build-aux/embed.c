/* embed FILE ... > embedded.c
 *
 * Writes the files as C: the standard library and the store's SQL are part of the binary, and a
 * fresh machine has no xxd. A file's name there is its path less "engine/". Modules of the standard library are there
 * compiled as well, with all that their messages need, and with what this Lua says it is. See base/embedded.h. */
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <string.h>

extern const char lua_ident[]; /* of the library: in no header */

enum { COLUMNS = 24 }; /* numbers of a line */

static void write_bytes(const unsigned char *bytes, size_t count, int *column)
{
    for (size_t i = 0; i < count; i++) {
        printf("%s%d,", *column == 0 ? "\n" : "", bytes[i]);
        *column = (*column + 1) % COLUMNS;
    }
}

static int write_file(const char *path, int index)
{
    unsigned char part[4096];
    int column = 0;
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    printf("static const unsigned char file_%d[] = {", index);
    for (size_t count; (count = fread(part, 1, sizeof part, file)) > 0;)
        write_bytes(part, count, &column);
    printf("\n0};\n");
    int failed = ferror(file);
    fclose(file);
    if (failed)
        fprintf(stderr, "%s: cannot be read\n", path);
    return failed;
}

static int is_module(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && strcmp(dot, ".lua") == 0;
}

static int write_part(lua_State *L, const void *bytes, size_t count, void *column)
{
    (void)L;
    write_bytes(bytes, count, column);
    return 0;
}

/* As host.c compiles the text: under the name "=stdlib/...". */
static int write_compiled(lua_State *L, const char *path, int index)
{
    int column = 0;
    lua_settop(L, 0);
    const char *chunk = lua_pushfstring(L, "=%s", path);
    FILE *file = fopen(path, "rb");
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    for (size_t count = 1; file && count > 0;) {
        char *room = luaL_prepbuffer(&text);
        count = fread(room, 1, LUAL_BUFFERSIZE, file);
        luaL_addsize(&text, count);
    }
    if (file)
        fclose(file);
    luaL_pushresult(&text);
    size_t bytes;
    const char *source = lua_tolstring(L, -1, &bytes);
    if (luaL_loadbufferx(L, source, bytes, chunk, "t") != LUA_OK) {
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
        return 1;
    }
    printf("static const unsigned char compiled_%d[] = {", index);
    lua_dump(L, write_part, &column, 0);
    printf("\n0};\n");
    return 0;
}

static void write_entry(const char *path, int index)
{
    const char *name = strncmp(path, "engine/", 7) == 0 ? path + 7 : path;
    printf("{\"%s\", file_%d, sizeof file_%d - 1, ", name, index, index);
    if (is_module(path))
        printf("COMPILED(compiled_%d)},\n", index);
    else
        printf("0, 0},\n");
}

int main(int argc, char **argv)
{
    lua_State *L = luaL_newstate();
    if (!L)
        return 1;
    printf("#include \"base/embedded.h\"\n");
    for (int i = 1; i < argc; i++)
        if (write_file(argv[i], i))
            return 1;
    printf("#ifdef LN_WITHOUT_COMPILED\n#define COMPILED(bytes) 0, 0\n#else\n"
           "#define COMPILED(bytes) bytes, sizeof bytes - 1\n");
    for (int i = 1; i < argc; i++)
        if (is_module(argv[i]) && write_compiled(L, argv[i], i))
            return 1;
    printf("#endif\nconst char ln_embedded_lua[] = \"%s\";\n", lua_ident);
    printf("const struct ln_embedded ln_embedded_files[] = {\n");
    for (int i = 1; i < argc; i++)
        write_entry(argv[i], i);
    printf("{0, 0, 0, 0, 0}};\n");
    lua_close(L);
    return fflush(stdout) != 0 || ferror(stdout);
}
