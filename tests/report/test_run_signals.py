"""Signals, the sketch and the feature maps, as kept in a run."""

import numpy as np
import pytest
from PIL import Image

from narrows import pipeline
from narrows.data.dataset import Dataset
from narrows.figures.curves import loss_curves
from narrows.recipes import recipe as recipes

QUICK = ("train.epochs=3", "train.batch_size=64", "projection.name=pca")


def make(folder, values, *overrides, labels=None):
    asked = {override.partition("=")[0] for override in overrides}
    quick = [setting for setting in QUICK if setting.partition("=")[0] not in asked]
    recipe = recipes.load("default", [*quick, *overrides])
    return pipeline.run(recipe, folder, data=Dataset(values, labels=labels))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two dense blobs, and a third that has to share a centre: images of a ring, a bar, and noise."""
    rng = np.random.default_rng(0)
    values = rng.integers(0, 60, (160, 1, 8, 8), np.uint8)
    values[:80, :, 2:6, 2:6] += 150
    values[80:, :, :, 3] += 180
    return make(
        tmp_path_factory.mktemp("runs") / "r",
        values,
        "clustering.n_clusters=3",
        "net.width=4",
        "net.code_size=4",
        labels=np.repeat([0, 1], 80),
    )


def test_signals_are_kept_and_reported(run):
    found = run.tables["signals"]
    assert all(set(signal) == {"name", "severity", "sentence", "numbers"} for signal in found)
    assert found
    html = (run.folder / "report.html").read_text(encoding="utf-8")
    assert all(
        signal["sentence"].replace("\N{NO-BREAK SPACE}", " ") in html.replace("\N{NO-BREAK SPACE}", " ")
        for signal in found
    )
    assert "judge" in run.manifest["stages"]


def test_the_sketch_the_feature_maps_and_the_filters_stand_in_the_report(run):
    html = (run.folder / "report.html").read_text(encoding="utf-8")
    for name, alt in [
        ("architecture", "Sketch of the network"),
        ("feature-maps", "Images beside what the first convolution makes of them"),
        ("filters", "Weights of the first layer"),
    ]:
        assert (run.folder / "figures" / f"{name}.png").exists()
        assert f'alt="{alt}' in html
    assert "the number set beforehand; the labels have 2 classes" in html


def test_no_image_stands_for_a_part_and_is_least_typical(tmp_path):
    """Sixty images, all but one equal, form two clusters; the strip of the cluster of one has one image."""
    values = np.full((60, 1, 8, 8), 20, np.uint8)
    values[1] = 250
    run = make(tmp_path / "r", values, "clustering.n_clusters=2", "net.width=2", "net.code_size=2")
    assert [cluster["size"] for cluster in run.tables["clusters"]] == [59, 1]
    assert [[example["share"] for example in cluster["examples"]] for cluster in run.tables["clusters"]] == [[1], [1]]
    many, one = (Image.open(run.folder / "figures" / f"cluster-0{n}.png").size for n in (0, 1))
    assert one[1] < 0.6 * many[1]


def test_a_sheet_shows_the_examples_of_its_cluster(run):
    values = np.random.default_rng(0).integers(0, 60, (160, 1, 8, 8), np.uint8)
    values[:80, :, 2:6, 2:6] += 150
    values[80:, :, :, 3] += 180
    found = run.examples()
    for cluster in run.tables["clusters"]:
        rows, shares = found.of(cluster["cluster"])
        assert [(one["row"], one["id"], one["share"]) for one in cluster["examples"]] == [
            (row, str(row), share) for row, share in zip(rows, shares, strict=True)
        ]
        assert sum(shares) == pytest.approx(1)
        sheet = np.asarray(Image.open(run.folder / "figures" / cluster["figure"]).convert("L")).astype(int)
        for place, row in enumerate(rows):  # 14 dots to a pixel, tiles of 114 with 8 between, below a title
            down, across = (slice(first + 1 + 7, first + 113, 14) for first in (38, 8 + 122 * place))
            assert (sheet[down, across] == values[row, 0]).all()


def test_vectors_have_a_sketch_and_no_feature_maps(tmp_path):
    values = np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32)
    run = make(
        tmp_path / "r",
        values,
        "net.code_size=2",
        "objective.name=variational",
        "objective.beta=100.0",
        "train.epochs=30",
        "train.lr=0.02",
    )
    names = {path.stem for path in (run.folder / "figures").glob("*.png")}
    assert "architecture" in names
    assert not {"feature-maps", "filters"} & names
    assert "posterior collapse" in [signal["name"] for signal in run.tables["signals"]]


def test_a_clustering_with_a_dead_centre_says_so(tmp_path, monkeypatch):
    from narrows.clustering.kmeans import KMeans

    fit = KMeans.fit

    def with_a_far_centre(self, codes):
        fit(self, codes)
        self.centers_ = np.concatenate([self.centers_, self.centers_[:1] + 1e4])
        return self

    monkeypatch.setattr(KMeans, "fit", with_a_far_centre)
    values = np.random.default_rng(0).normal(size=(80, 6)).astype(np.float32)
    run = make(tmp_path / "r", values, "net.code_size=2", "clustering.n_clusters=3")
    (dead,) = [signal for signal in run.tables["signals"] if signal["name"] == "dead centres"]
    assert dead["numbers"] == {"dead": 1, "clusters": 4}


@pytest.mark.parametrize(("valid", "side"), [([0.9, 0.5], "right"), ([0.5, 0.9], "left"), ([0.9, 0.8, 0.5], "right")])
def test_the_name_of_the_best_epoch_is_written_towards_the_middle(valid, side):
    rows = [{"epoch": i + 1, "train/loss": loss, "valid/loss": loss, "lr": 1e-3} for i, loss in enumerate(valid)]
    (name,) = loss_curves(rows).axes[0].texts
    assert name.get_ha() == side
