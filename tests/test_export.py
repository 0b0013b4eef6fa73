import json
import shutil

import numpy as np
import pytest
import torch

from faceimit import detect
from faceimit.bundle import export as writing
from faceimit.bundle.format import MANIFEST, read_manifest
from faceimit.bundle.golden import Networks
from faceimit.bundle.load import load_bundle
from faceimit.bundle.parity import stream_scores
from faceimit.data import videos
from faceimit.errors import InputError
from faceimit.export import export, summary
from faceimit.keyframes.weights import pack_network
from faceimit.tasks.keyframe import KeyframeTask
from faceimit.tracking.cli import run_command
from faceimit.tracking.exporting import export_bundle, training_facts
from tests import bundles, video_files
from tests.faces import SquareDetector, picture

SMALL = {**bundles.NET, "flow": False, "kernels": [3], "look_ahead": 1}
SHIPPED = ("flow", "keyframe")


@pytest.fixture(scope="session")
def bundle_folder(tmp_path_factory):
    base = tmp_path_factory.getbasetemp()
    return bundles.exported(base.parent if base.name.startswith("popen-") else base)


@pytest.fixture
def run_folder(tmp_path):
    """A run of a task without flow, as faceimit.train leaves it."""
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    arguments = {**SMALL, "flow_weights": "none"}
    task = KeyframeTask(**arguments)
    bundles.lively(task.net)
    task.search, task.c_ref = bundles.SEARCH, 0.25
    content = {
        "state_dict": task.state_dict(),
        "faceimit": {"task": "faceimit.tasks.keyframe.KeyframeTask", "arguments": arguments, "version": "0"},
    }
    task.on_save_checkpoint(content)
    torch.save(content, folder / "checkpoints" / "best.ckpt")
    (folder / "config.yaml").write_text("experiment: keyframe_multitask\n")
    (folder / "environment.json").write_text('{"seed": 7, "commit": {"id": "abc", "dirty": false}, "versions": {}}')
    (folder / "metrics.json").write_text('{"test/F1": 0.8}')
    return folder


def refused(match, capsys, *words):
    assert run_command(export, [str(word) for word in words]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert match in message


def other_task(path, task):
    torch.save({"state_dict": {}, "faceimit": {"task": task, "arguments": {}}}, path)
    return path


@pytest.mark.parametrize("arguments", [{"stages": 4}, {"width": -1}, {}], ids=["unknown", "impossible", "other"])
@pytest.mark.parametrize(
    ("option", "task"),
    [("--landmarks", "faceimit.tasks.landmark.LandmarkTask"), ("--mapping", "faceimit.tasks.control.ControlTask")],
)
def test_a_checkpoint_of_another_architecture_is_refused(tmp_path, capsys, option, task, arguments):
    path = tmp_path / "old.ckpt"
    content = {"state_dict": {"net.gone": torch.zeros(1)}, "faceimit": {"task": task, "arguments": arguments}}
    torch.save(content, path)
    refused("train it again", capsys, "--checkpoint", "shipped", option, path, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_checkpoint_of_a_run_becomes_a_bundle(run_folder, tmp_path, capsys):
    out, checkpoint = tmp_path / "new" / "bundle", run_folder / "checkpoints" / "best.ckpt"
    words = ["--checkpoint", checkpoint, "--landmarks", "none", "--mapping", "none", "--out", out, "--robot", "virtual"]
    assert run_command(export, [str(word) for word in words]) == 0
    printed = capsys.readouterr()
    assert "max error" in printed.out
    assert printed.out.splitlines()[-1] == str(out)
    assert printed.err == ""  # a bar is for a terminal
    assert [path.name for path in out.parent.iterdir()] == ["bundle"]
    bundle = load_bundle(out)
    assert (bundle.robot, bundle.name, bundle.search) == ("virtual", "without_flow", bundles.SEARCH)
    assert (bundle.manifest["keyframes"]["c_ref"], bundle.look_ahead) == (0.25, 1)
    assert bundle.manifest["left_out"] == {"landmarks": "--landmarks none", "mapper": "--mapping none"}
    facts = bundle.manifest["training"]["keyframes"]
    assert (facts["seed"], facts["commit"]["id"], facts["figures"]) == (7, "abc", {"test/F1": 0.8})
    assert len(facts["config_sha256"]) == 64
    before = (out / MANIFEST).read_bytes()
    with pytest.raises(InputError, match="not finite"):  # what is there stays when the next export fails
        export_bundle(nan_weights(tmp_path), out, "none", "none")
    assert (out / MANIFEST).read_bytes() == before
    assert [path.name for path in out.parent.iterdir()] == ["bundle"]


def nan_weights(folder):
    net = bundles.network(**SMALL)
    net.head.velocity.weight.data[3, 2] = float("nan")
    path = folder / "nan.safetensors"
    path.write_bytes(pack_network(net, SMALL, bundles.SEARCH, "broken", half=False))
    return path


def test_weights_that_are_not_finite(tmp_path, capsys):
    words = ["--checkpoint", nan_weights(tmp_path), "--landmarks", "none", "--mapping", "none"]
    refused("not finite (in head.velocity.weight)", capsys, *words, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


TASKS = {
    "flow.FlowTask": "holds FlowTask, not KeyframeTask: give a checkpoint of",
    "landmark.LandmarkTask": "holds LandmarkTask (this one is for --landmarks), not KeyframeTask",
    "control.ControlTask": "holds ControlTask (this one is for --mapping), not KeyframeTask",
}


@pytest.mark.parametrize(("task", "said"), TASKS.items())
def test_checkpoint_of_another_task(task, said, tmp_path, capsys):
    path = other_task(tmp_path / "a.ckpt", f"faceimit.tasks.{task}")
    refused(said, capsys, "--checkpoint", path, "--out", tmp_path / "out")


def test_weights_file_of_another_network(bundle_folder, tmp_path, capsys):
    folder, out = bundle_folder.parent, tmp_path / "out"
    landmarks, keyframe = folder / "landmarks.safetensors", folder / "keyframe.safetensors"
    refused("(this one is for --landmarks), not KeyframeTask", capsys, "--checkpoint", landmarks, "--out", out)
    words = ["--checkpoint", keyframe, "--mapping", landmarks, "--out", out]
    refused("(this one is for --landmarks), not ControlTask", capsys, *words)
    words = ["--checkpoint", keyframe, "--landmarks", keyframe, "--out", out]
    refused("(this one is for --checkpoint), not LandmarkTask", capsys, *words)
    flow = writing.Path(writing.__file__).parents[1] / "weights" / "flow.safetensors"
    refused("holds flow weights, not KeyframeTask", capsys, "--checkpoint", flow, "--out", out)
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(b"abc")
    refused("is no weights file or is damaged", capsys, "--checkpoint", torn, "--out", out)


def test_arguments_that_are_wrong(tmp_path, capsys):
    refused("does not exist", capsys, "--checkpoint", tmp_path / "a.ckpt", "--out", tmp_path / "out")
    refused("--quantize", capsys, "--checkpoint", "shipped", "--out", tmp_path / "out", "--quantize", "int4")
    refused("robot", capsys, "--checkpoint", "shipped", "--landmarks", "none", "--mapping", "none", "--robot", "r2d2",
            "--out", tmp_path / "out")  # fmt: skip
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    refused("is no whole bundle", capsys, "--checkpoint", "shipped", "--out", tmp_path / "mine")
    refused("is a file", capsys, "--checkpoint", "shipped", "--out", tmp_path / "mine" / "thesis.txt")
    refused("cannot write", capsys, "--checkpoint", "shipped", "--out", tmp_path / "mine" / "thesis.txt" / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_what_lies_beside_a_bundle_or_is_read_is_not_replaced(bundle_folder, tmp_path, capsys):
    out = shutil.copytree(bundle_folder, tmp_path / "bundle")
    checkpoint = out / "best.ckpt"
    checkpoint.write_bytes(b"weeks of training")
    refused("would overwrite", capsys, "--checkpoint", checkpoint, "--out", out)
    refused("would overwrite", capsys, "--checkpoint", "shipped", "--mapping", checkpoint, "--out", tmp_path)
    refused("best.ckpt in", capsys, "--checkpoint", "shipped", "--out", out)
    assert checkpoint.read_bytes() == b"weeks of training"


def test_a_graph_that_differs_from_torch_is_refused(tmp_path, monkeypatch, bundle_folder):
    """The graph of one network beside the golden values of another."""
    graph = (bundle_folder / "step.onnx").read_bytes()
    monkeypatch.setattr(writing.graphs, "step_graph", lambda net, crop: graph)
    networks = Networks(bundles.network(dropout=0.1, affine=True), bundles.SEARCH, "other", None)
    networks.score.head.velocity.bias.data += 0.5
    with pytest.raises(InputError, match=r"the step graph is .* away from what torch computes"):
        writing.write_bundle(networks, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_a_bundle_takes_the_place_of_a_bundle_and_nothing_is_left_when_the_disk_is_full(
    tmp_path, monkeypatch, bundle_folder
):
    out = shutil.copytree(bundle_folder, tmp_path / "bundle")
    graph = (bundle_folder / "step.onnx").read_bytes()
    monkeypatch.setattr(writing.graphs, "step_graph", lambda net, crop: graph)
    networks = Networks(bundles.network(), bundles.SEARCH, "newer", None)
    steps = []
    writing.write_bundle(networks, out, advance=lambda *step: steps.append(step))
    assert steps == [("graph of the score", 0, 3), ("comparing with torch", 1, 3), ("writing bundle", 2, 3)]
    assert read_manifest(out)["keyframes"]["name"] == "newer"
    assert sorted(path.name for path in out.iterdir()) == ["golden.safetensors", MANIFEST, "step.onnx"]

    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "_write_file", full)
    networks.name = "newest"
    with pytest.raises(InputError, match="No space left on device"):
        writing.write_bundle(networks, out)
    assert read_manifest(out)["keyframes"]["name"] == "newer"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_facts_of_a_damaged_run(run_folder):
    (run_folder / "metrics.json").write_text("{")
    with pytest.raises(InputError, match="repair it"):
        training_facts(run_folder / "checkpoints" / "best.ckpt")


def test_keyframes_of_a_video_by_bundle_and_by_weights(bundle_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(videos, "make_detector", lambda name: SquareDetector())
    images = [picture(80, 60, side=0 if t in (20, 21) else 60) for t in range(50)]
    for t, image in enumerate(images):
        if t not in (20, 21):
            image[60:70, 60:100] = 250 if t % 12 < 2 else 140
    video = video_files.write(tmp_path / "a.mp4", images)
    found = {}
    for option, path in (("--bundle", bundle_folder), ("--checkpoint", bundle_folder.parent / "keyframe.safetensors")):
        words = [str(video), option, str(path), "--json", str(tmp_path / "a.json")]
        assert run_command(detect.detect, words) == 0
        found[option] = json.loads((tmp_path / "a.json").read_text())
    bundle, weights = found["--bundle"], found["--checkpoint"]
    assert bundle["keyframes"] == weights["keyframes"]
    assert len(bundle["keyframes"]) > 1
    assert (bundle["method"], bundle["valid"]) == ("tiny", weights["valid"])
    scores = [np.array(one["scores"], dtype=float) for one in (bundle, weights)]
    assert scores[0] == pytest.approx(scores[1], abs=1e-3, nan_ok=True)
    assert run_command(detect.detect, [str(video), "--bundle", str(tmp_path)]) == 2


@pytest.mark.slow
def test_int8_says_what_it_costs(tmp_path, capsys):
    out = export_bundle("shipped", tmp_path / "out", "none", "none", quantize="int8")
    manifest = read_manifest(out)
    cost = manifest["quantisation"]
    assert manifest["graphs"]["step"]["quantised"] == "int8"
    assert cost["bytes_int8"] < 0.6 * cost["bytes_float32"]
    assert cost["score_correlation"] > 0.95
    assert abs(cost["f1_int8"] - cost["f1_float32"]) < 0.15
    assert "F1" in summary(manifest)
    scores = stream_scores(load_bundle(out).score_stream(), bundles.crops(10))
    assert np.isfinite(scores).all()
