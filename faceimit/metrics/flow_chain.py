"""Exact flow over several frames, from exact flow between neighbours."""

from torch import Tensor

from faceimit.nets.warp import compose, inside, warp


def chained_flow(flow: Tensor, occluded: Tensor, gap: int) -> tuple[Tensor, Tensor]:
    """Flow of each frame t to frame t - gap.

    Args:
        flow: (T, 2, H, W) float px, frame t -> t-1; flow[0] is not used.
        occluded: (T, H, W) bool, pixels of frame t hidden in frame t-1.
        gap: frames back, 1 <= gap < T.

    Returns:
        (T - gap, 2, H, W) px for t = gap .. T-1, and (T - gap, H, W) bool: pixels seen in all frames t - gap .. t.

    Raises:
        ValueError: if gap does not fit the clip.
    """
    frames = flow.shape[0]
    if not 1 <= gap < frames:
        raise ValueError(f"expected gap to be 1 to {frames - 1} for a clip of {frames} frames but got {gap}")
    total, visible = flow[gap:], ~occluded[gap:]
    for back in range(1, gap):
        hidden = warp(occluded[gap - back : frames - back].unsqueeze(1).to(flow.dtype), total)
        visible = visible & (hidden[:, 0] < 0.05)
        total = compose(total, flow[gap - back : frames - back])
    return total, visible & inside(total)[:, 0]
