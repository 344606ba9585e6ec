"""Saved files are read exactly as saved, or refused by name: byte flips, truncations, fields and whole files."""

import json
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

import narrows
from narrows import pipeline, runs
from narrows.clustering.kmeans import KMeans
from narrows.clustering.mixture import Mixture
from narrows.disk.files import read_arrays, sha256, write_arrays, write_text
from narrows.disk.sealed import Parts, seal
from narrows.encoders.pca import PCACodes
from narrows.encoding.codes import CodeDistribution
from narrows.encoding.model import Model
from narrows.errors import NarrowsError, RunFolderError, TrainingError
from narrows.evaluation.novelty import Novelty
from narrows.explorer import page
from narrows.projection.pca import PCA
from narrows.recipes import recipe as recipes
from narrows.report import build
from narrows.runs import Run
from narrows.runs.making import making

pytestmark = pytest.mark.usefixtures("undrawn")

ROWS = np.random.default_rng(0).integers(0, 256, (60, 8, 8), np.uint8)
NAMES = np.array(["cat", "dog"])[np.arange(60) % 2]


@pytest.fixture(autouse=True)
def unflushed(monkeypatch):
    """Nothing here has to outlive a power cut, and flushing takes most of the time of saving."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    quick = ["train.epochs=1", "projection.name=pca", "data.limit=120", "clustering.n_clusters=3"]
    return pipeline.run(recipes.load("digits", quick), tmp_path_factory.mktemp("runs") / "run")


def answers_of_run(folder):
    """Everything that can be read from a run folder, except the pages, as bytes."""
    run = Run(folder)
    new = run.open_source(ROWS[:, None])
    codes = run.model().net.encode(run.model().prepare(torch.from_numpy(new.values))).detach().numpy()
    drawn = run.code_distribution().sample(5)
    said = [run.results, run.tables, run.history, run.recipe]
    return [
        *(
            array.tobytes()
            for array in (
                codes,
                run.clusterer().predict(codes),
                run.clusterer().confidence(codes),
                run.projection().transform(codes),
                run.baseline().encode(new.values),
                drawn,
                run.array("codes"),
                run.array("clusters"),
                run.array("map"),
                *run.neighbours(),
                run.novelty(ROWS[:, None]),
            )
        ),
        json.dumps(said).encode(),
        build(folder).read_bytes(),
        repr(page.read(folder / page.NAME)).encode(),
    ]


def fitted(kind):
    short = {"epochs": 1, "random_state": 0}
    if kind == "autoencoder":
        return narrows.Autoencoder(code_size=3, net={"name": "dense", "hidden": [8]}, **short).fit(ROWS)
    if kind == "classifier":
        return narrows.Classifier({"name": "mlp", "hidden": [8]}, **short).fit(ROWS, NAMES)
    if kind == "kmeans":
        return narrows.NeuralKMeans(3, **short).fit(ROWS)
    spread = np.random.default_rng(1).normal(size=(40, 3)) + 20 * (np.arange(40)[:, None] % 2)
    return narrows.ImageClusterer(2, layouts=1, options={"epochs": 2}, random_state=0).fit(spread)


LOADED = {
    "autoencoder": (
        narrows.Autoencoder.load,
        lambda m: [m.reconstruct(ROWS), m.novelty(ROWS), m.code_distribution_.sample(3)],
    ),
    "classifier": (narrows.Classifier.load, lambda m: [m.predict(ROWS), m.predict_proba(ROWS), m.novelty(ROWS)]),
    "kmeans": (narrows.NeuralKMeans.load, lambda m: [m.transform(ROWS), m.novelty(ROWS), m.cluster_centers_]),
    "clusterer": (
        narrows.ImageClusterer.load,
        lambda m: [m.clusterer_.assign(np.eye(3, dtype=np.float32)), m.novelty(np.eye(3))],
    ),
}


def answers_of(kind, place):
    load, ask = LOADED[kind]
    model = load(place)
    said = [model.get_params() if kind != "kmeans" else {}, getattr(model, "history_", None)]
    said += [getattr(model, "notes_", None)]
    with tempfile.TemporaryDirectory() as again:
        model.save(again)
        kept = [path.read_bytes() for path in sorted(Path(again).iterdir())]
    return [*(np.asarray(answer).tobytes() for answer in ask(model)), repr(said).encode(), *kept]


def mutations(content, rng):
    """Yield (description, changed content): harmful byte flips, a truncation, an insertion, zeros."""
    for place in rng.integers(0, len(content), 3):
        yield f"a bit of byte {place}", flipped(content, int(place), 1 << int(rng.integers(8)))
    for place in rng.integers(0, min(200, len(content)), 2):  # headers
        yield f"byte {place}", flipped(content, int(place), 0xFF)
    cut = int(rng.integers(0, len(content)))
    yield f"cut at {cut}", content[:cut]
    yield f"a byte more at {cut}", content[:cut] + b"7" + content[cut:]
    yield "zeros", bytes(len(content))


def flipped(content, place, bits):
    changed = bytearray(content)
    changed[place] ^= bits
    return bytes(changed)


def check(ask, place, files, right, rng):
    """Mutate each file: reading is refused with the file's name, or gives the same bits."""
    refused = tried = 0
    for path in files:
        content = path.read_bytes()
        for what, changed in mutations(content, rng):
            path.write_bytes(changed)
            tried += 1
            said = ""
            try:
                assert ask(place) == right, f"{path.name}, {what}: another answer"
            except NarrowsError as error:
                said = str(error)
            refused += bool(said)
            # A listing that was changed speaks of the file that it is wrong about.
            assert not said or path.name in said or f"sha256 is not in {path.name}" in said, (
                f"{path.name}, {what}: {said}"
            )
        path.write_bytes(content)
    assert ask(place) == right
    return tried, refused


WRITTEN = {"report.html"}  # by the question itself


@pytest.mark.slow
def test_a_run_folder_that_was_changed_answers_the_same_or_is_refused(run, tmp_path):
    shutil.copytree(run.folder, tmp_path / "run")
    right = answers_of_run(tmp_path / "run")
    files = sorted(path for path in (tmp_path / "run").iterdir() if path.is_file())
    small = [path for path in files if path.stat().st_size and path.name not in WRITTEN]
    pictures = sorted((tmp_path / "run" / "figures").iterdir())[:2]
    tried, refused = check(answers_of_run, tmp_path / "run", [*small, *pictures], right, np.random.default_rng(3))
    read = [path for path in [*small, *pictures] if path.name != "README.md"]
    assert refused >= 0.9 * tried * len(read) / len([*small, *pictures])


@pytest.mark.parametrize("kind", ["autoencoder", "classifier", "kmeans", "clusterer"])
def test_a_saved_estimator_that_was_changed_answers_the_same_or_is_refused(kind, tmp_path):
    fitted(kind).save(tmp_path / "saved")
    right = answers_of(kind, tmp_path / "saved")
    files = sorted((tmp_path / "saved").iterdir())
    assert "hashes.json" in [path.name for path in files]
    tried, refused = check(
        lambda place: answers_of(kind, place), tmp_path / "saved", files, right, np.random.default_rng(4)
    )
    assert refused >= 0.9 * tried
    for path in files:  # a part of it no longer exists
        content = path.read_bytes()
        path.unlink()
        if path.name == "hashes.json":  # as older versions saved it
            assert answers_of(kind, tmp_path / "saved") == right
        else:
            with pytest.raises(RunFolderError):
                answers_of(kind, tmp_path / "saved")
        path.write_bytes(content)


def test_a_zip_that_was_changed_answers_the_same_or_is_refused(tmp_path):
    clusterer = fitted("clusterer")
    clusterer.save(tmp_path / "c.zip")
    right = answers_of("clusterer", tmp_path / "c.zip")
    tried, refused = 0, 0
    for seed in range(12):
        more = check(
            lambda place: answers_of("clusterer", place),
            tmp_path / "c.zip",
            [tmp_path / "c.zip"],
            right,
            np.random.default_rng(seed),
        )
        tried, refused = tried + more[0], refused + more[1]
    assert refused >= 0.7 * tried
    with zipfile.ZipFile(tmp_path / "c.zip") as archive:  # as older versions saved it
        parts = {name: archive.read(name) for name in archive.namelist() if name != "hashes.json"}
    with zipfile.ZipFile(tmp_path / "old.zip", "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert answers_of("clusterer", tmp_path / "old.zip") == right


@pytest.mark.parametrize("name", ["results.json", "tables.json", "recipe.toml", "environment.json"])
def test_what_a_report_says_cannot_be_changed_by_hand(run, tmp_path, name):
    shutil.copytree(run.folder, tmp_path / "run")
    path = tmp_path / "run" / name
    path.write_text(path.read_text().replace("1", "2"))
    with pytest.raises(
        RunFolderError, match=rf"{name} must be the file that was written.*manifest\.json.*repeat the run"
    ):
        build(tmp_path / "run")


def test_a_run_that_is_not_finished_goes_on_and_says_so(run, tmp_path):
    shutil.copytree(run.folder, tmp_path / "run")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    manifest["finished"] = False
    del manifest["files"]["map.npy"]
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(RunFolderError, match=r"map\.npy must be a file that was saved.*--resume"):
        Run(tmp_path / "run").array("map")
    with pytest.raises(RunFolderError, match="clusterer"):
        (tmp_path / "run" / "clusterer.safetensors").unlink()
        Run(tmp_path / "run").clusterer()


def test_a_page_and_a_report_that_are_built_again_are_the_runs_own(run, tmp_path):
    shutil.copytree(run.folder, tmp_path / "run")
    again = Run(tmp_path / "run")
    page.write(again, None)
    again.renew("report.html", lambda: build(again.folder))
    manifest = json.loads((again.folder / "manifest.json").read_text())
    for name in (page.NAME, "report.html"):
        assert manifest["files"][name] == sha256(again.folder / name)
    assert page.read(again.folder / page.NAME).header["pictures"] == {}


def test_a_file_of_a_run_that_another_process_writes_is_left_alone(run, tmp_path, monkeypatch):
    shutil.copytree(run.folder, tmp_path / "run")
    reader = Run(tmp_path / "run")
    before = (tmp_path / "run" / "report.html").read_bytes()
    monkeypatch.setattr(runs, "WAIT", 0.05)
    with (
        making(tmp_path / "run", resume=True),
        pytest.raises(RunFolderError, match=r"report\.html cannot be written .* Process [0-9]+ on .* Wait until"),
    ):
        reader.renew("report.html", lambda: write_text(tmp_path / "run" / "report.html", "other"))
    assert (tmp_path / "run" / "report.html").read_bytes() == before
    reader.renew("report.html", lambda: write_text(tmp_path / "run" / "report.html", "other"))
    assert Run(tmp_path / "run").manifest["files"]["report.html"] == sha256(tmp_path / "run" / "report.html")


def test_a_run_folder_takes_nothing_that_is_saved(run, tmp_path):
    shutil.copytree(run.folder, tmp_path / "run")
    before = (tmp_path / "run" / "model.safetensors").read_bytes()
    with pytest.raises(RunFolderError, match="must not be a run's folder"):
        Run(tmp_path / "run").model().save(tmp_path / "run")
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == before


def test_weights_that_are_no_numbers_are_not_written_and_not_loaded(tmp_path):
    model = Model((4,), {"name": "dense", "code_size": 2, "hidden": [3]}, {"name": "reconstruction"})
    model.save(tmp_path)
    arrays, metadata = read_arrays(tmp_path / "model.safetensors")
    arrays["net.to_code.bias"][1] = np.inf
    with pytest.raises(TrainingError, match=r"'net\.to_code\.bias' holds NaN or infinity"):
        write_arrays(tmp_path / "model.safetensors", arrays, metadata)
    Model.load(tmp_path)  # what was there stays
    save_file(arrays, tmp_path / "model.safetensors")
    seal(tmp_path, ("model.safetensors", "config.json"))  # a stranger can write hashes, too
    with pytest.raises(
        RunFolderError, match=r"model\.safetensors must contain only finite weights.*net\.to_code\.bias"
    ):
        Model.load(tmp_path)
    arrays["net.to_code.bias"] = np.zeros(2)  # float64
    save_file(arrays, tmp_path / "model.safetensors")
    (tmp_path / "hashes.json").unlink()
    with pytest.raises(RunFolderError, match="exactly the weights"):
        Model.load(tmp_path)


def test_a_file_of_arrays_knows_its_own_content_and_older_ones_are_read(tmp_path):
    path = tmp_path / "a.safetensors"
    write_arrays(path, {"x": np.arange(1000, dtype=np.float32)}, {"step": 3})
    content = path.read_bytes()
    path.write_bytes(flipped(content, len(content) - 10, 1))
    with pytest.raises(ValueError, match="not what was written"):
        read_arrays(path)
    path.write_bytes(content.replace(b'"step\\": 3', b'"step\\": 4').replace(b'\\"step\\": 3', b'\\"step\\": 4'))
    with pytest.raises(ValueError, match="not what was written"):
        read_arrays(path)
    save_file(load_file_of(content, tmp_path), path, metadata={"narrows": '{"step": 5}'})
    assert read_arrays(path)[1] == {"step": 5}


def load_file_of(content, folder):
    (folder / "b.safetensors").write_bytes(content)
    return load_file(folder / "b.safetensors")


def ones(*shape):
    return np.ones(shape)


@pytest.mark.parametrize(
    ("build_", "arrays"),
    [
        (KMeans.from_state, {"centers": ones(2, 3) * np.nan}),
        (KMeans.from_state, {"centers": ones(2)}),
        (KMeans.from_state, {"centres": ones(2, 3)}),
        (KMeans.from_state, {"centers": np.ones((2, 3), int)}),
        (Mixture.from_state, {"weights": ones(2), "means": ones(2, 3), "factors": -ones(2, 3, 3)}),
        (Mixture.from_state, {"weights": -ones(2), "means": ones(2, 3), "factors": ones(2, 3, 3)}),
        (PCA.from_state, {"mean": ones(3), "axes": ones(2, 4)}),
        (CodeDistribution.from_state, {"weights": ones(2), "means": ones(3, 4), "factors": ones(3, 4, 4)}),
        (CodeDistribution.from_state, {"weights": -ones(3), "means": ones(3, 4), "factors": ones(3, 4, 4)}),
        (lambda a: PCACodes.from_state(a, [2, 2]), {"mean": ones(5), "components": ones(2, 5)}),
        (lambda a: PCACodes.from_state(a, [-2, -2]), {"mean": ones(4), "components": ones(2, 4)}),
        (lambda a: PCACodes.from_state(a, [4]), {"mean": ones(4), "components": ones(2, 5)}),
        (Novelty.from_state, {"codes": ones(2, 3)}),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(build_, arrays):
    with pytest.raises(RunFolderError, match="the saved"):
        build_(arrays)


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("clusterer.safetensors", lambda a, m: (a, {})),
        ("clusterer.safetensors", lambda a, m: (a, m | {"name": "nope"})),
        ("clusterer.safetensors", lambda a, m: (a, m | {"colour": 1})),
        ("sampler.safetensors", lambda a, m: ({}, m)),
        ("clusterer.safetensors", lambda a, m: (a, m | {"n_clusters": "ten"})),
        ("baseline.safetensors", lambda a, m: (a, {})),
        ("projector.safetensors", lambda a, m: (a | {"mean": a["mean"][:-1]}, m)),
        ("novelty.safetensors", lambda a, m: ({}, m)),
        ("novelty.safetensors", lambda a, m: (a | {"mean": a["mean"][1:]}, m)),
        ("novelty.safetensors", lambda a, m: (a | {"scores": a["scores"][::-1]}, m)),
        ("novelty.safetensors", lambda a, m: (a | {"units": -a["units"]}, m)),
        ("novelty.safetensors", lambda a, m: (a | {"scale": np.zeros(4)}, m)),
    ],
)
def test_a_part_of_a_stranger_is_one_clear_error_that_names_the_file(run, tmp_path, file, change):
    shutil.copytree(run.folder, tmp_path / "run")
    write_arrays(tmp_path / "run" / file, *change(*read_arrays(tmp_path / "run" / file)))
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    manifest["files"][file] = sha256(tmp_path / "run" / file)
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest))
    done = Run(tmp_path / "run")
    ask = {
        "clusterer": done.clusterer,
        "sampler": done.code_distribution,
        "baseline": done.baseline,
        "projector": done.projection,
        "novelty": done.fitted_novelty,
    }[file.partition(".")[0]]
    with pytest.raises(RunFolderError, match=file.replace(".", r"\.")):
        ask()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"files": [], "stages": {}}', b'{"files": {"a": 1}}'])
def test_a_listing_that_lists_nothing_is_refused(tmp_path, content):
    for name, open_ in (("manifest.json", Run), ("hashes.json", Parts.of)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_bytes(content)
        with pytest.raises(RunFolderError, match=name.replace(".", r"\.")):
            open_(folder)
