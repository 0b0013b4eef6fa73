"""One person's head: its parts joined to one mesh, and the vertices of every frame."""

from dataclasses import dataclass

import numpy as np

from faceimit.data.synthetic import bake, mesh, parts, raster, rig, wrinkles
from faceimit.data.synthetic.identity import Identity
from faceimit.data.synthetic.markers import landmark_vertices
from faceimit.data.synthetic.mesh import smoothstep
from faceimit.data.synthetic.parts import Part
from faceimit.data.synthetic.skin import hair_volume
from faceimit.data.synthetic.texture import paint_atlas, region
from faceimit.face.pose import rotation_from_pose


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
        controls: (T, 30) values of a robot's controls, which then move face, head and neck; None for people.
    """

    blendshapes: np.ndarray
    pose: np.ndarray
    translation: np.ndarray
    body: np.ndarray
    crop: np.ndarray
    occluder: np.ndarray | None = None
    controls: np.ndarray | None = None


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
        inner = [parts.teeth(True), parts.teeth(False), parts.tongue()]
        pieces = [
            Part(deform(p.vertices), p.triangles, p.uv, p.material) for p in (skin, *inner, parts.ear(-1), parts.ear(1))
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
            pieces.append(parts.long_hair(self.identity.hair_length, self.identity.hair_opening))
        if self.identity.glasses is not None:
            frame = parts.spectacles(*self.identity.glasses)
            pieces.append(
                Part(deform(frame.vertices) + np.array([0, 0, 0.3]), frame.triangles, frame.uv, frame.material)
            )
        eye = parts.sphere(15, 20, 1.9, mesh.EYE)
        tail = [parts.shoulders(), eye, eye] + ([self.occluder] if self.occluder else [])
        self._assemble(pieces, tail)
        self._eyes = [self._eye_frame(s) for s in (-1, 1)]
        self.landmarks = landmark_vertices()

    def _with_hair(self, grid: mesh.HeadGrid) -> np.ndarray:
        x, y, z = grid.flat.T
        angle = np.arctan2(x, z - mesh.AXIS_Z)
        cover = hair_volume(self.identity.look, x, y, angle) * smoothstep(-10, -6, y)
        away = grid.flat - [0, 0, mesh.AXIS_Z]
        away = away / np.linalg.norm(away, axis=1, keepdims=True)
        return grid.flat + (self.identity.hair_volume * cover)[:, None] * away

    def _assemble(self, pieces: list[Part], tail: list[Part]) -> None:
        everything = pieces + tail
        counts = np.cumsum([0] + [len(p.vertices) for p in everything])
        self.rest = np.concatenate([p.vertices for p in everything]).astype(np.float32)
        self.triangles = np.concatenate([p.triangles + n for p, n in zip(everything, counts, strict=False)]).astype(
            np.int32
        )
        self.two_sided = np.concatenate([_two_sided(p) for p in everything])
        self.uv = np.concatenate([self._atlas_uv(p) for p in everything]).astype(np.float32)
        self.n_head, self._tail = counts[len(pieces)], counts[len(pieces) :]
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
            self._turn_eyeball(points, *rig.gaze(coefficients, side), k)
        return self._place(points, drive, rows)

    def _touch_eyeball(self, points: np.ndarray, k: int, side: int) -> None:
        center, radius = self._eyes[k]
        index = rig.lids(side).contact
        away = points[:, index] - center.astype(np.float32)
        distance = np.linalg.norm(away, axis=-1, keepdims=True)
        points[:, index] = center + away * np.maximum(1.0, (radius * 1.02 + 0.05) / distance)

    def _turn_eyeball(self, points: np.ndarray, yaw: np.ndarray, pitch: np.ndarray, k: int) -> None:
        center, radius = self._eyes[k]
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

    def fold(self, drive: Drive, t: int) -> None:
        """Darken the folds of frame ``t``'s expression."""
        strength = 0.22 + 0.3 * self.identity.look.age
        self.shadow[: self.n_skin] = self.occlusion * wrinkles.shade(drive.blendshapes[t], strength)

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
