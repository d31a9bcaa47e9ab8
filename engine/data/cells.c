#include "data/cells.h"

#include "data/number.h"

#include <math.h>
#include <string.h>

static const char *const missing_by_default[] = {"", "NA", "NaN", "nan", "null", "?", NULL};

static bool is_missing(const char *cell, const char *const *missing)
{
    size_t length;
    cell += strspn(cell, " \t");
    length = strlen(cell);
    while (length > 0 && (cell[length - 1] == ' ' || cell[length - 1] == '\t'))
        length--;
    for (; *missing; missing++) {
        if (strncmp(*missing, cell, length) == 0 && (*missing)[length] == '\0')
            return true;
    }
    return false;
}

int64_t ln_cells_mark_missing(char **cells, int64_t rows, const char *const *missing)
{
    int64_t count = 0;
    for (int64_t i = 0; i < rows; i++) {
        if (is_missing(cells[i], missing ? missing : missing_by_default)) {
            cells[i] = NULL;
            count++;
        }
    }
    return count;
}

int64_t ln_cells_read_numbers(char *const *cells, int64_t rows, double *numbers)
{
    for (int64_t i = 0; i < rows; i++) {
        if (!cells[i])
            numbers[i] = NAN;
        else if (!ln_number_read(cells[i], &numbers[i]))
            return i;
    }
    return -1;
}
