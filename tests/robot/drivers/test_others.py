"""What is particular to the simulation, OSC, Dynamixel and ROS 2."""

import socket
import threading
import time

import numpy as np
import pytest
import yaml
from pythonosc.osc_bundle import OscBundle

from faceimit.errors import InputError
from faceimit.face import controls
from faceimit.face.retargeting import to_blendshapes
from faceimit.robot.drivers import make_driver
from faceimit.robot.drivers.dynamixel import ticks_of, values_of
from faceimit.robot.drivers.ros2 import joint_name
from faceimit.robot.profile import load_profile
from tests.robot_rigs import Rosbridge, ServoBus, UdpRig, free_port, wait_for


def ready(driver):
    driver.pause = lambda seconds: None
    return driver


def test_the_simulation_has_a_face_to_look_at():
    profile = load_profile("virtual")
    with make_driver("simulated", profile) as driver:
        rest = driver.picture(48)
        target = profile.neutral.copy()
        target[controls.INDEX["Jaw Pitch"]] = 0.2
        for i in range(100):
            driver.send(target, 1e5 + 0.02 * i)
        shown = driver.picture(48)
        assert shown.shape == (48, 48, 3)
        assert np.abs(shown.astype(int) - rest).max() > 60
        pose = driver.measured(1e5 + 2.0)
        assert pose[controls.INDEX["Jaw Pitch"]] == pytest.approx(0.2, abs=0.05)
    assert np.abs((driver._measure(1e5 + 9) - profile.neutral) / controls.SPAN).max() < 0.03


def test_a_simulation_that_rests_for_a_day_answers_at_once():
    profile = load_profile("virtual")
    with make_driver("simulated", profile) as driver:
        driver.send(profile.high, 0.0)
        began = time.monotonic()
        driver.send(profile.high, 86400.0)
        assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("names", ["actuators", "controls", "arkit"])
def test_osc_addresses(names):
    rig = UdpRig("hobby_head")
    values = rig.profile.neutral.copy()
    values[controls.INDEX["Jaw Pitch"]] = 0.25
    with ready(make_driver("osc", rig.profile, port=rig.port, names=names, prefix="/robot/", limits=False)) as driver:
        driver.send(values, 0.0)
        assert wait_for(lambda: rig.heard)
    messages = {message.address: message.params for message in OscBundle(rig.heard[0])}
    rig.gone()
    if names == "actuators":
        assert len(messages) == 12
        assert messages["/robot/jaw"] == pytest.approx([1487.5])
    elif names == "controls":
        assert len(messages) == 30
        assert messages["/robot/Jaw_Pitch"] == pytest.approx([0.25])
    else:
        assert len(messages) == 55
        assert messages["/robot/jawOpen"] == pytest.approx([to_blendshapes(values)[24]], abs=0.01)
        assert messages["/robot/headYaw"] == pytest.approx([0.0])


def test_dynamixels_are_held_where_they_stand_before_torque_comes(tmp_path):
    bus = ServoBus(folder=tmp_path)
    bus.positions[0] = 1900
    with ready(make_driver("dynamixel", bus.profile, **bus.options, torque_off=True)) as driver:
        writes = [instruction for _, instruction, _ in bus.instructions if instruction == 0x83]
        assert wait_for(lambda: len(bus.torque) == 12)
        assert set(bus.torque.values()) == {1}
        assert [servo for servo, instruction, _ in bus.instructions if instruction == 0x01][-12:] == list(range(12))
        assert bus.positions[0] == 1900
        pose = driver.measured(0.0)
        assert ticks_of(bus.profile, pose)[0] == 1900
        driver.send(bus.profile.neutral, 0.0)
        assert wait_for(lambda: bus.heard)
        assert bus.last()[0] == 1900, "the first command is where the servo stands"
    assert len(writes) <= 2
    assert wait_for(lambda: set(bus.torque.values()) == {0})
    bus.gone()


def test_a_silent_servo_and_a_missing_port_are_named(tmp_path):
    bus = ServoBus(folder=tmp_path, silent=(3, 11))
    with pytest.raises(InputError, match=r"servo 3, 11 on .* does not answer at 1000000 baud, check power"):
        make_driver("dynamixel", bus.profile, **bus.options).__enter__()
    bus.gone()
    with pytest.raises(InputError, match=r"cannot open .*servo.*option device"):
        make_driver("dynamixel", bus.profile, **bus.options).__enter__()


def test_units_of_servos(tmp_path):
    profile = load_profile("hobby_head")
    random = np.random.default_rng(0)
    for values in random.uniform(profile.low, profile.high, (20, 30)):
        ticks = ticks_of(profile, values)
        np.testing.assert_allclose(ticks_of(profile, values_of(profile, ticks)), ticks, atol=1)
    assert ticks_of(profile, profile.neutral)[6] == 2048, "1500 microseconds are the middle"
    content = yaml.safe_load("{name: x, actuators: {a: {control: Head Yaw, channel: 5, unit: degree}}, unused: []}")
    content["unused"] = [name for name in controls.NAMES if name != "Head Yaw"]

    def own(**change):
        content["actuators"]["a"] |= change
        path = tmp_path / "own.yaml"
        path.write_text(yaml.safe_dump(content))
        return load_profile(path)

    values = profile.neutral.copy()
    values[controls.INDEX["Head Yaw"]] = 22.5
    assert ticks_of(own(), values).tolist() == [2048 + 256]
    with pytest.raises(InputError, match="unit of actuator a of profile x to be one of tick, degree, microsecond"):
        make_driver("dynamixel", own(unit="share"))
    with pytest.raises(InputError, match="actuator a of profile x needs a channel"):
        make_driver("dynamixel", own(unit="degree", channel=None))
    content["actuators"]["b"] = {"control": "Head Pitch", "channel": 5, "unit": "degree"}
    content["unused"].remove("Head Pitch")
    with pytest.raises(InputError, match=r"a and b in .* have the same channel 5"):
        make_driver("dynamixel", own(channel=5))


def test_messages_of_ros():
    bridge = Rosbridge()
    values = bridge.profile.neutral.copy()
    values[controls.INDEX["Head Yaw"]] = 18.0
    for message in ("joint_state", "array"):
        with ready(make_driver("ros2", bridge.profile, **bridge.options, message=message, limits=False)) as driver:
            driver.send(values, 12.25)
            assert wait_for(lambda: bridge.heard)
            heard = bridge.heard[0]
        assert wait_for(lambda: not bridge.connections), "the connection stays open"
        bridge.heard.clear()
        if message == "joint_state":
            assert heard["name"] == [joint_name(name) for name in controls.NAMES]
            assert heard["header"] == {"stamp": {"sec": 12, "nanosec": 250000000}, "frame_id": ""}
            assert heard["position"][controls.INDEX["Head Yaw"]] == pytest.approx(np.pi / 10)
        else:
            assert heard["data"] == pytest.approx(values.tolist())
            dimension = heard["layout"]["dim"][0]
            assert (dimension["size"], dimension["label"].split(",")[13]) == (30, "jaw_pitch")
    operations = [(op["op"], op.get("type")) for op in bridge.operations if op["op"] != "publish"]
    kinds = ("sensor_msgs/JointState", "std_msgs/Float64MultiArray")
    assert operations == [step for kind in kinds for step in (("advertise", kind), ("unadvertise", None))]
    bridge.gone()
    assert sum(thread.name == "roslibpy-asyncio" for thread in threading.enumerate()) <= 1


def test_a_rosbridge_that_is_not_there():
    bridge = Rosbridge()
    bridge.gone()
    options = bridge.options | {"timeout": 0.3}
    with pytest.raises(InputError, match=r"cannot reach rosbridge at ws://127.0.0.1:\d+ within 0.3 s"):
        make_driver("ros2", bridge.profile, **options).__enter__()
    opened = []
    bridge.admit = lambda connection, request: opened.append(request)
    bridge.back()
    time.sleep(0.7)
    assert len(opened) <= 1, "it went on trying"
    assert wait_for(lambda: not bridge.connections), "the attempt under way stays open"
    bridge.gone()


@pytest.mark.parametrize("name", ["osc", "livelink"])
def test_datagrams_to_nobody_are_known_and_said_once(name, caplog):
    profile, port = load_profile("virtual"), free_port(socket.SOCK_DGRAM)
    driver = make_driver(name, profile, port=port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener, ready(driver):
        for i in range(100):
            driver.send(profile.neutral, 0.02 * i)
        assert (driver.counts.sent, driver.counts.undelivered) == (0, 100)
        listener.bind(("127.0.0.1", port))
        for i in range(100, 300):
            driver.send(profile.neutral, 0.02 * i)
        assert (driver.counts.sent, driver.counts.undelivered) == (200, 100)
    ours = [record.message for record in caplog.records if record.name.startswith("faceimit.")]
    assert [message.split(":")[0] for message in ours] == ["the robot is gone", "the robot is back"]
