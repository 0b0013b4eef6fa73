import datetime
import importlib
import json
import re

import numpy as np
import pytest
from PIL import Image

from faceimit.errors import InputError
from faceimit.tracking.report_compare import differences, names_of, only_seeds_differ
from faceimit.tracking.report_figures import ClipScore, curve_figure, score_figure
from faceimit.tracking.report_findings import best_step, findings_of, monitor
from faceimit.tracking.report_keyframes import EXTRA, HIT, MISSED, WEAK, verdicts
from faceimit.tracking.report_measured import spread
from faceimit.tracking.report_open import Wanted, kind_of, plain, report_of
from faceimit.tracking.report_prose import prose
from faceimit.tracking.report_record import Curve, read_run
from faceimit.tracking.report_tables import clip_blocks, group_bars, method_blocks, plain_table
from faceimit.tracking.report_words import best, headlines, meaning
from tests.run_folders import CHOSEN, TASKS, make_evaluation, make_run, write, write_rows
from tests.tracking.test_page import Outline

OUTSIDE = re.compile(r"""(?:src|href)\s*=\s*["'](?!data:|\#)""")


def page_of(*folders, **wanted):
    return report_of(list(folders), Wanted(**wanted))


def words_of(html):
    return " ".join(" ".join(Outline(html).words).split())


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)


@pytest.mark.parametrize("kind", TASKS)
def test_every_figure_a_task_logs_has_a_meaning_and_its_choice_is_found(kind):
    module, _, name = TASKS[kind].rpartition(".")
    task = getattr(importlib.import_module(module), name)
    assert [figure for figure in task.metrics if meaning(figure) is None] == []
    run = type("Run", (), {"config": {}, "curves": dict.fromkeys(task.metrics)})
    assert monitor(run) == task.monitor[0] == CHOSEN[kind]
    assert meaning(task.monitor[0]).better == {"min": "lower", "max": "higher"}[task.monitor[1]]


def test_the_best_is_known_by_its_direction_only_where_there_is_one():
    assert best("test/F1", [0.2, None, 0.5]) == 0.5
    assert best("test/E_n", [2.0, 3.0]) == 2.0
    assert best("val/correlation", [0.1, 0.2]) == 0.2
    assert best("train/correlation", [0.1, 0.2]) == 0.1  # of the training it is a loss
    assert best("test/F1", [0.5, 0.5]) is None
    assert best("test/F1", [0.5]) is None
    assert best("fit/seconds", [1.0, 2.0]) is None
    assert headlines({"val/F1": 0.1, "test/F1": 0.2, "test/mse": 1.0}) == ["test/F1"]


@pytest.mark.parametrize("kind", TASKS)
def test_the_page_of_a_run_shows_its_figures_and_asks_the_net_for_nothing(tmp_path, kind):
    made = page_of(make_run(tmp_path / "r", kind))
    words = words_of(made.html)
    assert not OUTSIDE.search(made.html)
    assert all(f"{value:.4g}" in words for name, value in made.content["metrics"].items() if name.startswith("test/"))
    assert "Training curves" in words
    assert "0123456789abcdef" in words
    assert all(re.search(r'alt="[^"]+"', tag) for tag in re.findall(r"<img [^>]*>", made.html))
    assert json.dumps(made.content, allow_nan=False)


def test_what_is_missing_is_said(tmp_path):
    folder = make_run(tmp_path / "r", finished=False)
    (folder / "data.json").unlink()
    (folder / "checkpoints" / "best.ckpt").unlink()
    words = words_of(page_of(folder).html)
    for text in ("had not ended", "no checkpoint", "errors of each clip were not recorded", "data.json is missing"):
        assert text in words


def test_findings_tell_a_training_that_was_too_short_from_one_that_overfits(tmp_path):
    run = read_run(make_run(tmp_path / "r"))
    assert best_step(run) == 29
    assert any("at the last validation" in finding.text for finding in findings_of(run, ["clips"], True))
    early = Curve(np.array([9, 19, 29]), np.array([0.1, 0.2, 0.3]))
    run.curves["val/loss"] = early
    assert any("no better later" in finding.text for finding in findings_of(run, ["clips"], True))


def test_recorded_clips_come_with_the_worst_on_top_and_their_scores(tmp_path):
    folder = make_run(tmp_path / "r")
    rows = [{"clip": "fine", "frames": 50, "E_n": 0, "F1": 0.9}, {"clip": "bad", "frames": 50, "E_n": 5, "F1": 0.1}]
    write_rows(folder / "tables" / "clips.csv", rows)
    clip = {"clip": "bad", "fps": 25.0, "score": [0.1, 0.9], "target": [0.2, 0.3], "keyframes": [1], "true": [0, 1]}
    write(folder / "tables" / "scores.json", {"clips": [clip]})
    words = words_of(page_of(folder).html)
    assert words.index("bad") < words.index("fine")
    assert "1 keyframe found, 2 true" in words
    assert "were not recorded" not in words


def test_controls_of_other_pictures_stand_beside_the_robots(tmp_path):
    folder = make_run(tmp_path / "r", "control")
    for name, error in (("controls", 0.1), ("controls_human", 0.3)):
        rows = [{"control": "Jaw Pitch", "part": "jaw", "unit": "", "MAE": error, "MAE_in_unit": error}]
        write_rows(folder / "tables" / f"{name}.csv", rows)
    words = words_of(page_of(folder).html)
    assert "Jaw Pitch" in words
    assert "MAE_human" in words
    assert "error of each control was not recorded" not in words


def test_hostile_names_are_escaped(tmp_path):
    folder = make_run(tmp_path / "r", lr="<script>alert(1)</script>")
    write_rows(folder / "tables" / "clips.csv", [{"clip": "<img src=x onerror=y>", "F1": 0.5}])
    (folder / "diff.patch").write_text("+<script>")
    html = page_of(folder).html
    assert "<script>" not in html
    assert "<img src=x" not in html


def test_several_runs_stand_side_by_side_with_the_best_marked(tmp_path):
    first, second = make_run(tmp_path / "a"), make_run(tmp_path / "b", better=0.1, lr=0.01)
    made = page_of(first, second)
    rows = re.findall(r"<tr>(.*?)</tr>", made.html, re.DOTALL)
    f1 = next(row for row in rows if ">F1<" in row)
    assert re.search(r'<b class="best">0\.8<', f1)
    assert '<b class="best">0.7<' not in f1
    assert made.content["differences"] == {"task.lr": [0.001, 0.01]}
    assert set(made.content["runs"]) == {"a", "b"}


def test_repetitions_get_a_mean_and_a_deviation(tmp_path):
    runs = [make_run(tmp_path / f"s{seed}", seed=seed, better=0.1 * seed) for seed in (0, 1, 2)]
    words = words_of(page_of(*runs).html)
    assert "Only the seeds differ" in words
    assert re.search(r"F1 0\.7 0\.8 0\.9 \(best\) 0\.8 0\.1 ", words)
    assert only_seeds_differ([read_run(run) for run in runs])


def test_runs_on_other_clips_are_called_so(tmp_path):
    first, second = make_run(tmp_path / "a"), make_run(tmp_path / "b")
    write(second / "data.json", {"counts": {}, "fingerprint": {"test": {"items": 2, "digest": "other"}}})
    assert "not the same clips" in words_of(page_of(first, second).html)


def test_runs_that_did_not_record_their_clips_are_not_said_to_have_others(tmp_path):
    first, second = make_run(tmp_path / "a"), make_run(tmp_path / "b")
    (second / "data.json").unlink()
    words = words_of(page_of(first, second).html)
    assert "Not every run recorded which test clips it saw" in words
    assert "not the same clips" not in words


def test_a_figure_that_was_never_a_number_is_no_curve(tmp_path):
    folders = [make_run(tmp_path / name) for name in "ab"]
    for folder in folders:
        write_rows(folder / "metrics.csv", [{"step": 1, "val/loss": 1.0, "val/E_l_matched": "nan"}])
    for html in (page_of(*folders).html, page_of(folders[0]).html):
        assert "val/loss over the training steps" in html
        assert "val/E_l_matched over the training steps" not in html


def test_numbers_are_plain_whatever_the_settings_hold():
    found = plain({"a": float("nan"), "b": (1, True, None), 3: datetime.date(2026, 1, 2)})
    assert found == {"a": None, "b": [1, True, None], "3": "2026-01-02"}


def test_an_evaluation_without_methods_is_refused(tmp_path):
    folder = make_evaluation(tmp_path / "e")
    write_rows(folder / "results.csv", [{"F1": 1}])
    with pytest.raises(InputError, match="no column method"):
        page_of(folder)


def test_names_of_runs_are_short_and_differ(tmp_path):
    folders = [
        tmp_path / "x" / "2026-11-21_13-53-50-3d8226",
        tmp_path / "x" / "2026-11-21_13-58-04-16b266",
        tmp_path / "z",
    ]
    runs = [read_run(make_run(folder)) for folder in folders]
    assert names_of(runs) == ["keyframe 3d8226", "keyframe 16b266", "z"]
    assert names_of(runs[1:]) == ["keyframe", "z"]


def test_differences_name_what_only_one_has():
    assert differences([{"a": {"b": 1}}, {"a": {"b": 1, "c": 2}}]) == {"a.c": [None, 2]}


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("twice", "was given twice"),
        ("other task", "which share no figure"),
        ("not a run", "only runs stand side by side"),
        ("recompute", "--recompute is for one run"),
    ],
)
def test_runs_that_cannot_stand_side_by_side_are_refused(tmp_path, how, sentence):
    first = make_run(tmp_path / "a")
    second = first if how == "twice" else make_run(tmp_path / "b", "flow" if how == "other task" else "keyframe")
    if how == "not a run":
        second = make_evaluation(tmp_path / "e")
    with pytest.raises(InputError, match=sentence):
        page_of(first, second, recompute=how == "recompute")


def test_an_evaluation_ranks_methods_and_clips(tmp_path):
    folder = make_evaluation(tmp_path / "e")
    picture(folder / "plots" / "one.png")
    html = page_of(folder).html
    words = words_of(html)
    assert re.search(r'<b class="best">0\.7<', html)
    assert '<b class="best">0.9<' not in html  # the truth with noise is no rival
    assert words.index("clip_bad") < words.index("clip_good")
    assert "frame_difference" in words
    assert "frame difference" not in words  # values stand as they are in the files
    assert not OUTSIDE.search(html)


def test_a_few_methods_are_named_without_others(tmp_path):
    folder = make_evaluation(tmp_path / "e")
    assert f"faceimit, frame_difference, truth_with_noise, {folder}" in words_of(page_of(folder).html)


def test_a_clip_without_keyframes_in_which_none_was_found_is_not_the_worst():
    rows = [{"clip": "still", "E_n": "0", "F1": ""}, {"clip": "fine", "E_n": "0", "F1": "0.9"}]
    rows.append({"clip": "bad", "E_n": "5", "F1": "0.1"})
    assert [row[0] for row in next(iter(clip_blocks(rows))).rows] == ["bad", "fine", "still"]


def test_the_best_of_the_others_stands_beside_each_clip(tmp_path):
    rows = [
        {"method": "ours", "clip": "a", "F1": "0.5"},
        {"method": "without_flow", "clip": "a", "F1": "0.6"},
        {"method": "truth_with_noise", "clip": "a", "F1": "0.9"},
    ]
    table = next(iter(clip_blocks(rows)))
    assert table.rows == [["a", 0.5, 0.6, "without_flow"]]
    methods, *_, folded = method_blocks(make_rows(rows))
    assert [row[0] for row in methods.rows] == ["ours", "without_flow", "truth_with_noise"]
    assert len(folded.blocks) == 1


def test_values_stand_in_tables_as_they_are_in_files():
    row = {"method": "resnet50_without_flow", "file": "a_b.csv", "seed": "20000000", "commit": "7583603", "F1": "0.5"}
    assert plain_table([row])[0].rows == [["resnet50_without_flow", "a_b.csv", "20000000", "7583603", 0.5]]
    (figures, _) = group_bars([{"control": "jaw_open", "MAE": "0.5"}], "control", "controls")
    assert "worst jaw_open" in figures.items[0].alt
    assert b"<!-- jaw_open -->" in figures.items[0].data  # as Matplotlib notes what it draws


def make_rows(rows):
    return [{"method": row["method"], "F1": row["F1"], "seed": "0"} for row in rows]


def test_a_sweep_shows_its_ranking_and_what_failed(tmp_path):
    rows = [
        {"rank": 1, "state": "complete", "best test/F1": 0.7, "task.lr": 0.01, "test/F1": 0.7, "test/mse": 0.1},
        {"rank": "", "state": "failed", "task.lr": 0.02, "reason": "out of memory"},
    ]
    write_rows(tmp_path / "s" / "ranking.csv", rows)
    assert kind_of(tmp_path / "s") == "sweep"
    words = words_of(page_of(tmp_path / "s").html)
    assert "Best of 2 trials: best test/F1 0.7, task.lr 0.01" in words
    assert "1 of 2 trials: failed. out of memory" in words
    assert "no plot beside the ranking" in words


def test_the_best_settings_of_a_sweep_have_as_many_digits_as_people_read(tmp_path):
    row = {"rank": 1, "state": "complete", "best val/F1": 0.71234, "task.lr": 0.0003121579404686128}
    row |= {"task.kernels": "[5, 3]", "task.width": 128, "budget.steps": 200000, "task.backbone": "mobilenet_v3_small"}
    write_rows(tmp_path / "s" / "ranking.csv", [row | {"test/F1": 0.5}])
    made = page_of(tmp_path / "s")
    said = "best val/F1 0.7123, task.lr 0.0003122, task.kernels [5, 3], task.width 128, budget.steps 200000, "
    assert f"{said}task.backbone mobilenet_v3_small." in words_of(made.html)
    assert made.content["tables"]["ranking"][0]["task.lr"] == "0.0003121579404686128"


def test_all_columns_of_a_sweep_stand_below_each_other_with_a_column_a_trial(tmp_path):
    about = {"state": "complete", "val/E_n": 0.123456, "commit": "c66245ed5faf8751f9e317b43ace38130e1c2a3b"}
    rows = [{"rank": 1 + number, "trial": 7 - number} | about for number in range(32)]
    write_rows(tmp_path / "s" / "ranking.csv", rows)
    words = words_of(page_of(tmp_path / "s").html).split("All 5 columns")[1]
    assert "The best 30 of 32 trials; ranking.csv has them all. trial 7 trial 6 " in words
    assert "c66245ed5faf8751f9e… c66245ed5faf8751f9e…" in words
    assert "val/E_n 0.1235 0.1235" in words


def test_a_sweep_in_which_nothing_was_measured_has_no_best_trial(tmp_path):
    rows = [{"rank": "", "state": "failed", "task.lr": 0.02, "reason": "out of memory"}]
    write_rows(tmp_path / "s" / "ranking.csv", rows)
    words = words_of(page_of(tmp_path / "s").html)
    assert "No trial has a figure" in words
    assert "Best of" not in words


README = """# Some claim

**Claim.** Text with [a file](other.py), [the net](https://example.org) and <script>alert(1)</script>.

<!-- table: results.csv | a: A -->
| A |
|---|
| 1 |
<!-- end of table -->

![a plot](plot.png) ![elsewhere](../secret.png) ![the net](https://example.org/x.png)
"""


def test_an_experiment_is_its_readme_with_pictures_inside(tmp_path):
    folder = tmp_path / "claim"
    picture(folder / "plot.png")
    picture(tmp_path / "secret.png")
    (folder / "README.md").write_text(README)
    write_rows(folder / "results.csv", [{"a": 1, "commit": "abc"}])
    html = page_of(folder).html
    assert "<script>" not in html
    assert html.count("data:image/png") == 1
    assert "other.py" not in html
    assert not re.search(r'src="(?!data:)', html)
    words = words_of(html)
    assert "Some claim" in words
    assert "elsewhere" in words


def test_a_readme_out_of_step_with_its_tables_is_said(tmp_path):
    folder = tmp_path / "claim"
    folder.mkdir()
    (folder / "README.md").write_text(README)
    write_rows(folder / "results.csv", [{"a": 2}])
    words = words_of(page_of(folder).html)
    assert "not those of the CSV files" in words
    assert "does not say of which commit" in words


def test_prose_without_a_heading_has_no_title(tmp_path):
    title, text, used = prose("just words", tmp_path)
    assert (title, used) == ("", [])
    assert text.html == "<p>just words</p>\n"


def test_a_damaged_picture_is_named(tmp_path):
    (tmp_path / "README.md").write_text("![x](broken.png)")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG but no more")
    with pytest.raises(InputError, match=r"broken\.png is no whole picture"):
        page_of(tmp_path)


def test_keyframes_are_matched_one_to_one_the_nearest_first():
    assert verdicts([10, 11, 30, 50], [11, 80], [31]) == {10: EXTRA, 11: HIT, 30: WEAK, 50: EXTRA, 80: MISSED}
    assert verdicts([9], [10, 8], []) == {9: HIT, 10: MISSED}
    assert verdicts([], [5], []) == {5: MISSED}


def test_clips_are_drawn_from_the_worst_to_the_best():
    assert spread([0.5, 0.1, 0.9, 0.3], 3) == [1, 0, 2]
    assert spread([0.5], 4) == [0]


def test_figures_say_in_words_what_they_draw():
    curve = Curve(np.arange(5), np.linspace(1.0, 0.5, 5))
    figure = curve_figure("val/NME", {"a": curve, "b": curve})
    assert figure.alt == "val/NME over the training steps: a from 1 to 0.5; b from 1 to 0.5"
    assert "%" in figure.caption
    clip = ClipScore("c", 25.0, np.array([np.nan, 0.5, 0.2]), np.array([0.1, 0.6, 0.1]), [1], [])
    assert "1 keyframe found, 0 true" in score_figure(clip).alt
