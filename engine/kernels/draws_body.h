/* The body of draws.h's kernels, compiled once an instruction set; the including file defines NAME, the table's
 * name, the type `quads`, a register of 64-bit numbers, and product(a, b), their lower halves times b. Normal
 * draws are Box and Muller's as ln_rng_normal has them, sqrt(-2 log(1 - u)) cos(2 pi w), a block of Philox each:
 *
 *     log v       v = 2^e m, m in [sqrt 1/2, sqrt 2): e log 2 + 2 s (1 + s^2 / 3 + s^4 / 5 ...), s = (m - 1) / (m + 1)
 *     cos 2 pi w  4 w = q + f, q the nearest whole number: +-cos or +-sin of f pi / 2, by Taylor's series
 *
 * Both series are as long as float64 sees them: within a few units of the last place, 1e-15 of the draw. Loops
 * have no branches, so that the compiler makes vectors of them. */
#include <math.h>
#include <string.h>

#define MULTIPLIER_0 0xD2511F53u
#define MULTIPLIER_1 0xCD9E8D57u
#define WEYL_0 0x9E3779B9u
#define WEYL_1 0xBB67AE85u

enum { DRAWS = 64, ROUNDS = 10 }; /* together; of Philox */
enum {
    LANES = sizeof(quads) / sizeof(uint64_t),
    SETS = 4
}; /* of a register; those in flight, a power of 2 */

/* Word k of SETS times LANES blocks, position, position + 1 ...: in the lower half of each lane. What the upper
 * halves hold is of no account, since products are those of lower halves. */
static inline __attribute__((always_inline)) void blocks(const ln_rng *rng, uint64_t position,
                                                         quads word[4][SETS])
{
    static const uint64_t numbers[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    uint32_t k0 = rng->key[0], k1 = rng->key[1];
    quads number;
    memcpy(&number, numbers, sizeof number);
#pragma GCC unroll 4
    for (int i = 0; i < SETS; i++) {
        word[0][i] = number + position + (uint64_t)(i * LANES);
        word[1][i] = word[0][i] >> 32;
        word[2][i] = (quads){0} + rng->counter[2];
        word[3][i] = (quads){0} + rng->counter[3];
    }
#pragma GCC unroll 1
    for (int round = 0; round < ROUNDS; round++, k0 += WEYL_0, k1 += WEYL_1)
#pragma GCC unroll 4
        for (int i = 0; i < SETS; i++) {
            const quads p0 = product(word[0][i], MULTIPLIER_0);
            const quads p1 = product(word[2][i], MULTIPLIER_1);
            word[0][i] = (p1 >> 32) ^ word[1][i] ^ (uint64_t)k0;
            word[1][i] = p1;
            word[2][i] = (p0 >> 32) ^ word[3][i] ^ (uint64_t)k1;
            word[3][i] = p0;
        }
}

/* The four words of DRAWS blocks. */
static void block_words(const ln_rng *rng, uint64_t position, uint32_t word[4][DRAWS])
{
    typedef uint32_t halves __attribute__((vector_size(sizeof(quads) / 2), aligned(4), may_alias));
    quads made[4][SETS];
    for (int first = 0; first < DRAWS; first += SETS * LANES) {
        blocks(rng, position + (uint64_t)first, made);
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++)
#pragma GCC unroll 4
            for (int i = 0; i < SETS; i++)
                *(halves *)&word[k][first + i * LANES] =
                    __builtin_convertvector(made[k][i], halves);
    }
}

/* In [0, 1), 53 bits of two words. */
static inline double uniform(uint32_t high, uint32_t low)
{
    return ((double)(int32_t)(high >> 5) * 67108864.0 + (double)(int32_t)(low >> 6)) * 0x1p-53;
}

/* Of v in [2^-53, 1]. */
static inline double logarithm(double v)
{
    int64_t bits;
    double m;
    memcpy(&bits, &v, sizeof bits);
    const int32_t e = ((int32_t)(bits >> 32) - 0x3fe6a09e) >> 20;
    bits -= (int64_t)((uint64_t)(uint32_t)e << 52);
    memcpy(&m, &bits, sizeof m);
    const double s = (m - 1) / (m + 1), z = s * s;
    double sum = 1.0 / 21;
    sum = sum * z + 1.0 / 19;
    sum = sum * z + 1.0 / 17;
    sum = sum * z + 1.0 / 15;
    sum = sum * z + 1.0 / 13;
    sum = sum * z + 1.0 / 11;
    sum = sum * z + 1.0 / 9;
    sum = sum * z + 1.0 / 7;
    sum = sum * z + 1.0 / 5;
    sum = sum * z + 1.0 / 3;
    return (double)e * 0.69314718055994530942 + (2 * s + 2 * s * z * sum);
}

/* cos(2 pi w), w in [0, 1). */
static inline double turn(double w)
{
    const int32_t q = (int32_t)(4 * w + 0.5);
    const double r = (4 * w - (double)q) * 1.57079632679489661923, z = r * r;
    double even = 1.0 / 20922789888000, odd = 1.0 / 355687428096000;
    even = even * z - 1.0 / 87178291200;
    even = even * z + 1.0 / 479001600;
    even = even * z - 1.0 / 3628800;
    even = even * z + 1.0 / 40320;
    even = even * z - 1.0 / 720;
    even = even * z + 1.0 / 24;
    even = even * z - 1.0 / 2;
    even = even * z + 1;
    odd = odd * z - 1.0 / 1307674368000;
    odd = odd * z + 1.0 / 6227020800;
    odd = odd * z - 1.0 / 39916800;
    odd = odd * z + 1.0 / 362880;
    odd = odd * z - 1.0 / 5040;
    odd = odd * z + 1.0 / 120;
    odd = odd * z - 1.0 / 6;
    odd = r + r * z * odd;
    const double size = q & 1 ? odd : even;
    return (q + 1) & 2 ? -size : size; /* quarters 1 and 2 */
}

static void normals(const ln_rng *rng, int64_t count, double *out)
{
    const uint64_t position = rng->counter[0] | (uint64_t)rng->counter[1] << 32;
    uint32_t word[4][DRAWS];
    double made[DRAWS];
    for (int64_t first = 0; first < count; first += DRAWS) {
        const int64_t left = count - first < DRAWS ? count - first : DRAWS;
        block_words(rng, position + (uint64_t)first, word);
        for (int i = 0; i < DRAWS; i++)
            made[i] = sqrt(-2.0 * logarithm(1.0 - uniform(word[0][i], word[1][i])));
        for (int i = 0; i < DRAWS; i++)
            made[i] *= turn(uniform(word[2][i], word[3][i]));
        memcpy(out + first, made, (size_t)left * sizeof *out);
    }
}

/* Of the lower halves of `first` and `second` one behind the other, those of a lane beside each other. */
static inline quads beside(quads first, quads second)
{
    return (first & 0xffffffffu) | second << 32;
}

static void words(const ln_rng *rng, int64_t count, uint32_t *out)
{
    typedef quads memory __attribute__((aligned(4), may_alias));
    enum { TOGETHER = SETS * LANES };
    const uint64_t position = rng->counter[0] | (uint64_t)rng->counter[1] << 32;
    static const uint64_t numbers[8] = {0, 0, 1, 1, 2, 2, 3, 3}, odd[8] = {0, 1, 0, 1, 0, 1, 0, 1};
    quads low, second, word[4][SETS];
    uint32_t rest[TOGETHER * 4] = {0};
    memcpy(&low, numbers, sizeof low);
    memcpy(&second, odd, sizeof second);
    low += second * LANES; /* from the one register, then the other */
    for (int64_t first = 0; first < count; first += TOGETHER) {
        const bool whole = count - first >= TOGETHER;
        uint32_t *to = whole ? out + first * 4 : rest;
        blocks(rng, position + (uint64_t)first, word);
#pragma GCC unroll 4
        for (int i = 0; i < SETS; i++) {
            const quads a = beside(word[0][i], word[1][i]), b = beside(word[2][i], word[3][i]);
            *(memory *)(to + i * LANES * 4) = __builtin_shuffle(a, b, low);
            *(memory *)(to + i * LANES * 4 + LANES * 2) = __builtin_shuffle(a, b, low + LANES / 2);
        }
        if (!whole)
            memcpy(out + first * 4, rest, (size_t)(count - first) * 4 * sizeof *out);
    }
}

const ln_draw_kernels NAME = {.normals = normals, .words = words};
