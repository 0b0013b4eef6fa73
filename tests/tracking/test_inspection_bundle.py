import json

import numpy as np
import pytest

from faceimit.bundle.format import MANIFEST
from faceimit.face.controls import INDEX, NAMES
from faceimit.inspect import inspect
from faceimit.tracking.cli import run_command
from faceimit.tracking.inspection_bundle import bundle_page, inspect_bundle
from tests.bundle.conftest import bundle_folder, copied  # noqa: F401  fixtures
from tests.bundles import reseal


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_verifies_times_and_writes(here, bundle_folder, capsys):  # noqa: F811
    assert run_command(inspect, [str(bundle_folder), "--out", "b.html", "--json", "b.json"]) == 0
    said = capsys.readouterr().out
    assert "inference bundle" in said
    assert "SHA-256 of all 4 files agree" in " ".join(said.split())
    found = json.loads((here / "b.json").read_text())
    manifest = json.loads((bundle_folder / MANIFEST).read_text())
    assert found["max_abs_error"].keys() == found["ms"].keys() == manifest["graphs"].keys()
    assert all(error <= manifest["parity"][name]["tolerance"] for name, error in found["max_abs_error"].items())
    assert all(0 < times["p50"] <= times["p95"] <= times["p99"] for times in found["ms"].values())
    html = (here / "b.html").read_text()
    assert all(name in html for name in NAMES)
    assert manifest["files"]["step.onnx"]["sha256"][:12] in html


def test_what_should_worry_is_found(copied):  # noqa: F811
    def worse(manifest):
        manifest["left_out"] = {"mapper": "it was not asked for"}
        del manifest["graphs"]["mapper"], manifest["parity"]["mapper"], manifest["files"]["mapper.onnx"]
        manifest["versions"]["onnxruntime"] = "0.0.1"
        manifest["keyframes"]["c_ref"] = None

    reseal(copied, worse)
    (copied / "mapper.onnx").unlink()
    found = inspect_bundle(copied)
    worried = " ".join(finding.text for finding in found.findings if finding.level == "warn")
    assert "no mapper graph" in worried
    assert "0.0.1" in worried
    assert "c_ref" in worried
    assert found.controls is None
    assert "Controls" in bundle_page(found).html()


def test_a_control_read_at_an_end_is_named_unless_it_rests_there(bundle_folder):  # noqa: F811
    found = inspect_bundle(bundle_folder)
    values = np.array([[control["neutral"] for control in found.manifest["controls"]]])
    values[0, INDEX["Nose Wrinkle"]] = 1.0
    page = bundle_page(type(found)(**{**vars(found), "controls": values}))
    rows = next(section for section in page.sections if section.title == "Controls").blocks[0].rows
    assert [row[0] for row in rows if row[-1]] == ["Nose Wrinkle"]


def test_a_damaged_bundle_is_one_sentence(here, copied, capsys):  # noqa: F811
    graph = copied / "step.onnx"
    graph.write_bytes(graph.read_bytes()[:-1] + b"x")
    assert run_command(inspect, [str(copied)]) == 2
    assert "step.onnx" in capsys.readouterr().err
    assert not list(here.glob("*.html"))
