"""Networks as people export them, what ONNX Runtime computes with them and PyTorch's gradients, for
tests/engine/test_onnx_models.c.

    python3 tests/reference/models_reference.py [NAME ...]     (torch, onnxscript, onnx, onnxruntime, skl2onnx)

Writes into tests/reference/models: <name>-x.npy (rows; token ids as float32), <name>-g.npy (PyTorch's gradient of
output 1 by the inputs, where they are real numbers), of each file <file>.onnx and <file>-y.npy (ONNX Runtime's output),
and models.txt, a line each: file, name. The architectures are those of torchvision and torch.nn with fewer channels,
with random weights; batch norm has statistics and scales of its own. Each is exported by TorchScript's exporter
(<name>-ts) and by torch.export (<name>-dynamo, without the traces of Python that it keeps); <name>-kept keeps batch norm
and dropout as nodes, which exporters fold.
"""
import os
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

warnings.filterwarnings("ignore")
here = os.path.dirname(os.path.abspath(__file__))
out = os.path.join(here, "models")
os.makedirs(out, exist_ok=True)
LARGEST = 300 * 1024


def conv_bn(a, b, k, stride=1, groups=1, act=nn.ReLU):
    layers = [nn.Conv2d(a, b, k, stride, k // 2, groups=groups, bias=False), nn.BatchNorm2d(b)]
    return nn.Sequential(*layers, *([act()] if act else []))


class BasicBlock(nn.Module):
    def __init__(self, a, b, stride):
        super().__init__()
        self.one = conv_bn(a, b, 3, stride)
        self.two = conv_bn(b, b, 3, act=None)
        self.short = conv_bn(a, b, 1, stride, act=None) if stride > 1 or a != b else nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.two(self.one(x)) + self.short(x))


def resnet18(w=4, classes=10):
    blocks, a = [], w
    for i, b in enumerate((w, 2 * w, 4 * w, 8 * w)):
        blocks += [BasicBlock(a, b, 1 if i == 0 else 2), BasicBlock(b, b, 1)]
        a = b
    return nn.Sequential(conv_bn(3, w, 7, 2), nn.MaxPool2d(3, 2, 1), *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(1),
                         nn.Linear(8 * w, classes))


class InvertedResidual(nn.Module):
    """MobileNetV2's; with squeeze, EfficientNet's MBConv."""

    def __init__(self, a, b, k, stride, expand, act, squeeze):
        super().__init__()
        h, parts = a * expand, []
        if expand > 1:
            parts.append(conv_bn(a, h, 1, act=act))
        parts.append(conv_bn(h, h, k, stride, groups=h, act=act))
        if squeeze:
            parts.append(SqueezeExcitation(h, max(1, a // 4)))
        parts.append(conv_bn(h, b, 1, act=None))
        self.body, self.residual = nn.Sequential(*parts), stride == 1 and a == b

    def forward(self, x):
        return x + self.body(x) if self.residual else self.body(x)


class SqueezeExcitation(nn.Module):
    def __init__(self, channels, squeezed):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.one, self.two = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.two(nn.functional.silu(self.one(self.pool(x)))))


class MobileNetV2(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        rows = [(1, 2, 1, 1), (6, 4, 2, 2), (6, 4, 3, 2), (6, 8, 4, 2), (6, 12, 3, 1), (6, 16, 3, 2), (6, 32, 1, 1)]
        parts, a = [conv_bn(3, 4, 3, 2, act=nn.ReLU6)], 4
        for expand, b, n, stride in rows:
            for i in range(n):
                parts.append(InvertedResidual(a, b, 3, stride if i == 0 else 1, expand, nn.ReLU6, False))
                a = b
        self.features = nn.Sequential(*parts, conv_bn(a, 64, 1, act=nn.ReLU6))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(64, classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean([2, 3]))


class EfficientNetB0(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        rows = [(1, 3, 2, 1, 1), (6, 3, 4, 2, 2), (6, 5, 4, 2, 2), (6, 3, 8, 3, 2), (6, 5, 12, 3, 1), (6, 5, 16, 4, 2),
                (6, 3, 20, 1, 1)]
        parts, a = [conv_bn(3, 4, 3, 2, act=nn.SiLU)], 4
        for expand, k, b, n, stride in rows:
            for i in range(n):
                parts.append(InvertedResidual(a, b, k, stride if i == 0 else 1, expand, nn.SiLU, True))
                a = b
        self.features = nn.Sequential(*parts, conv_bn(a, 64, 1, act=nn.SiLU))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(0.2, inplace=True), nn.Linear(64, classes))

    def forward(self, x):
        return self.classifier(torch.flatten(self.pool(self.features(x)), 1))


class VggBn(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        parts, a = [], 3
        for b in (4, "M", 8, "M", 12, 12, "M", 16, 16, "M", 16, 16):
            if b == "M":
                parts.append(nn.MaxPool2d(2, 2))
            else:
                parts += [nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(True)]
                a = b
        self.features, self.pool = nn.Sequential(*parts), nn.AdaptiveAvgPool2d((2, 2))
        self.classifier = nn.Sequential(nn.Linear(64, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, classes))

    def forward(self, x):
        return self.classifier(torch.flatten(self.pool(self.features(x)), 1))


class LstmClassifier(nn.Module):
    def __init__(self, inputs=6, hidden=8, layers=2, both=True, classes=4, tokens=0):
        super().__init__()
        self.embedding = nn.Embedding(tokens, inputs) if tokens else nn.Identity()
        self.lstm = nn.LSTM(inputs, hidden, layers, batch_first=True, bidirectional=both)
        self.head = nn.Linear(hidden * (2 if both else 1), classes)

    def forward(self, x):
        y, (h, c) = self.lstm(self.embedding(x))
        return self.head(y[:, -1])


class GruClassifier(nn.Module):
    def __init__(self, inputs=6, hidden=8, classes=4):
        super().__init__()
        self.gru, self.head = nn.GRU(inputs, hidden), nn.Linear(hidden, classes)

    def forward(self, x):
        y, h = self.gru(x.transpose(0, 1))
        return self.head(h[-1])


class TransformerClassifier(nn.Module):
    def __init__(self, d=16, heads=2, layers=2, length=7, classes=4, first=True, act="relu", before=False):
        super().__init__()
        layer = nn.TransformerEncoderLayer(d, heads, 32, activation=act, batch_first=first, norm_first=before)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.position, self.head, self.first = nn.Parameter(torch.randn(1, length, d)), nn.Linear(d, classes), first

    def forward(self, x):
        x = x + self.position
        x = x if self.first else x.transpose(0, 1)
        return self.head(self.encoder(x).mean(1 if self.first else 0))


class OwnAttention(nn.Module):
    """As GPT-like code writes it: one projection, split, matmul, mask, softmax; a token in front as ViT has it."""

    def __init__(self, d=16, heads=4, length=6, classes=4, causal=True):
        super().__init__()
        self.qkv, self.out, self.heads = nn.Linear(d, 3 * d), nn.Linear(d, d), heads
        self.token = nn.Parameter(torch.randn(1, 1, d))
        self.norm, self.head, self.causal = nn.LayerNorm(d), nn.Linear(d, classes), causal
        self.register_buffer("mask", torch.tril(torch.ones(length + 1, length + 1)).view(1, 1, length + 1, length + 1))

    def forward(self, x):
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        b, t, d = x.shape
        q, k, v = self.qkv(self.norm(x)).split(d, dim=2)
        q, k, v = (a.view(b, t, self.heads, d // self.heads).transpose(1, 2) for a in (q, k, v))
        scores = q @ k.transpose(-2, -1) / (d // self.heads) ** 0.5
        if self.causal:
            scores = scores.masked_fill(self.mask[:, :, :t, :t] == 0, float("-inf"))
        y = (scores.softmax(-1) @ v).transpose(1, 2).contiguous().view(b, t, d)
        return self.head(nn.functional.gelu(x + self.out(y))[:, -1 if self.causal else 0])


class TextCnn(nn.Module):
    def __init__(self, tokens=0, d=8, classes=4):
        super().__init__()
        self.embedding = nn.Embedding(tokens, d) if tokens else nn.Identity()
        self.convs = nn.ModuleList(nn.Conv1d(d, 6, k) for k in (2, 3, 4))
        self.head = nn.Linear(18, classes)

    def forward(self, x):
        x = self.embedding(x).transpose(1, 2)
        return self.head(torch.cat([torch.relu(c(x)).amax(2) for c in self.convs], 1))


def image(n=2, size=32):
    return torch.randn(n, 3, size, size)


def tokens(n=3, length=9, count=20):
    return torch.randint(0, count, (n, length))


models = {
    "resnet18": (lambda: resnet18(), lambda: image()),
    "mobilenet_v2": (lambda: MobileNetV2(), lambda: image()),
    "efficientnet_b0": (lambda: EfficientNetB0(), lambda: image()),
    "vgg_bn": (lambda: VggBn(), lambda: image()),
    "lstm": (lambda: LstmClassifier(), lambda: torch.randn(3, 7, 6)),
    "lstm_tokens": (lambda: LstmClassifier(both=False, tokens=20), lambda: tokens()),
    "gru": (lambda: GruClassifier(), lambda: torch.randn(3, 7, 6)),
    "transformer": (lambda: TransformerClassifier(), lambda: torch.randn(3, 7, 16)),
    "transformer_time_first": (lambda: TransformerClassifier(first=False, act="gelu", before=True),
                               lambda: torch.randn(3, 7, 16)),
    "attention": (lambda: OwnAttention(), lambda: torch.randn(3, 6, 16)),
    "attention_token": (lambda: OwnAttention(causal=False), lambda: torch.randn(3, 6, 16)),
    "text_cnn": (lambda: TextCnn(), lambda: torch.randn(3, 9, 8)),
    "text_cnn_tokens": (lambda: TextCnn(tokens=20), lambda: tokens()),
}


def lively(model):
    """Batch norm as after training, not the identity that it starts as."""
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.running_mean.normal_(0, 0.3)
            m.running_var.uniform_(0.5, 2)
            m.weight.data.uniform_(0.5, 1.5)
            m.bias.data.normal_(0, 0.2)
    return model.eval()


listed = []


def without_traces(data):
    m = onnx.load_model_from_string(data)
    for n in m.graph.node:
        del n.metadata_props[:]
    for v in [*m.graph.value_info, *m.graph.input, *m.graph.output, *m.graph.initializer]:
        del v.metadata_props[:]
    del m.graph.value_info[:], m.metadata_props[:], m.graph.metadata_props[:]
    return m.SerializeToString()


def save(file, name, data, x, y=None):
    path = os.path.join(out, file + ".onnx")
    with open(path, "wb") as f:
        f.write(data)
    if y is None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        y = session.run(None, {session.get_inputs()[0].name: x})[0]
    np.save(os.path.join(out, file + "-y.npy"), y.astype(np.float32))
    listed.append("%s %s" % (file, name))
    print("%-32s %7d bytes" % (file, len(data)), "" if len(data) < LARGEST else "TOO LARGE TO COMMIT")


def export(name):
    torch.manual_seed(7)
    make, draw = models[name]
    model, x = lively(make()), draw()
    if x.is_floating_point():
        x.requires_grad_()
        model(x)[:, 1].sum().backward()
        np.save(os.path.join(out, name + "-g.npy"), x.grad.numpy())
        x = x.detach()
    np.save(os.path.join(out, name + "-x.npy"), x.numpy().astype(np.float32))
    temporary = os.path.join(out, "temporary.onnx")
    for kind in ("ts", "dynamo", "kept"):
        if kind == "kept" and name not in ("vgg_bn", "resnet18"):
            continue
        if kind == "dynamo":
            torch.onnx.export(model, (x,), temporary, dynamo=True, input_names=["x"], output_names=["y"],
                              dynamic_shapes=({0: torch.export.Dim("batch")},), external_data=False, verbose=False)
        else:
            torch.onnx.export(model, (x,), temporary, dynamo=False, input_names=["x"], output_names=["y"],
                              dynamic_axes={"x": {0: "batch"}}, opset_version=17, do_constant_folding=kind == "ts",
                              training=torch.onnx.TrainingMode.PRESERVE if kind == "kept" else torch.onnx.TrainingMode.EVAL)
        with open(temporary, "rb") as f:
            save("%s-%s" % (name, kind), name, without_traces(f.read()), x.numpy())
    os.remove(temporary)


def sklearn_mlp():
    from skl2onnx import to_onnx
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    draw = np.random.default_rng(3)
    x = draw.normal(2, 3, (60, 5)).astype(np.float32)
    labels = (x[:, 0] + x[:, 1] > 4).astype(int) + (x[:, 2] > 3)
    pipe = make_pipeline(StandardScaler(), MLPClassifier((8, 6), max_iter=300, random_state=1)).fit(x, labels)
    m = to_onnx(pipe, x[:1], options={"zipmap": False})
    data = m.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    np.save(os.path.join(out, "sklearn_mlp-x.npy"), x[:4])
    save("sklearn_mlp", "sklearn_mlp", data, x[:4], session.run(["probabilities"], {session.get_inputs()[0].name: x[:4]})[0])


if __name__ == "__main__":
    wanted = sys.argv[1:] or [*models, "sklearn_mlp"]
    for name in wanted:
        sklearn_mlp() if name == "sklearn_mlp" else export(name)
    if len(wanted) == len(models) + 1:
        with open(os.path.join(out, "models.txt"), "w") as f:
            f.write("\n".join(listed) + "\n")
