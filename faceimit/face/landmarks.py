"""The 68-point landmark vocabulary (iBUG/Multi-PIE) in one table: groups, mirror and MediaPipe subset.

Points are (x, y) in pixels of the image, x to the right, y down, index 0-based. "Left" is the person's own.
Source: Sagonas et al., "300 Faces in-the-Wild Challenge", 2013.
"""

GROUPS: dict[str, tuple[int, ...]] = {
    "jaw": tuple(range(17)),
    "brow_right": tuple(range(17, 22)),
    "brow_left": tuple(range(22, 27)),
    "nose_bridge": tuple(range(27, 31)),
    "nose_base": tuple(range(31, 36)),
    "eye_right": tuple(range(36, 42)),
    "eye_left": tuple(range(42, 48)),
    "mouth_outer": tuple(range(48, 60)),
    "mouth_inner": tuple(range(60, 68)),
}
COUNT = 68
# The outer eye corners: the distance between them is the field's inter-ocular normaliser.
OUTER_EYE_CORNERS = (36, 45)

# MIRROR[i] is the point that moves to place i when the picture is flipped left to right.
MIRROR: tuple[int, ...] = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    *range(27, 31),
    *range(35, 30, -1),
    *(45, 44, 43, 42, 47, 46),
    *(39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60, 67, 66, 65),
)

# Vertices of MediaPipe's 478-point face mesh nearest in meaning to the 68 points. The jaw line differs by
# definition (MediaPipe follows the 3-D silhouette), so jaw errors between the two are not comparable.
FROM_MEDIAPIPE: tuple[int, ...] = (
    *(127, 234, 93, 132, 58, 172, 150, 176, 152, 400, 379, 397, 288, 361, 323, 454, 356),
    *(70, 63, 105, 66, 107),
    *(336, 296, 334, 293, 300),
    *(168, 197, 5, 4),
    *(75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144),
    *(362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)
