"""What loading refuses: slips, damage, and manifests made by others."""

import json
import pickle
import shutil

import numpy as np
import pytest
from safetensors.numpy import load, save

from faceimit.bundle.format import GOLDEN, MANIFEST
from faceimit.bundle.load import load_bundle
from faceimit.errors import InputError
from tests.bundles import reseal


def refused(folder, match):
    with pytest.raises(InputError, match=match) as caught:
        load_bundle(folder)
    assert "\n" not in str(caught.value)


def edit(folder, **changes):
    """Change the manifest without changing its digest."""
    manifest = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**manifest, **changes}))


def test_what_is_no_bundle(tmp_path):
    refused(tmp_path / "nowhere", "is not a folder")
    refused(tmp_path, "has no manifest.json")
    (tmp_path / MANIFEST).mkdir()
    refused(tmp_path, "has no manifest.json that can be read")


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"format": "faceimit-bundle-1"', "\xff", "[" * 100000])
def test_manifest_that_is_none(copied, content):
    (copied / MANIFEST).write_bytes(content.encode("latin1"))
    refused(copied, "damaged|has format None")


def test_another_version(copied):
    edit(copied, format="faceimit-bundle-2")
    refused(copied, "has format 'faceimit-bundle-2' but this version reads 'faceimit-bundle-1'")


def test_altered_manifest(copied):
    edit(copied, robot="other")
    refused(copied, "was altered after the export")


@pytest.mark.parametrize("name", ["step.onnx", "landmarks.onnx", GOLDEN])
def test_altered_cut_and_missing_files(copied, name):
    path = copied / name
    content = path.read_bytes()
    path.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    refused(copied, f"{name} of bundle .* altered or damaged .its SHA-256 differs")
    path.write_bytes(content[:-1])
    refused(copied, f"{name} of bundle .* has {len(content) - 1} instead of {len(content)} bytes")
    path.unlink()
    refused(copied, f"lacks its file {name}")


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", "..", ".hidden", "", "a\\b", "C:evil", MANIFEST])
def test_names_that_leave_the_folder(copied, name):
    (copied.parent / "secret").write_bytes(b"secret")
    reseal(copied, lambda manifest: manifest["files"].update({name: {"sha256": "0" * 64, "bytes": 6}}))
    refused(copied, "no plain file name: do not use this bundle")


def test_links_are_not_followed(copied):
    (copied / "step.onnx").rename(copied.parent / "elsewhere.onnx")
    (copied / "step.onnx").symlink_to(copied.parent / "elsewhere.onnx")
    refused(copied, "lacks its file step.onnx")


CHANGES = {
    "no graphs": lambda m: m.pop("graphs"),
    "no step": lambda m: m["graphs"].pop("step"),
    "unknown graph": lambda m: m["graphs"].update(other={}),
    "no golden values": lambda m: m["files"].pop(GOLDEN),
    "no tolerance": lambda m: m["parity"]["step"].pop("tolerance"),
    "tolerance of anything": lambda m: m["parity"]["step"].update(tolerance=1.0),
    "negative look-ahead": lambda m: m["keyframes"].update(look_ahead=-1),
    "wrong type": lambda m: m["keyframes"].update(look_ahead="3"),
    "huge crop": lambda m: m["keyframes"]["crop"].update(size=10**9),
    "unknown search": lambda m: m["keyframes"]["search"].update(colour=3),
    "impossible search": lambda m: m["keyframes"]["search"].update(prominence=-1.0),
    "other controls": lambda m: m["controls"].pop(),
    "c_ref of nothing": lambda m: m["keyframes"].update(c_ref=0.0),
    "robot without a name": lambda m: m.update(robot=None),
    "list of files": lambda m: m.update(files=[]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_manifests_made_by_others(copied, change):
    reseal(copied, change)
    refused(copied, "is not as it must be")


def test_graphs_that_do_not_compute_what_they_did(copied):
    golden = load((copied / GOLDEN).read_bytes())
    golden["scores"] = golden["scores"] + np.float32(0.01)
    (copied / GOLDEN).write_bytes(save(golden))
    reseal(copied)
    refused(copied, "the step graph is 0.01 away from what it computed when it was exported")


def test_golden_values_of_nan_prove_nothing(copied):
    golden = load((copied / GOLDEN).read_bytes())
    golden["controls"][:] = np.nan
    (copied / GOLDEN).write_bytes(save(golden))
    reseal(copied)
    refused(copied, "the mapper graph is inf away")


@pytest.mark.parametrize("drop", ["crops", "valid", "scores", "points", "controls"])
def test_golden_values_that_lack_something(copied, drop):
    golden = load((copied / GOLDEN).read_bytes())
    del golden[drop]
    (copied / GOLDEN).write_bytes(save(golden))
    reseal(copied)
    refused(copied, "golden values")


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


@pytest.mark.parametrize("name", ["step.onnx", GOLDEN])
def test_pickles_are_never_run(copied, name):
    (copied / name).write_bytes(pickle.dumps(Bomb()))
    reseal(copied)
    refused(copied, "cannot be run|cannot be read")


def test_a_graph_in_the_place_of_another(copied):
    shutil.copy(copied / "mapper.onnx", copied / "step.onnx")
    reseal(copied)
    refused(copied, "other inputs and outputs than a step has")


def test_graphs_keep_no_tensors_in_other_files(copied):
    import onnx

    model = onnx.load(copied / "mapper.onnx")
    onnx.save(model, copied / "mapper.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    reseal(copied)
    refused(copied, "mapper.onnx .* refers to files beside it")
