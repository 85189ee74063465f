#!/usr/bin/env python3
"""compressed-tensors as llmcompressor writes it, and what its own compressors decode it to.

    python3 oracle/compressedtensors.py convert/source/testdata/producers
    python3 oracle/compressedtensors.py convert/source/testdata/producers --produced FIXTURES/produced

The first makes a small random model in every scheme of CASES, or in those named after the folder; the second only decodes checkpoints that are
there (ct-*) and keeps digests of their weights. Versions: llmcompressor 0.14.0, compressed-tensors 0.19.0.
"""

import sys
from pathlib import Path

import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.compressors.nvfp4.helpers import unpack_fp4_from_uint8
from compressed_tensors.quantization import QuantizationConfig
from compressed_tensors.utils.match import match_targets
from transformers import AutoConfig, AutoModelForCausalLM

from kept import keep_produced, model_of, read_arrays, write_kept
from small import base, config_of

DECODED = torch.bfloat16  # what qimport stores of weights that no format of MLX holds


def ints(bits, symmetric=True, group=32, **more):
    by = dict(strategy="group", group_size=group) if group else dict(strategy="channel")
    return dict(num_bits=bits, type="int", symmetric=symmetric, **by, **more)


def group(weights, targets=("Linear",), **more):
    return dict(targets=list(targets), weights=weights, **more)


A8 = dict(num_bits=8, type="int", symmetric=True, strategy="token", dynamic=True)
F8 = dict(num_bits=8, type="float", symmetric=True)
MX8 = dict(num_bits=8, type="float", symmetric=True, strategy="group", group_size=32, scale_dtype="torch.uint8")

CASES = {
    "ct-w4": [group(ints(4))],
    "ct-w4-asym": [group(ints(4, symmetric=False))],
    "ct-w4-moe": [group(ints(4))],
    "ct-w2-g64-asym": [group(ints(2, symmetric=False, group=64))],
    "ct-w3-row": [group(ints(3, group=0))],
    "ct-w5-asym": [group(ints(5, symmetric=False))],
    "ct-w6-row-asym": [group(ints(6, symmetric=False, group=0))],
    "ct-w7": [group(ints(7))],
    "ct-w8-row": [group(ints(8, group=0))],
    "ct-w4-g16": [group(ints(4, group=16))],
    "ct-w8a8": [group(ints(8, group=0), input_activations=A8)],
    "ct-w4a8-asym": [group(ints(4, symmetric=False), input_activations=A8)],
    "ct-fp8-g32": [group(dict(F8, strategy="group", group_size=32))],
    "ct-fp8-row": [group(dict(F8, strategy="channel"))],
    "ct-fp8-block": [group(dict(F8, strategy="block", block_structure=[32, 32]))],
    "ct-mxfp8": [group(MX8)],
    "ct-nvfp4": [group(dict(num_bits=4, type="float", symmetric=True, strategy="tensor_group", group_size=16, scale_dtype="torch.float8_e4m3fn"))],
    "ct-mxfp4": [group(dict(num_bits=4, type="float", symmetric=True, strategy="group", group_size=32, scale_dtype="torch.uint8"))],
    "ct-mixed": [
        group(ints(4), ["re:.*mlp.*"]),
        group(dict(F8, strategy="channel"), ["re:.*self_attn.[qkv]_proj$"]),
        group(ints(8, group=0), ["model.layers.0.self_attn.o_proj"]),
        group(MX8, ["Linear"]),
    ],
    "ct-fused-rotation": [group(ints(4))],
}


def model_config(name):
    return config_of("moe" if "moe" in name else "dense")


def make(name, out):
    from llmcompressor import oneshot
    from llmcompressor.modifiers.quantization import QuantizationModifier

    model = AutoModelForCausalLM.from_pretrained(base(model_config(name)), dtype=torch.bfloat16)
    groups = {f"group_{i}": g for i, g in enumerate(CASES[name])}
    ignore = [] if name == "ct-mixed" else ["lm_head"]
    recipe = [QuantizationModifier(config_groups=groups, ignore=ignore)]
    if "rotation" in name:
        from llmcompressor.modifiers.transform import SpinQuantModifier
        recipe.insert(0, SpinQuantModifier(rotations=["R1", "R2"], transform_type="hadamard"))
    oneshot(model=model, recipe=recipe)
    model.save_pretrained(out, save_compressed=True)


def decode(folder):
    """Every weight as its compressor decodes it, with whether qimport has to decode it too."""
    config = AutoConfig.from_pretrained(folder).quantization_config
    config = config if isinstance(config, dict) else config.to_dict()
    config = config.get("quantization_config", config)
    config = QuantizationConfig.model_validate({k: v for k, v in config.items() if k != "transform_config"})
    schemes = {t: s for s in config.config_groups.values() for t in s.targets}
    arrays, weights = read_arrays(folder), {}
    modules = {n.rpartition(".")[0] for n in arrays if n.endswith("weight_scale")}
    for module in sorted(modules):
        linear = torch.nn.Linear(1, 1)
        scheme = schemes[match_targets(module, linear, schemes)[0]]
        own = {n.rpartition(".")[2]: a for n, a in arrays.items() if n.rpartition(".")[0] == module}
        if own["weight_scale"].dtype in (torch.bfloat16, torch.float16):  # so that the products are not rounded
            own["weight_scale"] = own["weight_scale"].float()
        compressor = BaseCompressor.get_value_from_registry(scheme.format or config.format)
        if "weight_global_scale" in own:
            weight = unpack_nvfp4(own)
        else:
            weight = compressor.decompress(own, scheme)["weight"]
        weights[module + ".weight"] = (weight, is_kept(scheme.weights, weight.shape[1]))
    for name, a in arrays.items():
        if name.rpartition(".")[0] not in modules:
            weights[name] = (a, True)
    return weights


def unpack_nvfp4(own):
    """Its compressor decodes to bf16 only; this is the same in float32, with one rounding."""
    packed = own["weight_packed"]
    codes = unpack_fp4_from_uint8(packed, packed.shape[0], 2 * packed.shape[1], dtype=torch.float32)
    return codes * own["weight_scale"].float().repeat_interleave(16, 1) * (1 / own["weight_global_scale"].float())


def is_kept(w, columns):
    if w.type == "float":
        return w.num_bits == 4 or w.scale_dtype == torch.uint8
    return (w.group_size if w.strategy == "group" else columns) % 32 == 0


def main(folder, *rest):
    if "--produced" in rest:
        return keep_produced(Path(folder) / "produced-ct.json", Path(rest[1]).glob("ct-*"), decode)
    for name in rest or CASES:
        out = Path(folder) / name
        model_of(out, lambda: make(name, out))
        write_kept(out, decode(out), model_config(name), DECODED)


if __name__ == "__main__":
    main(*sys.argv[1:])
