"""A `Session`: segmentation and propagation on one volume, with one model and one window.

The user interface, the command line, the batch runner and the tests all use this class. It has no
setters: for another image, model or window, make another Session over the same cache. A Session
yields masks; an `Annotation` paints them.

Masks come from generators, slice by slice, so that a caller can show each one at once and stop
early by closing the generator.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace

from napari_medsam.engine.data.intensity_window import Window, preset_window
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import BoxPrompt, PointPrompt, SliceRef
from napari_medsam.engine.data.volume import Axis, Volume
from napari_medsam.engine.inference.embedding import Embedding
from napari_medsam.engine.inference.embedding_cache import EmbeddingCache
from napari_medsam.engine.inference.multi_view import closer_views, decode_in_views, higher_scoring
from napari_medsam.engine.inference.point_prompts import PointAnswer, mask_logits
from napari_medsam.engine.inference.predictor import Predictor, PromptableModel
from napari_medsam.engine.propagation.between_keyframes import (
    KeyframeGap,
    Keyframes,
    uncertain_gaps,
)
from napari_medsam.engine.propagation.box3d import best_start, repair_track
from napari_medsam.engine.propagation.next_box import QUICK, THOROUGH, CandidatePolicy
from napari_medsam.engine.propagation.original_script_rules import with_original_range
from napari_medsam.engine.propagation.plan import PropagationPlan, PropagationTarget
from napari_medsam.engine.propagation.propagation_seeds import Seed, slice_order
from napari_medsam.engine.propagation.trackers import (
    AdaptiveTrackers,
    Found,
    OriginalRulesTrackers,
    Trackers,
)

FEW = 4
"""Most boxes on a slice that are segmented one by one, first from the whole slice."""


class Session:
    """Segment and propagate on one volume.

    Parameters
    ----------
    volume
        The image to segment.
    model
        The model that encodes slices and decodes prompts.
    window
        The intensity window shown to the model; the volume's automatic preset by default.
    cache
        Embeddings, shared with other sessions; a new cache by default.
    compat
        Follow the rules of the authors' script exactly instead of ours.
    views
        Decode small boxes on a crop as well as on the whole slice; ignored in `compat`.

    Examples
    --------
    >>> from napari_medsam import Seed, Session, SliceRef, box_prompt, open_model, read_image
    >>> volume = read_image("scan.nii.gz").volume
    >>> session = Session(volume, open_model("litemedsam"))
    >>> box = box_prompt(SliceRef("z", 12), (57, 140, 101, 179), volume.slice_shape("z"))
    >>> [mask] = session.segment([box])
    >>> mask.mask.shape  # y, x
    (256, 256)
    >>> masks = dict(enumerate(mask for _, mask in session.propagate([Seed(box, 10, 14)])))
    >>> sorted(mask.slice.index for mask in masks.values())
    [10, 11, 12, 13, 14]
    """

    def __init__(
        self,
        volume: Volume,
        model: PromptableModel,
        *,
        window: Window | None = None,
        cache: EmbeddingCache | None = None,
        compat: bool = False,
        views: bool = True,
    ) -> None:
        self.volume = volume
        self.model = model
        self.window = preset_window(volume) if window is None else window
        self.cache = EmbeddingCache() if cache is None else cache
        self.compat = compat
        self.views = views and not compat
        self._predictor = Predictor(volume, model, self.window, self.cache, exact=compat)

    def segment(self, prompts: Sequence[BoxPrompt]) -> list[SliceMask]:
        """Segment boxes; return one mask per box, in their order (see `segment_stream`)."""
        masks = dict(self.segment_stream(prompts))
        return [masks[i] for i in range(len(prompts))]

    def segment_stream(self, prompts: Sequence[BoxPrompt]) -> Generator[Found, None, None]:
        """Yield (box index, mask) pairs as masks are found; a later mask replaces an earlier one.

        First every box is decoded on its whole slice. Then small boxes are decoded again on a crop
        (`engine.inference.crops`); of both masks the one with more evidence is yielded, with the
        agreement between the two. Boxes on the same view share its embedding and one decoder call.
        """
        whole: dict[int, SliceMask] = {}
        for view, indices in _by_slice(prompts).items():
            for i, mask in self._on_view(view, indices, prompts):
                whole[i] = mask
                yield i, mask
        if not self.views:
            return
        for view, indices in _by_slice(prompts).items():
            here = [prompts[i] for i in indices]
            for closer, members in closer_views(here, self._predictor.frame(view)):
                for i, mask in self._on_view(closer, [indices[m] for m in members], prompts):
                    yield i, higher_scoring(whole[i], mask)

    def segment_drawn(self, prompts: Sequence[BoxPrompt]) -> Generator[Found, None, None]:
        """Segment boxes of one slice as drawn by a user, each alone; yield as `segment_stream`.

        Many boxes (pasted nuclei) are segmented together, so that they share crops; so are those
        of the authors' rules.
        """
        if self.compat or len(prompts) > FEW:
            yield from enumerate(self.segment(prompts))
            return
        for i, prompt in enumerate(prompts):
            with contextlib.closing(self.segment_stream([prompt])) as masks:
                yield from ((i, mask) for _, mask in masks)

    def preview(self, prompt: BoxPrompt) -> SliceMask | None:
        """Return a box's mask from its whole slice; None if the slice has no embedding yet.

        Only the decoder runs, which takes a few milliseconds. No crop is used.
        """
        if not self.is_embedded(prompt.slice):
            return None
        return self._predictor.decode(self._predictor.embedding(prompt.slice), [prompt])[0]

    def segment_points(
        self, prompt: PointPrompt, earlier: PointAnswer | SliceMask | None = None
    ) -> PointAnswer:
        """Segment an object from points on a slice, optionally refining an earlier mask.

        Parameters
        ----------
        prompt
            All points of one object, not only the new ones.
        earlier
            The answer to fewer points, or a mask from elsewhere. Give none if the model was not
            trained with mask prompts.

        Raises
        ------
        ValueError
            The model was not trained with such a prompt.
        """
        embedding = self._predictor.embedding(prompt.slice)
        if isinstance(earlier, SliceMask):
            side = 4 * embedding.features.shape[-1]
            logits = mask_logits(earlier.mask, embedding.frame, side)
            return self._predictor.decode_points(embedding, prompt, logits)
        if earlier is None:
            return self._predictor.decode_points(embedding, prompt)
        answer = self._predictor.decode_points(embedding, prompt, earlier.logits)
        return replace(answer, prompts=(*earlier.prompts, prompt))

    def propagate(self, seeds: Sequence[Seed]) -> Generator[Found, None, None]:
        """Propagate each seed's box to its slices; yield (seed index, mask) pairs.

        Slices are visited from the lowest box up to the last slice, then from the highest box down
        to the first. Each slice is encoded once for all seeds, one slice ahead of the decoder.
        Closing the generator stops between slices.

        By our rules a direction also stops where its object ends
        (`engine.propagation.end_detection`). Slices that hold no image (`Volume.empty`) are left
        out, and the next one follows the last one before them. An empty mask may then replace one
        that was already yielded for a slice beyond the end. In `compat` the authors' rules apply;
        model families without published rules for volumes use ours.

        Raises
        ------
        ValueError
            The seeds are on different axes, or a range does not contain its box's slice.
        """
        trackers: Trackers
        seeds = self._on_image(seeds)
        rules = self.model.contract.original_3d if self.compat else None
        if rules is not None:
            seeds = [with_original_range(seed, rules) for seed in seeds]
            trackers = OriginalRulesTrackers(self._predictor, seeds, rules)
        else:
            trackers = AdaptiveTrackers(self._predictor, seeds, views=self.views)
        yield from self._run(trackers, seeds)

    def _run(self, trackers: Trackers, seeds: Sequence[Seed]) -> Generator[Found, None, None]:
        """Visit the slices outward from the seeds."""
        if not seeds:
            return
        axis = self._common_axis([seed.box for seed in seeds])
        for seed in seeds:
            self._check_range(seed)
        ascending, descending = slice_order(list(seeds))
        empty = self.volume.empty_along(axis)
        # Only a fixed mask is on a slice without image; propagation starts from it all the same.
        left_out = empty - {seed.start for seed in seeds if seed.given is not None}
        ascending = [index for index in ascending if index not in left_out]
        descending = [index for index in descending if index not in empty]
        for index, whole in self._embedded(axis, ascending):
            active = [
                n
                for n, s in enumerate(seeds)
                if s.start <= index <= s.last
                and (index not in empty or (s.start == index and s.given is not None))
            ]
            yield from trackers.step(index, whole, active)
            if trackers.have_ended(n for n, s in enumerate(seeds) if s.last > index):
                break
        trackers.restart()
        for index, whole in self._embedded(axis, descending):
            active = [n for n, s in enumerate(seeds) if s.first <= index < s.start]
            yield from trackers.step(index, whole, active)
            if trackers.have_ended(n for n, s in enumerate(seeds) if s.first < index):
                break

    def _on_image(self, seeds: Sequence[Seed]) -> list[Seed]:
        """The seeds; a box on a slice without image is moved to the nearest one with an image."""
        moved = []
        for seed in seeds:
            empty = self.volume.empty_along(seed.box.slice.axis)
            if seed.start in empty and seed.given is None:
                filled = [i for i in range(seed.first, seed.last + 1) if i not in empty]
                nearest = min(filled, key=lambda i: abs(i - seed.start), default=seed.start)
                seed = replace(seed, box=seed.box.moved_to(nearest))
            moved.append(seed)
        return moved

    def segment_tracks(
        self, tracks: Sequence[Sequence[BoxPrompt]], keyframes: Sequence[Keyframes] = ()
    ) -> Generator[Found, None, None]:
        """Segment objects that have one box per slice; yield (track index, mask) pairs.

        Parameters
        ----------
        tracks
            For each object, one box on each slice to segment, as `keyframes.interpolate` returns
            them. Slices are visited in the order in which the tracks first name them.
        keyframes
            The objects' keyframes. If given, uncertain slices between two keyframes are also
            reached by propagation from both (`engine.propagation.between_keyframes`). A later mask
            of a track on a slice replaces the earlier one.

        Raises
        ------
        ValueError
            The boxes are on different axes.
        """
        found: list[dict[int, SliceMask]] = [{} for _ in tracks]
        for n, mask in self._follow(tracks):
            found[n][mask.slice.index] = mask
            yield n, mask
        for n, keys in enumerate(keyframes):
            own = {i: one for i, one in keys.items() if one.mask or self._has_image(one.box.slice)}
            yield from ((n, mask) for mask in self._between(uncertain_gaps(found[n], own)))

    def _between(self, spans: Sequence[KeyframeGap]) -> Iterator[SliceMask]:
        """Better masks of an object between its keyframes."""
        chains = self._chain_masks([seed for span in spans for seed in span.seeds])
        for n, span in enumerate(spans):
            yield from span.resolve(chains[2 * n : 2 * n + 2]).values()

    def _follow(self, tracks: Sequence[Sequence[BoxPrompt]]) -> Iterator[Found]:
        """Decode each slice once, with the boxes of all tracks on it."""
        pairs = [(n, box) for n, track in enumerate(tracks) for box in track]
        pairs = [(n, box) for n, box in pairs if self._has_image(box.slice)]
        owners, boxes = [n for n, _ in pairs], [box for _, box in pairs]
        if not boxes:
            return
        by_slice = _by_slice(boxes)
        axis, slices = self._common_axis(boxes), [where.index for where in by_slice]
        for (_, whole), here in zip(self._embedded(axis, slices), by_slice.values(), strict=True):
            prompts = [boxes[i] for i in here]
            masks = decode_in_views(self._predictor, whole, prompts, views=self.views)
            yield from ((owners[i], mask) for i, mask in zip(here, masks, strict=True))

    def segment_box3d(self, seeds: Sequence[Seed]) -> Generator[Found, None, None]:
        """Segment objects given by 3D boxes; yield (seed index, mask) pairs.

        A seed's box is the object's extent in the slice plane, its slice range the extent along
        the axis. A later mask of a seed on a slice replaces the earlier one. The method is in
        `engine.propagation.box3d`.
        """
        extents: list[dict[int, SliceMask]] = [{} for _ in seeds]
        tracks = [[s.box.moved_to(i) for i in range(s.first, s.last + 1)] for s in seeds]
        for n, mask in self._follow(tracks):
            extents[n][mask.slice.index] = mask
            yield n, mask
        starts = [
            replace(seed, box=seed.box.moved_to(best_start(masks)), until_empty=True)
            if masks
            else seed  # none of its slices holds an image
            for seed, masks in zip(seeds, extents, strict=True)
        ]
        outward = [self._chain_masks(starts, THOROUGH, loose=loose) for loose in (False, True)]
        for n, (seed, extent) in enumerate(zip(seeds, extents, strict=True)):
            if not extent:
                continue
            best = repair_track(extent, [masks[n] for masks in outward], seed.box)
            yield from ((n, best[i]) for i in extent if best[i] is not extent[i])

    def _chain_masks(
        self, seeds: Sequence[Seed], policy: CandidatePolicy = QUICK, *, loose: bool = False
    ) -> list[dict[int, SliceMask]]:
        """Propagate each seed; masks by slice. The embeddings are already in the cache."""
        found: list[dict[int, SliceMask]] = [{} for _ in seeds]
        seeds = self._on_image(seeds)
        trackers = AdaptiveTrackers(
            self._predictor, seeds, views=self.views, loose=loose, policy=policy
        )
        for n, mask in self._run(trackers, seeds):
            found[n][mask.slice.index] = mask
        return found

    def left_out(self, plan: PropagationPlan) -> list[int]:
        """The slices of a plan that hold no image (`Volume.empty`) and are not segmented."""
        axes = {target.axis for target in plan.targets}
        empty = {index for axis in axes for index in self.volume.empty_along(axis)}
        return sorted(plan.slices & empty)

    def run_plan(
        self, plan: PropagationPlan
    ) -> Generator[tuple[PropagationTarget, SliceMask], None, None]:
        """Yield the masks of a plan, but none on a slice on which the target's mask is fixed.

        A later mask of a target on the same slice is better.
        """
        parts = (
            (plan.tracks, self.segment_tracks(*plan.tracked)),
            (plan.seeds, self.propagate([seed for _, seed in plan.seeds])),
            (plan.extents, self.segment_box3d([seed for _, seed in plan.extents])),
        )
        for pairs, masks in parts:
            with contextlib.closing(masks):
                for n, mask in masks:
                    target = pairs[n][0]
                    if mask.slice.index not in target.fixed_masks:
                        yield target, mask

    def embed(self, slices: Sequence[SliceRef]) -> Generator[SliceRef, None, None]:
        """Encode the slices that are not in the cache; yield each slice when it is ready."""
        with contextlib.closing(self._predictor.embeddings(slices)) as embeddings:
            for ref, _ in zip(slices, embeddings, strict=True):
                yield ref

    def is_embedded(self, where: SliceRef) -> bool:
        return self._predictor.key(where) in self.cache

    def cancel(self) -> None:
        """Make the running call raise soon; may be called from any thread."""
        self.model.cancel()

    def _common_axis(self, boxes: Sequence[BoxPrompt]) -> Axis:
        axes = {box.slice.axis for box in boxes}
        if len(axes) > 1:
            raise ValueError(
                f"Boxes to propagate together lie along one axis; these lie along {sorted(axes)}."
            )
        return axes.pop()

    def _check_range(self, seed: Seed) -> None:
        n = self.volume.n_slices(seed.box.slice.axis)
        if not 0 <= seed.first <= seed.start <= seed.last < n:
            raise ValueError(
                f"A range runs from its first to its last slice around the box's, within 0 "
                f"to {n - 1}; this one is {seed.first} to {seed.last} with the box on "
                f"{seed.start}."
            )

    def _has_image(self, where: SliceRef) -> bool:
        return (where.axis, where.index) not in self.volume.empty

    def _embedded(self, axis: Axis, indices: Sequence[int]) -> Iterator[tuple[int, Embedding]]:
        views = [SliceRef(axis, index) for index in indices]
        with contextlib.closing(self._predictor.embeddings(views)) as embeddings:
            yield from zip(indices, embeddings, strict=True)

    def _on_view(
        self, view: SliceRef, indices: Sequence[int], prompts: Sequence[BoxPrompt]
    ) -> Iterator[Found]:
        """Decode some of the prompts on one view, in one decoder call."""
        own = [prompts[i] for i in indices]
        embedding = self._predictor.embedding(view)
        boxes = embedding.frame.boxes(own, truncate=self.compat)
        yield from zip(indices, self._predictor.decode(embedding, own, boxes), strict=True)


def _by_slice(prompts: Sequence[BoxPrompt]) -> dict[SliceRef, list[int]]:
    """The indices of the prompts on each slice, in the order of first appearance."""
    found: dict[SliceRef, list[int]] = {}
    for i, prompt in enumerate(prompts):
        found.setdefault(prompt.slice, []).append(i)
    return found
