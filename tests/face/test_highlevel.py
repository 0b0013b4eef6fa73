import numpy as np
import pytest

from faceimit.errors import InputError
from faceimit.face import controls, highlevel
from faceimit.face.highlevel import INDEX, NAMES, H, blend


def test_twelve_different_mouths_lie_inside_the_ranges():
    low, high = controls.LOW[list(highlevel.COLUMNS)], controls.HIGH[list(highlevel.COLUMNS)]
    assert H.shape == (12, 13)
    assert ((low <= H) & (high >= H)).all()
    distances = np.linalg.norm(H[:, None] - H[None], axis=-1) + np.eye(12)
    assert distances.min() > 0.2, "two expressions look alike"
    assert np.linalg.matrix_rank(H - highlevel.NEUTRAL, tol=0.05) == 9  # 7 symmetric movements, 2 of one side


def test_expressions_do_what_they_are_called():
    mouth = {name: dict(zip(controls.MOUTH, row, strict=True)) for name, row in zip(NAMES, H, strict=True)}
    assert mouth["Mouth Open"]["Jaw Pitch"] == 0
    assert mouth["Mouth Happy"]["Lip Corner Raise Left"] > 0.47 > mouth["Mouth Sad"]["Lip Corner Raise Left"]
    assert mouth["Mouth Sneer"]["Lip Top Raise Left"] > mouth["Mouth Sneer"]["Lip Top Raise Right"] + 0.4


def test_a_blend_is_the_weighted_sum():
    weights = np.random.default_rng(0).dirichlet(np.ones(12), size=(3, 5))
    np.testing.assert_allclose(blend(weights), np.einsum("abi,ij->abj", weights, H))
    np.testing.assert_allclose(blend(np.eye(12)), H)
    half = np.zeros(12)
    half[INDEX["Mouth Joy"]] = 0.5
    np.testing.assert_allclose(blend(half, rest=True), (H[INDEX["Mouth Joy"]] + highlevel.NEUTRAL) / 2)


def test_a_rollout_leaves_the_other_controls_alone():
    base = controls.NEUTRAL.copy()
    base[controls.INDEX["Head Yaw"]] = 9
    values = highlevel.rollout(np.eye(12), base)
    others = [i for i in range(30) if i not in highlevel.COLUMNS]
    np.testing.assert_array_equal(values[:, others], np.tile(base[others], (12, 1)))
    np.testing.assert_allclose(values[:, list(highlevel.COLUMNS)], H)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(12), "sum 1 but got 12"),
        (np.eye(12)[0] - 0.01, "got -0.01 for Mouth Content"),
        (np.full(12, np.nan), "got nan for Mouth Anger"),
        (np.ones(11) / 11, r"12 weights.*\(11,\)"),
    ],
)
def test_weights_off_the_simplex_are_named(weights, message):
    with pytest.raises(InputError, match=message):
        blend(weights)
    with pytest.raises(InputError, match=r"at most 1 but got 1.2"):
        blend(np.full(12, 0.1), rest=True)


def test_a_misspelt_mouth_control_names_its_neighbour():
    with pytest.raises(InputError, match=r"Lip Corner Rise.*did you mean Lip Corner Raise"):
        highlevel.mouth_vector({"Lip Corner Rise": 0.1})
