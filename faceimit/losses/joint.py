"""Self-supervised terms by which the flow branch learns beside the score, on windows of a clip."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from faceimit.losses.occlusion import visible_by_consistency
from faceimit.losses.photometric import census_loss
from faceimit.losses.smoothness import smoothness_loss
from faceimit.losses.ssim import resize_to, ssim_pyramid_loss
from faceimit.nets.warp import warp

TERMS = ("ssim", "census", "smoothness")
TOLERATED_PX = 0.7  # by which forward and backward flow may disagree, in pixels of the picture


def flow_terms(
    previous: Tensor,
    current: Tensor,
    flows: Sequence[Tensor],
    weights: Mapping[str, float],
    reverse: Tensor | None = None,
) -> dict[str, Tensor]:
    """The terms whose weight is not 0, unweighted.

    Args:
        previous: (N, 3, S, S) RGB in [0, 1], frame t-1.
        current: (N, 3, S, S) likewise, frame t.
        flows: of frame t to t-1, levels (N, 2, h, w), finest first, in pixels of the level.
        weights: by name, of :data:`TERMS`; a name that is missing counts as 0.
        reverse: finest level of the flow of frame t-1 to t, to leave out what the two do not agree on; None: every
            pixel counts.

    Returns:
        ssim: over all levels (:func:`faceimit.losses.ssim.ssim_pyramid_loss`); census and smoothness: of the finest.
    """
    finest = flows[0]
    size = (int(finest.shape[-2]), int(finest.shape[-1]))
    visible = None if reverse is None else seen_before(finest, reverse, current.shape[-1])
    before, now = resize_to(previous, size), resize_to(current, size)
    terms = {}
    if weights.get("ssim"):
        terms["ssim"] = ssim_pyramid_loss(previous, current, flows, visible=visible)
    if weights.get("census"):
        terms["census"] = census_loss(warp(before, finest), now, visible)
    if weights.get("smoothness"):
        terms["smoothness"] = smoothness_loss(finest, now)
    return terms


def seen_before(flow: Tensor, reverse: Tensor, side: int) -> Tensor:
    """(N, 1, h, w) 0 or 1: what of frame t was seen in frame t-1; the flows are a level's, of pictures `side` wide."""
    tolerated = (TOLERATED_PX * flow.shape[-1] / side) ** 2  # squared pixels of the level
    return visible_by_consistency(flow, reverse, absolute=tolerated).to(flow.dtype)
