import importlib
import importlib.metadata
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from faceimit.errors import InputError
from faceimit.robot.drivers import Driver, driver_names, make_driver
from faceimit.robot.drivers.registry import driver_options
from faceimit.robot.profile import load_profile, robot_names

PLUGIN = '''
from __future__ import annotations

from dataclasses import dataclass

from faceimit.robot.drivers import Driver


@dataclass(eq=False, kw_only=True)
class MyHead(Driver):
    """A head that keeps what it is told."""

    speed: float = 1.0
    label: str | None = None

    def _connect(self):
        self.heard = []

    def _transmit(self, values, now):
        self.heard.append(values)
        return True

    def _disconnect(self):
        self.closed = True
'''


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A package with an entry point, installed as pip would."""

    def install(code=PLUGIN, name="my_head", value="my_head_package:MyHead"):
        (tmp_path / "my_head_package.py").write_text(code)
        folder = tmp_path / "my_head-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: my_head\nVersion: 1.0\n")
        (folder / "entry_points.txt").write_text(f"[faceimit.drivers]\n{name} = {value}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        importlib.invalidate_caches()

    yield install
    sys.modules.pop("my_head_package", None)


def test_a_driver_of_another_package(plugin):
    plugin()
    assert driver_names()[-1] == "my_head"
    profile = load_profile("hobby_head")
    driver = make_driver("my_head", profile, speed="2.5", label="left")
    driver.pause = lambda seconds: None
    assert (driver.speed, driver.label) == (2.5, "left")
    with driver:
        for i in range(30):
            told = driver.send(profile.high, 0.02 * i)
        assert (told != profile.neutral).any()
    assert driver.closed
    np.testing.assert_allclose(driver.heard[-1], profile.neutral, atol=1e-9)
    with pytest.raises(InputError, match=r"unknown option 'sped' of driver my_head \(did you mean speed\?\)"):
        make_driver("my_head", profile, sped=1)


@pytest.mark.parametrize(
    ("code", "value", "message"),
    [
        ("raise RuntimeError('no such cable')", "my_head_package:MyHead", "does not load.*no such cable"),
        ("", "my_head_package:MyHead", "driver my_head .* does not load"),
        ("MyHead = 3", "my_head_package:MyHead", "to be a class that derives from Driver"),
        ("", "nowhere_at_all:MyHead", "does not load.*nowhere_at_all"),
    ],
)
def test_a_broken_plug_in_is_named(plugin, code, value, message):
    plugin(code, value=value)
    with pytest.raises(InputError, match=message):
        make_driver("my_head", load_profile("virtual"))


def test_a_plug_in_does_not_take_the_place_of_ours(plugin):
    plugin(name="osc")
    assert driver_names().count("osc") == 1
    assert type(make_driver("osc", load_profile("virtual"))).__name__ == "Osc"


def test_every_profile_names_a_driver_that_takes_it(tmp_path):
    for robot in robot_names():
        profile = load_profile(robot)
        assert profile.driver in driver_names()
        assert isinstance(make_driver(profile.driver, profile), Driver)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("ocs", {}, r"unknown driver 'ocs' \(did you mean osc\?\), choose one of simulated, tritium"),
        (
            "osc",
            {"prot": 1},
            r"unknown option 'prot' of driver osc \(did you mean port\?\), choose among limits, dry_run",
        ),
        ("osc", {"pause": print}, "unknown option 'pause'"),
        ("osc", {"port": "many"}, "option port of driver osc to be a finite number but got 'many'"),
        ("osc", {"port": 1.5}, "whole number but got 1.5"),
        ("osc", {"port": True}, "finite number but got True"),
        ("osc", {"host": 7}, "option host of driver osc to be text but got 7"),
        ("osc", {"limits": "perhaps"}, "option limits of driver osc to be true or false but got 'perhaps'"),
        ("osc", {"names": "all"}, "option names of driver osc to be one of actuators, controls, arkit but got 'all'"),
        ("osc", {"prefix": "faceimit"}, "OSC address such as /faceimit but got 'faceimit'"),
        ("osc", {"rate": 0}, "option rate from 5 to 1000 but got 0"),
        ("osc", {"rate": "nan"}, "option rate of driver osc to be a finite number"),
        ("tritium", {"token_file": ""}, "option token_file of driver tritium to be a file but got ''"),
        ("record", {"to": "replay"}, "a robot's driver but got 'replay'"),
        ("record", {"to": "osc", "prot": 1}, "unknown option 'prot' of driver osc"),
        ("record", {"path": "a.txt"}, "end with .jsonl or .csv but got a.txt"),
        ("ros2", {"topic": "commands"}, "option topic to be a name such as"),
        ("dynamixel", {"baud": 12}, "option baud to be one of 9600.*but got 12"),
    ],
)
def test_wrong_options_are_named(name, options, message):
    with pytest.raises(InputError, match=message):
        make_driver(name, load_profile("hobby_head"), **options)


def test_a_port_nobody_can_have():
    with pytest.raises(InputError, match="option port from 1 to 65535 but got 70000"):
        make_driver("osc", load_profile("virtual"), port=70000).__enter__()


def test_options_come_as_text_from_a_command_line():
    driver = make_driver("osc", load_profile("virtual"), port="9001", dry_run="true", rate="25")
    assert (driver.port, driver.dry_run, driver.rate) == (9001, True, 25.0)
    assert driver_options("simulated") == {
        "limits": bool,
        "dry_run": bool,
        "rate": float,
        "neutral_seconds": float,
        "seed": int,
    }


@pytest.mark.parametrize(
    ("name", "module"),
    [("osc", "pythonosc"), ("tritium", "websockets"), ("dynamixel", "dynamixel_sdk"), ("ros2", "roslibpy")],
)
def test_a_missing_extra_says_what_to_install(monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"driver {name} needs .*pip install 'faceimit\[robots\]'"):
        make_driver(name, load_profile("hobby_head"))
    assert make_driver(name, load_profile("hobby_head"), dry_run=True).dry_run


@dataclass(eq=False, kw_only=True)
class Broken(Driver):
    """A driver whose robot hangs up while it connects."""

    def _connect(self):
        raise InputError("the robot hung up")

    def _transmit(self, values, now):
        return True

    def _disconnect(self):
        self.closed = True


def test_a_connection_that_fails_half_way_is_let_go():
    driver = Broken(load_profile("virtual"))
    with pytest.raises(InputError, match="hung up"), driver:
        pytest.fail("it never got here")
    assert driver.closed
    driver.close()


def test_drivers_need_neither_torch_nor_the_extras():
    code = (
        "import sys; from faceimit.robot.drivers import driver_names, make_driver\n"
        "from faceimit.robot.profile import load_profile\n"
        "with make_driver('simulated', load_profile('virtual')) as d: d.send(d.profile.high, 0.0)\n"
        "heavy = {'torch', 'hydra', 'wandb', 'websockets', 'roslibpy', 'twisted', 'dynamixel_sdk', 'pythonosc'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    )
    assert done.stdout.strip() == "[]"
