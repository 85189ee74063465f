#!/usr/bin/env python3
"""Codes as compressed-tensors packed them before 0.18: none is cut by a word's end.

    python3 oracle/wholewords.py quant/testdata/wholewords.json

Codes and zero points are those of a formula, which the test has too. 0.8 to 0.17 pack so; 0.18 lets codes run on
from word to word. Versions: compressed-tensors 0.13.0, torch 2.15.0.
"""

import base64
import json
import sys

import torch
from compressed_tensors.compressors.quantized_compressors.pack_quantized import pack_to_int32

ROWS, INPUTS, GROUPS = 32, 64, 2


def numbers(rows, n, bits):
    """[rows, n], around 0"""
    r, k = torch.arange(rows).unsqueeze(1), torch.arange(n).unsqueeze(0)
    return ((k * k * 5 + r * 11 + k * r * 3 + k) % (1 << bits) - (1 << bits - 1)).to(torch.int8)


def text(words):
    return base64.b64encode(words.contiguous().numpy().tobytes()).decode()


def main(path):
    kept = {bits: {"codes": text(pack_to_int32(numbers(ROWS, INPUTS, bits), bits)),
                   "zeros": text(pack_to_int32(numbers(ROWS, GROUPS, bits), bits, packed_dim=0))} for bits in (3, 5, 6, 7)}
    with open(path, "w") as f:
        f.write(json.dumps(kept, indent=0, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
