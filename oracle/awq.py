#!/usr/bin/env python3
"""AWQ as GPTQModel writes it in AutoAWQ's form "gemm", and what it is decoded to.

    python3 oracle/awq.py convert/source/testdata/producers

AutoAWQ itself (0.2.9, the last) does not run with today's transformers; GPTQModel has taken its quantization
and its form over. Versions: gptqmodel 7.7.0, transformers 5.24.0, torch 2.15.0.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")
os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")

import torch
from gptqmodel import GPTQModel
from gptqmodel.quantization import FORMAT, METHOD, QuantizeConfig
from gptqmodel.quantization.awq.utils.packing_utils import dequantize_gemm

from kept import model_of, read_arrays, write_kept
from small import base, config_of, prompts

DECODED = torch.float16

# name: inputs that share a scale
CASES = {"awq-4bit": 32, "awq-4bit-g64": 64, "awq-4bit-moe": 32}


def model_config(name):
    # its search for where to clip takes outputs by the 64
    return config_of("moe" if "moe" in name else "dense", num_key_value_heads=2, moe_intermediate_size=64)


def make(name, out):
    asked = QuantizeConfig(quant_method=METHOD.AWQ, format=FORMAT.GEMM, bits=4, sym=False, group_size=CASES[name], device="cpu")
    model = GPTQModel.load(str(base(model_config(name))), asked)
    model.quantize([{"input_ids": p, "attention_mask": [1] * len(p)} for p in prompts()], batch_size=1)
    model.save(str(out))


def decode(name, out):
    arrays, weights = read_arrays(out), {}
    for n, a in arrays.items():
        stem, _, part = n.rpartition(".")
        if part == "qweight":
            w = dequantize_gemm(a, arrays[stem + ".qzeros"], arrays[stem + ".scales"].float(), 4, CASES[name])
            weights[stem + ".weight"] = (w.T.contiguous(), True)
        elif part not in ("qzeros", "scales"):
            weights[n] = (a, True)
    return weights


def main(folder, *only):
    for name in only or CASES:
        out = Path(folder) / name
        model_of(out, lambda: make(name, out))
        write_kept(out, decode(name, out), model_config(name), DECODED)


if __name__ == "__main__":
    main(*sys.argv[1:])
