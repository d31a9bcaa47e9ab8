/* Turning a square of numbers in registers. The including file has defined LANES and the type `vector`. */
typedef int32_t square_lanes
    __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

/* Turns a square: number l of x[i] becomes number i of x[l]. */
static inline __attribute__((always_inline)) void turn_square(vector *x)
{
    static const int32_t numbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const square_lanes number = *(const square_lanes *)numbers;
#pragma GCC unroll 4
    for (int step = 1; step < LANES; step *= 2) {
        /* Of the two halves that a step exchanges: where in (a, b) each lane comes from. */
        const square_lanes low = number + ((square_lanes)((number & step) != 0) & (LANES - step));
        const square_lanes high = low + step;
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            if (!(i & step)) {
                const vector a = x[i], b = x[i + step];
                x[i] = __builtin_shuffle(a, b, low);
                x[i + step] = __builtin_shuffle(a, b, high);
            }
    }
}

/* The same from memory to memory: LANES lines, so many numbers apart. */
static inline __attribute__((always_inline)) void turn_lines(const float *from, int64_t from_line,
                                                             float *to, int64_t to_line)
{
    vector x[LANES];
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        x[i] = *(const vector *)(from + i * from_line);
    turn_square(x);
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        *(vector *)(to + i * to_line) = x[i];
}
