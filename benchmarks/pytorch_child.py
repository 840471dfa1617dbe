"""The PyTorch side of pytorch_ratio.py, run by another environment's Python; prints one JSON line.

Arguments: MODULE:FUNCTION WEIGHTS THREADS REPEATS. It imports nothing of this project.
"""

from __future__ import annotations

import importlib
import json
import statistics
import sys
import time

import torch  # of the other environment


def main() -> None:
    factory, weights, threads, repeats = sys.argv[1:]
    torch.set_num_threads(int(threads))
    module, function = factory.split(":")
    net = getattr(importlib.import_module(module), function)()
    net.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    net.eval()
    image = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        embedding = net.image_encoder(image)
        print(
            json.dumps(
                {
                    "encode_ms": median_ms(lambda: net.image_encoder(image), int(repeats)),
                    "decode1_ms": median_ms(lambda: decode(net, embedding, 1), int(repeats)),
                    "decode8_ms": median_ms(lambda: decode(net, embedding, 8), int(repeats)),
                }
            )
        )


def decode(net, embedding, n_boxes):
    """Prompt encoder and mask decoder for N equal boxes, as the original script calls them."""
    boxes = torch.tensor([[[60.0, 60.0, 180.0, 180.0]]]).repeat(n_boxes, 1, 1)
    sparse, dense = net.prompt_encoder(points=None, boxes=boxes, masks=None)
    return net.mask_decoder(
        image_embeddings=embedding,
        image_pe=net.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=False,
    )


def median_ms(run, repeats):
    """Median of some runs after two that do not count."""
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[2:])


if __name__ == "__main__":
    main()
