/* ONNX's backend cases: a folder with model.onnx and test_data_set_<n>/input_<i>.pb, output_<i>.pb. */
#ifndef LN_ONNX_SUITE_H
#define LN_ONNX_SUITE_H

#include "lunette.h"

typedef enum suite_verdict { SUITE_PASSED, SUITE_FAILED, SUITE_SKIPPED } suite_verdict;

typedef struct suite_result {
    suite_verdict verdict;
    char operator_name[64]; /* of the case's first node */
    char reason[400];       /* why not; "" where it passed */
} suite_result;

/* Runs one case, in this process; `fast`: as numerics "fast" would compute it (case.c). */
void suite_run_case(const char *folder, bool fast, suite_result *result);

#endif
