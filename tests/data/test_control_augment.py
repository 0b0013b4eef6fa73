from dataclasses import fields

import numpy as np
import pytest
import torch

from faceimit.data.control_augment import (
    ControlStrength,
    augment,
    filmed,
    mirrored_deviations,
    placements,
)
from faceimit.face.controls import INDEX, NAMES, from_normalised, mirrored, normalised

NOTHING = {field.name: 0.0 for field in fields(ControlStrength)}


def batch(count=4, side=32):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)
    return images, torch.rand(count, len(NAMES), generator=generator) - 0.5


def test_no_strength_changes_nothing():
    images, deviations = batch()
    new, same, _ = augment(images, deviations, ControlStrength(**NOTHING))
    assert torch.equal(new, images.float())
    assert torch.equal(same, deviations)


def test_a_flip_takes_the_controls_along():
    images, deviations = batch()
    new, swapped, _ = augment(images, deviations, ControlStrength(**NOTHING | {"flip": 1.0}))
    assert torch.equal(new, images.flip(-1).float())
    left, right = INDEX["Lip Corner Raise Left"], INDEX["Lip Corner Raise Right"]
    assert torch.equal(swapped[:, left], deviations[:, right])
    assert torch.equal(swapped[:, INDEX["Head Yaw"]], -deviations[:, INDEX["Head Yaw"]])
    assert torch.equal(mirrored_deviations(swapped), deviations)


def test_mirroring_is_the_tables_where_nothing_is_clipped():
    values = from_normalised(np.random.default_rng(0).uniform(-0.1, 0.1, size=(6, len(NAMES))))
    found = mirrored_deviations(torch.from_numpy(normalised(values)))
    assert np.allclose(found.numpy(), normalised(mirrored(values)))


def test_a_placement_moves_a_spot_where_it_says():
    torch.manual_seed(0)
    strength = ControlStrength(**NOTHING | {"rotation": 10.0, "scale": 0.1, "shift": 0.1})
    image = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    image[:, :, 19:22, 40:43] = 255
    state = torch.get_rng_state()
    torch.rand(1)  # the draw of the flip
    matrix = placements(1, 64, strength)[0]
    torch.set_rng_state(state)
    moved, _, _ = augment(image, torch.zeros(1, len(NAMES)), strength)
    weight = moved[0, 0] / moved[0, 0].sum()
    grid = torch.arange(64.0)
    found = (weight.sum(dim=0) @ grid, weight.sum(dim=1) @ grid)
    expected = matrix[:, :2] @ torch.tensor([41.0, 20.0]) + matrix[:, 2]
    assert torch.tensor(found).numpy() == pytest.approx(expected.numpy(), abs=0.1)


@pytest.mark.parametrize("name", ["light", "colour", "blur", "noise"])
def test_each_of_the_cameras_faults_changes_pictures_within_the_range(name):
    torch.manual_seed(0)
    images = batch(16)[0].float()
    strength = ControlStrength(**NOTHING | {name: 8.0 if name == "noise" else 0.5})
    new = filmed(images, strength)
    assert new.shape == images.shape
    assert not torch.equal(new, images)
    assert float(new.min()) >= 0
    assert float(new.max()) <= 255
    if name == "blur":
        assert (new - images).abs().amax(dim=(1, 2, 3)).eq(0).sum() not in (0, 16)


def test_the_same_seed_repeats_it():
    images, deviations = batch()
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        found.append(augment(images, deviations, ControlStrength())[0])
    assert torch.equal(*found)
