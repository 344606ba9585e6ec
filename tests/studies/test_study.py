import csv
import math
import shutil
import textwrap

import numpy as np
import pytest
from filelock import FileLock

from narrows.disk.files import read_json, write_json
from narrows.errors import InputError, Interrupted, RecipeError, RunFolderError
from narrows.studies import study as studies
from narrows.studies import summing
from narrows.studies.keeping import keep
from narrows.studies.plan import Figure, Row, Study, on
from narrows.studies.report import as_markdown, as_text, summary
from narrows.studies.uncertainty import compared, exact

JOBS = '''
from pathlib import Path
from matplotlib.figure import Figure

def count(work, *, offset: float = 0.0, slope: float = 1.0, fail: bool = False):
    """offset + slope * seed, or what the run before it found, plus 1."""
    with open(work.folder.parent.parent / "calls.txt", "a") as file:
        file.write(f"{work.folder.parent.name} {work.seed}\\n")
    if fail:
        raise KeyboardInterrupt
    figure = Figure()
    figure.add_subplot().plot([0, 1])
    work.figure("line", figure, "A line.")
    work.table("Some", [{"a": 1, "b": 0.5}, {"a": 2, "c": "<b>text</b>"}])
    work.note("A note & a half.")
    return {"value": offset + slope * work.seed, "train/parameters": 7, "quick": float(work.quick)}

def follow(work):
    import json
    return {"value": json.loads((work.earlier() / "outcome.json").read_text())["results"]["value"] + 1}
'''

STUDY = """
name = "counting"
title = "Counting"
description = "What is counted."
minutes = 1
seeds = 3

[[run]]
name = "plain"
job = "counting_jobs:count"

[[run]]
name = "steep"
job = "counting_jobs:count"
sweep = { slope = [2.0, 4.0] }
plot = [{ metric = "value", label = "the value" }]

[[run]]
name = "next"
job = "counting_jobs:follow"
after = "plain"
seeds = 2

[[figure]]
run = "plain"
metric = "value"
label = "value"
reported = 1.05
attribution = "as reported"
source = "a page"
bar = 0.9

[[figure]]
run = "steep"
metric = "value"
label = "value"
kind = "share"
reported = 0.5
attribution = "published elsewhere"
source = "a paper"
better = "lower"
bar = 3.0

[[figure]]
run = "next"
metric = "value"
label = "more than plain"
against = "plain"
better = "near"
bar = 1.0
tolerance = 1e-9
"""


@pytest.fixture
def counting(tmp_path, monkeypatch):
    (tmp_path / "counting_jobs.py").write_text(JOBS)
    (tmp_path / "counting.toml").write_text(STUDY)
    monkeypatch.syspath_prepend(tmp_path)
    return studies.load(tmp_path / "counting.toml")


def calls(out):
    return (out / "calls.txt").read_text().split("\n")[:-1]


def line_of(found, run):
    return next(line for line in found["figures"] if line["run"] == run)


def test_means_spreads_bars_and_comparisons_in_closed_form(counting, tmp_path):
    found = studies.run(counting, tmp_path / "out")
    plain = line_of(found, "plain")
    assert (plain["mean"], plain["n"], plain["values"]) == (1.0, 3, [0.0, 1.0, 2.0])
    assert plain["sd"] == pytest.approx(1.0)
    assert plain["met"]
    assert not plain["unexplained"]
    assert line_of(found, "steep[slope=2.0]")["mean"] == 2.0
    steep = line_of(found, "steep[slope=4.0]")
    assert steep["met"] is False
    assert steep["unexplained"]
    following = line_of(found, "next")
    assert following["values"] == [1.0, 1.0]
    assert following["met"]
    assert found["runs"][0]["parameters"] == 7
    rows = list(csv.DictReader((tmp_path / "out" / "results.csv").open()))
    assert [row["met"] for row in rows if row["metric"] == "value"] == ["yes", "yes", "no", "yes"]
    assert {row["metric"] for row in rows} == {"value", "seconds", "train/parameters"}


AGAINST = """
[[run]]
name = "low"
job = "counting_jobs:count"
with.offset = -1.0
sweep = {{ slope = [4.0, 2.0] }}

[[figure]]
run = "{run}"
metric = "value"
label = "beside"
against = "{against}"
bar = 0.0
"""


def beside(tmp_path, run, against, change=("", ""), **options):
    """The lines of a figure that compares one run or sweep with another."""
    file = tmp_path / "against.toml"
    file.write_text(STUDY.replace(*change) + AGAINST.format(run=run, against=against))
    found = studies.run(studies.load(file), tmp_path / "out", **options)
    return [line for line in found["figures"] if line["label"] == "beside"]


def test_a_sweep_is_compared_with_one_run_or_with_another_sweep_run_by_run(counting, tmp_path):
    lines = beside(tmp_path, "steep", "low")
    assert [(line["run"], line["against"]) for line in lines] == [
        ("steep[slope=2.0]", "low[slope=2.0]"),
        ("steep[slope=4.0]", "low[slope=4.0]"),
    ]
    assert [line["values"] for line in lines] == [[1.0] * 3] * 2
    assert all(line["met"] for line in lines)
    for against, values in (("plain", [0.0, 3.0, 6.0]), ("low[slope=4.0]", [1.0, 1.0, 1.0])):
        assert beside(tmp_path, "steep", against, resume=True)[1]["values"] == values


@pytest.mark.parametrize(
    ("run", "against", "change"),
    [("plain", "low", ("", "")), ("steep", "low", ("[2.0, 4.0]", "[2.0, 8.0]")), ("plain", "steep", ("", ""))],
)
def test_what_has_no_run_beside_it_in_a_sweep_is_not_compared_with_it(counting, tmp_path, run, against, change):
    with pytest.raises(RecipeError, match=r"against must name one run, or a sweep .* one of: (low|steep)\[slope="):
        beside(tmp_path, run, against, change)


def test_a_seed_that_the_other_run_was_not_done_with_is_not_compared(counting, tmp_path):
    (line,) = beside(tmp_path, "plain", "next", seeds=2)
    assert line["values"] == [-1.0, -1.0]
    (line,) = beside(tmp_path, "plain", "next", resume=True)  # whose plan has two seeds of the three
    assert (line["n"], line["values"]) == (2, [-1.0, -1.0])
    shutil.rmtree(tmp_path / "out" / "next" / "seed-1")
    (line,) = beside(tmp_path, "plain", "next", resume=True, seeds=1)
    assert (line["n"], line["values"]) == (1, [-1.0])  # with the first seed alone, which would do for none but itself


def test_runs_without_a_seed_in_common_are_not_said_to_miss_the_bar(counting, tmp_path):
    beside(tmp_path, "plain", "low[slope=2.0]")
    for run, seed in (("plain", 0), ("low_slope=2.0", 1), ("low_slope=2.0", 2)):
        shutil.rmtree(tmp_path / "out" / run / f"seed-{seed}")
    found = summing.summarise(studies.load(tmp_path / "against.toml"), tmp_path / "out", quick=False)
    assert "beside" not in [line["label"] for line in found["figures"]]


def test_a_run_that_by_its_plan_has_one_seed_stands_for_all(counting, tmp_path):
    (line,) = beside(tmp_path, "plain", "next", ("seeds = 2", "seeds = 1"))
    assert line["values"] == [-1.0, 0.0, 1.0]


def test_without_the_other_run_there_is_no_comparison(counting, tmp_path):
    assert beside(tmp_path, "steep", "low", only=["steep"], seeds=1) == []


def test_how_to_compare_needs_something_to_compare_with(counting, tmp_path):
    for idle in ('how = "ratio"', 'against_metric = "other"'):
        (tmp_path / "wrong.toml").write_text(STUDY.replace('against = "plain"', idle))
        with pytest.raises(RecipeError, match=rf"figure of next\.{idle.split()[0]} needs a run to compare with"):
            studies.load(tmp_path / "wrong.toml")


def test_what_is_done_is_not_done_again_and_what_changed_is(counting, tmp_path):
    out = tmp_path / "out"
    studies.run(counting, out, seeds=1)
    assert calls(out) == ["plain 0", "steep_slope=2.0 0", "steep_slope=4.0 0"]
    studies.run(counting, out, seeds=2, resume=True)
    assert calls(out)[3:] == ["plain 1", "steep_slope=2.0 1", "steep_slope=4.0 1"]
    (tmp_path / "counting.toml").write_text(STUDY.replace("[2.0, 4.0]", "[2.0, 5.0]"))
    found = studies.run(studies.load(tmp_path / "counting.toml"), out, seeds=1, resume=True)
    assert calls(out)[6:] == ["steep_slope=5.0 0"]
    assert line_of(found, "plain")["n"] == 2


def test_a_run_that_was_broken_off_is_done_again_and_the_others_are_kept(counting, tmp_path):
    out = tmp_path / "out"
    broken = counting.run[1].model_copy(update={"arguments": {"fail": True}})
    with pytest.raises(KeyboardInterrupt):
        studies.run(counting.model_copy(update={"run": [counting.run[0], broken]}), out, seeds=1)
    found = studies.run(counting, out, seeds=1, resume=True)
    assert calls(out).count("plain 0") == 1
    assert line_of(found, "steep[slope=2.0]")["mean"] == 0.0


def test_a_run_alone_brings_the_one_it_goes_on_from(counting, tmp_path):
    found = studies.run(counting, tmp_path / "out", only=["next"])
    assert [entry["run"] for entry in found["runs"]] == ["plain", "next"]
    found = studies.run(counting, tmp_path / "other", only=["steep"], seeds=1)
    assert [entry["run"] for entry in found["runs"]] == ["steep[slope=2.0]", "steep[slope=4.0]"]


def test_a_quick_look_says_so_in_everything_it_writes(counting, tmp_path):
    out = tmp_path / "out"
    found = studies.run(counting, out, quick=True)
    assert line_of(found, "plain")["n"] == 1
    assert found["runs"][0]["metrics"]["quick"]["mean"] == 1.0
    assert "No figure here means anything" in as_text(found)
    assert "met" not in as_text(found).replace("metric", "").replace("means", "")
    report = (out / "report.html").read_text()
    assert report.count("No figure here means anything") >= 2
    assert all(row["quick"] for row in csv.DictReader((out / "results.csv").open()))
    with pytest.raises(RunFolderError, match="quick look"):
        keep(counting, out, tmp_path / "kept")
    with pytest.raises(RunFolderError, match="continue the study"):
        studies.run(counting, out, resume=True)


def test_the_report_shows_what_jobs_leave_and_lets_nothing_else_in(counting, tmp_path):
    out = tmp_path / "out"
    found = studies.run(counting, out)
    report = (out / "report.html").read_text()
    assert "A note &amp; a half." in report
    assert "&lt;b&gt;text&lt;/b&gt;" in report
    assert "<b>text" not in report
    assert report.count("data:image/png;base64") == 4  # a line of each counting run, and the sweep
    assert "http" not in report.replace("http-equiv", "")
    assert "1.0 ± 1.0" in report
    assert as_markdown(found).count("\n") == 2 + len(found["figures"])
    keep(counting, out, tmp_path / "kept")
    kept, made = (read_json(folder / "results.json") for folder in (tmp_path / "kept", out))
    assert (kept["figures"], kept["runs"]) == (made["figures"], made["runs"])
    assert (tmp_path / "kept" / "figures" / "plain-line.png").is_file()
    assert (tmp_path / "kept" / "figures" / "plain-line-seed-2.png").is_file()


def test_seeds_that_answered_another_question_are_left_out(counting, tmp_path):
    out, file = tmp_path / "out", tmp_path / "counting.toml"
    studies.run(counting, out)
    file.write_text(
        STUDY.replace('job = "counting_jobs:count"\n', 'job = "counting_jobs:count"\nwith.offset = 5.0\n', 1)
    )
    found = studies.run(studies.load(file), out, resume=True, seeds=1)
    assert line_of(found, "plain")["values"] == [5.0]
    assert [entry["seeds"] for entry in found["runs"] if entry["run"].startswith("steep")] == [3, 3]


def test_a_figure_that_could_not_be_had_is_not_reproduced():
    lost = figure("a", "ARI", mean=None) | {"reported": 0.9}
    assert "No reported figures were reproduced" in summary({"figures": [lost]})


def figure(run, label, *, bar=None, n=5, mean=0.5):
    return {
        "run": run,
        "title": f"Run {run}",
        "label": label,
        "kind": "share",
        "mean": mean,
        "sd": None,
        "n": n,
        "statistic": "mean",
        "values": [mean],
        "against": None,
        "how": None,
        "reported": None,
        "attribution": None,
        "bar": bar,
        "better": "higher",
        "met": None if bar is None else True,
        "source": "",
        "why": "",
        "verdict": "" if bar is None else "met",
        "unexplained": False,
    }


def test_figures_that_runs_share_and_nothing_stands_beside_are_laid_out_by_run():
    runs = [str(i) for i in range(6)]
    figures = [figure(run, "NMI", mean=0.1 * int(run)) for run in runs] + [figure(run, "ARI") for run in runs[:5]]
    figures += [figure("5", "ARI", bar=0.4, n=3, mean=0.75), figure("0", "alone")]
    assert "| run | n |" not in as_markdown({"figures": figures, "quick": False})  # five share ARI
    figures += [figure("6", "ARI"), figure("6", "a | b")]
    lines = as_markdown({"figures": figures, "quick": False}).splitlines()
    assert lines == [
        "| run | figure | ours | n | compared with | bar | |",
        "|---|---|---|---|---|---|---|",
        "| Run 5 | ARI | 75.00 % | 3 |  | ≥ 40 % | met |",
        "| Run 0 | alone | 50.00 % | 5 |  |  |  |",
        "| Run 6 | a \\| b | 50.00 % | 5 |  |  |  |",
        "",
        "| run | n | NMI | ARI |",
        "|---|---|---|---|",
        *(f"| Run {run} | 5 | {exact(0.1 * int(run), 'share')} | 50.00 % |" for run in runs[:5]),
        "| Run 5 | 5 | 50.00 % | 75.00 % (n = 3) |",
        "| Run 6 | 5 |  | 50.00 % |",
    ]


def test_a_page_is_built_from_its_template_and_only_its_pictures_are_kept(counting, tmp_path):
    studies.run(counting, tmp_path / "out")
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "page.md").write_text(
        "{{ figures }}\n{{ ours('plain', 'value') }}, {{ mean('plain', 'value') | share }}, "
        "{{ elsewhere('plain', 'value') }}\n![line](page/figures/plain-line-seed-1.png)\n"
    )
    keep(counting, tmp_path / "out", tmp_path / "page")
    page = (tmp_path / "page.md").read_text()
    assert "| run | figure |" in page
    assert "\n1.0 ± 1.0, 100.0 %, 1.05\n" in page
    assert [path.name for path in (tmp_path / "page" / "figures").iterdir()] == ["plain-line-seed-1.png"]
    (tmp_path / "page" / "page.md").write_text("{{ ours('plane', 'value') }}")
    with pytest.raises(InputError, match="plane"):
        keep(counting, None, tmp_path / "page")


def test_what_did_not_change_keeps_its_figures_and_what_changed_does_not(counting, tmp_path):
    studies.run(counting, tmp_path / "out")
    keep(counting, tmp_path / "out", tmp_path / "kept" / "counting")
    file = tmp_path / "counting.toml"
    # A new name and title, a new source; and another slope.
    changed = STUDY.replace('name = "steep"', 'name = "steeper"\ntitle = "Up"').replace(
        'run = "steep"', 'run = "steeper"'
    )
    file.write_text(changed.replace("[2.0, 4.0]", "[2.0, 5.0]").replace("a paper", "another paper"))
    again = keep(studies.load(file), None, tmp_path / "kept" / "counting")
    assert [entry["run"] for entry in again["runs"]] == ["plain", "steeper[slope=2.0]", "next"]
    assert line_of(again, "steeper[slope=2.0]")["source"] == "another paper"
    assert again["runs"][1]["title"] == "Up, slope=2.0"
    # What goes on from another run asks another question, though job and arguments are the same.
    later = [*studies.load(file).run, studies.load(file).run[-1].model_copy(update={"name": "last", "after": "next"})]
    longer = keep(studies.load(file).model_copy(update={"run": later}), None, tmp_path / "kept" / "counting")
    assert "last" not in [entry["run"] for entry in longer["runs"]]
    # Another study that asks the same finds it beside.
    other = studies.load(file).model_copy(update={"name": "other"})
    assert line_of(keep(other, None, tmp_path / "kept" / "other"), "plain")["values"] == [0.0, 1.0, 2.0]
    # More seeds count more than newer ones.
    studies.run(studies.load(file), tmp_path / "new", seeds=1)
    newer = keep(studies.load(file), tmp_path / "new", tmp_path / "kept" / "counting")
    assert {entry["run"]: entry["seeds"] for entry in newer["runs"]} == {
        "plain": 3,
        "steeper[slope=2.0]": 3,
        "steeper[slope=5.0]": 1,
        "next": 2,
    }
    with pytest.raises(RunFolderError, match="needs finished runs"):
        keep(counting, None, tmp_path / "nothing" / "counting")


def figure_of(values, **figure):
    """What a study reports of a number of the run "a" with these values, which is 0 of the run "b"."""
    study = Study(
        name="one",
        title="",
        description="",
        minutes=1.0,
        run=[Row(name=name, job="j") for name in "ab"],
        figure=[Figure(run="a", metric="m", label="l", **figure)],
    )
    entries = [
        {"run": name, "made": [], "metrics": {"m": {"values": known}}, "seed_numbers": list(range(len(known)))}
        for name, known in (("a", values), ("b", [0.0] * len(values)))
    ]
    (line,) = summing.content_of(study, entries, quick=False)["figures"]
    return line


def verdict(values, **figure):
    return figure_of(values, **figure)["verdict"]


def is_far(value, **figure):
    return figure_of([value], **figure)["unexplained"]


def test_a_bar_is_met_by_each_seed_on_the_mean_or_not_and_equal_is_a_tie():
    assert verdict([1.0, 2.0], bar=1.0) == "met by each seed"
    assert verdict([0.5, 2.0], bar=1.0) == "met on the mean, by 1 of 2 seeds"
    assert verdict([0.5, 1.0], bar=1.0) == "not met"
    assert verdict([2.0], bar=1.0) == "met"
    assert verdict([2.0, None], bar=1.0) == "met on the mean, by 1 of 2 seeds"
    assert verdict([1.0, 1.0, 9.0], bar=1.0, better="lower", statistic="median") == "met on the median, by 2 of 3 seeds"
    assert verdict([0.0, 0.0], bar=0.0, against="b") == "a tie"
    assert verdict([0.0, 0.0], bar=0.0) == "met by each seed"
    assert verdict([0.0, 1.0], bar=0.0, against="b") == "met on the mean, by 1 of 2 seeds"
    assert verdict([0.5, 1.0, None], bar=0.0, against="b") == "met on the mean, by 2 of 3 seeds"
    assert verdict([0.0, 0.0, 5.0], bar=0.0, against="b", statistic="median") == "not met"
    assert verdict([-1.0, 1.0], bar=0.0, against="b") == "not met"


def test_a_study_on_data_of_ones_own_has_no_bars_and_leaves_out_runs_on_data_it_draws():
    own = on(studies.load("polygons"), "digits")
    names = [row.name for row in own.run]
    assert "literal" in names
    assert "literal-uniform" not in names
    assert all(row.arguments["source"] == "digits" for row in own.run)
    assert all(figure.reported is None and figure.bar is None for figure in own.figure)
    assert {figure.run for figure in own.figure} <= set(names)
    assert own.description.startswith("Done on digits, and not")
    recipes = on(studies.load("denoising-digits"), "digits")
    assert [row.arguments.get("source") for row in recipes.run] == ["digits", None]


def test_figures_on_other_data_are_not_kept_as_the_studys_own(counting, tmp_path):
    out = tmp_path / "out"
    studies.run(counting, out, seeds=1)
    marker = read_json(out / "study.json")
    write_json(out / "study.json", marker | {"data": "mine.npy"})
    with pytest.raises(RunFolderError, match="other data"):
        keep(counting, out, tmp_path / "kept")


def test_a_folder_of_something_else_is_not_kept_in_and_its_neighbours_do_no_harm(counting, tmp_path):
    studies.run(counting, tmp_path / "out", seeds=1)
    (tmp_path / "runs" / "demo").mkdir(parents=True)
    write_json(tmp_path / "runs" / "demo" / "results.json", {"clustering/accuracy": 0.5})  # of a run, and no study
    found = keep(counting, tmp_path / "out", tmp_path / "runs" / "kept")
    assert len(found["runs"]) == 4
    with pytest.raises(RunFolderError, match="new folder"):
        keep(counting, tmp_path / "out", tmp_path / "runs" / "demo")
    assert read_json(tmp_path / "runs" / "demo" / "results.json") == {"clustering/accuracy": 0.5}
    old = read_json(tmp_path / "runs" / "kept" / "results.json")
    for entry in old["runs"]:
        del entry["asks"]
    write_json(tmp_path / "runs" / "kept" / "results.json", old)
    with pytest.raises(RunFolderError, match="this version"):
        keep(counting, None, tmp_path / "runs" / "kept")


def test_what_went_on_from_another_run_than_todays_is_left_out(counting, tmp_path):
    out, file = tmp_path / "out", tmp_path / "counting.toml"
    studies.run(counting, out)
    file.write_text(
        STUDY.replace('job = "counting_jobs:count"\n', 'job = "counting_jobs:count"\nwith.offset = 5.0\n', 1)
    )
    changed = studies.load(file)
    found = studies.run(changed, out, resume=True, only=["plain"])
    assert "next" not in [entry["run"] for entry in found["runs"]]
    assert line_of(studies.run(changed, out, resume=True), "next")["values"] == [1.0, 1.0]


def test_what_went_on_from_a_run_that_is_itself_left_out_is_left_out(counting, tmp_path):
    chain = '[[run]]\nname = "last"\njob = "counting_jobs:follow"\nafter = "next"\nseeds = 1\n[[figure]]'
    out, file = tmp_path / "out", tmp_path / "counting.toml"
    file.write_text(STUDY.replace("[[figure]]", chain, 1))
    studies.run(studies.load(file), out)
    file.write_text(file.read_text().replace('count"\n', 'count"\nwith.offset = 5.0\n', 1))
    changed = studies.load(file)
    for only in ("steep", "plain"):  # "plain" is others' by now, and then done again, unlike what went on from it
        found = studies.run(changed, out, resume=True, only=[only])
        assert not {"next", "last"} & {entry["run"] for entry in found["runs"]}
    found = {entry["run"]: entry for entry in studies.run(changed, out, resume=True)["runs"]}
    assert found["last"]["metrics"]["value"]["values"] == [7.0]


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"asked": {}}'])
def test_a_damaged_outcome_is_done_again_or_named(counting, tmp_path, damage):
    out = tmp_path / "out"
    studies.run(counting, out)
    outcome = out / "plain" / "seed-2" / "outcome.json"
    outcome.write_text(damage)
    with pytest.raises(RunFolderError, match=r"seed-2.*outcome\.json.*Delete this folder"):
        studies.run(counting, out, resume=True, seeds=1)
    assert line_of(studies.run(counting, out, resume=True), "plain")["values"] == [0.0, 1.0, 2.0]


def test_a_figure_of_somebody_else_says_whose_it_is(counting, tmp_path):
    for change in (('attribution = "as reported"\n', ""), ('source = "a page"\n', ""), ("1.05", "[2.0, 1.0]")):
        (tmp_path / "wrong.toml").write_text(STUDY.replace(*change))
        with pytest.raises(RecipeError, match="plain"):
            studies.load(tmp_path / "wrong.toml")
    (tmp_path / "wrong.toml").write_text(STUDY.replace('"as reported"', '"reported"'))
    with pytest.raises(RecipeError, match="attribution"):
        studies.load(tmp_path / "wrong.toml")


def test_a_range_is_shown_as_one_and_what_lies_in_it_is_near():
    between = {"reported": [0.7, 0.8], "kind": "share"}
    assert not is_far(0.75, **between)
    assert not is_far(0.82, **between)
    assert is_far(0.84, **between)
    assert not is_far(0.68, **between)
    assert is_far(0.66, **between)
    assert compared([0.751, 0.78], "share") == "75.1 to 78 %"


def test_folders_that_are_not_ours_are_left_alone(counting, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("long")
    for options in ({}, {"overwrite": True}, {"resume": True}):
        with pytest.raises(RunFolderError, match="Nothing in it was touched"):
            studies.run(counting, tmp_path / "mine", **options)
    studies.run(counting, tmp_path / "out", seeds=1)
    with pytest.raises(RunFolderError, match="must not exist yet"):
        studies.run(counting, tmp_path / "out")
    studies.run(counting, tmp_path / "out", seeds=1, overwrite=True)
    assert len(calls(tmp_path / "out")) == 3
    assert not (tmp_path / "mine" / ".lock").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="writable folder"):
        studies.run(counting, tmp_path / "file")


def test_a_study_that_is_running_is_not_replaced_under_its_hands(counting, tmp_path):
    studies.run(counting, tmp_path / "out", seeds=1)
    (tmp_path / "out" / "left over").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with FileLock(tmp_path / "out" / ".lock"):
        for options in ({}, {"overwrite": True}, {"resume": True}):
            with pytest.raises(RunFolderError, match="in use by another process"):
                studies.run(counting, tmp_path / "out", seeds=1, **options)
        assert sorted(tmp_path.rglob("*")) == before
    studies.run(counting, tmp_path / "out", seeds=1, overwrite=True)
    assert not (tmp_path / "out" / "left over").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("slope = [", "slop = ["), "slope"),
        (("slope = [2.0, 4.0]", "slope = []"), r"run\.1\.sweep\.slope must .* at least 1"),
        (("seeds = 2", "seedz = 2"), r"run\.2\.seedz is not a setting; got 2\. Did you mean 'seeds'\?.*, with\.$"),
        (('label = "the value"', "labl = 1"), r"run\.1\.plot\.0\.labl is not a setting.*Did you mean 'label'"),
        (('against = "plain"', 'agains = "plain"'), r"figure\.\d\.agains is not a setting.*Did you mean 'against'"),
        (('job = "counting_jobs:follow"', 'job = "folow"'), "known entries"),
        (('after = "plain"', 'after = "later"'), "must name an earlier run"),
        (('run = "next"', 'run = "nxt"'), r"figure\.run .* Did you mean 'next'"),
        (('against = "plain"', 'against = "plan"'), r"figure\.against .* Did you mean 'plain'"),
        (("seeds = 3", "seed = 3"), "seed"),
        (("seeds = 3", "seeds = 0"), "seeds"),
        (('name = "next"', 'name = "plain"'), "unique name"),
        (("[[run]]", "[[run"), "valid TOML"),
    ],
)
def test_mistakes_in_a_study_file_are_named(counting, tmp_path, change, message):
    (tmp_path / "wrong.toml").write_text(STUDY.replace(*change))
    with pytest.raises(RecipeError, match=message):
        studies.load(tmp_path / "wrong.toml")


def test_unknown_names_get_a_remedy(counting, tmp_path):
    with pytest.raises(RecipeError, match="must be one that ships with narrows"):
        studies.load("fashion-clasifiers")
    with pytest.raises(RecipeError, match="name a run"):
        studies.run(counting, tmp_path / "out", only=["plane"])


def test_an_interrupt_leaves_what_is_done(counting, tmp_path, monkeypatch):
    once = """
        import time
        from narrows.errors import Interrupted
        time.sleep(0.05)
        if not (work.folder / "before").exists():
            (work.folder / "before").touch()
            raise Interrupted(15)
    """
    (tmp_path / "interrupted_jobs.py").write_text(
        JOBS.replace("raise KeyboardInterrupt", textwrap.dedent(once).strip().replace("\n", "\n        "))
    )
    stopped = counting.run[1].model_copy(update={"job": "interrupted_jobs:count", "arguments": {"fail": True}})
    study, out = counting.model_copy(update={"run": [counting.run[0], stopped]}), tmp_path / "out"
    with pytest.raises(Interrupted):
        studies.run(study, out, seeds=1)
    assert (out / "plain" / "seed-0" / "outcome.json").is_file()
    outcome = out / "steep_slope=2.0" / "seed-0" / "outcome.json"
    assert not outcome.exists()
    studies.run(study, out, seeds=1, resume=True)
    assert read_json(outcome)["seconds"] >= 0.1  # both attempts


def test_a_far_figure_needs_an_explanation():
    assert not is_far(0.53, reported=0.5, kind="share")
    assert is_far(0.5301, reported=0.5, kind="share")
    assert not is_far(0.5301, reported=0.5, kind="share", why="another set")
    assert not is_far(2.2, reported=2.0)
    assert is_far(1.79, reported=2.0)
    assert not is_far(1.79, reported=2.0, tolerance=0.3)
    assert not is_far(None, reported=2.0)


def test_no_number_is_a_gap_and_not_a_zero():
    found = figure_of([None, 1.0, 3.0])
    assert (found["mean"], found["n"]) == (2.0, 2)
    assert found["sd"] == pytest.approx(math.sqrt(2))
    found = figure_of([None], bar=1.0)
    assert found["mean"] is None
    assert found["met"] is False


def test_few_rows_keep_every_part_and_every_class():
    from narrows.data.dataset import Dataset
    from narrows.studies.jobs import QUICK_ROWS, few

    labels = np.repeat(np.arange(10), 400)
    parts = np.where(np.arange(4000) % 2 == 0, "train", "test")
    small = few(Dataset(np.zeros((4000, 2), np.float32), labels=labels, split=parts))
    assert len(small) == 2 * QUICK_ROWS
    assert small.n_classes == 10
    assert len(few(small)) == len(small)


def test_the_command_line_lists_and_runs(counting, tmp_path, monkeypatch, capsys):
    from typer.testing import CliRunner

    from narrows.cli.app import app

    result = CliRunner().invoke(app, ["study", "list"])
    assert "polygons" in result.output or "fashion-classifiers" in result.output
    arguments = ["study", str(tmp_path / "counting.toml"), "--out", str(tmp_path / "out"), "--seeds", "2"]
    result = CliRunner().invoke(app, [*arguments, "--keep", str(tmp_path / "kept")])
    assert result.exit_code == 0, result.output
    assert "reported" in result.output
    assert (tmp_path / "kept" / "results.csv").is_file()
    assert textwrap.dedent(result.output).strip().endswith("report.html")
