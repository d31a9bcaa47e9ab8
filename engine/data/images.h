/* Data sets that are no tables: folders of images, and arrays from files. */
#ifndef LN_DATA_IMAGES_H
#define LN_DATA_IMAGES_H

#include "base/parallel.h"
#include "data/dataset.h"

/* The images below a folder, by the folders of their classes. */
typedef struct ln_image_file {
    char *path;        /* as opened */
    const char *shown; /* path below the folder; within path */
    int32_t folder;    /* its class folder's number in ln_image_list */
    int8_t part;       /* ln_split that the folder stands for, LN_SPLIT_NONE: to be drawn */
} ln_image_file;
typedef struct ln_image_list {
    ln_image_file *files; /* folders and their files in the order of their names' bytes */
    int64_t count, room;
    char **folders; /* distinct names of class folders, sorted */
    int folder_count;
} ln_image_list;

/* Adds the .png, .jpg and .jpeg files of every folder in `path` (of the folders inside it too; names
 * that begin with a dot are passed over). LN_EFILE: `path` cannot be read. LN_EINVALID: it has no
 * folders, or one of them has no images. Start from {0}; to be freed also after an error. */
ln_status ln_image_list_add(ln_image_list *list, const char *path, int8_t part, ln_error *err);
void ln_image_list_free(ln_image_list *list);

typedef struct ln_images_options {
    const char *path, *test;      /* folders; test: whose images are the test part, or NULL */
    const char *const *classes;   /* NULL-terminated order of the folders, or NULL: sorted */
    const char *positive;         /* of two, the folder that is class 1, or NULL */
    int64_t height, width;        /* every image is resized to it; 0: all have one size */
    bool grey;                    /* one channel, else red, green, blue */
    double mean[3], deviation[3]; /* a channel: (pixel / 255 - mean) / deviation */
} ln_images_options;

/* Reads all images, u8 (N, channels, height, width), class = folder; the pool may be NULL. The bits
 * do not depend on it. Caller releases *out. */
ln_status ln_images_read(const ln_images_options *options, ln_pool *pool, ln_dataset **out,
                         ln_error *err);

/* Inputs and labels, row by row; the second pair is the test part. */
typedef struct ln_arrays_options {
    const char *name, *path;
    uint8_t sha256[LN_SHA256_BYTES];  /* of all files */
    ln_tensor *inputs[2], *labels[2]; /* borrowed; [1] NULL: parts are drawn */
    double scale[2];                  /* inputs are multiplied by it */
    ln_shape row;                     /* shape of one row; rank 0: as inputs have it */
    const char *const *classes;       /* names of classes 0, 1, ..., NULL-terminated, or NULL */
    int task;                         /* -1: whole numbers are classes, 0 classes, 1 numbers */
} ln_arrays_options;
ln_status ln_arrays_dataset(const ln_arrays_options *options, ln_dataset **out, ln_error *err);

/* 256 numbers a channel: (v * scale - mean) / deviation. */
void ln_levels_fill(float *levels, double scale, double mean, double deviation);

#endif
