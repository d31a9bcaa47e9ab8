/* Embeddings and recurrent layers as operators.
 *
 * ONNX has the steps first, (T, N, F), gates in another order than PyTorch's, and directions as an axis of their
 * own: weights are put in order by Gather, which runtimes fold. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "layers/attributes.h"
#include "onnx/proto.h"
#include "onnx/write_layers.h"

#define NAME LN_ONNX_NAME
typedef ln_onnx_writing writing;

static const ln_onnx_written END = {.name = NULL};

static ln_onnx_written whole(const char *name, int64_t number)
{
    return (ln_onnx_written){.name = name, .kind = LN_ONNX_WRITTEN_INT, .number = (double)number};
}

static ln_status write_embedding(writing *w, ln_error *err)
{
    char ids[NAME];
    const ln_onnx_written to[] = {whole("to", LN_ONNX_INT64), END};
    const ln_onnx_written axis[] = {whole("axis", 0), END};
    (void)err;
    ln_onnx_put(w, "Cast", w->in[0], NULL, ln_onnx_write_name(w->writer, w->out, ids, NAME), to);
    ln_onnx_put(w, "Gather", w->in[1], ids, w->out, axis);
    return LN_OK;
}

/* A cell in ONNX: its operator, and which of PyTorch's gates stand first, second ... there. */
typedef struct cell {
    const char *word, *operator_name;
    int gates, order[4];
} cell;

static const cell cells[] = {
    {"lstm", "LSTM", 4, {0, 3, 1, 2}}, {"gru", "GRU", 3, {1, 0, 2}}, {"rnn", "RNN", 1, {0}}};

/* The directions' parts `first`, `first` + 1 ... (`count` of them one after the other, then the next direction's) as one
 * constant (directions, rows, ...). `rows`: the name of the list that puts gates in order. */
static ln_status put_weights(writing *w, const ln_recurrent_attributes *own, int first, int count,
                             const char *rows, char *name, ln_error *err)
{
    const int directions = own->bidirectional ? 2 : 1, each = own->bias ? 4 : 2;
    const ln_onnx_written axis[] = {whole("axis", 0), END};
    char part[2][NAME], joined[NAME], zero[NAME], side[2][NAME];
    ln_status status = ln_onnx_put_list(w, &(int64_t){0}, 1, zero, err);
    for (int d = 0; d < directions && !status; d++) {
        for (int i = 0; i < count; i++)
            ln_onnx_put(w, "Gather", w->in[1 + d * each + first + i], rows,
                        ln_onnx_write_name(w->writer, w->out, part[i], NAME), axis);
        const char *one = part[0];
        if (count == 2) {
            one = ln_onnx_write_name(w->writer, w->out, joined, NAME);
            ln_onnx_put(w, "Concat", part[0], part[1], one, axis);
        }
        ln_onnx_put(w, "Unsqueeze", one, zero, ln_onnx_write_name(w->writer, w->out, side[d], NAME),
                    NULL);
    }
    if (status || directions == 1) {
        memcpy(name, side[0], NAME);
        return status;
    }
    ln_onnx_put(w, "Concat", side[0], side[1], ln_onnx_write_name(w->writer, w->out, name, NAME),
                axis);
    return LN_OK;
}

/* Numbers of the rows of a weight, its gates in ONNX's order. */
static ln_status put_rows(writing *w, const cell *of, int64_t hidden, char *name, ln_error *err)
{
    const int64_t count = of->gates * hidden;
    int64_t *rows = ln_calloc((size_t)count, sizeof *rows);
    if (!rows)
        return ln_fail_memory(err, (size_t)count * sizeof *rows);
    for (int64_t i = 0; i < count; i++)
        rows[i] = of->order[i / hidden] * hidden + i % hidden;
    ln_status status = ln_onnx_put_list(w, rows, (int)count, name, err);
    ln_free(rows);
    return status;
}

/* The operator: of (T, N, F) all states (T, D, N, H), or the last ones (D, N, H), to `made`. */
static void put_cell(writing *w, const cell *of, const char *x, const char *const *weights,
                     const char *made)
{
    static const char *const rectified[] = {"Relu", "Relu"};
    const ln_recurrent_attributes *own = w->node->attributes;
    const int directions = own->bidirectional ? 2 : 1;
    ln_onnx_written attributes[6] = {whole("hidden_size", own->hidden_size)};
    int used = 1;
    if (own->bidirectional)
        attributes[used++] = (ln_onnx_written){
            .name = "direction", .kind = LN_ONNX_WRITTEN_TEXT, .text = "bidirectional"};
    if (strcmp(of->word, "gru") == 0)
        attributes[used++] = whole("linear_before_reset", 1);
    if (own->nonlinearity)
        attributes[used++] = (ln_onnx_written){.name = "activations",
                                               .kind = LN_ONNX_WRITTEN_TEXTS,
                                               .count = directions,
                                               .texts = rectified};
    attributes[used] = END;
    const char *const inputs[] = {x, weights[0], weights[1], own->bias ? weights[2] : NULL, NULL};
    const char *const all[] = {made, NULL}, *const last[] = {"", made, NULL};
    ln_onnx_write_node(w->writer, of->operator_name, "", w->node->name, inputs,
                       own->last ? last : all, attributes);
}

static ln_status write_recurrent(writing *w, ln_error *err)
{
    const ln_recurrent_attributes *own = w->node->attributes;
    const cell *of = cells;
    const int directions = own->bidirectional ? 2 : 1;
    const int weights = directions * (own->bias ? 4 : 2);
    char turned[NAME], rows[NAME], made[NAME], flat[NAME], name[3][NAME], rest[NAME];
    while (strcmp(of->word, w->node->layer->word.name) != 0)
        of++;
    if (own->layout != LN_RECURRENT_ROWS || own->backwards || own->apart || own->reset_first ||
        own->clip > 0 || w->node->input_count > 1 + weights)
        return ln_fail(
            err, LN_EUNSUPPORTED,
            "the layer '%s' can be written as ONNX in the form that scripts declare only",
            of->word);
    ln_status status = put_rows(w, of, own->hidden_size, rows, err);
    for (int i = 0; i < (own->bias ? 3 : 2) && !status; i++)
        status = put_weights(w, own, i, i == 2 ? 2 : 1, rows, name[i], err);
    if (status)
        return status;
    const ln_onnx_written to_steps[] = {{.name = "perm",
                                         .kind = LN_ONNX_WRITTEN_INTS,
                                         .count = 3,
                                         .ints = (const int64_t[]){1, 0, 2}},
                                        END};
    const ln_onnx_written to_rows[] = {
        {.name = "perm",
         .kind = LN_ONNX_WRITTEN_INTS,
         .count = own->last ? 3 : 4,
         .ints = own->last ? (const int64_t[]){1, 0, 2} : (const int64_t[]){2, 0, 1, 3}},
        END};
    ln_onnx_put(w, "Transpose", w->in[0], NULL, ln_onnx_write_name(w->writer, w->out, turned, NAME),
                to_steps);
    put_cell(w, of, turned, (const char *const[]){name[0], name[1], name[2]},
             ln_onnx_write_name(w->writer, w->out, made, NAME));
    ln_onnx_put(w, "Transpose", made, NULL, ln_onnx_write_name(w->writer, w->out, flat, NAME),
                to_rows);
    const int64_t shape[] = {0, own->last ? directions * own->hidden_size : 0,
                             directions * own->hidden_size};
    status = ln_onnx_put_list(w, shape, own->last ? 2 : 3, rest, err);
    if (!status)
        ln_onnx_write_node(w->writer, "Reshape", "", rest, (const char *const[]){flat, rest, NULL},
                           (const char *const[]){w->out, NULL}, NULL);
    return status;
}

const ln_onnx_layer_writer ln_onnx_sequence_writers[] = {
    {"embedding", write_embedding},
    {"gru", write_recurrent},
    {"lstm", write_recurrent},
    {"rnn", write_recurrent},
    {NULL, NULL},
};
