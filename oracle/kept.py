"""What the oracles keep of a checkpoint: digests of its decoded weights, and log-probabilities."""

import hashlib
import json
import shutil
from pathlib import Path

import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM

from small import IDS, fused


CONFIGS = ("config.json", "hf_quant_config.json", "quantize_config.json")


def read_arrays(folder):
    arrays = {}
    for shard in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(shard, "pt") as f:
            arrays |= {name: f.get_tensor(name) for name in f.keys()}
    return arrays


def model_of(out, make):
    """Makes a checkpoint in an empty folder, and leaves only what a test needs."""
    shutil.rmtree(out, ignore_errors=True)
    make()
    for made in list(out.rglob("*.safetensors")):  # AutoRound saves to a folder in the folder
        if made.parent != out:
            for file in list(made.parent.iterdir()):
                shutil.move(file, out / file.name)
            made.parent.rmdir()
    for extra in out.iterdir():
        if extra.name not in CONFIGS and extra.suffix != ".safetensors":
            extra.unlink()


def digest(weight):
    """The dtype that a weight was decoded to, and the digest of its values in float32. Zeros lose their sign,
    which libraries treat differently."""
    values = (weight.float() + 0.0).contiguous().numpy().tobytes()
    return {torch.bfloat16: "BF16", torch.float16: "F16", torch.float32: "F32"}[weight.dtype] + " " + hashlib.sha256(values).hexdigest()


def write_json(path, value):
    Path(path).write_text(json.dumps(value, separators=(",", ":"), sort_keys=True) + "\n")


def write_kept(out, weights, config, decoded):
    """weights: name -> (tensor, whether qimport keeps its very numbers); others it rounds to decoded, once."""
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    state = {n: (w if kept else w.to(decoded)).float() for n, (w, kept) in weights.items()}
    missing, unexpected = model.load_state_dict(fused(state, model), strict=False)
    assert not missing and not unexpected, (missing, unexpected)
    with torch.no_grad():
        logits = model(torch.tensor([IDS])).logits[0]
    write_json(out / "oracle.json", {
        "ids": IDS,
        "logprobs": [[round(x, 7) for x in row] for row in torch.log_softmax(logits.double(), -1).tolist()],
        "weights": {n: digest(w) for n, (w, _) in weights.items() if w.dim() == 2},
    })


def keep_produced(path, folders, decode):
    """Digests of the weights of checkpoints that are not in the repository."""
    kept = {}
    for folder in sorted(folders):
        if "pSpin-R4" not in folder.name:  # which is refused
            kept[folder.name] = {n: digest(w) for n, (w, _) in decode(folder).items() if w.dim() == 2 and ".0." in n}
    write_json(path, kept)
