/* Operators that are made of others: attention, losses, windows. Each node of one becomes a function of the
 * model, written here as a short text and inlined as the model's own functions are, so that shapes, rows and
 * gradients are those of its parts. Which lines there are depends on the node's attributes and on which
 * inputs it has; what depends on sizes is computed by the lines themselves (Shape, Range), and folded.
 *
 * The texts are ours and small, so their mistakes are assertions. */
#include "onnx/composites.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "onnx/operators.h"
#include "onnx/put.h"

static const struct {
    const char *name;
    void (*write)(ln_onnx_body *body);
} composites[] = {
    {"AffineGrid", ln_onnx_body_affine_grid},
    {"Attention", ln_onnx_body_attention},
    {"BlackmanWindow", ln_onnx_body_window},
    {"Col2Im", ln_onnx_body_col2im},
    {"DFT", ln_onnx_body_dft},
    {"GridSample", ln_onnx_body_grid_sample},
    {"HammingWindow", ln_onnx_body_window},
    {"HannWindow", ln_onnx_body_window},
    {"NegativeLogLikelihoodLoss", ln_onnx_body_log_likelihood},
    {"RotaryEmbedding", ln_onnx_body_rotary},
    {"STFT", ln_onnx_body_stft},
    {"SoftmaxCrossEntropyLoss", ln_onnx_body_cross_entropy},
    {"SwiGLU", ln_onnx_body_swiglu},
};
#define COMPOSITES (sizeof composites / sizeof *composites)

static size_t find(ln_bytes domain, ln_bytes name)
{
    size_t at = 0;
    if (domain.size > 0 && !ln_bytes_equal(domain, "ai.onnx"))
        return COMPOSITES;
    while (at < COMPOSITES && !ln_bytes_equal(name, composites[at].name))
        at++;
    return at;
}

bool ln_onnx_is_composite(ln_bytes domain, ln_bytes name)
{
    return find(domain, name) < COMPOSITES;
}

/* ---------------------------------------------------------------- what a body asks of its node */

void ln_onnx_say(ln_onnx_body *body, const char *format, ...)
{
    char line[512];
    va_list list;
    va_start(list, format);
    const int length = vsnprintf(line, sizeof line, format, list);
    va_end(list);
    assert(length > 0 && length < (int)sizeof line);
    ln_text_add(&body->text, line);
    ln_text_add(&body->text, "\n");
}

bool ln_onnx_body_has(const ln_onnx_body *body, size_t input)
{
    return input < body->node->inputs.count && body->node->inputs.at[input].size > 0;
}

bool ln_onnx_body_makes(const ln_onnx_body *body, size_t output)
{
    return output < body->node->outputs.count && body->node->outputs.at[output].size > 0;
}

static const ln_onnx_attribute *attribute_of(const ln_onnx_body *body, const char *name)
{
    for (size_t i = 0; i < body->node->attribute_count; i++)
        if (ln_bytes_equal(body->node->attributes[i].name, name))
            return &body->node->attributes[i];
    return NULL;
}

int64_t ln_onnx_body_int(const ln_onnx_body *body, const char *name, int64_t fallback)
{
    const ln_onnx_attribute *found = attribute_of(body, name);
    return found && found->has_i ? found->i : fallback;
}

bool ln_onnx_body_float(const ln_onnx_body *body, const char *name, double *out)
{
    const ln_onnx_attribute *found = attribute_of(body, name);
    if (!found || !found->has_f)
        return false;
    *out = (double)found->f;
    return true;
}

int ln_onnx_body_ints(const ln_onnx_body *body, const char *name, int64_t out[8])
{
    const ln_onnx_attribute *found = attribute_of(body, name);
    ln_tensor *list = NULL;
    if (!found || ln_onnx_decode_list(found, found->message.data, LN_I64, &list, NULL) != LN_OK)
        return 0;
    const int64_t count = ln_shape_count(&list->shape);
    if (count <= 8)
        memcpy(out, list->data, (size_t)count * sizeof *out);
    ln_tensor_release(list);
    return count <= 8 ? (int)count : 0;
}

bool ln_onnx_body_text(const ln_onnx_body *body, const char *name, const char *text,
                       const char *fallback)
{
    const ln_onnx_attribute *found = attribute_of(body, name);
    return found && found->has_s ? ln_bytes_equal(found->s, text) : strcmp(text, fallback) == 0;
}

/* ---------------------------------------------------------------- from a body to nodes */

enum { LONGEST_NAME = 40, MOST_ARGUMENTS = 8 };

typedef struct value_name {
    char at[LONGEST_NAME];
} value_name;

typedef struct parser {
    const char *at;
    ln_text *nodes; /* of the FunctionProto */
    int made;       /* values without a name in the text so far */
} parser;

static void skip_spaces(parser *p)
{
    while (*p->at == ' ')
        p->at++;
}

static bool take(parser *p, char c)
{
    skip_spaces(p);
    if (*p->at != c)
        return false;
    p->at++;
    return true;
}

static value_name read_name(parser *p)
{
    value_name name = {{0}};
    size_t length = 0;
    skip_spaces(p);
    while (isalnum((unsigned char)*p->at) || *p->at == '_' || *p->at == '.') {
        assert(length + 1 < sizeof name.at);
        name.at[length++] = *p->at++;
    }
    assert(length > 0);
    return name;
}

static value_name new_name(parser *p)
{
    value_name name;
    snprintf(name.at, sizeof name.at, "v%d", p->made++);
    return name;
}

/* A number of the text; *real: it is no whole number. */
static double read_number(parser *p, bool *real)
{
    skip_spaces(p);
    char *end;
    const double number = strtod(p->at, &end);
    assert(end > p->at);
    *real = !isfinite(number);
    for (const char *c = p->at; c < end; c++)
        *real = *real || *c == '.' || *c == 'e';
    p->at = end;
    return number;
}

/* An attribute with this value: AttributeProto's fields and types. */
static void put_attribute(ln_text *node, const char *name, bool list, bool real,
                          const double *numbers, size_t count)
{
    ln_text attribute = {0};
    ln_put_text(&attribute, 1, name);
    for (size_t i = 0; i < count; i++)
        if (real)
            ln_put_float(&attribute, list ? 7 : 2, (float)numbers[i]);
        else
            ln_put_int(&attribute, list ? 8 : 3, (int64_t)numbers[i]);
    ln_put_int(&attribute, 20,
               list ? (real ? LN_ONNX_ATTRIBUTE_FLOATS : LN_ONNX_ATTRIBUTE_INTS)
                    : (real ? LN_ONNX_ATTRIBUTE_FLOAT : LN_ONNX_ATTRIBUTE_INT));
    ln_put_message(node, 5, &attribute);
}

/* A number, or a list of them in brackets. Returns how many. */
static size_t read_numbers(parser *p, bool *list, bool *real, double numbers[MOST_ARGUMENTS])
{
    size_t count = 0;
    bool one;
    *real = false;
    *list = take(p, '[');
    do {
        assert(count < MOST_ARGUMENTS);
        numbers[count++] = read_number(p, &one);
        *real = *real || one;
    } while (*list && take(p, ','));
    if (*list) {
        const bool closed = take(p, ']');
        assert(closed);
        (void)closed;
    }
    return count;
}

static value_name read_constant(parser *p)
{
    double numbers[MOST_ARGUMENTS];
    bool list, real;
    const size_t count = read_numbers(p, &list, &real, numbers);
    const value_name name = new_name(p);
    ln_text node = {0};
    ln_put_text(&node, 2, name.at);
    ln_put_text(&node, 4, "Constant");
    put_attribute(&node,
                  list   ? (real ? "value_floats" : "value_ints")
                  : real ? "value_float"
                         : "value_int",
                  list, real, numbers, count);
    ln_put_message(p->nodes, 7, &node);
    return name;
}

/* {name=value, ...} */
static void read_attributes(parser *p, ln_text *node)
{
    if (!take(p, '{'))
        return;
    do {
        double numbers[MOST_ARGUMENTS];
        bool list, real;
        const value_name name = read_name(p);
        const bool equals = take(p, '=');
        assert(equals);
        (void)equals;
        if (take(p, '"')) {
            ln_text attribute = {0};
            const size_t length = strcspn(p->at, "\"");
            ln_put_text(&attribute, 1, name.at);
            ln_put_bytes(&attribute, 4, p->at, length);
            ln_put_int(&attribute, 20, LN_ONNX_ATTRIBUTE_STRING);
            ln_put_message(node, 5, &attribute);
            p->at += length + 1;
            continue;
        }
        const size_t count = read_numbers(p, &list, &real, numbers);
        put_attribute(node, name.at, list, real, numbers, count);
    } while (take(p, ','));
    const bool closed = take(p, '}');
    assert(closed);
    (void)closed;
}

static value_name read_value(parser *p);

/* Operator{attributes}(inputs), making these outputs. */
static void read_call(parser *p, const value_name *name, const value_name *outputs, int count)
{
    ln_text node = {0}, attributes = {0};
    const char *own = strncmp(name->at, "lunette.", 8) == 0 ? "lunette" : "";
    read_attributes(p, &attributes);
    const bool open = take(p, '(');
    assert(open);
    (void)open;
    while (!take(p, ')')) {
        const value_name input = read_value(p);
        ln_put_text(&node, 1, strcmp(input.at, "_") == 0 ? "" : input.at);
        take(p, ',');
    }
    for (int i = 0; i < count; i++)
        ln_put_text(&node, 2, strcmp(outputs[i].at, "_") == 0 ? "" : outputs[i].at);
    ln_put_text(&node, 3,
                name->at + (*own ? 8 : 0)); /* below the name of the node that it stands for */
    ln_put_text(&node, 4, name->at + (*own ? 8 : 0));
    if (attributes.data)
        ln_text_addn(&node, attributes.data, attributes.length);
    node.failed = node.failed || attributes.failed;
    ln_text_free(&attributes);
    ln_put_text(&node, 7, own);
    ln_put_message(p->nodes, 7, &node);
}

/* A name, a number, or a call, whose result gets a name. */
static value_name read_value(parser *p)
{
    skip_spaces(p);
    if (*p->at == '[' || *p->at == '-' || isdigit((unsigned char)*p->at))
        return read_constant(p);
    const value_name name = read_name(p);
    if (*p->at != '(' && *p->at != '{')
        return name;
    const value_name made = new_name(p);
    read_call(p, &name, &made, 1);
    return made;
}

static void read_statement(parser *p)
{
    value_name outputs[MOST_ARGUMENTS];
    int count = 0;
    do {
        assert(count < MOST_ARGUMENTS);
        outputs[count++] = read_name(p);
    } while (take(p, ','));
    const bool equals = take(p, '=');
    assert(equals);
    (void)equals;
    const value_name name = read_name(p);
    read_call(p, &name, outputs, count);
}

static void put_formals(ln_text *function, unsigned field, char letter, size_t count)
{
    char name[16];
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%c%zu", letter, i);
        ln_put_text(function, field, name);
    }
}

/* Whether the table of operators takes so many inputs and these attributes: else it says what is wrong. */
static bool is_well_formed(const ln_onnx_node *node)
{
    const ln_onnx_operator *entry = ln_onnx_operator_find(node->domain, node->op_type);
    assert(entry);
    bool fine = node->inputs.count >= (size_t)entry->min_inputs &&
                node->inputs.count <= (size_t)entry->max_inputs;
    for (int i = 0; i < entry->min_inputs && fine; i++)
        fine = node->inputs.at[i].size > 0;
    for (size_t i = 0; i < node->attribute_count && fine; i++)
        fine = node->attributes[i].name.size > 0 &&
               ln_choice_index(entry->attributes, (const char *)node->attributes[i].name.data,
                               node->attributes[i].name.size) >= 0;
    return fine;
}

ln_status ln_onnx_composite(const ln_onnx_node *node, int64_t opset, ln_text *out, ln_error *err)
{
    const size_t at = find(node->domain, node->op_type);
    ln_onnx_body body = {.node = node, .opset = opset};
    if (at == COMPOSITES || !is_well_formed(node))
        return LN_OK;
    composites[at].write(&body);
    parser p = {.at = body.text.data, .nodes = out};
    if (!body.refused && !body.text.failed) {
        ln_put_text(out, 1, composites[at].name);
        put_formals(out, 4, 'i', node->inputs.count);
        put_formals(out, 5, 'o', node->outputs.count);
        while (p.at && *p.at) {
            read_statement(&p);
            assert(*p.at == '\n');
            p.at++;
        }
    }
    const bool failed = body.text.failed || out->failed;
    ln_text_free(&body.text);
    if (failed)
        ln_text_free(out);
    return failed ? ln_fail_memory(err, 0) : LN_OK;
}
