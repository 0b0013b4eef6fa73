import numpy as np
import pytest

from faceimit.errors import InputError
from faceimit.face import controls
from faceimit.face.controls import CONTROLS, INDEX, NAMES


def test_there_are_thirty_controls_with_neutral_values_inside_their_ranges():
    assert len(NAMES) == len(set(NAMES)) == 30
    assert len(controls.MOUTH) == 13
    assert sorted(i for part in controls.PARTS.values() for i in part) == list(range(30))
    for control in CONTROLS:
        assert control.low <= control.neutral <= control.high
        assert 0 < control.span < control.velocity < control.acceleration < control.jerk


def test_normalised_values_go_back():
    values = np.random.default_rng(0).uniform(controls.LOW, controls.HIGH, size=(50, 30))
    assert np.abs(controls.normalised(values)).max() <= 1
    np.testing.assert_allclose(controls.from_normalised(controls.normalised(values)), values, atol=1e-9)
    assert (controls.normalised(controls.NEUTRAL) == 0).all()


def test_mirroring_swaps_sides_and_turns_the_odd_ones():
    np.testing.assert_allclose(controls.mirrored(controls.NEUTRAL), controls.NEUTRAL)
    values = controls.NEUTRAL.copy()
    values[INDEX["Brow Inner Left"]] -= 0.2
    values[INDEX["Head Yaw"]] = 12
    flipped = controls.mirrored(values)
    assert flipped[INDEX["Brow Inner Right"]] == pytest.approx(controls.NEUTRAL[INDEX["Brow Inner Right"]] - 0.2)
    assert flipped[INDEX["Brow Inner Left"]] == pytest.approx(controls.NEUTRAL[INDEX["Brow Inner Left"]])
    assert flipped[INDEX["Head Yaw"]] == pytest.approx(-12)
    np.testing.assert_allclose(controls.mirrored(flipped), values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Jaw Pitsch": 0.5}, "unknown Jaw Pitsch"),
        ({"Jaw Pitch": None}, "missing Jaw Pitch"),
        ({"Head Yaw": 31.0}, r"expected Head Yaw in \[-30, 30\] but got 31"),
        ({"Head Yaw": float("nan")}, "Head Yaw in .* but got nan"),
    ],
)
def test_wrong_values_are_named(change, message):
    values = dict(zip(NAMES, controls.NEUTRAL, strict=True)) | change
    with pytest.raises(InputError, match=message):
        controls.vector({name: value for name, value in values.items() if value is not None})
