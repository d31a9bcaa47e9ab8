/* lunette test FILE.lua ...: runs tests that are written in Lua against stdlib's modules (see
 * tests/lua). It has no summary, so `lunette help` does not list it. */
#include "../command.h"
#include "../host.h"

static int run(const ln_options *options, ln_error *err)
{
    return ln_host_main(options, "test", "main", err);
}

const ln_command ln_command_test = {
    .name = "test",
    .operands = "FILE.lua ...",
    .min_operands = 1,
    .max_operands = -1,
    .options = "",
    .summary = "",
    .details = "",
    .run = run,
};
