/* Which axis of a row holds channels. Of three axes or more it is the first, as in images (C, H, W). Two axes
 * are an image (H, W), or channels along a length: what the model does first with them tells. */
#include <string.h>

#include "model/model.h"

/* A layer that works on each number, or each channel, by itself: it says nothing of the axes behind it. */
static bool is_elementwise(const ln_layer *layer)
{
    return (layer->flags & LN_LAYER_ACTIVATION) != 0 || strcmp(layer->word.name, "dropout") == 0 ||
           strcmp(layer->word.name, "identity") == 0;
}

static bool ends_in(const char *text, const char *end)
{
    const size_t length = strlen(text), most = strlen(end);
    return length >= most && strcmp(text + length - most, end) == 0;
}

int ln_model_channel_axis(const ln_model *model, const ln_shape *row)
{
    static const char *const recurrent[] = {"lstm", "gru", "rnn"};
    if (row->rank != 2)
        return row->rank > 2 ? 0 : -1;
    if (model->callback.run || model->input_count != 1)
        return -1;
    int value = model->graph->inputs[0];
    for (int i = 0; i < model->graph->node_count; i++) {
        const ln_node *node = &model->graph->nodes[i];
        if (node->input_count == 0 || node->inputs[0] != value)
            continue;
        const char *name = node->layer->word.name;
        if (ends_in(name, "1d"))
            return 0;
        for (size_t k = 0; k < sizeof recurrent / sizeof *recurrent; k++)
            if (strcmp(name, recurrent[k]) == 0)
                return 1;
        if (!is_elementwise(node->layer))
            return -1;
        value = node->outputs[0];
    }
    return -1;
}
