"""`SamModel`: a model ready to run, with compiled encoder and decoders, encode queue and cancel.

Threads: one worker at a time calls `encode`, `encode_many` and `decode`; `cancel` may be called
from any thread at any time. Encoder and decoders have separate infer requests, so a decode between
two images of `encode_many` neither waits for nor disturbs the encode that runs ahead.

Numbers: the precision is set explicitly. By default OpenVINO uses bfloat16 on CPUs that support
it, and masks would differ from machine to machine.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_medsam.input_contract import InputContract, Masks
from napari_medsam.models.networks.sam_decoder import TOKENS, Prompts
from napari_medsam.models.runtime.device import ComputeMode, Precision, compile_options, core
from napari_medsam.models.runtime.infer_job import InferJob

Float = NDArray[np.float32]

GRAPH_VERSION = 2  # increase it with every change of the graphs that could change a number

# Boxes decoded in one call; more need several calls. Every box has its own 4096 image tokens, and
# the decoder retains the memory of its largest call so far, about 45 MB per box. One call of eight
# boxes would be a twentieth faster than two calls of four.
BOXES_AT_ONCE = 4


class DecodedMasks(NamedTuple):
    """Masks of N prompts.

    ``logits`` is (N, K, L, L) float32: K = 1, 3 or 4 masks, and L x L covers the model's square
    input. ``iou`` is (N, K) float32, their predicted IoU; use the mask with the highest.
    """

    logits: Float
    iou: Float


class Networks(NamedTuple):
    """The graphs of a model: the encoder, and a decoder for each kind of prompt, built on demand.

    The encoder takes ``image`` (1, 3, side, side) and returns (1, h, w, C); the decoders' inputs
    are those of `sam_decoder.build_decoder`.
    """

    encoder: Any  # openvino.Model
    decoder: Callable[[Prompts, Masks], Any]
    prompts: tuple[Prompts, ...] = ("boxes", "points", "points+mask")  # kinds of decoders
    at_once: int = BOXES_AT_ONCE  # prompts a decoder takes in one call


class SamModel:
    """A compiled encoder and its compiled decoders.

    Parameters
    ----------
    networks
        The graphs.
    contract
        How images and prompts must be prepared.
    identity
        The family and the weights; the compute mode and the graphs' version are appended.
    precision
        ``"f32"`` computes the same masks on every machine; ``"bf16"`` is about 1.8 times faster
        on CPUs that support it.
    threads
        CPU threads; None leaves the choice to OpenVINO.
    device
        OpenVINO's name of the device.
    """

    def __init__(
        self,
        networks: Networks,
        contract: InputContract,
        identity: str,
        *,
        precision: Precision = "f32",
        threads: int | None = None,
        device: str = "CPU",
    ) -> None:
        self.contract = contract
        self.identity = f"{identity}:{ComputeMode(device, precision)}:g{GRAPH_VERSION}"
        self._device = device
        self._options = compile_options(precision, threads, device)
        self._build_decoder = networks.decoder
        self._at_once = networks.at_once
        self.prompt_kinds = networks.prompts
        """The kinds of prompts the decoder accepts; `contract` says which it was trained with."""
        self._lock = threading.Lock()
        self._jobs: set[InferJob] = set()
        self._decode_requests: dict[tuple[Prompts, Masks], Any] = {}
        # The decoder for boxes, which every click needs, is compiled in parallel with the encoder:
        # compiling occupies one core and not the interpreter.
        with ThreadPoolExecutor(1, "compile-decoder") as executor:
            decoder = executor.submit(self._decoder, "boxes", contract.box_masks)
            self._encoder = self._compile(networks.encoder)
            self._encode_request = self._encoder.create_infer_request()
            decoder.result()

    @property
    def embedding_shape(self) -> tuple[int, int, int]:
        """(C, h, w) of an embedding."""
        _one, h, w, channels = self._encoder.output(0).shape
        return channels, h, w

    def encode(self, image: Float) -> Float:
        """Encode one image.

        Parameters
        ----------
        image
            (3, side, side) float32, prepared as `contract` requires.

        Returns
        -------
        (C, h, w) float32, owned by the caller. Its memory is channels last, as `decode` needs.

        Raises
        ------
        Cancelled
            `cancel` was called during the call.
        """
        with self._job(self._encode_request) as job:
            job.start(self._checked_image(image))
            return _embedding(job.result())

    def encode_many(self, images: Iterable[Float]) -> Iterator[Float]:
        """Encode images lazily, one after the other, always one image ahead of the caller.

        While the caller works on an embedding, the next image is encoded; closing the generator
        stops that. After `cancel`, the next step raises `Cancelled`.
        """
        with self._job(self._encoder.create_infer_request()) as job:
            for image in images:
                tensor = self._checked_image(image)
                if not job.is_started:
                    job.start(tensor)
                    continue
                embedding = _embedding(job.result())
                job.start(tensor)
                yield embedding
            if job.is_started:
                yield _embedding(job.result())

    def decode(
        self, embedding: Float, boxes: ArrayLike, *, masks: Masks | None = None
    ) -> DecodedMasks:
        """Masks of N boxes on one embedding.

        Parameters
        ----------
        embedding
            (C, h, w), any float type.
        boxes
            (N, 4) x_min, y_min, x_max, y_max in the prompt frame (``contract.prompt_side``).
        masks
            ``"first"``: the logits of the single-mask token; ``"several"``: of the other three
            tokens, of which the one with the highest ``iou`` is the result; ``"all"``: of all
            four. None: as the family was trained (``contract.box_masks``).

        Raises
        ------
        Cancelled
            `cancel` was called during the call.
        """
        boxes = np.asarray(boxes, dtype=np.float32)
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise ValueError(
                f"Boxes have shape {boxes.shape}; give (N, 4): x_min, y_min, x_max, y_max."
            )
        return self._decode("boxes", masks or self.contract.box_masks, embedding, (boxes,))

    def decode_points(
        self,
        embedding: Float,
        points: ArrayLike,
        labels: ArrayLike,
        *,
        boxes: ArrayLike | None = None,
        mask: ArrayLike | None = None,
        masks: Masks | None = None,
    ) -> DecodedMasks:
        """Masks of N prompts, each with P points and optionally a box and an earlier mask.

        Parameters
        ----------
        embedding
            (C, h, w), any float type.
        points, labels
            (N, P, 2) x, y in the prompt frame, and (N, P): 1 inside, 0 outside. P may be 0
            if there are boxes.
        boxes
            (N, 4), or None.
        mask
            (N, 1, 4h, 4w) logits of an earlier decode, or their sigmoid if
            ``contract.mask_prompt`` says so, or None.
        masks
            As in `decode`; None: ``contract.point_masks`` if there is neither box nor mask.

        Raises
        ------
        ValueError
            The model's decoder takes no points, or no mask.
        """
        prompts = _as_points(points, labels, boxes)
        if masks is None:
            only_points = boxes is None and mask is None
            masks = self.contract.point_masks if only_points else self.contract.box_masks
        if mask is None:
            return self._decode("points", masks, embedding, prompts)
        mask = np.asarray(mask, dtype=np.float32)
        return self._decode("points+mask", masks, embedding, (*prompts, mask))

    def cancel(self) -> None:
        """Stop the running jobs: each raises `Cancelled` in its thread. Later calls still work."""
        with self._lock:
            for job in self._jobs:
                job.cancel()

    def _decode(
        self, prompts: Prompts, masks: Masks, embedding: Float, inputs: tuple[NDArray[Any], ...]
    ) -> DecodedMasks:
        if prompts not in self.prompt_kinds:
            raise ValueError(f"This model's decoder takes no {prompts.replace('+', ' with a ')}.")
        if embedding.shape != self.embedding_shape:
            raise ValueError(
                f"The embedding has shape {embedding.shape}, this model's have"
                f" {self.embedding_shape}; was it computed by another model?"
            )
        request = self._decoder(prompts, masks)
        image = embedding.transpose(1, 2, 0)[None]
        count = len(inputs[0])
        parts: list[DecodedMasks] = []
        with self._job(request) as job:
            for first in range(0, count, self._at_once):
                job.start(image, *(part[first : first + self._at_once] for part in inputs))
                logits, iou = job.result()
                scores = iou if iou.shape == logits.shape[:2] else iou[:, TOKENS[masks]]
                parts.append(DecodedMasks(logits, scores))
        if not parts:
            _n, n_masks, side, _side = request.model_outputs[0].get_partial_shape()
            n, size = n_masks.get_length(), side.get_length()
            return DecodedMasks(
                np.zeros((0, n, size, size), np.float32), np.zeros((0, n), np.float32)
            )
        if len(parts) == 1:
            return parts[0]
        return DecodedMasks(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _decoder(self, prompts: Prompts, masks: Masks) -> Any:
        """The infer request of a decoder, compiled at its first use."""
        key = (prompts, masks)
        if key not in self._decode_requests:
            compiled = self._compile(self._build_decoder(prompts, masks))
            self._decode_requests[key] = compiled.create_infer_request()
        return self._decode_requests[key]

    def _compile(self, model: Any) -> Any:
        return core().compile_model(model, self._device, self._options)

    def _checked_image(self, image: Float) -> Float:
        expected = (3, self.contract.side, self.contract.side)
        if image.shape != expected:
            raise ValueError(f"The image has shape {image.shape}, this model takes {expected}.")
        return image[None]

    @contextmanager
    def _job(self, request: Any) -> Iterator[InferJob]:
        """A job on `request` that `cancel` can stop; it has ended when the context ends."""
        job = InferJob(request, self._lock)
        with self._lock:
            self._jobs.add(job)
        try:
            yield job
        finally:
            with self._lock:
                self._jobs.discard(job)
            job.wait()


def _embedding(outputs: tuple[Float, ...]) -> Float:
    """(C, h, w), a view of the encoder's output (1, h, w, C)."""
    return outputs[0][0].transpose(2, 0, 1)


def _as_points(
    points: ArrayLike, labels: ArrayLike, boxes: ArrayLike | None
) -> tuple[Float, NDArray[np.int32]]:
    """Points and labels in SAM's order: the points, then a box's corners or one padding point."""
    points = np.asarray(points, dtype=np.float32)
    labels = np.asarray(labels, dtype=np.int32)
    if points.ndim != 3 or points.shape[2] != 2 or labels.shape != points.shape[:2]:
        raise ValueError(
            f"Points have shape {points.shape} and labels {labels.shape};"
            " give (N, P, 2) and (N, P)."
        )
    count = len(points)
    if boxes is None:
        last, last_labels = np.zeros((count, 1, 2), np.float32), [-1]
    else:
        last, last_labels = np.asarray(boxes, dtype=np.float32).reshape(count, 2, 2), [2, 3]
    tail = np.tile(np.array(last_labels, np.int32), (count, 1))
    return np.concatenate([points, last], 1), np.concatenate([labels, tail], 1)
