/* Reading decimal numbers exactly.
 *
 * Nearly all numbers in tables have at most 15 significant digits and a small exponent. Then digits
 * and power of ten are both doubles without error, and one multiplication or division rounds once:
 * the result is the nearest double (Clinger 1990, "How to read floating point numbers accurately").
 * All others go to strtod, which is exact but several times slower; what is handed to it has been
 * checked, so that its own extensions (hexadecimal, "infinity") never apply. Cost: one look at each
 * character. */
#include "data/number.h"

#include <math.h>
#include <stdlib.h>

#define EXACT_DIGITS 15
#define EXACT_POWER 22
#define EXPONENT_LIMIT 100000 /* beyond it only the sign of the exponent matters */

static const double powers_of_ten[EXACT_POWER + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static const char *skip_blanks(const char *at)
{
    while (*at == ' ' || *at == '\t')
        at++;
    return at;
}

/* What the digits before the exponent say. */
typedef struct digits {
    uint64_t mantissa; /* the significant digits, as far as they fit */
    int significant;   /* how many there are, leading zeros left out */
    int64_t after;     /* digits behind the point */
    bool any;          /* there is a digit at all */
} digits;

static const char *read_digits(const char *at, digits *out)
{
    bool point = false;
    *out = (digits){0};
    for (;; at++) {
        if (is_digit(*at)) {
            out->any = true;
            out->after += point;
            if (out->significant > 0 || *at != '0')
                out->significant++;
            if (out->significant <= EXACT_DIGITS)
                out->mantissa = out->mantissa * 10 + (uint64_t)(*at - '0');
        } else if (*at == '.' && !point) {
            point = true;
        } else {
            return at;
        }
    }
}

/* The exponent behind 'e'; NULL when there are no digits. */
static const char *read_exponent(const char *at, int64_t *out)
{
    bool negative = *at == '-';
    int64_t exponent = 0;
    if (*at == '+' || *at == '-')
        at++;
    if (!is_digit(*at))
        return NULL;
    for (; is_digit(*at); at++) {
        if (exponent < EXPONENT_LIMIT)
            exponent = exponent * 10 + (*at - '0');
    }
    *out = negative ? -exponent : exponent;
    return at;
}

bool ln_number_read(const char *text, double *out)
{
    const char *start = skip_blanks(text), *at = start;
    bool negative = *at == '-';
    int64_t exponent = 0;
    digits found;

    if (*at == '+' || *at == '-')
        at++;
    at = read_digits(at, &found);
    if (!found.any)
        return false;
    if (*at == 'e' || *at == 'E') {
        at = read_exponent(at + 1, &exponent);
        if (!at)
            return false;
    }
    if (*skip_blanks(at) != '\0')
        return false;

    exponent -= found.after;
    if (found.significant <= EXACT_DIGITS && exponent >= -EXACT_POWER && exponent <= EXACT_POWER) {
        double number = (double)found.mantissa;
        if (exponent < 0)
            number /= powers_of_ten[-exponent];
        else
            number *= powers_of_ten[exponent];
        *out = negative ? -number : number;
        return true;
    }
    *out = strtod(start, NULL);
    return isfinite(*out);
}
