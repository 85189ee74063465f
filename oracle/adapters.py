#!/usr/bin/env python3
"""Adapters as PEFT and mlx-lm make them, and what the two fuse of them.

    python3 oracle/adapters.py convert/adapter/testdata

writes two small random checkpoints (float32), adapters of every kind for them, and beside each adapter
fused.safetensors: the tensors that its maker's own merge changes. TestOracle in convert/adapter holds
qimport's numbers to these. Versions: peft 0.21.2, transformers 5.24.0, torch 2.15.0, mlx-lm 0.32.2, mlx
0.32.4.
"""

import json
import shutil
import sys
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import torch
from mlx.utils import tree_flatten, tree_unflatten
from mlx_lm.tuner.utils import linear_to_lora_layers, load_adapters
from mlx_lm.utils import load_model
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, Qwen3Config, Qwen3MoeConfig

SIZES = dict(
    vocab_size=48, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
    num_key_value_heads=1, head_dim=16, max_position_embeddings=64, tie_word_embeddings=False,
    rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
)


def make_bases(out):
    """Random checkpoints as transformers saves them; mlx-lm reads them too."""
    torch.manual_seed(1)
    moe = Qwen3MoeConfig(**SIZES, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=24,
                         norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[])
    for name, config in (("dense", Qwen3Config(**SIZES)), ("moe", moe)):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
        for p in model.parameters():
            p.data = torch.randn_like(p) * 0.2
        model.save_pretrained(out / name)
        for extra in ("generation_config.json",):
            (out / name / extra).unlink(missing_ok=True)
        # mlx-lm reads the older spelling of these
        path = out / name / "config.json"
        written = json.loads(path.read_text())
        written["rope_theta"] = 10000.0
        if name == "moe":
            written["num_experts"] = config.num_experts
        path.write_text(json.dumps(written, indent=1, sort_keys=True) + "\n")


def randomize(model, only):
    """An adapter that was never trained changes nothing."""
    g = torch.Generator().manual_seed(7)
    for name, p in model.named_parameters():
        if only(name):
            p.data += torch.randn(p.shape, generator=g) * 0.1


def peft_cases(base):
    everywhere = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    if base == "moe":
        return {
            "parameters": LoraConfig(r=3, lora_alpha=6, target_modules=["q_proj"], lora_dropout=0.0,
                                     target_parameters=["mlp.experts.gate_up_proj", "mlp.experts.down_proj"]),
            "router": LoraConfig(r=2, lora_alpha=4, target_modules=["mlp.gate"]),
        }
    return {
        "lora": LoraConfig(r=4, lora_alpha=8, target_modules=everywhere),
        "rslora": LoraConfig(r=5, lora_alpha=8, use_rslora=True, target_modules=everywhere,
                             rank_pattern={"layers.1.self_attn.q_proj": 2, r"layers\.\d+\.mlp\.up_proj": 3},
                             alpha_pattern={"down_proj": 32}),
        "dora": LoraConfig(r=4, lora_alpha=8, use_dora=True, target_modules=everywhere),
        "save": LoraConfig(r=4, lora_alpha=8, target_modules=["embed_tokens", "q_proj"],
                           modules_to_save=["lm_head", "norm"]),
    }


def later_cases():
    """Made after all others, which draw from the same random numbers."""
    return {
        "tokens": LoraConfig(r=2, lora_alpha=4, target_modules=["v_proj"],
                             trainable_token_indices={"embed_tokens": [7, 3, 4, 5, 47], "lm_head": [5, 0]}),
    }


def make_peft(out, base, cases):
    for name, config in cases.items():
        to = out / f"peft-{base}-{name}"
        model = AutoModelForCausalLM.from_pretrained(out / base, dtype=torch.float32)
        before = {k: v.clone() for k, v in model.state_dict().items()}
        adapted = get_peft_model(model, config)
        randomize(adapted, lambda n: "lora_" in n or "modules_to_save" in n or "trainable_tokens_delta" in n)
        adapted.save_pretrained(to)
        (to / "README.md").unlink(missing_ok=True)
        path = to / "adapter_config.json"
        written = json.loads(path.read_text())
        written["base_model_name_or_path"] = base
        path.write_text(json.dumps(written, indent=1, sort_keys=False) + "\n")
        again = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(out / base, dtype=torch.float32), to)
        after = again.merge_and_unload().state_dict()
        changed = {k: v.contiguous() for k, v in after.items() if not torch.equal(v, before[k])}
        save_file(changed, to / "fused.safetensors")


def make_mlx(out, base):
    everywhere = ["self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj", "model.embed_tokens", "lm_head"]
    if base == "moe":
        everywhere = ["self_attn.q_proj", "mlp.gate", "mlp.switch_mlp.gate_proj", "mlp.switch_mlp.up_proj",
                      "mlp.switch_mlp.down_proj"]
    kinds = ("lora",) if base == "moe" else ("lora", "dora", "full")
    for kind in kinds:
        to = out / f"mlx-{base}-{kind}"
        to.mkdir(parents=True)
        parameters = {"rank": 3, "scale": 2.5, "dropout": 0.0, "keys": everywhere}
        config = {"fine_tune_type": kind, "num_layers": 2, "lora_parameters": parameters}
        (to / "adapter_config.json").write_text(json.dumps(config, indent=1) + "\n")
        mx.random.seed(3)
        model, _ = load_model(out / base)
        if kind == "full":
            arrays = {k: v + 0.1 for k, v in tree_flatten(model.parameters()) if ".layers.1.mlp" in k or ".norm." in k}
        else:
            linear_to_lora_layers(model, 2, parameters, use_dora=kind == "dora")
            arrays = {k: v + 0.1 * mx.random.normal(v.shape) for k, v in tree_flatten(model.parameters())
                      if k.rsplit(".", 1)[-1] in ("lora_a", "lora_b", "m")}
        mx.save_safetensors(str(to / "adapters.safetensors"), arrays)
        before = dict(tree_flatten(load_model(out / base)[0].parameters()))
        model = load_adapters(load_model(out / base)[0], str(to))
        fused = [(n, m.fuse()) for n, m in model.named_modules() if hasattr(m, "fuse")]
        model.update_modules(tree_unflatten(fused))
        after = dict(tree_flatten(model.parameters()))
        changed = {k: v for k, v in after.items() if not mx.array_equal(v, before[k])}
        mx.save_safetensors(str(to / "fused.safetensors"), changed)


def main():
    out = Path(sys.argv[1])
    mx.set_default_device(mx.cpu)
    for old in (*out.glob("peft-*"), *out.glob("mlx-*"), out / "dense", out / "moe"):
        shutil.rmtree(old, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    make_bases(out)
    for base in ("dense", "moe"):
        make_peft(out, base, peft_cases(base))
        make_mlx(out, base)
    make_peft(out, "dense", later_cases())


if __name__ == "__main__":
    main()
