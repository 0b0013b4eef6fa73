"""Where landmarks lie in the picture."""

import numpy as np

from faceimit.data.synthetic import raster
from faceimit.data.synthetic.render import SUPERSAMPLING, to_picture, tone_curve


def test_a_point_of_the_raster_lies_where_its_pixels_end_up_in_the_picture():
    size, centre = 32, np.array([37.0, 21.0])
    square = np.array([[-3, -3], [3, -3], [3, 3], [-3, 3]]) + centre
    points = np.column_stack([square, np.ones(4)]).astype(np.float32)
    side = size * SUPERSAMPLING
    depth, face = np.empty((side, side), np.float32), np.empty((side, side), np.int32)
    triangles = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
    bary = np.empty((side, side, 2), np.float32)
    raster.rasterise(points, triangles, np.ones(2, dtype=bool), side, depth, face, bary)
    image = np.repeat((face >= 0)[..., None], 3, axis=2).astype(np.float32)
    picture = np.empty((size, size, 3), np.float32)
    raster.halve(image, tone_curve(), picture)
    light = picture[..., 0].astype(np.float64)
    light = light / light.max()
    rows, columns = np.mgrid[:size, :size]
    inside = light > 0
    found = np.array([columns[inside].mean(), rows[inside].mean()])
    assert np.allclose(to_picture(centre), found, atol=0.01)
