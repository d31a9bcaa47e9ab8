#include "kernels/turned.h"

#include "kernels/last.h"

/* Where a turned image of x and one of y stand. */
typedef struct turned_images {
    int64_t x, y; /* numbers of each */
    int64_t places, out_places;
    float *at_x, *at_y;
} turned_images;

int64_t ln_turned_floats(const ln_convolution *shape)
{
    return ln_convolution_in_row(shape) + ln_convolution_out_row(shape);
}

static turned_images images_in(const ln_convolved *plain, const ln_convolution *shape,
                               void *scratch)
{
    const int64_t x = ln_convolution_in_row(shape), y = ln_convolution_out_row(shape);
    void *behind = (char *)scratch + plain->scratch_bytes;
    float *at = behind;
    return (turned_images){x, y, x / shape->in_channels, y / shape->out_channels, at, at + x};
}

ln_status ln_turned_forward(const ln_convolved *plain, const ln_convolution *shape, int64_t images,
                            const float *x, const float *weight, const float *bias, float *y,
                            void *scratch, ln_error *err)
{
    const turned_images t = images_in(plain, shape, scratch);
    ln_status status = LN_OK;
    for (int64_t i = 0; i < images && !status; i++, x += t.x, y += t.y) {
        ln_last_turn(t.places, shape->in_channels, x, t.at_x);
        status = plain->kernels->forward(plain, 1, t.at_x, weight, bias, t.at_y, scratch, err);
        ln_last_turn(shape->out_channels, t.out_places, t.at_y, y);
    }
    return status;
}

ln_status ln_turned_backward_data(const ln_convolved *plain, const ln_convolution *shape,
                                  int64_t images, const float *dy, const float *weight, float *dx,
                                  void *scratch, ln_error *err)
{
    const turned_images t = images_in(plain, shape, scratch);
    ln_status status = LN_OK;
    for (int64_t i = 0; i < images && !status; i++, dy += t.y, dx += t.x) {
        ln_last_turn(t.out_places, shape->out_channels, dy, t.at_y);
        status = plain->kernels->backward_data(plain, 1, t.at_y, weight, t.at_x, scratch, err);
        ln_last_turn(shape->in_channels, t.places, t.at_x, dx);
    }
    return status;
}
