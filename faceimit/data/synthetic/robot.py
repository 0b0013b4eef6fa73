"""The virtual robot: a mechanical face that shows 30 control values, drawn by the same renderer as the people."""

from dataclasses import replace

import numpy as np

from faceimit.data.synthetic import mesh, parts, robot_rig, scene
from faceimit.data.synthetic.camera import to_uint8
from faceimit.data.synthetic.head import Drive, FaceRenderer
from faceimit.data.synthetic.identity import Identity, draw_identity
from faceimit.data.synthetic.markers import landmark_vertices
from faceimit.data.synthetic.mesh import bump, smoothstep
from faceimit.data.synthetic.parts import Part
from faceimit.data.synthetic.render import SUPERSAMPLING, Camera, Light, draw, frame_camera
from faceimit.data.synthetic.rig import lids, skin_plane
from faceimit.data.synthetic.robot_look import paint_robot_atlas
from faceimit.errors import InputError
from faceimit.face.controls import HIGH, LOW, NAMES, NEUTRAL

# Side of the fixed crop as a multiple of a person's: the neck carries the face further than a person's does.
FRAMING = 1.1
DISTANCE = 75.0  # of the camera from the neutral face, cm


def drive_of(controls: np.ndarray, crop: np.ndarray | None = None) -> Drive:
    """What moves the robot in frames of controls (T, 30); ``crop`` (T, 3) as in :class:`head.Drive`.

    Raises:
        InputError: another shape, or a value that is not finite.
    """
    controls = np.asarray(controls, dtype=np.float64)
    if controls.ndim != 2 or controls.shape[1] != len(NAMES):
        raise InputError(f"expected controls to be (T, {len(NAMES)}) but got {controls.shape}")
    if not np.isfinite(controls).all():
        row, column = np.argwhere(~np.isfinite(controls))[0]
        raise InputError(f"expected {NAMES[column]} of frame {row} to be finite but got {controls[row, column]}")
    still = np.zeros((len(controls), 3))
    crop = np.tile([FRAMING, 0.0, 0.0], (len(controls), 1)) if crop is None else crop
    return Drive(np.zeros((len(controls), 52)), still, still, still, crop, controls=np.clip(controls, LOW, HIGH))


class RobotHead(FaceRenderer):
    """The robot's meshes; :class:`head.Drive` moves them by its ``controls``.

    Args:
        size: side of the pictures in pixels.
    """

    def __init__(self, size: int) -> None:
        self.identity, self.size, self.occluder = _plain_identity(), size, None
        self.scale = max(size / 128, 0.5)
        self.atlas = paint_robot_atlas(self.scale)
        self._build()

    def _build(self) -> None:
        grid = mesh.head_grid()
        skin = Part(grid.flat, grid.triangles, grid.uv, mesh.SKIN)
        inner = [parts.teeth(True), parts.teeth(False), parts.tongue()]
        self.n_skin = len(grid.flat)
        basis = [robot_rig.skin_basis()] + [
            robot_rig.inner_basis(p.vertices, j) for p, j in zip(inner, (0.0, 1.0, 1.0), strict=True)
        ]
        moving = np.concatenate(basis, axis=1)
        self.n_moving = moving.shape[1]
        padded = np.zeros((4, self.n_moving, 3), dtype=np.float32)
        padded[:, : self.n_skin] = [getattr(lids(s), part) for part in ("upper", "lower") for s in (-1, 1)]
        self._basis = np.concatenate([moving, padded]).reshape(len(moving) + 4, -1)
        eye = parts.sphere(15, 20, 1.9, mesh.EYE)
        pieces = [skin, *inner, _disc(-1), _disc(1), _rod(-1), _rod(1), _crown()]
        self._assemble(pieces, [parts.shoulders(), eye, eye])
        self.neck_weight = smoothstep(-19.5, -16.0, self.rest[: self.n_head, 1])[:, None].astype(np.float32)
        self.head_weight = smoothstep(-16.5, -12.0, self.rest[: self.n_head, 1])[:, None].astype(np.float32)
        self._eyes = [self._eye_frame(s) for s in (-1, 1)]
        self.landmarks = landmark_vertices()
        self._folds = _folds()

    def vertices(self, drive: Drive, rows: slice) -> np.ndarray:
        """Camera-space vertices (n, V, 3) float32 of frames ``rows``."""
        assert drive.controls is not None
        controls = drive.controls[rows]
        opened = [robot_rig.lid_opening(controls, s) for s in (-1, 1)]
        lid = np.column_stack([opened[0][0], opened[1][0], opened[0][1], opened[1][1]]).astype(np.float32)
        weights = np.concatenate([robot_rig.weights(controls), lid], axis=1)
        points = np.repeat(self.rest[None], len(weights), axis=0)
        points[:, : self.n_moving] += (weights @ self._basis).reshape(len(weights), -1, 3)
        robot_rig.press_lips(points)
        for k, side in enumerate((-1, 1)):
            self._touch_eyeball(points, k, side)
            self._turn_eyeball(points, *robot_rig.gaze(controls), k)
        self._turn_head(points, controls)
        return points

    def _turn_head(self, points: np.ndarray, controls: np.ndarray) -> None:
        tail, eyes = self._tail, slice(self._tail[1], self._tail[3])
        turns = zip(robot_rig.rotations(controls), (robot_rig.HEAD_PIVOT, robot_rig.NECK_FOOT), strict=True)
        for (rotation, pivot), weight in zip(turns, (self.head_weight, self.neck_weight), strict=True):
            pivot, transpose = pivot.astype(np.float32), rotation.transpose(0, 2, 1)
            for span, share in ((slice(0, tail[0]), weight), (eyes, np.float32(1))):
                away = points[:, span] - pivot
                points[:, span] += share * (away @ transpose - away)

    def fold(self, drive: Drive, t: int) -> None:
        """Darken the creases of frame ``t``'s silicone."""
        assert drive.controls is not None
        share = np.clip(_fold_weights(drive.controls[t]), 0.0, 1.2)
        self.shadow[: self.n_skin] = self.occlusion * (1.0 - np.clip(share @ self._folds, 0.0, 0.6))


def _plain_identity() -> Identity:
    """An average face without hair or spectacles."""
    person = draw_identity(0)
    shape = replace(person.shape, traits=dict.fromkeys(person.shape.traits, 0.0))
    return replace(person, shape=shape, look=replace(person.look, bald=1.0), hair_length=None, glasses=None)


def _disc(side: int) -> Part:
    """The round joint that stands where an ear would."""
    ball = parts.sphere(9, 20, np.pi / 2, mesh.HAIR)
    points = ball.vertices[:, [2, 1, 0]] * [0.6 * side, 1.9, 1.9] + [side * 7.05, -1.6, -8.2]
    return Part(points, parts.outward(points, ball.triangles), ball.uv, mesh.HAIR)


def _crown() -> Part:
    """The cover of the shell's opening on top of the head."""
    ball = parts.sphere(5, 16, np.pi / 2, mesh.HAIR)
    points = ball.vertices[:, [0, 2, 1]] * [1.3, 0.35, 1.6] + [0.0, 9.6, mesh.AXIS_Z]
    return Part(points, parts.outward(points, ball.triangles), ball.uv, mesh.HAIR)


def _rod(side: int) -> Part:
    """A piston at the side of the neck."""
    t = np.linspace(0, 1, 9)[:, None]
    foot, top = np.array([side * 1.6, -20.0, -3.2]), np.array([side * 4.3, -11.0, -4.9])
    return parts.tube(foot + t * (top - foot), 0.42)


def _folds() -> np.ndarray:
    """(7, V) strengths of the creases: brow middle, forehead R/L, bridge, cheek fold R/L, chin."""
    plane = skin_plane()
    x, y, ax, front = plane.x, plane.y, np.abs(plane.x), plane.front
    frown = np.exp(-(((ax - 0.55) / 0.16) ** 2)) * bump(0 * x, y, 0, 1.5, 1, 0.7)
    waves = (0.5 + 0.5 * np.cos(2 * np.pi * (y - 2.9 - 0.04 * x**2) / 0.85)) ** 2 * bump(0 * x, y, 0, 3.3, 1, 0.6)
    bridge = (0.5 + 0.5 * np.cos(2 * np.pi * (y + 0.8) / 0.6)) * bump(ax, y, 0.4, -0.7, 0.6, 0.7)
    path = np.exp(-(((ax - 1.9 - 0.36 * (-4.3 - y)) / 0.24) ** 2)) * smoothstep(-7.6, -6.4, y)
    path = path * (1 - smoothstep(-4.4, -3.6, y))
    left = smoothstep(-0.5, 0.5, x)
    wave = waves * (1 - smoothstep(3.5, 5.0, ax))
    chin = bump(x, y, 0, -9.4, 1.3, 0.25)
    return np.stack([frown, wave * (1 - left), wave * left, bridge, path * (1 - left), path * left, chin]) * front


def _fold_weights(controls: np.ndarray) -> np.ndarray:
    """(7,) how deep each crease of :func:`_folds` is for controls (30,)."""
    d = dict(zip(NAMES, controls - NEUTRAL, strict=True))
    frown = -0.6 * (d["Brow Inner Left"] + d["Brow Inner Right"])
    wrinkle = -d["Nose Wrinkle"]
    sides = ("Right", "Left")
    forehead = [0.7 * (d[f"Brow Inner {s}"] + d[f"Brow Outer {s}"]) for s in sides]
    cheek = [0.9 * d[f"Lip Corner Raise {s}"] + 0.5 * d[f"Lip Top Raise {s}"] + 0.3 * wrinkle for s in sides]
    chin = -0.8 * d["Lip Bottom Depress Middle"]
    return np.array([frown, *forehead, 1.0 * wrinkle, *cheek, chin])


class RobotRenderer:
    """Pictures of the robot for control values; the framing is fixed on the neutral robot.

    Args:
        size: side of the pictures in pixels.
        light: of the scene, by default a soft studio light.
        background: (H, W, 3) float32 linear light, by default plain grey.
        crop: scale of the crop's side and its shift x, y as shares of the side.
    """

    def __init__(
        self,
        size: int = 128,
        light: np.ndarray | None = None,
        background: np.ndarray | None = None,
        crop: tuple[float, float, float] = (1.0, 0.0, 0.0),
    ) -> None:
        self.size, self.head = size, RobotHead(size)
        self.rows = STUDIO if light is None else light
        side = int(1.6 * size * SUPERSAMPLING)
        grey = np.linspace(0.22, 0.12, side, dtype=np.float32)[:, None, None]
        self.background = np.broadcast_to(grey, (side, side, 3)) if background is None else background
        self.background = np.ascontiguousarray(self.background)
        self.crop = np.array([FRAMING * crop[0], crop[1], crop[2]])
        self._rest = drive_of(NEUTRAL[None])
        self.head.bake(self._rest, self.rows[0])

    def _camera(self, drive: Drive) -> Camera:
        rest = replace(self._rest, crop=np.array([[1.0, 0.0, 0.0]]))
        return frame_camera(self.head, drive, rest, DISTANCE)

    def draw(self, controls: np.ndarray, gain: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Pictures (T, S, S, 3) float32 sRGB in [0, 1] and their landmarks (T, 68, 2) in pixels.

        Args:
            controls: (T, 30) in their units.
            gain: (T,) of the light.

        Raises:
            InputError: controls of another shape or not finite.
        """
        drive = drive_of(controls, np.tile(self.crop, (len(controls), 1)))
        light = Light(self.rows, np.ones(len(controls)) if gain is None else gain)
        drawn = list(draw(self.head, drive, self._camera(drive), light, self.background, flow=False))
        return np.stack([frame.image for frame, _ in drawn]), np.stack([points for _, points in drawn])

    def render(self, controls: np.ndarray) -> np.ndarray:
        """Pictures (T, S, S, 3) uint8 RGB of controls (T, 30) in their units.

        Raises:
            InputError: controls of another shape or not finite.
        """
        return to_uint8(self.draw(controls)[0])


def _studio() -> np.ndarray:
    rows = scene.draw_light(np.random.default_rng(3), np.ones(1)).rows.copy()
    key, fill = np.array([-0.45, 0.55, 0.70]), np.array([0.75, 0.05, 0.65])
    rows[0], rows[2] = key / np.linalg.norm(key), fill / np.linalg.norm(fill)
    rows[1], rows[3], rows[4], rows[5] = 0.75, 0.14, 0.48, 0.28
    return rows


STUDIO: np.ndarray = _studio()
