"""Small random models for the oracles."""

import json
import tempfile
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, Qwen3Config, Qwen3MoeConfig

SIZES = dict(
    vocab_size=96, hidden_size=64, intermediate_size=128, num_hidden_layers=1, num_attention_heads=2,
    num_key_value_heads=1, head_dim=32, max_position_embeddings=64, tie_word_embeddings=False,
    rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
)
IDS = [3, 17, 42, 5, 88, 61, 9, 30, 77, 12]


def config_of(kind, **sizes):
    if kind == "moe":
        moe = dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32, norm_topk_prob=True,
                   decoder_sparse_step=1, mlp_only_layers=[])
        return Qwen3MoeConfig(**SIZES | moe | sizes)
    return Qwen3Config(**SIZES | sizes)


def base(config):
    """The folder of an unquantized model."""
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    for name, p in model.named_parameters():
        noise = torch.randn_like(p) * 0.05
        p.data = (1 + noise) if "norm" in name else noise
    folder = Path(tempfile.mkdtemp())
    model.half().save_pretrained(folder)
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<95>", "pad_token": "<0>"}')
    return folder


def tokenizer():
    words = {f"<{i}>": i for i in range(SIZES["vocab_size"])}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
            "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
            "model": {"type": "WordLevel", "vocab": words, "unk_token": "<0>"}}


def prompts():
    g = torch.Generator().manual_seed(2)
    return [torch.randint(1, SIZES["vocab_size"], (32,), generator=g).tolist() for _ in range(64)]


def fused(weights, model):
    """transformers 5 keeps experts as stacks, gate and up joined."""
    wanted = model.state_dict()
    state = {name: w for name, w in weights.items() if name in wanted}
    for name, w in wanted.items():
        if ".experts." not in name or name in state:
            continue
        stem, part = name.rsplit(".", 1)
        def stack(p):
            return torch.stack([weights[f"{stem}.{e}.{p}.weight"] for e in range(w.shape[0])])
        state[name] = torch.cat([stack("gate_proj"), stack("up_proj")], 1) if part == "gate_up_proj" else stack(part)
    return state
