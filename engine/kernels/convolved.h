/* Inside kernels/: what all entries of convolutions have alike: how packed weights come to be, who else computes with
 * them, what passes need. */
#ifndef LN_KERNELS_CONVOLVED_H
#define LN_KERNELS_CONVOLVED_H

#include "kernels/convolution.h"

/* As ln_convolution_pack, by an entry that is chosen. */
ln_status ln_convolved_pack(const ln_convolutions *entry, const ln_convolution *shape,
                            unsigned uses, const float *weight, ln_convolved **packed,
                            ln_error *err);

/* A head, with zeros behind it up to the entry's size, released by ln_convolved_release. */
ln_status ln_convolved_new(const ln_convolutions *entry, const ln_convolution *shape, unsigned uses,
                           ln_convolved **out, ln_error *err);

/* In `make`. Has another entry compute what this one leaves to it: with weights that were not packed, and whatever
 * else the entry hands over itself. Its scratch memory is reserved. */
ln_status ln_convolved_leave(ln_convolved *own, const ln_convolutions *entry, unsigned uses,
                             const float *weight, ln_error *err);
/* Reserves scratch memory for a use that wants so many images at a time. */
void ln_convolved_need(ln_convolved *own, size_t scratch_bytes, int64_t together);

#endif
