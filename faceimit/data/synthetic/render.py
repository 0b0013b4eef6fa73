"""Draw one person's frames: geometry of every frame, camera, z-buffer, shading, exact flow, landmarks."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from faceimit.data.synthetic import bake, mesh, raster, rig, wrinkles
from faceimit.data.synthetic.identity import Identity
from faceimit.data.synthetic.mesh import Part, smoothstep
from faceimit.data.synthetic.texture import hair_volume, paint_atlas, region
from faceimit.face.pose import rotation_from_pose

# Raster pixels per picture pixel and side; frames are averaged down, which keeps edges from crawling.
SUPERSAMPLING = 2
CHUNK = 32  # frames whose vertices are computed together

# Average positions of the 68 landmarks of an open-eyed neutral face: the person's right half and the middle.
_LANDMARKS = [
    *[(-7.0, -0.92, -7.23), (-6.96, -2.4, -7.67), (-6.84, -3.91, -7.7), (-6.59, -5.53, -7.43), (-6.13, -7.24, -6.83)],
    *[(-5.48, -8.58, -5.82), (-3.88, -10.38, -3.92), (-2.29, -11.52, -2.55), (0.0, -12.04, -1.91)],
    *[(-5.82, 1.26, -2.34), (-5.25, 1.89, -1.52), (-4.33, 2.2, -0.84), (-3.06, 2.2, -0.24), (-1.55, 2.0, 0.07)],
    *[(0.0, 0.0, 0.0), (0.0, -1.52, 0.98), (0.0, -2.77, 2.13), (0.0, -3.58, 2.38)],
    *[(-1.24, -4.58, 0.24), (-0.81, -4.9, 0.43), (0.0, -4.94, 0.6)],
]
_EYE_LANDMARKS = (
    -1.365,
    -0.7,
    0.28,
    1.365,
    0.4,
    -0.58,
)  # offsets from the eye's middle: corner, upper 2, corner, lower 2
_OUTER_LIP = ((-2.55, 0), (-1.52, 0.69), (-0.79, 0.86), (0, 0.7), (0.79, 0.86), (1.52, 0.69))
_OUTER_LIP_LOW = ((2.55, 0), (1.54, -0.72), (0.84, -0.93), (0, -0.98), (-0.84, -0.93), (-1.54, -0.72))


@dataclass(frozen=True)
class Light:
    """Light of a clip: the rows (6, 3) of :func:`raster.shade` and a per-frame gain (T,)."""

    rows: np.ndarray
    gain: np.ndarray


@dataclass(frozen=True)
class Drive:
    """What moves, per frame.

    Attributes:
        blendshapes: (T, 52) in [0, 1].
        pose: (T, 3) yaw, pitch, roll.
        translation: (T, 3) of the head, cm.
        body: (T, 3) of the shoulders, cm.
        crop: (T, 3) scale factor of the crop's side, and its shift x, y as shares of the side.
        occluder: (T, 6) position (cm) and Euler angles of the passing object, or None.
    """

    blendshapes: np.ndarray
    pose: np.ndarray
    translation: np.ndarray
    body: np.ndarray
    crop: np.ndarray
    occluder: np.ndarray | None = None


@dataclass(frozen=True)
class Frame:
    """One drawn frame.

    Attributes:
        image: (S, S, 3) float32 sRGB in [0, 1].
        flow: (2, S, S) float32 pixels to the previous frame, zeros where not asked for or first.
        occluded: (S, S) bool, False where not asked for or first.
    """

    image: np.ndarray
    flow: np.ndarray
    occluded: np.ndarray


class FaceRenderer:
    """Renders one identity.

    Args:
        identity: the person.
        size: side of the pictures in pixels.
        occluder: a part in its own coordinates that passes before the face, or None.
    """

    def __init__(self, identity: Identity, size: int, occluder: Part | None = None):
        self.identity, self.size, self.occluder = identity, size, occluder
        self.scale = max(size / 128, 0.5)
        self.atlas = paint_atlas(identity.look, self.scale)
        self._build()

    def _build(self) -> None:
        deform = self.identity.shape.deform
        grid = mesh.head_grid()
        skin = Part(self._with_hair(grid), grid.triangles, grid.uv, mesh.SKIN)
        self._flat = deform(grid.flat)
        inner = [mesh.teeth(True), mesh.teeth(False), mesh.tongue()]
        parts = [
            Part(deform(p.vertices), p.triangles, p.uv, p.material) for p in (skin, *inner, mesh.ear(-1), mesh.ear(1))
        ]
        self.n_skin = len(grid.flat)
        basis = [rig.skin_basis()] + [
            rig.inner_basis(p.vertices, j, t) for p, j, t in zip(inner, (0, 1, 1), (False, False, True), strict=True)
        ]
        lids = [getattr(rig.lids(s), part) for part in ("upper", "lower") for s in (-1, 1)]
        moving = np.concatenate(basis, axis=1)
        padded = np.zeros((4, moving.shape[1], 3))
        padded[:, : self.n_skin] = lids
        self._basis = np.concatenate([moving, padded]).reshape(56, -1).astype(np.float32)
        self.n_moving = moving.shape[1]
        if self.identity.hair_length is not None:
            parts.append(mesh.long_hair(self.identity.hair_length, self.identity.hair_opening))
        if self.identity.glasses is not None:
            frame = mesh.spectacles(*self.identity.glasses)
            parts.append(
                Part(deform(frame.vertices) + np.array([0, 0, 0.3]), frame.triangles, frame.uv, frame.material)
            )
        eye = mesh.sphere(15, 20, 1.9, mesh.EYE)
        tail = [mesh.shoulders(), eye, eye] + ([self.occluder] if self.occluder else [])
        self._assemble(parts, tail)
        self._eyes = [self._eye_frame(s) for s in (-1, 1)]
        self.landmarks = self._pick_landmarks()

    def _with_hair(self, grid: mesh.HeadGrid) -> np.ndarray:
        x, y, z = grid.flat.T
        angle = np.arctan2(x, z - mesh.AXIS_Z)
        cover = hair_volume(self.identity.look, x, y, angle) * smoothstep(-10, -6, y)
        away = grid.flat - [0, 0, mesh.AXIS_Z]
        away = away / np.linalg.norm(away, axis=1, keepdims=True)
        return grid.flat + (self.identity.hair_volume * cover)[:, None] * away

    def _assemble(self, parts: list[Part], tail: list[Part]) -> None:
        everything = parts + tail
        counts = np.cumsum([0] + [len(p.vertices) for p in everything])
        self.rest = np.concatenate([p.vertices for p in everything]).astype(np.float32)
        self.triangles = np.concatenate([p.triangles + n for p, n in zip(everything, counts, strict=False)]).astype(
            np.int32
        )
        self.two_sided = np.concatenate([_two_sided(p) for p in everything])
        self.uv = np.concatenate([self._atlas_uv(p) for p in everything]).astype(np.float32)
        self.n_head, self._tail = counts[len(parts)], counts[len(parts) :]
        y = self.rest[: self.n_head, 1]
        self.head_weight = smoothstep(mesh.NECK_BOTTOM + 2, mesh.NECK_TOP, y)[:, None].astype(np.float32)
        hair = self.identity.hair_length is not None
        self.head_weight[self.n_moving :] = np.maximum(self.head_weight[self.n_moving :], 0.7 if hair else 1.0)
        self.shadow = np.ones(len(self.rest), dtype=np.float32)
        self.lit = np.ones(len(self.rest), dtype=np.float32)
        self.occlusion = np.ones(self.n_skin, dtype=np.float32)
        self._still_triangles = sum(len(p.triangles) for p in everything) - (
            len(self.occluder.triangles) if self.occluder else 0
        )
        self.twins = mesh.head_grid().twins.astype(np.int32)

    def _atlas_uv(self, part: Part) -> np.ndarray:
        x, y, w, h = region(part.material, self.scale)
        return part.uv * [w, h] + [x - 0.5, y - 0.5]

    def _eye_frame(self, side: int) -> tuple[np.ndarray, float]:
        traits = self.identity.shape.traits
        center = self.identity.shape.deform(np.array([[side * mesh.EYE_X, mesh.EYE_CENTER_Y, 0.0]]))[0]
        center[2] = mesh.EYE_Z
        return center, mesh.EYE_RADIUS * (1 + 0.6 * traits["eye_size"])

    def _pick_landmarks(self) -> np.ndarray:
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
        eyes = []
        for s in (-1, 1):
            for k, offset in enumerate(_EYE_LANDMARKS):
                sign = 1 if k in (1, 2) else -1
                eyes.append((s, offset, sign))
        right = [near(-mesh.EYE_X + o, mesh.EYE_Y, grid.eye_side, s) for _, o, s in eyes[:6]]
        left = [near(mesh.EYE_X + o, mesh.EYE_Y, grid.eye_side, s) for _, o, s in eyes[6:]]
        outer = [near(px, mesh.MOUTH_Y + py) for px, py in (*_OUTER_LIP, *_OUTER_LIP_LOW)]
        inner = [near(px, mesh.MOUTH_Y, grid.mouth_side, 1) for px in (-2.3, -0.65, 0, 0.65, 2.3)]
        inner += [near(px, mesh.MOUTH_Y, grid.mouth_side, -1) for px in (0.66, 0, -0.66)]
        return np.array([*jaw, *brow, *bridge, *base, *right, *left, *outer, *inner])

    def bake(self, rest: "Drive", key: np.ndarray) -> None:
        """Compute the shadows of the head at rest under a key light from direction ``key`` (3,)."""
        points = self.vertices(rest, slice(0, 1))[0]
        normals = np.empty((len(points), 3), np.float32)
        raster.vertex_normals(points, self.triangles, self.twins, normals)
        casting = self.triangles[: self._still_triangles]
        self.lit[:] = bake.visibility(points, casting, key)
        self.shadow[:] = 0.35 + 0.65 * bake.ambient(points, casting, normals)
        self.occlusion = self.shadow[: self.n_skin].copy()
        self.shadow[self.n_skin : self.n_moving] = 0.6
        self.lit[self.n_skin : self.n_moving] = 0.75
        for k in (1, 2):
            self.lit[self._tail[k] : self._tail[k + 1]] = self.lit[rig.lids(2 * k - 3).contact].mean()
        if self.occluder is not None:
            self.lit[self._tail[3] :] = self.shadow[self._tail[3] :] = 1.0

    def vertices(self, drive: Drive, rows: slice) -> np.ndarray:
        """Camera-space vertices (n, V, 3) float32 of frames ``rows``."""
        coefficients = np.asarray(drive.blendshapes[rows], dtype=np.float64)
        lids = [rig.lid_opening(coefficients, s) for s in (-1, 1)]
        weights = np.column_stack([coefficients, lids[0][0], lids[1][0], lids[0][1], lids[1][1]]).astype(np.float32)
        points = np.repeat(self.rest[None], len(weights), axis=0)
        points[:, : self.n_moving] += (weights @ self._basis).reshape(len(weights), -1, 3)
        for k, side in enumerate((-1, 1)):
            self._touch_eyeball(points, k, side)
            self._turn_eyeball(points, coefficients, k, side)
        return self._place(points, drive, rows)

    def _touch_eyeball(self, points: np.ndarray, k: int, side: int) -> None:
        center, radius = self._eyes[k]
        index = rig.lids(side).contact
        away = points[:, index] - center.astype(np.float32)
        distance = np.linalg.norm(away, axis=-1, keepdims=True)
        points[:, index] = center + away * np.maximum(1.0, (radius * 1.02 + 0.05) / distance)

    def _turn_eyeball(self, points: np.ndarray, coefficients: np.ndarray, k: int, side: int) -> None:
        center, radius = self._eyes[k]
        yaw, pitch = rig.gaze(coefficients, side)
        rotation = rotation_from_pose(np.stack([yaw, pitch, 0 * yaw], axis=-1)).astype(np.float32)
        span = slice(self._tail[1 + k], self._tail[2 + k])
        points[:, span] = radius * self.rest[span] @ rotation.transpose(0, 2, 1) + center

    def _place(self, points: np.ndarray, drive: Drive, rows: slice) -> np.ndarray:
        rotation = rotation_from_pose(drive.pose[rows]).astype(np.float32)
        pivot = mesh.NECK_PIVOT.astype(np.float32)
        move = drive.translation[rows].astype(np.float32)[:, None]
        body = drive.body[rows].astype(np.float32)[:, None]
        transpose = rotation.transpose(0, 2, 1)
        head, tail = self.n_head, self._tail
        turned = (points[:, :head] - pivot) @ transpose + pivot + move
        points[:, :head] = self.head_weight * turned + (1 - self.head_weight) * (points[:, :head] + body)
        points[:, tail[0] : tail[1]] += body
        points[:, tail[1] : tail[3]] = (points[:, tail[1] : tail[3]] - pivot) @ transpose + pivot + move
        if self.occluder is not None and drive.occluder is not None:
            path = drive.occluder[rows]
            spin = rotation_from_pose(path[:, 3:]).astype(np.float32).transpose(0, 2, 1)
            points[:, tail[3] :] = points[:, tail[3] :] @ spin + path[:, None, :3].astype(np.float32)
        return points

    def fold(self, coefficients: np.ndarray) -> None:
        """Darken the folds of this frame's expression (52,)."""
        strength = 0.22 + 0.3 * self.identity.look.age
        self.shadow[: self.n_skin] = self.occlusion * wrinkles.shade(coefficients, strength)

    def eye_shadow(self, points: np.ndarray) -> None:
        """Darken eyeballs towards the lids; uses the picture's vertical as an approximation of the head's."""
        for k, (_, radius) in enumerate(self._eyes):
            span = slice(self._tail[1 + k], self._tail[2 + k])
            local = (points[span] - points[span].mean(0)) / radius
            shade = 1.0 - 0.5 * smoothstep(0.0, 0.55, local[:, 1]) - 0.3 * smoothstep(0.35, 0.95, np.abs(local[:, 0]))
            self.shadow[span] = 0.9 * shade


def _two_sided(part: Part) -> np.ndarray:
    """Triangles (F,) whose inside may be seen: hair, and the back of the head through the open mouth."""
    center = part.vertices[part.triangles].mean(1)
    behind = (center[:, 2] < -5.0) & (center[:, 1] < -1.0) & (center[:, 1] > -14.0)
    return np.full(len(center), part.material == mesh.HAIR) | (behind & (part.material == mesh.SKIN))


@dataclass(frozen=True)
class Camera:
    """Perspective camera on the z axis and the square crop in its picture.

    Attributes:
        distance: from the origin, cm.
        center: (T, 2) of the crop on the plane at focal length 1, y up.
        zoom: (T,) raster pixels per unit of that plane.
        size: raster side in pixels.
    """

    distance: float
    center: np.ndarray
    zoom: np.ndarray
    size: int

    def project(self, points: np.ndarray, t: int) -> np.ndarray:
        """Camera-space points (V, 3) to raster x, y (pixels) and 1/distance, float32."""
        inverse = 1.0 / (self.distance - points[:, 2])
        x = (points[:, 0] * inverse - self.center[t, 0]) * self.zoom[t] + self.size / 2
        y = (self.center[t, 1] - points[:, 1] * inverse) * self.zoom[t] + self.size / 2
        return np.stack([x, y, inverse], axis=-1).astype(np.float32)

    def background_map(self, t: int, origin: int = 0) -> tuple[float, float, float]:
        """Scale and offsets (x, y) that take raster pixels of frame ``t`` to those of frame ``origin``."""
        scale = float(self.zoom[origin] / self.zoom[t])
        shift = (self.center[t] - self.center[origin]) * self.zoom[origin] * [1, -1]
        offset = self.size / 2 * (1 - scale) + shift
        return scale, float(offset[0]), float(offset[1])


def frame_camera(renderer: FaceRenderer, drive: Drive, rest: Drive, distance: float) -> Camera:
    """The camera whose crop frames the face of the one-frame drive ``rest``, moved by ``drive.crop``.

    The crop is square, centred on the middle of the 68 landmarks' bounding box, its side 1.6 times the box's height.
    """
    points = renderer.vertices(rest, slice(0, 1))[0][renderer.landmarks]
    flat = points[:, :2] / (distance - points[:, 2:])
    low, high = flat.min(0), flat.max(0)
    side = 1.6 * (high[1] - low[1])
    center = (low + high) / 2 + drive.crop[:, 1:] * side
    size = renderer.size * SUPERSAMPLING
    return Camera(distance, center, size / (side * drive.crop[:, 0]), size)


def draw(
    renderer: FaceRenderer, drive: Drive, camera: Camera, light: Light, background: np.ndarray, flow: bool
) -> Iterator[tuple[Frame, np.ndarray]]:
    """Frames and their landmarks (68, 2) in picture pixels, one after the other.

    Args:
        renderer: of the person.
        drive: what moves.
        camera: of the clip.
        light: of the clip.
        background: (H, W, 3) float32 linear light, larger than the raster by a margin on every side.
        flow: whether to compute flow and occlusion to the previous frame.
    """
    size = camera.size
    buffers = [
        (np.empty((size, size), np.float32), np.empty((size, size), np.int32), np.empty((size, size, 2), np.float32))
        for _ in range(2)
    ]
    image, normals = np.empty((size, size, 3), np.float32), np.empty((len(renderer.rest), 3), np.float32)
    curve = tone_curve()
    before = None
    for start in range(0, len(drive.pose), CHUNK):
        chunk = renderer.vertices(drive, slice(start, start + CHUNK))
        for i, points in enumerate(chunk):
            t = start + i
            screen = camera.project(points, t)
            depth, face, bary = buffers[t % 2]
            raster.rasterise(screen, renderer.triangles, renderer.two_sided, size, depth, face, bary)
            raster.vertex_normals(points, renderer.triangles, renderer.twins, normals)
            renderer.eye_shadow(points)
            renderer.fold(drive.blendshapes[t])
            rows = light.rows.copy()
            rows[[1, 3, 4, 5]] *= light.gain[t]
            raster.shade(
                screen,
                renderer.triangles,
                renderer.uv,
                normals,
                renderer.shadow,
                renderer.lit,
                renderer.atlas,
                rows.astype(np.float32),
                face,
                bary,
                image,
            )
            scale, x, y = camera.background_map(t)
            margin = (np.array(background.shape[1::-1]) - size) / 2
            raster.paint_background(background, x + margin[0], y + margin[1], scale, face, image, light.gain[t])
            out = np.empty((renderer.size, renderer.size, 3), np.float32)
            raster.halve(image, curve, out)
            truth = _no_truth(renderer.size)
            if flow and before is not None:
                truth = _truth(screen, before, renderer, buffers[t % 2], buffers[(t + 1) % 2][0], camera, t)
            before = screen
            yield Frame(out, *truth), screen[renderer.landmarks, :2] / SUPERSAMPLING


def _no_truth(size: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((2, size, size), np.float32), np.zeros((size, size), bool)


def _truth(screen, before, renderer, buffers, depth_before, camera, t):
    depth, face, bary = buffers
    flow, hidden = np.empty((camera.size, camera.size, 2), np.float32), np.empty((camera.size, camera.size), np.bool_)
    shift = np.array(camera.background_map(t, t - 1), dtype=np.float64)
    raster.backward_flow(screen, before, renderer.triangles, face, bary, depth_before, shift, flow, hidden)
    return raster.reduce_flow(flow, hidden, depth)


def tone_curve() -> np.ndarray:
    """Table over linear light [0, 2] of display values [0, 1]: sRGB with a soft shoulder."""
    light = np.linspace(0, 2, 4096)
    soft = np.where(light < 0.75, light, 0.75 + 0.25 * (1 - np.exp(-(light - 0.75) / 0.25)))
    return np.where(soft <= 0.0031308, 12.92 * soft, 1.055 * np.maximum(soft, 1e-9) ** (1 / 2.4) - 0.055).astype(
        np.float32
    )
