"""Frames a second of the training loader from four kinds of source, beside those of the training step.

    python experiments/data_loading/run.py [STORE]

Renders faces, writes them as .mp4 with an annotation store under runs/data_loading/, measures, and writes results.csv
beside this file. STORE: an annotation store of real clips, measured as well.
"""

import csv
import io
import random
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytorch_lightning as pl

from faceimit.data.clipfile import load_clip, save_clip
from faceimit.data.corpora import Source, list_corpus
from faceimit.data.corpus import Corpus
from faceimit.data.corpus_module import CorpusClips
from faceimit.data.store import Store, StoredClip
from faceimit.data.synthetic.generate import prepare
from faceimit.data.transforms import Strength
from faceimit.data.video import read_frames, write_video
from faceimit.data.videos import CROP_VERSION
from faceimit.data.windows import Windows
from faceimit.face.landmarks import FROM_MEDIAPIPE
from faceimit.face.pose import rotation_from_pose
from faceimit.face.records import Clip
from faceimit.tracking.config import composed, plain
from faceimit.tracking.schema import build

HERE = Path(__file__).parent
WORK = HERE.parents[1] / "runs" / "data_loading"
CLIPS, ROUNDS = 6, 5  # clips, and how often each is played forwards and backwards: 500 frames
WIDTH, HEIGHT, SIDE = 640, 480, 240  # of the pictures, and of the face crop in them
WINDOW, BATCH, SECONDS = 24, 6, 5.0


def main() -> None:
    """Make the clips, measure, write the table."""
    data = rendered(WORK)
    step = training_speed(data)
    rows = [row(kind, windows, step) for kind, windows in sources(data, "rendered")]
    if len(sys.argv) > 1:
        real = CorpusClips("videos", store=sys.argv[1], cache=str(WORK / "cache"), annotator=None)
        real.prepare_data()
        rows += [row(kind, windows, step) for kind, windows in sources(real, "real")]
    rows.append({"source": "training step", "frames_per_s": step, "augmented_per_s": step, "steps_fed": 1.0})
    write(rows)


def rendered(folder: Path) -> CorpusClips:
    """Rendered faces in the middle of larger pictures, as .mp4 with a store."""
    store = Store(folder / "store")
    for path in prepare(folder / "rendered", "train", CLIPS, seed=0, frames=50, size=128):
        clip = played(load_clip(path))
        video = folder / "videos" / f"{path.stem}.mp4"
        if not video.exists():
            write_video(video, (framed(frame) for frame in clip.frames), clip.fps, crf=23)
    for source in list_corpus("videos", folder / "videos").sources:
        path = folder / "rendered"
        (file,) = path.rglob(f"{source.path.stem}.npz")
        store.write(row_of(source, played(load_clip(file))))
    store.pack()
    data = CorpusClips("videos", store=str(store.path), cache=str(folder / "cache"), annotator=None)
    data.prepare_data()
    return data


def played(clip: Clip) -> Clip:
    """The clip forwards and backwards several times."""
    frames = len(clip.frames)
    order = np.concatenate([np.arange(frames), np.arange(frames)[::-1]] * ROUNDS)
    old = clip.annotation
    annotation = type(old)(old.blendshapes[order], old.pose[order], old.valid[order], old.landmarks[order])
    return Clip(clip.name, clip.identity, clip.fps, clip.frames[order], annotation)


def framed(crop: np.ndarray) -> np.ndarray:
    """A face crop in the middle of a grey picture."""
    picture = np.full((HEIGHT, WIDTH, 3), 90, dtype=np.uint8)
    top, left = (HEIGHT - SIDE) // 2, (WIDTH - SIDE) // 2
    picture[top : top + SIDE, left : left + SIDE] = cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return picture


def row_of(source: Source, clip: Clip) -> StoredClip:
    """What an annotator that knows the truth would say of :func:`framed` pictures."""
    with read_frames(source.path) as video:
        times = np.array([frame.time_s for frame in video])
    frames = len(times)
    matrices = np.tile(np.eye(4, dtype=np.float32), (frames, 1, 1))
    matrices[:, :3, :3] = rotation_from_pose(clip.annotation.pose)
    scale, offset = SIDE / 128, np.array([(WIDTH - SIDE) / 2, (HEIGHT - SIDE) / 2])
    landmarks = np.zeros((frames, 478, 3), dtype=np.float16)
    points = (clip.annotation.landmarks + 0.5) * scale + offset
    landmarks[:, list(FROM_MEDIAPIPE), :2] = points / (WIDTH, HEIGHT)
    box = [(WIDTH - 1) / 2, (HEIGHT - 1) / 2, SIDE]
    return StoredClip(
        name=source.name, source=str(source.path), relative=source.relative, sha256="", annotator="truth",
        bytes=source.path.stat().st_size, annotator_version="1", model_sha256="", fps=video.info.fps, width=WIDTH,
        height=HEIGHT, crop_version=CROP_VERSION, times=times, valid=clip.annotation.valid,
        faces=np.ones(frames, dtype=np.uint8), blendshapes=clip.annotation.blendshapes, matrices=matrices,
        landmarks=landmarks, boxes=np.tile(np.float32(box), (frames, 1)),
    )  # fmt: skip


def sources(data: CorpusClips, what: str) -> Iterator[tuple[str, Corpus]]:
    """Each way to read the training clips, none of them warm but the first."""
    clips = data.sources("train")
    files = []
    for clip in clips:
        path = WORK / "npz" / f"{clip.info.sha256[:8]}{clip.name.replace('/', '_')}.npz"
        if not path.exists():
            save_clip(path, clip.whole())
        files.append(path)
    yield f"{what}: clip files in memory", Corpus(files, memory=1e12)
    yield f"{what}: video windows by seeking", Corpus(clips, memory=0)
    for clip in clips:
        clip.crops.finder.seeks = False
    yield f"{what}: video windows decoded from the start", Corpus(clips, memory=0)
    data.crops = "jpeg"
    yield f"{what}: JPEG crops in parquet", Corpus(data.sources("train"), memory=0)


def row(kind: str, corpus: Corpus, step: float) -> dict[str, Any]:
    """Speed of windows from this source."""
    plain_, augmented = loading_speed(corpus, None), loading_speed(corpus, Strength())
    print(f"{kind}: {plain_:.0f} frames/s, augmented {augmented:.0f}", file=sys.stderr)
    return {"source": kind, "frames_per_s": plain_, "augmented_per_s": augmented, "steps_fed": augmented / step}


def loading_speed(corpus: Corpus, strength: Strength | None) -> float:
    """Frames a second of one loader process."""
    windows = Windows(corpus, 0.4, WINDOW, 10**6, strength)
    random.seed(0)
    windows[0]
    started, count = time.perf_counter(), 0
    while time.perf_counter() - started < SECONDS:
        windows[count]
        count += 1
    return count * WINDOW / (time.perf_counter() - started)


class Clock(pl.Callback):
    """Seconds of each training step, loading left out."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_batch_start(self, *_: Any, **__: Any) -> None:
        self._started = time.perf_counter()

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        self.seconds.append(time.perf_counter() - self._started)


def training_speed(data: CorpusClips) -> float:
    """Frames a second of the main job's training step, as ``profile=cpu`` trains it."""
    config = plain(composed(["experiment=keyframe_multitask", "profile=cpu"]))
    task = build(config["task"] | {"flow_cache": str(WORK / "flow")})
    data.window, data.batch_size, data.steps = WINDOW, BATCH, 16
    clock = Clock()
    trainer = pl.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, callbacks=[clock],
        enable_progress_bar=False, limit_val_batches=0, num_sanity_val_steps=0,
    )  # fmt: skip
    trainer.fit(task, datamodule=data)
    # four steps in a row hold one that trains the flow; the first four warm up
    return float(WINDOW * BATCH / np.mean(clock.seconds[4:]))


def write(rows: Sequence[dict[str, Any]]) -> None:
    """results.csv, and the same on the screen."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows)
    (HERE / "results.csv").write_text(text.getvalue())
    print(text.getvalue())


if __name__ == "__main__":
    main()
