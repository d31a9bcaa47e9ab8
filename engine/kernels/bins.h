/* Numbers drawn in the bins of columns, many samples at once: what LIME's samples of tables are made of
 * (explainers/common/neighbourhood.h). Of each sample a word chooses a row, whose bin counts, and another the
 * share of the bin's normal distribution that lies below the number. Compiled once an instruction set, without
 * fused operations: the same bits in all of them.
 *
 * Quantiles of the standard normal distribution: algorithm AS 241 (Wichura 1988), three quotients of polynomials,
 * to some 16 digits. */
#ifndef LN_KERNELS_BINS_H
#define LN_KERNELS_BINS_H

#include "lunette.h"

#define LN_BIN_SQUARE 16 /* counts of samples are multiples of it */
#define LN_BIN_TABLE 16  /* a table's bins; the last takes what is no bin (UINT8_MAX) */

/* Of each bin: a number is mean + deviation * the quantile at below + within * u, u in (0, 1), and not beyond low
 * and high. */
typedef struct ln_bin_table {
    double below[LN_BIN_TABLE], within[LN_BIN_TABLE];
    double mean[LN_BIN_TABLE], deviation[LN_BIN_TABLE];
    double low[LN_BIN_TABLE], high[LN_BIN_TABLE];
} ln_bin_table;

typedef struct ln_bin_kernels {
    /* bin[s] = bin_of_row[floor(choice[s] / 2^32 * rows)]; rows <= INT32_MAX, and 3 more bytes are read. */
    void (*find)(const uint8_t *bin_of_row, int64_t rows, const uint32_t *choice, int64_t count,
                 int32_t *bin);
    /* Where the number lies that a word draws: in the middle of one of 2^32 steps of its bin's share. */
    void (*shares)(const ln_bin_table *table, const int32_t *bin, const uint32_t *words,
                   int64_t count, double *share);
    /* Of any count, into another array; shares between 0 and 1, neither of them. */
    void (*quantiles)(const double *shares, int64_t count, double *quantile);
    void (*numbers)(const ln_bin_table *table, const int32_t *bin, const double *quantile,
                    int64_t count, float *number);
    /* out[s] = table[bin[s]], of LN_BIN_TABLE entries. */
    void (*take)(const float *table, const int32_t *bin, int64_t count, float *out);
    /* Number c of line l of `from` becomes number l of line c of `to`. Whole squares are read and written: lines
     * and columns beyond `lines` and `columns` up to the next multiple of LN_BIN_SQUARE. */
    void (*turn)(const void *from, int64_t lines, int64_t from_line, int64_t columns, void *to,
                 int64_t to_line);
} ln_bin_kernels;

const ln_bin_kernels *ln_kernels_bins(void); /* this machine's; looked up once by who prepares */

extern const ln_bin_kernels ln_bins_baseline;
#ifdef __x86_64__
extern const ln_bin_kernels ln_bins_avx2, ln_bins_avx512;
#endif

#endif
