/* The cases of what puts elements elsewhere, each written as the loop over indices that it is. */
#ifndef LN_TESTS_LAYERS_CASES_MOVE_H
#define LN_TESTS_LAYERS_CASES_MOVE_H

#include "layers_support.h"

/* Rows of (4, 5): rows 3, 1 and columns 1 to 3. */
REFERENCE(slice_reference)
{
    (void)layer;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < 2; i++)
            for (int64_t j = 0; j < 3; j++)
                out[(r * 2 + i) * 3 + j] = in[0][(r * 4 + 3 - 2 * i) * 5 + 1 + j];
}

/* Rows of (2, 7): every third column from the last but one, backwards. */
REFERENCE(slice_back_reference)
{
    (void)layer;
    for (int64_t i = 0; i < rows * 2; i++)
        for (int64_t j = 0; j < 2; j++)
            out[i * 2 + j] = in[0][i * 7 + 5 - 3 * j];
}

/* Rows of (2, 3) in (2 + 1 + 2, 3 + 2): what stands at (i, j) is asked of `at`. */
static void pad_by_hand(int64_t rows, const double *x, double *y, int64_t (*at)(int64_t, int64_t),
                        double value)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < 5; i++)
            for (int64_t j = 0; j < 5; j++) {
                const int64_t a = at(i - 1, 2), b = at(j - 2, 3);
                y[(r * 5 + i) * 5 + j] = a < 0 || b < 0 ? value : x[(r * 2 + a) * 3 + b];
            }
}

static int64_t or_nothing(int64_t at, int64_t size)
{
    return at < size ? at : -1;
}
static int64_t or_edge(int64_t at, int64_t size)
{
    return at < 0 ? 0 : at < size ? at : size - 1;
}
static int64_t or_other_side(int64_t at, int64_t size)
{
    return (at + 4 * size) % size;
}
static int64_t or_mirrored(int64_t at, int64_t size)
{
    while (at < 0 || at >= size)
        at = at < 0 ? -at : 2 * (size - 1) - at;
    return at;
}

REFERENCE(pad_reference)
{
    (void)layer;
    pad_by_hand(rows, in[0], out, or_nothing, 1.5);
}
REFERENCE(pad_edge_reference)
{
    (void)layer;
    pad_by_hand(rows, in[0], out, or_edge, 0);
}
REFERENCE(pad_wrap_reference)
{
    (void)layer;
    pad_by_hand(rows, in[0], out, or_other_side, 0);
}
REFERENCE(pad_reflect_reference)
{
    (void)layer;
    pad_by_hand(rows, in[0], out, or_mirrored, 0);
}

/* Rows of (6,): two cut off in front, one zero behind. */
REFERENCE(pad_negative_reference)
{
    (void)layer;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < 5; i++)
            out[r * 5 + i] = i < 4 ? in[0][r * 6 + i + 2] : 0;
}

/* Rows of (2, 3), three times and twice. */
REFERENCE(tile_reference)
{
    (void)layer;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < 6; i++)
            for (int64_t j = 0; j < 6; j++)
                out[(r * 6 + i) * 6 + j] = in[0][(r * 2 + i % 2) * 3 + j % 3];
}

/* Rows of (8, 2, 3), factor 2: to (2, 4, 6). */
REFERENCE(pixel_shuffle_reference)
{
    const ln_shuffle_attributes *own = layer->attributes;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < 2; c++)
            for (int64_t h = 0; h < 4; h++)
                for (int64_t w = 0; w < 6; w++) {
                    const int64_t ij = h % 2 * 2 + w % 2;
                    const int64_t channel = own->block_first ? ij * 2 + c : c * 4 + ij;
                    out[((r * 2 + c) * 4 + h) * 6 + w] =
                        in[0][((r * 8 + channel) * 2 + h / 2) * 3 + w / 2];
                }
}

/* Rows of (2, 4, 6), factor 2: to (8, 2, 3). */
REFERENCE(pixel_unshuffle_reference)
{
    const ln_shuffle_attributes *own = layer->attributes;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < 2; c++)
            for (int64_t h = 0; h < 4; h++)
                for (int64_t w = 0; w < 6; w++) {
                    const int64_t ij = h % 2 * 2 + w % 2;
                    const int64_t channel = own->block_first ? ij * 2 + c : c * 4 + ij;
                    out[((r * 8 + channel) * 2 + h / 2) * 3 + w / 2] =
                        in[0][((r * 2 + c) * 4 + h) * 6 + w];
                }
}

#define PAD(mode, value)                                                                           \
    &(ln_pad_attributes)                                                                           \
    {                                                                                              \
        {2, {1, 2}}, {2, {2, 0}}, mode, value                                                      \
    }

static const layer_case move_cases[] = {
    {"slice",
     "slice",
     &(ln_slice_attributes){{2, {1, -1}}, {2, {-1, 1}}, {2, {0, 4}}, {2, {-2, 1}}},
     1,
     1,
     {ROW(4, 5)},
     slice_reference},
    {"slice backwards to the front",
     "slice",
     &(ln_slice_attributes){{1, {2}}, {1, {-2}}, {1, {INT64_MIN}}, {1, {-3}}},
     1,
     1,
     {ROW(2, 7)},
     slice_back_reference},
    {"slice of everything",
     "slice",
     &(ln_slice_attributes){{1, {2}}, {1, {0}}, {1, {INT64_MAX}}, {0, {0}}},
     1,
     1,
     {ROW(2, 7)},
     same_reference},
    {"pad", "pad", PAD(LN_PAD_CONSTANT, 1.5), 1, 1, {ROW(2, 3)}, pad_reference},
    {"pad with the edge", "pad", PAD(LN_PAD_EDGE, 0), 1, 1, {ROW(2, 3)}, pad_edge_reference},
    {"pad with the other side", "pad", PAD(LN_PAD_WRAP, 0), 1, 1, {ROW(2, 3)}, pad_wrap_reference},
    {"pad by reflection", "pad", PAD(LN_PAD_REFLECT, 0), 1, 1, {ROW(2, 3)}, pad_reflect_reference},
    {"pad by cutting off",
     "pad",
     &(ln_pad_attributes){{1, {-2}}, {1, {1}}, LN_PAD_CONSTANT, 0},
     1,
     1,
     {ROW(6)},
     pad_negative_reference},
    {"tile", "tile", &(ln_tile_attributes){{2, {3, 2}}}, 1, 1, {ROW(2, 3)}, tile_reference},
    {"pixel_shuffle",
     "pixel_shuffle",
     &(ln_shuffle_attributes){2, false},
     1,
     1,
     {ROW(8, 2, 3)},
     pixel_shuffle_reference},
    {"pixel_shuffle, the block first",
     "pixel_shuffle",
     &(ln_shuffle_attributes){2, true},
     1,
     1,
     {ROW(8, 2, 3)},
     pixel_shuffle_reference},
    {"pixel_unshuffle",
     "pixel_unshuffle",
     &(ln_shuffle_attributes){2, false},
     1,
     1,
     {ROW(2, 4, 6)},
     pixel_unshuffle_reference},
    {"pixel_unshuffle, the block first",
     "pixel_unshuffle",
     &(ln_shuffle_attributes){2, true},
     1,
     1,
     {ROW(2, 4, 6)},
     pixel_unshuffle_reference},
};

#endif
