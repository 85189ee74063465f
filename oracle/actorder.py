#!/usr/bin/env python3
"""compressed-tensors with weight_g_idx, and what its own compressor decodes it to.

    python3 oracle/actorder.py convert/source/testdata/producers

makes a small random model whose groups lie apart, as GPTQ's activation order leaves them: of four inputs, say,
the first and the third may be of group 1. Release 0.19 neither writes nor reads that. Versions:
compressed-tensors 0.13.0, transformers 5.24.0, torch 2.15.0.
"""

import json
import sys
from pathlib import Path

import torch
from compressed_tensors.compressors import PackedQuantizationCompressor
from compressed_tensors.quantization import QuantizationArgs
from compressed_tensors.quantization.utils import calculate_qparams
from safetensors.torch import save_file

from kept import model_of, read_arrays, write_kept
from small import base, config_of

GROUP = 32
DECODED = torch.bfloat16  # what qimport stores of weights that no format of MLX holds

# name: whether the weights of modules with this in their names are symmetric
CASES = {"ct-w4-act-order": {"self_attn": True, "mlp": False}}


def args_of(symmetric):
    return QuantizationArgs(num_bits=4, type="int", symmetric=symmetric, strategy="group", group_size=GROUP, actorder="group")


def order(columns, generator):
    """Groups are filled in the order of activations, any order here."""
    g_idx = torch.empty(columns, dtype=torch.int32)
    g_idx[torch.randperm(columns, generator=generator)] = torch.arange(columns, dtype=torch.int32) // GROUP
    return g_idx


def quantized(weight, args, generator):
    """A module's arrays."""
    g_idx = order(weight.shape[1], generator)
    grouped = weight[:, torch.argsort(g_idx, stable=True)].reshape(weight.shape[0], -1, GROUP)
    scale, zero = calculate_qparams(grouped.amin(2), grouped.amax(2), args)
    arrays = {"weight_scale": scale, "weight_g_idx": g_idx}
    arrays |= PackedQuantizationCompressor().compress_weight(
        weight=weight, scale=scale, zero_point=zero, g_idx=g_idx, quantization_args=args)
    return arrays


def make(name, out):
    generator, arrays = torch.Generator().manual_seed(3), {}
    folder = base(config_of("dense"))
    for key, a in read_arrays(folder).items():
        symmetric = [s for part, s in CASES[name].items() if part in key and a.dim() == 2]
        if not symmetric:
            arrays[key] = a.bfloat16()
            continue
        made = quantized(a.bfloat16(), args_of(symmetric[0]), generator)
        arrays |= {key.removesuffix("weight") + part: b.contiguous() for part, b in made.items()}
    out.mkdir(parents=True)
    save_file(arrays, out / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text()) | {"dtype": "bfloat16"}
    config["quantization_config"] = {
        "quant_method": "compressed-tensors", "format": "pack-quantized", "version": "0.13.0", "ignore": ["lm_head"],
        "config_groups": {
            part: {"targets": [f"re:.*{part}.*_proj$"], "format": "pack-quantized", "weights": args_of(s).model_dump(mode="json")}
            for part, s in CASES[name].items()
        },
    }
    (out / "config.json").write_text(json.dumps(config, indent=1))


def decode(name, out):
    """Every weight, with whether qimport keeps its very numbers."""
    arrays, weights = read_arrays(out), {}
    for key, a in arrays.items():
        module, _, part = key.rpartition(".")
        if part == "weight_g_idx":
            own = {n.rpartition(".")[2]: b for n, b in arrays.items() if n.rpartition(".")[0] == module}
            own["weight_scale"] = own["weight_scale"].float()  # so that the products are not rounded
            symmetric = next(s for part, s in CASES[name].items() if part in key)
            weights[module + ".weight"] = (PackedQuantizationCompressor().decompress_weight(own, args_of(symmetric)), False)
        elif module + ".weight_g_idx" not in arrays:
            weights[key] = (a, True)
    return weights


def main(folder, *only):
    for name in only or CASES:
        out = Path(folder) / name
        model_of(out, lambda: make(name, out))
        write_kept(out, decode(name, out), config_of("dense"), DECODED)


if __name__ == "__main__":
    main(*sys.argv[1:])
