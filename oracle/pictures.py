#!/usr/bin/env python3
"""pictures.py DIR: small pictures in all formats, and what transformers' image processor makes of them.

DIR is runtime/picture/testdata. Beside each picture lie NAME.rgb.png, as PIL decodes it to RGB and turns it
upright, where that is another picture, and of some NAME.PROCESSOR.png, resized; pictures.json has the grid and 48 values,
evenly spread, of the patches. Needs: pip install torch==2.14.0 torchvision==0.29.2 transformers==5.17.0
pillow==13.0.0
"""
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torchvision.transforms.v2 import functional as tvF
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor, smart_resize

out = Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)


def scene(width, height, channels=3):
    """Smooth colours with sharp edges in them, drawn from formulas alone."""
    y, x = np.mgrid[0:height, 0:width]
    base = [128 + 100 * np.sin(x / 17 + c) * np.cos(y / 13 - 2 * c) for c in range(channels)]
    picture = np.stack(base, -1)
    picture[(x - width / 3) ** 2 + (y - height / 2) ** 2 < (height / 4) ** 2] = [230, 30, 40, 255][:channels]
    picture[(x > width / 2) & (x + y < 0.8 * width) & (y > height / 8)] = [20, 90, 220, 128][:channels]
    picture[(x // 3 + y // 3) % 2 == 0] += 12
    return np.clip(picture, 0, 255).astype(np.uint8)


def save(name, image, **options):
    image.save(out / name, **options)
    return name


rgb = Image.fromarray(scene(100, 75))
names = [
    save("rgb.png", rgb),
    save("rgba.png", Image.fromarray(scene(67, 90, 4))),
    save("gray.png", rgb.convert("L")),
    save("palette.png", rgb.quantize(16), transparency=3),
    save("wide.png", Image.fromarray(scene(333, 21))),
    save("dot.png", Image.fromarray(scene(4, 5))),
    save("large.png", Image.fromarray(scene(460, 351))),
    save("444.jpg", rgb, quality=90, subsampling=0),
    save("422.jpg", rgb, quality=90, subsampling=1),
    save("420.jpg", rgb, quality=85, subsampling=2),
    save("odd.jpg", Image.fromarray(scene(61, 43)), quality=80, subsampling=2, progressive=True),
    save("gray.jpg", rgb.convert("L"), quality=85),
    save("first.gif", rgb.quantize(32), save_all=True, append_images=[rgb.quantize(32).transpose(Image.Transpose.ROTATE_180)]),
    save("lossless.webp", rgb, lossless=True),
    save("alpha.webp", Image.fromarray(scene(67, 90, 4)), lossless=True, exact=True),
    save("lossy.webp", rgb, quality=85),
]
for turn in range(2, 9):
    exif = Image.Exif()
    exif[0x0112] = turn
    names.append(save(f"turn{turn}.jpg", Image.fromarray(scene(48, 32)), quality=90, subsampling=0, exif=exif))

processors = {
    "small": dict(size={"shortest_edge": 4096, "longest_edge": 65536}),  # as the trained models have it
    "release": dict(size={"shortest_edge": 65536, "longest_edge": 16777216}),
}
cases = []
for name in names:
    image = ImageOps.exif_transpose(Image.open(out / name)).convert("RGB")
    if name not in ("rgb.png", "wide.png", "dot.png", "large.png"):  # which are what they are
        image.save(out / f"{name}.rgb.png", optimize=True)
    for kind, settings in processors.items():
        if kind == "release" and name not in ("rgb.png", "dot.png", "420.jpg"):
            continue
        p = Qwen2VLImageProcessor(patch_size=16, merge_size=2, temporal_patch_size=2,
                                  image_mean=[0.5] * 3, image_std=[0.5] * 3, **settings)
        made = p(images=[image], return_tensors="pt")
        values = made["pixel_values"].flatten()
        h, w = smart_resize(image.height, image.width, 32, settings["size"]["shortest_edge"], settings["size"]["longest_edge"])
        resized = tvF.resize(tvF.pil_to_tensor(image), [h, w], interpolation=tvF.InterpolationMode.BICUBIC, antialias=True)
        if name.endswith(".png") and kind == "small" or name == "420.jpg":
            Image.fromarray(resized.permute(1, 2, 0).numpy()).save(out / f"{name}.{kind}.png", optimize=True)
        at = torch.linspace(0, len(values) - 1, 48).round().long()
        pil = np.asarray(image.resize((w, h), Image.Resampling.BICUBIC)).astype(int)
        cases.append(dict(picture=name, processor=kind, rows=int(made["image_grid_thw"][0][1]), columns=int(made["image_grid_thw"][0][2]),
                          count=len(values), at=at.tolist(), values=[round(v, 7) for v in values[at].tolist()],
                          pil=int(np.abs(pil - resized.permute(1, 2, 0).numpy().astype(int)).max())))
(out / "pictures.json").write_text("[\n" + ",\n".join(json.dumps(c) for c in cases) + "\n]\n")
