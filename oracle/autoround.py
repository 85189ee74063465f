#!/usr/bin/env python3
"""AutoRound's three packings, as AutoRound writes them, and what its own layers decode them to.

    python3 oracle/autoround.py convert/source/testdata/producers

Versions: auto-round 0.16.1, transformers 5.24.0, torch 2.15.0.
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")

import torch
from auto_round import AutoRound
from auto_round.export.export_to_awq.utils import dequantize_gemm
from auto_round_extension.torch.qlinear_torch import QuantLinear
from auto_round_extension.torch.qlinear_torch_zp import QuantLinear as QuantLinearLess1
from transformers import AutoModelForCausalLM, AutoTokenizer

from kept import model_of, read_arrays, write_kept
from small import base, config_of

DECODED = torch.float16

# name: bits, group, symmetric, format
CASES = {
    "autoround-2bit": (2, 32, False, "auto_round"),
    "autoround-3bit-gptq": (3, 64, False, "auto_round:auto_gptq"),
    "autoround-4bit": (4, 32, True, "auto_round"),  # packed as auto_round:auto_gptq
    "autoround-4bit-own": (4, 32, False, "auto_round"),
    "autoround-4bit-awq": (4, 32, False, "auto_round:auto_awq"),
    "autoround-4bit-moe": (4, 32, True, "auto_round"),
    "autoround-5bit": (5, 32, False, "auto_round"),
    "autoround-6bit-awq": (6, 32, False, "auto_round:auto_awq"),
    "autoround-7bit": (7, 64, False, "auto_round"),
    "autoround-8bit": (8, 32, True, "auto_round"),
}


def model_config(name):
    return config_of("moe" if "moe" in name else "dense")


def make(name, out):
    bits, group, sym, form = CASES[name]
    source = base(model_config(name))
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float16)
    tokenizer = AutoTokenizer.from_pretrained(source)
    # no rounds of tuning: rounding to nearest needs no data set, and is packed the same
    AutoRound(model, tokenizer, bits=bits, group_size=group, sym=sym, iters=0, device_map="cpu",
              disable_opt_rtn=True).quantize_and_save(str(out), format=form)


def layer_weight(kind, bits, group, codes, zeros, scales):
    """What a layer of AutoRound multiplies by: it is given the identity."""
    rows, cols = scales.shape[1], scales.shape[0] * group
    layer = kind(bits, group, cols, rows, bias=False)
    layer.qweight, layer.qzeros, layer.scales = codes, zeros, scales.float()
    return layer(torch.eye(cols)).T.contiguous()


def decode(name, out):
    bits, group, _, _ = CASES[name]
    config = json.loads((out / "config.json").read_text())["quantization_config"]
    packing = config.get("packing_format", config["quant_method"])  # AutoRound chooses by bits and symmetry
    arrays, weights = read_arrays(out), {}
    for n, a in arrays.items():
        stem, _, part = n.rpartition(".")
        if part == "qweight":
            zeros, scales = arrays[stem + ".qzeros"], arrays[stem + ".scales"]
            if "awq" in packing:
                w = dequantize_gemm(a, zeros, scales.float(), bits, group).T.contiguous()
            else:
                w = layer_weight(QuantLinearLess1 if "gptq" in packing else QuantLinear, bits, group, a, zeros, scales)
            weights[stem + ".weight"] = (w, True)
        elif part not in ("qzeros", "scales", "g_idx"):
            weights[n] = (a, True)
    return weights


def main(folder, *only):
    for name in only or CASES:
        out = Path(folder) / name
        model_of(out, lambda: make(name, out))
        write_kept(out, decode(name, out), model_config(name), DECODED)


if __name__ == "__main__":
    main(*sys.argv[1:])
