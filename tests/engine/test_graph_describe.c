/* The identity of a graph and its JSON. */
#include "graph_support.h"

static ln_error err;

static void check_digest(const ln_graph *graph, uint8_t digest[LN_SHA256_BYTES])
{
    assert_ok(ln_graph_sha256(graph, digest, &err));
}

/* One small model in variations. */
typedef struct variant {
    const char *x, *w, *node, *operator_name; /* names */
    bool frozen;                              /* the weight is not trained */
    float weight;                             /* its first number */
    bool in_out, swapped, twice;              /* stored transposed; add(b, a); two outputs */
    int64_t axis;                             /* of the softmax */
} variant;

static const variant plain = {"x", "w", "fc", "dense", false, 1, false, false, false, -1};

static void digest_of(variant v, uint8_t digest[LN_SHA256_BYTES])
{
    net n = net_begin(&err);
    const float weight[] = {v.weight, 2, 3, 4};
    const ln_dense_attributes dense = {.units = 2, .in_out = v.in_out};
    const ln_axis_attributes axis = {v.axis};
    int ids[2] = {net_input(&n, v.x, 2)}, node = 0;
    ids[1] = net_constant(&n, v.w, TEST_SHAPE(2, 2), weight, !v.frozen);
    const char *result = "result";
    if (!n.status)
        n.status = ln_graph_add_node(n.graph, ln_layer_find("dense"), v.operator_name, v.node,
                                     &dense, ids, 2, &result, 1, &node, &err);
    const int a = n.graph->nodes[node].outputs[0];
    const int sum =
        v.swapped ? net_join(&n, "add", "sum", ids[0], a) : net_join(&n, "add", "sum", a, ids[0]);
    net_output(&n, net_node(&n, ln_layer_find("softmax"), "end", &axis, &sum, 1));
    if (v.twice)
        net_output(&n, sum);
    ln_graph *graph = net_end(&n);
    check_digest(graph, digest);
    ln_graph_release(graph);
}

static void identity_is_structure_attributes_and_weights(void **state)
{
    (void)state;
    uint8_t first[LN_SHA256_BYTES], all[8][LN_SHA256_BYTES];
    variant v = plain;
    digest_of(plain, first);
    v.x = "input", v.w = "kernel", v.node = "Gemm_0", v.operator_name = "Gemm";
    digest_of(v, all[0]);
    assert_memory_equal(first, all[0], sizeof first); /* names are no part of it */
    v = plain, v.frozen = true;
    digest_of(v, all[0]);
    assert_memory_equal(first, all[0], sizeof first); /* nor what is to be done with it */
    memcpy(all[0], first, sizeof first);
    v = plain, v.weight = 1.0000001f;
    digest_of(v, all[1]);
    v = plain, v.in_out = true;
    digest_of(v, all[2]);
    v = plain, v.swapped = true;
    digest_of(v, all[3]);
    v = plain, v.twice = true;
    digest_of(v, all[4]);
    v = plain, v.axis = 1;
    digest_of(v, all[5]);
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(all[i], all[j], sizeof first);
}

static void json_says_the_structure(void **state)
{
    (void)state;
    net n = net_begin(&err);
    const int x = net_input(&n, "x", 2);
    const int w = net_constant(&n, "w \"1\"", TEST_SHAPE(2, 2), (float[]){1, 2, 3, 4}, true);
    const int b = net_constant(&n, "b", TEST_SHAPE(2), (float[]){5, 6}, false);
    const int a = net_dense_of(&n, "a", x, w, -1);
    const int twice = net_node(&n, ln_layer_find("add"), "sum", NULL, (int[]){a, b, b}, 3);
    const ln_reshape_attributes flat = {.shape = {2, {2, 1}}};
    net_output(&n, net_node(&n, ln_layer_find("reshape"), "end", &flat, &twice, 1));
    net_output(&n, a);
    ln_graph *graph = net_end(&n);
    char *json = NULL;
    assert_ok(ln_graph_json(graph, &json, &err));
    assert_string_equal(
        json,
        "{\"inputs\":[{\"name\":\"x\",\"shape\":[null,2]}],\"nodes\":["
        "{\"attributes\":{\"bias\":false,\"in_out\":false,\"units\":0},"
        "\"inputs\":[\"x\",\"w \\\"1\\\"\",null],\"layer\":\"dense\",\"name\":\"a\","
        "\"operator\":\"dense\",\"outputs\":[\"a\"],\"parameters\":4,\"shape\":[null,2]},"
        "{\"attributes\":{},\"inputs\":[\"a\",\"b\",\"b\"],\"layer\":\"add\","
        "\"name\":\"sum\",\"operator\":\"add\",\"outputs\":[\"sum\"],\"parameters\":2,"
        "\"shape\":[null,2]},"
        "{\"attributes\":{\"shape\":[2,1],\"whole\":false},\"inputs\":[\"sum\"],"
        "\"layer\":\"reshape\",\"name\":\"end\",\"operator\":\"reshape\",\"outputs\":[\"end\"],"
        "\"parameters\":0,\"shape\":[null,2,1]}],\"outputs\":[\"end\",\"a\"],\"parameters\":6}");
    ln_free(json);
    ln_graph_release(graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity_is_structure_attributes_and_weights),
        cmocka_unit_test(json_says_the_structure),
    };
    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
