/* Seeds for the reader of .csv files. */
#include <string.h>

#include "data/dataset.h"
#include "fuzz.h"

static void make_csv(int number, sample *out)
{
    static const char *const texts[] = {
        "age,job,class\n31,clerk,good\n45,\"sales, \"\"big\"\"\",bad\n?,NA,good\n",
        "\xEF\xBB\xBF"
        "x,y,class\r\n1.5,-2e3,0\r\n,nan,1\r\n0x1,+7,0\r\n",
        "class,\"two\nlines\",z\nyes,1,\xC3\xA9\nno,2,\"\"\n\nyes,3,c",
        "a,class\n1,0.25\n2,0.5\n3,-7\n",
        "w,g,set,a,class\n1,u,train,NA,x\n0.5,v,test,2,y\n2,u, validation,3,x\n1,w,train,4,y\n",
    };
    out->size = 0;
    fuzz_add(out, texts[number], strlen(texts[number]));
}

/* The same file with weights, groups, parts and dropped rows; then folds of its groups. */
static ln_status parse_marked(const void *data, size_t size, ln_error *err)
{
    ln_dataset *dataset = NULL, *view = NULL;
    const ln_split_options folds = {.folds = 2, .fold = 1};
    ln_csv_options options = {.target = "class",
                              .task = -1,
                              .weight = "w",
                              .by = "g",
                              .set = "set",
                              .drop_missing = true};
    ln_status status = ln_csv_parse("fuzz.csv", data, size, &options, &dataset, err);
    if (!status)
        status = ln_dataset_view(dataset, &view, err);
    if (!status)
        status = ln_dataset_split(view, &folds, err); /* as the column says */
    ln_dataset_release(view);
    ln_dataset_release(dataset);
    dataset = view = NULL;
    options.set = NULL;
    if (!status)
        status = ln_csv_parse("fuzz.csv", data, size, &options, &dataset, err);
    if (!status)
        status = ln_dataset_split(dataset, &folds, err);
    ln_dataset_release(dataset);
    return status;
}

static ln_status parse_csv(const void *data, size_t size, ln_error *err)
{
    ln_dataset *dataset = NULL;
    ln_csv_options options = {.target = "class", .task = -1};
    ln_status status = ln_csv_parse("fuzz.csv", data, size, &options, &dataset, err);
    if (status)
        return status;
    const bool marked = ln_dataset_find_column(dataset, "w") >= 0 &&
                        ln_dataset_find_column(dataset, "g") >= 0 &&
                        ln_dataset_find_column(dataset, "set") >= 0;
    ln_dataset_release(dataset);
    return marked ? parse_marked(data, size, err) : LN_OK;
}

const reader fuzz_csv = {
    .name = "csv",
    .seed_count = 5,
    .make_seed = make_csv,
    .parse = parse_csv,
    .memory_base = 128 * 1024,
    .memory_factor = 512,
};
