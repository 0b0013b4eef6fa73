import cv2
import numpy as np
import pytest

from faceimit.data.crop import CropBox, box_from_landmarks, crop_face, from_crop, to_crop


def ramp(width=80, height=60):
    """(H, W, 3): red is x, green is y, so that a crop says where it was taken."""
    image = np.zeros((height, width, 3), dtype=np.float32)
    image[..., 0] = np.arange(width)
    image[..., 1] = np.arange(height)[:, None]
    return image


@pytest.mark.parametrize("box", [CropBox(40.0, 30.0, 20.0), CropBox(40.3, 29.6, 21.7), CropBox(38.2, 31.1, 47.3)])
@pytest.mark.parametrize("size", [16, 24])
def test_each_pixel_comes_from_where_the_box_says(box, size):
    crop = crop_face(ramp(), box, size)
    u, v = np.meshgrid(np.arange(size), np.arange(size))
    expected = from_crop(np.stack([u, v], axis=-1).astype(float), box, size)
    assert np.abs(crop[..., :2] - expected).max() < 0.03


def test_an_aligned_box_of_the_same_size_copies():
    image = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    assert np.array_equal(crop_face(image, CropBox(19.5, 21.5, 16.0), 16), image[14:30, 12:28])


def test_shrinking_means_over_the_area():
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    crop = crop_face(image, CropBox(31.5, 31.5, 64.0), 16)
    expected = cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA)
    assert np.abs(crop.astype(int) - expected).max() <= 1


def test_shrinking_does_not_alias():
    stripes = np.zeros((90, 90, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    crop = crop_face(stripes, CropBox(45.0, 45.0, 80.0), 16)
    assert crop.std() < 20
    assert crop.mean() == pytest.approx(127.5, abs=5)


def test_subpixel_shifts_shift():
    image = cv2.GaussianBlur(np.random.default_rng(0).uniform(0, 255, (60, 60)).astype(np.float32), (0, 0), 2.0)
    a = crop_face(image, CropBox(30.0, 30.0, 32.0), 32)
    b = crop_face(image, CropBox(30.25, 30.0, 32.0), 32)
    slope = np.gradient(a, axis=1)[:, 2:-2]
    assert (slope * (b - a)[:, 2:-2]).sum() / (slope**2).sum() == pytest.approx(0.25, abs=0.03)


def test_beyond_the_border_the_edge_is_repeated():
    image = np.full((20, 20, 3), 9, dtype=np.uint8)
    assert (crop_face(image, CropBox(0.0, 0.0, 60.0), 24) == 9).all()


def test_grey_pictures_and_types():
    crop = crop_face(np.zeros((30, 30), dtype=np.uint8), CropBox(15, 15, 20), 8)
    assert crop.shape == (8, 8)
    assert crop.dtype == np.uint8


def test_points_go_there_and_back():
    points = np.random.default_rng(0).uniform(0, 100, (7, 2))
    box = CropBox(41.3, 37.9, 55.5)
    assert from_crop(to_crop(points, box, 128), box, 128) == pytest.approx(points)
    assert to_crop(np.array([box.x, box.y]), box, 128) == pytest.approx([63.5, 63.5])


def test_box_of_landmarks():
    landmarks = np.zeros((68, 2))
    landmarks[:, 0], landmarks[:, 1] = np.linspace(10, 50, 68), np.linspace(100, 150, 68)
    assert box_from_landmarks(landmarks) == CropBox(30.0, 125.0, pytest.approx(80.0))
