#!/usr/bin/env python3
"""GPTQ as GPTQModel writes it, and what its own kernel unpacks it to.

    python3 oracle/gptq.py convert/source/testdata/producers

makes a small random model in every scheme of CASES, or in those named after the folder. Versions: gptqmodel
7.7.0, transformers 5.24.0, torch 2.15.0.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")  # its pool of loaders takes no fewer
os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")

import torch
from gptqmodel import BACKEND, GPTQModel, QuantizeConfig
from gptqmodel.nn_modules.qlinear import BaseQuantLinear

from kept import model_of, read_arrays, write_kept
from small import base, config_of, prompts

DECODED = torch.float16  # what qimport stores of weights in the order of activations: the scales' dtype

# name: what GPTQModel is asked for
CASES = {
    "gptq-2bit-g64": dict(bits=2, group_size=64, sym=False, desc_act=False),
    "gptq-3bit-asym": dict(bits=3, group_size=64, sym=False, desc_act=False),
    "gptq-4bit-g32": dict(bits=4, group_size=32, sym=True, desc_act=False),
    "gptq-4bit-asym": dict(bits=4, group_size=64, sym=False, desc_act=False),
    "gptq-4bit-v2-asym": dict(bits=4, group_size=32, sym=False, desc_act=False, format="gptq_v2"),
    "gptq-4bit-act-order": dict(bits=4, group_size=32, sym=True, desc_act=True),
    "gptq-4bit-moe": dict(bits=4, group_size=32, sym=True, desc_act=False),
    "gptq-5bit-planes": dict(bits=5, group_size=32, sym=True, desc_act=False),
    "gptq-8bit-column": dict(bits=8, group_size=-1, sym=True, desc_act=False, act_group_aware=False),
}


def model_config(name):
    return config_of("moe" if "moe" in name else "dense")


def make(name, out):
    asked = QuantizeConfig(**CASES[name], device="cpu")
    model = GPTQModel.load(str(base(model_config(name))), asked, backend=BACKEND.TORCH)
    model.quantize([{"input_ids": p, "attention_mask": [1] * len(p)} for p in prompts()], batch_size=1)
    model.save(str(out))


def decode(name, out):
    """Every weight, with whether qimport keeps its very numbers."""
    weights = {n: (a, True) for n, a in read_arrays(out).items()
               if not n.endswith((".qweight", ".qzeros", ".scales", ".g_idx"))}
    model = GPTQModel.load(str(out), backend=BACKEND.TORCH, device="cpu", dtype=torch.float16)
    for module_name, module in model.model.named_modules():
        if isinstance(module, BaseQuantLinear):
            module.scales = module.scales.float()
            w = module.dequantize_weight().T.contiguous()
            weights[module_name + ".weight"] = (w, not CASES[name]["desc_act"])
    return weights


def main(folder, *only):
    for name in only or CASES:
        out = Path(folder) / name
        model_of(out, lambda: make(name, out))
        write_kept(out, decode(name, out), model_config(name), DECODED)


if __name__ == "__main__":
    main(*sys.argv[1:])
