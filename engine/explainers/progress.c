/* How far a job is, and how sure what it has finished is, for whoever waits for it. Nothing of it is in any
 * result. */
#include "explainers/explainer.h"

void ln_job_note_errors(ln_job *job, const ln_explanation *finished)
{
    double worst = atomic_load(&job->worst_error), most = worst;
    for (int64_t i = 0; finished->errors && i < finished->count * finished->width; i++)
        if ((double)finished->errors[i] > most) /* NaN: none */
            most = (double)finished->errors[i];
    while (most > worst && !atomic_compare_exchange_weak(&job->worst_error, &worst, most)) {
    }
}

double ln_job_worst_error(const ln_job *job)
{
    return atomic_load(&job->worst_error);
}
