"""The project as a whole: layering, declared dependencies, what a wheel carries, README in step with the results."""

import ast
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IMPORTED_AS = {
    "antlr4-python3-runtime": "antlr4",
    "dlib-bin": "dlib",
    "dynamixel-sdk": "dynamixel_sdk",
    "hydra-core": "hydra",
    "import-linter": "importlinter",
    "markdown-it-py": "markdown_it",
    "pillow": "PIL",
    "python-osc": "pythonosc",
    "rerun-sdk": "rerun",
    "opencv-python-headless": "cv2",
    "pytest-xdist": "xdist",
    "pytorch-lightning": "pytorch_lightning",
    "pyyaml": "yaml",
}
# used by another library on our behalf: by TensorBoardLogger, by torch.onnx and onnxruntime.quantization
INDIRECT = {"tensorboard", "onnx", "onnxscript"}


def modules_of(requirements):
    names = [re.match(r"[\w-]+", requirement)[0] for requirement in requirements]
    return {IMPORTED_AS.get(name, name) for name in names}


def imported(folder):
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"faceimit"}


def test_a_package_imports_only_packages_to_its_left():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_dependencies_are_those_imported():
    needed = imported(ROOT / "faceimit")
    declared = modules_of(PROJECT["dependencies"])
    optional = {
        m
        for extra in ("annotate", "cluster", "robots", "view")
        for m in modules_of(PROJECT["optional-dependencies"][extra])
    }
    assert needed - optional <= declared, "imported but not declared"
    assert declared - needed <= INDIRECT, "declared but not imported"


def test_constraints_pin_every_dependency_within_its_bound():
    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), flags=re.MULTILINE))
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    for requirement in (r for group in groups for r in group):
        name, bound = requirement.split(">=")
        assert name in pins, f"{name} is not in constraints.txt"
        assert version(pins[name]) >= version(bound), requirement


def version(text):
    return tuple(int(part) for part in re.findall(r"\d+", text))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    code = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, folder], cwd=ROOT, capture_output=True, check=True)
    return next(folder.glob("*.whl"))


def test_a_wheel_carries_code_conf_and_weights(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    conf = {f"faceimit/conf/{path.relative_to(ROOT / 'conf').as_posix()}" for path in (ROOT / "conf").rglob("*.yaml")}
    weights = {path.relative_to(ROOT).as_posix() for path in (ROOT / "faceimit" / "weights").glob("*.safetensors")}
    assert conf | weights | {"faceimit/train.py"} <= names
    assert not any("__pycache__" in name or name.startswith("tests/") for name in names)


def test_an_installed_wheel_finds_its_conf(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        "from faceimit.tracking.config import composed, conf_dir\n"
        "composed(['experiment=keyframe_multitask'])\n"
        "print(conf_dir())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert Path(done.stdout.strip()) == tmp_path / "faceimit" / "conf"


def test_no_path_of_a_machine_is_in_the_project():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    words = re.compile(r"(^|[\s\"'=(])/(" + "work|root|farm|opt" + r")/\w")
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".yaml", ".yml", ".txt", ".csv", ".json", ""} and path.is_file():
            assert not words.search(path.read_text(errors="ignore")), name
