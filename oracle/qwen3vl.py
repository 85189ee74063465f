#!/usr/bin/env python3
"""qwen3vl.py DIR [--experts]: a small random Qwen3-VL, and what transformers makes of a prompt with two pictures.

DIR gets the checkpoint with its tokenizer, template, processor file and two pictures, DIR.reference.json the
prompt, its token ids, and in float32, from the weights as they are saved, each picture's grid and features, of the
merger and of deepstack's, and the log-probability of every token of the prompt given those before. With
--experts two of its three layers have experts, in stacks as the releases have them, whose last two axes are those of
transformers swapped; it reads both. Needs:
pip install torch==2.15.0 torchvision==0.29.2 transformers==5.24.0 pillow==13.0.0 safetensors
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import (Qwen3VLConfig, Qwen3VLForConditionalGeneration, Qwen3VLMoeConfig,
                          Qwen3VLMoeForConditionalGeneration)
from transformers.convert_slow_tokenizer import bytes_to_unicode
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

out, EXPERTS = Path(sys.argv[1]), sys.argv[2:] == ["--experts"]
Config, Model = (Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration) if EXPERTS else (Qwen3VLConfig, Qwen3VLForConditionalGeneration)
out.mkdir(parents=True, exist_ok=True)

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
ID = {name: 256 + i for i, name in enumerate(SPECIAL)}
BYTE = bytes_to_unicode()  # a token a byte
VOCAB = {c: i for i, c in enumerate(BYTE.values())}
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
TEMPLATE = """{%- for message in messages -%}
{{- '<|im_start|>' + message['role'] + '\\n' -}}
{%- if message['content'] is string -%}
{{- message['content'] -}}
{%- else -%}
{%- for part in message['content'] -%}
{%- if part['type'] == 'image' or 'image' in part -%}
{{- '<|vision_start|><|image_pad|><|vision_end|>' -}}
{%- elif 'text' in part -%}
{{- part['text'] -}}
{%- endif -%}
{%- endfor -%}
{%- endif -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""


def write(name, value):
    (out / name).write_text(value if isinstance(value, str) else json.dumps(value))


def write_tokenizer():
    added = [dict(id=i, content=name, single_word=False, lstrip=False, rstrip=False, normalized=False, special=True) for name, i in ID.items()]
    write("tokenizer.json", {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": {"type": "NFC"},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]},
        "post_processor": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "", "end_of_word_suffix": "",
                  "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": VOCAB, "merges": []}})
    write("tokenizer_config.json", {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"})
    write("chat_template.jinja", TEMPLATE)
    write("preprocessor_config.json", {
        "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
        "image_processor_type": "Qwen2VLImageProcessorFast", "processor_class": "Qwen3VLProcessor", **PROCESSOR})


PROCESSOR = dict(patch_size=8, merge_size=2, temporal_patch_size=2, size={"shortest_edge": 256, "longest_edge": 4096})
# No axis of a stack is as long as another: gate_up_proj is [4, 32, 128] in the file, down_proj [4, 64, 32].
FEED_FORWARD = dict(intermediate_size=32, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=64,
                    mlp_only_layers=[1]) if EXPERTS else dict(intermediate_size=64)
CONFIG = Config(
    tie_word_embeddings=False,
    image_token_id=ID["<|image_pad|>"], video_token_id=ID["<|video_pad|>"],
    vision_start_token_id=ID["<|vision_start|>"], vision_end_token_id=ID["<|vision_end|>"],
    text_config=dict(
        vocab_size=272, hidden_size=32, **FEED_FORWARD, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=1,
        head_dim=16, max_position_embeddings=512, eos_token_id=ID["<|im_end|>"],
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2], "mrope_interleaved": True}),
    vision_config=dict(
        depth=3, hidden_size=16, intermediate_size=32, num_heads=2, patch_size=8, spatial_merge_size=2, temporal_patch_size=2,
        out_hidden_size=32, num_position_embeddings=36, deepstack_visual_indexes=[0, 2]))


def scene(width, height, turn):
    y, x = np.mgrid[0:height, 0:width]
    return Image.fromarray(np.stack([(x * 5 + turn * 60) % 256, (y * 7) % 256, ((x > y) * 200 + turn * 20) % 256], -1).astype(np.uint8))


torch.manual_seed(3)
model = Model(CONFIG).float()
for name, p in model.named_parameters():
    noise = torch.randn_like(p) * 0.15
    p.data = (1 + noise if "norm" in name and name.endswith("weight") else noise).bfloat16().float()
model.bfloat16().save_pretrained(out)
if EXPERTS:
    file = out / "model.safetensors"
    save_file({name: t.transpose(1, 2).contiguous() if ".experts." in name else t for name, t in load_file(file).items()},
              file, {"format": "pt"})
model = Model.from_pretrained(out, dtype=torch.float32, attn_implementation="eager").eval()
write_tokenizer()

pictures = ["first.png", "second.png"]  # of sizes that need no resizing
scene(32, 16, 0).save(out / pictures[0])
scene(48, 32, 2).save(out / pictures[1])
made = Qwen2VLImageProcessor(**{"image_mean": [0.5] * 3, "image_std": [0.5] * 3} | PROCESSOR)(
    images=[Image.open(out / p) for p in pictures], return_tensors="pt")
grids = made["image_grid_thw"].tolist()
question = "Which is larger?"


def text(s):
    return [VOCAB[BYTE[b]] for b in s.encode()]


ids = [ID["<|im_start|>"], *text("user\n")]
for _, rows, columns in grids:
    ids += [ID["<|vision_start|>"], *[ID["<|image_pad|>"]] * (rows * columns // 4), ID["<|vision_end|>"]]
ids += [*text(question), ID["<|im_end|>"], *text("\n"), ID["<|im_start|>"], *text("assistant\n")]

with torch.no_grad():
    seen = model.model.get_image_features(made["pixel_values"], made["image_grid_thw"], return_dict=True)
    tokens = torch.tensor([ids])
    logits = model(input_ids=tokens, attention_mask=torch.ones_like(tokens), pixel_values=made["pixel_values"],
                   image_grid_thw=made["image_grid_thw"], mm_token_type_ids=(tokens == ID["<|image_pad|>"]).int()).logits[0]
    scores = torch.log_softmax(logits.double(), -1)


def rounded(t):
    return [round(v, 6) for v in t.flatten().tolist()]


counts = [r * c // 4 for _, r, c in grids]
merged = seen.pooler_output if isinstance(seen.pooler_output, (list, tuple)) else seen.pooler_output.split(counts)
deep = [d if isinstance(d, (list, tuple)) else d.split(counts) for d in seen.deepstack_features]
Path(f"{out}.reference.json").write_text(json.dumps({
    "question": question, "prompt_ids": ids,
    "pictures": [{"file": p, "grid": g, "features": rounded(merged[i]), "deepstack": [rounded(d[i]) for d in deep]}
                 for i, (p, g) in enumerate(zip(pictures, grids))],
    "logprobs": rounded(scores[:-1].gather(1, torch.tensor(ids[1:])[:, None])), "last": rounded(scores[-1])}))
