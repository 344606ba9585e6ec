"""Every estimator takes the same sources as `narrows.open`, and both read the same values."""

import csv
import gzip
import io
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from PIL import Image
from pyarrow import parquet
from scipy import sparse

import narrows
from narrows.data import arrays, frames, text
from narrows.errors import DataError, InputError

VALUES = np.random.default_rng(0).normal(size=(30, 3)).round(1)
NAMES = ["a", "b", "c"]
FRAME = pd.DataFrame(VALUES, columns=NAMES, index=[f"r{i}" for i in range(30)])
IMAGES = np.random.default_rng(1).integers(0, 256, (24, 8, 8), dtype=np.uint8)


def csv_of(frame, **options):
    return frame.to_csv(**{"index": False} | options)


def with_lists(write=str):
    return pd.DataFrame({"id": FRAME.index, "vector": [write(row.tolist()) for row in VALUES], "city": "Rome"})


def parquet_of(table, path):
    parquet.write_table(table, path)
    return path


def gz(path, content):
    path.write_bytes(gzip.compress(content.encode()))
    return path


def plain(path, content):
    path.write_text(content)
    return path


def npz(path, matrix):
    sparse.save_npz(path, matrix)
    return path


SPARSE = np.where(np.abs(VALUES) > 0.5, VALUES, 0)
#: What is given -> how it is made from a folder, and the values that are in it.
GIVEN = {
    "array": (lambda folder: VALUES, VALUES),
    "lists": (lambda folder: VALUES.tolist(), VALUES),
    "tensor that requires gradients": (lambda folder: torch.tensor(VALUES, requires_grad=True), VALUES),
    "half": (lambda folder: torch.tensor(VALUES).half(), VALUES.astype(np.float16)),
    "list of tensors": (lambda folder: [torch.tensor(row, requires_grad=True) for row in VALUES], VALUES),
    "pandas": (lambda folder: FRAME, VALUES),
    "pandas, nullable": (lambda folder: FRAME.astype("Float64"), VALUES),
    "pandas, whole and nullable": (lambda folder: FRAME.round().astype("Int64"), VALUES.round()),
    "pandas, truth values": (lambda folder: (FRAME > 0).astype("boolean"), VALUES > 0),
    "pandas, mixed": (lambda folder: FRAME.assign(c=FRAME.c > 0, b=FRAME.b.astype(object)), None),
    "pandas, sparse": (lambda folder: pd.DataFrame.sparse.from_spmatrix(sparse.csr_array(SPARSE)), SPARSE),
    "pandas, words beside": (lambda folder: FRAME.assign(word="x", id=range(30)), VALUES),
    "pandas, lists": (lambda folder: with_lists(list), VALUES),
    "pyarrow": (lambda folder: pa.table(FRAME.reset_index(drop=True)), VALUES),
    "pyarrow, lists": (lambda folder: pa.table({"v": pa.array(VALUES.tolist(), pa.list_(pa.float64(), 3))}), VALUES),
    "sparse matrix": (lambda folder: sparse.csr_matrix(SPARSE), SPARSE),
    "sparse array": (lambda folder: sparse.coo_array(SPARSE), SPARSE),
    "sparse .npz": (lambda folder: npz(folder / "x.npz", sparse.csc_array(SPARSE)), SPARSE),
    ".csv.gz": (lambda folder: gz(folder / "x.csv.gz", csv_of(FRAME)), VALUES),
    ".tsv.gz": (lambda folder: gz(folder / "x.tsv.gz", csv_of(FRAME, sep="\t")), VALUES),
    ".csv of lists": (lambda folder: plain(folder / "x.csv", csv_of(with_lists())), VALUES),
    ".csv of arrays": (
        lambda folder: plain(folder / "x.csv", csv_of(with_lists(lambda row: str(np.array(row))))),
        VALUES,
    ),
    ".parquet": (lambda folder: parquet_of(pa.table(FRAME.reset_index(drop=True)), folder / "x.parquet"), VALUES),
    ".parquet of lists": (lambda folder: parquet_of(pa.table(with_lists(list)), folder / "x.parquet"), VALUES),
    "tensors.tsv": (lambda folder: plain(folder / "tensors.tsv", csv_of(FRAME, sep="\t", header=False)), VALUES),
}


@pytest.mark.parametrize("name", GIVEN)
def test_both_doors_see_the_same(name, tmp_path, monkeypatch):
    make, expected = GIVEN[name]
    source = make(tmp_path)
    opened = narrows.open(source)
    if expected is not None:
        np.testing.assert_allclose(opened.values, np.asarray(expected, np.float32), atol=1e-7)
    estimator = narrows.Autoencoder(2, epochs=1, random_state=0).fit(source)
    seen, encode = [], estimator.model_.encode
    monkeypatch.setattr(estimator.model_, "encode", lambda values, *rest: seen.append(values) or encode(values, *rest))
    np.testing.assert_array_equal(
        estimator.transform(source), narrows.Autoencoder(2, epochs=1, random_state=0).fit(opened).transform(opened)
    )
    np.testing.assert_array_equal(seen, [opened.values])


@pytest.mark.parametrize(
    "estimator",
    [
        narrows.NeuralKMeans(2, epochs=1, random_state=0),
        narrows.ImageClusterer(2, method="kmeans", random_state=0),
        narrows.Classifier(epochs=1, random_state=0),
        narrows.LinearProbe(narrows.Autoencoder(2, epochs=1, random_state=0), epochs=1, random_state=0),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_every_estimator_takes_them(estimator):
    y = torch.arange(30) % 2
    for source in (
        torch.tensor(VALUES, requires_grad=True).bfloat16(),
        FRAME.astype("Float64"),
        sparse.csr_array(SPARSE),
    ):
        assert len(estimator.fit(source, y).predict(source)) == 30


@pytest.mark.parametrize("give", [list, iter, np.array, pd.Series, tuple], ids=lambda kind: kind.__name__)
def test_files_are_given_by_name(give, tmp_path):
    names = [str(tmp_path / f"{i:02}.png") for i in range(len(IMAGES))]
    for name, image in zip(names, IMAGES, strict=True):
        Image.fromarray(image).save(name)
    np.testing.assert_array_equal(narrows.open(give(names)).values[:, 0], IMAGES)
    clusterer = narrows.ImageClusterer(2, method="kmeans", random_state=0).fit(give(names))
    np.testing.assert_array_equal(clusterer.labels_, clusterer.predict(IMAGES))


def test_a_dataframe_keeps_its_names_and_its_index(tmp_path):
    data = narrows.open(FRAME)
    assert data.ids == tuple(FRAME.index)
    assert data.provenance["columns"] == NAMES
    for frame in (FRAME, pa.table(FRAME)):
        estimator = narrows.Autoencoder(2, epochs=1, random_state=0).fit(frame)
        assert estimator.feature_names_in_.tolist() == NAMES
    assert not hasattr(narrows.Autoencoder(2, epochs=1).fit(FRAME.set_axis([0, 1, 2], axis=1)), "feature_names_in_")
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.transform(FRAME[["b", "a", "c"]])
    estimator.fit(FRAME)
    assert estimator.set_output(transform="pandas").transform(FRAME).index.tolist() == FRAME.index.tolist()
    assert narrows.open(FRAME.reset_index(drop=True)).ids[:2] == ("0", "1")
    twice = narrows.open(FRAME.rename(index={"r1": "r0"}))
    assert twice.ids[:2] == ("0", "1")
    assert "The index has repeated values, so rows are identified by number." in twice.notes
    for index in (FRAME.index, [7 * i for i in range(30)]):
        FRAME.set_axis(index, axis=0).to_parquet(tmp_path / "x.parquet")
        data = narrows.open(tmp_path / "x.parquet")
        assert data.ids == tuple(map(str, index))
        assert data.shape == (3,)
        assert not data.metadata
        named = FRAME.set_axis(pd.Index(index, name="time"), axis=0)
        named.to_parquet(tmp_path / "x.parquet")
        for source in (named, pa.Table.from_pandas(named), tmp_path / "x.parquet"):
            data = narrows.open(source)
            assert data.ids == tuple(map(str, index))
            assert data.provenance["columns"] == NAMES
    asked = {"columns": ["time", "a"], "ignore": ["time"], "labels": "time"}  # by its name it is a column as others are
    found = [narrows.open(tmp_path / "x.parquet", **{name: value}) for name, value in asked.items()]
    assert [data.shape for data in found] == [(2,), (3,), (3,)]
    assert found[2].class_names[1] == "7"
    levels = pd.MultiIndex.from_product([["x", "y"], range(15)])
    assert narrows.open(FRAME.set_index(levels)).ids[15] == "y/0"


def test_labels_of_a_dataframe_teach_and_are_no_data():
    frame = FRAME.assign(label=np.where(FRAME.a > 0, "warm", "cold"))
    classifier = narrows.Classifier(epochs=1, random_state=0).fit(frame)
    assert classifier.classes_.tolist() == ["cold", "warm"]
    assert classifier.feature_names_in_.tolist() == NAMES
    assert classifier.score(frame) == classifier.score(FRAME, frame.label)
    with pytest.raises(ValueError, match="requires y"):
        narrows.Classifier(epochs=1).fit(FRAME)


def test_values_that_are_not_there_are_refused_by_both_doors():
    frame = FRAME.astype("Float64")
    frame.iloc[3, 1] = pd.NA
    with pytest.raises(DataError, match="NaN or infinity in 1 of 30 rows"):
        narrows.open(frame)
    with pytest.raises(ValueError, match="NaN"):
        narrows.Autoencoder().fit(frame)


def test_a_column_of_vectors_is_the_data_and_others_are_known_beside_it():
    data = narrows.open(with_lists(list).assign(year=2020))
    assert data.ids == tuple(FRAME.index)
    assert data.metadata.keys() == {"city", "year"}
    assert data.provenance["columns"] == ["vector[0]", "vector[1]", "vector[2]"]
    assert "The column 'vector', which holds vectors of 3 numbers, was read as the data." in data.notes


def test_vectors_are_chosen_by_name_and_found_again_in_other_tables(tmp_path):
    two = with_lists(list).assign(other=[[1.0, 2.0]] * 30, x=1.0)
    with pytest.raises(DataError, match=r"several columns of vectors.*'vector', 'other'.*columns=\['vector'\]"):
        narrows.open(two)
    assert narrows.open(two, columns=["other"]).shape == (2,)
    assert narrows.open(two, columns=["other", "x"]).shape == (3,)
    assert narrows.open(two, ignore=["other"]).shape == (3,)
    own = narrows.open(two, columns=["vector"])
    like = own.provenance["preprocessing"]
    assert like["columns"] == ["vector[0]", "vector[1]", "vector[2]"]
    for new in (two, with_lists(), FRAME.set_axis(like["columns"], axis=1)):
        path = plain(tmp_path / "new.csv", csv_of(new))
        np.testing.assert_array_equal(narrows.open(path, like=like).values, own.values)


def test_an_embedding_may_be_long(tmp_path):
    rows = np.random.default_rng(0).normal(size=(4, 9000))
    long = pd.DataFrame({"id": list("abcd"), "v": [str(row.tolist()) for row in rows]})
    before = csv.field_size_limit()
    data = narrows.open(plain(tmp_path / "x.csv", csv_of(long)))
    np.testing.assert_array_equal(data.values, rows.astype(np.float32))
    assert csv.field_size_limit() == before


def test_lists_that_differ_in_length_are_no_vectors(tmp_path):
    frame = pd.DataFrame({"tags": [[1, 2], [3], [4, 5]], "words": [["a"], ["b"], []], "x": [1, 2, 3]})
    for source in (frame, pa.table(frame), plain(tmp_path / "x.csv", csv_of(frame))):
        data = narrows.open(source)
        assert data.values.tolist() == [[1], [2], [3]]
        assert data.metadata.keys() == {"tags", "words"}


def test_a_packed_table_is_bounded_and_damage_is_said(tmp_path, monkeypatch):
    path = gz(tmp_path / "x.csv.gz", "a,b\n" + "1,2\n" * 100_000)
    assert len(narrows.open(path)) == 100_000
    monkeypatch.setattr(text, "MOST_UNPACKED", 100_000)
    with pytest.raises(DataError, match="must decompress to at most 100,000 bytes"):
        narrows.open(path)
    path.write_bytes(path.read_bytes()[:-20])
    monkeypatch.undo()
    with pytest.raises(DataError, match=r"must be an undamaged \.gz"):
        narrows.open(path)


def test_labels_come_from_a_packed_table(tmp_path):
    labels = gz(tmp_path / "labels.csv.gz", "id,label\n" + "".join(f"{i},{i % 2}\n" for i in range(30)))
    assert narrows.open(VALUES, labels=labels).labels[:3].tolist() == [0, 1, 0]


def test_parquet_without_pyarrow_names_the_remedy(tmp_path, monkeypatch):
    path = parquet_of(pa.table(FRAME), tmp_path / "x.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"pip install 'narrows\[parquet\]'"):
        narrows.open(path)


def test_several_files_of_parquet_are_one_table(tmp_path):
    for part in range(3):
        parquet_of(pa.table(FRAME[10 * part : 10 * part + 10]), tmp_path / f"part-{part}.parquet")
    data = narrows.open(tmp_path / "part-*.parquet")
    np.testing.assert_array_equal(data.values, VALUES.astype(np.float32))
    parquet_of(pa.table({"z": [1.0]}), tmp_path / "part-3.parquet")
    with pytest.raises(DataError, match="undamaged Parquet table"):
        narrows.open(tmp_path / "part-*.parquet")


def test_damaged_and_boundless_files_are_refused(tmp_path):
    path = parquet_of(pa.table(FRAME), tmp_path / "x.parquet")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="undamaged Parquet table"):
        narrows.open(path)
    path = npz(tmp_path / "x.npz", sparse.csr_array((10**6, 10**6)))
    with pytest.raises(DataError, match=r"7,450\.6 GiB"):
        narrows.open(path)
    file = io.BytesIO()
    np.savez(file, format=b"csr", shape=[2, 2], data=[1.0, 2.0], indices=[0, 10**8], indptr=[0, 1, 2])
    path.write_bytes(file.getvalue())
    with pytest.raises(DataError, match="undamaged sparse matrix"):
        narrows.open(path)
    with pytest.raises(DataError, match="one sparse matrix"):
        narrows.open(npz(path, sparse.csr_array(SPARSE)), key="data")


def test_images_are_still_told_from_tables():
    estimator = narrows.Autoencoder(2, epochs=1, random_state=0).fit(torch.from_numpy(IMAGES).float().requires_grad_())
    assert estimator.reconstruct(IMAGES).shape == IMAGES.shape
    assert estimator.transform([torch.from_numpy(image) for image in IMAGES]).shape == (24, 2)
    assert estimator.inverse_transform(torch.zeros(4, 2, requires_grad=True)).shape == (4, 8, 8)
    with pytest.raises(InputError, match="must be images"):
        estimator.transform(FRAME)


def test_a_dataframe_of_another_library_keeps_its_library():
    for frame in (FRAME, pa.table(FRAME)):
        assert type(frames.with_values(frame, ["p", "q"], VALUES[:, :2])) is type(frame)


@pytest.mark.parametrize(
    "said", [b"{", b"5", b"[1]", b'{"index_columns": 3}', b'{"index_columns": [null, {}]}', b"\xff"]
)
def test_what_a_table_says_of_its_index_may_be_anything(said, tmp_path):
    table = pa.table(FRAME.reset_index(drop=True)).replace_schema_metadata({b"pandas": said})
    parquet.write_table(table, tmp_path / "x.parquet")
    assert narrows.open(tmp_path / "x.parquet").provenance["columns"] == NAMES


def test_a_table_that_grows_in_its_lists_is_refused_before_it_is_read(tmp_path, monkeypatch):
    rows, size = 4000, 1000
    offsets = pa.array(np.arange(0, rows * size + 1, size, dtype=np.int32))
    lists = pa.ListArray.from_arrays(offsets, pa.array(np.zeros(rows * size, np.float32)))
    parquet.write_table(pa.table({"vector": lists}), tmp_path / "x.parquet")
    assert (tmp_path / "x.parquet").stat().st_size < 20_000
    monkeypatch.setattr(arrays, "MOST_BYTES", 4 * rows * size)
    assert narrows.open(tmp_path / "x.parquet").values.shape == (rows, size)
    monkeypatch.setattr(arrays, "MOST_BYTES", 4 * rows * size - 1)
    monkeypatch.setattr(parquet.ParquetFile, "read", None)
    with pytest.raises(DataError, match="must fit in"):
        narrows.open(tmp_path / "x.parquet")


def test_columns_of_one_name_are_refused():
    with pytest.raises(DataError, match="must name each column once"):
        narrows.open(pd.DataFrame(VALUES, columns=["a", "a", "b"]))


def test_a_table_without_room_is_not_called_damaged(tmp_path, monkeypatch):
    def without_room(_):
        raise pa.ArrowMemoryError("realloc of size 1073741824 failed")

    FRAME.to_parquet(tmp_path / "x.parquet")
    monkeypatch.setattr(parquet.ParquetFile, "read", without_room)
    with pytest.raises(DataError, match="must fit in the memory that is free"):
        narrows.open(tmp_path / "x.parquet")
