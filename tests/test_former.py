"""Files written before steps had records still open and give the same results; see ``former/make.py``."""

import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest

import narrows
from narrows import deep, pipeline, report
from narrows.disk.files import read_arrays
from narrows.explorer import page
from narrows.recipes import recipe as recipes
from narrows.work import environment

MADE = Path(__file__).parent / "former" / "made"
SAID = read_arrays(MADE / "said.safetensors")[0]
THEN = json.loads((MADE / "run" / "environment.json").read_text())


def same(now, name):
    """Compare with the results of that time, bit by bit if processor and libraries are the same."""
    here = environment.describe()
    if all(here[what] == THEN[what] for what in ("processor", "packages")):
        np.testing.assert_array_equal(now, SAID[name], err_msg=name)
    else:
        np.testing.assert_allclose(now, SAID[name], rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", ["run", "clusters"])
def test_a_run_answers_as_it_did(name):
    run = narrows.Run(MADE / name)
    values = run.open_source(SAID["fresh"]).values
    same(run.model().encode(values), f"{name}/codes")
    same(run.model().reconstruct(values), f"{name}/reconstructions")
    found = run.assign(SAID["fresh"])
    same(found.clusters, f"{name}/clusters")
    same(found.confidence, f"{name}/confidence")
    same(found.novelty, f"{name}/novelty")
    same(run.projection().transform(run.array("codes")), f"{name}/map")
    same(run.code_distribution().sample(5, 0), f"{name}/samples")


def test_a_finished_run_of_then_is_gone_on_with_in_the_words_of_today(tmp_path, monkeypatch):
    monkeypatch.chdir(MADE)
    recipe = tomllib.loads((MADE / "run" / "recipe.toml").read_text())
    shutil.copytree(MADE / "run", tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    changed = {"net": recipe["net"], "train.epochs": 3, "projection.name": "pca", "clustering.n_clusters": 3}
    asked = [f"{name}={json.dumps(value)}" for name, value in changed.items() if name != "net"]
    asked += [f"net.{name}={json.dumps(value)}" for name, value in recipe["net"].items()]
    again = pipeline.run(recipes.load("default", [*asked, "data.source=images.npz"]), tmp_path / "run", resume=True)
    assert again.finished
    assert {path: path.read_bytes() for path in before if path.name != "environment.json"} == {
        path: content for path, content in before.items() if path.name != "environment.json"
    }


def test_a_run_is_reported_with_the_same_bytes(tmp_path):
    shutil.copytree(MADE / "run", tmp_path / "run")
    before = (tmp_path / "run" / "report.html").read_text()
    report.build(tmp_path / "run")
    assert (tmp_path / "run" / "report.html").read_text() == before


@pytest.mark.parametrize("name", ["run", "clusters"])
def test_a_run_is_explored_as_before(name, tmp_path, monkeypatch):
    monkeypatch.chdir(MADE)
    shutil.copytree(MADE / name, tmp_path / name)
    run = narrows.Run(tmp_path / name)
    before = page.read(tmp_path / name / page.NAME)
    page.write(run, narrows.open("images.npz"))
    after = page.read(tmp_path / name / page.NAME)
    assert after == before


@pytest.mark.parametrize("name", ["autoencoder-kmeans", "dec", "idec", "vade", "n2d", "imsat"])
def test_a_clusterer_answers_as_it_did(name):
    clusterer = deep.methods.get(name).load(MADE / name)
    values = narrows.open(SAID["fresh"]).values
    same(clusterer.assign(values), f"{name}/shares")
    same(clusterer.embed(values), f"{name}/codes")


def test_estimators_answer_as_they_did():
    fresh = SAID["fresh"]
    zipped = narrows.ImageClusterer.load(MADE / "image-clusterer.zip")
    same(zipped.predict_proba(fresh), "image-clusterer/shares")
    same(zipped.transform(fresh), "image-clusterer/codes")
    same(zipped.novelty(fresh), "image-clusterer/novelty")
    autoencoder = narrows.Autoencoder.load(MADE / "autoencoder")
    same(autoencoder.transform(fresh), "autoencoder/codes")
    same(autoencoder.sample(4, random_state=0), "autoencoder/samples")
    same(autoencoder.novelty(fresh), "autoencoder/novelty")
    kmeans = narrows.NeuralKMeans.load(MADE / "neural-kmeans")
    same(kmeans.transform(fresh), "neural-kmeans/distances")
    same(kmeans.novelty(fresh), "neural-kmeans/novelty")
    classifier = narrows.Classifier.load(MADE / "classifier")
    same(classifier.predict_proba(fresh), "classifier/shares")
    same(classifier.novelty(fresh), "classifier/novelty")
