import json
from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest

from faceimit.data.clipfile import save_clip
from faceimit.data.pairs import split_by_frame, write_pairs
from faceimit.data.store import Store
from faceimit.errors import InputError
from faceimit.face import controls
from faceimit.tracking.inspection import Amount, inspect_source
from faceimit.tracking.inspection_findings import findings_of
from faceimit.tracking.inspection_open import open_source
from faceimit.tracking.inspection_pairs import PairSource
from faceimit.tracking.inspection_report import as_json, page_of
from faceimit.tracking.inspection_sources import ClipSource, StoreSource
from tests import corpora, video_files
from tests.clips import blob_clip
from tests.stores import stored

FRAMES = 110


def sentences(found, level=None):
    return " ".join(finding.text for finding in findings_of(found) if level in (None, finding.level))


def course(generator, frames=FRAMES):
    """Controls (T, 30) that jump and hold, Jaw Yaw never moves."""
    steps = generator.normal(0, 0.12, (frames, 30)) * (generator.random((frames, 1)) < 0.3)
    steps[0] = generator.normal(0, 0.2, 30)
    values = controls.from_normalised(np.clip(np.cumsum(steps, axis=0), -0.4, 0.4))
    values[:, controls.INDEX["Jaw Yaw"]] = 0.5
    return values


def robot_face(values):
    """(48, 48, 3): blobs whose place and brightness follow the first controls."""
    rows, columns = np.mgrid[:48, :48]
    a = controls.normalised(values)
    picture = np.full((48, 48), 110.0)
    for k in range(9):
        y, x = 8 + 16 * (k // 3) + 5 * a[2 * k], 8 + 16 * (k % 3) + 5 * a[2 * k + 1]
        picture += 90 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 18)
    return np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[..., None], 3, axis=-1)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Five recordings; in the third the pictures come two frames late."""
    path = tmp_path_factory.mktemp("pairs") / "pairs.parquet"
    generator = np.random.default_rng(0)

    def rows():
        for take in range(5):
            values = course(generator)
            late = 2 if take == 2 else 0
            for t in range(FRAMES):
                yield robot_face(values[max(0, t - late)]), values[t], f"take{take}"

    write_pairs(path, rows())
    return path


@pytest.fixture(scope="module")
def inspected_pairs(pairs):
    return inspect_source(open_source(pairs), Amount())


def test_pairs_report_the_stuck_control_and_the_late_recording(inspected_pairs):
    bad = sentences(inspected_pairs, "bad")
    assert "1 of 30 controls never moves: Jaw Yaw." in bad
    offsets = {inspected_pairs.source.facts[i].name: a.offset for i, a in inspected_pairs.alignments.items()}
    assert offsets["take2"] == pytest.approx(2, abs=0.3)
    assert all(abs(offset) < 0.3 for name, offset in offsets.items() if name != "take2")
    assert "1 of 5 clips differs from the others in time: take2 (+2.0 frames)" in sentences(inspected_pairs, "warn")
    assert "No leak" in sentences(inspected_pairs, "ok")


def test_a_split_by_frame_is_a_leak(pairs):
    table = open_source(pairs)._table
    found = inspect_source(PairSource(pairs, table, split_by_frame(len(table))), Amount())
    assert "In several splits (5): take0" in sentences(found, "bad")


def test_json_holds_the_whole_report_and_its_poses_can_be_sent_to_a_robot(inspected_pairs):
    content = json.loads(json.dumps(as_json(inspected_pairs), allow_nan=False))
    assert content["splits"][-1]["frames"] == 5 * FRAMES
    assert {value["name"] for value in content["values"]} == set(controls.NAMES)
    for pose in content["record_next"]:
        controls.vector(pose["values"])
    assert content["coverage"]["overall"] < 0.6


def test_the_page_shows_every_part(inspected_pairs):
    html = page_of(inspected_pairs).html()
    for title in ("Findings", "Values", "Coverage", "What to record next", "Pictures and labels in time"):
        assert f">{title}</h2>" in html
    assert html.count('<svg class="bars"') == 30


@pytest.fixture
def rendered(tmp_path):
    """Clip files of three splits; the test clip is a training clip, encoded again, under another name."""
    for split, seeds in (("train", (1, 2)), ("val", (3,))):
        for seed in seeds:
            save_clip(tmp_path / "key" / split / f"{seed}.npz", blob_clip(seed))
    clip = blob_clip(2)
    again = [cv2.imdecode(cv2.imencode(".jpg", frame)[1], cv2.IMREAD_COLOR) for frame in clip.frames]
    copy = replace(clip, identity="somebody else", fps=30.0, frames=np.stack(again))
    save_clip(tmp_path / "key" / "test" / "9.npz", copy)
    return tmp_path


def test_clip_files_report_a_leak_mixed_rates_and_events(rendered):
    (rendered / "key" / "train" / "broken.npz").write_bytes(b"PK")
    found = inspect_source(open_source(rendered), Amount())
    assert isinstance(found.source, ClipSource)
    shared = Counter((found.source.facts[p.clip].name, found.source.facts[p.other_clip].name) for p in found.duplicates)
    assert shared.most_common(1) == [(("key/test/9", "key/train/2"), 12)]
    assert "key/test/9 and key/train/2" in sentences(found, "bad")
    assert "Mixed frame rates: 25 fps (3), 30 fps (1)" in sentences(found)
    assert "broken.npz" in sentences(found, "warn")
    assert found.events is not None
    assert found.events.keyframes > 0


def test_an_inspection_reads_no_more_than_asked(rendered):
    found = inspect_source(open_source(rendered), Amount(clips=2, frames=40, pictured=3, pictures=20))
    assert (found.read, found.rows) == (1, 40)
    assert len(found.looked) <= 3
    assert found.frames_looked == 20 * len(found.looked)
    assert "of 1 of 4 clips" in page_of(found).html()


def test_a_store_is_checked_with_its_videos_or_without(tmp_path):
    there = video_files.write(tmp_path / "there.mp4", video_files.numbered(12))
    store = Store(tmp_path / "store")
    store.write(stored("there", source=str(there), valid=np.arange(12) > 2))
    store.write(stored("gone", sha256="1" * 64))
    store.write(stored("empty", valid=np.zeros(12, dtype=bool), note="no face found", sha256="2" * 64))
    store.pack()
    found = inspect_source(open_source(tmp_path / "store"), Amount())
    assert isinstance(found.source, StoreSource)
    assert found.rows == 9 + 12
    assert set(found.unreadable) == {"gone", "empty"}
    text = sentences(found)
    assert "1 of 3 clips without a usable frame: empty" in text
    assert "58.3% of the frames are annotated" in text
    assert "/videos/gone.mp4" in found.unreadable["gone"]


def test_the_same_file_twice_in_a_store_is_named(tmp_path):
    for name in ("a", "b"):
        Store(tmp_path).write(stored(name))
    assert "The same file is there more than once: a = b." in sentences(inspect_source(open_source(tmp_path), Amount()))


@pytest.mark.parametrize("corpus", ["voxceleb", "300vw", "caer", "videos"])
def test_a_corpus_is_recognised_with_its_irregularities(tmp_path, corpus):
    make = {"300vw": corpora.make_300vw}.get(corpus) or getattr(corpora, f"make_{corpus}")
    source = open_source(make(tmp_path, irregular=True))
    assert source.kind == f"{corpus} corpus"
    found = inspect_source(source, Amount(pictured=4))
    assert source.problems
    assert "not annotated: this report holds only what the files show" in sentences(found, "warn")
    assert "One frame rate: 25 fps" in sentences(found)
    page_of(found).html()
    json.dumps(as_json(found), allow_nan=False)


def test_what_cannot_be_inspected_is_named_with_what_is_there(tmp_path):
    (tmp_path / "papers").mkdir()
    (tmp_path / "notes.txt").write_text("no data")
    with pytest.raises(InputError, match=r"annotation store.*holds papers/, notes\.txt"):
        open_source(tmp_path)
    with pytest.raises(InputError, match=r"notes\.txt is a \.txt file"):
        open_source(tmp_path / "notes.txt")
    with pytest.raises(InputError, match="there is nothing, check the path"):
        open_source(tmp_path / "nowhere")
    for name in ("results.csv", "results.json"):
        (tmp_path / "papers" / name).write_text("{}")
    with pytest.raises(InputError, match=r"papers is an evaluation, look at it with python -m faceimit\.report"):
        open_source(tmp_path / "papers")


def test_annotations_beside_videos_are_no_clip_files(tmp_path):
    np.savez(tmp_path / "a.npz", blendshapes=np.zeros((3, 52)))
    video_files.write(tmp_path / "a.mp4", video_files.numbered(4))
    assert open_source(tmp_path).kind == "videos corpus"


def test_a_run_is_inspected_through_its_data_and_shows_its_figures(rendered, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    # a stand-in for the rendered faces: the module hands out the clips of a folder
    data = {"_target_": "tests.inspected.FolderClips", "root": str(rendered / "key")}
    run.joinpath("config.yaml").write_text(json.dumps({"data": data, "experiment": "trial", "seed": 3}))
    run.joinpath("metrics.json").write_text(json.dumps({"test/F1": 0.8125}))
    found = inspect_source(open_source(run), Amount())
    assert [fact.split for fact in found.source.facts] == ["train", "train", "val", "test"]
    assert ("experiment", "trial") in found.source.about
    assert found.duplicates
    html = page_of(found).html()
    assert "0.8125" in html
    assert "Figures of the run" in html
