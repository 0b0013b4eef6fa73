"""Single faces with landmarks: rendered people, few frames of each, and crops of real videos where given.

A batch holds ``image`` uint8 (B, 3, S, S) RGB, ``landmarks`` float32 (B, 68, 2) in pixels of the crop, ``known`` bool
(B, 68), ``pose`` float32 (B, 3) radians, ``category`` bool (B, 6) in the order of :data:`CATEGORIES`, ``covered`` bool
(B, 68), ``turned`` bool (B,): of a corpus whose heads turn further than people facing a camera do, and ``number`` int64
(B,), which item of its set each is.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset

from faceimit.data.clipfile import load_clip
from faceimit.data.labels import landmarked_frames
from faceimit.data.landmark_augment import Augmentation, Face, FaceStrength, augment_face
from faceimit.data.sharding import as_given, measured, own_steps
from faceimit.data.stored import LazyClip
from faceimit.errors import InputError
from faceimit.face.blendshapes import BLENDSHAPES
from faceimit.face.landmarks import COUNT, GROUPS
from faceimit.face.records import Clip
from faceimit.ranges import Count, Frames, Positive, Seed, Share, Side, Splits, Whole

SPLITS = ("train", "val", "test")
CATEGORIES = ("profile", "frontal", "head_up", "head_down", "expression", "occlusion")
PROFILE, NOD = np.radians(20.0), np.radians(10.0)  # beyond these angles a face counts as turned, lifted, lowered
EXPRESSIVE = 0.5  # a blendshape of the face (not of the gaze) beyond this is an expression
EVERY = 5  # of real videos one frame in so many: neighbours hardly differ
HIDDEN = 5  # covered points that make a face an occluded one
_OF_THE_FACE = np.array([not name.startswith("eyeLook") for name in BLENDSHAPES])


@dataclass(frozen=True)
class Faces:
    """Single faces, one a row.

    Attributes:
        images: (N, S, S, 3) uint8 RGB.
        landmarks: (N, 68, 2) float32, pixels of the crop.
        known: (N, 68) bool, points that mean what our 68 points mean.
        pose: (N, 3) float32 yaw, pitch, roll in radians.
        expressive: (N,) bool.
        turned: (N,) bool, see the module.
    """

    images: np.ndarray
    landmarks: np.ndarray
    known: np.ndarray
    pose: np.ndarray
    expressive: np.ndarray
    turned: np.ndarray

    def __len__(self) -> int:
        return len(self.images)


def faces_of_clips(
    clips: Iterable[Clip], every: int = 1, turned: bool = False, unknown: Sequence[str] = ()
) -> Faces | None:
    """The valid frames of clips with landmarks; None if there are none.

    Args:
        clips: any, such as rendered ones or 300VW's.
        every: keep one frame of so many.
        turned: goes into :class:`Faces`.
        unknown: groups of points (:data:`faceimit.face.landmarks.GROUPS`) that the annotation defines differently.
    """
    parts = [_frames_of(clip, every) for clip in clips]
    parts = [part for part in parts if len(part[0])]
    if not parts:
        return None
    images, landmarks, pose, expressive = (np.concatenate(rows) for rows in zip(*parts, strict=True))
    known = np.ones((len(images), COUNT), dtype=bool)
    for group in unknown:
        known[:, list(GROUPS[group])] = False
    return Faces(images, landmarks, known, pose, expressive, np.full(len(images), turned))


def _frames_of(clip: Clip, every: int) -> tuple[np.ndarray, ...]:
    annotation = clip.annotation
    rows, landmarks = landmarked_frames(clip, every)
    expressive = annotation.blendshapes[rows][:, _OF_THE_FACE].max(axis=1, initial=0.0) > EXPRESSIVE
    return clip.frames[rows], landmarks, annotation.pose[rows].astype(np.float32), expressive


def joined(parts: Sequence[Faces]) -> Faces:
    """Several sets of faces as one."""
    names = Faces.__dataclass_fields__
    return Faces(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


class FaceSet(Dataset[dict[str, Any]]):
    """Faces one by one.

    Args:
        faces: which.
        strength: augmentation; None shows face i as it is, else each item is a random face.
        count: items.
        odds: (N,) how likely each face is, None: alike.
    """

    def __init__(
        self,
        faces: Faces,
        strength: FaceStrength | None = None,
        count: int | None = None,
        odds: np.ndarray | None = None,
    ) -> None:
        self.faces, self.strength = faces, strength
        self.count = len(faces) if count is None else count
        self._odds = None if odds is None else np.cumsum(odds / odds.sum())

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        if self.strength is None:
            return self._item(index, self._face(index), index)
        return self.drawn(np.random.default_rng([random.getrandbits(32), index]), index)

    def drawn(self, generator: np.random.Generator, number: int = 0) -> dict[str, Any]:
        """A random face, augmented."""
        assert self.strength is not None
        index = self._index(generator)
        donor = self.faces.images[self._index(generator)]
        return self._item(index, augment_face(self._face(index), donor, self.strength, generator), number)

    def _index(self, generator: np.random.Generator) -> int:
        if self._odds is None:
            return int(generator.integers(len(self.faces)))
        return min(int(np.searchsorted(self._odds, generator.random())), len(self.faces) - 1)

    def _face(self, index: int) -> Face:
        faces = self.faces
        return Face(faces.images[index], faces.landmarks[index], faces.pose[index], np.zeros(COUNT, dtype=bool))

    def _item(self, index: int, face: Face, number: int) -> dict[str, Any]:
        category = categories(face.pose, bool(self.faces.expressive[index]), face.covered)
        return {
            "image": torch.from_numpy(np.ascontiguousarray(face.image.transpose(2, 0, 1))),
            "landmarks": torch.from_numpy(face.landmarks.astype(np.float32)),
            "known": torch.from_numpy(self.faces.known[index]),
            "pose": torch.from_numpy(face.pose.astype(np.float32)),
            "category": torch.from_numpy(category),
            "covered": torch.from_numpy(face.covered),
            "turned": torch.tensor(bool(self.faces.turned[index])),
            "number": torch.tensor(number),
        }


def categories(pose: np.ndarray, expressive: bool, hidden: np.ndarray) -> np.ndarray:
    """(6,) bool in the order of :data:`CATEGORIES`; every face is either profile or frontal.

    Args:
        pose: (3,) yaw, pitch, roll in radians.
        expressive: the face shows an expression.
        hidden: (68,) bool, covered points.
    """
    profile = bool(abs(pose[0]) > PROFILE)
    return np.array([profile, not profile, pose[1] > NOD, pose[1] < -NOD, expressive, hidden.sum() >= HIDDEN])


class LandmarkFaces(pl.LightningDataModule):
    """Rendered people, few frames of each, far apart in time; real clips beside them where given.

    Args:
        root: cache folder of rendered clips.
        people: number of people of each split, {"train": .., "val": .., "test": ..}, dealt out over `turns`.
        frames: of each person.
        fps: frames a second of the person's motion; low, so that the frames differ.
        turns: factors on how far heads turn; 1 is how people face a camera.
        size: side of the crops in pixels.
        seed: of the people; identities of different splits never meet.
        renderers: processes that render; None: one a core.
        batch_size: faces of a batch.
        steps: batches of an epoch; None: as many as show each face about once.
        augmentation: fields of :class:`faceimit.data.landmark_augment.FaceStrength` to change; None: no augmentation.
        corpora: folders of real corpora by name (:mod:`faceimit.data.corpora`), whose training split is added, such as
            {"300vw": FOLDER}; the hand-made landmarks where there are some, else the annotator's without its jaw line.
        annotator, model: of those (:class:`faceimit.data.corpus_module.CorpusClips`).
        cache: folder of their annotation stores.
        real: folder of annotated real clips (:func:`faceimit.data.videos.load_real`) added to the training split.
        real_names: which of them.
        real_cache: folder for their crops.
        real_share: of the training faces that are not rendered, in [0, 1].
        workers: loader processes.
    """

    kind = "single faces with landmarks"

    def __init__(
        self,
        root: str,
        people: Splits,
        frames: Frames = 8,
        fps: Positive = 1.5,
        turns: Sequence[Positive] = (1.0, 2.5),
        size: Side = 128,
        seed: Seed = 0,
        renderers: Whole | None = None,
        batch_size: Count = 16,
        steps: Count | None = None,
        augmentation: Augmentation | None = None,
        corpora: Mapping[str, str] | None = None,
        annotator: str | None = "mediapipe",
        model: str | None = None,
        cache: str = ".cache",
        real: str | None = None,
        real_names: Sequence[str] = (),
        real_cache: str | None = None,
        real_share: Share = 0.5,
        workers: Whole = 0,
    ) -> None:
        super().__init__()
        if not turns:
            raise InputError("expected turns to list a factor or more but got none, try data.turns=[1.0]")
        if min(people[split] for split in SPLITS) < len(turns):
            raise InputError(
                f"expected at least {len(turns)} people a split, one for each of turns, got {dict(people)}"
            )
        self.root, self.people, self.frames, self.fps = Path(root), dict(people), frames, fps
        self.turns, self.size, self.seed, self.renderers = tuple(turns), size, seed, renderers
        self.batch_size, self.steps, self.workers = batch_size, steps, workers
        self.strength = None if augmentation is None else FaceStrength(**augmentation)
        self.corpora, self.cache = dict(corpora or {}), cache
        self.annotator, self.model = annotator, model
        self.real, self.real_share = real, real_share
        self.real_names, self.real_cache = list(real_names), real_cache
        self._faces: dict[str, Faces] = {}
        self._training: FaceSet | None = None

    def paths(self, split: str) -> list[list[Path]]:
        """Rendered clips of a split, one list for each of `turns`, rendering what is missing."""
        from faceimit.data.synthetic.generate import prepare

        found = []
        for i, turn in enumerate(self.turns):
            count = len(range(i, self.people[split], len(self.turns)))
            settings = (split, count, self.seed + i, self.frames, self.size)  # other people for other turns
            found.append(prepare(self.root, *settings, workers=self.renderers, fps=self.fps, turn=float(turn)))
        return found

    def prepare_data(self) -> None:
        """Render what is not on the disk yet, in one process."""
        for split in SPLITS:
            self.paths(split)

    def faces(self, split: str) -> Faces:
        """Rendered faces of a split, read once."""
        if split not in self._faces:
            parts = [
                faces_of_clips(map(load_clip, paths), turned=turn != 1)
                for paths, turn in zip(self.paths(split), self.turns, strict=True)
            ]
            self._faces[split] = joined([part for part in parts if part is not None])
        return self._faces[split]

    def parts(self) -> dict[str, Sequence[Path | Clip | LazyClip]]:
        """What each split is made of (:mod:`faceimit.data.fingerprint`)."""
        found: dict[str, Sequence[Path | Clip | LazyClip]] = {
            split: [path for paths in self.paths(split) for path in paths] for split in SPLITS
        }
        found |= {f"train/{name}": self._corpus(name, folder) for name, folder in self.corpora.items()}
        return found | ({"train/real": self._real()} if self.real is not None else {})

    def others(self) -> list[Faces]:
        """Faces of the training split that are not rendered."""
        found = [self._of_corpus(name, folder) for name, folder in self.corpora.items()]
        if self.real is not None:  # MediaPipe's jaw line is another one
            found.append(faces_of_clips(self._real(), every=EVERY, unknown=("jaw",)))
        return [faces for faces in found if faces is not None]

    def _real(self) -> list[Clip]:
        from faceimit.data.videos import load_real

        assert self.real is not None
        return load_real(self.real, self.real_names, self.size, self.real_cache)

    def _of_corpus(self, name: str, folder: str) -> Faces | None:
        clips = self._corpus(name, folder)
        unknown = () if all(clip.points is not None for clip in clips) else ("jaw",)
        return faces_of_clips((clip.whole() for clip in clips), EVERY, unknown=unknown)

    def _corpus(self, name: str, folder: str) -> list[LazyClip]:
        from faceimit.data.corpus_module import CorpusClips

        module = CorpusClips(
            name, folder, cache=self.cache, annotator=self.annotator, model=self.model, size=self.size, max_frames=200
        )
        module.prepare_data()
        return module.sources("train")

    def training_set(self) -> FaceSet:
        """Random, augmented faces of the training split, as many as an epoch shows."""
        if self._training is None:
            self._training = self._made()
        return self._training

    def _made(self) -> FaceSet:
        rendered, others = self.faces("train"), self.others()
        faces, odds = rendered, None
        if others:
            faces = joined([rendered, *others])
            real = len(faces) - len(rendered)
            odds = np.full(len(faces), self.real_share / real)
            odds[: len(rendered)] = (1 - self.real_share) / len(rendered)
        steps = self.steps or max(1, len(rendered) // self.batch_size)
        return FaceSet(faces, self.strength or _AS_IT_IS, own_steps(steps) * self.batch_size, odds)

    def statistics(self, draws: int = 512) -> tuple[np.ndarray, np.ndarray]:
        """Mean landmarks (68, 2) as fractions of the side, and the share of each category (6,), of augmented faces."""
        faces, generator = self.training_set(), np.random.default_rng(self.seed)
        items = [faces.drawn(generator) for _ in range(draws)]
        points = np.mean([item["landmarks"].numpy() for item in items], axis=0)
        shares = np.mean([item["category"].numpy() for item in items], axis=0)
        return (points + 0.5) / self.size, shares

    def train_dataloader(self) -> DataLoader:
        faces = self.training_set()
        return DataLoader(
            faces,
            batch_size=self.batch_size,
            sampler=as_given(faces),
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def val_dataloader(self) -> DataLoader:
        return measured(FaceSet(self.faces("val")), batch_size=64)

    def test_dataloader(self) -> DataLoader:
        return measured(FaceSet(self.faces("test")), batch_size=64)


_AS_IT_IS = FaceStrength(**dict.fromkeys(FaceStrength.__dataclass_fields__, 0.0))
