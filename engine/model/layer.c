/* The layer that a script names. */
#include "base/error.h"
#include "model/model.h"

ln_status ln_model_layer(const ln_model *model, const char *name_or_number, int *value,
                         ln_error *err)
{
    if (model->callback.run)
        return ln_fail(err, LN_EUNSUPPORTED, "a blackbox has no layers to look at");
    ln_status status = ln_graph_find_layer(model->graph, name_or_number, value, err);
    if (status)
        return status;
    const ln_value *found = &model->graph->values[*value];
    if (found->dtype != LN_F32)
        return ln_fail(err, LN_EUNSUPPORTED, "'%s' has numbers of type %s: expected f32",
                       name_or_number, ln_dtype_name(found->dtype));
    return LN_OK;
}
