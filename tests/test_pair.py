import numpy as np
import pytest

from faceimit import pair as command
from faceimit.data.pairs import read_pairs
from faceimit.data.video import read_frames
from faceimit.errors import InputError
from faceimit.face import controls
from faceimit.robot.profile import load_profile
from faceimit.robot.recording import Alignment, align, inside, seen_motion, still
from faceimit.robot.rollout import draw_poses, roll_out
from faceimit.robot.script import Commands, as_csv, as_json, read_commands
from faceimit.tracking.cli import run_command
from tests import video_files

PROFILE = load_profile("virtual")
FPS = 25
PATTERN = np.random.default_rng(5).normal(0, 1, (30, 24, 32))


def rollout(count=12, seed=0):
    return roll_out(PROFILE, *draw_poses(PROFILE, "dirichlet", count, seed), seed=seed).commands


def film(values, noise=0.0):
    """(T, 24, 32, 3) pictures whose pixels follow mixtures of the controls (T, 30)."""
    mixed = 128 + np.tensordot(controls.normalised(values), 40 * PATTERN, axes=1)
    mixed = mixed + np.random.default_rng(1).normal(0, noise, mixed.shape)
    return np.repeat(np.clip(mixed, 0, 255).astype(np.uint8)[..., None], 3, axis=-1)


def recording(commands, offset, drift=0.0, fps=FPS, noise=2.0):
    """Times and motion of a film in which log time t is seen at offset + (1 + drift) t."""
    times = np.arange(0, commands.times[-1] * (1 + drift) + offset + 0.5, 1 / fps)
    pictures = film(commands.at((times - offset) / (1 + drift)), noise)
    return seen_motion(zip(times, pictures, strict=True))


@pytest.mark.parametrize("offset", [0.137, -0.42, 3.333])
@pytest.mark.parametrize("fps", [25, 60])
def test_a_known_offset_is_found_within_half_a_frame(offset, fps):
    commands = rollout()
    found = align(*recording(commands, offset, fps=fps), commands)
    assert abs(found.offset - offset) < 0.4 / fps, f"off by {1000 * (found.offset - offset):.1f} ms"
    assert found.correlation > 0.8
    assert found.confidence > 0.5
    assert found.drift == 0


def test_clocks_that_drift_are_told():
    commands = rollout(40)
    found = align(*recording(commands, 0.137, drift=2e-3), commands, drift=True)
    assert found.drift == pytest.approx(2e-3, abs=3e-4)
    ends = commands.times[[0, -1]] * 1.002 + 0.137
    np.testing.assert_allclose(found.log_time(ends), commands.times[[0, -1]], atol=0.5 / FPS)
    steady = align(*recording(commands, 0.137), commands, drift=True)
    assert abs(steady.drift) < 3e-4


def test_a_rendered_robot_is_paired_with_its_script(tmp_path, capsys):
    from faceimit.data.synthetic.robot import RobotRenderer

    commands, offset = rollout(6), 0.137
    times = np.arange(0, commands.times[-1] + 0.5, 1 / FPS)
    pictures = RobotRenderer(32).render(commands.at(times - offset))
    video = video_files.write(tmp_path / "robot.mp4", pictures, fps=FPS)
    (tmp_path / "log.csv").write_text(as_csv(commands))
    out = tmp_path / "pairs.parquet"
    code = run_command(command.run, [str(video), str(tmp_path / "log.csv"), "--out", str(out)])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    measured = float(printed.out.split("offset ")[1].split(" ms")[0])
    assert abs(measured - 137) < 500 / FPS, "within half a frame"
    table = read_pairs(out)
    assert set(table.sequence) == {"robot"}
    first = int(np.argmax(times >= offset))
    expected = commands.at(times[first:] - offset)[: len(table)]
    assert np.abs(controls.normalised(table.values) - controls.normalised(expected)).mean() < 0.01
    with read_frames(video) as frames:
        shown = [frame.image for frame in frames]
    np.testing.assert_array_equal(
        table.image(0), shown[len(shown) - len(table)] if len(table) < first else shown[first]
    )


def test_a_video_that_is_cut_short_is_noted(tmp_path, capsys):
    noise = np.random.default_rng(0).integers(0, 255, (60, 48, 64, 3), dtype=np.uint8)
    video = video_files.cut(video_files.write(tmp_path / "a.mkv", noise), 0.6)
    (tmp_path / "log.csv").write_text(as_csv(rollout(2)))
    run_command(command.run, [str(video), str(tmp_path / "log.csv"), "--out", str(tmp_path / "p.parquet")])
    assert f"note: {video} is truncated" in capsys.readouterr().err


def test_only_frames_at_rest_are_kept_on_demand():
    commands = rollout(6)
    times = np.arange(0, commands.times[-1], 1 / FPS)
    kept = still(times, commands, Alignment(0.0, 0.0, 1.0, 0.0))
    assert 0.2 < kept.mean() < 0.8
    moves = np.abs(np.diff(commands.at(np.stack([times - 0.05, times]).T.ravel()).reshape(-1, 2, 30), axis=1))
    assert moves[kept].max() < 5e-3
    assert moves[~kept].max() > 1
    assert inside(np.array([-0.1, 0.1, 1e6]), commands, Alignment(0.0, 0.0, 1.0, 0.0)).tolist() == [False, True, False]


def resting(commands):
    return Commands(commands.times, np.tile(controls.NEUTRAL, (len(commands.times), 1)))


def nodding(seconds=20):
    times = np.arange(0, seconds, 0.02)
    values = np.tile(controls.NEUTRAL, (len(times), 1))
    values[:, controls.INDEX["Head Yaw"]] = 20 * np.sin(2 * np.pi * times)
    return Commands(times, values)


def test_what_cannot_be_aligned_is_refused():
    commands = rollout()
    times, motion = recording(commands, 0.1)
    with pytest.raises(InputError, match="nothing moves in the command log"):
        align(times, motion, resting(commands))
    with pytest.raises(InputError, match="nothing moves in the video"):
        align(*recording(resting(commands), 0.1, noise=0.0), commands)
    with pytest.raises(InputError, match=r"nothing moves in the video|do not match"):
        align(*recording(resting(commands), 0.1, noise=8.0), commands)
    for seed in (9, 13, 17):
        with pytest.raises(InputError, match=r"do not match|ambiguous"):
            align(times, motion, rollout(seed=seed))
    with pytest.raises(InputError, match="ambiguous"):
        align(*recording(nodding(), 0.1), nodding())
    with pytest.raises(InputError, match="at least 20 frames"):
        align(times[:10], motion[:10], commands)
    with pytest.raises(InputError, match="too short to tell drift"):
        align(times[:110], motion[:110], commands, drift=True)


def test_wrong_logs_are_named(tmp_path):
    commands = rollout(2)
    text = as_csv(commands)
    path = tmp_path / "log.csv"
    rows = text.splitlines()
    for wrong, message in [
        (text.replace("Jaw Pitch", "Jaw Pich"), r"unknown Jaw Pich \(did you mean Jaw Pitch\?\); missing Jaw Pitch"),
        (text.replace("time,", "when,"), "column time"),
        ("\n".join([*rows[:5], rows[2], *rows[5:]]), "row 4 does not"),
        ("\n".join([*rows[:5], rows[5].rsplit(",", 1)[0] + ",7"]), "Nose Wrinkle in .* but got 7 in row 4"),
        ("\n".join(rows[:2]), "at least two"),
        ("\n".join([*rows[:3], "a,b"]), "numbers in every row"),
    ]:
        path.write_text(wrong)
        with pytest.raises(InputError, match=message):
            read_commands(path)
    other = tmp_path / "log.json"
    other.write_text(as_json(commands, robot="virtual"))
    np.testing.assert_allclose(read_commands(other).values, commands.values, atol=1e-4)
    other.write_text("{}")
    with pytest.raises(InputError, match="no command log"):
        read_commands(other)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a.mp4"], "missing VIDEO, LOG or --out"),
        (["a.mp4", "b.json", "--out", "c.json"], "--out writes .parquet but got c.json, name it such as c.parquet"),
        (["a.mp4", "b.json", "--out", "a.mp4"], "would overwrite what is read"),
        (["a.parquet", "b.json", "--out", "a.parquet"], "would overwrite what is read"),
        (["a.mp4", "a.parquet", "--out", "a.parquet"], "would overwrite what is read"),
        (["a.mp4", "b.json", "--out", "a.mp4/c.parquet"], "cannot write"),
        (["a.mp4", "b.json", "--out", "c.parquet", "--most-offset", "nan"], "from 0.1 to 3600 but got nan"),
        (["a.mp4", "b.json", "--out", "c.parquet", "--most-offset", "inf"], "from 0.1 to 3600 but got inf"),
        (["a.mp4", "b.json", "--out", "c.parquet", "--quality", "101"], "from 1 to 100 but got 101"),
        (["a.mp4", "--example", "new", "--out", "p.parquet"], "only records a rendered robot: leave video, out"),
        (["--example", "a.mp4"], "is a file, give the name of a folder"),
        (["--example", "."], "--example: robot.mp4 is there already"),
    ],
)
def test_wrong_arguments_are_one_sentence_and_overwrite_nothing(tmp_path, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    files = [tmp_path / name for name in ("a.mp4", "a.parquet", "b.json", "robot.mp4")]
    for file in files:
        file.write_text("mine")
    assert run_command(command.run, arguments) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert all(file.read_text() == "mine" for file in files)
    assert sorted(tmp_path.iterdir()) == files
