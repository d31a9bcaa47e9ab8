/* From a mask over features, as a user gives it, to one over an explanation's units. */
#ifndef LN_JUDGES_MASK_H
#define LN_JUDGES_MASK_H

#include "tensor/tensor.h"

/* given (R, elements) of any type, not 0 is inside; element_of: the element of each of `width`
 * encoded inputs (a table's columns; NULL: itself); unit_of: the unit of each input (NULL: itself; -1: none).
 * -> u8 (R, units), 1 inside; a unit without inputs is outside. LN_EINVALID: NaN, or a unit that
 * lies partly inside (a group across the mask's border). Caller releases. */
ln_status ln_mask_make(ln_tensor *given, const int32_t *element_of, int64_t width,
                       const int32_t *unit_of, int64_t units, ln_tensor **out, ln_error *err);

#endif
