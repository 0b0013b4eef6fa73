import math
import random
import shutil
from functools import partial

import numpy as np
import pytest

from faceimit.data.annotators.protocol import AnnotatorSpec
from faceimit.data.annotators.run import annotate
from faceimit.data.corpora import list_corpus
from faceimit.data.corpus_module import CorpusClips
from faceimit.data.store import Store
from faceimit.errors import InputError
from faceimit.tracking.config import composed, plain
from faceimit.tracking.schema import build
from faceimit.train import train
from tests import corpora, video_files
from tests.in_process import annotate_here

MIDDLE = "tests.middle_face:MiddleFace"
MAKE = {"voxceleb": corpora.make_voxceleb, "300vw": corpora.make_300vw, "caer": partial(corpora.make_caer, clips=1)}
SMALL = ("data.size=32", "data.window=4", "data.batch_size=2", "data.steps=2")


@pytest.fixture(autouse=True)
def in_process(monkeypatch, request):
    """All but one of the tests annotate in this process."""
    if "what_cannot_be_used" not in request.node.name:
        annotate_here(monkeypatch)


def people(root, *names, frames=12):
    """Some small videos in a folder."""
    corpora.videos([root / f"{name}.mp4" for name in names], frames)
    return root


def job(tmp_path, name, *overrides):
    config = plain(
        composed(
            [
                "experiment=keyframe_multitask", "profile=tiny", "logger=none", "trainer.accelerator=cpu",
                f"runs={tmp_path / 'runs'}", f"cache={tmp_path / 'cache'}", f"data={name}", *SMALL, *overrides,
            ]
        )
    )  # fmt: skip
    return config | {"task": {"_target_": "tests.tiny_task.TinyTask"}}


def module(tmp_path, name="videos", **arguments):
    defaults = {"annotator": MIDDLE, "cache": str(tmp_path / "cache"), "size": 32, "window": 4, "batch_size": 2}
    return CorpusClips(name, **(defaults | arguments))


@pytest.mark.parametrize("name", MAKE)
def test_each_corpus_trains_an_epoch(tmp_path, capfd, name):
    """With the irregularities of the real ones."""
    root = MAKE[name](tmp_path / "corpus", irregular=True)
    job_ = job(tmp_path, name, f"data.root={root}", f"data.annotator={MIDDLE}")
    run = train(job_)
    assert (run / "checkpoints" / "best.ckpt").is_file()
    data = build(job_["data"])
    names = [{clip.name for clip in data.sources(split)} for split in ("train", "val", "test")]
    assert all(names)
    listing = list_corpus(name, root, **data.options)
    assert set.union(*names) <= {source.name for source in listing.sources}
    assert "what is not, and why" in capfd.readouterr().err
    (left_out,) = (tmp_path / "cache" / "left_out").iterdir()
    assert len(left_out.read_text().splitlines()) >= len(listing.problems)


def test_a_store_alone_trains(tmp_path):
    root = people(tmp_path / "videos", "a", "b", "c", "d", "nobody")
    annotate(list_corpus("videos", root).sources, tmp_path / "S", AnnotatorSpec(MIDDLE), progress=False)
    run = train(job(tmp_path, "videos", f"data.store={tmp_path / 'S'}"))
    assert (run / "metrics.json").is_file()
    shutil.move(root, tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"not where they were annotated.*data\.root=FOLDER"):
        module(tmp_path, store=str(tmp_path / "S")).prepare_data()
    moved = module(tmp_path, store=str(tmp_path / "S"), root=str(tmp_path / "elsewhere"), annotator=None)
    moved.prepare_data()
    assert sorted(clip.name for split in ("train", "val", "test") for clip in moved.sources(split)) == list("abcd")


@pytest.mark.parametrize("name", [*MAKE, "videos"])
def test_nobody_is_in_two_splits(tmp_path, name):
    if name == "videos":
        root = people(tmp_path / "corpus", *(f"person {i}/{k}" for i in range(5) for k in range(2)))
    else:
        root = MAKE[name](tmp_path / "corpus", irregular=True)
    data = module(tmp_path, name, root=str(root))
    data.prepare_data()
    identities = [set(data.corpus(split).identities) for split in ("train", "val", "test")]
    assert all(identities)
    assert sum(map(len, identities)) == len(set.union(*identities))
    again = module(tmp_path, name, root=str(root))
    assert [set(again.corpus(split).identities) for split in ("train", "val", "test")] == identities


def test_what_cannot_be_used_is_listed_and_the_rest_is_used(tmp_path, capsys):
    root = people(tmp_path / "videos", "a", "b", "c", "nobody", "refused", "later", "changed")
    (root / "empty.mp4").write_bytes(b"")
    data = module(tmp_path, root=str(root))
    (root / "later.mp4").rename(tmp_path / "later.mp4")
    data.prepare_data()
    (tmp_path / "later.mp4").rename(root / "later.mp4")
    video_files.write(root / "changed.mp4", video_files.numbered(5))
    data = module(tmp_path, root=str(root), annotator=None)
    data.prepare_data()
    (left_out,) = (tmp_path / "cache" / "left_out").iterdir()
    lines = {line.split("/")[-1].split(":")[0]: line for line in left_out.read_text().splitlines()}
    assert set(lines) == {"nobody.mp4", "refused.mp4", "later.mp4", "changed.mp4", "empty.mp4"}
    assert "never two in a row with a face" in lines["nobody.mp4"]
    assert "not annotated" in lines["later.mp4"]
    assert "changed since it was annotated" in lines["changed.mp4"]
    assert "3 clips are used" in capsys.readouterr().err
    data = module(tmp_path, root=str(root))  # with the annotator what is new or changed is annotated
    data.prepare_data()
    assert {clip.name for split in ("train", "val", "test") for clip in data.sources(split)} == {
        "a", "b", "c", "changed", "later",
    }  # fmt: skip


def test_a_changed_video_of_the_same_length_is_found_when_asked(tmp_path):
    root = people(tmp_path / "videos", "a", "b", "c", "d")
    module(tmp_path, root=str(root)).prepare_data()
    content = bytearray((root / "d.mp4").read_bytes())
    content[-1] ^= 1
    (root / "d.mp4").write_bytes(content)
    for verify, used in ((False, 4), (True, 3)):  # whoever is left, each split has somebody
        data = module(tmp_path, root=str(root), verify=verify, annotator=None)
        assert sum(len(data.sources(split)) for split in ("train", "val", "test")) == used


def test_too_few_people(tmp_path):
    root = people(tmp_path / "videos", "a", "b", "nobody")
    with pytest.raises(InputError, match=r"at least 3 people.*has 2.*1 are left out.*nobody"):
        module(tmp_path, root=str(root)).prepare_data()


@pytest.mark.parametrize("alone", [False, True])
def test_one_person_is_not_three_where_the_others_cannot_be_used(tmp_path, alone):
    root = people(tmp_path / "videos", "anna/a", "anna/b", "anna/c", "bert/nobody", "carl/nobody")
    arguments = {"root": str(root)}
    if alone:
        annotate(list_corpus("videos", root).sources, tmp_path / "S", AnnotatorSpec(MIDDLE), progress=False)
        for name in ("bert", "carl"):
            shutil.rmtree(root / name)
        arguments = {"store": str(tmp_path / "S")}
    with pytest.raises(InputError, match=r"at least 3 people.*has 1 that"):
        module(tmp_path, **arguments).prepare_data()


def test_wrong_roots_and_stores(tmp_path):
    with pytest.raises(InputError, match=r"data\.root=FOLDER or data\.store=STORE"):
        CorpusClips("voxceleb")
    people(tmp_path / "videos", "a")
    with pytest.raises(InputError, match=r"expected .*videos to be the folder of VoxCeleb .* but it holds a\.mp4"):
        module(tmp_path, "voxceleb", root=str(tmp_path / "videos")).prepare_data()
    with pytest.raises(InputError, match="does not exist, make it with faceimit-annotate"):
        module(tmp_path, store=str(tmp_path / "S")).prepare_data()
    with pytest.raises(InputError, match=r"no annotations yet, try data\.annotator=mediapipe"):
        module(tmp_path, root=str(tmp_path / "videos"), annotator=None).prepare_data()


def test_mixed_frame_rates_and_statistics(tmp_path):
    root = tmp_path / "videos"
    root.mkdir()
    for i, fps in enumerate((10, 24, 30, 60)):
        video_files.write(root / f"{i}.mp4", video_files.numbered(20), fps=fps)
    data = module(tmp_path, root=str(root), steps=8)
    data.prepare_data()
    found = {fps for split in ("train", "val", "test") for fps in data.corpus(split).fps}
    assert found == {10.0, 24.0, 30.0, 60.0}
    batch_fps = {float(fps) for batch in data.train_dataloader() for fps in batch["fps"]}
    assert batch_fps == set(data.corpus("train").fps)
    values = data.counts()
    assert values["c_ref"] == data.c_ref > 0
    assert sum(values[f"{split}/frames"] for split in ("train", "val", "test")) == 80
    assert all(math.isfinite(value) for value in values.values())


def test_videos_and_jpegs_give_nearly_the_same_batches(tmp_path):
    root = people(tmp_path / "videos", "a", "b", "c", "d")
    batches = []
    for crops, memory in (("video", 2e9), ("video", 0.0), ("jpeg", 0.0)):
        data = module(tmp_path, root=str(root), crops=crops, memory=memory, steps=3)
        data.prepare_data()
        random.seed(0)
        batches.append(list(data.train_dataloader()))
    for kept, sought, jpeg in zip(*batches, strict=True):
        assert np.array_equal(kept["frames"], sought["frames"])
        assert abs(kept["frames"].numpy().astype(int) - jpeg["frames"].numpy()).mean() < 3
        for name in ("score", "velocity", "valid", "fps"):
            assert np.array_equal(kept[name], sought[name])
            assert np.array_equal(kept[name], jpeg[name])


def test_loader_processes_read_the_same_windows(tmp_path):
    root = people(tmp_path / "videos", "a", "b", "c", "d")
    data = module(tmp_path, root=str(root), memory=0.0, steps=2, workers=2)
    data.prepare_data()
    frames = [batch["frames"] for batch in data.train_dataloader()]
    assert len(frames) == 2
    assert all(batch.float().std() > 1 for batch in frames)


def test_long_videos_are_cut(tmp_path):
    root = people(tmp_path / "videos", "a", "b", "c", frames=30)
    data = module(tmp_path, root=str(root), max_frames=12)
    data.prepare_data()
    assert data.corpus("train").lengths() == [10, 10, 10]
    assert len(set(data.corpus("train").names)) == 3
    Store(data.store.path).check()
