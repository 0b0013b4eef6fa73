"""Where the 68 landmarks lie on the head: one vertex each."""

import numpy as np

from faceimit.data.synthetic import mesh

# Average positions of the 68 landmarks of an open-eyed neutral face: the person's right half and the middle.
_LANDMARKS = [
    *[(-7.0, -0.92, -7.23), (-6.96, -2.4, -7.67), (-6.84, -3.91, -7.7), (-6.59, -5.53, -7.43), (-6.13, -7.24, -6.83)],
    *[(-5.48, -8.58, -5.82), (-3.88, -10.38, -3.92), (-2.29, -11.52, -2.55), (0.0, -12.04, -1.91)],
    *[(-5.82, 1.26, -2.34), (-5.25, 1.89, -1.52), (-4.33, 2.2, -0.84), (-3.06, 2.2, -0.24), (-1.55, 2.0, 0.07)],
    *[(0.0, 0.0, 0.0), (0.0, -1.52, 0.98), (0.0, -2.77, 2.13), (0.0, -3.58, 2.38)],
    *[(-1.24, -4.58, 0.24), (-0.81, -4.9, 0.43), (0.0, -4.94, 0.6)],
]
# Horizontal offsets from the eye's middle, corner, upper lid (2), corner, lower lid (2), and which lid (+1 upper).
_RIGHT_EYE = (-1.365, -0.7, 0.28, 1.365, 0.4, -0.58)
_LEFT_EYE = (-1.365, -0.28, 0.7, 1.365, 0.58, -0.4)
_LIDS = (-1, 1, 1, -1, -1, -1)
_OUTER_LIP = ((-2.55, 0), (-1.52, 0.69), (-0.79, 0.86), (0, 0.7), (0.79, 0.86), (1.52, 0.69))
_OUTER_LIP_LOW = ((2.55, 0), (1.54, -0.72), (0.84, -0.93), (0, -0.98), (-0.84, -0.93), (-1.54, -0.72))


def landmark_vertices() -> np.ndarray:
    """Vertex of each of the 68 landmarks."""
    grid = mesh.head_grid()
    x, y, z = grid.flat.T
    front = z > -12

    def near(px, py, side=None, sign=0, pz=None):
        cost = (x - px) ** 2 + (y - py) ** 2 + (0 if pz is None else (z - pz) ** 2) + 1e3 * ~front
        if sign:
            cost = cost + 1e3 * (np.sign(side) != sign) + 5 * np.abs(side)
        return int(np.argmin(cost))

    table = np.array(_LANDMARKS)
    mirror = table * [-1, 1, 1]
    jaw = [near(p[0], p[1], pz=p[2]) for p in (*table[:9], *mirror[7::-1])]
    brow = [near(p[0], p[1]) for p in (*table[9:14], *mirror[13:8:-1])]
    bridge = [near(0, p[1]) for p in table[14:18]]
    base = [near(p[0], p[1]) for p in (*table[18:21], *mirror[19:17:-1])]
    right, left = (
        [
            near(side * mesh.EYE_X + offset, mesh.EYE_Y, grid.eye_side, lid)
            for offset, lid in zip(row, _LIDS, strict=True)
        ]
        for side, row in ((-1, _RIGHT_EYE), (1, _LEFT_EYE))
    )
    outer = [near(px, mesh.MOUTH_Y + py) for px, py in (*_OUTER_LIP, *_OUTER_LIP_LOW)]
    inner = [near(px, mesh.MOUTH_Y, grid.mouth_side, 1) for px in (-2.3, -0.65, 0, 0.65, 2.3)]
    inner += [near(px, mesh.MOUTH_Y, grid.mouth_side, -1) for px in (0.66, 0, -0.66)]
    return np.array([*jaw, *brow, *bridge, *base, *right, *left, *outer, *inner])
