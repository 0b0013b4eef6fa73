import io
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faceimit import detect as module
from faceimit.data import videos
from faceimit.detect import detect, search_in_time
from faceimit.errors import InputError
from faceimit.keyframes.search import SearchParams
from faceimit.tracking import keyframe_report
from faceimit.tracking.cli import run_command
from faceimit.tracking.keyframe_report import MAX_TILES, Detection
from tests import video_files
from tests.faces import REAL, SquareDetector, needs_real, picture

# The command in a process of its own, which says when it is amid the frames and then takes its time.
SLOW = """
import time
from faceimit import detect
from faceimit.data import videos
from faceimit.data.faces import FaceTracker
def push(self, image):
    print("reading", flush=True)
    time.sleep(60)
FaceTracker.push = push
detect.main()
"""


@pytest.fixture
def squares(monkeypatch):
    """Drawn squares count as faces."""
    monkeypatch.setattr(videos, "make_detector", lambda name: SquareDetector())


def blinking(count=60, gone=(), period=12):
    """A square whose inside changes for two frames every ``period`` frames."""
    images = [picture(80, 60, side=0 if t in gone else 60) for t in range(count)]
    for t, image in enumerate(images):
        if t not in gone:
            image[60:70, 60:100] = 250 if t % period < 2 else 140
    return images


@pytest.fixture
def video(tmp_path):
    return video_files.write(tmp_path / "a.mp4", blinking())


def run(*arguments, capsys=None):
    return run_command(detect, [str(word) for word in arguments])


def test_json_plot_and_sheet(video, tmp_path, squares, capsys):
    out = tmp_path / "new"
    words = ["--json", out / "a.json", "--plot", out / "a.png", "--sheet", out / "s.png"]
    assert run(video, "--method", "frame_difference", *words) == 0
    found = json.loads((out / "a.json").read_text())
    assert set(found) >= {"video", "fps", "frames", "method", "scores", "keyframes", "valid"}
    assert (found["video"], found["fps"], found["frames"]) == (str(video), 25.0, 60)
    assert found["method"] == "frame_difference"
    assert len(found["scores"]) == len(found["valid"]) == len(found["times"]) == 60
    assert all(found["valid"])
    assert all(0.0 <= score <= 1.0 for score in found["scores"])
    assert found["keyframes"]
    assert all(min(frame % 12, 12 - frame % 12) <= 2 for frame in found["keyframes"])
    for name in ("a.png", "s.png"):
        pixels = np.asarray(Image.open(out / name).convert("RGB"))
        assert pixels.shape[1] > 600
        assert pixels.std() > 10
    assert sorted(path.name for path in out.iterdir()) == ["a.json", "a.png", "s.png"]
    printed = capsys.readouterr().out
    assert all(str(out / name) in printed for name in ("a.json", "a.png", "s.png"))


def test_without_outputs_the_keyframes_are_printed(video, squares, capsys):
    assert run(video, "--method", "dis") == 0
    assert "frame " in capsys.readouterr().out


def test_a_terminal_sees_how_far_it_is(video, squares, monkeypatch, capsys, network):
    monkeypatch.setenv("FORCE_COLOR", "1")  # to rich, a terminal
    assert run(video, "--checkpoint", network) == 0
    shown = capsys.readouterr().err
    for words in ("loading", "a.mp4", "scoring the last frames", "60/60"):
        assert words in shown


def test_frames_without_a_face_are_invalid_and_null(tmp_path, squares):
    video = video_files.write(tmp_path / "a.mp4", blinking(gone=range(20, 40)))
    assert run(video, "--method", "histogram", "--json", tmp_path / "a.json") == 0
    found = json.loads((tmp_path / "a.json").read_text())
    assert not any(found["valid"][28:40])
    assert [score is None for score in found["scores"]] == [not valid for valid in found["valid"]]
    assert all(found["valid"][frame] for frame in found["keyframes"])


def test_apexes_come_after_peaks(video, tmp_path, squares):
    found = {}
    for at in ("peak", "apex"):
        assert run(video, "--method", "frame_difference", "--at", at, "--json", tmp_path / "a.json") == 0
        found[at] = json.loads((tmp_path / "a.json").read_text())["keyframes"]
    assert all(a > p for a, p in zip(found["apex"], found["peak"], strict=True))


def test_a_truncated_video_works_with_a_note(tmp_path, squares, capsys):
    noise = np.random.default_rng(0).integers(0, 60, (40, 120, 160, 3), dtype=np.uint8)
    images = [image + grain for image, grain in zip(blinking(40), noise, strict=True)]
    video = video_files.cut(video_files.write(tmp_path / "a.mp4", images, faststart=True), 0.7)
    assert run(video, "--method", "dis", "--json", tmp_path / "a.json", "--faces", "dlib") == 0
    assert json.loads((tmp_path / "a.json").read_text())["frames"] < 40
    assert "note: " in capsys.readouterr().err


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A small untrained network's weights file."""
    from faceimit.keyframes.weights import pack_network
    from faceimit.nets.keyframe import KeyframeNet

    arguments = {"backbone": "resnet10", "flow": False, "size": 64, "width": 8}
    net = KeyframeNet(**arguments)  # type: ignore[arg-type]
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    path.write_bytes(pack_network(net, arguments, SearchParams(prominence=0.0), "multitask"))
    return path


def test_a_network_scores(video, tmp_path, squares, network):
    assert run(video, "--checkpoint", network, "--json", tmp_path / "a.json") == 0
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["method"] == "multitask"
    assert len(found["scores"]) == 60
    assert all(0.0 <= score <= 1.0 for score in found["scores"])


def test_a_training_checkpoint_scores(video, tmp_path, squares):
    import torch

    from faceimit.tasks.keyframe import KeyframeTask

    arguments = {"backbone": "resnet10", "flow": False, "size": 64, "width": 8}
    task = KeyframeTask(**arguments)  # type: ignore[arg-type]
    content = {
        "state_dict": task.state_dict(),
        "faceimit": {"task": "faceimit.tasks.keyframe.KeyframeTask", "arguments": arguments},
        "keyframe": {"search": {"prominence": 0.0}, "c_ref": 0.4, "logged": {}},
    }
    torch.save(content, tmp_path / "a.ckpt")
    assert run(video, "--checkpoint", tmp_path / "a.ckpt", "--json", tmp_path / "a.json") == 0
    assert json.loads((tmp_path / "a.json").read_text())["method"] == "without_flow"


def test_the_shipped_network_scores_by_default(video, tmp_path, squares, network, monkeypatch):
    from faceimit.keyframes import weights

    asked: list[tuple] = []
    shipped = weights.load_network(network)

    def load(*arguments):
        asked.append(arguments)
        return shipped

    monkeypatch.setattr(weights, "load_network", load)
    assert run(video, "--json", tmp_path / "a.json") == 0
    assert asked == [(None, "cpu")]


def refused(capsys, *arguments):
    """The sentence a command refuses its arguments with."""
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    return captured.err


def test_bad_videos(tmp_path, squares, capsys):
    out = ["--method", "dis", "--json", tmp_path / "out.json"]
    text = tmp_path / "text.mp4"
    text.write_text("hello\n")
    cut = video_files.cut(video_files.write(tmp_path / "cut.mp4", blinking()), 0.4)
    one = video_files.write(tmp_path / "one.mp4", blinking(1))
    empty = video_files.write(tmp_path / "empty.mp4", [picture(0, 0, side=0)] * 6)
    assert "no.mp4" in refused(capsys, tmp_path / "no.mp4", *out)
    assert "text.mp4" in refused(capsys, text, *out)
    assert "cut.mp4" in refused(capsys, cut, *out)
    assert "single frame" in refused(capsys, one, *out)
    assert "no face" in refused(capsys, empty, *out)
    assert not (tmp_path / "out.json").exists()


def test_bad_arguments(video, tmp_path, squares, capsys):
    assert "frame_difference" in refused(capsys, video, "--method", "frame_diference")
    assert "did you mean frame_difference?" in refused(capsys, video, "--method", "frame_diference")
    assert "did you mean --json?" in refused(capsys, video, "--jsn", "a.json")
    assert "VIDEO" in refused(capsys)
    assert "not allowed with" in refused(capsys, video, "--method", "dis", "--checkpoint", "a.ckpt")
    assert "'dlip'" in refused_faces(capsys, video)
    assert "leave it out with --method dis" in refused(capsys, video, "--method", "dis", "--device", "cpu")
    assert "leave it out with --bundle x" in refused(capsys, video, "--bundle", "x", "--device", "cpu")
    assert "empty" in refused(capsys, " ")
    assert "no manifest.json" in refused(capsys, video, "--bundle", tmp_path)


def refused_faces(capsys, video):
    with pytest.MonkeyPatch.context() as patch:
        from faceimit.data.faces import make_detector

        patch.setattr(videos, "make_detector", make_detector)
        return refused(capsys, video, "--method", "dis", "--faces", "dlip")


def test_bad_checkpoints(video, tmp_path, squares, capsys):
    torch = pytest.importorskip("torch")
    assert "no.ckpt does not exist, give" in refused(capsys, video, "--checkpoint", tmp_path / "no.ckpt")
    assert "is a folder" in refused(capsys, video, "--checkpoint", tmp_path)
    text = tmp_path / "text.ckpt"
    text.write_text("hello")
    assert "text.ckpt" in refused(capsys, video, "--checkpoint", text)
    other = tmp_path / "other.ckpt"
    for task, use in (("flow.FlowTask", "FlowTask, not"), ("control.ControlTask", "for faceimit-export --mapping)")):
        torch.save({"state_dict": {}, "faceimit": {"task": f"faceimit.tasks.{task}", "arguments": {}}}, other)
        assert use in refused(capsys, video, "--checkpoint", other)
    assert "(did you mean other.ckpt?)" in refused(capsys, video, "--checkpoint", tmp_path / "othr.ckpt")
    best = tmp_path / "run" / "checkpoints" / "best.ckpt"
    best.parent.mkdir(parents=True)
    best.touch()
    assert f"the folder of a run, give {best}" in refused(capsys, video, "--checkpoint", tmp_path / "run")
    code = tmp_path / "code.ckpt"
    torch.save({"state_dict": {}, "hook": print}, code)
    assert "code objects" in refused(capsys, video, "--checkpoint", code)


def test_bad_weights_and_devices(video, tmp_path, squares, network, capsys):
    other = tmp_path / "a.safetensors"
    assert "a.safetensors" in refused(capsys, video, "--checkpoint", other)
    other.write_bytes(b"nothing at all")
    assert "not a keyframe weights file" in refused(capsys, video, "--checkpoint", other)
    shipped = Path(module.__file__).parent / "weights"
    for name, option in (("landmarks", "--landmarks"), ("mapper", "--mapping")):
        said = refused(capsys, video, "--checkpoint", shipped / f"{name}.safetensors")
        assert f"they are for faceimit-export {option}" in said
    other.write_bytes(network.read_bytes()[:-100])
    assert "not a keyframe weights file" in refused(capsys, video, "--checkpoint", other)
    assert "'cuda:99' is not available" in refused(capsys, video, "--checkpoint", network, "--device", "cuda:99")
    assert "'gpu' is not available" in refused(capsys, video, "--checkpoint", network, "--device", "gpu")


def test_bad_outputs(video, tmp_path, squares, capsys):
    base = [video, "--method", "dis"]
    file = tmp_path / "file"
    file.write_text("")
    assert "file/a.json" in refused(capsys, *base, "--json", file / "a.json")
    assert "is a folder" in refused(capsys, *base, "--json", tmp_path)
    assert "would overwrite what is read from" in refused(capsys, *base, "--json", video)
    assert "same name" in refused(capsys, *base, "--plot", tmp_path / "a.png", "--sheet", tmp_path / "a.png")
    assert "a.png" in refused(capsys, *base, "--plot", tmp_path / "a.gif")
    before = video.read_bytes()
    assert before
    assert file.read_text() == ""


def test_a_full_disk_leaves_nothing(video, tmp_path, squares, capsys, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left" in refused(capsys, video, "--method", "dis", "--json", tmp_path / "out" / "a.json")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no /dev/full")
def test_devices_are_written_to_not_replaced(video, squares, capsys):
    assert "No space left" in refused(capsys, video, "--method", "dis", "--json", "/dev/full")
    assert Path("/dev/full").is_char_device()


def test_a_link_stays_a_link(video, tmp_path, squares):
    (tmp_path / "link.json").symlink_to(tmp_path / "target.json")
    assert run(video, "--method", "dis", "--json", tmp_path / "link.json") == 0
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "target.json").read_text())["frames"] == 60


def test_a_plot_that_fails_leaves_no_json(video, tmp_path, squares, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keyframe_report, "score_plot", full)
    out = tmp_path / "out"
    refused(capsys, video, "--method", "dis", "--json", out / "a.json", "--plot", out / "a.png")
    assert not out.exists()


def test_interrupted(video, tmp_path, squares, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "score_video", stop)
    assert run(video, "--method", "dis", "--json", tmp_path / "a.json") == 130
    assert capsys.readouterr().err == "interrupted\n"
    assert not (tmp_path / "a.json").exists()


def test_ctrl_c_ends_it_without_a_trace(tmp_path):
    video = video_files.write(tmp_path / "a.mp4", (image for image in blinking(400)))
    words = [sys.executable, "-c", SLOW, video, "--method", "dis", "--json", tmp_path / "out" / "a.json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "reading\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "interrupted\n"
    assert not (tmp_path / "out").exists()


def test_debug_shows_the_traceback(tmp_path):
    with pytest.raises(InputError):
        run(tmp_path / "no.mp4", "--debug")


def test_the_command_itself(tmp_path):
    words = [sys.executable, "-m", "faceimit.detect"]
    helped = subprocess.run([*words, "--help"], capture_output=True, text=True, check=True)
    assert "faceimit-keyframes talk.mp4 --json" in helped.stdout
    failed = subprocess.run([*words, tmp_path / "no.mp4"], capture_output=True, text=True, check=False)
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1


def bumps(times, centres):
    return sum(np.exp(-(((times - centre) / 0.08) ** 2)) for centre in centres)


def test_keyframes_of_a_variable_rate_lie_at_the_same_times():
    steady = np.arange(0, 6, 0.04)
    rng = np.random.default_rng(0)
    varying = np.sort(np.concatenate([np.arange(0, 3, 0.04), np.arange(3, 6, 0.02) + rng.uniform(0, 0.008, 150)]))
    centres = [1.0, 2.0, 4.0, 5.0]
    params = SearchParams(prominence=0.2, gap_ms=300.0)
    for times in (steady, varying):
        found = search_in_time(bumps(times, centres), times, 25.0, params)
        assert times[list(found)] == pytest.approx(centres, abs=0.03)


def test_a_long_pause_in_a_variable_rate_makes_no_keyframe():
    times = np.concatenate([np.arange(0, 2, 0.04), np.arange(6, 8, 0.04)])
    scores = bumps(times, [1.0, 7.0])
    scores[60:63] = np.nan
    found = search_in_time(scores, times, 25.0, SearchParams(prominence=0.2))
    assert times[list(found)] == pytest.approx([1.0, 7.0], abs=0.03)


def detection(count, keyframes, fps=25.0):
    boxes = np.ones((count, 3), dtype=np.float32)
    boxes[3:6] = np.nan
    scores = np.full(count, 0.5, dtype=np.float32)
    scores[3:6] = np.nan
    return Detection("a.mp4", "dis", fps, scores, np.arange(count) / fps, boxes, tuple(keyframes))


@pytest.mark.parametrize("count", [2, 50, 90000])
def test_plots_of_any_length(count):
    picture = Image.open(io.BytesIO(keyframe_report.score_plot(detection(count, [1]))))
    assert picture.width > 1000
    assert picture.height < 1700


def test_a_sheet_shows_at_most_a_readable_number():
    found = detection(4000, range(10, 4000, 10))
    shown = keyframe_report.shown_keyframes(found)
    assert len(shown) == MAX_TILES
    assert (shown[0], shown[-1]) == (10, 3990)
    assert max(np.diff(shown)) - min(np.diff(shown)) <= 10
    tile = np.zeros((keyframe_report.TILE, keyframe_report.TILE, 3), dtype=np.uint8)
    assert keyframe_report.contact_sheet(found, dict.fromkeys(shown, tile))
    assert keyframe_report.contact_sheet(detection(20, []), {})


def test_json_holds_no_nan():
    content = json.loads(keyframe_report.as_json(detection(8, [1])), parse_constant=pytest.fail)
    assert content["scores"][2:7] == [0.5, None, None, None, 0.5]
    assert content["valid"][2:7] == [True, False, False, False, True]


@pytest.mark.parametrize(
    ("seconds", "long", "text"), [(3.5, False, "3.50 s"), (59.96, True, "1:00.0"), (723.46, True, "12:03.5")]
)
def test_clock(seconds, long, text):
    assert keyframe_report.clock(seconds, long) == text


@needs_real
def test_a_real_clip(tmp_path):
    video = REAL / "clips" / "liveportrait_d0.mp4"
    assert run(video, "--method", "farneback_affine", "--json", tmp_path / "a.json", "--sheet", tmp_path / "s.png") == 0
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["frames"] == 78
    assert all(math.isfinite(score) for score in found["scores"])
    assert 2 <= len(found["keyframes"]) <= 20


@needs_real
def test_a_real_clip_without_a_face(tmp_path, capsys):
    assert "no face" in refused(capsys, REAL / "clips" / "pyfeat_no_face.mp4", "--method", "dis")
