/* Float64 sums in registers, for bodies that are compiled once an instruction set; the including file
 * defines LANES, the floats of a register. A sum is made of SUMS, of every sixteenth number each, that are
 * added up in pairs, the same for every width of register. */
#define SUMS 16
#define DOUBLES (LANES / 2)
#define SUM_REGISTERS (SUMS / DOUBLES)

typedef float half_register __attribute__((vector_size(DOUBLES * 4), aligned(4), may_alias));
typedef double wide __attribute__((vector_size(DOUBLES * 8), aligned(8), may_alias));
typedef int64_t wide_lanes __attribute__((vector_size(DOUBLES * 8)));

static inline wide widen(const float *from)
{
    return __builtin_convertvector(*(const half_register *)from, wide);
}

static inline void narrow(wide x, float *to)
{
    *(half_register *)to = __builtin_convertvector(x, half_register);
}

/* Adds the upper half of each register to its lower one, and so on. */
static inline double total(wide sums[SUM_REGISTERS])
{
#pragma GCC unroll 4
    for (int half = SUM_REGISTERS / 2; half > 0; half /= 2)
#pragma GCC unroll 8
        for (int r = 0; r < half; r++)
            sums[r] += sums[r + half];
    static const int64_t numbers[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    wide_lanes lanes;
    memcpy(&lanes, numbers, sizeof lanes);
    wide all = sums[0];
#pragma GCC unroll 4
    for (int half = DOUBLES / 2; half > 0; half /= 2)
        all += __builtin_shuffle(all, lanes ^ half);
    return all[0];
}

/* One of the sums, by its number. */
static inline double *lane_of(wide sums[SUM_REGISTERS], int64_t lane)
{
    return (double *)(void *)sums + lane;
}
