#!/usr/bin/env python3
"""AutoRound's three packings, as AutoRound writes them, and what its own layers decode them to.

    python3 oracle/autoround.py convert/source/testdata/oracle

works as oracle/gptq.py does, which see. Versions: auto-round 0.16.1, transformers 5.24.0, torch 2.15.0.
"""

import json
import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")

import torch
from auto_round import AutoRound
from auto_round.export.export_to_awq.utils import dequantize_gemm
from auto_round_extension.torch.qlinear_torch import QuantLinear
from auto_round_extension.torch.qlinear_torch_zp import QuantLinear as QuantLinearLess1
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

from small import base, decoded, write_oracle

# name: bits, group, symmetric, format, dense or mixture of experts
CASES = {
    "autoround-4bit": (4, 32, True, "auto_round", "dense"),  # packed as auto_round:auto_gptq
    "autoround-4bit-own": (4, 32, False, "auto_round", "dense"),
    "autoround-3bit-gptq": (3, 64, False, "auto_round:auto_gptq", "dense"),
    "autoround-4bit-awq": (4, 32, False, "auto_round:auto_awq", "dense"),
    "autoround-2bit-gptq": (2, 32, True, "auto_gptq", "dense"),
    "autoround-4bit-moe": (4, 32, True, "auto_round", "moe"),
}


def quantize(source, out, bits, group, sym, form):
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


def unpack(out, bits, group):
    config = json.loads((out / "config.json").read_text())["quantization_config"]
    packing = config.get("packing_format", config["quant_method"])  # AutoRound chooses by bits and symmetry
    weights = {}
    for shard in sorted(out.glob("*.safetensors")):
        with safe_open(shard, "pt") as f:
            for name in f.keys():
                if not name.endswith(".qweight"):
                    continue
                stem = name.removesuffix(".qweight")
                arrays = [f.get_tensor(f"{stem}.{p}") for p in ("qweight", "qzeros", "scales")]
                if "awq" in packing:
                    w = dequantize_gemm(*arrays[:2], arrays[2].float(), bits, group).T.contiguous()
                else:
                    kind = QuantLinearLess1 if "gptq" in packing else QuantLinear
                    w = layer_weight(kind, bits, group, *arrays)
                weights[stem + ".weight"] = w
    return weights


def main(folder, *only):
    for name, (bits, group, sym, form, kind) in CASES.items():
        if only and name not in only:
            continue
        out = Path(folder) / name
        shutil.rmtree(out, ignore_errors=True)
        quantize(base(kind), out, bits, group, sym, form)
        for made in list(out.rglob("*.safetensors")):  # it saves to a folder in the folder
            if made.parent != out:
                for file in made.parent.iterdir():
                    shutil.move(file, out / file.name)
        for extra in out.iterdir():
            if extra.is_dir():
                shutil.rmtree(extra)
            elif extra.name != "config.json" and extra.suffix != ".safetensors":
                extra.unlink()
        write_oracle(out, decoded(out, unpack(out, bits, group)), kind)


if __name__ == "__main__":
    main(*sys.argv[1:])
