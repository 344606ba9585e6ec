"""A run whose encoder is not a network: everything else is as usual."""

import csv

import numpy as np
import pytest

import narrows
from narrows import pipeline
from narrows.cli import app
from narrows.data.dataset import Dataset
from narrows.errors import DataError, InputError, RecipeError, RunFolderError
from narrows.explorer.opened import Opened
from narrows.explorer.page import NAME, read
from narrows.recipes import recipe as recipes
from narrows.runs import Run
from narrows.steps import open_data
from reading import contradictions, faults, words_of

pytestmark = pytest.mark.usefixtures("undrawn")

QUICK = ("projection.name=pca", "data.limit=400")
SMALL = {
    "patches": ("encoder.n_centers=12", "encoder.side=3", "encoder.grid=2", "encoder.patches=2000"),
    "pca": ("encoder.n_components=6",),
}
every_encoder = pytest.mark.parametrize("name", SMALL)


def quick(name, *overrides):
    return recipes.load("digits", [*QUICK, f"encoder.name={name}", *SMALL[name], *overrides])


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return {name: pipeline.run(quick(name), folder / name) for name in SMALL}


def command(*arguments):
    from typer.testing import CliRunner

    done = CliRunner().invoke(app.app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


@every_encoder
def test_the_folder_holds_what_belongs_to_it_and_nothing_of_a_training(runs, name):
    files = {path.name for path in runs[name].folder.iterdir()}
    assert {"encoder.safetensors", "config.json", "codes.npy", "report.html", NAME, "novelty.safetensors"} <= files
    assert not files & {"model.safetensors", "history.jsonl", "checkpoints"}
    assert ("sampler.safetensors" in files) == (name == "pca")
    recipe = (runs[name].folder / "recipe.toml").read_text()
    assert "[encoder]" in recipe
    assert not any(f"[{section}]" in recipe for section in ("net", "objective", "train"))
    assert recipes.load(str(runs[name].folder / "recipe.toml")).encoder.name == name


@every_encoder
def test_its_report_reads_as_made_for_it(runs, name):
    page = (runs[name].folder / "report.html").read_text()
    words = words_of(page)
    assert not faults(words)
    assert not contradictions(words)
    for wrong in ("network", "training loss", "autoencoder,", "learning by heart"):
        assert wrong not in words, wrong
    assert 'id="training"' not in page
    assert 'id="network"' not in page
    assert ('id="reconstruction"' in page) == (name == "pca")
    card = (runs[name].folder / "README.md").read_text()
    assert "without a network to train" in card
    assert "objective" not in card


def test_pca_is_not_held_against_itself(runs):
    results = runs["pca"].results
    assert not [key for key in results if "pca_" in key]
    assert results["reconstruction/psnr"] > 12
    page = (runs["pca"].folder / "report.html").read_text()
    assert "principal components" in page
    assert "gains nothing" not in page
    assert {"probe/pca_linear_accuracy", "clustering/accuracy"} <= runs["patches"].results.keys()


def test_patches_rebuild_nothing_and_say_so(runs):
    run = runs["patches"]
    assert not [key for key in run.results if key.startswith("reconstruction/")]
    assert run.results["codes/size"] == 48
    with pytest.raises(InputError, match="decode"):
        run.encoder().decode(run.array("codes"))
    with pytest.raises(RunFolderError, match="network"):
        run.model()


@every_encoder
def test_new_data_are_answered_by_the_rule_that_answered_the_runs_own(runs, name):
    run = Run(runs[name].folder)
    values = narrows.open("digits", limit=400, seed=0).values
    assert np.array_equal(run.encoder().encode(values), run.array("codes"))
    found = run.assign(values)
    assert np.array_equal(found.clusters, run.array("clusters"))
    assert found.novelty.min() > 0
    noise = np.random.default_rng(0).integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)
    assert np.median(run.novelty(noise)) < 0.05 < np.median(run.novelty(values))
    with pytest.raises(DataError, match="8x8"):
        run.assign(np.zeros((3, 1, 9, 9), np.uint8))


@every_encoder
def test_the_verbs_work_on_it(runs, name, tmp_path):
    folder = runs[name].folder
    command("encode", folder, "digits", "--out", tmp_path / "codes.npy")
    assert np.load(tmp_path / "codes.npy").shape == (1797, runs[name].encoder().code_size)
    command("cluster", folder, "digits", "--out", tmp_path / "clusters.csv")
    assert len(list(csv.DictReader((tmp_path / "clusters.csv").open()))) == 1797
    command("project", folder, "digits", "--out", tmp_path / "map.npy")
    if name == "pca":
        command("reconstruct", folder, "digits", "--out", tmp_path / "rebuilt.npy")
        assert np.load(tmp_path / "rebuilt.npy").shape == (1797, 1, 8, 8)


@every_encoder
def test_the_explorer_shows_it(runs, name):
    run, bundle = runs[name], read(runs[name].folder / NAME)
    assert bundle.header["decodes"] == (name == "pca")
    data = open_data(quick(name).data, 0)
    opened = Opened(run, data, bundle, read_only=True)
    where = opened.place(opened.picture(0))
    assert where["cluster"] == run.array("clusters")[0]
    if name == "pca":
        assert opened.draw({"codes": run.array("codes")[:2].tolist()})[1].shape == (2, 1, 8, 8)


def test_a_run_goes_on_and_does_nothing_twice(runs):
    before = runs["patches"].manifest["stages"]
    again = pipeline.run(quick("patches"), runs["patches"].folder, resume=True)
    assert again.manifest["stages"] == before
    with pytest.raises(RunFolderError, match="settings"):
        pipeline.run(quick("patches", "encoder.stride=1"), runs["patches"].folder, resume=True)


def test_vectors_are_encoded_by_pca_and_refused_by_patches_before_anything_is_replaced(runs, tmp_path):
    rows = np.random.default_rng(0).normal(size=(80, 12)).astype(np.float32)
    run = pipeline.run(quick("pca", "clustering.n_clusters=3"), tmp_path / "vectors", data=Dataset(rows))
    assert run.results["reconstruction/explained"] > 0.3
    assert not faults(words_of((run.folder / "report.html").read_text()))
    kept = (runs["patches"].folder / "codes.npy").read_bytes()
    with pytest.raises(DataError, match=r"N, C, H, W.*pca"):
        pipeline.run(quick("patches"), runs["patches"].folder, overwrite=True, data=Dataset(rows))
    assert (runs["patches"].folder / "codes.npy").read_bytes() == kept


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["encoder.name=patches", "net.code_size=4"], r"net\.code_size has no effect: the encoder patches"),
        (["encoder.name=pca", "train.epochs=3"], r"train\.epochs has no effect"),
        (["encoder.name=pca", "objective.name=denoising"], r"objective.* has no effect"),
        (["encoder.name=pca", "encoder.n_centers=3"], "encoder.n_centers is not a setting"),
        (["encoder.name=pca", "encoder.n_components=0"], "n_components"),
        (["encoder.name=pcaa"], "pca"),
        (["encoder.code_size=3"], r"encoder\.code_size is not a setting; got 3\. There is nothing to choose from\.$"),
        (["encoder.name=os:system"], r"must be a subclass of narrows\.encoding\.encoder\.Encoder"),
        (["projection.name=os:system"], r"must be a subclass of narrows\.projection\.Projection"),
    ],
)
def test_settings_that_could_not_be_obeyed_are_refused(settings, said):
    with pytest.raises((RecipeError, InputError), match=said):
        recipes.load("digits", settings)


def test_another_encoder_beside_a_clustering_that_trains_its_own_is_refused():
    with pytest.raises(RecipeError, match=r"encoder\.name.*has no effect: the clustering agreement"):
        recipes.load("clusters", ["encoder.name=pca"])


def test_the_recipe_of_a_network_says_nothing_new():
    assert "encoder" not in recipes.load("digits").as_dict()
    assert recipes.check(recipes.load("digits").as_dict()).encoder.name == "network"


def test_new_rows_are_drawn_from_codes_that_can_be_decoded(runs, tmp_path):
    command("generate", runs["pca"].folder, "-n", "5", "--out", tmp_path / "new.npy")
    assert np.load(tmp_path / "new.npy").shape == (5, 1, 8, 8)
    with pytest.raises(InputError, match="decode"):
        runs["patches"].encoder().require_decoder()


@every_encoder
def test_a_probe_reads_the_codes_of_any_encoder(runs, name):
    data = narrows.open("digits")
    encoder = runs[name].encoder()
    probe = narrows.LinearProbe(encoder, lr=1e-2, epochs=30, random_state=0).fit(data)
    assert probe.score(data) > 0.6
    np.testing.assert_array_equal(probe.transform(data.values), encoder.encode(data.values))
    for wrong in ({"space": "features"}, {"views": ["shift:1"]}):
        with pytest.raises(InputError, match="network"):
            narrows.LinearProbe(encoder, epochs=1, **wrong).fit(data)
