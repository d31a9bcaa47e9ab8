"""Relevance and multipliers through any torch network of named modules, written out in float64.

The network is traced by torch.fx; each operation's part is that operation's own autograd with the numbers of a rule.
LRP: rules epsilon and gamma of docs/explainers/lrp.md; DeepLIFT: rescale, docs/explainers/deeplift.md. Recurrent
layers go step by step (steps_back below). Used by walked_reference.py; needs torch.
"""
import copy
import operator

import torch
import torch.fx as fx
from torch import nn

LINEAR = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
FUNCTIONS = (nn.ReLU, nn.Tanh, nn.ELU, nn.SiLU, nn.GELU, nn.Hardswish, nn.Softplus, nn.LeakyReLU, nn.Sigmoid, nn.ReLU6, nn.Hardsigmoid)
NORMS = (nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm2d)
AFFINE = (nn.BatchNorm1d, nn.BatchNorm2d)
RECURRENT = (nn.LSTM, nn.GRU, nn.RNN)
SUMS = (nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Upsample)
MAXIMA = (nn.MaxPool2d, nn.AdaptiveMaxPool2d)
ROUTES = (nn.ZeroPad2d, nn.ReflectionPad2d, nn.PixelShuffle, nn.Identity)


class Measure(nn.Module):
    """One number for each row's last axis, kept: l1, l2, log_sum_exp, sum_square."""

    def __init__(self, operation):
        super().__init__()
        self.operation = operation

    def parts(self):
        """The function of each number, and of their sum."""
        return {"l1": (torch.abs, lambda s: s), "l2": (torch.square, torch.sqrt), "log_sum_exp": (torch.exp, torch.log),
                "sum_square": (torch.square, lambda s: s)}[self.operation]

    def forward(self, x):
        if self.operation == "log_sum_exp":
            return torch.logsumexp(x, -1, keepdim=True)
        if self.operation == "sum_square":
            return torch.sum(x * x, -1, keepdim=True)
        return torch.norm(x, p=int(self.operation[1]), dim=-1, keepdim=True)


BY_NAME = {"add": "sum", "sub": "sum", "mean": "sum", "sum": "sum", "maximum": "maximum", "flatten": "route", "cat": "route",
           "reshape": "route", "transpose": "route", "getitem": "route", "sqrt": "function", "exp": "function", "relu": "function", "prod": "factors",
           "where": "branch", "gt": "condition"}
STABILISER = 1e-6


def stable(z, e):
    return z + torch.where(z >= 0, e, -e)


def kind_of(node, module, live):
    for kind, classes in (("linear", LINEAR), ("function", FUNCTIONS), ("norm", NORMS), ("recurrent", RECURRENT), ("sum", SUMS),
                          ("maximum", MAXIMA), ("route", ROUTES), ("softmax", nn.Softmax), ("log_softmax", nn.LogSoftmax), ("affine", AFFINE)):
        if isinstance(module, classes):
            return kind
    if isinstance(module, Measure):
        return "measure"
    name = getattr(node.target, "__name__", node.target)
    if name == "matmul":
        return "product" if len(live) == 2 else "sum"
    if name in ("mul", "truediv"):
        return "scale" if len(live) == 1 else "product" if name == "mul" else "quotient"
    return BY_NAME[name]


class Tracer(fx.Tracer):
    def is_leaf_module(self, module, name):
        return isinstance(module, Measure) or super().is_leaf_module(module, name)


class Tape(fx.Interpreter):
    def __init__(self, traced):
        super().__init__(traced)
        self.values, self.modules = {}, dict(traced.named_modules())

    def run_node(self, node):
        result = super().run_node(node)
        result = result[0] if isinstance(result, tuple) and node.op == "call_module" else result  # of an lstm
        self.values[node] = result
        return (result, None) if isinstance(self.modules.get(node.target), RECURRENT) else result

    def again(self, node, given):
        """The node's result with other values in place of some."""
        args, named = (fx.node.map_arg(a, lambda n: given.get(n, self.values[n])) for a in (node.args, node.kwargs))
        if node.op == "call_module":
            return self.modules[node.target](*args, **named)
        if node.op == "call_method":
            return getattr(args[0], node.target)(*args[1:], **named)
        return node.target(*args, **named)

    def back(self, node, live, above, values=None):
        """What the node's own gradient makes of `above`."""
        leaves = {n: (values or self.values)[n].detach().requires_grad_(True) for n in live}
        with torch.enable_grad():
            return torch.autograd.grad(self.again(node, leaves), [leaves[n] for n in live], above)


def walk(network, x, start, rule):
    traced = fx.GraphModule(network, Tracer().trace(network))
    tape, nodes = Tape(traced), list(traced.graph.nodes)
    with torch.no_grad():
        tape.run(x)
    first, last = nodes[0], nodes[-1].args[0]
    live, above = {first}, {last: start(tape.values[last])}
    for node in nodes:
        if any(n in live for n in node.all_input_nodes):
            live.add(node)
    for node in reversed(nodes[:-1]):
        if node not in above or node is first:
            continue
        inputs = [n for n in node.all_input_nodes if n in live]
        if node.target is operator.getitem and isinstance(tape.modules.get(node.args[0].target), RECURRENT):
            parts = [above.pop(node)]  # the results of all steps
        else:
            module = tape.modules.get(node.target) if node.op == "call_module" else None
            parts = rule(tape, node, module, kind_of(node, module, inputs), inputs, above.pop(node))
        for n, part in zip(inputs, parts):
            above[n] = above[n] + part if n in above else part
    return above[first], tape.values[last]


# ---------------------------------------------------------------- lrp

def folded(norm, layer):
    """The layer, which pads nothing, with the batch normalisation before it in its weights."""
    made, groups = copy.deepcopy(layer), getattr(layer, "groups", 1)
    outputs, inputs = layer.weight.shape[:2]
    channel = torch.arange(outputs)[:, None] // (outputs // groups) * inputs + torch.arange(inputs)
    factor = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
    offset = (norm.bias - factor * norm.running_mean).detach()
    shape = outputs, inputs, *[1] * (layer.weight.dim() - 2)
    with torch.no_grad():
        made.weight.mul_(factor[channel].reshape(shape))
        made.bias.add_((layer.weight * offset[channel].reshape(shape)).flatten(1).sum(1))
    return made


def with_weights(module, weight):
    """The layer without its bias."""
    made = copy.deepcopy(module)
    with torch.no_grad():
        made.weight.copy_(weight)
        if made.bias is not None:
            made.bias.zero_()
    return made


def shared(parts, bias, e, above):
    """Each x of (x, layer) gets its part in the sum of all layers and the bias."""
    leaves = [x.detach().requires_grad_(True) for x, _ in parts]
    with torch.enable_grad():
        z = sum(layer(x) for x, (_, layer) in zip(leaves, parts))
        back = torch.autograd.grad(z, leaves, above / stable(z.detach() + bias, e))
    return sum(x.detach() * b for x, b in zip(leaves, back))


def linear_relevance(module, x, above, rule, epsilon, gamma):
    w = module.weight.detach()
    b = torch.zeros((), dtype=x.dtype) if module.bias is None else module.bias.detach()
    up, down, positive, negative = w + gamma * w.clamp(min=0), w + gamma * w.clamp(max=0), x.clamp(min=0), x.clamp(max=0)

    def placed(bias):
        return bias if isinstance(module, nn.Linear) or bias.dim() == 0 else bias.reshape(1, -1, *[1] * (x.dim() - 2))

    if rule == "epsilon":
        return shared([(x, with_weights(module, w))], placed(b), epsilon, above)
    z = module(x).detach()
    return (shared([(positive, with_weights(module, up)), (negative, with_weights(module, down))], placed(b + gamma * b.clamp(min=0)),
                   STABILISER, torch.where(z > 0, above, 0.0)) +
            shared([(positive, with_weights(module, down)), (negative, with_weights(module, up))], placed(b + gamma * b.clamp(max=0)),
                   STABILISER, torch.where(z < 0, above, 0.0)))


def lrp(network, x, target, rule, epsilon=1e-9, gamma=0.25):
    def back(tape, node, module, kind, live, above):
        value = tape.values
        if kind == "linear":
            return [linear_relevance(module, value[live[0]], above, rule, epsilon, gamma)]
        if kind == "recurrent":
            return [recurrent_back(module, value[live[0]], above, epsilon)]
        if kind in ("function", "norm", "scale"):
            return [above]
        if kind == "factors":
            count = value[live[0]].numel() / value[node].numel()
            return [value[live[0]] * tape.back(node, live, above / stable(value[node], STABILISER) / count)[0]]
        if kind == "branch":  # all to what the condition chose
            chosen = live[1:] if value[live[0]].dtype == torch.bool else live
            given = dict(zip(chosen, tape.back(node, chosen, above)))
            return [given.get(n, torch.zeros_like(above)) for n in live]
        if kind == "condition":
            return [torch.zeros_like(value[live[0]])]
        if kind in ("sum", "product"):
            shares = 2 if kind == "product" else 1
            return [value[n] * part / shares
                    for n, part in zip(live, tape.back(node, live, above / stable(value[node], STABILISER)))]
        if kind == "softmax":
            return [value[live[0]] * (above - value[node] * above.sum(module.dim, keepdim=True))]
        if kind in ("maximum", "route"):
            return tape.back(node, live, above)
        if kind == "quotient":  # all to what is divided; what only divides gets nothing
            parts = tape.back(node, live, torch.where(value[node] != 0, above / value[node], 0.0))
            return [value[live[0]] * parts[0], torch.zeros_like(parts[1])]
        if kind == "measure":
            return [torch.zeros_like(value[live[0]])]
        raise ValueError("lrp has no rule for " + str(node.target))

    def start(output):
        return output * nn.functional.one_hot(torch.as_tensor(target), output.shape[1])
    return walk(network, x, start, back)[0]


# ---------------------------------------------------------------- deeplift

def deeplift(network, x, baseline, target):
    """Rows and baselines go through together; what goes back stands in the first half."""
    n = len(x)

    def half(value):
        mean = (value[:n] + value[n:]) / 2
        return torch.cat([mean, mean])

    def alone(first):
        return torch.cat([first, torch.zeros_like(first)])

    def secant(function, value, above):
        leaf = value.detach().requires_grad_(True)
        with torch.enable_grad():
            y = function(leaf)
            slope, = torch.autograd.grad(y, leaf, above)
        change = value[:n] - value[n:]
        noise = change.abs() <= 1e-6 * torch.maximum(value[:n].abs(), value[n:].abs())
        y = y.detach()
        return alone(torch.where(noise, slope[:n], above[:n] * (y[:n] - y[n:]) / torch.where(noise, 1.0, change)))

    def maximum(tape, node, live, above):
        y = tape.values[node]
        greater = torch.maximum(y[:n], y[n:])
        handed = torch.cat([above[:n] * (greater - y[n:]), above[:n] * (y[:n] - greater)])
        for value, part in zip((tape.values[q] for q in live), tape.back(node, live, handed)):
            change = value[:n] - value[n:]
            yield alone(torch.where(change == 0, 0.0, (part[:n] + part[n:]) / torch.where(change == 0, 1.0, change)))

    def softmax(module, value, above, logarithm):
        axis = module.dim
        most = torch.maximum(value[:n].amax(axis, keepdim=True), value[n:].amax(axis, keepdim=True))
        z = value - torch.cat([most, most])
        e, total = z.exp(), z.exp().sum(axis, keepdim=True)
        if logarithm:
            return above + secant(torch.exp, z, secant(torch.log, total, -above.sum(axis, keepdim=True)).expand_as(z))
        to_total = secant(lambda t: 1 / t, total, (above * half(e)).sum(axis, keepdim=True))
        return secant(torch.exp, z, above * half(1 / total) + to_total)

    def norm(module, value, above):
        shape = ((*value.shape[:-1], -1) if isinstance(module, nn.LayerNorm) else
                 (len(value), getattr(module, "num_groups", value.shape[1]), -1))
        weight = module.weight if isinstance(module, nn.LayerNorm) else module.weight.reshape(1, -1, 1, 1)
        z, handed = value.reshape(shape), (above * weight).reshape(shape)
        centred = z - z.mean(-1, keepdim=True)
        variance = (centred * centred).mean(-1, keepdim=True)

        def scale(v):
            return (v + module.eps) ** -0.5
        to_variance = secant(scale, variance, (handed * half(centred)).sum(-1, keepdim=True)) / z.shape[-1]
        parts = alone((handed * half(scale(variance)))[:n]) + secant(torch.square, centred, to_variance.expand_as(z))
        return (parts - parts.mean(-1, keepdim=True)).reshape(value.shape)

    def back(tape, node, module, kind, live, above):
        value = tape.values
        if kind == "function":
            return [secant(lambda t: tape.again(node, {live[0]: t}), value[live[0]], above)]
        if kind == "product":
            return tape.back(node, live, above, {q: half(value[q]) for q in live})
        if kind == "quotient":
            inverse = 1 / value[live[1]]
            parts = tape.back(node, live, above, {live[0]: half(value[live[0]]), live[1]: 1 / half(inverse)})
            to_inverse = (above * half(value[live[0]])).sum(-1, keepdim=True)  # the divisor is one number a line
            return [parts[0], secant(lambda t: 1 / t, value[live[1]], to_inverse)]
        if kind == "measure":
            inner, outer = module.parts()
            z = value[live[0]]
            return [secant(inner, z, secant(outer, inner(z).sum(-1, keepdim=True), above).expand_as(z))]
        if kind == "recurrent":
            return [alone(recurrent_back(module, value[live[0]], above[:n], None))]
        if kind == "maximum":
            return list(maximum(tape, node, live, above))
        if kind in ("softmax", "log_softmax"):
            return [softmax(module, value[live[0]], above, kind == "log_softmax")]
        if kind == "norm":
            return [norm(module, value[live[0]], above)]
        return tape.back(node, live, above)

    def start(output):
        return alone(nn.functional.one_hot(torch.as_tensor(target), output.shape[1]).to(output.dtype))
    multipliers, _ = walk(network, torch.cat([x, baseline.expand_as(x)]), start, back)
    return multipliers[:n] * (x - baseline)


# ---------------------------------------------------------------- recurrent layers, step by step

class Steps:
    """One direction of a recurrent layer: torch's weights and order of gates; x (N, T, F). Beside torch's: a bound of the
    sums (clip), peepholes (3, H) for i, f, o, a reset before the product (reset_first) and lengths of the sequences."""

    def __init__(self, kind, w, u, b, d, relu=False, reverse=False, clip=0, peephole=None, reset_first=False, lengths=None):
        self.kind, self.w, self.u, self.b, self.d, self.relu, self.reverse = kind, w, u, b, d, relu, reverse
        self.clip, self.peephole, self.reset_first, self.lengths = clip, peephole, reset_first, lengths
        self.size = u.shape[1]

    def bounded(self, z):
        return z.clamp(-self.clip, self.clip) if self.clip else z

    def gate(self, z):
        return torch.sigmoid(self.bounded(z))

    def bend(self, z):
        return torch.relu(self.bounded(z)) if self.relu else torch.tanh(self.bounded(z))

    def active(self, t, rows):
        return torch.ones(rows, 1, dtype=bool) if self.lengths is None else (t < torch.as_tensor(self.lengths))[:, None]

    def step(self, x, h, c):
        """A dictionary of all that one step computes."""
        s, size = {"x": x, "h": h, "c": c}, self.size
        a, q = x @ self.w.T + self.b, h @ self.u.T + self.d
        if self.kind == "lstm":
            p = self.peephole if self.peephole is not None else torch.zeros(3, size, dtype=x.dtype)
            zi, zf, zg, zo = (a + q).chunk(4, 1)
            zi, zf = zi + p[0] * c, zf + p[1] * c
            i, f, g = self.gate(zi), self.gate(zf), self.bend(zg)
            after = f * c + i * g
            zo = zo + p[2] * after
            o = self.gate(zo)
            s.update(p=p, zi=zi, zf=zf, zg=zg, zo=zo, i=i, f=f, g=g, o=o, after=after, bent=torch.tanh(after),
                     new=o * torch.tanh(after))
        elif self.kind == "gru":
            zr, zu = (a + q)[:, :size], (a + q)[:, size:2 * size]
            r, u = self.gate(zr), self.gate(zu)
            inner = q[:, 2 * size:]
            zn = a[:, 2 * size:] + ((r * h) @ self.u[2 * size:].T + self.d[2 * size:] if self.reset_first else r * inner)
            n = self.bend(zn)
            s.update(zr=zr, zu=zu, zn=zn, r=r, u=u, n=n, inner=inner, new=(1 - u) * n + u * h)
        else:
            s.update(z=a + q, new=self.bend(a + q))
        return s

    def run(self, x):
        h = c = torch.zeros(len(x), self.size, dtype=x.dtype)
        order, tape, results = list(range(x.shape[1])), [], torch.zeros(*x.shape[:2], self.size, dtype=x.dtype)
        for t in reversed(order) if self.reverse else order:
            s, on = self.step(x[:, t], h, c), self.active(t, len(x))
            tape.append((t, on, s))
            h, c = torch.where(on, s["new"], h), torch.where(on, s.get("after", c), c)
            results[:, t] = torch.where(on, s["new"], 0.0)
        return results, tape

    def relevance(self, tape, above, epsilon):
        h = c = torch.zeros(above.shape[0], self.size, dtype=above.dtype)
        out, size = torch.zeros(*above.shape[:2], self.w.shape[1], dtype=above.dtype), self.size
        for t, on, s in reversed(tape):
            here = h + above[:, t]
            if self.kind == "lstm":
                share = (c + here) / stable(s["after"], STABILISER)
                ratio = s["i"] * s["g"] * share / stable(s["zg"], epsilon)
                before, state = ratio @ self.u[2 * size:3 * size] * s["h"], s["f"] * s["c"] * share
                part = ratio @ self.w[2 * size:3 * size]
            elif self.kind == "gru":
                share = here / stable(s["new"], STABILISER)
                ratio = (1 - s["u"]) * s["n"] * share / stable(s["zn"], epsilon)
                through = self.u[2 * size:]
                product = ratio @ through * s["r"] * s["h"] if self.reset_first else (ratio * s["r"]) @ through * s["h"]
                before, state, part = s["u"] * s["h"] * share + product, c, ratio @ self.w[2 * size:]
            else:
                ratio = here / stable(s["z"], epsilon)
                before, state, part = ratio @ self.u * s["h"], c, ratio @ self.w
            out[:, t] = torch.where(on, part * s["x"], 0.0)
            h, c = torch.where(on, before, h), torch.where(on, state, c)
        return out

    def multipliers(self, tape, above):
        n, size = len(above), self.size
        h = c = torch.zeros(n, size, dtype=above.dtype)
        out = torch.zeros(*above.shape[:2], self.w.shape[1], dtype=above.dtype)

        def mean(v):
            return (v[:n] + v[n:]) / 2

        def slope(z, y):
            change = z[:n] - z[n:]
            return (y[:n] - y[n:]) / torch.where(change == 0, 1.0, change)
        for t, on, s in reversed(tape):
            here, on = h + above[:, t], on[:n]
            if self.kind == "lstm":
                p = s["p"]
                o = here * mean(s["bent"]) * slope(s["zo"], s["o"])
                memory = c + here * mean(s["o"]) * slope(s["after"], s["bent"]) + o * p[2]
                i = memory * mean(s["g"]) * slope(s["zi"], s["i"])
                f = memory * mean(s["c"]) * slope(s["zf"], s["f"])
                sums = torch.cat([i, f, memory * mean(s["i"]) * slope(s["zg"], s["g"]), o], 1)
                before, state, part = sums @ self.u, memory * mean(s["f"]) + i * p[0] + f * p[1], sums @ self.w
            elif self.kind == "gru":
                candidate = here * (1 - mean(s["u"])) * slope(s["zn"], s["n"])
                through = self.u[2 * size:]
                if self.reset_first:
                    r, back = (candidate @ through) * mean(s["h"]), (candidate @ through) * mean(s["r"])
                else:
                    r, back = candidate * mean(s["inner"]), (candidate * mean(s["r"])) @ through
                sums = torch.cat([r * slope(s["zr"], s["r"]), here * mean(s["h"] - s["n"]) * slope(s["zu"], s["u"])], 1)
                before, state = here * mean(s["u"]) + back + sums @ self.u[:2 * size], c
                part = torch.cat([sums, candidate], 1) @ self.w
            else:
                sums = here * slope(s["z"], s["new"])
                before, state, part = sums @ self.u, c, sums @ self.w
            out[:, t] = torch.where(on, part, 0.0)
            h, c = torch.where(on, before, h), torch.where(on, state, c)
        return out

    def back(self, x, above, epsilon):
        """`epsilon`: relevance; None: multipliers, x being rows and baselines."""
        _, tape = self.run(x)
        return self.multipliers(tape, above) if epsilon is None else self.relevance(tape, above, epsilon)


def recurrent_back(module, x, above, epsilon):
    """All layers and directions of torch's module (batch_first)."""
    ways = ["", "_reverse"] if module.bidirectional else [""]
    inputs, layers = x, []
    for k in range(module.num_layers):
        steps = [Steps(module.mode.lower().split("_")[0],
                       *(getattr(module, f"{name}_l{k}{way}").detach() for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")),
                       relu="RELU" in module.mode, reverse=way != "") for way in ways]
        layers.append((inputs, steps))
        inputs = torch.cat([s.run(inputs)[0] for s in steps], 2)
    for inputs, steps in reversed(layers):
        above = sum(s.back(inputs, part, epsilon) for s, part in zip(steps, above.chunk(len(steps), 2)))
    return above
