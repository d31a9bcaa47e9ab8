/* A folder of images as a data set: u8 (N, channels, height, width), as stored but for colours and
 * size; what a byte stands for, (v / 255 - mean) / deviation, is a table of 256 numbers a channel,
 * looked up when rows are gathered. So a thousand images take a quarter of their float32 memory.
 *
 * Files are read by workers, a chunk of images each; each image goes to its own place, so that the
 * bits and the first error do not depend on the threads. The identity is over all files, paths and
 * bytes. Cost: one read and one decoding an image. */
#include "data/images.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "data/category.h"
#include "data/table.h"
#include "image/image.h"

#define CHUNK_IMAGES 32

typedef struct loading {
    const ln_images_options *options;
    const ln_image_list *list;
    int channels;
    int64_t height, width;
    uint8_t *pixels; /* rows x channels x height x width */
    uint8_t *hashes; /* of each file */
} loading;

/* One image as the data set has it. */
static ln_status read_image(const ln_images_options *options, const char *path, uint8_t *sha256,
                            ln_image *out, ln_error *err)
{
    ln_file file;
    *out = (ln_image){0};
    ln_status status = ln_file_read(path, &file, err);
    if (status)
        return status;
    status = ln_image_decode(path, file.data, file.bytes, out, err);
    if (!status)
        status = ln_image_recolour(out, options->grey ? 1 : 3, err);
    if (!status && options->height)
        status = ln_image_resize(out, options->height, options->width, err);
    memcpy(sha256, file.sha256, LN_SHA256_BYTES);
    ln_file_free(&file);
    return status;
}

static ln_status check_size(const loading *job, const char *path, const ln_image *image,
                            ln_error *err)
{
    if (image->height == job->height && image->width == job->width)
        return LN_OK;
    ln_status status =
        ln_fail(err, LN_EINVALID, "%s is %lld x %lld (height x width), and %s is %lld x %lld", path,
                (long long)image->height, (long long)image->width, job->list->files[0].path,
                (long long)job->height, (long long)job->width);
    ln_error_hint(err, "images of one size are needed: resize = { %lld, %lld }",
                  (long long)job->height, (long long)job->width);
    ln_error_field(err, "resize");
    return status;
}

/* Channels side by side -> channels one after the other. */
static void to_planes(const ln_image *image, uint8_t *to)
{
    const int64_t plane = image->height * image->width;
    for (int c = 0; c < image->channels; c++) {
        for (int64_t i = 0; i < plane; i++)
            to[c * plane + i] = image->pixels[i * image->channels + c];
    }
}

static ln_status load_chunk(void *context, int64_t chunk, int worker, ln_error *err)
{
    const loading *job = context;
    const int64_t first = chunk * CHUNK_IMAGES, size = job->channels * job->height * job->width;
    ln_status status = LN_OK;
    (void)worker;
    for (int64_t i = first; i < first + CHUNK_IMAGES && i < job->list->count && !status; i++) {
        const char *path = job->list->files[i].path;
        ln_image image;
        status = read_image(job->options, path, job->hashes + i * LN_SHA256_BYTES, &image, err);
        if (!status)
            status = check_size(job, path, &image, err);
        if (!status)
            to_planes(&image, job->pixels + i * size);
        ln_image_free(&image);
    }
    return status;
}

/* All images into data->array, and the data set's identity. */
static ln_status load(const ln_images_options *options, const ln_image_list *list, ln_pool *pool,
                      ln_dataset *data, ln_error *err)
{
    loading job = {.options = options, .list = list, .channels = options->grey ? 1 : 3};
    uint8_t first[LN_SHA256_BYTES];
    ln_image image;
    ln_hash *hash = NULL;
    ln_status status = read_image(options, list->files[0].path, first, &image, err);
    job.height = image.height;
    job.width = image.width;
    ln_image_free(&image);
    if (status)
        return status;
    const ln_shape shape = {.rank = 4, .dims = {list->count, job.channels, job.height, job.width}};
    status = ln_tensor_new(LN_U8, &shape, &data->array, err);
    if (status)
        return status;
    job.pixels = data->array->data;
    job.hashes = data->file_hashes = ln_alloc((size_t)list->count * LN_SHA256_BYTES);
    hash = ln_hash_new();
    if (!job.hashes || !hash)
        status = ln_fail_memory(err, (size_t)list->count * LN_SHA256_BYTES);
    if (!status)
        status = ln_parallel(pool, (list->count + CHUNK_IMAGES - 1) / CHUNK_IMAGES, load_chunk,
                             &job, NULL, NULL, err);
    for (int64_t i = 0; i < list->count && !status; i++) {
        ln_hash_i64(hash, list->files[i].part);
        ln_hash_text(hash, list->files[i].shown);
        ln_hash_update(hash, job.hashes + i * LN_SHA256_BYTES, LN_SHA256_BYTES);
    }
    if (!status)
        ln_hash_finish(hash, data->sha256);
    ln_hash_free(hash);
    return status;
}

/* ---------------------------------------------------------------- classes */

static int place_of(const char *name, const char *const *list, int count)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(list[i], name) == 0)
            return i;
    }
    return -1;
}

static ln_status copy_texts(const char *const *from, int count, char ***out, ln_error *err)
{
    char **texts = ln_calloc((size_t)count + 1, sizeof *texts);
    bool starved = !texts;
    for (int i = 0; i < count && !starved; i++)
        starved = !(texts[i] = ln_strdup(from[i]));
    if (starved) {
        ln_texts_free(texts, texts ? count : 0);
        return ln_fail_memory(err, (size_t)count * sizeof *texts);
    }
    *out = texts;
    return LN_OK;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static ln_status not_listed(const char *what, const char *name, char *const *list, int count,
                            ln_error *err)
{
    ln_status status =
        ln_fail(err, LN_EINVALID, what, ln_csv_show(name).text, ln_texts_list(list, count).text);
    ln_texts_hint(err, name, list, count);
    return status;
}

/* data->classes: the folders as listed, or sorted; with `positive` that one last of two. */
static ln_status name_classes(const ln_images_options *options, const ln_image_list *list,
                              ln_dataset *data, ln_error *err)
{
    int count = 0;
    while (options->classes && options->classes[count])
        count++;
    const char *const *from = count ? options->classes : (const char *const *)(void *)list->folders;
    data->class_count = count ? count : list->folder_count;
    ln_status status = copy_texts(from, data->class_count, &data->classes, err);
    if (status) {
        data->class_count = 0;
        return status;
    }
    if (!count)
        qsort(data->classes, (size_t)data->class_count, sizeof *data->classes, by_bytes);
    if (!options->positive)
        return LN_OK;
    const int id =
        place_of(options->positive, (const char *const *)(void *)data->classes, data->class_count);
    if (id < 0)
        status = not_listed("there is no folder '%s'; there are %s", options->positive,
                            data->classes, data->class_count, err);
    else if (data->class_count != 2)
        status = ln_fail(err, LN_EINVALID, "a positive class needs two classes, there are %d",
                         data->class_count);
    else if (id == 0 && count)
        status = ln_fail(err, LN_EINVALID,
                         "the positive class is class 1, but '%s' stands first among the classes",
                         ln_csv_show(options->positive).text);
    if (status)
        ln_error_field(err, "positive");
    if (!status && id == 0) {
        char *first = data->classes[0];
        data->classes[0] = data->classes[1];
        data->classes[1] = first;
    }
    return status;
}

static ln_status label(const ln_image_list *list, ln_dataset *data, ln_error *err)
{
    const char *const *names = (const char *const *)(void *)data->classes;
    data->labels = ln_alloc((size_t)list->count * sizeof *data->labels);
    if (!data->labels)
        return ln_fail_memory(err, (size_t)list->count * sizeof *data->labels);
    for (int64_t i = 0; i < list->count; i++) {
        const char *folder = list->folders[list->files[i].folder];
        data->labels[i] = i > 0 && list->files[i].folder == list->files[i - 1].folder
                              ? data->labels[i - 1]
                              : place_of(folder, names, data->class_count);
        if (data->labels[i] >= 0)
            continue;
        ln_status status = not_listed("the folder '%s' is not one of the classes (%s)", folder,
                                      data->classes, data->class_count, err);
        ln_error_field(err, "classes");
        return status;
    }
    return LN_OK;
}

/* ---------------------------------------------------------------- the whole */

/* Rows: their parts where folders say them, and the files' names. */
static ln_status name_rows(const ln_images_options *options, const ln_image_list *list,
                           ln_dataset *data, ln_error *err)
{
    const char *slash = strrchr(options->path, '/');
    data->name = ln_strdup(slash && slash[1] ? slash + 1 : options->path);
    data->path = ln_strdup(options->path);
    data->target_name = ln_strdup("folder");
    data->split = ln_alloc((size_t)list->count);
    data->files = ln_calloc((size_t)list->count, sizeof *data->files);
    if (options->test)
        data->given = ln_alloc((size_t)list->count);
    bool starved = !data->name || !data->path || !data->target_name || !data->split ||
                   !data->files || (options->test && !data->given);
    for (int64_t i = 0; i < list->count && !starved; i++) {
        data->split[i] = LN_SPLIT_NONE;
        if (data->given)
            data->given[i] = list->files[i].part;
        starved = !(data->files[i] = ln_strdup(list->files[i].shown));
    }
    return starved ? ln_fail_memory(err, (size_t)list->count * sizeof *data->files) : LN_OK;
}

void ln_levels_fill(float *levels, double scale, double mean, double deviation)
{
    for (int v = 0; v < 256; v++)
        levels[v] = (float)((v * scale - mean) / deviation);
}

static ln_status make(const ln_images_options *options, const ln_image_list *list, ln_pool *pool,
                      ln_dataset *data, ln_error *err)
{
    data->references = 1;
    data->rows = list->count;
    data->classification = true;
    data->channels = options->grey ? 1 : 3;
    ln_status status = name_rows(options, list, data, err);
    if (!status)
        status = name_classes(options, list, data, err);
    if (!status)
        status = label(list, data, err);
    if (!status && !(data->levels = ln_alloc(sizeof(float) * 256 * (size_t)data->channels)))
        status = ln_fail_memory(err, sizeof(float) * 256 * (size_t)data->channels);
    for (int c = 0; c < data->channels && !status; c++)
        ln_levels_fill(data->levels + 256 * (size_t)c, 1.0 / 255.0, options->mean[c],
                       options->deviation[c]);
    return status ? status : load(options, list, pool, data, err);
}

ln_status ln_images_read(const ln_images_options *options, ln_pool *pool, ln_dataset **out,
                         ln_error *err)
{
    ln_image_list list = {0};
    ln_dataset *data = NULL;
    *out = NULL;
    ln_status status = ln_image_list_add(&list, options->path,
                                         options->test ? LN_SPLIT_TRAIN : LN_SPLIT_NONE, err);
    if (!status && options->test) {
        status = ln_image_list_add(&list, options->test, LN_SPLIT_TEST, err);
        if (status)
            ln_error_field(err, "test");
    }
    if (!status && !(data = ln_calloc(1, sizeof *data)))
        status = ln_fail_memory(err, sizeof *data);
    if (!status)
        status = make(options, &list, pool, data, err);
    ln_image_list_free(&list);
    if (status && data) {
        data->references = 1;
        ln_dataset_release(data);
    } else {
        *out = data;
    }
    return status;
}
