/* On what a run was made: machine, build and libraries, for the store's environment. Runs whose
 * environments agree in cpu's instruction set and build have the same bits. */
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/parallel.h"
#include "interp.h"
#include "kernels/library.h"

#define BUILD_DIGITS 16 /* of a hash: which build this is */

/* Among a segment's notes the linker's hash of the program, of which the first digits go to `out`. */
static bool note_id(const char *note, const char *end, char out[BUILD_DIGITS + 1])
{
    ElfW(Nhdr) head;
    while (note + sizeof head <= end) {
        memcpy(&head, note, sizeof head);
        const char *name = note + sizeof head;
        const char *hash =
            name + (head.n_namesz + 3) / 4 * 4; /* each part fills words of 4 bytes */
        if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == sizeof ELF_NOTE_GNU &&
            memcmp(name, ELF_NOTE_GNU, sizeof ELF_NOTE_GNU) == 0 &&
            head.n_descsz >= BUILD_DIGITS / 2) {
            for (int i = 0; i < BUILD_DIGITS / 2; i++) {
                snprintf(out + 2 * i, 3, "%02x", (unsigned char)hash[i]);
            }
            return true;
        }
        note = hash + (head.n_descsz + 3) / 4 * 4;
    }
    return false;
}

/* The program itself comes first of what is loaded. */
static int find_id(struct dl_phdr_info *program, size_t size, void *out)
{
    (void)size;
    for (int i = 0; i < program->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &program->dlpi_phdr[i];
        const char *at = (const char *)program->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_NOTE && note_id(at, at + segment->p_memsz, out)) {
            break;
        }
    }
    return 1;
}

/* The linker's hash of the program; where it made none that of the program's file, which takes milliseconds. */
static void build_id(char out[LN_SHA256_HEX])
{
    ln_file file = {0};
    out[0] = '\0';
    dl_iterate_phdr(find_id, out);
    if (!out[0] && ln_file_read("/proc/self/exe", &file, NULL) == LN_OK) {
        ln_sha256_hex(file.sha256, out);
        out[BUILD_DIGITS] = '\0';
    }
    ln_file_free(&file);
}

/* The processor's name as /proc/cpuinfo has it, or the machine's kind. */
static void cpu_name(const struct utsname *machine, char *out, size_t size)
{
    snprintf(out, size, "%s", machine->machine);
    FILE *info = fopen("/proc/cpuinfo", "r");
    char line[256];
    while (info != NULL && fgets(line, sizeof line, info)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            line[strcspn(line, "\n")] = '\0';
            snprintf(out, size, "%s", colon + 2);
            break;
        }
    }
    if (info != NULL) {
        fclose(info);
    }
}

static void set_text(lua_State *L, const char *field, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, field);
}

/* environment() -> { host, os, cpu, isa, compiler, version, build, libraries = {...} } */
static int environment(lua_State *L)
{
    struct utsname machine = {0};
    uname(&machine);
    char text[256], build[LN_SHA256_HEX];
    build_id(build);
    lua_createtable(L, 0, 8);
    set_text(L, "host", machine.nodename);
    snprintf(text, sizeof text, "%s %s", machine.sysname, machine.release);
    set_text(L, "os", text);
    cpu_name(&machine, text, sizeof text);
    set_text(L, "cpu", text);
    set_text(L, "isa", ln_cpu_isa());
    set_text(L, "compiler", "gcc " __VERSION__);
    set_text(L, "version", LN_VERSION);
    set_text(L, "build", build);
    lua_createtable(L, 0, 3);
    set_text(L, "lua", LUA_VERSION_MAJOR "." LUA_VERSION_MINOR "." LUA_VERSION_RELEASE);
    set_text(L, "kernels", ln_library_name(text, sizeof text));
    set_text(L, "sqlite", ln_store_library());
    lua_setfield(L, -2, "libraries");
    return 1;
}

void ln_bind_environment(lua_State *L)
{
    static const luaL_Reg functions[] = {{"environment", environment}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
