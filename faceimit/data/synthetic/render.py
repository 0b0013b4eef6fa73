"""Draw one person's frames: camera, z-buffer, shading, exact flow and landmarks."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from faceimit.data.synthetic import raster
from faceimit.data.synthetic.head import Drive, FaceRenderer

# Raster pixels per picture pixel and side; frames are averaged down, which keeps edges from crawling.
SUPERSAMPLING = 2
CHUNK = 32  # frames whose vertices are computed together


@dataclass(frozen=True)
class Light:
    """Light of a clip: the rows (6, 3) of :func:`raster.shade` and a per-frame gain (T,)."""

    rows: np.ndarray
    gain: np.ndarray


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
            renderer.fold(drive, t)
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
            yield Frame(out, *truth), to_picture(screen[renderer.landmarks, :2])


def to_picture(screen: np.ndarray) -> np.ndarray:
    """Raster coordinates (..., 2), where the centre of the first pixel is (0.5, 0.5), in pixels of the picture.

    There, as everywhere outside the renderer, the centre of the first pixel is (0, 0).
    """
    return screen / SUPERSAMPLING - 0.5


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
