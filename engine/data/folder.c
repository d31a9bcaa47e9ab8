/* What images there are: class folders and their files, in the order of their names' bytes, whatever
 * order the file system lists them in. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/error.h"
#include "data/category.h"
#include "data/images.h"

#define DEEPEST 16 /* folders in folders; a link to a folder above would never end */

typedef struct names {
    char **at;
    int64_t count, room;
} names;

static void names_free(names *list)
{
    ln_texts_free(list->at, list->count);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static ln_status names_add(names *list, const char *name, ln_error *err)
{
    if (list->count == list->room) {
        const int64_t room = list->room ? 2 * list->room : 64;
        char **at = ln_realloc(list->at, (size_t)room * sizeof *at);
        if (!at)
            return ln_fail_memory(err, (size_t)room * sizeof *at);
        list->at = at;
        list->room = room;
    }
    if (!(list->at[list->count] = ln_strdup(name)))
        return ln_fail_memory(err, strlen(name) + 1);
    list->count++;
    return LN_OK;
}

/* What a folder holds but for names with a dot first, sorted. To be freed also after an error. */
static ln_status list_folder(const char *path, names *list, ln_error *err)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    ln_status status = LN_OK;
    *list = (names){0};
    if (!folder && errno == ENOTDIR)
        return ln_fail(err, LN_EFILE, "'%s' is a file, a folder of images is wanted", path);
    if (!folder)
        return ln_fail(err, LN_EFILE, "the folder '%s' cannot be read: %s", path,
                       errno == ENOENT ? "it does not exist" : strerror(errno));
    while (!status && (entry = readdir(folder))) {
        if (entry->d_name[0] != '.')
            status = names_add(list, entry->d_name, err);
    }
    closedir(folder);
    if (list->count)
        qsort(list->at, (size_t)list->count, sizeof *list->at, by_bytes);
    return status;
}

static char *joined(const char *folder, const char *name)
{
    const size_t length = strlen(folder);
    const char *slash = length && folder[length - 1] == '/' ? "" : "/";
    const size_t room = length + strlen(name) + 2;
    char *path = ln_alloc(room);
    if (path)
        snprintf(path, room, "%s%s%s", folder, slash, name);
    return path;
}

static bool is_folder(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static bool is_image(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot &&
           (!strcasecmp(dot, ".png") || !strcasecmp(dot, ".jpg") || !strcasecmp(dot, ".jpeg"));
}

/* Takes the path over. */
static ln_status add_file(ln_image_list *list, ln_image_file file, ln_error *err)
{
    if (list->count == list->room) {
        const int64_t room = list->room ? 2 * list->room : 256;
        ln_image_file *files = ln_realloc(list->files, (size_t)room * sizeof *files);
        if (!files) {
            ln_free(file.path);
            return ln_fail_memory(err, (size_t)room * sizeof *files);
        }
        list->files = files;
        list->room = room;
    }
    list->files[list->count++] = file;
    return LN_OK;
}

typedef struct place {
    size_t root;    /* length of the images' folder and its slash */
    int32_t folder; /* class */
    int8_t part;
} place;

static ln_status add_below(ln_image_list *list, const char *path, const place *at, int depth,
                           ln_error *err)
{
    names inside;
    if (depth > DEEPEST)
        return ln_fail(err, LN_EINVALID, "'%s' lies more than %d folders deep", path, DEEPEST);
    ln_status status = list_folder(path, &inside, err);
    for (int64_t i = 0; i < inside.count && !status; i++) {
        char *child = joined(path, inside.at[i]);
        if (!child) {
            status = ln_fail_memory(err, strlen(path) + strlen(inside.at[i]));
        } else if (is_image(inside.at[i]) && !is_folder(child)) {
            status =
                add_file(list, (ln_image_file){child, child + at->root, at->folder, at->part}, err);
            continue;
        } else if (is_folder(child)) {
            status = add_below(list, child, at, depth + 1, err);
        }
        ln_free(child);
    }
    names_free(&inside);
    return status;
}

/* The number of a class folder, a new one at the end of the list. */
static int32_t folder_number(ln_image_list *list, const char *name)
{
    for (int i = 0; i < list->folder_count; i++) {
        if (strcmp(list->folders[i], name) == 0)
            return i;
    }
    char **folders = ln_realloc(list->folders, ((size_t)list->folder_count + 1) * sizeof *folders);
    if (!folders)
        return -1;
    list->folders = folders;
    if (!(folders[list->folder_count] = ln_strdup(name)))
        return -1;
    return list->folder_count++;
}

static ln_status add_class(ln_image_list *list, const char *path, const char *name, place *at,
                           ln_error *err)
{
    const int64_t before = list->count;
    at->folder = folder_number(list, name);
    if (at->folder < 0)
        return ln_fail_memory(err, strlen(name) + 1);
    ln_status status = add_below(list, path, at, 1, err);
    if (!status && list->count == before) {
        status = ln_fail(err, LN_EINVALID, "the folder '%s' holds no PNG or JPEG images", path);
        ln_error_hint(err, "each folder is a class, and its files end in .png, .jpg or .jpeg");
    }
    return status;
}

static ln_status no_classes(const char *path, bool images, ln_error *err)
{
    ln_status status = ln_fail(err, LN_EINVALID, "the folder '%s' holds %s", path,
                               images ? "images, but no folders" : "no folders of images");
    ln_error_hint(err, "each class is a folder in it: cat/1.png, dog/1.png");
    return status;
}

ln_status ln_image_list_add(ln_image_list *list, const char *path, int8_t part, ln_error *err)
{
    const size_t length = strlen(path);
    names inside;
    place at = {.root = length + (length && path[length - 1] != '/'), .part = part};
    bool images = false;
    const int64_t before = list->count;
    ln_status status = list_folder(path, &inside, err);
    for (int64_t i = 0; i < inside.count && !status; i++) {
        char *child = joined(path, inside.at[i]);
        if (!child)
            status = ln_fail_memory(err, length + strlen(inside.at[i]));
        else if (is_folder(child))
            status = add_class(list, child, inside.at[i], &at, err);
        else
            images = images || is_image(inside.at[i]);
        ln_free(child);
    }
    if (!status && list->count == before)
        status = no_classes(path, images, err);
    names_free(&inside);
    return status;
}

void ln_image_list_free(ln_image_list *list)
{
    for (int64_t i = 0; i < list->count; i++)
        ln_free(list->files[i].path);
    ln_free(list->files);
    ln_texts_free(list->folders, list->folder_count);
    *list = (ln_image_list){0};
}
