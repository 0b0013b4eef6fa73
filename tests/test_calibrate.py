import csv
import json

import cv2
import numpy as np
import pytest
import yaml

from faceimit import calibrate as command
from faceimit.data.synthetic.generate import render_clip
from faceimit.errors import InputError
from faceimit.face import controls
from faceimit.face.shape import SHAPE
from faceimit.robot.geometric import GeometricMapper
from faceimit.robot.profile import load_profile, profile_path
from faceimit.tracking.cli import run_command
from tests import video_files

FACE = SHAPE[:, :2] * [10.0, -10.0] + 200


def opened(gap: float) -> np.ndarray:
    """A frontal face whose inner lips are `gap` inter-ocular distances apart."""
    points = FACE.copy()
    points[[65, 66, 67], 1] += gap * np.linalg.norm(FACE[45] - FACE[36])
    return points


def jaw_poses(alpha=-2.1, offset=0.9, wrong=(), count=12, noise=0.0):
    """Poses of a robot whose jaw follows alpha * gap + offset, some of them with a wrong value."""
    generator = np.random.default_rng(0)
    poses = []
    for i, gap in enumerate(np.linspace(0.02, 0.38, count)):
        value = 0.95 - (alpha * gap + offset) if i in wrong else alpha * gap + offset
        points = opened(gap) + generator.normal(0, noise, (68, 2))
        poses.append({"name": f"p{i}", "landmarks": points.tolist(), "values": {"Jaw Pitch": float(value)}})
    return poses


def calibrate(tmp_path, poses, robot="ameca", *more):
    path, out = tmp_path / "poses.json", tmp_path / "out.yaml"
    path.write_text(json.dumps({"poses": poses}))
    return run_command(command.run, ["--robot", robot, "--poses", str(path), "--out", str(out), *more]), out


def test_known_alpha_is_recovered_with_a_quarter_of_the_poses_wrong(tmp_path, capsys):
    code, out = calibrate(tmp_path, jaw_poses(wrong=(1, 9, 11), noise=0.1))
    printed = capsys.readouterr()
    assert code == 0, printed.err
    line = yaml.safe_load(out.read_text())["geometric"]["Jaw Pitch"]
    assert line["alpha"] == pytest.approx(-2.1, abs=0.06)
    assert line["offset"] == pytest.approx(0.9, abs=0.02)
    assert "p1, p9, p11" in printed.out
    profile = load_profile("ameca", out)
    value = GeometricMapper(profile).push(opened(0.2), pose=np.zeros(3)).values[controls.INDEX["Jaw Pitch"]]
    assert value == pytest.approx(-2.1 * 0.2 + 0.9, abs=0.02)
    assert profile.geometric["Jaw Yaw"] == load_profile("ameca").geometric["Jaw Yaw"]


def test_values_of_a_servo_in_microseconds_are_taken_in_csv(tmp_path, capsys):
    path, out = tmp_path / "poses.csv", tmp_path / "out.yaml"
    gaps = np.linspace(0, 0.38, 6)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"{axis}{i}" for i in range(68) for axis in "xy"), "jaw"])
        for gap in gaps:
            writer.writerow([*opened(gap).ravel(), 1150 + 450 * gap / 0.38])
    code = run_command(command.run, ["--robot", "hobby_head", "--poses", str(path), "--out", str(out)])
    assert code == 0, capsys.readouterr().err
    assert yaml.safe_load(out.read_text())["geometric"]["Jaw Pitch"]["alpha"] == pytest.approx(-1 / 0.38, rel=0.01)


def test_the_example_of_the_help_works(tmp_path, capsys):
    path, out = tmp_path / "poses.json", tmp_path / "hobby.yaml"
    assert run_command(command.run, ["--example", str(path)]) == 0
    assert run_command(command.run, ["--robot", "hobby_head", "--poses", str(path), "--out", str(out)]) == 0
    fitted = yaml.safe_load(out.read_text())["geometric"]
    assert set(fitted) >= {"Jaw Pitch", "Eyelid Upper Left", "Lip Corner Raise Right"}
    assert "outliers" in capsys.readouterr().out


def flat(poses):
    return [pose | {"landmarks": poses[0]["landmarks"]} for pose in poses]


def random_values(poses):
    values = np.random.default_rng(3).uniform(0, 1, len(poses))
    return [pose | {"values": {"Jaw Pitch": float(v)}} for pose, v in zip(poses, values, strict=True)]


def with_nan(poses):
    points = np.array(poses[4]["landmarks"])
    points[30, 0] = np.nan
    return [*poses[:4], poses[4] | {"landmarks": points.tolist()}, *poses[5:]]


def given(**more):
    return lambda poses: [pose | more for pose in poses]


def pictured(**more):
    return lambda poses: [{"name": "p0", "image": "face.png", "values": {"Jaw Pitch": 0.5}} | more]


def valued(values):
    return lambda poses: [pose | {"values": values} for pose in poses]


@pytest.mark.parametrize(
    ("change", "robot", "message"),
    [
        (lambda poses: poses[:2], "ameca", "at least 3 poses but got 2"),
        (flat, "ameca", "degenerate poses for Jaw Pitch"),
        (random_values, "ameca", "inconsistent poses for Jaw Pitch"),
        (with_nan, "ameca", "landmark 30 of pose p4"),
        (valued({"Jaw Pitch": 0.5}), "ameca", "no control moves"),
        (valued({"Jaw Pich": 0.5}), "ameca", "unknown control 'Jaw Pich' in p0"),
        (valued({"Jaw Pitch": 1.5}), "ameca", r"Jaw Pitch of p0"),
        (valued({"Jaw Yaw": 0.5}), "hobby_head", "hobby_head has no Jaw Yaw"),
        (valued({"Nose Wrinkle": 0.5}), "ameca", "Nose Wrinkle cannot be measured"),
        (valued({}), "ameca", "has no values"),
        (lambda poses: [{"values": {"Jaw Pitch": 0.5}}], "ameca", "neither landmarks nor an image"),
        (lambda poses: [pose | {"landmark": 1} for pose in poses], "ameca", "unknown key 'landmark'"),
        (given(image="none.png", frame=-3), "ameca", "p0 of {poses} has landmarks as well as image and frame"),
        (given(frame=3), "ameca", "p0 of {poses} has landmarks as well as frame"),
        (pictured(frame=1.5), "ameca", "frame of p0 of {poses} to be a whole number of 0 or more but got 1.5"),
        (pictured(frame=-1), "ameca", "frame of p0 of {poses} to be a whole number of 0 or more but got -1"),
        (pictured(frame=True), "ameca", "frame of p0 of {poses} to be a finite number but got True"),
        (pictured(image=3), "ameca", "image of p0 of {poses} to be a file but got 3"),
        (given(pose=[1]), "ameca", "pose of p0 of {poses} to be yaw, pitch and roll in radians but got [1]"),
        (valued({"Jaw Pitch": True}), "ameca", "Jaw Pitch of p0 of {poses} to be a finite number but got True"),
    ],
)
def test_degenerate_poses_are_refused_by_name(tmp_path, capsys, change, robot, message):
    code, out = calibrate(tmp_path, change(jaw_poses()), robot)
    error = capsys.readouterr().err
    assert code == 2
    assert message.format(poses=tmp_path / "poses.json") in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_a_row_with_too_many_values_is_named(tmp_path, capsys):
    (tmp_path / "poses.csv").write_text("name,image,Jaw Pitch\na,a.png,0.1\nb,b.png,0.2,9\n")
    arguments = ["--robot", "ameca", "--poses", str(tmp_path / "poses.csv"), "--out", str(tmp_path / "out.yaml")]
    assert run_command(command.run, arguments) == 2
    assert "row 2 of" in capsys.readouterr().err


@pytest.mark.parametrize("content", [bytes(range(256)), b"[1, 2]", b"name: ameca"])
def test_what_is_no_calibration_is_refused_in_a_sentence(tmp_path, content):
    (tmp_path / "c.yaml").write_bytes(content)
    with pytest.raises(InputError, match="make one with faceimit-calibrate --robot hobby_head"):
        load_profile("hobby_head", tmp_path / "c.yaml")


def test_a_calibration_of_another_robot_is_refused(tmp_path, capsys):
    code, out = calibrate(tmp_path, jaw_poses())
    assert code == 0
    with pytest.raises(ValueError, match="'ameca', not 'virtual'"):
        load_profile("virtual", out)
    capsys.readouterr()
    assert run_command(command.run, ["--robot", "ameca"]) == 2
    assert "missing --poses, --out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--out", "poses.json"], "would overwrite what is read"),
        (["--out", "a.json"], "--out writes .yaml or .yml but got a.json"),
        (["--out", "robot.yaml", "--robot", "robot.yaml"], "would overwrite what is read"),
        (["--out", "poses.json/a.yaml"], "cannot write"),
        (["--out", "a.yaml", "--model", "robot.yaml"], "--model is for poses with pictures but poses.json has none"),
        (["--out", "a.yaml", "--backend", "pfld"], "--backend is for poses with pictures"),
        (["--out", "a.yaml", "--backend", "dlib"], "invalid choice: 'dlib'"),
        (["--example", "poses.json"], "--example only writes poses: leave --poses out"),
    ],
)
def test_outputs_replace_nothing_and_unused_options_are_refused(tmp_path, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    profile = profile_path("ameca").read_text()
    (tmp_path / "robot.yaml").write_text(profile)
    (tmp_path / "poses.json").write_text(json.dumps(jaw_poses()))
    words = ["--poses", "poses.json", *(["--robot", "ameca"] if "--out" in arguments else []), *arguments]
    assert run_command(command.run, words) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert (tmp_path / "robot.yaml").read_text() == profile
    assert json.loads((tmp_path / "poses.json").read_text()) == jaw_poses()
    assert len(list(tmp_path.iterdir())) == 2


def test_an_example_replaces_no_file(tmp_path, capsys):
    (tmp_path / "poses.json").write_text("mine")
    assert run_command(command.run, ["--example", str(tmp_path / "poses.json")]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "poses.json").read_text() == "mine"


def test_controls_that_were_not_fitted_are_named(tmp_path, capsys):
    poses = [pose | {"values": pose["values"] | {"Jaw Yaw": 0.5}} for pose in jaw_poses()]
    assert calibrate(tmp_path, poses)[0] == 0
    said = capsys.readouterr().out
    assert "their values hardly vary: Jaw Yaw\n" in said
    assert "Head Yaw" in said.split("no pose names them: ")[1].splitlines()[0]
    assert "Nose Wrinkle" in said.split("landmarks do not tell them: ")[1]


@pytest.fixture
def weights(tmp_path):
    import torch

    from faceimit.nets.pfld import PFLD, pack_pfld

    torch.manual_seed(0)
    small = {"width": 0.125, "size": 64}
    path = tmp_path / "net.safetensors"
    path.write_bytes(pack_pfld(PFLD(**small), small))
    return path


def test_faces_are_found_in_pictures_and_frames(tmp_path, weights, capsys):
    clip = render_clip(3, 7, frames=3, size=192, clean=True)
    picture, video = tmp_path / "face.png", tmp_path / "face.mp4"
    cv2.imwrite(str(picture), clip.frames[1][..., ::-1])
    video_files.write(video, clip.frames)
    for path, frame in ((picture, 0), (video, 2)):
        found = command.find_landmarks(path, frame, "pfld", weights)
        assert found.shape == (68, 2)
        assert np.isfinite(found).all()
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((200, 200, 3), 90, np.uint8))
    poses = [{"image": "grey.png", "values": {"Jaw Pitch": 0.5}}]
    assert calibrate(tmp_path, poses, "ameca", "--model", str(weights))[0] == 2
    assert "no face found in" in capsys.readouterr().err
    poses = [{"image": "face.mp4", "frame": 9, "values": {"Jaw Pitch": 0.5}}]
    assert calibrate(tmp_path, poses, "ameca", "--model", str(weights))[0] == 2
    assert "has no frame 9" in capsys.readouterr().err
