#!/usr/bin/env python3
"""GPTQ as GPTQModel writes it, and what GPTQModel decodes it to.

    python3 oracle/gptq.py convert/source/testdata/oracle

makes small random checkpoints, quantizes them on the CPU, and writes beside each oracle.json: for every
matrix the SHA-256 of its values, float32 in the order of its rows, as GPTQModel's own kernel unpacks them,
and the log-probabilities of a model of transformers with these weights, in float32. TestOracle in
convert/source and in runtime hold qimport to both. Versions: gptqmodel 7.7.0, transformers 5.24.0, torch
2.15.0.
"""

import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")  # its pool of loaders takes no fewer
os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")

import torch
from gptqmodel import BACKEND, GPTQModel, QuantizeConfig
from gptqmodel.nn_modules.qlinear import BaseQuantLinear

from small import base, decoded, prompts, write_oracle

# name: what GPTQModel is asked for, dense or mixture of experts
CASES = {
    "gptq-4bit-g32": (dict(bits=4, group_size=32, sym=True, desc_act=False), "dense"),
    "gptq-4bit-asym": (dict(bits=4, group_size=64, sym=False, desc_act=False), "dense"),
    "gptq-4bit-v2-asym": (dict(bits=4, group_size=32, sym=False, desc_act=False, format="gptq_v2"), "dense"),
    "gptq-4bit-act-order": (dict(bits=4, group_size=32, sym=True, desc_act=True), "dense"),
    "gptq-3bit-asym": (dict(bits=3, group_size=64, sym=False, desc_act=False), "dense"),
    "gptq-8bit-column": (dict(bits=8, group_size=-1, sym=True, desc_act=False, act_group_aware=False), "dense"),
    "gptq-4bit-moe": (dict(bits=4, group_size=32, sym=True, desc_act=False), "moe"),
}


def quantize(source, out, config):
    model = GPTQModel.load(str(source), QuantizeConfig(**config, device="cpu"), backend=BACKEND.TORCH)
    model.quantize([{"input_ids": p, "attention_mask": [1] * len(p)} for p in prompts()], batch_size=1)
    model.save(str(out))


def unpack(out):
    """The matrices of every quantized layer, [out, in], from the scales in float32."""
    model = GPTQModel.load(str(out), backend=BACKEND.TORCH, device="cpu", dtype=torch.float16)
    weights = {}
    for name, module in model.model.named_modules():
        if isinstance(module, BaseQuantLinear):
            module.scales = module.scales.float()
            weights[name + ".weight"] = module.dequantize_weight().T.contiguous()
    return weights


def main(folder, *only):
    for name, (config, kind) in CASES.items():
        if only and name not in only:
            continue
        out = Path(folder) / name
        shutil.rmtree(out, ignore_errors=True)
        quantize(base(kind), out, config)
        for extra in out.iterdir():
            if extra.name not in ("config.json", "quantize_config.json") and extra.suffix != ".safetensors":
                extra.unlink()
        write_oracle(out, decoded(out, unpack(out)), kind)


if __name__ == "__main__":
    main(*sys.argv[1:])
