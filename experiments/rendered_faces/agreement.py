"""How well MediaPipe and dlib read rendered faces: found faces, blendshapes, pose and landmarks against the truth.

python experiments/rendered_faces/agreement.py --model face_landmarker_v2_with_blendshapes.task --clips 24
"""

import argparse
import csv
from pathlib import Path

import cv2
import mediapipe
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision

from faceimit.data import targets
from faceimit.data.synthetic import generate
from faceimit.face.blendshapes import BLENDSHAPES, from_mediapipe
from faceimit.face.landmarks import FROM_MEDIAPIPE, OUTER_EYE_CORNERS
from faceimit.face.pose import pose_from_rotation
from faceimit.face.records import Clip

SPREAD = 0.03  # blendshapes that vary less than this in the truth are left out


def read_clip(frames: np.ndarray, fps: float, model: Path) -> dict[str, np.ndarray]:
    """MediaPipe's reading (VIDEO mode) of (T, S, S, 3) frames: found, blendshapes, pose, landmarks in pixels."""
    count, size = frames.shape[:2]
    read = {
        "found": np.zeros(count, bool),
        "blendshapes": np.zeros((count, 52)),
        "pose": np.zeros((count, 3)),
        "landmarks": np.zeros((count, 68, 2)),
    }
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(model)),
        running_mode=vision.RunningMode.VIDEO,
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
    )
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        for t, frame in enumerate(frames):
            wide = _padded(frame)
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=wide)
            result = landmarker.detect_for_video(image, int(t * 1000 / fps))
            if not result.face_blendshapes:
                continue
            scores = result.face_blendshapes[0]
            names = [score.category_name for score in scores]
            read["found"][t] = True
            read["blendshapes"][t] = from_mediapipe(np.array([[score.score for score in scores]]), names)[0]
            read["pose"][t] = pose_from_rotation(result.facial_transformation_matrixes[0])
            points = np.array([(p.x, p.y) for p in result.face_landmarks[0]])[list(FROM_MEDIAPIPE)]
            read["landmarks"][t] = points * len(wide) - size // 2
    return read


def _padded(frame: np.ndarray) -> np.ndarray:
    """The crop with a margin, since detectors expect faces to fill less of the picture."""
    return cv2.copyMakeBorder(frame, *[len(frame) // 2] * 4, cv2.BORDER_REPLICATE)


def landmark_error(read: dict[str, np.ndarray], clip: Clip) -> np.ndarray:
    """Mean error (frames,) of landmarks 17-67 over the distance of the outer eye corners; jaws differ by definition."""
    truth = clip.annotation.landmarks
    left, right = OUTER_EYE_CORNERS
    width = np.linalg.norm(truth[:, left] - truth[:, right], axis=-1)
    error = np.linalg.norm(read["landmarks"] - truth, axis=-1)[:, 17:].mean(1) / width
    return error[read["found"]]


def change_agreement(reads: list[dict[str, np.ndarray]], clips: list[Clip]) -> tuple[np.ndarray, float, float]:
    """Correlation (clips,) of the change c_t of the truth with the one read, and the 95th percentiles of both."""
    truth = [targets.change(c.annotation.blendshapes, c.annotation.pose, c.fps) for c in clips]
    seen = [targets.change(r["blendshapes"], r["pose"], c.fps, r["found"]) for r, c in zip(reads, clips, strict=True)]
    correlations = []
    for a, b in zip(truth, seen, strict=True):
        both = np.isfinite(a) & np.isfinite(b)
        correlations.append(np.corrcoef(a[both], b[both])[0, 1])
    return np.array(correlations), targets.reference(truth), targets.reference(seen)


def dlib_rate(clips: list[Clip]) -> float:
    """Share of every 20th frame in which dlib's frontal detector finds a face."""
    import dlib

    detector = dlib.get_frontal_face_detector()
    frames = [frame for clip in clips for frame in clip.frames[::20]]
    return float(np.mean([len(detector(_padded(frame), 0)) > 0 for frame in frames]))


def blendshape_rows(reads: list[dict[str, np.ndarray]], clips: list[Clip]) -> list[dict[str, object]]:
    """Correlation and slope of what was read over what drove the face, each clip around its median."""

    def centred(values: np.ndarray) -> np.ndarray:
        return values - np.median(values, axis=0)

    read = np.concatenate([centred(r["blendshapes"][r["found"]]) for r in reads])
    drive = np.concatenate([centred(c.annotation.blendshapes[r["found"]]) for r, c in zip(reads, clips, strict=True)])
    rows = []
    for k, name in enumerate(BLENDSHAPES):
        x, y = drive[:, k], read[:, k]
        if x.std() > SPREAD and y.std() > SPREAD / 10:
            rows.append(_row(name, np.corrcoef(x, y)[0, 1], (x @ y) / (x @ x)))
    return rows


def pose_rows(reads: list[dict[str, np.ndarray]], clips: list[Clip]) -> list[dict[str, object]]:
    """Correlation and slope of the pose over all clips."""
    read = np.concatenate([r["pose"][r["found"]] for r in reads])
    drive = np.concatenate([c.annotation.pose[r["found"]] for r, c in zip(reads, clips, strict=True)])
    return [
        _row(name, np.corrcoef(drive[:, k], read[:, k])[0, 1], np.polyfit(drive[:, k], read[:, k], 1)[0])
        for k, name in enumerate(("yaw", "pitch", "roll"))
    ]


def _row(name: str, correlation: float, slope: float) -> dict[str, object]:
    return {"name": name, "correlation": f"{correlation:.2f}", "slope": f"{slope:.2f}"}


def main() -> None:
    """Render, read and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="MediaPipe's FaceLandmarker .task file")
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--frames", type=int, default=75)
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("agreement.csv"))
    arguments = parser.parse_args()
    identities = [generate.clip_seeds("test", arguments.seed, i)[1] for i in range(arguments.clips)]
    clips = [generate.render_clip(arguments.seed, i, arguments.frames, arguments.size, fps=25.0) for i in identities]
    reads = [read_clip(clip.frames, clip.fps, arguments.model) for clip in clips]
    errors = np.concatenate([landmark_error(r, c) for r, c in zip(reads, clips, strict=True)])
    print(f"MediaPipe finds the face in {np.mean([r['found'].mean() for r in reads]):.1%} of the frames")
    print(f"dlib finds the face in {dlib_rate(clips):.1%} of the frames")
    print(f"landmarks: median error {np.median(errors):.1%} of the distance of the outer eye corners")
    agreement, high, high_read = change_agreement(reads, clips)
    print(f"change of expression: correlation mean {agreement.mean():.2f}, median {np.median(agreement):.2f};", end=" ")
    print(f"95th percentile {high:.2f} driven, {high_read:.2f} read")
    rows = pose_rows(reads, clips) + blendshape_rows(reads, clips)
    with arguments.out.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["name", "correlation", "slope"])
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        print(f"{row['name']:20} r {row['correlation']} slope {row['slope']}")


if __name__ == "__main__":
    main()
