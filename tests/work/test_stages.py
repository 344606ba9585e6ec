"""Steps are done once as long as their files are intact; a stop loses at most one step."""

import contextlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tomlkit
from filelock import FileLock

from narrows import pipeline
from narrows.disk import claims, files
from narrows.disk.claims import claimed
from narrows.errors import Interrupted, RunFolderError
from narrows.recipes import recipe as recipes
from narrows.runs import EDITS_LOCK, Run, making
from narrows.steps import Step, in_order
from narrows.steps.draw import Draw
from narrows.steps.measure import Measure
from narrows.steps.project import Project
from narrows.steps.report import Report
from narrows.studies import study as studies
from narrows.work import stages
from narrows.work.stages import Stages

pytestmark = pytest.mark.usefixtures("undrawn")

QUICK = ("train.epochs=1", "train.batch_size=128", "projection.name=pca", "data.limit=200", "clustering.n_clusters=3")
FORMER = Path(__file__).parents[1] / "former" / "made"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return pipeline.run(quick(), tmp_path_factory.mktemp("runs") / "r")


def full(*_):
    raise OSError(28, "No space left on device")


def quick():
    return recipes.load("digits", QUICK)


class Work:
    """Steps that write one file each and count how often they were done."""

    def __init__(self, folder):
        self.folder, self.done = folder, []

    def do(self, steps, name, after=(), **options):
        def work():
            self.done.append(name)
            (self.folder / f"{name}.txt").write_text(name)
            return {"results": {name: len(self.done)}}

        return steps.do(name, work, after=after, files=[f"{name}.txt"], **options)

    def all(self, **options):
        steps = Stages(self.folder)
        for name, after in (("a", ()), ("b", ("a",)), ("c", ("a",)), ("d", ("b",))):
            self.do(steps, name, after, **options)
        found, self.done = self.done, []
        return found


def test_a_step_is_done_once_and_again_with_those_that_depend_on_it_and_no_others(tmp_path):
    work = Work(tmp_path)
    assert work.all() == ["a", "b", "c", "d"]
    assert work.all() == []
    (tmp_path / "b.txt").write_text("changed")
    assert work.all() == ["b", "d"]
    (tmp_path / "c.txt").unlink()
    assert work.all() == ["c"]
    (tmp_path / "steps" / "a.json").write_text("{")  # a damaged record is none
    assert work.all() == ["a", "b", "c", "d"]
    assert work.all(asked={"seed": 1}) == ["a", "b", "c", "d"]


def test_a_step_says_what_it_is_made_of(tmp_path):
    Work(tmp_path).all()
    record = json.loads((tmp_path / "steps" / "d.json").read_text())
    assert record["files"] == {"d.txt": files.sha256(tmp_path / "d.txt")}
    assert record["asked"] == {"after": [files.sha256(tmp_path / "steps" / "b.json")]}
    assert record["results"] == {"d": 4}


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", "3", "null", "{}", '"text"', '{"asked": 1, "files": [], "seconds": "x"}']
)
def test_a_damaged_record_is_none(tmp_path, damage):
    work = Work(tmp_path)
    work.all()
    (tmp_path / "steps" / "c.json").write_text(damage)
    assert Stages(tmp_path).record("c") is None
    assert work.all() == ["c"]


def test_numbers_that_somebody_changed_in_a_record_are_found_again(tmp_path):
    work = Work(tmp_path)
    work.all()
    path = tmp_path / "steps" / "c.json"
    for change in ({"results": {"c": 99}}, {"results": None}, {"seconds": 1e6}, {"files": {}}):
        path.write_text(json.dumps(json.loads(path.read_text()) | change))
        assert work.all() == ["c"]
        assert json.loads(path.read_text())["results"] == {"c": 1}


def test_what_is_no_number_is_none_in_memory_and_on_disk(tmp_path):
    for steps in (Stages(), Stages(tmp_path)):
        found = steps.do("x", lambda: {"results": {"a": float("nan"), "b": np.float64(np.inf), "c": np.int64(3)}})
        assert found.found == {"results": {"a": None, "b": None, "c": 3}}
    assert Stages(tmp_path).record("x").found == found.found


def test_a_full_disk_does_not_hide_what_stopped_a_step(tmp_path, monkeypatch):
    def stopped():
        monkeypatch.setattr(stages, "write_json", full)
        raise Interrupted(15)

    with pytest.raises(Interrupted):
        Stages(tmp_path).do("x", stopped)


def test_a_stopped_step_is_not_done_and_its_time_counts(tmp_path, monkeypatch):
    clock = iter([0.0, 5.0, 100.0, 102.0])
    monkeypatch.setattr(stages.time, "perf_counter", lambda: next(clock))

    def stopped():
        raise Interrupted(15)

    with pytest.raises(Interrupted):
        Stages(tmp_path).do("long", stopped)
    assert Stages(tmp_path).record("long") is None
    assert Stages(tmp_path).do("long", dict).seconds == 7.0
    assert [path.name for path in (tmp_path / "steps").iterdir()] == ["long.json"]


def test_no_step_begins_after_a_stop_was_asked_for_and_done_ones_are_still_found(tmp_path):
    work = Work(tmp_path)
    work.all()
    steps = Stages(tmp_path, stop=lambda: 15)
    work.do(steps, "a")
    with pytest.raises(Interrupted, match="stopped before e"):
        work.do(steps, "e")
    assert work.done == []


def test_a_step_that_is_stopped_as_it_is_done_again_is_not_done(tmp_path):
    work = Work(tmp_path)
    work.all()
    (tmp_path / "a.txt").write_text("changed")

    def stopped():
        raise Interrupted(15)

    with pytest.raises(Interrupted):
        Stages(tmp_path).do("a", stopped, files=["a.txt"])
    assert Stages(tmp_path).record("a") is None


def test_a_step_that_owns_more_files_than_it_left_is_done_again(tmp_path):
    work = Work(tmp_path)
    work.all()
    assert work.all() == []
    record = Stages(tmp_path).do("d", dict, after=["b"], files=["d.txt", "more-*.txt"])
    assert record.found == {"results": {"d": 4}}  # of none that match there is nothing to miss
    record = Stages(tmp_path).do("d", dict, after=["b"], files=["d.txt", "e.txt"])
    assert record.found == {}


def test_what_another_question_left_is_cleared_and_what_the_same_one_left_is_not(tmp_path):
    cleared = []

    def stopped():
        raise Interrupted(15)

    def ask(work, seed):
        Stages(tmp_path).do("x", work, asked={"seed": seed}, clear=lambda: cleared.append(seed))

    for work, seed in ((stopped, 0), (stopped, 0), (stopped, 1), (dict, 1), (dict, 1)):
        with contextlib.suppress(Interrupted):
            ask(work, seed)
    assert cleared == [0, 1]


def test_steps_in_memory_are_done_once_too():
    steps, made = Stages(), []
    steps.begin({})
    for _ in range(2):
        arrays, notes = steps.arrays("x", lambda: (made.append(1) or {"x": np.arange(3.0)}, ["said"]))
    assert (arrays["x"].tolist(), notes, made) == ([0, 1, 2], ("said",), [1])
    steps.begin({})  # of something else
    steps.arrays("x", lambda: (made.append(1) or {}, []))
    assert made == [1, 1]


def test_a_folder_of_steps_has_one_process(tmp_path):
    with Stages(tmp_path).held(), pytest.raises(RunFolderError, match="in use"), Stages(tmp_path).held():
        pass


def test_what_others_put_into_a_folder_before_it_was_locked_stays(tmp_path, monkeypatch):
    real = FileLock.acquire

    def late(self, *given, **options):
        (tmp_path / "r" / "photo.png").write_bytes(b"dear")
        return real(self, *given, **options)

    monkeypatch.setattr(FileLock, "acquire", late)
    with (
        pytest.raises(RunFolderError, match="Nothing in it was touched"),
        claimed(tmp_path / "r", "a run", "manifest.json", came_about=lambda: False),
    ):
        pass
    assert (tmp_path / "r" / "photo.png").read_bytes() == b"dear"


def test_the_lock_goes_whatever_is_asked_at_the_end(tmp_path):
    def gone():
        raise PermissionError(13, "Permission denied")

    for _ in range(2):
        with claimed(tmp_path / "r", "a run", "manifest.json", came_about=gone):
            pass


# Runs


@pytest.mark.parametrize("step", [Project, Measure, Draw, Report])
def test_a_run_that_is_stopped_in_a_step_redoes_that_step_alone(step, tmp_path, monkeypatch):
    done = []

    def counted(name, do):
        return lambda self, job: done.append(name) or do(self, job)

    for name, one in in_order().items():
        monkeypatch.setattr(type(one), "do", counted(name, type(one).do))
    real = step.do

    def stopped(self, job):
        real(self, job)  # everything is written but the record
        raise Interrupted(15)

    with monkeypatch.context() as patched:
        patched.setattr(step, "do", stopped)
        with pytest.raises(Interrupted):
            pipeline.run(quick(), tmp_path / "r")
    names = list(in_order())
    reached, done[:] = done[-1], []
    run = pipeline.run(quick(), tmp_path / "r", resume=True)
    assert done == names[names.index(reached) :]
    whole = pipeline.run(quick(), tmp_path / "whole")
    assert run.tables == whole.tables
    assert (run.folder / "predictions.csv").read_bytes() == (whole.folder / "predictions.csv").read_bytes()


def test_a_run_with_a_damaged_manifest_goes_on_and_can_be_replaced(tmp_path):
    first = pipeline.run(quick(), tmp_path / "r")
    trained = (tmp_path / "r" / "model.safetensors").stat().st_mtime_ns
    before = first.manifest["files"]
    for damage in ("", "{", "[]", '{"files": 3}'):
        (tmp_path / "r" / "manifest.json").write_text(damage)
        with pytest.raises(RunFolderError, match=r"manifest\.json"):
            Run(tmp_path / "r").results  # noqa: B018
        again = pipeline.run(quick(), tmp_path / "r", resume=True)
        assert again.finished
        assert {name for name in before if again.manifest["files"][name] != before[name]} == {"environment.json"}
    assert (tmp_path / "r" / "model.safetensors").stat().st_mtime_ns == trained
    (tmp_path / "r" / "manifest.json").write_text("{")
    lock = tmp_path / "r" / EDITS_LOCK
    lock.touch()
    before = lock.stat().st_ino
    anew = pipeline.run(quick(), tmp_path / "r", overwrite=True)
    assert anew.finished
    assert lock.stat().st_ino == before  # while it is held, nobody else must find a new one in its place
    assert EDITS_LOCK not in anew.manifest["files"]
    assert (tmp_path / "r" / "model.safetensors").stat().st_mtime_ns > trained


def test_a_full_disk_at_the_start_is_said_and_keeps_no_lock(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(claims, "write_json", full)
        with pytest.raises(OSError, match="No space left"):
            pipeline.run(quick(), tmp_path / "r")
    assert not (tmp_path / "r").exists()
    with monkeypatch.context() as patched:
        patched.setattr(making, "write_json", full)
        with pytest.raises(OSError, match="No space left"):
            pipeline.run(quick(), tmp_path / "r")
    assert not (tmp_path / "r").exists()
    pipeline.run(quick(), tmp_path / "r")


@pytest.mark.parametrize("file", ["environment.json", "results.json", "tables.json", "manifest.json"])
def test_a_disk_that_is_full_as_a_run_is_gone_on_with_costs_nothing(made, file, tmp_path, monkeypatch):
    folder = shutil.copytree(made.folder, tmp_path / "r")
    write = making.write_json
    with monkeypatch.context() as patched:
        patched.setattr(
            making, "write_json", lambda path, content: full() if path.name == file else write(path, content)
        )
        with pytest.raises(OSError, match="No space left"):
            pipeline.run(quick(), folder, resume=True)
    before = (folder / "steps" / "report.json").stat().st_mtime_ns
    assert pipeline.run(quick(), folder, resume=True).finished
    assert (folder / "steps" / "report.json").stat().st_mtime_ns == before


def test_numbers_are_merged_of_steps_that_all_they_come_after_still_stand_behind(made, tmp_path, monkeypatch):
    folder = shutil.copytree(made.folder, tmp_path / "r")
    (folder / "steps" / "open.json").unlink()

    def stopped(self, job):
        raise Interrupted(15)

    monkeypatch.setattr(Measure, "do", stopped)
    merged = []
    write = making.write_json

    def seen(path, content):
        if path.name == "manifest.json":
            merged.append(list(content["stages"]))
        write(path, content)

    monkeypatch.setattr(making, "write_json", seen)
    with pytest.raises(Interrupted):
        pipeline.run(quick(), folder, resume=True)
    first = ["open", "train", "encode", "cluster", "project"]
    assert merged == [first[:count] for count in range(len(first) + 1)]


def test_the_time_of_what_shows_the_numbers_is_none_of_them(made):
    times = {name: value for name, value in made.results.items() if name.startswith("time/")}
    untimed = {f"time/{name}_s" for name, step in in_order().items() if not step.timed}
    assert untimed
    assert not untimed & times.keys()
    assert times.pop("time/total_s") == pytest.approx(sum(times.values()))


def test_a_step_that_is_done_again_reads_what_it_has_just_written(tmp_path):
    for number in (1, 2):
        with making.making(tmp_path / "r", resume=number > 1) as run:
            run.order = {"first": (), "second": ()}
            settings = {"seed": 0, "data": {"labels": "none"}}
            run.begin(settings, tomlkit.dumps(settings), "the rows")
            run.step("first", dict)

            def work(run=run, number=number):
                files.write_npy(run.folder / "x.npy", np.full(3, number))
                return {"read": float(run.array("x")[0])}

            run.step("second", work, ["*.npy"])
            assert run.results["read"] == number
        (tmp_path / "r" / "x.npy").write_bytes(b"damaged")


def test_a_file_that_was_written_anew_is_that_of_its_step(made, tmp_path):
    folder = shutil.copytree(made.folder, tmp_path / "r")
    Run(folder).renew("report.html", lambda: (folder / "report.html").write_text("in other words"))
    again = pipeline.run(quick(), folder, resume=True)
    assert again.parts.text("report.html") == "in other words"


def test_the_manifest_lists_no_file_that_comes_and_goes(tmp_path):
    settings = ("clustering.name=autoencoder-kmeans", "clustering.epochs=1", "clustering.n_clusters=3")
    recipe = recipes.load("clusters", (*settings, "projection.name=pca", "data.limit=200"))
    run = pipeline.run(recipe, tmp_path / "r")
    assert (run.folder / "checkpoints" / claims.LOCK).exists()
    assert not [
        name for name in run.manifest["files"] if Path(name).name[0] == "." or name.endswith((".part", ".begun"))
    ]


def test_each_file_and_the_rows_are_hashed_once(tmp_path, monkeypatch):
    hashed, asked = [], []
    for room in (stages, making):
        monkeypatch.setattr(room, "sha256", lambda path: hashed.append(str(path)) or files.sha256(path))
    from narrows.data.dataset import Dataset

    once = Dataset.fingerprint
    monkeypatch.setattr(Dataset, "fingerprint", lambda self: asked.append(1) or once(self))
    run = pipeline.run(quick(), tmp_path / "r")
    merged = {str(run.folder / name) for name in making.MERGED}
    counts = {path: hashed.count(path) for path in hashed if path not in merged}
    assert set(counts.values()) == {1}
    assert asked == [1]


def test_a_run_that_an_earlier_version_finished_is_left_as_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(FORMER)
    shutil.copytree(FORMER / "run", tmp_path / "run")
    recipe = recipes.load(tmp_path / "run" / "recipe.toml")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert pipeline.run(recipe, tmp_path / "run", resume=True).finished
    assert {path: path.read_bytes() for path in before} == before
    (tmp_path / "run" / "map.npy").write_bytes(b"")
    with pytest.raises(RunFolderError, match=r"map\.npy.*earlier version.*--overwrite"):
        pipeline.run(recipe, tmp_path / "run", resume=True)


def test_what_a_recipe_says_of_itself_is_no_setting(tmp_path):
    run = pipeline.run(quick(), tmp_path / "r")
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "r" / "steps").iterdir()}
    pipeline.run(quick().model_copy(update={"description": "in other words"}), tmp_path / "r", resume=True)
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert run.finished


def test_a_run_that_an_earlier_version_began_is_refused_by_its_version(tmp_path, monkeypatch):
    monkeypatch.chdir(FORMER)
    shutil.copytree(FORMER / "unfinished", tmp_path / "run")
    recipe = recipes.load(tmp_path / "run" / "recipe.toml")
    with pytest.raises(RunFolderError, match="--resume needs a run that was started with this version of narrows"):
        pipeline.run(recipe, tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "model.safetensors").exists()


def test_steps_come_after_what_they_use():
    order = list(in_order())
    assert order[:4] == ["open", "fit", "metadata", "train"]
    assert order[-1] == "report"
    for name, step in in_order().items():
        assert isinstance(step, Step)
        assert all(order.index(other) < order.index(name) for other in step.after)


# Studies


def few(tmp_path):
    path = tmp_path / "few.toml"
    path.write_text(
        'name = "few"\ntitle = "Few"\ndescription = "One run."\nminutes = 1.0\n[[run]]\nname = "a"\n'
        'job = "autoencoder"\nwith = {recipe = "digits", set = ["train.epochs=1"]}\n'
    )
    return studies.load(path)


def test_a_study_that_is_running_is_not_touched_by_another(tmp_path):
    out = tmp_path / "out"
    with claimed(out, "a study", studies.MARKER, came_about=lambda: True):
        (out / studies.MARKER).write_text("{}")
        (out / "a").mkdir()
        for options in ({"overwrite": True}, {"resume": True}, {}):
            with pytest.raises(RunFolderError, match=f"in use by another process.*Process {os.getpid()}"):
                studies.run(few(tmp_path), out, quick=True, **options)
        assert {path.name for path in out.iterdir()} == {studies.MARKER, "a", ".lock", ".holder"}


def test_a_study_does_a_run_again_whose_files_are_damaged(tmp_path):
    study, out = few(tmp_path), tmp_path / "out"
    studies.run(study, out, quick=True)
    outcome = next(out.glob("*/seed-0/outcome.json"))
    before = json.loads(outcome.read_text())
    stamp = outcome.stat().st_mtime_ns
    studies.run(study, out, quick=True, resume=True)
    assert outcome.stat().st_mtime_ns == stamp
    codes = outcome.parent / "run" / "codes.npy"
    content = codes.read_bytes()
    codes.write_bytes(b"")
    studies.run(study, out, quick=True, resume=True)
    after = json.loads(outcome.read_text())
    assert codes.read_bytes() == content
    assert after["results"]["train/loss"] == before["results"]["train/loss"]
    assert set(after["files"]) == set(before["files"])
