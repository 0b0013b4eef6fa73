import socket
import struct

import numpy as np
import pytest

from faceimit.errors import InputError
from faceimit.face import controls
from faceimit.face.blendshapes import BLENDSHAPES, INDEX
from faceimit.face.retargeting import to_blendshapes, to_controls
from faceimit.robot.drivers import make_driver
from faceimit.robot.drivers.arkit import ArkitFace
from faceimit.robot.drivers.livelink import FIELDS, Packet, decode, encode
from faceimit.robot.profile import load_profile

DEVICE = "5A1F6B2C-0000-4000-8000-0123456789AB"


def test_every_byte_of_a_packet():
    values = np.arange(61) / 64
    data = encode(Packet(DEVICE, "Ada", 90061.25, 60, values))
    assert data[:1] == b"\x06"
    assert data[1:5] == b"\x00\x00\x00\x24"
    assert data[5:41] == DEVICE.encode()
    assert data[41:45] == b"\x00\x00\x00\x03"
    assert data[45:48] == b"Ada"
    assert data[48:52] == (90061).to_bytes(4, "big")
    assert data[52:56] == b"\x3e\x80\x00\x00"  # 0.25
    assert data[56:60] == b"\x00\x00\x00\x3c"
    assert data[60:64] == b"\x00\x00\x00\x01"
    assert data[64:65] == b"\x3d"
    assert data[65 : 65 + 8] == b"\x00\x00\x00\x00\x3c\x80\x00\x00"  # 0, 1/64
    assert len(data) == 65 + 61 * 4
    assert struct.unpack(">61f", data[65:]) == tuple(values)
    back = decode(data)
    assert (back.device, back.subject, back.frame, back.fps) == (DEVICE, "Ada", 90061.25, 60)
    np.testing.assert_array_equal(back.values, values)


def test_names_are_apples_in_the_order_of_the_engine():
    assert sorted(name[0].lower() + name[1:] for name in FIELDS[:52]) == sorted(BLENDSHAPES)
    places = {"EyeBlinkLeft": 0, "EyeBlinkRight": 7, "JawOpen": 17, "MouthSmileLeft": 23, "BrowDownLeft": 41}
    places |= {"BrowInnerUp": 43, "CheekPuff": 46, "TongueOut": 51, "HeadYaw": 52, "LeftEyeYaw": 55, "RightEyeRoll": 60}
    assert {name: FIELDS.index(name) for name in places} == places
    assert len(set(FIELDS)) == 61


@pytest.mark.parametrize("cut", [0, 3, 44, 60, 100, -1])
def test_other_datagrams_are_refused(cut):
    data = encode(Packet(DEVICE, "Ada", 1.0, 60, np.zeros(61)))
    with pytest.raises(InputError, match="Live Link Face packet"):
        decode(data[:cut])
    with pytest.raises(InputError, match="version 6"):
        decode(b"\x05" + data[1:])


def test_a_smile_and_a_turned_head_arrive():
    profile = load_profile("virtual")
    shown = np.zeros(52)
    shown[[INDEX["mouthSmileLeft"], INDEX["mouthSmileRight"]]] = 0.6
    values = to_controls(shown, np.array([0.2, 0.1, -0.05]))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as engine:
        engine.bind(("127.0.0.1", 0))
        engine.settimeout(2)
        driver = make_driver("livelink", profile, port=engine.getsockname()[1], subject="Ada", limits=False, fps=30)
        driver.pause = lambda seconds: None
        with driver:
            driver.send(values, 2.5)
            packet = decode(engine.recv(2048))
    assert (packet.subject, packet.frame, packet.fps) == ("Ada", 75.0, 30)
    found = dict(zip(FIELDS, packet.values, strict=True))
    assert found["MouthSmileLeft"] == pytest.approx(0.6, abs=0.1)
    assert found["JawOpen"] == pytest.approx(0, abs=0.02)
    assert [found[f"Head{angle}"] for angle in ("Yaw", "Pitch", "Roll")] == pytest.approx([0.2, 0.1, -0.05], abs=1e-6)


def test_units_of_the_head_and_names_of_the_profile():
    avatar = load_profile("arkit_avatar")
    values = avatar.neutral.copy()
    values[controls.INDEX["Head Yaw"]], values[controls.INDEX["Jaw Pitch"]] = 18.0, 0.4
    yaw = FIELDS.index("HeadYaw")
    for head, expected in (("radian", np.pi / 10), ("half_turn", 0.1), ("none", 0.0)):
        for shapes in ("retargeting", "profile"):
            fields = make_driver("livelink", avatar, head=head, shapes=shapes).values(values)
            assert fields[yaw] == pytest.approx(expected, abs=1e-6)
            assert fields[FIELDS.index("JawOpen")] == pytest.approx(0.6, abs=0.02)
    with pytest.raises(InputError, match="no ARKit name: use shapes=retargeting"):
        make_driver("livelink", load_profile("ameca"), shapes="profile")
    with pytest.raises(InputError, match="option subject"):
        make_driver("livelink", avatar, subject="")


def test_one_face_after_another_is_the_exact_least_effort():
    random = np.random.default_rng(5)
    knots = random.uniform(controls.LOW, controls.HIGH, (6, 30))
    share = np.linspace(0, 5, 60)
    path = np.stack([np.interp(share, np.arange(6), knots[:, i]) for i in range(30)], axis=1)
    face = ArkitFace()
    found = np.stack([face.of(values)[:52] for values in path])
    assert ((found >= 0) & (found <= 1)).all()
    np.testing.assert_allclose(found, to_blendshapes(path), atol=0.06)
    error = np.abs(to_controls(found) - to_controls(to_blendshapes(path))) / controls.SPAN
    assert error.max() < 2e-3
