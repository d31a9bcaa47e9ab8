/* All cases of layers: a family adds its header and its line. */
#ifndef LN_TESTS_LAYERS_FAMILIES_H
#define LN_TESTS_LAYERS_FAMILIES_H

#include "layers_cases.h"
#include "layers_cases_elementwise.h"
#include "layers_cases_move.h"
#include "layers_cases_products.h"
#include "layers_cases_recurrent.h"
#include "layers_cases_reduce.h"
#include "layers_cases_spatial.h"
#include "layers_cases_upsample.h"

/* A family a line. */
static const struct {
    const layer_case *cases;
    int count;
} families[] = {
    {cases, CASES},
    {elementwise_cases, sizeof elementwise_cases / sizeof elementwise_cases[0]},
    {move_cases, sizeof move_cases / sizeof move_cases[0]},
    {product_cases, sizeof product_cases / sizeof product_cases[0]},
    {recurrent_cases, sizeof recurrent_cases / sizeof recurrent_cases[0]},
    {upsample_cases, sizeof upsample_cases / sizeof upsample_cases[0]},
    {reduce_cases, sizeof reduce_cases / sizeof reduce_cases[0]},
    {spatial_cases, sizeof spatial_cases / sizeof spatial_cases[0]},
};
enum { FAMILIES = sizeof families / sizeof families[0] };

#endif
