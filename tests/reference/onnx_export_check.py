"""Whether ONNX Runtime computes from `lunette export --format onnx` what the run predicted, encoding included.

    python3 tests/reference/onnx_export_check.py build/lunette       (numpy, onnx, onnxruntime)

Runs small experiments on a table with numbers, categories and missing values, one for each way to encode them, exports
their models, feeds the raw columns of every row to ONNX Runtime and compares with the stored outputs. Prints the greatest
difference of each; exit status 1 where one is above 1e-5.
"""
import csv
import json
import os
import sqlite3
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime

lunette = os.path.abspath(sys.argv[1])
encodings = ['{}', '{ numeric = "minmax" }', '{ numeric = "none", missing = "median" }', '{ categorical = "ordinal" }',
             '{ missing = "indicator" }', '{ missing = "category" }', '{ categorical = "ordinal", missing = "category" }',
             '{ categorical = "ordinal", missing = "indicator" }']
layers = ['dense { 8 }, relu, dense { 2 }', 'dense { 6 }, gelu, dense { 6 }, silu, dense { 4 }, mish, dense { 2 }, softmax',
          'dense { 6 }, softplus { beta = 2 }, dense { 6 }, hardtanh, dense { 6 }, celu, dense { 3 }, logsigmoid, dense { 2 }']
draw = np.random.default_rng(11)
worst = 0
pictures = [
    'conv2d { 6, kernel_size = 3, padding = 1 }, batch_norm2d, relu6, max_pool2d { 3, stride = 2, padding = 1 }, '
    'conv2d { 6, kernel_size = 3, groups = 3, dilation = 2, padding = 2 }, hardswish, adaptive_avg_pool2d { 1 }, flatten, dense { 3 }',
    'conv2d { 4, kernel_size = { 3, 2 }, stride = 2 }, instance_norm2d, elu, conv_transpose2d { 4, kernel_size = 3, stride = 2 }, '
    'avg_pool2d { 2, padding = 1 }, flatten, layer_norm { 36 * 4 }, dense { 3 }, log_softmax',
]

sequences = ['lstm { 5, bidirectional = true }, gelu { approximate = "tanh" }, lstm { 4, last = true }, dense { 3 }',
             'gru { 5 }, gru { 4, bidirectional = true, last = true }, dense { 2 }',
             'rnn { 5, nonlinearity = "relu", bidirectional = true }, rnn { 3, bias = false }, flatten, dense { 2 }']


def compare(what, session, feeds):
    """The run's predictions in out/prediction.npy against ONNX Runtime's; the greatest difference."""
    got, wanted = session.run(None, feeds)[0], np.load("out/prediction.npy")
    difference = float(np.abs(got - wanted).max())
    print("%-55s %d rows, greatest difference %.2g" % (what, len(got), difference))
    return difference


def export():
    for form in ("onnx", "npy"):
        subprocess.run([lunette, "export", "last", "--db", "e.db", "--format", form, "-o", "out", "--quiet"], check=True,
                       stdout=subprocess.DEVNULL)
    onnx.checker.check_model(onnx.load("out/model.onnx"))
    return onnxruntime.InferenceSession("out/model.onnx", providers=["CPUExecutionProvider"])


with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    with open("data.csv", "w") as f:
        f.write("age,income,job,town,class\n")
        for i in range(120):
            cells = ["%.3f" % draw.normal(40, 12), "%.2f" % draw.lognormal(8, 1), draw.choice(["clerk", "smith", "cook, old"]),
                     draw.choice(["a", "b"]), str(i % 2)]
            for j in range(4):
                if draw.random() < 0.12:
                    cells[j] = ""
            csv.writer(f).writerow(cells)
    for number, encoding in enumerate(encodings):
        with open("script.lua", "w") as f:
            f.write('return experiment "e" { data = csv "data.csv" { target = "class", split = { train = 0.7, test = 0.3 } },\n'
                    'model = network { encode = %s, %s }, train = { epochs = 3 } }\n'
                    % (encoding, layers[number % len(layers)]))
        subprocess.run([lunette, "run", "script.lua", "--db", "e.db", "--quiet"], check=True, stdout=subprocess.DEVNULL)
        session = export()
        listed = [line for line in csv.reader(open("out/index.csv")) if line[0] == "prediction"][0][3]
        db = sqlite3.connect("e.db")
        raw = dict(db.execute("SELECT idx, raw FROM sample"))
        rows = [json.loads(raw[int(i)]) for i in listed.split()]
        feeds = {}
        for column in session.get_inputs():
            cells = [row.get(column.name) for row in rows]
            if "double" in column.type:
                feeds[column.name] = np.array([[np.nan if c is None else float(c)] for c in cells])
            else:
                feeds[column.name] = np.array([["" if c is None else str(c)] for c in cells], dtype=object)
        worst = max(worst, compare(encoding, session, feeds))
    x = draw.normal(size=(7, 2, 12, 10)).astype(np.float32)
    np.save("x.npy", x)
    for layers in pictures:
        with open("script.lua", "w") as f:
            f.write('return experiment "e" { inputs = npy "x.npy", model = network { input = { 2, 12, 10 }, %s } }\n' % layers)
        subprocess.run([lunette, "run", "script.lua", "--db", "e.db", "--quiet"], check=True, stdout=subprocess.DEVNULL)
        worst = max(worst, compare(layers[:50] + " ...", export(), {"input": x}))
    def check(layers, shape, x):
        """A declared network on rows of an array."""
        np.save("x.npy", x)
        with open("script.lua", "w") as f:
            f.write('return experiment "e" { inputs = npy "x.npy", model = network { input = { %s }, %s } }\n' % (shape, layers))
        subprocess.run([lunette, "run", "script.lua", "--db", "e.db", "--quiet"], check=True, stdout=subprocess.DEVNULL)
        return compare(layers[:50] + " ...", export(), {"input": x})

    for layers in sequences:
        worst = max(worst, check(layers, "6, 4", draw.normal(size=(7, 6, 4)).astype(np.float32)))
    worst = max(worst, check("embedding { 9, 4 }, lstm { 3, last = true }, dense { 2 }", "6",
                             draw.integers(0, 9, (7, 6)).astype(np.float32)))
sys.exit(int(worst > 1e-5))
