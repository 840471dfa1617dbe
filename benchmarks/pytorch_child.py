"""The PyTorch side of pytorch_ratio.py, run by another environment's Python; prints one JSON line.

Arguments: MODULE:FUNCTION WEIGHTS THREADS REPEATS. It imports nothing from this project.
"""

from __future__ import annotations

import importlib
import json
import statistics
import sys
import time

import torch  # from the other environment
from torch.nn import functional


def main() -> None:
    factory, weights, threads, repeats = sys.argv[1:]
    torch.set_num_threads(int(threads))
    module, function = factory.split(":")
    net = getattr(importlib.import_module(module), function)()
    net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    net.eval()
    image = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    pixels = (torch.rand(512, 512, generator=torch.Generator().manual_seed(1)) * 255).byte()
    runs = int(repeats)
    with torch.inference_mode():
        embedding = net.image_encoder(image)
        measured = {
            "encode_ms": median_ms(lambda: net.image_encoder(image), runs),
            "decode1_ms": median_ms(lambda: decode(net, embedding, 1), runs),
            "decode8_ms": median_ms(lambda: decode(net, embedding, 8), runs),
            "cold_click_ms": median_ms(lambda: mask_of(net, encode(net, pixels)), runs),
            "warm_click_ms": median_ms(lambda: mask_of(net, embedding), runs),
            "propagate8_ms": median_ms(lambda: propagate8(net, pixels), 1, warm_up=0),
        }
    print(json.dumps(measured))


def encode(net, pixels):
    """Encode a slice, prepared as in the original script: resize to 256 pixels, then min-max."""
    small = functional.interpolate(pixels[None, None].float(), size=(256, 256), mode="area")
    low, high = small.min(), small.max()
    return net.image_encoder(((small - low) / (high - low)).expand(1, 3, 256, 256))


def mask_of(net, embedding):
    """Return the mask of one box at 512x512."""
    logits = functional.interpolate(decode(net, embedding, 1)[0], size=(512, 512), mode="bilinear")
    return (logits.sigmoid() > 0.5).numpy()


def propagate8(net, pixels):
    """Propagate eight labels over three slices; like the original, encode each slice per label."""
    for _label in range(8):
        for _slice in range(3):
            mask = mask_of(net, encode(net, pixels))[0, 0]
            mask.any(axis=0).nonzero(), mask.any(axis=1).nonzero()  # the next box


def decode(net, embedding, n_boxes):
    """Run prompt encoder and mask decoder for N equal boxes, as the original script does."""
    boxes = torch.tensor([[[60.0, 60.0, 180.0, 180.0]]]).repeat(n_boxes, 1, 1)
    sparse, dense = net.prompt_encoder(points=None, boxes=boxes, masks=None)
    return net.mask_decoder(
        image_embeddings=embedding,
        image_pe=net.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=False,
    )


def median_ms(run, repeats, warm_up=2):
    """Median milliseconds of `repeats` runs, after `warm_up` runs that do not count."""
    times = []
    for _ in range(repeats + warm_up):
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[warm_up:])


if __name__ == "__main__":
    main()
