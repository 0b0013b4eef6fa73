"""One interface, two backends: units, missing faces, refusals."""

import numpy as np
import pytest
import torch

from faceimit.errors import InputError
from faceimit.nets.pfld import PFLD, pack_pfld
from faceimit.robot.keypoints import MediaPipeBackend, PfldBackend, checked_crop, make_backend, no_keypoints
from tests.faces import REAL, needs_real

SMALL = {"width": 0.125, "size": 64}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    path.write_bytes(pack_pfld(PFLD(**SMALL), SMALL))
    return path


def crop(side=96):
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)


def test_points_in_pixels_and_confidence_in_its_range(weights):
    with PfldBackend(weights) as backend:
        found = backend.find(crop())
        assert found.points.shape == (68, 2)
        assert found.confidence.shape == (68,)
        assert np.isfinite(found.points).all()
        assert found.found
        assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
        both = backend.find_all(np.stack([crop(), 255 - crop()]))
        assert np.allclose(both[0].points, found.points, atol=1e-3)
        assert not np.array_equal(both[1].points, found.points)


def test_no_face_gives_nan_and_no_confidence(weights):
    found = PfldBackend(weights).find(None)
    assert not found.found
    assert np.isnan(found.points).all()
    assert (found.confidence == 0).all()
    assert not no_keypoints().found


@pytest.mark.parametrize("bad", [crop()[:50], crop().astype(np.float32), crop()[..., 0]])
def test_what_is_no_crop_is_refused(bad):
    with pytest.raises(InputError, match="expected a face crop"):
        checked_crop(bad)


def test_unknown_names_devices_and_files_are_refused(weights, tmp_path):
    with pytest.raises(InputError, match="pfld, mediapipe"):
        make_backend("dlib")
    with pytest.raises(InputError, match="cannot read landmark weights"):
        make_backend("pfld", weights=tmp_path / "none.safetensors")
    with pytest.raises(InputError, match="does not exist"):
        make_backend("mediapipe", model=tmp_path / "none.task")
    with pytest.raises(InputError, match="not available here"):
        PfldBackend(weights, device="nowhere")


@needs_real
def test_mediapipe_agrees_with_the_annotation_of_a_rendered_face_and_finds_none_in_noise():
    pytest.importorskip("mediapipe")
    from faceimit.data.synthetic.generate import render_clip

    clip = render_clip(seed=0, identity=20_000_050, frames=2, size=192, fps=1.5, clean=True)
    with MediaPipeBackend(REAL / "face_landmarker_v2_with_blendshapes.task") as backend:
        assert not backend.find(None).found
        assert not backend.find(crop(192)).found
        found = backend.find(clip.frames[0])
    eyes = np.linalg.norm(clip.annotation.landmarks[0][45] - clip.annotation.landmarks[0][36])
    error = np.linalg.norm(found.points - clip.annotation.landmarks[0], axis=1)[17:].mean()
    assert error < 0.1 * eyes
    assert (found.confidence == 1).all()
