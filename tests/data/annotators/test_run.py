import json
import os
import signal
import subprocess
import sys
import time
from itertools import islice

import numpy as np
import pytest

from faceimit.data.annotators import job
from faceimit.data.annotators.protocol import MEDIAPIPE, AnnotatorSpec
from faceimit.data.annotators.run import annotate, shard
from faceimit.data.corpora.registry import list_corpus
from faceimit.data.store import Store
from faceimit.data.video import read_frames
from faceimit.errors import InputError
from tests import video_files
from tests.faces import REAL, needs_real, picture
from tests.in_process import annotate_here
from tests.square_annotator import LOG, PAUSE, SPEC, content, videos

SQUARES = AnnotatorSpec(SPEC)
NAMES = ["a", "b", "c", "d", "e"]


def sources(folder):
    return list_corpus("videos", folder).sources


def run(folder, store, spec=SQUARES, **options):
    return annotate(sources(folder), store, spec, progress=False, **options)


@pytest.fixture
def log(tmp_path, monkeypatch):
    """Names of the videos that were looked at, over all processes."""
    path = tmp_path / "log"
    path.touch()
    monkeypatch.setenv(LOG, str(path))
    return lambda: sorted(path.read_text().split())


def test_one_process_two_processes_and_shards_give_the_same_bytes(tmp_path, monkeypatch):
    folder = videos(tmp_path / "videos")
    run(folder, tmp_path / "two", workers=2)
    annotate_here(monkeypatch)
    report = run(folder, tmp_path / "one")
    assert (sorted(report.done), report.frames) == (NAMES, 30)
    for index in (2, 1):
        share = shard(sources(folder), index, 2)
        annotate(share, tmp_path / "shards", SQUARES, progress=False, pack=False)
        assert not list((tmp_path / "shards").glob("clips-*"))
    assert sorted(run(folder, tmp_path / "shards").skipped) == NAMES
    stores = [content(tmp_path / name) for name in ("one", "two", "shards")]
    assert len(stores[0]) == 1
    assert stores[0] == stores[1] == stores[2]


def test_two_ray_workers_give_the_same_bytes_and_survive_a_crash(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    folder = videos(tmp_path / "videos", "a b c crash boom")
    found = {engine: run(folder, tmp_path / engine, workers=2, engine=engine) for engine in ("ray", "local")}
    assert content(tmp_path / "ray") == content(tmp_path / "local")
    for report in found.values():
        assert sorted(report.done) == ["a", "b", "c"]
        assert [problem.path.stem for problem in sorted(report.failed, key=str)] == ["boom", "crash"]


def test_every_share_is_another_and_all_are_all(tmp_path):
    folder = videos(tmp_path)
    shares = [[source.name for source in shard(sources(folder), index, 3)] for index in (1, 2, 3)]
    assert shares == [["a", "d"], ["b", "e"], ["c"]]


def test_what_is_done_is_skipped_and_what_changed_is_done_again(tmp_path, log, monkeypatch):
    annotate_here(monkeypatch)
    folder, store = videos(tmp_path / "videos"), tmp_path / "store"
    run(folder, store)
    before = content(store)
    assert sorted(run(folder, store).skipped) == NAMES
    assert log() == NAMES
    assert content(store) == before
    video_files.write(folder / "b.mp4", [picture(60, 60, side=30)] * 4)
    report = run(folder, store)
    assert (report.done, sorted(report.skipped)) == (["b"], ["a", "c", "d", "e"])
    assert Store(store).info("b").frames == 4
    assert Store(store).names() == NAMES


@pytest.mark.parametrize("what", ["version", "model", "crop"])
def test_another_annotator_model_or_crop_annotates_anew(tmp_path, monkeypatch, what):
    folder, store = videos(tmp_path / "videos", "a"), tmp_path / "store"
    model = tmp_path / "model"
    model.write_text("1")
    spec = AnnotatorSpec(SPEC, str(model))
    source = sources(folder)[0]
    assert job.do(job.Job(source), store, spec).status == "done"
    assert job.do(job.Job(source, Store(store).info("a")), store, spec).status == "skipped"
    if what == "version":
        spec = AnnotatorSpec("tests.square_annotator:Newer", str(model))
    elif what == "model":
        model.write_text("2")
    else:
        monkeypatch.setattr(job, "CROP_VERSION", 1000)
    job.close_annotator(spec)
    known = Store(store).info("a")
    assert job.do(job.Job(source, known), store, spec).status == "done"
    job.close_annotator(spec)


def test_a_moved_video_is_not_annotated_again(tmp_path, log, monkeypatch):
    annotate_here(monkeypatch)
    folder, store = videos(tmp_path / "videos", "a"), tmp_path / "store"
    run(folder, store)
    (moved := tmp_path / "moved").mkdir()
    (folder / "a.mp4").rename(moved / "a.mp4")
    assert run(moved, store).skipped == ["a"]
    assert log() == ["a"]
    assert Store(store).info("a").source == str(moved / "a.mp4")


def test_failures_are_listed_and_stop_nothing(tmp_path):
    folder = videos(tmp_path / "videos", "a crash b boom c")
    (folder / "text.mp4").write_text("hello")
    report = run(folder, tmp_path / "store", workers=2)
    assert sorted(report.done) == ["a", "b", "c"]
    reasons = {problem.path.stem: problem.reason for problem in report.failed}
    assert "SIGSEGV" in reasons["crash"]
    assert reasons["boom"] == "ZeroDivisionError: a library fails"
    assert "not a video" in reasons["text"]
    assert Store(tmp_path / "store").names() == ["a", "b", "c"]
    assert json.dumps(report.content())


def test_a_file_that_vanishes_fails(tmp_path, monkeypatch):
    annotate_here(monkeypatch)
    folder = videos(tmp_path / "videos", "a b")
    listed = sources(folder)
    (folder / "a.mp4").unlink()
    report = annotate(listed, tmp_path / "store", SQUARES, progress=False)
    assert report.done == ["b"]
    assert "does not exist" in report.failed[0].reason


def test_two_files_of_one_name(tmp_path, monkeypatch):
    annotate_here(monkeypatch)
    folder, other = videos(tmp_path / "one", "a"), videos(tmp_path / "two", "a")
    report = annotate([*sources(folder), *sources(other)], tmp_path / "store", SQUARES, progress=False)
    assert report.done == ["a"]
    assert "has the same name" in report.failed[0].reason


def test_a_store_that_cannot_be_written_stops_everything(tmp_path, monkeypatch):
    folder = videos(tmp_path / "videos", "a b")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot make the store"):
        run(folder, tmp_path / "file" / "store")
    store = tmp_path / "store"
    store.mkdir()
    (store / "parts").write_text("a file where the parts should lie")
    with pytest.raises(InputError, match="cannot write"):
        run(folder, store)


def test_an_unknown_engine(tmp_path):
    with pytest.raises(InputError, match="no engine 'dask', choose from local, ray"):
        run(videos(tmp_path / "videos", "a"), tmp_path / "store", engine="dask")


def test_a_ray_cluster_that_is_not_there(tmp_path, monkeypatch):
    ray = pytest.importorskip("ray")

    def init(**_):
        raise ConnectionError("nobody answers")

    monkeypatch.setenv("RAY_ADDRESS", "auto")
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(InputError, match="no Ray cluster answers at auto"):
        run(videos(tmp_path / "videos", "a"), tmp_path / "store", engine="ray")


def test_ray_is_not_asked_where_nobody_listens(tmp_path, monkeypatch):
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("it would try for minutes"))
    for address in ("127.0.0.1:1", "localhost:99999"):
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(InputError, match=f"no Ray cluster answers at {address}"):
            run(videos(tmp_path / "videos", "a"), tmp_path / "store", engine="ray")


def test_a_store_on_a_read_only_disk_is_refused_before_the_work(tmp_path, monkeypatch):
    def refuse(**_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(InputError, match=r"cannot write into the store .* \(Read-only file system\)"):
        run(videos(tmp_path / "videos", "a"), tmp_path / "store")
    assert list((tmp_path / "store").iterdir()) == []


def started(folder, store, *, pause="0.05", **options):
    """The command in a process group of its own, when its first clips are in the store."""
    words = [sys.executable, "-m", "faceimit.annotate", folder, "--out", store, "--annotator", SPEC, "--workers", "2"]
    process = subprocess.Popen(
        words, env=os.environ | {PAUSE: pause}, start_new_session=True, stderr=subprocess.PIPE, text=True, **options
    )
    deadline = time.monotonic() + 60
    while len(list((store / "parts").glob("*.parquet"))) < 2:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def test_after_kill_9_no_finished_clip_is_done_again(tmp_path, log):
    folder, store = videos(tmp_path / "videos", "a b c d e f g h", frames=10), tmp_path / "store"
    process = started(folder, store)
    process.kill()
    process.communicate()
    time.sleep(1.0)  # the workers notice
    finished = Store(store).names()
    looked_at = log()
    assert 2 <= len(finished) < 8
    report = run(folder, store, workers=2)
    assert sorted(report.skipped) == finished
    assert sorted([*report.skipped, *report.done]) == list("abcdefgh")
    assert sorted(log()) == sorted([*looked_at, *report.done])
    run(folder, tmp_path / "at_once")
    assert content(store) == content(tmp_path / "at_once")


def test_no_worker_outlives_the_command(tmp_path, log):
    folder, store = videos(tmp_path / "videos", "a b c d e f g h"), tmp_path / "store"
    process = started(folder, store, pause="0.1")
    process.kill()
    process.communicate()
    time.sleep(1.0)
    before = log()
    time.sleep(1.0)
    assert log() == before
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_ctrl_c_says_how_to_go_on(tmp_path):
    folder, store = videos(tmp_path / "videos", "a b c d e f g h", frames=10), tmp_path / "store"
    process = started(folder, store)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "same command goes on" in err
    assert err.endswith("interrupted\n")
    assert "Traceback" not in err


@needs_real
def test_mediapipe_gives_the_same_bytes_in_one_process_and_in_two(tmp_path, monkeypatch):
    pytest.importorskip("mediapipe")
    with read_frames(REAL / "clips" / "liveportrait_d0.mp4") as video:
        shown = [frame.image for frame in islice(video, 24)]
    for name, images in (("a", shown[:12]), ("b", shown[12:]), ("nobody", [np.zeros_like(shown[0])] * 3)):
        video_files.write(tmp_path / f"{name}.mp4", images)
    spec = AnnotatorSpec(MEDIAPIPE, str(REAL / "face_landmarker_v2_with_blendshapes.task"))
    for store in ("two", "one"):
        report = run(tmp_path, tmp_path / store, spec, workers=2)
        assert [problem.reason for problem in report.notes] == ["no face found"]
        annotate_here(monkeypatch)
    assert content(tmp_path / "one") == content(tmp_path / "two")
