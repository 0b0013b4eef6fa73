"""Single faces from clips: which frames, which points, what a batch holds, and real faces mixed in."""

import dataclasses

import numpy as np
import pytest
import torch

from faceimit.data.landmark_module import CATEGORIES, FaceSet, LandmarkFaces, categories, faces_of_clips
from faceimit.errors import InputError
from tests.clips import blob_clip
from tests.corpora import make_300vw
from tests.landmark_faces import dotted_faces, mean_shape

PEOPLE = {"train": 2, "val": 2, "test": 2}


def clip_with_landmarks(seed, frames=6, size=32):
    clip = blob_clip(seed, frames=20, size=size)
    landmarks = np.repeat(mean_shape(size)[None], 20, axis=0) + np.arange(20)[:, None, None]
    annotation = dataclasses.replace(clip.annotation, landmarks=landmarks.astype(np.float32))
    cut = {name: getattr(annotation, name)[:frames] for name in ("blendshapes", "pose", "valid", "landmarks")}
    return dataclasses.replace(clip, frames=clip.frames[:frames], annotation=type(annotation)(**cut))


def test_only_valid_frames_with_finite_points_are_taken():
    clip = clip_with_landmarks(0)
    clip.annotation.valid[1] = False
    clip.annotation.landmarks[4, 0, 0] = np.nan
    faces = faces_of_clips([clip], turned=True, unknown=("jaw",))
    assert len(faces) == 4
    assert np.array_equal(faces.images, clip.frames[[0, 2, 3, 5]])
    assert faces.turned.all()
    assert not faces.known[:, :17].any()
    assert faces.known[:, 17:].all()
    assert len(faces_of_clips([clip], every=2)) == 2


def test_clips_without_landmarks_are_refused_and_without_faces_are_nothing():
    with pytest.raises(InputError, match="has no landmarks"):
        faces_of_clips([blob_clip(0)])
    clip = clip_with_landmarks(0)
    clip.annotation.valid[:] = False
    assert faces_of_clips([clip]) is None


def test_categories_by_name():
    def named(yaw, pitch, expressive=False, hidden=0):
        flags = categories(np.array([yaw, pitch, 0.0]), expressive, np.arange(68) < hidden)
        return {name for name, flag in zip(CATEGORIES, flags, strict=True) if flag}

    assert named(0.0, 0.0) == {"frontal"}
    assert named(-0.5, 0.3) == {"profile", "head_up"}
    assert named(0.1, -0.3, expressive=True, hidden=5) == {"frontal", "head_down", "expression", "occlusion"}


def test_items_without_augmentation_are_the_faces_in_order():
    faces = dotted_faces(4)
    item = FaceSet(faces)[2]
    assert item["image"].shape == (3, 64, 64)
    assert np.array_equal(item["image"].permute(1, 2, 0).numpy(), faces.images[2])
    assert np.array_equal(item["landmarks"].numpy(), faces.landmarks[2])


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    root = tmp_path_factory.mktemp("rendered")
    make_300vw(root / "300vw", (1, 2, 3, 114, 203, 410))
    settings = {"frames": 2, "size": 48, "renderers": 0, "augmentation": {}, "batch_size": 4, "steps": 2}
    others = {"corpora": {"300vw": str(root / "300vw")}, "annotator": "tests.middle_face:MiddleFace"}
    data = LandmarkFaces(str(root), PEOPLE, **settings, **others, cache=str(root / "cache"), real_share=0.25)
    data.prepare_data()
    return data


def test_batches_of_rendered_and_other_faces(module):
    torch.manual_seed(0)
    batches = list(module.train_dataloader())
    assert len(batches) == 2
    shapes = {name: tuple(value.shape) for name, value in batches[0].items()}
    assert shapes == {
        "image": (4, 3, 48, 48),
        "landmarks": (4, 68, 2),
        "known": (4, 68),
        "pose": (4, 3),
        "category": (4, 6),
        "covered": (4, 68),
        "turned": (4,),
        "number": (4,),
    }
    test = next(iter(module.test_dataloader()))
    assert test["turned"].tolist() == [False, False, True, True]
    assert test["number"].tolist() == [0, 1, 2, 3]
    points, shares = module.statistics(64)
    assert 0.2 < points.mean() < 0.8
    assert shares[0] + shares[1] == pytest.approx(1)


def test_points_of_300vw_are_the_hand_made_ones_in_pixels_of_the_crop(module):
    (faces,) = module.others()
    assert faces.known.all()
    width = np.ptp(faces.landmarks[..., 0], axis=1)
    height = np.ptp(faces.landmarks[..., 1], axis=1)
    assert np.allclose(width, height, rtol=0.01)  # a circle
    assert (width > 10).all()


def test_the_share_of_other_faces(module):
    faces = module.training_set()
    random = np.random.default_rng(0)
    drawn = [faces._index(random) >= len(module.faces("train")) for _ in range(4000)]
    assert np.mean(drawn) == pytest.approx(0.25, abs=0.03)


def test_splits_and_turns_share_no_person(module):
    from faceimit.data.clipfile import load_clip

    people = [load_clip(path).identity for split in PEOPLE for paths in module.paths(split) for path in paths]
    assert len(set(people)) == len(people) == 6


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match="expected turns to list a factor or more"):
        LandmarkFaces("x", PEOPLE, turns=())
    with pytest.raises(InputError, match="one for each of turns"):
        LandmarkFaces("x", {**PEOPLE, "val": 1})
    with pytest.raises(InputError, match="300VW"):
        LandmarkFaces("x", PEOPLE, corpora={"300vw": str(tmp_path)}).others()
