#!/usr/bin/env python3
"""ModelOpt's checkpoints, and what its own tensor classes decode them to.

    python3 oracle/nvidia.py convert/source/testdata/producers
    python3 oracle/nvidia.py convert/source/testdata/producers --produced FIXTURES/produced

works as oracle/compressedtensors.py does, which see (checkpoints mo-*). What is tried out while searching in
nvfp4 is computed by a kernel for GPUs; without one, by the same library's conversion to nvfp4 and back.
Versions: nvidia-modelopt 0.47.0, transformers 5.17.0.
"""

import copy
import json
import sys
from pathlib import Path

import modelopt.torch.quantization as mtq
import torch
from modelopt.torch.export import export_hf_checkpoint
from modelopt.torch.quantization import tensor_quant
from modelopt.torch.quantization.qtensor import FP8QTensor, MXFP4QTensor, MXFP8QTensor, NVFP4QTensor
from transformers import AutoModelForCausalLM, Qwen3Config

from kept import keep_produced, model_of, read_arrays, write_kept
from small import SIZES, prompts

DECODED = torch.bfloat16
CONFIG = Qwen3Config(**SIZES | dict(hidden_size=128, intermediate_size=256, num_attention_heads=4), architectures=["Qwen3ForCausalLM"])

CASES = {
    "mo-w4a16-nvfp4": mtq.W4A16_NVFP4_CFG,
    "mo-mxfp4": mtq.MXFP4_DEFAULT_CFG,
    "mo-mxfp8": mtq.MXFP8_DEFAULT_CFG,
    "mo-fp8": mtq.FP8_DEFAULT_CFG,
    "mo-fp8-row": mtq.FP8_PER_CHANNEL_PER_TOKEN_CFG,
    "mo-fp8-block": mtq.FP8_2D_BLOCKWISE_WEIGHT_ONLY_CFG,
    "mo-int8": mtq.INT8_WEIGHT_ONLY_CFG,
    "mo-int8-smoothquant": mtq.INT8_SMOOTHQUANT_CFG,
    "mo-int4": mtq.INT4_BLOCKWISE_WEIGHT_ONLY_CFG,
    "mo-int4-awq": mtq.INT4_AWQ_CFG,
    "mo-nvfp4": mtq.NVFP4_DEFAULT_CFG,
    "mo-nvfp4-awq": mtq.NVFP4_AWQ_LITE_CFG,
    "mo-nvfp4-svd": mtq.NVFP4_SVDQUANT_DEFAULT_CFG,
    "mo-w4a8-nvfp4": mtq.W4A8_NVFP4_FP8_CFG,
    "mo-w4a8-mxfp4": mtq.W4A8_MXFP4_FP8_CFG,
    "mo-w4a8-awq": mtq.W4A8_AWQ_BETA_CFG,
    "mo-mixed": None,
}

REFUSED = ("mo-nvfp4-svd", "mo-w4a8-awq")  # nothing is decoded that could be compared


def mixed():
    """FP8 in attention, W4A16_NVFP4 elsewhere, as NVIDIA's own Qwen3.6 releases have it."""
    config = copy.deepcopy(mtq.W4A16_NVFP4_CFG)
    own = copy.deepcopy(mtq.FP8_DEFAULT_CFG)["quant_cfg"]
    for rule in own:
        name = rule.get("quantizer_name", "")
        if rule.get("cfg") and name in ("*weight_quantizer", "*input_quantizer"):
            config["quant_cfg"].append(rule | {"quantizer_name": "*self_attn" + name, "enable": True})
    return config


def nvfp4_and_back(inputs, block, amax, *_):
    second = NVFP4QTensor.get_weights_scaling_factor_2(inputs) if amax is None else amax.float().max() / (6 * 448)
    q, scale, second = NVFP4QTensor.quantize(inputs, block, None, second)
    return q.dequantize(inputs.dtype, scale=scale, double_scale=second, block_sizes={-1: block})


def make(name, out):
    if not torch.cuda.is_available() and name.startswith("mo-nvfp4"):
        tensor_quant.dynamic_block_quantize_op = nvfp4_and_back
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(CONFIG, dtype=torch.bfloat16)
    for parameter, p in model.named_parameters():
        noise = torch.randn(p.shape) * 0.05
        p.data = ((1 + noise) if "norm" in parameter else noise).bfloat16()
    model = mtq.quantize(model, CASES[name] or mixed(), lambda m: [m(torch.tensor([p])) for p in prompts()[:8]])
    export_hf_checkpoint(model, export_dir=out)
    if name == "mo-mixed":
        swap_prefixes(out)


def swap_prefixes(out):
    """As NVIDIA publishes it: the layers' paths go by another container than the tensors, and config.json
    says nothing."""
    path = out / "hf_quant_config.json"
    said = json.loads(path.read_text())
    layers = said["quantization"]["quantized_layers"]
    said["quantization"]["quantized_layers"] = {n.replace("model.", "language_model.model.", 1): v for n, v in layers.items()}
    path.write_text(json.dumps(said))
    path = out / "config.json"
    config = json.loads(path.read_text())
    del config["quantization_config"]
    path.write_text(json.dumps(config))


def decode(folder):
    arrays, weights = read_arrays(folder), {}
    for name, a in arrays.items():
        module = name.removesuffix(".weight")
        scale = arrays.get(name + "_scale")
        if scale is None:
            if not name.endswith(("_scale", "_scale_2", "input_scale")):
                weights[name] = (a, True)
            continue
        weight, kept = unpack(a, scale, arrays.get(name + "_scale_2"))
        inputs = arrays.get(module + ".pre_quant_scale")
        if inputs is not None:
            weight, kept = weight * inputs.float(), False
        weights[name] = (weight, kept)
    return weights


def unpack(a, scale, second):
    """A weight in float32, and whether qimport keeps its very numbers."""
    f32 = torch.float32
    if a.dtype == torch.uint8 and scale.dtype == torch.float8_e4m3fn:
        shape = torch.Size([a.shape[0], 2 * a.shape[1]])
        one = torch.ones(())  # the second scale comes last, so that the product is rounded once
        blocks = {-1: shape[1] // scale.shape[1]}
        return NVFP4QTensor(shape, f32, a).dequantize(f32, scale=scale, double_scale=one, block_sizes=blocks) * second, True
    if a.dtype == torch.uint8 and scale.dtype == torch.uint8:
        shape = torch.Size([a.shape[0], 2 * a.shape[1]])
        return MXFP4QTensor(shape, f32, a).dequantize(f32, scale=scale, block_sizes={-1: 32}).reshape(shape), True
    if a.dtype == torch.float8_e4m3fn and scale.dtype == torch.uint8:
        return MXFP8QTensor(a.shape, f32, a).dequantize(f32, scale=scale), True
    if a.dtype == torch.float8_e4m3fn and scale.dim() == 4:
        blocks = {-1: a.shape[-1] // scale.shape[2], -2: a.shape[-2] // scale.shape[0]}
        return FP8QTensor(a.shape, f32, a).dequantize(f32, scale=scale[:, 0, :, 0], block_sizes=blocks), False
    if a.dtype == torch.float8_e4m3fn:
        return a.float() * (scale[:, None] if scale.dim() == 1 else scale), False
    if a.dtype == torch.int8:
        return a.float() * scale[:, None], True
    return unpair(a) * scale.repeat_interleave(a.shape[1] // scale.shape[1], 1), True


def unpair(a):
    """The inverse of ModelOpt's pack_int4_in_uint8, which has none."""
    low, high = a & 15, a >> 4
    codes = torch.stack([low, high], 1).reshape(2 * a.shape[0], a.shape[1]).float()
    return torch.where(codes > 7, codes - 16, codes)


def main(folder, *rest):
    if "--produced" in rest:
        return keep_produced(Path(folder) / "produced-mo.json", Path(rest[1]).glob("mo-*"), decode)
    for name in rest or CASES:
        out = Path(folder) / name
        model_of(out, lambda: make(name, out))
        if name not in REFUSED:
            write_kept(out, decode(out), CONFIG, DECODED)


if __name__ == "__main__":
    main(*sys.argv[1:])
