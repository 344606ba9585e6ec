"""The jobs of the letters studies, on digits that need no download."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional

import narrows
from narrows import pipeline
from narrows.data.splits import split
from narrows.encoders.pca import PCACodes
from narrows.encoding.model import Model
from narrows.errors import DataError, RecipeError
from narrows.evaluation.reconstruction import psnr
from narrows.recipes.recipe import check, load
from narrows.studies.jobs import Work
from narrows.studies.jobs.from_scratch import few_rows, flat, from_scratch
from narrows.studies.jobs.from_scratch_autoencoder import from_scratch_autoencoder
from narrows.studies.jobs.gradient_check import gradient_check, twin
from narrows.studies.jobs.letters_autoencoder import letters_autoencoder
from narrows.studies.jobs.letters_init import letters_init
from narrows.studies.jobs.letters_rates import letters_rates
from narrows.studies.reference.network import Network


def work(tmp_path, name="run", **options):
    (tmp_path / name).mkdir()
    return Work(tmp_path / name, **options)


@pytest.fixture
def vectors(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "vectors.npz"
    np.savez(path, x=rng.normal(size=(60, 5)).astype(np.float32), y=np.arange(60) % 3)
    return str(path)


def test_the_network_written_by_hand_is_measured_on_each_part(tmp_path):
    w = work(tmp_path)
    found = from_scratch(w, source="digits", hidden=24, epochs=12, batch_size=16, lr=0.02)
    assert found["train/parameters"] == 64 * 24 + 24 + 24 * 10 + 10
    assert found["valid/accuracy"] > 0.85
    assert found["test/accuracy"] > 0.85
    assert found["test/majority_accuracy"] < 0.2
    assert found["test/classes_answered"] == 10
    share = found["test/accuracy"]
    assert found["test/standard_error"] == pytest.approx((share * (1 - share) / found["data/test"]) ** 0.5)
    assert set(w.figures) == {"curves", "weights", "confusion", "mistakes"}
    wrong = w.tables["Most confused on the test rows"]
    assert all(row["true"] != row["answered"] for row in wrong)


def test_full_single_and_mini_batches_are_one_argument(tmp_path):
    w = work(tmp_path)
    assert [few_rows(w, size, 100) for size in (1, 32, "all")] == [1, 32, None]
    assert few_rows(dataclasses.replace(w, quick=True), 1, 100) == 25
    with pytest.raises(RecipeError, match="batch_size"):
        few_rows(w, 0, 100)


def test_inverted_rows_are_one_minus_the_others_and_moved_ones_still_learn(tmp_path, vectors):
    data = narrows.open("digits")
    rows = np.arange(5)
    np.testing.assert_allclose(flat(data, rows, inverted=True).x, 1 - data.values[:5].reshape(5, -1) / 255)
    assert flat(data, rows).t.argmax(1).tolist() == data.labels[:5].tolist()
    found = from_scratch(
        work(tmp_path),
        source="digits",
        hidden=24,
        epochs=10,
        batch_size=16,
        lr=0.005,
        momentum=0.9,
        shift=1,
        inverted=True,
        pictures=False,
    )
    assert found["test/accuracy"] > 0.6
    for name, options in (("a", {"inverted": True}), ("b", {"shift": 1})):
        with pytest.raises(RecipeError, match="is for"):
            from_scratch(work(tmp_path, name), source=vectors, epochs=1, **options)


def test_vectors_have_no_weights_to_draw(tmp_path, vectors):
    w = work(tmp_path)
    from_scratch(w, source=vectors, hidden=4, epochs=2)
    assert "weights" not in w.figures
    assert "curves" in w.figures


def test_rates_start_from_the_same_weights(tmp_path):
    w = work(tmp_path)
    found = letters_rates(w, source="digits", hidden=16, epochs=4, batch_size=16, lr=0.02, factors=[1.0, 1.0, 0.001])
    assert found["x1/test/accuracy"] > 0.6 > found["x0.001/test/accuracy"]
    table = w.tables["Accuracy after the last epoch"]
    assert table[0] == table[1]
    assert [row["learning rate"] for row in table] == pytest.approx([0.02, 0.02, 0.00002])
    assert list(w.figures) == ["rates"]


def test_all_zero_weights_fail_and_the_misprint_lets_signals_die(tmp_path):
    w = work(tmp_path)
    found = letters_init(w, source="digits", hidden=16, epochs=8, batch_size=16, lr=0.05, width=64, rows=300)
    assert found["zeros/rank"] == 1 < found["xavier/rank"]
    assert found["zeros/gradient_spread"] < 1e-9
    assert found["xavier/gradient_spread"] > 0.1
    assert found["zeros/accuracy"] < 0.5
    assert found["xavier/accuracy"] > 0.8
    assert found["weights/of_the_rule"] == pytest.approx(1, abs=0.1)
    assert found["weights/of_the_misprint"] == pytest.approx((64 * 16 + 16) / (64 + 16), rel=0.1)
    for way in ("forwards", "backwards"):
        assert found[f"variance/misprint_{way}"] < 1e-4
        assert found[f"variance/xavier_{way}"] > 0.05
    assert found["variance/zeros_forwards"] is None
    assert set(w.figures) == {"symmetry-loss", "symmetry-gradients", "variances"}


def test_gradients_are_right_in_both_precisions_and_those_of_torch(tmp_path):
    w = work(tmp_path)
    found = gradient_check(w, source="digits", rows=3, hidden=6, code=5)
    assert found["classifier/scalars"] == 64 * 6 + 6 + 6 * 10 + 10
    for name in ("classifier", "autoencoder", "torch_classifier", "torch_autoencoder"):
        assert found[f"{name}/float64"] < 1e-7
        assert 1e-10 < found[f"{name}/float32"] < 1e-4
    assert found["classifier/torch_difference"] < 1e-12
    (table,) = w.tables.values()
    assert sum(row["scalars"] for row in table if row["network"] == "autoencoder") == found["autoencoder/scalars"]


def test_a_twin_computes_what_its_network_computes():
    network = Network([5, 4, 3], ["sigmoid", "softmax"], "cross_entropy", seed=1)
    x = np.random.default_rng(0).normal(size=(6, 5))
    t = np.eye(3)[[0, 1, 2, 0, 1, 2]]
    module, loss = twin(network)
    given = torch.from_numpy(x)
    np.testing.assert_allclose(functional.softmax(module(given), 1).detach().numpy(), network.forward(x))
    assert loss(module, given, torch.from_numpy(t)).item() == pytest.approx(network.loss(x, t))


def test_momentum_is_measured_beside_plain_descent_and_pca(tmp_path):
    w = work(tmp_path)
    found = from_scratch_autoencoder(w, source="digits", hidden=[12, 8, 12], epochs=15, batch_size=36, lr=3e-4)
    assert found["train/parameters"] == 64 * 12 + 12 + 12 * 8 + 8 + 8 * 12 + 12 + 12 * 64 + 64
    assert found["plain/valid_psnr"] < found["valid/psnr"]
    assert found["net/hidden_units"] == 32 > found["net/dead_units"]
    assert found["valid/gain"] == pytest.approx(found["valid/psnr"] - found["valid/pca_psnr"])
    data = narrows.open("digits")
    rows = split(data)
    truth = (data.values[rows.valid] / 255).astype(np.float32)
    baseline = PCACodes(8).fit(data.values[rows.train])  # as many components as the narrowest layer has units
    assert found["valid/pca_psnr"] == pytest.approx(psnr(truth, baseline.reconstruct(data.values[rows.valid])).mean())
    assert found["valid/pca_psnr_pooled"] < found["valid/pca_psnr"]
    assert set(w.figures) == {"momentum", "reconstruction"}
    with pytest.raises(RecipeError, match="hidden"):
        from_scratch_autoencoder(work(tmp_path, "none"), source="digits", hidden=[])


def test_units_that_died_are_counted(tmp_path):
    hidden = [12, 8, 12]
    calm = from_scratch_autoencoder(work(tmp_path, "calm"), source="digits", hidden=hidden, epochs=1, lr=1e-6)
    wild = from_scratch_autoencoder(work(tmp_path, "wild"), source="digits", hidden=hidden, epochs=1, lr=0.05)
    assert calm["net/dead_units"] < 5
    assert 10 < wild["net/dead_units"] <= 32  # its steps throw units to where there is no gradient


def test_an_autoencoder_of_the_one_loop_is_measured_on_validation_rows(tmp_path, vectors):
    w = work(tmp_path)
    found = letters_autoencoder(
        w,
        source="digits",
        net={"name": "dense", "code_size": 4, "hidden": [64]},
        objective={"name": "augmented", "views": ["affine:0.2"]},
        train={"epochs": 25, "batch_size": 64, "lr": 5e-3},
    )
    data = narrows.open("digits")
    valid = data.values[split(data).valid]
    rebuilt = Model.load(w.folder).reconstruct(valid)
    assert found["valid/psnr"] == pytest.approx(psnr((valid / 255).astype(np.float32), rebuilt).mean(), rel=1e-5)
    assert found["valid/psnr"] > 13
    assert found["codes/size"] == 4
    with pytest.raises(DataError, match="images"):
        letters_autoencoder(work(tmp_path, "vectors"), source=vectors, net={"name": "dense", "code_size": 2})
    with pytest.raises(DataError, match="validation"):
        letters_autoencoder(work(tmp_path, "none"), source="digits", net={"name": "dense", "code_size": 2}, valid=0.0)


def test_the_recipe_is_the_network_of_the_study():
    from narrows.studies import study as studies

    recipe = load("letters")
    (dense,) = [row for row in studies.load("letters-autoencoder").run if row.name == "dense"]
    assert recipe.net.model_dump() == dense.arguments["net"]
    assert recipe.objective == check({"objective": dense.arguments["objective"]}).objective
    for name, value in dense.arguments["train"].items():
        assert getattr(recipe.train, name) == value


def test_the_recipe_runs_unchanged_on_files_in_the_form_of_nist36(tmp_path):
    from scipy.io import savemat

    rng = np.random.default_rng(0)
    folder = tmp_path / "nist36"
    folder.mkdir()
    for part, rows in (("train", 72), ("valid", 36), ("test", 36)):
        images = np.zeros((rows, 32, 32))
        images[:, :, :8] = rng.uniform(size=(rows, 1, 1))  # the left edge, wherever rows are read the right way
        flat_by_columns = images.transpose(0, 2, 1).reshape(rows, 1024)
        labels = np.eye(36)[np.arange(rows) % 36]
        savemat(folder / f"nist36_{part}.mat", {f"{part}_data": flat_by_columns, f"{part}_labels": labels})
    settings = ["train.epochs=1", "projection.name=pca", "clustering.n_clusters=3", f"data.source={folder}"]
    run = pipeline.run(load("letters", settings), tmp_path / "run")
    assert run.results["train/parameters"] == 1_329_696
    data = narrows.open(folder)
    assert np.bincount(data.labels).tolist() == [4] * 36
    assert [int((data.split == part).sum()) for part in ("train", "valid", "test")] == [72, 36, 36]
    assert not data.values[:, :, :, 8:].any()
    assert (data.values[:, 0, :, :8] == data.values[:, 0, :1, :1]).all()
