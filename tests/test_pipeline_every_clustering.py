"""Every clustering is a run like any other, with report, explorer and new data, also after a stop."""

import json
from dataclasses import replace

import numpy as np
import pytest

import narrows
from narrows import pipeline
from narrows.clustering import methods
from narrows.deep import Stages
from narrows.errors import InputError, Interrupted, RecipeError
from narrows.recipes import recipe as recipes
from narrows.runs import Run
from narrows.steps import open_data
from narrows.steps.encode import Encode
from narrows.training import stages
from narrows.work.interrupt import Interrupt
from reading import contradictions, faults, words_of

pytestmark = pytest.mark.usefixtures("undrawn")

NAMES = methods.names()


def quick(name):
    sets = {f"clustering.{key}": value for key, value in methods.get(name).quick.items()}
    sets |= {} if methods.get(name).trains_network else {"train.epochs": 1, "net.name": "dense"}
    sets |= {"data.limit": 150, "projection.name": "pca", "clustering.n_clusters": 4}
    return recipes.load("default", [f"clustering.name={name}", *(f"{key}={value}" for key, value in sets.items())])


@pytest.fixture
def brief(monkeypatch):
    """No network, and no decoder that is trained afterwards, sees its rows more than five times."""
    train = stages.train

    def briefly(model, values, rows, valid, settings, **more):
        return train(model, values, rows, valid, replace(settings, epochs=min(5, settings.epochs)), **more)

    monkeypatch.setattr(stages, "train", briefly)


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("name", NAMES)
def test_a_run_of_it_is_like_any_other(name, tmp_path):
    run = pipeline.run(quick(name), tmp_path / "r")
    again = Run(tmp_path / "r")
    assert again.recipe["clustering"]["name"] == name
    for part in ("report.html", "explorer.html", "README.md", "clusterer.safetensors", "predictions.csv"):
        assert (run.folder / part).stat().st_size > 500
    clusters, clusterer = np.load(run.folder / "clusters.npy"), again.clusterer()
    values = open_data(quick(name).data, quick(name).seed).values
    assert np.array_equal(clusterer.predict(again.model().encode(values)), clusters)
    assert run.results["clustering/n_clusters"] == clusters.max() + 1 <= clusterer.n_clusters_ == 4
    assert np.array_equal(np.bincount(clusters), np.sort(np.bincount(clusters))[::-1])
    found = again.assign("digits", limit=40)
    assert [len(part) for part in found] == [40, 40, 40]
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
    trains = methods.get(name).trains_network
    assert run.tables["learned"]["network"] == ("all" if trains else "train")
    assert ("trained its own network" in (run.folder / "report.html").read_text()) == trains
    assert ("reconstruction/psnr" in run.results) == again.model().objective.trains_decoder
    page = words_of((run.folder / "report.html").read_text(encoding="utf-8"))
    assert faults(page) == contradictions(page) == []
    assert f"code of {run.results['codes/size']:,} value" in (run.folder / "README.md").read_text()


@pytest.mark.slow
def test_what_decodes_and_what_does_not(tmp_path):
    """DEC discards its decoder and a new one is trained; a classifier has none."""
    run = pipeline.run(quick("imsat"), tmp_path / "imsat")
    assert run.results["codes/size"] == 1200
    assert not any(name.startswith("reconstruction/") for name in run.results)
    page = words_of((run.folder / "report.html").read_text(encoding="utf-8"))
    assert "There is no decoder." in page
    for said in ("decoder and PCA", "validate the decoder", "up the decoder", "validation turning up"):
        assert said not in page
    with pytest.raises(InputError, match=r"has none.*Choose a clustering"):
        run.model().decode(np.zeros((1, 1200)))
    dec = methods.get("dec")(4, **methods.get("dec").quick)
    values = open_data(quick("dec").data, 0).values
    taught = dec.fit(values).with_decoder(values, np.arange(100), np.arange(100, 110), Stages())
    assert taught.objective.trains_decoder
    assert not dec.model_.objective.trains_decoder
    assert np.array_equal(taught.encode(values), dec.embed(values))
    error = ((taught.reconstruct(values[:100]) - values[:100] / 255) ** 2).mean()
    assert error < 0.8 * (values[:100] / 255).var(0).mean()  # than the mean image everywhere
    idec = methods.get("idec")(4, **methods.get("idec").quick).fit(values)
    assert idec.with_decoder(values, np.arange(100), np.arange(0), Stages()) is idec.model_


def test_stopped_before_its_clusters_are_read_it_ends_with_the_same_bits(tmp_path, monkeypatch):
    whole = pipeline.run(quick("n2d"), tmp_path / "whole")

    def stop(self, job):
        raise Interrupted(15, "stopped")

    with monkeypatch.context() as patched:
        patched.setattr(Encode, "do", stop)
        with pytest.raises(Interrupted):
            pipeline.run(quick("n2d"), tmp_path / "r", interrupt=Interrupt())
    again = pipeline.run(quick("n2d"), tmp_path / "r", resume=True)
    for name in ("codes.npy", "clusters.npy", "clusterer.safetensors"):
        assert (again.folder / name).read_bytes() == (whole.folder / name).read_bytes()


def test_a_clustering_of_ones_own_is_known_by_what_it_is(tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text(
        "from narrows.deep.autoencoder_kmeans import AutoencoderKMeans\n"
        "class Mine(AutoencoderKMeans):\n    '''Mine.'''\n"
        "def no_class(seed=0):\n    return None\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    sets = ["data.limit=60", "projection.name=pca", "clustering.name=theirs:Mine", "clustering.epochs=1"]
    run = pipeline.run(recipes.load("default", sets), tmp_path / "r")
    assert run.tables["learned"]["network"] == "all"
    assert "net" not in json.loads(json.dumps(run.recipe))
    with pytest.raises(RecipeError, match=r"train\.lr has no effect"):
        recipes.load("default", [*sets, "train.lr=0.1"])
    with pytest.raises(RecipeError, match=r"must be a subclass of narrows\.clustering\.Clusterer; got 'theirs:no_c"):
        recipes.load("default", ["clustering.name=theirs:no_class"])
    with pytest.raises(RecipeError, match=r"must be a subclass of narrows\.clustering\.Clusterer"):
        narrows.ImageClusterer(method="theirs:no_class").fit(np.zeros((9, 8, 8)))
