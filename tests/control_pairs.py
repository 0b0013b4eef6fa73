"""A cartoon of a robot whose controls can be seen, and of people with the same ones: tiny pairs for tests."""

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from faceimit.face.controls import NAMES, from_normalised, normalised
from faceimit.nets.placement import EYES, LEVEL, points_at


def cartoons(deviations, human=False, side=64):
    """(N, 30) deviations -> (N, 3, side, side) uint8: a spot for each control, as far aside as it is from neutral."""
    rows, columns = np.divmod(np.arange(len(NAMES)), 6)
    grid = np.arange(side)
    cell = side / 6
    x = (columns + 0.5) * cell + deviations * cell * 0.9  # (N, 30)
    y = np.broadcast_to((rows + 0.5) * cell, x.shape)
    spots = np.exp(-0.5 * ((grid - x[..., None]) / 2) ** 2)[:, :, None, :]
    spots = spots * np.exp(-0.5 * ((grid - y[..., None]) / 2) ** 2)[..., None]
    picture = 60 + 150 * spots.sum(axis=1).clip(0, 1)  # (N, side, side)
    tint = (1.0, 0.8, 0.7) if human else (0.8, 0.9, 1.0)
    return np.stack([picture * share for share in tint], axis=1).astype(np.uint8)


# Landmarks of every cartoon in the frame of its face: the eyes lie where they must, the others anywhere.
FACE = torch.rand(68, 2, generator=torch.Generator().manual_seed(0)) - 0.5
FACE[36:42] += torch.tensor([-0.5, 0.0]) - FACE[36:42].mean(dim=0)
FACE[42:48] += torch.tensor([0.5, 0.0]) - FACE[42:48].mean(dim=0)
MOVING = (0, 6, 9, 13, 16, 29)  # one control of each of six parts moves, to be learnt from few pictures


def rows(count, seed, human=False, pairs=False):
    """Batch entries of `count` cartoons with random deviations of the controls :data:`MOVING`."""
    deviations = np.zeros((count, len(NAMES)))
    deviations[:, MOVING] = np.random.default_rng(seed).uniform(-0.5, 0.5, size=(count, len(MOVING)))
    controls = from_normalised(deviations)
    placement = torch.tensor([[EYES, 0.0, 0.5, LEVEL]])  # the face fills the picture
    images = torch.from_numpy(cartoons(normalised(controls), human))
    return [
        {
            "image": image,
            "controls": torch.from_numpy(value).float(),
            "landmarks": points_at(placement, FACE)[0] * image.shape[-1] - 0.5,
            "domain": torch.tensor(int(human)),
            "pair": torch.tensor(i if pairs else -1),
        }
        for i, (image, value) in enumerate(zip(images, controls, strict=True))
    ]


class Cartoons(pl.LightningDataModule):
    """Robot and human cartoons, with separate loaders of each to measure on."""

    val_sets = test_sets = ("robot", "human")

    def __init__(self, count: int = 320, batch_size: int = 32):
        super().__init__()
        self.count, self.batch_size = count, batch_size

    def train_dataloader(self):
        half = self.count // 2
        mixed = [
            row for pair in zip(rows(half, 0, False, True), rows(half, 0, True, True), strict=True) for row in pair
        ]
        return DataLoader(mixed, self.batch_size, shuffle=False)

    def val_dataloader(self):
        return [DataLoader(rows(24, 1), 16), DataLoader(rows(24, 2, True), 16)]

    test_dataloader = val_dataloader
