import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from faceimit import deploy as module
from faceimit.bundle.export import check_target
from faceimit.bundle.format import FORMAT, MANIFEST, seal
from faceimit.data.video import read_frames
from faceimit.deploy import deploy
from faceimit.errors import InputError
from faceimit.robot.profile import load_profile
from faceimit.runtime.recording import read_recording
from faceimit.tracking import ready_bundle
from faceimit.tracking.cli import run_command
from tests import video_files
from tests.faces import SquareDetector
from tests.robot_rigs import free_port
from tests.robots import FakeBundle, moving

# The command in a process of its own, on drawn faces.
ALONE = """
import sys
from faceimit import deploy
from tests.faces import SquareDetector
from tests.robots import FakeBundle
deploy.load_bundle = lambda path, threads: FakeBundle()
deploy.make_detector = lambda name: SquareDetector()
sys.exit(deploy.run_command(deploy.deploy))
"""
KEYS = {"frames", "keyframes", "commands", "dropped_frames", "stale_holds", "limit_violations", "latency_ms", "fps"}


@pytest.fixture
def bundle(monkeypatch, tmp_path):
    """A bundle without networks; drawn squares are faces."""
    monkeypatch.setattr(module, "load_bundle", lambda path, threads: FakeBundle())
    monkeypatch.setattr(module, "make_detector", lambda name: SquareDetector())
    return tmp_path / "bundle"


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return video_files.write(tmp_path_factory.mktemp("videos") / "a.mp4", moving(75), fps=30)


def run(*words):
    return run_command(deploy, [str(word) for word in words])


@pytest.mark.parametrize(("words", "name"), [((), "mapping"), (("--controls", "geometric"), "geometric")])
def test_controls_are_read_as_asked(bundle, video, tmp_path, words, name, monkeypatch):
    monkeypatch.setattr(FakeBundle, "has_landmarks", True)
    monkeypatch.setattr(FakeBundle, "landmarks", lambda self, crop: (np.zeros((68, 2)), np.ones(68)), raising=False)
    summary = tmp_path / "s.json"
    assert run("--bundle", bundle, "--source", video, "--json", summary, "--fast", "--duration", 0.5, *words) == 0
    assert json.loads(summary.read_text())["controls"] == name


def test_a_calibration_is_for_controls_by_geometry(bundle, video, tmp_path, monkeypatch, capsys):
    calibration = tmp_path / "c.yaml"
    calibration.write_text("x")
    asked = []
    monkeypatch.setattr(module, "load_profile", lambda name, fitted=None: asked.append(fitted) or load_profile(name))
    monkeypatch.setattr(FakeBundle, "has_landmarks", True)
    monkeypatch.setattr(FakeBundle, "landmarks", lambda self, crop: (np.zeros((68, 2)), np.ones(68)), raising=False)
    words = ("--bundle", bundle, "--source", video, "--fast", "--duration", 0.5, "--calibration", calibration)
    assert run(*words, "--json", tmp_path / "s.json") == 0
    assert asked == [calibration]
    assert json.loads((tmp_path / "s.json").read_text())["controls"] == "geometric"
    assert run(*words, "--controls", "mapping") == 2
    assert "fits controls read by geometry, not by mapping" in capsys.readouterr().err


def test_summary_recording_and_page(bundle, video, tmp_path, capsys):
    record, summary = tmp_path / "rec", tmp_path / "new" / "s.json"
    assert run("--bundle", bundle, "--source", video, "--json", summary, "--record", record, "--fast") == 0
    found = json.loads(summary.read_text())
    assert set(found) >= KEYS
    assert (found["frames"], found["dropped_frames"], found["limit_violations"]) == (75, 0, 0)
    assert found["keyframes"] == 4
    assert set(found["latency_ms"]["end_to_end"]) == {"p50", "p95", "p99", "count"}
    printed = capsys.readouterr().out
    assert str(summary) in printed
    assert str(record / "summary.html") in printed
    tables = read_recording(record).tables
    assert tables["frames"]["number"].tolist() == list(range(75))
    assert tables["frames"]["video"].tolist() == list(range(75))
    assert len(tables["keyframes"]["number"]) == 4
    assert not tables["targets"]["keyframe"].any()  # mode hybrid does not wait for them
    assert found["commands"] >= len(tables["commands"]["sent"]) > 100
    assert np.ptp(tables["commands"]["measured"][:, 0]) > 0.2
    with read_frames(record / "side_by_side.mp4") as both:
        frames = list(both)
    assert len(frames) == 75
    assert frames[0].image.shape == (256, 512, 3)
    assert frames[-1].image[:, 256:].std() > 10
    page = (record / "summary.html").read_text()
    assert "kept the robot" in page
    assert page.count("data:image/png") == 4
    assert not [path for path in record.iterdir() if path.name.startswith(".")]


def test_a_folder_with_other_things_is_not_recorded_into(bundle, video, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("x")
    assert run("--bundle", bundle, "--source", video, "--record", tmp_path) == 2
    assert "holds other files" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--bundle", "b", "--source", "nothing.mp4"), "does not exist"),
        (("--bundle", "b", "--source", "camera:x"), "camera:0"),
        (("--bundle", "b", "--source", "camera:99"), "camera 99 cannot be opened"),
        (("--bundle", "b", "--source", "ftp://x/y"), "rtsp"),
        (("--bundle", "b", "--robot", "amica"), "ameca"),
        (("--bundle", "b", "--mode", "hybird", "--fast"), "did you mean hybrid"),
        (("--bundle", "b", "--rate", "1"), "5 to 1000"),
        (("--bundle", "b", "--option", "port"), "NAME=VALUE"),
        (("--bundle", "b", "--duration", "0"), "duration"),
        (("--bundle", "b", "--duration", "inf"), "--duration from"),
        (("--bundle", "b", "--rate", "nan"), "--rate from"),
        (("--bundle", "b", "--look-ahead-ms", "nan"), "--look-ahead-ms from"),
        (("--bundle", "b", "--calibrate", "nan"), "--calibrate from"),
        (("--bundle", "b", "--calibrate", "2", "--duration", "1"), "--duration 1 ends before --calibrate 2 is over"),
        (("--bundle", "b", "--mode", "uniform", "--uniform-rate", "inf"), "--uniform-rate from"),
        (("--bundle", "b", "--uniform-rate", "3"), "--uniform-rate 3.0 is for mode uniform, not for hybrid"),
        (("--bundle", "b", "--mode", "streaming", "--at", "peak"), "--at peak is for mode keyframes or hybrid"),
        (("--bundle", "b", "--fps", "30"), "--fps 30 is for a --source that is a folder"),
        (("--bundle", "b", "--threads", "1000"), "expected --threads from 1 to"),
        (("--bundle", "b", "--threads", "0"), "expected --threads from 1 to"),
        (("--bundle", "b", "--driver", "osc", "--fast"), "--fast sends faster than a robot may move"),
        (("--bundle", "b", "--driver", "record", "--option", "to=osc", "--fast"), "--fast sends faster than"),
        (("--bundle", "b", "--json", "-"), "/dev/stdout"),
        ((), "required"),
    ],
)
def test_bad_arguments_are_one_sentence(bundle, video, words, said, capsys):
    words = words if "--source" in words or not words else (*words, "--source", video)
    assert run(*words) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error.removeprefix("[")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--json talk.mp4", "would overwrite what is read from"),
        ("--json bundle/manifest.json", "would overwrite what is read from"),
        ("--json best.ckpt --landmarks best.ckpt", "would overwrite what is read from"),
        ("--json robot.yaml --calibration robot.yaml", "would overwrite what is read from"),
        ("--json token --option token_file=token", "would overwrite what is read from"),
        ("--json talk.mp4/a.json", "cannot write talk.mp4/a.json"),
        ("--json bundle", "is a folder"),
        ("--record bundle", "would overwrite"),
        ("--record .", "would overwrite"),
        ("--record talk.mp4", "is a file"),
        ("--record rec --json rec/frames.parquet", "lies in the folder of --record"),
        ("--driver record --json commands.jsonl", "have the same name"),
        ("--driver record --option path=talk.mp4", "would overwrite what is read from"),
    ],
)
def test_no_output_destroys_what_is_read(bundle, tmp_path, monkeypatch, words, said, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "run", lambda *_, **__: pytest.fail("the robot moved"))
    bundle.mkdir()
    inputs = {
        name: tmp_path / name for name in ("talk.mp4", "bundle/manifest.json", "best.ckpt", "robot.yaml", "token")
    }
    for path in inputs.values():
        path.write_text("mine")
    assert run("--bundle", "bundle", "--source", "talk.mp4", *words.split()) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error
    assert {path.read_text() for path in inputs.values()} == {"mine"}


def test_the_summary_alone_on_the_standard_output(bundle, video, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ("--driver", "record", "--fast", "--json", "/dev/stdout")
    assert run("--bundle", bundle, "--source", video, *words) == 0
    printed = capfd.readouterr()
    assert json.loads(printed.out)["frames"] == 75
    assert "  commands    commands.jsonl" in printed.err
    assert (tmp_path / "commands.jsonl").is_file()


def test_a_view_that_fails_leaves_no_beginnings_of_a_recording(bundle, video, tmp_path, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    closed = []
    monkeypatch.setattr(SquareDetector, "close", lambda self: closed.append(1))
    assert run("--bundle", bundle, "--source", video, "--view", "--record", tmp_path / "rec") == 2
    assert not (tmp_path / "rec").exists()
    assert len(closed) == 1


@pytest.mark.parametrize("fault", ["manifest cut short", "name that leaves the folder", "no manifest"])
def test_a_damaged_bundle_moves_nothing(video, tmp_path, fault, capsys):
    folder = tmp_path / "bundle"
    folder.mkdir()
    if fault != "no manifest":
        entry = {"../../evil.onnx": {"bytes": 1, "sha256": "0"}} if "name" in fault else {}
        content = seal({"format": FORMAT, "files": entry})
        (folder / MANIFEST).write_bytes(content[:40] if "cut" in fault else content)
    assert run("--bundle", folder, "--source", video, "--json", tmp_path / "s.json") == 2
    error = capsys.readouterr().err.strip()
    assert str(folder) in error
    assert "\n" not in error
    assert not (tmp_path / "s.json").exists()


def test_a_dry_run_sends_nothing(bundle, video, tmp_path):
    words = ("--robot", "hobby_head", "--dry-run", "--fast", "--json", tmp_path / "s.json")
    assert run("--bundle", bundle, "--source", video, *words) == 0
    assert json.loads((tmp_path / "s.json").read_text())["robot"] == "hobby_head"


def test_a_robot_that_never_listens_is_a_failure(bundle, video, tmp_path, capfd):
    words = ("--driver", "osc", "--option", f"port={free_port(socket.SOCK_DGRAM)}", "--duration", "0.4")
    assert run("--bundle", bundle, "--source", video, *words, "--json", tmp_path / "s.json") == 2
    printed = capfd.readouterr()
    lost = json.loads((tmp_path / "s.json").read_text())["undelivered_commands"]
    assert f"note: {lost} of {lost} commands undelivered" in printed.out
    assert f"none of {lost} commands reached the robot" in printed.err


def test_a_run_that_fails_leaves_its_summary(bundle, video, tmp_path, monkeypatch, capsys):
    working, calls = FakeBundle.controls, []

    def controls(self, crop):
        calls.append(crop)
        if len(calls) > 2:
            raise RuntimeError("out of order")
        return working(self, crop)

    monkeypatch.setattr(FakeBundle, "controls", controls)
    assert run("--bundle", bundle, "--source", video, "--fast", "--json", tmp_path / "s.json") == 2
    assert "out of order" in capsys.readouterr().err
    assert json.loads((tmp_path / "s.json").read_text())["status"] == "failed"


@pytest.mark.parametrize(
    ("number", "status", "code"),
    [
        (signal.SIGINT, "interrupted", 130),
        (signal.SIGTERM, "terminated", 143),
        (signal.SIGHUP, "terminated", 143),
    ],
    ids=["int", "term", "hup"],
)
def test_signals_end_the_run_by_way_of_neutral(video, tmp_path, number, status, code):
    words = [
        "--bundle",
        "b",
        "--source",
        str(video),
        "--json",
        str(tmp_path / "s.json"),
        "--record",
        str(tmp_path / "r"),
    ]
    process = subprocess.Popen([sys.executable, "-c", ALONE, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.readline()
    time.sleep(1.2)
    process.send_signal(number)
    assert process.wait(30) == code
    found = json.loads((tmp_path / "s.json").read_text())
    assert found["status"] == status
    assert found["limit_violations"] == 0
    sent = read_recording(tmp_path / "r").tables["commands"]["sent"]
    assert np.abs(sent[-1] - sent[0]).max() < 0.1


@pytest.mark.parametrize(("key", "code", "status"), [(b" ", 130, "emergency stop"), (b"q", 0, "stopped by key")])
def test_keys_in_a_terminal(video, tmp_path, key, code, status):
    ours, theirs = pty.openpty()
    words = ["--bundle", "b", "--source", str(video), "--json", str(tmp_path / "s.json")]
    process = subprocess.Popen([sys.executable, "-c", ALONE, *words], stdin=theirs, stdout=subprocess.PIPE)
    process.stdout.readline()
    time.sleep(1.0)
    os.write(ours, key)
    assert process.wait(30) == code
    assert json.loads((tmp_path / "s.json").read_text())["status"] == status
    os.close(ours)
    os.close(theirs)


def test_bundle_mode_imports_no_torch(video, tmp_path):
    code = ALONE.replace("sys.exit(", "done = (").strip() + "\nassert done == 0\nsys.exit('torch' in sys.modules)"
    words = ["--bundle", "b", "--source", str(video), "--fast"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_checkpoint_is_exported_once_beside_its_run(tmp_path, monkeypatch):
    run_folder = tmp_path / "run"
    checkpoint = run_folder / "checkpoints" / "best.ckpt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"weights")
    exports = []

    def exported(command, **_):
        exports.append(command)
        out = command[command.index("--out") + 1]
        os.makedirs(out)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(ready_bundle.subprocess, "run", exported)
    monkeypatch.setattr(ready_bundle, "load_bundle", lambda folder, threads: folder)
    first = ready_bundle.bundle_of(str(checkpoint))[1]
    assert first.parent == run_folder / "bundles"
    assert ready_bundle.bundle_of(str(checkpoint))[1] == first
    assert len(exports) == 1
    checkpoint.write_bytes(b"other weights")
    assert ready_bundle.bundle_of(str(checkpoint))[1] != first
    assert len(exports) == 2


def test_a_damaged_bundle_of_a_checkpoint_is_made_anew(tmp_path, monkeypatch):
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    checkpoint = tmp_path / "run" / "checkpoints" / "best.ckpt"
    checkpoint.write_bytes(b"weights")

    def exported(command, **_):
        folder = Path(command[command.index("--out") + 1])
        check_target(folder)  # as the command does
        folder.mkdir()
        (folder / MANIFEST).write_bytes(b"cut short")
        return subprocess.CompletedProcess(command, 0, "", "")

    (tmp_path / "run" / "bundles").mkdir()
    monkeypatch.setattr(ready_bundle.subprocess, "run", exported)
    for _ in range(2):
        with pytest.raises(InputError, match="cut short"):
            ready_bundle.bundle_of(str(checkpoint))


def test_what_the_export_refuses_is_said_in_its_words(tmp_path, monkeypatch, capsys):
    (tmp_path / "best.ckpt").write_bytes(b"of another task")
    refused = subprocess.CompletedProcess([], 2, "", "a warning\nerror: best.ckpt is of another task, train again")
    monkeypatch.setattr(ready_bundle.subprocess, "run", lambda *_, **__: refused)
    assert run("--checkpoint", tmp_path / "best.ckpt") == 2
    assert capsys.readouterr().err.splitlines()[1:] == ["error: best.ckpt is of another task, train again"]


def test_a_motion_jpeg_stream_that_stalls_and_comes_back(bundle, tmp_path):
    with Mjpeg(moving(40), stall=(20, 1.0)) as server:
        words = ("--source", server.url, "--mode", "streaming", "--duration", "3.2", "--json", tmp_path / "s.json")
        assert run("--bundle", bundle, *words) == 0
    found = json.loads((tmp_path / "s.json").read_text())
    assert found["frames"] >= 30
    assert found["stale_holds"] >= 1
    assert found["status"] == "done"


class Mjpeg:
    """Sends pictures as motion JPEG over HTTP, again from the start to everybody who asks."""

    def __init__(self, images, stall, fps=25):
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        import cv2

        coded = [cv2.imencode(".jpg", image[..., ::-1])[1].tobytes() for image in images]
        over = self.over = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                try:
                    for i in range(10_000):
                        if over.is_set():
                            return
                        data = coded[i % len(coded)]
                        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                        self.wfile.write(head.encode() + data + b"\r\n")
                        time.sleep(stall[1] if i == stall[0] else 1 / fps)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/stream"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
