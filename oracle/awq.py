#!/usr/bin/env python3
"""AWQ as GPTQModel writes it in AutoAWQ's form "gemm", and what it is decoded to.

    python3 oracle/awq.py convert/source/testdata/oracle

works as oracle/gptq.py does, which see. AutoAWQ itself (0.2.9, the last) does not run with today's
transformers; GPTQModel has taken its quantization and its form over. Versions: gptqmodel 7.7.0,
transformers 5.24.0, torch 2.15.0.
"""

import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")
os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")

import torch
from gptqmodel import BACKEND, GPTQModel
from gptqmodel.quantization import FORMAT, METHOD, QuantizeConfig
from gptqmodel.quantization.awq.utils.packing_utils import dequantize_gemm
from safetensors import safe_open

from small import base, decoded, prompts, write_oracle

CASES = {
    "awq-4bit-g32": (dict(group_size=32), "dense"),
    "awq-4bit-g64-moe": (dict(group_size=32), "moe"),
}


def quantize(source, out, config):
    asked = QuantizeConfig(quant_method=METHOD.AWQ, format=FORMAT.GEMM, bits=4, sym=False, device="cpu", **config)
    model = GPTQModel.load(str(source), asked)
    model.quantize([{"input_ids": p, "attention_mask": [1] * len(p)} for p in prompts()], batch_size=1)
    model.save(str(out))


def unpack(out, group):
    weights = {}
    with safe_open(out / "model.safetensors", "pt") as f:
        for name in f.keys():
            if name.endswith(".qweight"):
                stem = name.removesuffix(".qweight")
                codes, zeros, scales = (f.get_tensor(f"{stem}.{p}") for p in ("qweight", "qzeros", "scales"))
                weights[stem + ".weight"] = dequantize_gemm(codes, zeros, scales.float(), 4, group).T.contiguous()
    return weights


def main(folder):
    for name, (config, kind) in CASES.items():
        out = Path(folder) / name
        shutil.rmtree(out, ignore_errors=True)
        quantize(base(kind), out, config)
        for extra in out.iterdir():
            if extra.name != "config.json" and extra.suffix != ".safetensors":
                extra.unlink()
        write_oracle(out, decoded(out, unpack(out, config["group_size"])), kind)


if __name__ == "__main__":
    main(sys.argv[1])
