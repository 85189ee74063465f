#!/usr/bin/env python3
"""Codes as GPTQModel packs them in planes (gptq_p), of every number of bits that it has planes for.

    python3 oracle/planes.py quant/testdata/planes.json

Codes and zero points are those of a formula, which the test has too. Versions: gptqmodel 7.7.0, torch 2.15.0.
"""

import base64
import json
import sys

import torch
from gptqmodel.utils.planar_packing import planar_pack_cols, planar_pack_rows

INPUTS, ROWS, GROUPS = 64, 32, 2


def numbers(n, rows, bits):
    """[n, rows]"""
    k, r = torch.arange(n).unsqueeze(1), torch.arange(rows).unsqueeze(0)
    return (k * k * 5 + r * 11 + k * r * 3 + k) % (1 << bits)


def text(words):
    return base64.b64encode(words.to(torch.int32).contiguous().numpy().tobytes()).decode()


def main(path):
    kept = {bits: {"codes": text(planar_pack_rows(numbers(INPUTS, ROWS, bits), bits)),
                   "zeros": text(planar_pack_cols(numbers(GROUPS, ROWS, bits), bits))} for bits in (3, 5, 6, 7)}
    with open(path, "w") as f:
        f.write(json.dumps(kept, indent=0, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
