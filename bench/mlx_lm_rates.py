"""Rates of mlx-lm on a checkpoint, as JSON: the peer of BenchmarkPrefill and BenchmarkGreedy.

    python3 bench/mlx_lm_rates.py DIR

Token ids are given, not text, so that no tokenizer's time is in it. Every figure is the median of
three runs after one that is not counted; a run ends when its last token is known.
"""
import json
import statistics
import sys
import time

import mlx.core as mx
from mlx_lm.generate import generate_step
from mlx_lm.utils import load_model
from pathlib import Path

PROMPTS = [100, 500, 2048]
DECODE = 256


def some_tokens(n):
    return mx.array([100 + i * 7919 % 900 for i in range(n)])


def first_token(model, n):
    mx.synchronize()
    begin = time.perf_counter()
    next(generate_step(some_tokens(n), model, max_tokens=1))
    return time.perf_counter() - begin


def decode(model):
    """Seconds a token, after the first of an answer to 64 tokens."""
    stamps = [time.perf_counter() for _ in generate_step(some_tokens(64), model, max_tokens=DECODE)]
    return (stamps[-1] - stamps[0]) / (len(stamps) - 1)


def median(f):
    f()
    return statistics.median(f() for _ in range(3))


def main():
    model, _ = load_model(Path(sys.argv[1]))
    rates = {"mlx": mx.__version__, "device": str(mx.default_device())}
    for n in PROMPTS:
        rates[f"prefill_{n}"] = n / median(lambda: first_token(model, n))
    rates["decode"] = 1 / median(lambda: decode(model))
    print(json.dumps(rates))


main()
