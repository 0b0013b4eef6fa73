"""The keyframe network as one step of a stream: a crop and the state of the stream in, scores and the next state out.

A whole clip is scored with one frame's edges repeated at either end. The step does the same while the clip is still
running: it answers with the final score of the frame `look_ahead` frames ago and, for the younger frames, with the
scores they would have if the clip ended now. So the stream's end needs no graph of its own, and whoever cannot wait
has an early opinion. All scores equal :func:`faceimit.nets.keyframe.score_clip` up to rounding, but for a network
without look-ahead: there a part's first frame scores 0, since its answer cannot wait for the second frame. Each frame's
features are computed once. A state of zeros begins a new part of the stream.
"""

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from faceimit.bundle.flow_rows import FlowRows
from faceimit.nets.keyframe import DIFFERENCE_GAIN, SCALES, KeyframeNet, ScoreHead, standardised

# Of the state: frames seen, the last frame as each part saw it, its features, and what the temporal context needs.
SEEN, STANDARD, SMALL, LAST, WINDOW = "seen", "standard", "small", "last", "window"


class StateTensor(NamedTuple):
    """One tensor of the state; all are zero at the start."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype


class KeyframeStep(nn.Module):
    """One step of the stream.

    Args:
        net: trained; a copy of it is taken.
        crop: side of the crops in pixels.
    """

    def __init__(self, net: KeyframeNet, crop: int) -> None:
        super().__init__()
        self.net, self.crop = copy.deepcopy(net), crop
        self.flow = None if self.net.flow is None else FlowRows(self.net.flow, crop)
        self.look_ahead = net.look_ahead
        self.length = net.context + net.look_ahead  # frames in the window: context counts the predecessor, not itself
        self.state = self._state()
        self.eval()

    def _state(self) -> tuple[StateTensor, ...]:
        """What the state consists of."""
        net, width = self.net, self.net.fuse[1].out_features
        state = [StateTensor(SEEN, (1,), torch.int64), StateTensor(WINDOW, (self.length, width), torch.float32)]
        if net.pair:
            state.append(StateTensor(STANDARD, (1, 3, net.size, net.size), torch.float32))
        if self.flow is not None:
            shapes = self.flow.shapes
            finest = shapes[min(shapes)][0]
            state += [StateTensor(LAST, (1, width), torch.float32)]
            state += [StateTensor(SMALL, (1, 3, finest, finest), torch.float32)]
            state += [StateTensor(f"level{n}", shape, torch.float32) for n, shape in shapes.items()]
        return tuple(state)

    def zeros(self) -> tuple[Tensor, ...]:
        """The state at the start of a part."""
        return tuple(torch.zeros(tensor.shape, dtype=tensor.dtype) for tensor in self.state)

    def forward(self, crop: Tensor, rate: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Scores and next state.

        Args:
            crop: (S, S, 3) uint8 RGB.
            rate: (1,) frames per second / 25.
            state: in the order of `state`.

        Returns:
            scores (look_ahead + 1,) in [0, 1], oldest first: of frame t - look_ahead, final, up to t, provisional;
            entries before the part's first frame mean nothing. Then the next state, in the same order.
        """
        before = {tensor.name: value for tensor, value in zip(self.state, state, strict=True)}
        seen = before[SEEN]
        frame = crop.permute(2, 0, 1).unsqueeze(0).float() / 255  # (1, 3, S, S)
        after = {SEEN: (seen + 1).clamp(max=self.length)}
        appearance = self._appearance(frame, rate, before, after)
        window = before[WINDOW]
        if self.flow is None:
            fused = self.net.fuse(appearance)
        else:
            motion = self._motion(frame, rate, before, after)
            after[LAST] = appearance
            fused = self.net.fuse(torch.cat([appearance, motion], dim=1))
            # the first frame has no predecessor and takes the motion of the second
            first = self.net.fuse(torch.cat([before[LAST], motion], dim=1))
            window = torch.cat([window[:-1], torch.where(seen == 1, first, window[-1:])])
        after[WINDOW] = torch.cat([window[1:], fused])
        # of a face seen for a single frame no change is known
        scores = torch.where(seen > 0, self._scores(after[WINDOW], after[SEEN]), torch.zeros(1))
        return (scores, *(after[tensor.name] for tensor in self.state))

    def _appearance(self, frame: Tensor, rate: Tensor, before: dict[str, Tensor], after: dict[str, Tensor]) -> Tensor:
        """(1, width), and the frame as the backbone sees it into the next state."""
        x = standardised(frame, self.net.size)
        if not self.net.pair:
            return self.net.appearance(x)
        previous = torch.where(before[SEEN] > 0, before[STANDARD], x)
        after[STANDARD] = x
        return self.net.appearance(torch.cat([x, (x - previous) * (DIFFERENCE_GAIN * rate)], dim=1))

    def _motion(self, frame: Tensor, rate: Tensor, before: dict[str, Tensor], after: dict[str, Tensor]) -> Tensor:
        """(1, width), and the frame as the flow network sees it into the next state."""
        assert self.flow is not None
        assert self.net.motion is not None
        levels = self.flow.rows(frame)
        flows = self.flow({n: before[f"level{n}"] for n in levels}, levels)[:SCALES]
        after |= {f"level{n}": rows for n, rows in levels.items()}
        after[SMALL] = F.interpolate(frame, size=tuple(flows[0].shape[-2:]), mode="area")
        return self.net.motion(before[SMALL], after[SMALL], flows, rate)

    def _scores(self, window: Tensor, seen: Tensor) -> Tensor:
        """Scores of the last `look_ahead` + 1 frames of a window whose last `seen` frames are of this part.

        Each layer of the temporal head repeats its first and last frame beyond the ends, so a frame beyond an end is
        looked up at the end: which frames a layer needs is worked out from the last layer back.
        """
        head: ScoreHead = self.net.head
        first, last = (self.length - seen).clamp(min=0), self.length - 1
        wanted = [torch.arange(self.length - 1 - self.look_ahead, self.length)]
        for past, future in reversed(head.paddings):
            reach = torch.arange(-past, future + 1)
            places = torch.clamp(wanted[0].reshape(-1, 1) + reach, min=first, max=torch.tensor(last))
            wanted.insert(0, places.flatten())
        x = window[wanted[0]]  # (frames, width)
        for layer in head.context:
            kernel = layer.kernel_size[0]
            # (frames kernel, width) -> (frames, width kernel), as a convolution stores its weights
            x = x.unflatten(0, (-1, kernel)).transpose(1, 2).flatten(1)
            x = F.relu(F.linear(x, layer.weight.flatten(1), layer.bias))
        return head.readout(x.T.unsqueeze(0))[0][0]
