#include "explainers/common/cover.h"

#include <string.h>

#include "base/error.h"

ln_cover ln_cover_of(const ln_request *request)
{
    const ln_shape *row = &request->input_shape;
    const int axis = ln_model_channel_axis(request->model, row);
    ln_cover made = {.channels = axis < 0 ? 1 : row->dims[axis], .inner = 1};
    for (int k = axis + 1; k < row->rank && axis >= 0; k++)
        made.inner *= row->dims[k];
    return made;
}

ln_cover_buffers ln_cover_carve(const ln_cover *cover, ln_carver *carver)
{
    ln_cover_buffers made;
    made.sum = ln_carve(carver, cover->channels, sizeof *made.sum);
    made.count = ln_carve(carver, cover->channels, sizeof *made.count);
    return made;
}

static int64_t channel_of(const ln_cover *cover, int64_t input)
{
    return input / cover->inner % cover->channels;
}

void ln_cover_average(const ln_cover *cover, const ln_groups *groups, const float *x,
                      const ln_cover_buffers *at, float *to)
{
    for (int64_t g = 0; g < groups->count; g++) {
        memset(at->sum, 0, (size_t)cover->channels * sizeof *at->sum);
        memset(at->count, 0, (size_t)cover->channels * sizeof *at->count);
        for (int64_t m = groups->start[g]; m < groups->start[g + 1]; m++) {
            at->sum[channel_of(cover, groups->member[m])] += (double)x[groups->member[m]];
            at->count[channel_of(cover, groups->member[m])]++;
        }
        for (int64_t m = groups->start[g]; m < groups->start[g + 1]; m++) {
            const int64_t c = channel_of(cover, groups->member[m]);
            to[groups->member[m]] = (float)(at->sum[c] / (double)at->count[c]);
        }
    }
}

static ln_status fail_field(ln_error *err, const char *field)
{
    ln_error_field(err, field);
    return LN_EINVALID;
}

ln_status ln_cover_choose(const ln_job *job, const ln_cover *cover, const char *word, bool *masks,
                          ln_error *err)
{
    const ln_request *request = job->request;
    const int axes = request->input_shape.rank;
    *masks = request->baseline || (axes > 1 && !request->background);
    if (*masks && axes > 1 && !request->groups) {
        ln_fail(err, LN_EINVALID,
                "%s covers groups of pixels, and every pixel would be a feature: expected "
                "groups, as superpixels or grid { 4, 4 }",
                word);
        return fail_field(err, "groups");
    }
    if (*masks && !request->baseline && job->width * cover->channels >= request->model->width) {
        ln_fail(
            err, LN_EINVALID,
            "%s covers a group by its mean, and every group is one pixel, its own mean: expected "
            "larger groups, or a baseline",
            word);
        return fail_field(err, "groups");
    }
    if (!*masks && !request->background) {
        ln_fail(err, LN_EINVALID,
                "%s draws from the training rows, and there are none: expected a background, or a "
                "baseline that covers features",
                word);
        return fail_field(err, "background");
    }
    return LN_OK;
}
