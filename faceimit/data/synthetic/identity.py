"""Who is shown: face shape, look, and what the head wears, all from one seed."""

from dataclasses import dataclass

import numpy as np

from faceimit.data.synthetic import mesh
from faceimit.data.synthetic.look import Look, draw_look
from faceimit.data.synthetic.mesh import bump, smoothstep

# name: (standard deviation, limit) of the shape traits; see Shape.deform for their meaning.
_TRAITS: dict[str, tuple[float, float]] = {
    "width": (0.04, 0.09),
    "height": (0.03, 0.07),
    "jaw_width": (0.06, 0.14),
    "chin_length": (0.35, 0.8),
    "chin_forward": (0.3, 0.6),
    "cheek": (0.2, 0.45),
    "cheek_fat": (0.35, 0.8),
    "eye_size": (0.07, 0.15),
    "eye_spacing": (0.12, 0.28),
    "eye_tilt": (0.10, 0.22),
    "eye_open": (0.08, 0.18),
    "brow_ridge": (0.15, 0.35),
    "nose_width": (0.10, 0.22),
    "nose_length": (0.20, 0.45),
    "nose_forward": (0.14, 0.3),
    "nose_hump": (0.12, 0.28),
    "mouth_width": (0.07, 0.15),
    "upper_lip": (0.18, 0.4),
    "lower_lip": (0.18, 0.4),
    "mouth_height": (0.15, 0.35),
    "forehead": (0.3, 0.6),
    "asymmetry": (0.06, 0.15),
}


@dataclass(frozen=True)
class Shape:
    """Shape traits by name (cm or shares)."""

    traits: dict[str, float]

    def deform(self, points: np.ndarray) -> np.ndarray:
        """Map canonical points (V, 3) to this identity; smooth, so that coincident points stay so."""
        g = self.traits
        x, y, z = points.T.copy()
        side, ax = np.sign(x), np.abs(x)
        front = smoothstep(-9.0, -6.0, z)
        dx = ax * g["jaw_width"] * smoothstep(-3.5, -9.0, y) * smoothstep(-15, -12, y)
        dy = -g["chin_length"] * smoothstep(-7.8, -11.5, y) + g["mouth_height"] * bump(x, y, 0, -7.2, 3.0, 1.6)
        dz = g["chin_forward"] * bump(x, y, 0, -11, 2.5, 1.4) + g["forehead"] * bump(x, y, 0, 4.5, 4, 1.6)
        dz += g["brow_ridge"] * bump(ax, y, 2.8, 1.5, 2.2, 0.6)
        dz += g["cheek"] * bump(ax, y, 4.3, -2.8, 1.5, 1.2) + g["cheek_fat"] * bump(ax, y, 4.6, -6.2, 1.5, 1.6)
        dx += 0.6 * g["cheek_fat"] * bump(ax, y, 6.0, -6.0, 1.5, 1.8) + 0.5 * g["cheek"] * bump(
            ax, y, 6, -2.8, 1.5, 1.2
        )
        dx, dy, dz = self._eyes(ax, y, dx, dy, dz)
        dx, dy, dz = self._nose(ax, y, z, dx, dy, dz)
        dx, dy = self._mouth(ax, y, dx, dy)
        dx = side * dx + g["asymmetry"] * np.exp(-(((y + 7) / 4) ** 2))
        result = points + np.stack([dx * front, dy * front, dz * front], axis=-1)
        return result * [1 + g["width"], 1 + g["height"], 1.0 + 0.5 * g["width"]]

    def _eyes(self, ax, y, dx, dy, dz):
        g = self.traits
        near = bump(ax, y, mesh.EYE_X, mesh.EYE_Y, 1.5, 0.9)
        dx = dx + near * (g["eye_spacing"] + g["eye_size"] * (ax - mesh.EYE_X))
        dy = dy + near * ((g["eye_size"] + g["eye_open"]) * (y - mesh.EYE_Y) + g["eye_tilt"] * (ax - mesh.EYE_X))
        return dx, dy, dz

    def _nose(self, ax, y, z, dx, dy, dz):
        g = self.traits
        tip = bump(ax, y, 0, -4.0, 1.9, 1.2)
        dx = dx + g["nose_width"] * np.minimum(ax, 2.2) * tip
        dy = dy - g["nose_length"] * bump(ax, y, 0, -4.3, 1.6, 1.0)
        dz = dz + g["nose_forward"] * np.clip(z, 0, 3) * tip + g["nose_hump"] * bump(ax, y, 0, -1.4, 0.6, 0.8)
        return dx, dy, dz

    def _mouth(self, ax, y, dx, dy):
        g = self.traits
        near = bump(ax, y, 0, mesh.MOUTH_Y, 3.2, 1.1)
        dx = dx + g["mouth_width"] * np.minimum(ax, 3.2) * near
        lips = bump(ax, y, 0, mesh.MOUTH_Y, 2.2, 0.9)
        thick = np.where(y > mesh.MOUTH_Y, g["upper_lip"], g["lower_lip"])
        return dx, dy + lips * thick * (y - mesh.MOUTH_Y)


@dataclass(frozen=True)
class Identity:
    """One person.

    Attributes:
        shape: of the face.
        look: colours.
        hair_length: y to which long hair falls, or None.
        hair_opening: radians a side that long hair leaves open.
        hair_volume: thickness of the hair on the head, cm.
        glasses: width, height and roundness of the rims, or None.
    """

    shape: Shape
    look: Look
    hair_length: float | None
    hair_opening: float
    hair_volume: float
    glasses: tuple[float, float, float] | None


def draw_identity(seed: int) -> Identity:
    """The person of this seed."""
    rng = np.random.default_rng([seed, 1])
    traits = {name: float(np.clip(rng.normal(0, std), -limit, limit)) for name, (std, limit) in _TRAITS.items()}
    look = draw_look(rng)
    long = rng.random() < (0.1 if look.stubble or look.bald else 0.55)
    length = float(rng.choice([-8.0, -13.0, -20.0]) + rng.uniform(-2, 2)) if long and not look.bald else None
    rims = (float(rng.uniform(1.9, 2.35)), float(rng.uniform(1.2, 1.9)), float(rng.uniform(0.5, 1.0)))
    volume = 0.0 if look.bald else float(rng.uniform(0.2, 1.1))
    return Identity(
        Shape(traits), look, length, float(rng.uniform(1.0, 1.4)), volume, rims if rng.random() < 0.16 else None
    )
