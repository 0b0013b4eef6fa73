import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from faceimit.errors import InputError
from faceimit.face import controls
from faceimit.face.blendshapes import BLENDSHAPES
from faceimit.robot import profile as module
from faceimit.robot.measures import MEASURED
from faceimit.robot.profile import load_profile, robot_names

CONF = Path(__file__).parents[2] / "conf" / "robot"


@pytest.fixture
def altered(tmp_path):
    """Write a profile with one change and return its path."""

    def write(change, robot="ameca"):
        content = yaml.safe_load((CONF / f"{robot}.yaml").read_text())
        change(content)
        path = tmp_path / "robot.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path

    return write


@pytest.mark.parametrize("name", ["ameca", "virtual", "arkit_avatar", "hobby_head"])
def test_every_profile_loads_and_rests_inside_its_limits(name):
    assert name in robot_names()
    profile = load_profile(name)
    assert profile.name == name
    assert (profile.low < profile.high).all()
    assert set(profile.geometric) == set(MEASURED) & set(profile.driven)
    rest = profile.to_actuators(profile.neutral)
    for actuator, value in zip(profile.actuators, rest, strict=True):
        assert actuator.low <= value <= actuator.high
    anything = np.random.default_rng(0).uniform(controls.LOW - 9, controls.HIGH + 9, (200, 30))
    sent = profile.to_actuators(anything)
    lows, highs = np.array([(a.low, a.high) for a in profile.actuators]).T
    assert ((sent >= lows) & (sent <= highs)).all()
    assert (np.ptp(sent, axis=0) > 0.5 * (highs - lows)).all(), "an actuator hardly moves over the whole range"


def test_ameca_is_told_the_values_by_their_names():
    values = np.random.default_rng(1).uniform(controls.LOW, controls.HIGH)
    assert load_profile("ameca").command(values) == pytest.approx(dict(zip(controls.NAMES, values, strict=True)))


def test_an_avatar_rests_at_zero_and_opens_its_jaw():
    profile = load_profile("arkit_avatar")
    assert {a.name for a in profile.actuators} <= {*BLENDSHAPES, "headYaw", "headPitch", "headRoll"}
    assert max(map(abs, profile.command(profile.neutral).values())) < 1e-9
    values = profile.neutral.copy()
    values[controls.INDEX["Jaw Pitch"]] = 0.25
    values[controls.INDEX["Eyelid Upper Left"]] = -1
    sent = profile.command(values)
    assert sent["jawOpen"] == pytest.approx(0.75)
    assert (sent["eyeBlinkLeft"], sent["eyeWideLeft"], sent["eyeBlinkRight"]) == pytest.approx((1, 0, 0))


def test_a_hobby_head_has_pulses_by_channel_and_inverts():
    profile = load_profile("hobby_head")
    assert [a.channel for a in profile.actuators] == list(range(12))
    shut, open_ = profile.neutral.copy(), profile.neutral.copy()
    open_[controls.INDEX["Jaw Pitch"]] = 0
    assert (profile.command(shut)["jaw"], profile.command(open_)["jaw"]) == pytest.approx((1150, 1600))
    wild = profile.neutral.copy()
    wild[controls.INDEX["Lip Top Curl"]] = 1
    np.testing.assert_array_equal(profile.clip(wild), profile.neutral)


def lose_alpha(content):
    del content["geometric"]["Jaw Pitch"]["alpha"]


def lose_entry(content):
    del content["geometric"]["Jaw Pitch"]


def rename(content):
    content["actuators"]["Jaw Pitch"]["control"] = "Jaw Pich"


def swap(content):
    content["limits"] = {"Head Yaw": {"low": 10, "high": -10}}


def beyond(content):
    content["limits"] = {"Head Yaw": {"low": -90}}


def off_rest(content):
    content["limits"] = {"Head Yaw": {"low": 5}}


def forget(content):
    del content["actuators"]["Nose Wrinkle"]


def both(content):
    content["unused"] = ["Nose Wrinkle"]


def key(content):
    content["geometrik"] = {}


def slow(content):
    content["limits"] = {"Jaw Yaw": {"velocity": 0}}


def turned(content):
    content["actuators"]["Jaw Yaw"] = {"control": "Jaw Yaw", "low": 1700, "high": 1300}


def word(content):
    content["geometric"]["Jaw Pitch"]["alpha"] = "much"


def hidden(content):
    content["geometric"]["Nose Wrinkle"] = {"alpha": 1, "offset": 0}


def setting(*keys, to):
    """A change that sets one value."""

    def change(content):
        for key in keys[:-1]:
            content = content.setdefault(key, {})
        content[keys[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (setting("driver", to="oscc"), r"unknown driver 'oscc' in .*robot\.yaml \(did you mean osc\?\)"),
        (setting("driver", to=None), "expected driver of .* to be text but got nothing"),
        (setting("name", to=3), "expected name of .* to be text but got 3"),
        (setting("name", to=""), "expected name of .* to be text but got nothing"),
        (setting("limits", to=["Jaw Yaw"]), "expected limits in .* to be names and values but got a list"),
        (setting("limits", "Jaw Yaw", to=None), "limits of Jaw Yaw in .* to hold low, high, .* but got nothing"),
        (setting("unused", to=[["Jaw Yaw"]]), r"unknown control \['Jaw Yaw'\]"),
        (setting("actuators", "Jaw Yaw", "control", to=[]), r"unknown control \[\] of actuator Jaw Yaw"),
        (setting("geometric", to=3), "geometric in .* to be alpha and offset by control, or a robot's name, but got 3"),
        (lose_alpha, "missing alpha of Jaw Pitch"),
        (lose_entry, "missing alpha of Jaw Pitch.*faceimit-calibrate"),
        (rename, "unknown control 'Jaw Pich'.*did you mean Jaw Pitch"),
        (swap, "inverted range of Head Yaw"),
        (beyond, r"range of Head Yaw.*inside \[-30, 30\]"),
        (off_rest, r"neutral of Head Yaw.*\[5, 30\] but got 0"),
        (forget, "says nothing of Nose Wrinkle"),
        (both, "Nose Wrinkle is both driven"),
        (key, "unknown key 'geometrik'.*did you mean geometric"),
        (slow, "velocity of Jaw Yaw.*> 0"),
        (turned, "inverted range of actuator Jaw Yaw.*invert: true"),
        (word, "alpha of Jaw Pitch.*finite number but got 'much'"),
        (hidden, "Nose Wrinkle.*cannot be measured"),
    ],
)
def test_a_wrong_profile_names_what_is_wrong(altered, change, message):
    with pytest.raises(InputError, match=message):
        load_profile(altered(change))


def test_unknown_robots_and_broken_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"unknown robot 'amica' \(did you mean ameca\?\)"):
        load_profile("amica")
    path = tmp_path / "twice.yaml"
    path.write_text("name: a\nname: b\n")
    with pytest.raises(InputError, match="'name' is there twice"):
        load_profile(path)
    path.write_text("- a\n")
    with pytest.raises(InputError, match="hold names and values but got a list"):
        load_profile(path)
    path.write_text("name: a\n  driver: osc\n")
    with pytest.raises(InputError, match=r"twice\.yaml \(line 2: .*\), write it as in conf/robot/ameca\.yaml$"):
        load_profile(path)
    with pytest.raises(InputError, match=r"there is no file .*/none\.yaml, choose one of ameca"):
        load_profile(tmp_path / "none.yaml")


def test_a_damaged_profile_of_ours_is_to_be_restored(tmp_path, monkeypatch):
    for name in ("ameca", "hobby_head"):
        (tmp_path / f"{name}.yaml").write_text((CONF / f"{name}.yaml").read_text())
    (tmp_path / "ameca.yaml").write_text("name: a\n  driver: osc\n")
    monkeypatch.setattr(module, "_folder", lambda: tmp_path)
    for name in ("ameca", "hobby_head"):  # the second takes over the first one's geometric route
        with pytest.raises(InputError, match=r"cannot read .*/ameca\.yaml \(line 2: .*\), restore it$"):
            load_profile(name)


def test_two_servos_do_not_share_a_channel(altered):
    change = setting("actuators", "brow_left", "channel", to=0)
    with pytest.raises(InputError, match=r"jaw and brow_left in .* have the same channel 0, give each its own"):
        load_profile(altered(change, "hobby_head"))


def test_a_geometric_route_does_not_lead_back(altered, tmp_path):
    path = altered(setting("geometric", to=str(tmp_path / "robot.yaml")))
    with pytest.raises(InputError, match="leads back to itself"):
        load_profile(path)


def test_a_checkpoint_with_other_controls_is_refused_by_their_names():
    profile = load_profile("hobby_head")
    profile.check_controls(controls.NAMES[::-1])
    names = ["Jaw Pich" if name == "Jaw Pitch" else name for name in controls.NAMES[:-1]]
    with pytest.raises(InputError) as error:
        profile.check_controls(names)
    assert "only the checkpoint has Jaw Pich (did you mean Jaw Pitch?)" in str(error.value)
    assert "only the profile has Jaw Pitch, Nose Wrinkle" in str(error.value)


def test_non_finite_commands_are_refused():
    values = controls.NEUTRAL.copy()
    values[3] = np.nan
    with pytest.raises(InputError, match="non-finite Brow Outer Right"):
        load_profile("virtual").command(values)


def test_the_robot_side_imports_no_torch():
    code = "import sys, faceimit.robot.geometric, faceimit.robot.profile; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
