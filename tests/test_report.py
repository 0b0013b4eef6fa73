import json
import re
import shutil
import subprocess

import pytest

from faceimit.report import report
from faceimit.tracking.cli import run_command
from tests.run_folders import environment, make_evaluation, make_run, write


def test_a_page_and_its_numbers_are_left_and_the_path_comes_last(tmp_path, capsys):
    run = make_run(tmp_path / "r")
    out, numbers = tmp_path / "out" / "page.html", tmp_path / "page.json"
    assert run_command(report, [str(run), "--out", str(out), "--json", str(numbers)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert out.read_text().startswith("<!DOCTYPE html>")
    content = json.loads(numbers.read_text())
    assert content["kind"] == "run"
    assert content["metrics"]["test/F1"] == pytest.approx(0.7)


def test_without_a_name_the_page_is_named_after_what_it_is_of(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    make_run(tmp_path / "first")
    make_run(tmp_path / "second")
    (tmp_path / "latest").symlink_to("first")
    assert run_command(report, ["latest"]) == 0
    assert run_command(report, ["first", "second"]) == 0
    assert {path.name for path in tmp_path.glob("*.html")} == {"report_first.html", "report_2_runs.html"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere"], "there is nothing at nowhere"),
        (["EMPTY"], "it holds nothing"),
        (["FILE"], "is a file, give its run"),
        (["RUNS"], "is a folder of 2 runs"),
        (["RUN", "--clips", "0"], "at least 1"),
        (["RUN", "--out", "EMPTY"], "is a folder"),
        (["RUN", "--out", "x.html", "--json", "x.html"], "have the same name"),
        (["RUN", "RUN"], "was given twice"),
        (["RUN", "EVALUATION"], "only runs stand side by side"),
        (["EVALUATION", "--recompute"], "--recompute is for runs"),
        (["RUN", "--out", "x.html", "--json", "METRICS"], "would overwrite what is read from"),
        (["RUN", "--out", "x.txt"], "--out writes .html or .htm"),
        (["OTHER", "--any-version", "--recompute"], "is not a checkpoint or is cut short"),
        (["RUN", "--recomputed"], "did you mean --recompute"),
        (["OTHER"], "recorded by faceimit 9.9.9"),
        (["BROKEN"], "metrics.json is no whole JSON file"),
        (["STARTED"], "a config.yaml alone"),
        ([], "required"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "runs"
    places = {
        "RUN": make_run(runs / "a"), "RUNS": runs, "FILE": runs / "a" / "checkpoints" / "best.ckpt",
        "METRICS": runs / "a" / "metrics.json",
        "OTHER": make_run(runs / "b"), "BROKEN": make_run(tmp_path / "broken"), "EMPTY": tmp_path / "empty",
        "EVALUATION": make_evaluation(tmp_path / "e"), "STARTED": tmp_path / "started",
    }  # fmt: skip
    write(places["OTHER"] / "environment.json", environment(0, version="9.9.9"))
    (places["OTHER"] / "checkpoints" / "best.ckpt").write_bytes(b"")
    (places["BROKEN"] / "metrics.json").write_text('{"test/F1": 0.')
    places["EMPTY"].mkdir()
    places["STARTED"].mkdir()
    (places["STARTED"] / "config.yaml").write_text("seed: 0")
    assert run_command(report, [str(places.get(argument, argument)) for argument in arguments]) == 2
    err = capsys.readouterr().err
    assert sentence in err
    assert err.count("\n") == 1
    assert not list(tmp_path.rglob("*.html"))
    assert not (tmp_path / "x.html").exists()


def test_a_broken_checkpoint_is_a_finding(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = make_run(tmp_path / "r")
    assert run_command(report, [str(run), "--out", str(run / "page.html")]) == 0
    assert "is damaged" not in (run / "page.html").read_text()
    best = run / "checkpoints" / "best.ckpt"
    best.write_bytes(best.read_bytes().replace(b"nothing", b"nuthing"))
    assert run_command(report, [str(run), "--out", str(run / "page.html")]) == 0  # a page in the folder is made anew
    assert "best.ckpt is no checkpoint or is damaged" in (run / "page.html").read_text()


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FRAME = """<iframe id="f" style="width:390px;height:800px;border:0" src="page.html"></iframe><p id="out">nothing</p>
<script>document.getElementById("f").onload = function () {
  var page = this.contentDocument;
  var broken = Array.from(page.images).filter(i => !i.naturalWidth).length;
  document.getElementById("out").textContent = page.documentElement.scrollWidth + " " + broken;
}</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to open the page in")
def test_a_phone_shows_the_page_without_scrolling_sideways(tmp_path):
    run, other = make_run(tmp_path / "a_run_with_quite_a_long_name"), make_run(tmp_path / "b", better=0.1)
    make_evaluation(run / "evaluation")
    for arguments in ([str(run)], [str(run), str(other)]):
        assert run_command(report, [*arguments, "--out", str(tmp_path / "page.html")]) == 0
        (tmp_path / "frame.html").write_text(FRAME)
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
        command += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=5000", "--dump-dom"]
        done = subprocess.run(
            [*command, f"file://{tmp_path / 'frame.html'}"], capture_output=True, text=True, timeout=120, check=True
        )
        width, broken = re.search(r'id="out">(\d+) (\d+)', done.stdout).groups()
        assert int(width) <= 390
        assert broken == "0"
