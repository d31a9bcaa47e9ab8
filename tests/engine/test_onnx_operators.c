/* Operators of ONNX in networks of batches: what ONNX Runtime computes (reference/operators, made by
 * reference/operators_reference.py), whatever the number of rows, and what would mix rows is refused. */
#include "onnx_support.h"

static void onnxruntime_agrees(void **state)
{
    (void)state;
    FILE *file = fopen(test_file("reference/operators/cases.txt"), "r");
    char name[64];
    int count = 0;
    assert_non_null(file);
    for (; fscanf(file, "%63s", name) == 1; count++) {
        print_message("%s\n", name);
        check_case("operators", name);
    }
    fclose(file);
    assert_int_equal(count, 57);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    FILE *file = fopen(test_file("reference/operators/refused.txt"), "r");
    char line[256], name[64], path[128];
    int count = 0, at;
    assert_non_null(file);
    for (; fgets(line, sizeof line, file); count++) {
        line[strcspn(line, "\n")] = '\0';
        assert_int_equal(sscanf(line, "%63s %n", name, &at), 1);
        snprintf(path, sizeof path, "reference/operators/%s.onnx", name);
        ln_graph *graph;
        const size_t before = ln_memory_used();
        const ln_status status = ln_onnx_read(test_file(path), NULL, &graph, NULL, &err);
        if (!status || !strstr(err.message, line + at))
            fail_msg("%s: status %d, \"%s\"; expected \"%s\"", name, status,
                     status ? err.message : "", line + at);
        assert_int_equal(ln_memory_used(), before);
    }
    fclose(file);
    assert_int_equal(count, 19);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(onnxruntime_agrees),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    return cmocka_run_group_tests_name("onnx operators", tests, NULL, NULL);
}
