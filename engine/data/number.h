/* Numbers as data files write them: an optional sign, digits with at most one decimal point, an
 * optional decimal exponent, spaces or tabs around. Nothing else: no hexadecimal, no "inf" or
 * "nan", no thousands separators, no locale. */
#ifndef LN_DATA_NUMBER_H
#define LN_DATA_NUMBER_H

#include "lunette.h"

/* True when the whole text is a finite number; *out is the double nearest to it. */
bool ln_number_read(const char *text, double *out);

#endif
