"""Draws of ln_rng, computed independently: prints the arrays of tests/engine/test_base_rng.c.

Philox4x32-10 as published by Salmon et al. (2011), the key from hashlib's SHA-256.
    python3 tests/reference/base/rng.py
"""
import hashlib
import math
import struct


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k[1], p0 & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def words(seed, purpose, stream, row):
    digest = hashlib.sha256(struct.pack("<QQ", seed, stream) + purpose.encode()).digest()
    key = struct.unpack("<II", digest[:8])
    block = 0
    while True:
        yield from philox([block & 0xFFFFFFFF, block >> 32, row & 0xFFFFFFFF, row >> 32], key)
        block += 1


def uniform(w):
    high, low = next(w) >> 5, next(w) >> 6
    return (high * 67108864 + low) / 2**53


def normal(w):
    radius = math.sqrt(-2 * math.log(1 - uniform(w)))
    return radius * math.cos(2 * math.pi * uniform(w))


def below(w, bound):
    if bound <= 1:
        return 0
    while True:
        low = next(w)
        number = next(w) << 32 | low
        if number >= 2**64 % bound:
            return number % bound


def shuffled(w, count):
    items = list(range(count))
    for left in range(count, 1, -1):
        i = below(w, left)
        items[i], items[left - 1] = items[left - 1], items[i]
    return items


if __name__ == "__main__":
    print("u32     ", [hex(x) for x, _ in zip(words(7, "lime", 0, 42), range(10))])
    print("row 2^33+5", [hex(x) for x, _ in zip(words(2**64 - 1, "shuffle", 3, 2**33 + 5), range(4))])
    w = words(1, "uniform", 0, 0)
    print("uniform ", [uniform(w).hex() for _ in range(6)])
    w = words(1, "uniform_f32", 0, 0)
    print("f32     ", [((next(w) >> 8) / 2**24).hex() for _ in range(6)])
    w = words(1, "normal", 0, 0)
    print("normal  ", [repr(normal(w)) for _ in range(6)])
    w = words(1, "below", 0, 0)
    print("below   ", [below(w, b) for b in (1, 2, 10, 1000, 2**40, 2**63 + 1, 2**63 + 1, 2**64 - 1)])
    print("shuffle ", shuffled(words(1, "shuffle", 0, 0), 12))
    w = words(0, "moments", 0, 0)
    u = [uniform(w) for _ in range(10000)]
    print("uniform moments", sum(u).hex(), sum(x * x for x in u).hex())
    w = words(0, "moments", 1, 0)
    n = [normal(w) for _ in range(10000)]
    print("normal moments ", repr(math.fsum(n)), repr(math.fsum(x * x for x in n)))
