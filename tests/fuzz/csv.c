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
    };
    out->size = 0;
    fuzz_add(out, texts[number], strlen(texts[number]));
}

static ln_status parse_csv(const void *data, size_t size, ln_error *err)
{
    ln_dataset *dataset = NULL;
    ln_csv_options options = {.target = "class", .task = -1};
    ln_status status = ln_csv_parse("fuzz.csv", data, size, &options, &dataset, err);
    if (!status)
        ln_dataset_release(dataset);
    return status;
}

const reader fuzz_csv = {
    .name = "csv",
    .seed_count = 4,
    .make_seed = make_csv,
    .parse = parse_csv,
    .memory_base = 128 * 1024,
    .memory_factor = 512,
};
