import tracemalloc

import numpy as np
import pandas as pd
import pytest

import narrows
from narrows.data import columns
from narrows.encoding.model import Model
from narrows.errors import DataError

RNG = np.random.default_rng(0)
PLAIN = RNG.normal(size=(300, 6))
STEPS = np.arange(300)
FAR = {
    "numbers": 10**9 + STEPS,
    "seconds": 1.7e9 + STEPS / 2,
    "milliseconds": 1.7e12 + 400.0 * STEPS,
    "nanoseconds": 1_700_000_000_000_000_000 + 400_000_000 * STEPS,
}


@pytest.mark.parametrize("name", FAR)
def test_a_column_far_from_0_keeps_what_it_says(name):
    column = FAR[name]
    table = np.column_stack([PLAIN[:, :2].astype(object), column.astype(object), PLAIN[:, 2:].astype(object)])
    data = narrows.open(table.astype(np.float64))
    assert data.values.dtype == np.float32
    offsets = data.provenance["preprocessing"]["offsets"]
    assert list(offsets) == ["2"]
    steps = data.values[:, 2] / (data.values[1, 2] - data.values[0, 2])
    assert np.allclose(np.diff(steps), 1, atol=1e-3)
    assert np.allclose(
        columns.with_offsets(data.values, {"offsets": offsets})[:, 2], column.astype(np.float64), rtol=1e-12
    )
    assert "Centred, because the values are far from 0 compared with their range: 'number 2'." in data.notes


@pytest.mark.parametrize(
    "column",
    [
        np.zeros(300),
        np.full(300, 1.7e18),
        5 + 1e-13 * RNG.normal(size=300),
        1013 + 20 * RNG.normal(size=300),
        np.float32(0.1) * np.ones(300, np.float32),
        RNG.normal(size=300) * 1e30,
        np.where(STEPS == 7, 1e9, 0.0),
    ],
    ids=["zeros", "constant", "rounding", "pressure", "constant in float32", "huge", "outlier"],
)
def test_other_columns_have_no_offset(column):
    data = narrows.open(np.column_stack([PLAIN, column]))
    assert "offsets" not in data.provenance.get("preprocessing", {})


@pytest.mark.parametrize(
    "column",
    [*FAR.values(), np.full(300, 1e9), 1e-40 * np.arange(300), 5 + 1e-13 * RNG.normal(size=300), 1e30 * STEPS],
)
@pytest.mark.parametrize("as_float32", [False, True])
def test_scaled_columns_are_of_size_1(column, as_float32):
    table = np.column_stack([PLAIN, column.astype(np.float64)])
    data = narrows.open(table.astype(np.float32) if as_float32 else table)
    model = Model(data.shape, {"name": "dense", "code_size": 2}, {"name": "reconstruction"})
    model.fit_scaling(data.values)
    import torch

    prepared = model.prepare(torch.from_numpy(data.values.copy())).numpy()
    assert np.isfinite(prepared).all()
    assert np.abs(prepared).max() < 10
    assert np.abs(prepared[:, :6].std(axis=0) - 1).max() < 1e-3


def test_new_rows_are_counted_from_where_the_models_were():
    table = np.column_stack([PLAIN, FAR["seconds"]])
    model = narrows.Autoencoder(3, epochs=2, random_state=0).fit(table)
    codes = model.transform(table)
    assert np.allclose(model.transform(table[250:]), codes[250:], atol=1e-5)
    assert np.allclose(model.transform(narrows.open(table[250:])), codes[250:], atol=1e-5)  # has offsets of its own
    assert np.allclose(
        model.transform(narrows.open(table[250:], like=model.model_.preprocessing)), codes[250:], atol=1e-5
    )
    back = model.reconstruct(table)
    assert np.abs(back[:, 6] - 1.7e9).max() < 1000
    assert back.dtype == np.float64


def test_centres_are_given_in_the_units_of_the_table(tmp_path):
    table = np.column_stack([PLAIN[:, 0], 1.7e9 + STEPS])
    model = narrows.NeuralKMeans(2, epochs=3, random_state=0, init=table[[10, 290]]).fit(table)
    assert np.abs(np.sort(model.cluster_centers_[:, 1]) - 1.7e9 - [75, 225]).max() < 20
    model.save(tmp_path)
    loaded = narrows.NeuralKMeans.load(tmp_path)
    assert np.array_equal(loaded.cluster_centers_, model.cluster_centers_)
    assert np.array_equal(loaded.predict(table), model.labels_)


def test_a_dataframe_leaves_its_names_with_the_model(tmp_path):
    frame = pd.DataFrame(PLAIN, columns=list("abcdef"))
    for kind in (narrows.Autoencoder(2, epochs=1, random_state=0), narrows.NeuralKMeans(2, epochs=1, random_state=0)):
        model = kind.fit(frame)
        assert model.model_.preprocessing["columns"] == list("abcdef")
        model.save(tmp_path / type(kind).__name__)
        loaded = type(kind).load(tmp_path / type(kind).__name__)
        assert np.array_equal(loaded.transform(frame), model.transform(frame))
        for reader in (model, loaded):
            with pytest.raises(ValueError, match="same order"):
                reader.transform(frame[list("fedcba")])
            with pytest.raises(ValueError, match="feature names"):
                reader.transform(frame.rename(columns={"a": "z"}))
        frame[list("fbdcea")].assign(extra="x").to_csv(tmp_path / "x.csv", index=False)
        assert np.allclose(loaded.transform(str(tmp_path / "x.csv")), model.transform(frame), atol=1e-5)


def test_a_classifier_remembers_names_too(tmp_path):
    frame = pd.DataFrame(PLAIN, columns=list("abcdef"))
    model = narrows.Classifier(epochs=1, random_state=0).fit(frame, np.arange(300) % 2)
    model.save(tmp_path)
    with pytest.raises(ValueError, match="same order"):
        narrows.Classifier.load(tmp_path).predict(frame[list("fedcba")])


def test_the_columns_that_are_data_are_named(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("id,width,when,kind\n" + "".join(f"r{i},{i % 7},{1.7e9 + i / 4:.2f},k{i % 2}\n" for i in range(40)))
    data = narrows.open(path)
    assert "2 columns were read as data: 'width', 'when'." in data.notes
    assert "Centred, because the values are far from 0 compared with their range: 'when'." in data.notes
    assert np.allclose(np.diff(data.values[:, 1]), 0.25)
    again = narrows.open(path, like=data.provenance["preprocessing"])
    assert np.array_equal(again.values, data.values)
    assert not any("read as data" in note for note in again.notes)
    only = narrows.open(data, columns=["when"])
    assert list(only.provenance["preprocessing"]["offsets"]) == ["0"]
    with pytest.raises(DataError, match="size"):
        narrows.open(path, size=8)


def test_vectors_of_tensors_are_taken_as_they_are():
    import torch

    for tensor in (torch.rand(30, 6, requires_grad=True), torch.rand(30, 6).to(torch.bfloat16)):
        model = narrows.Autoencoder(2, epochs=1, random_state=0).fit(tensor)
        assert model.transform(tensor).shape == (30, 2)


def test_large_whole_numbers_differ_exactly():
    table = np.column_stack([2**60 + np.arange(120), np.arange(120)])
    data = narrows.open(table)
    assert np.array_equal(np.diff(data.values[:, 0]), np.ones(119))
    again = narrows.open(table[5:9], like=data.provenance["preprocessing"])
    assert np.array_equal(again.values, data.values[5:9])


def test_fewer_columns_than_the_models_are_refused():
    model = narrows.Autoencoder(2, epochs=1, random_state=0).fit(np.column_stack([PLAIN[:, 0], FAR["seconds"]]))
    with pytest.raises(DataError, match="same columns as the model's data"):
        model.transform(narrows.open(PLAIN[:, :1]))


FRAME = pd.DataFrame(
    {
        "id": [f"r{i}" for i in range(40)],
        "width": np.arange(40) % 7,
        "when": 1.7e9 + np.arange(40) / 4,
        "place": ["here"] * 40,
        "label": ["cat", "dog", None, "dog"] * 10,
    }
)


def test_a_dataframe_is_read_as_its_file_is(tmp_path):
    FRAME.to_csv(tmp_path / "x.csv", index=False)
    frame, file = narrows.open(FRAME), narrows.open(tmp_path / "x.csv")
    assert np.array_equal(frame.values, file.values)
    assert np.array_equal(frame.labels, file.labels)
    assert (frame.class_names, frame.ids) == (file.class_names, file.ids)
    assert frame.provenance["preprocessing"] == file.provenance["preprocessing"]
    turned = narrows.open(FRAME[["when", "label", "width"]], like=frame.provenance["preprocessing"])
    assert np.array_equal(turned.values, frame.values)
    assert narrows.open(FRAME, columns=["when", "width"]).provenance["columns"] == ["when", "width"]
    assert np.array_equal(narrows.open(FRAME, columns=["when", "width"]).values[:, 1], FRAME["width"])
    assert narrows.open(FRAME, labels="place").class_names == ["here"]
    with pytest.raises(DataError, match="nope"):
        narrows.open(FRAME, columns=["nope"])
    with pytest.raises(DataError, match="at least one column"):
        narrows.open(FRAME[["place"]])
    with pytest.raises(DataError, match="finite"):
        narrows.open(FRAME.assign(width=np.where(np.arange(len(FRAME)) == 1, np.nan, FRAME["width"])))
    empty = FRAME.assign(width=np.nan)
    empty.to_csv(tmp_path / "empty.csv", index=False)
    assert narrows.open(empty).provenance["columns"] == narrows.open(tmp_path / "empty.csv").provenance["columns"]


def test_an_estimator_fitted_to_a_file_checks_the_names_of_dataframes(tmp_path):
    frame = pd.DataFrame(PLAIN, columns=list("abcdef"))
    frame.to_csv(tmp_path / "x.csv", index=False)
    model = narrows.Autoencoder(2, epochs=1, random_state=0).fit(str(tmp_path / "x.csv"))
    assert model.transform(frame).shape == (300, 2)
    with pytest.raises(ValueError, match="same order"):
        model.transform(frame[list("fedcba")])
    assert not hasattr(model.fit(narrows.open(PLAIN)), "feature_names_in_")


def test_data_of_another_kind_than_the_models_are_refused_for_what_they_are():
    like = narrows.open(FRAME).provenance["preprocessing"]
    with pytest.raises(DataError, match="must be vectors, like the model's; got 'images'"):
        narrows.open(np.zeros((3, 8, 8), np.uint8), like=like)
    like = narrows.open(np.zeros((3, 8, 8), np.uint8)).provenance["preprocessing"]
    with pytest.raises(DataError, match="must be images of 8x8, like the model's; got 'vectors'"):
        narrows.open(PLAIN, like=like)


@pytest.mark.parametrize("rows", [None, np.array([5, 3, 3, 299])])
@pytest.mark.parametrize("block", [1, 100, 1 << 22])
def test_moments_are_those_of_all_rows_at_once_to_the_last_bit(monkeypatch, rows, block):
    monkeypatch.setattr(columns, "BLOCK_VALUES", block)
    values = (np.random.default_rng(0).normal(size=(300, 7)) * 10 + 3).astype(np.float32)
    chosen = values if rows is None else values[rows]
    mean, variance, low, high = columns.moments(values, rows)
    assert np.array_equal(mean, chosen.mean(axis=0, dtype=np.float64))
    assert np.array_equal(variance, chosen.var(axis=0, dtype=np.float64))
    assert (low.tolist(), high.tolist()) == (chosen.min(axis=0).tolist(), chosen.max(axis=0).tolist())


def test_scaling_holds_a_part_of_the_rows_at_a_time(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.random.default_rng(0).normal(size=(400_000, 30)).astype(np.float32))
    values = np.load(path, mmap_mode="r")  # 48 MB, of which float64 would be 96 MB
    model = Model((30,), {"name": "dense", "code_size": 2}, {"name": "reconstruction"})
    tracemalloc.start()
    model.fit_scaling(values, np.arange(0, 400_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * 8 * columns.BLOCK_VALUES  # a half of what float64 takes
    assert np.array_equal(model.scale.numpy(), values.std(axis=0, dtype=np.float64).astype(np.float32))
