/* embed FILE ... > embedded.c
 *
 * Writes the files as C: the standard library and the store's SQL are part of the binary, and a
 * fresh machine has no xxd. A file's name there is its path less "engine/". See base/embedded.h. */
#include <stdio.h>
#include <string.h>

static int write_file(const char *path, int index)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    printf("static const unsigned char file_%d[] = {", index);
    int byte, column = 0;
    while ((byte = getc(file)) != EOF) {
        printf("%s%d,", column == 0 ? "\n" : "", byte);
        column = (column + 1) % 24;
    }
    printf("\n0};\n");
    int failed = ferror(file);
    fclose(file);
    if (failed)
        fprintf(stderr, "%s: cannot be read\n", path);
    return failed;
}

int main(int argc, char **argv)
{
    printf("#include \"base/embedded.h\"\n");
    for (int i = 1; i < argc; i++)
        if (write_file(argv[i], i))
            return 1;
    printf("const struct ln_embedded ln_embedded_files[] = {\n");
    for (int i = 1; i < argc; i++) {
        const char *name = argv[i];
        if (strncmp(name, "engine/", 7) == 0)
            name += 7;
        printf("{\"%s\", file_%d, sizeof file_%d - 1},\n", name, i, i);
    }
    printf("{0, 0, 0}};\n");
    return fflush(stdout) != 0 || ferror(stdout);
}
