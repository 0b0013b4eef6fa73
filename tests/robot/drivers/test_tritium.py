import json
import logging
import math
import time

import numpy as np
import pytest

from faceimit.errors import InputError
from faceimit.face import controls
from faceimit.robot.drivers import make_driver
from faceimit.robot.drivers.tritium import robot_script
from faceimit.robot.profile import load_profile
from tests.robot_rigs import TOKEN, Gateway, wait_for


@pytest.fixture
def gateway():
    found = Gateway()
    yield found
    found.gone()


@pytest.fixture
def token(tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    return path


def tritium(gateway, **options):
    driver = make_driver("tritium", gateway.profile, **gateway.options, **options)
    driver.pause = lambda seconds: None
    return driver


def test_messages_are_those_of_the_gateway(gateway, token):
    with tritium(gateway, token_file=token, limits=False) as driver:
        driver.send(gateway.profile.neutral, 1.0)
        assert wait_for(lambda: gateway.heard)
        post = gateway.requests[1]
        assert sorted(post) == ["auth_token", "document", "request_id", "type", "variable_values"]
        assert post["auth_token"] == TOKEN
        assert post["type"] == "graphql"
        message = post["variable_values"]["input"]["message"]
        assert message["v"] == 1
        assert message["values"] == pytest.approx(dict(zip(controls.NAMES, controls.NEUTRAL, strict=True)))
    numbers = [message["seq"] for message in gateway.heard]
    assert numbers == sorted(set(numbers))
    assert json.loads(gateway.sessions[0]) == {"session_type": "graphql", "description": "faceimit"}


def test_a_wrong_token_is_one_sentence_without_the_token(gateway, token, monkeypatch, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    token.write_text("wr0ng-token")
    with pytest.raises(InputError, match=r"refuses the token in .*token \(401\), put a valid one there") as error:
        tritium(gateway, token_file=token).__enter__()
    gateway.late_refusal = True
    monkeypatch.setenv("TRITIUM_AUTH_TOKEN", "wr0ng-token")
    with pytest.raises(InputError, match=r"variable TRITIUM_AUTH_TOKEN \(1008\)") as late:
        tritium(gateway).__enter__()
    for text in (str(error.value), str(late.value), repr(tritium(gateway)), *capfd.readouterr()):
        assert "wr0ng-token" not in text
    ours = [record.getMessage() for record in caplog.records if record.name != "websockets.server"]
    assert not any("wr0ng-token" in line for line in ours)


@pytest.mark.parametrize("content", ["", "two words", "tok\nen: x", "tökén"])
def test_a_token_that_is_none(gateway, token, content, monkeypatch):
    token.write_text(content)
    with pytest.raises(InputError, match=r"expected one Tritium token in .*token"):
        tritium(gateway, token_file=token).__enter__()
    with pytest.raises(InputError, match="cannot read the Tritium token"):
        tritium(gateway, token_file=token.parent / "none").__enter__()
    monkeypatch.delenv("TRITIUM_AUTH_TOKEN", raising=False)
    with pytest.raises(InputError, match="environment variable TRITIUM_AUTH_TOKEN"):
        tritium(gateway).__enter__()
    with pytest.raises(InputError, match=r"unknown option 'token'.*token_file"):
        tritium(gateway, token=content)


def test_nobody_there_and_somebody_else(gateway, token):
    gateway.hear = lambda connection, message: connection.send("hello")
    with pytest.raises(InputError, match=r"expected Tritium at ws://127.0.0.1"):
        tritium(gateway, token_file=token).__enter__()
    gateway.gone()
    with pytest.raises(InputError, match=r"cannot reach Tritium at ws://127.0.0.1.*robot is on"):
        tritium(gateway, token_file=token).__enter__()


def test_a_slow_gateway_gets_the_latest(gateway, token):
    profile = gateway.profile
    gateway.delay = 0.05
    with tritium(gateway, token_file=token, limits=False, neutral_seconds=0.1) as driver:
        began = time.monotonic()
        for i in range(400):
            values = profile.neutral.copy()
            values[controls.INDEX["Head Yaw"]] = 0.05 * i
            driver.send(values, 0.02 * i)
        assert time.monotonic() - began < 2.0, "send waited for the gateway"
        assert wait_for(lambda: gateway.heard and gateway.heard[-1]["values"]["Head Yaw"] == pytest.approx(19.95))
        assert len(gateway.heard) < 60
        assert driver._link.replaced > 300
    assert gateway.heard[-1]["values"]["Head Yaw"] == pytest.approx(0.0)


def test_a_token_that_is_withdrawn_is_said_once(gateway, token, caplog):
    with tritium(gateway, token_file=token, limits=False, neutral_seconds=0.1) as driver:
        driver.send(gateway.profile.neutral, 0.0)
        gateway.gone()
        token.write_text("gone")
        gateway.back()
        sessions = len(gateway.sessions)
        assert wait_for(lambda: len(gateway.sessions) >= sessions + 3)
        token.write_text(TOKEN)
        assert wait_for(lambda: len(driver.send(gateway.profile.neutral, 1.0)) and not driver.away, 6.0)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert sum("refuses the token" in warning for warning in warnings) == 1


def test_complaints_are_logged_once(gateway, token, caplog):
    gateway.errors = [{"message": "no such mutation"}]
    with tritium(gateway, token_file=token, limits=False, neutral_seconds=0.1) as driver:
        for i in range(5):
            driver.send(gateway.profile.neutral, 0.02 * i)
            assert wait_for(lambda n=i: len(gateway.heard) > n)
    assert sum("no such mutation" in record.getMessage() for record in caplog.records) == 1


class Control:
    """One of the robot's controls, as a script sees it."""

    def __init__(self, position):
        self.position = self.demand = position


class System:
    """What Tritium hands to a script."""

    def __init__(self):
        self.controls, self.arbitration = {}, self

    def control(self, name, group, acquire):
        assert "demand" in acquire
        return self.controls.setdefault(name, Control(controls.NEUTRAL[controls.INDEX[name]]))

    def make_bid(self, specifiers, precedence, bid_type):
        return self

    def use(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def tick(self, fps):
        return lambda function: function


class Robot:
    """The script on a robot whose clock is ours."""

    def __init__(self):
        class Any:
            VERY_HIGH = ON_DEMAND = 0

        self.now, self.system = 0.0, System()
        self.names = {"system": self.system, "Precedence": Any, "BidType": Any}
        exec(compile(robot_script(), "faceimit.py", "exec"), self.names)
        self.names["monotonic"] = lambda: self.now
        self.activity = self.names["Activity"]()
        self.activity.on_start()

    def say(self, message, channel="faceimit"):
        self.activity.on_message(channel, message)

    def run(self, seconds):
        """Ticks, and the demands after each (T, 30)."""
        rows = []
        for _ in range(round(seconds * 60)):
            self.now += 1 / 60
            self.activity.on_tick()
            rows.append(self.demands())
        return np.array(rows)

    def demands(self):
        return [self.system.controls[name].demand for name in controls.NAMES]


def command(values, seq):
    return {"v": 1, "seq": seq, "values": dict(zip(controls.NAMES, values, strict=True))}


def test_the_scripts_table_is_the_profile():
    profile = load_profile("ameca")
    table = Robot().names["LIMITS"]
    assert tuple(table) == controls.NAMES
    rows = np.array(list(table.values()))
    expected = np.stack([profile.low, profile.high, profile.velocity, profile.neutral], axis=1)
    np.testing.assert_allclose(rows, expected, rtol=1e-5)


def test_the_script_clamps_and_moves_no_faster_than_its_limits():
    robot, profile, rows = Robot(), load_profile("ameca"), []
    random = np.random.default_rng(0)
    for seq in range(60):
        robot.say(command(random.uniform(-999, 999, 30), seq))
        rows.append(robot.run(0.1))
    rows = np.concatenate(rows)
    assert ((rows >= profile.low - 1e-9) & (rows <= profile.high + 1e-9)).all()
    step = np.abs(np.diff(rows, axis=0, prepend=profile.neutral[None]))
    assert (step <= profile.velocity / 60 * (1 + 1e-5)).all()
    assert np.ptp(rows, axis=0).min() > 0


def test_the_script_holds_and_eases_to_neutral_when_messages_stay_away():
    robot, profile = Robot(), load_profile("ameca")
    target = profile.low + 0.8 * (profile.high - profile.low)
    for seq in range(30):
        robot.say(command(target, seq))
        robot.run(0.1)
    np.testing.assert_allclose(robot.demands(), target)
    held = robot.run(0.9)
    np.testing.assert_array_equal(held[-1], target)
    robot.run(6.0)
    np.testing.assert_allclose(robot.demands(), profile.neutral)
    before = len(robot.system.controls)
    robot.say(command(target, 0))  # a new run counts from 0 again
    robot.run(0.2)
    assert np.abs(np.array(robot.demands()) - profile.neutral).max() > 0
    assert before == 30


def test_the_script_leaves_nonsense_out():
    robot = Robot()
    nonsense = ["x", None, 3, {}, {"v": 2, "seq": 1, "values": {"Jaw Pitch": 0}}, {"v": 1, "seq": "1", "values": {}}]
    nonsense += [{"v": 1, "seq": True, "values": {}}, {"v": 1, "seq": 1, "values": [0.1]}]
    for message in nonsense:
        robot.say(message)
    robot.say(command(controls.LOW, 5), channel="another")
    robot.run(0.1)
    assert robot.demands() == pytest.approx(list(controls.NEUTRAL))
    values = {"Jaw Pitch": math.nan, "Head Yaw": math.inf, "Jaw Yaw": "1", "Nose Wrinkle": True, "Ears": 1.0}
    robot.say({"v": 1, "seq": 1, "values": values})
    robot.run(0.2)
    assert robot.demands() == pytest.approx(list(controls.NEUTRAL))
    robot.say(command(controls.HIGH, 9))
    robot.say(command(controls.LOW, 8))
    robot.run(0.2)
    assert robot.system.controls["Head Yaw"].demand > 0, "an old message was taken"


def test_the_script_halts():
    robot = Robot()
    robot.say(command(controls.HIGH, 1))
    robot.run(0.1)
    robot.say({"v": 1, "seq": 2, "halt": True})
    here = robot.demands()
    robot.say(command(controls.LOW, 3))
    robot.run(3.0)
    assert robot.demands() == here


def test_after_an_emergency_stop_the_robot_is_told_to_halt(gateway, token):
    with tritium(gateway, token_file=token, limits=False) as driver:
        driver.send(gateway.profile.high, 0.0)
        driver.stop()
        driver.send(gateway.profile.low, 0.02)
    assert gateway.heard[-1]["halt"] is True
