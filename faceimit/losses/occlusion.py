"""What of frame t was hidden in frame t-1, from flow alone: forward and backward flow must cancel."""

from torch import Tensor

from faceimit.nets.warp import inside, warp


def visible_by_consistency(flow: Tensor, reverse: Tensor, relative: float = 0.01, absolute: float = 0.5) -> Tensor:
    """Pixels of frame t that were seen in frame t-1 (Sundaram, Brox, Keutzer, ECCV 2010, eq. 5).

    Args:
        flow: (N, 2, H, W) px, frame t -> t-1.
        reverse: (N, 2, H, W) px, frame t-1 -> t.
        relative: tolerance per squared pixel of motion.
        absolute: tolerance in squared pixels.

    Returns:
        (N, 1, H, W) bool, no gradient; False also where x + flow(x) leaves the picture.
    """
    flow, reverse = flow.detach(), reverse.detach()
    back = warp(reverse, flow)
    mismatch = (flow + back).square().sum(dim=1, keepdim=True)
    motion = (flow.square() + back.square()).sum(dim=1, keepdim=True)
    return (mismatch < relative * motion + absolute) & inside(flow)
