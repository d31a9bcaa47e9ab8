/* A file is the length of its header (8 bytes, little-endian), the header, and the arrays' data:
 *
 *     {"__metadata__": {"format": "pt"}, "fc.weight": {"dtype": "F32", "shape": [2, 3],
 *      "data_offsets": [0, 24]}, ...}
 *
 * in JSON, offsets counted from the end of the header. The format asks for one entry a name and for
 * data without holes or overlaps, so that a file has no bytes that nothing names; this is checked when
 * the file is opened, before any array is made. Numbers are little-endian and row-major.
 *
 * Source: github.com/huggingface/safetensors, "Format". JSON is read by cJSON. */
#include "tensor/safetensors.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

#define LENGTH_BYTES 8

typedef struct entry {
    char *name;
    char dtype[8]; /* as the file writes it */
    ln_shape shape;
    size_t begin, end; /* of its data, from the end of the header */
} entry;

struct ln_safetensors {
    char *name;          /* of the file, for messages */
    ln_file file;        /* owned bytes, or none */
    const uint8_t *data; /* behind the header */
    size_t bytes;        /* of data */
    entry *entries;      /* in the order of their data */
    int count;
    int *by_name; /* indices of entries, sorted by name */
};

/* Bytes of one number; 0: no type of the format that we know the size of. */
static size_t type_bytes(const char *dtype)
{
    static const struct {
        const char *name;
        size_t bytes;
    } types[] = {{"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1},
                 {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},
                 {"U32", 4},  {"F32", 4}, {"F64", 8}, {"I64", 8},     {"U64", 8}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(dtype, types[i].name) == 0)
            return types[i].bytes;
    return 0;
}

static ln_status malformed(const ln_safetensors *file, const char *array, const char *what,
                           ln_error *err)
{
    return ln_fail(err, LN_EINVALID, "%s is no valid safetensors file: array '%.100s' %s",
                   file->name, array, what);
}

/* A whole number from 0 that a double holds exactly. */
static bool read_count(const cJSON *item, size_t *out)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0) ||
        item->valuedouble > 9007199254740992.0 || floor(item->valuedouble) != item->valuedouble)
        return false;
    *out = (size_t)item->valuedouble;
    return true;
}

static bool read_shape(const cJSON *list, ln_shape *shape, size_t *count)
{
    const cJSON *item;
    *count = 1;
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > LN_MAX_RANK)
        return false;
    cJSON_ArrayForEach(item, list)
    {
        size_t dim;
        if (!read_count(item, &dim) || __builtin_mul_overflow(*count, dim, count))
            return false;
        shape->dims[shape->rank++] = (int64_t)dim;
    }
    return true;
}

static ln_status read_entry(ln_safetensors *file, const cJSON *item, entry *out, ln_error *err)
{
    const cJSON *dtype = cJSON_GetObjectItemCaseSensitive(item, "dtype");
    const cJSON *offsets = cJSON_GetObjectItemCaseSensitive(item, "data_offsets");
    size_t count, bytes;
    out->name = ln_strdup(item->string);
    if (!out->name)
        return ln_fail_memory(err, strlen(item->string));
    if (!cJSON_IsString(dtype) || type_bytes(dtype->valuestring) == 0)
        return malformed(file, item->string, "has no known dtype", err);
    strcpy(out->dtype, dtype->valuestring);
    if (!read_shape(cJSON_GetObjectItemCaseSensitive(item, "shape"), &out->shape, &count) ||
        __builtin_mul_overflow(count, type_bytes(out->dtype), &bytes))
        return malformed(file, item->string, "has no shape of 0 to 8 sizes", err);
    if (!cJSON_IsArray(offsets) || cJSON_GetArraySize(offsets) != 2 ||
        !read_count(cJSON_GetArrayItem(offsets, 0), &out->begin) ||
        !read_count(cJSON_GetArrayItem(offsets, 1), &out->end) || out->begin > out->end ||
        out->end > file->bytes)
        return malformed(file, item->string, "has data_offsets that lie outside of the file", err);
    if (out->end - out->begin != bytes)
        return malformed(file, item->string, "has as much data as its shape does not need", err);
    return LN_OK;
}

static int by_place(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int by_name(const void *a, const void *b, void *context)
{
    const entry *entries = context;
    return strcmp(entries[*(const int *)a].name, entries[*(const int *)b].name);
}

/* Sorts both ways: one entry a name, and each byte of the data in one array. */
static ln_status check_entries(ln_safetensors *file, ln_error *err)
{
    size_t at = 0;
    qsort(file->entries, (size_t)file->count, sizeof *file->entries, by_place);
    for (int i = 0; i < file->count; at = file->entries[i++].end)
        if (file->entries[i].begin != at)
            return malformed(file, file->entries[i].name, "overlaps another or leaves a hole", err);
    if (at != file->bytes)
        return ln_fail(err, LN_EINVALID,
                       "%s is no valid safetensors file: %zu bytes after its last array",
                       file->name, file->bytes - at);
    for (int i = 0; i < file->count; i++)
        file->by_name[i] = i;
    qsort_r(file->by_name, (size_t)file->count, sizeof *file->by_name, by_name, file->entries);
    for (int i = 1; i < file->count; i++)
        if (by_name(&file->by_name[i - 1], &file->by_name[i], file->entries) == 0)
            return malformed(file, file->entries[file->by_name[i]].name, "is there twice", err);
    return LN_OK;
}

static ln_status read_entries(ln_safetensors *file, const cJSON *header, ln_error *err)
{
    const cJSON *item;
    const size_t most = (size_t)cJSON_GetArraySize(header);
    file->entries = ln_calloc(most + 1, sizeof *file->entries);
    file->by_name = ln_calloc(most + 1, sizeof *file->by_name);
    if (!file->entries || !file->by_name)
        return ln_fail_memory(err, most * sizeof *file->entries);
    cJSON_ArrayForEach(item, header)
    {
        if (strcmp(item->string, "__metadata__") == 0)
            continue;
        ln_status status = read_entry(file, item, &file->entries[file->count++], err);
        if (status)
            return status;
    }
    return check_entries(file, err);
}

/* cJSON answers NULL both to what is no JSON and when memory runs out; the allocator that it is given,
 * ours, tells them apart. */
static _Thread_local bool refused;

static void *count_alloc(size_t bytes)
{
    void *block = ln_alloc(bytes);
    refused = refused || !block;
    return block;
}

static cJSON *parse_json(const char *text, size_t length)
{
    cJSON_Hooks hooks = {.malloc_fn = count_alloc, .free_fn = ln_free};
    cJSON_InitHooks(&hooks);
    refused = false;
    return cJSON_ParseWithLength(text, length);
}

static ln_status parse(ln_safetensors *file, const uint8_t *data, size_t bytes, ln_error *err)
{
    uint64_t length = 0;
    for (int i = 0; bytes >= LENGTH_BYTES && i < LENGTH_BYTES; i++)
        length |= (uint64_t)data[i] << 8 * i;
    if (bytes < LENGTH_BYTES || length > bytes - LENGTH_BYTES)
        return ln_fail(err, LN_EINVALID,
                       "%s is no valid safetensors file: it has %zu bytes, fewer than its header",
                       file->name, bytes);
    const char *text = (const char *)data + LENGTH_BYTES;
    file->data = data + LENGTH_BYTES + length;
    file->bytes = bytes - LENGTH_BYTES - length;
    cJSON *header = parse_json(text, length);
    if (!header && refused)
        return ln_fail_memory(err, length);
    ln_status status = LN_OK;
    if (!cJSON_IsObject(header))
        status =
            ln_fail(err, LN_EINVALID,
                    "%s is no valid safetensors file: its header is no JSON object", file->name);
    if (!status)
        status = read_entries(file, header, err);
    cJSON_Delete(header);
    return status;
}

static ln_status make(const char *name, ln_safetensors **out, ln_error *err)
{
    *out = ln_calloc(1, sizeof **out);
    if (*out)
        (*out)->name = ln_strdup(name);
    if (*out && (*out)->name)
        return LN_OK;
    ln_free(*out);
    *out = NULL;
    return ln_fail_memory(err, sizeof **out);
}

ln_status ln_safetensors_parse(const char *name, const void *data, size_t bytes,
                               ln_safetensors **out, ln_error *err)
{
    ln_safetensors *file;
    *out = NULL;
    ln_status status = make(name, &file, err);
    if (status)
        return status;
    status = parse(file, data, bytes, err);
    if (status)
        ln_safetensors_free(file);
    else
        *out = file;
    return status;
}

ln_status ln_safetensors_read(const char *path, ln_safetensors **out, uint8_t *sha256,
                              ln_error *err)
{
    ln_safetensors *file;
    *out = NULL;
    ln_status status = make(path, &file, err);
    if (status)
        return status;
    status = ln_file_read(path, &file->file, err);
    if (!status)
        status = parse(file, (const uint8_t *)file->file.data, file->file.bytes, err);
    if (status) {
        ln_safetensors_free(file);
        return status;
    }
    if (sha256)
        memcpy(sha256, file->file.sha256, LN_SHA256_BYTES);
    *out = file;
    return LN_OK;
}

void ln_safetensors_free(ln_safetensors *file)
{
    if (!file)
        return;
    for (int i = 0; i < file->count; i++)
        ln_free(file->entries[i].name);
    ln_free(file->entries);
    ln_free(file->by_name);
    ln_file_free(&file->file);
    ln_free(file->name);
    ln_free(file);
}

int ln_safetensors_count(const ln_safetensors *file)
{
    return file->count;
}

const char *ln_safetensors_name(const ln_safetensors *file, int index)
{
    return file->entries[index].name;
}

ln_shape ln_safetensors_shape(const ln_safetensors *file, int index)
{
    return file->entries[index].shape;
}

int ln_safetensors_find(const ln_safetensors *file, const char *name)
{
    int low = 0, high = file->count;
    while (low < high) {
        const int middle = (low + high) / 2, index = file->by_name[middle];
        const int order = strcmp(file->entries[index].name, name);
        if (order == 0)
            return index;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

/* ---------------------------------------------------------------- numbers */

/* IEEE half precision: sign, 5 bits of exponent, 10 of fraction; exact in f32. */
static float from_f16(uint16_t half)
{
    const int exponent = half >> 10 & 31, fraction = half & 1023;
    double value;
    if (exponent == 31)
        value = fraction ? NAN : INFINITY;
    else if (exponent == 0)
        value = ldexp(fraction, -24);
    else
        value = ldexp(fraction + 1024, exponent - 25);
    return (float)(half >> 15 ? -value : value);
}

/* The upper half of an f32. */
static float from_bf16(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

ln_status ln_safetensors_floats(const ln_safetensors *file, int index, ln_tensor **out,
                                ln_error *err)
{
    const entry *e = &file->entries[index];
    const uint8_t *data = file->data + e->begin;
    const bool f16 = strcmp(e->dtype, "F16") == 0, bf16 = strcmp(e->dtype, "BF16") == 0;
    const bool f32 = strcmp(e->dtype, "F32") == 0, f64 = strcmp(e->dtype, "F64") == 0;
    *out = NULL;
    if (!f16 && !bf16 && !f32 && !f64)
        return ln_fail(err, LN_EUNSUPPORTED,
                       "array '%s' of %s holds %s numbers: F32, F16, BF16 and F64 are read",
                       e->name, file->name, e->dtype);
    ln_status status = ln_tensor_new(LN_F32, &e->shape, out, err);
    if (status)
        return status;
    const int64_t count = ln_shape_count(&e->shape);
    if (f32 && count)
        memcpy(ln_f32(*out), data, (size_t)count * sizeof(float));
    for (int64_t i = 0; i < count && !f32; i++) {
        if (f64) {
            double value;
            memcpy(&value, data + 8 * i, sizeof value);
            ln_f32(*out)[i] = (float)value;
        } else {
            const uint16_t half = (uint16_t)(data[2 * i] | data[2 * i + 1] << 8);
            ln_f32(*out)[i] = f16 ? from_f16(half) : from_bf16(half);
        }
    }
    return LN_OK;
}

/* ---------------------------------------------------------------- writing */

static const char *type_name(ln_dtype dtype)
{
    switch (dtype) {
    case LN_F32:
        return "F32";
    case LN_F64:
        return "F64";
    case LN_I64:
        return "I64";
    case LN_I32:
        return "I32";
    case LN_U8:
        return "U8";
    case LN_BOOL:
        return "BOOL";
    }
    return "";
}

static void write_header(ln_text *text, const char *const *names, const ln_tensor *const *arrays,
                         int count)
{
    size_t at = 0;
    ln_text_add(text, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (int i = 0; i < count; i++) {
        ln_text_add(text, ",");
        ln_text_json_string(text, names[i], strlen(names[i]));
        ln_text_format(text, ":{\"dtype\":\"%s\",\"shape\":[", type_name(arrays[i]->dtype));
        for (int axis = 0; axis < arrays[i]->shape.rank; axis++)
            ln_text_format(text, "%s%lld", axis ? "," : "", (long long)arrays[i]->shape.dims[axis]);
        ln_text_format(text, "],\"data_offsets\":[%zu,%zu]}", at, at + arrays[i]->bytes);
        at += arrays[i]->bytes;
    }
    ln_text_add(text, "}");
    while (text->length % 8 && !text->failed) /* so that the data are aligned */
        ln_text_add(text, " ");
}

ln_status ln_safetensors_write(const char *path, const char *const *names,
                               const ln_tensor *const *arrays, int count, ln_error *err)
{
    ln_text text = {0};
    write_header(&text, names, arrays, count);
    const uint64_t length = text.length;
    ln_text file = {0};
    for (int i = 0; i < LENGTH_BYTES; i++) {
        const char byte = (char)(length >> 8 * i);
        ln_text_addn(&file, &byte, 1);
    }
    ln_text_addn(&file, text.data, text.length);
    for (int i = 0; i < count; i++)
        ln_text_addn(&file, arrays[i]->data, arrays[i]->bytes);
    ln_status status = text.failed || file.failed
                           ? ln_fail_memory(err, file.length)
                           : ln_file_write(path, file.data, file.length, err);
    ln_text_free(&text);
    ln_text_free(&file);
    return status;
}
