"""What scikit-learn's StandardScaler, MinMaxScaler, OneHotEncoder and OrdinalEncoder make of the
German credit data, fitted on the first 30 rows: the numbers that tests/engine/test_data_encoding.c
compares with. Run from the top of the repository; needs scikit-learn."""

import csv

import numpy as np
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

with open("experiments/data/german_credit.csv", newline="") as file:
    names, *rows = csv.reader(file)
columns = {name: [row[i] for row in rows] for i, name in enumerate(names)}
numeric = [n for n in names if all(v.replace(".", "").isdigit() for v in columns[n])]
categorical = [n for n in names if n not in numeric and n != "class"]

x = np.array([columns[n] for n in numeric], dtype=float).T
standard, minmax = StandardScaler().fit(x[:30]), MinMaxScaler().fit(x[:30])
print("numeric:", numeric)
print("mean:", [float(v) for v in standard.mean_])
print("scale:", [float(v) for v in standard.scale_])
print("min:", [float(v) for v in minmax.data_min_], "range:", [float(v) for v in minmax.data_range_])
print("standard, row 999:", standard.transform(x[999:]).astype(np.float32).tolist())

c = np.array([columns[n] for n in categorical]).T
onehot = OneHotEncoder(handle_unknown="ignore").fit(c[:30])
ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1).fit(c[:30])
print("categories:", [len(v) for v in onehot.categories_])
encoded = onehot.transform(c).toarray()
print("inputs at one, row 999:", np.flatnonzero(encoded[999]).tolist())
print("ordinal, row 999:", ordinal.transform(c[999:]).astype(int).tolist())
print("weighted sum:", float(sum((i + 1) * (j + 1) for i, j in zip(*np.nonzero(encoded)))))
unseen = np.flatnonzero(encoded.sum(1) < len(categorical))
print("rows with an unseen category:", len(unseen), "first and last:", unseen[0], unseen[-1])
