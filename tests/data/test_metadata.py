import errno
import gzip
import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from PIL import Image
from pyarrow import parquet

import narrows
from narrows.data.dataset import Dataset
from narrows.data.metadata import in_kind, of_texts, of_values, written
from narrows.errors import DataError

VALUES = np.random.default_rng(0).normal(size=(6, 2)).round(2)


@pytest.fixture
def photos(tmp_path):
    """Six images in two levels of folders; the inner level has the same name everywhere."""
    for i in range(6):
        folder = tmp_path / "photos" / f"plate {i % 2}" / "raw" / f"well {i // 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((9, 9), 20 * i, np.uint8)).save(folder / f"image{i}.png")
    return tmp_path / "photos"


def table(folder, text, name="meta.csv"):
    (folder / name).write_text(text)
    return folder / name


def plain(column):
    return list(column) if isinstance(column, tuple) else [None if math.isnan(x) else x for x in column]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "2.5", "NA", ""], [1, 2.5, None, None]),
        (["1", "two"], ["1", "two"]),
        (["007", "1"], ["007", "1"]),
        (["0", "0.5"], [0, 0.5]),
        (["1234567890123456", "1"], ["1234567890123456", "1"]),
        (["inf", "1"], ["inf", "1"]),
        (["", "NaN"], ["", ""]),
        (["a", "null"], ["a", ""]),
    ],
)
def test_cells_are_numbers_where_all_that_are_known_are(cells, expected):
    assert plain(of_texts(cells)) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, None, 2.5], [1, None, 2.5]),
        ([True, False, None], ["true", "false", ""]),
        (["1", "2"], ["1", "2"]),
        (np.array([1, 2], np.int8), [1, 2]),
        (pd.array([1, None], "Int64"), [1, None]),
        (pd.Series(["a", None]), ["a", ""]),
        (pd.Series([pd.NaT, pd.Timestamp("2020-01-02")]), ["", "2020-01-02 00:00:00"]),
    ],
)
def test_values_keep_their_kind(values, expected):
    column = of_values(values, "x")
    assert plain(column) == expected
    again = in_kind(written(column), is_number=not isinstance(column, tuple))
    assert plain(again) == expected


def test_numbers_are_written_as_they_are():
    numbers = np.array([0.1, 1 / 3, 1e300, -0.0, 1700000000123.0, np.nan, np.inf])
    np.testing.assert_array_equal(in_kind(written(numbers), is_number=True), numbers)


def test_a_dataset_keeps_what_is_known_of_each_row():
    data = Dataset(VALUES.astype(np.float32), metadata={"year": range(6), "city": list("abcdef")})
    some = data.take([4, 1])
    assert some.metadata["year"].tolist() == [4, 1]
    assert some.metadata["city"] == ("e", "b")
    assert data.fingerprint() == Dataset(VALUES.astype(np.float32)).fingerprint()
    with pytest.raises(DataError, match=r"metadata\['x'\] must have one entry for each of the 6 rows.*2 entries"):
        Dataset(VALUES.astype(np.float32), metadata={"x": [1, 2]})
    with pytest.raises(DataError, match=r"must be a column \(N,\)"):
        Dataset(VALUES.astype(np.float32), metadata={"x": np.zeros((6, 2))})


def test_levels_of_folders_that_differ_are_metadata(photos):
    data = narrows.open(photos)
    assert data.labels is None
    assert data.metadata == {
        "folder 1": tuple(f"plate {i}" for i in (0, 0, 0, 1, 1, 1)),
        "folder 3": tuple(f"well {i}" for i in (0, 1, 2) * 2),
    }
    assert narrows.open(photos, labels="folders").metadata.keys() == {"folder 3"}
    assert narrows.open(photos / "plate 0" / "raw", labels="none").metadata.keys() == {"folder 1"}
    assert not narrows.open(photos / "plate 0" / "raw").metadata  # they are labels
    assert not narrows.open(photos / "plate 0" / "raw" / "well 0").metadata
    assert not narrows.open(photos, metadata="none").metadata


def test_columns_of_a_table_that_are_no_data_are_metadata(tmp_path):
    text = "id,width,city,note,class,year\n" + "".join(f"r{i},{i / 2},Rome,,{i % 2},{2000 + i}\n" for i in range(6))
    for source in (table(tmp_path, text), pd.read_csv(table(tmp_path, text))):
        data = narrows.open(source, ignore=["year"])
        assert data.shape == (1,)
        assert {name: plain(column) for name, column in data.metadata.items()} == {
            "city": ["Rome"] * 6,
            "note": [""] * 6,
            "year": list(range(2000, 2006)),
        }
        assert data.ids[0] == "r0"


def test_a_table_is_matched_by_ids_by_file_names_and_by_paths(photos, tmp_path):
    ids = narrows.open(photos).ids
    for names in (
        ids,
        [i.rpartition("/")[2] for i in ids],
        [f"image{i[-5]}" for i in ids],
        [f"/other/{i}" for i in ids],
    ):
        rows = list(zip(names, range(6), strict=True))[::-1]
        path = table(tmp_path, "depth,filename\n" + "".join(f"{depth},{name}\n" for name, depth in rows))
        data = narrows.open(photos, metadata=path)
        assert data.metadata["depth"].tolist() == list(range(6))
        assert "filename" not in data.metadata
        assert data.metadata.keys() == {"folder 1", "folder 3", "depth"}
        assert (
            "Metadata: 1 column of meta.csv, by its column 'filename', for all 6 rows, used only to describe rows."
            in data.notes
        )


def test_a_table_among_the_images_is_not_said_to_be_skipped(photos):
    path = table(photos, "file,stain\nimage0,red\n")
    assert [file.path for file in narrows.open(photos).skipped] == ["meta.csv"]
    assert not narrows.open(photos, metadata=path).skipped
    assert not narrows.open(photos, metadata=str(path), strict=True).skipped


def test_what_matches_in_part_is_counted(photos, tmp_path):
    path = table(tmp_path, "file,stain\nimage0,red\nimage3,blue\nimage9,red\nimage8,red\n")
    data = narrows.open(photos, metadata=path)
    assert data.metadata["stain"] == ("red", "", "", "", "blue", "")
    assert (
        "Metadata: 1 column of meta.csv, by its column 'file', for 2 of 6 rows, used only to describe rows."
        in data.notes
    )
    assert "2 rows of meta.csv name no row of the data." in data.notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "file,a\nimage0,1\nimage0,2\n",
            "must have at most one row for each row of the data.*1 id with several rows.*image0",
        ),
        ("file,a\nphoto0,1\nphoto1,2\n", "column 'file' matches none.*photo1.*Ids look like"),
        ("a,b\n1,2\n3,4\n", "one row for each of 6.*3 rows"),
        ("file\nimage0\n", "apart from the ids"),
        ("a,b\n1\n", "must have 2 cells in every row"),
        ("", "at least one row"),
    ],
)
def test_what_a_table_does_not_say_is_not_guessed(photos, tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        narrows.open(photos, metadata=table(tmp_path, text))


def test_a_header_alone_speaks_of_no_row(tmp_path):
    with pytest.raises(DataError, match="or have one row for each of 6;"):
        narrows.open(VALUES, metadata=table(tmp_path, "id,a\n"))
    with pytest.raises(DataError, match="or have one row for each of 6;"):
        narrows.open(VALUES, metadata=pd.DataFrame({"id": [], "a": []}))


def test_the_names_of_a_dataframes_columns_are_never_taken_for_a_row(photos):
    frame = pd.DataFrame({"sample": [f"image{i}" for i in range(6)], "red": ["red", "blue"] * 3})
    assert narrows.open(photos, metadata=frame).metadata["red"] == ("red", "red", "red", "blue", "blue", "blue")


def test_equal_rows_of_one_id_say_one_thing(photos, tmp_path):
    path = table(tmp_path, "file,a\nimage0,1\nimage0,1\n")
    assert plain(narrows.open(photos, metadata=path).metadata["a"])[0] == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("p\nq\np\nq\np\nq\n", {"column 0": list("pqpqpq")}),
        ("kind\np\nq\np\nq\np\nq\n", {"kind": list("pqpqpq")}),
        ("kind\tsize\n" + "".join(f"p\t{i}\n" for i in range(6)), {"kind": ["p"] * 6, "size": list(range(6))}),
    ],
)
def test_the_projectors_tables_are_read_with_and_without_a_header(tmp_path, text, expected):
    np.savetxt(tmp_path / "tensors.tsv", VALUES, delimiter="\t")
    table(tmp_path, text, "metadata.tsv")
    data = narrows.open(tmp_path / "tensors.tsv")
    np.testing.assert_array_equal(data.values, VALUES.astype(np.float32))
    assert {name: plain(column) for name, column in data.metadata.items()} == expected
    some = narrows.open(tmp_path / "tensors.tsv", limit=3, seed=1)
    rows = [int(i) for i in some.ids]
    assert {name: plain(column) for name, column in some.metadata.items()} == {
        name: [column[row] for row in rows] for name, column in expected.items()
    }


def test_a_named_column_of_the_projectors_table_is_labels(tmp_path):
    np.savetxt(tmp_path / "tensors.tsv", VALUES, delimiter="\t")
    path = table(tmp_path, "kind\tsize\n" + "".join(f"{'pq'[i % 2]}\t{i / 2}\n" for i in range(6)), "metadata.tsv")
    data = narrows.open(tmp_path / "tensors.tsv", labels=f"{path}:kind")
    assert data.label_names == ("p", "q")
    assert data.labels.tolist() == [0, 1] * 3


@pytest.mark.parametrize("closed", [False, True])
def test_metadata_beside_that_are_of_something_else_or_closed_are_left_aside(tmp_path, monkeypatch, closed):
    np.savetxt(tmp_path / "tensors.tsv", VALUES, delimiter="\t")
    path = table(tmp_path, "a\nb\n", "metadata.tsv")

    def refused(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    if closed:
        monkeypatch.setattr("narrows.data.row_tables.text.open_text", refused)
        with pytest.raises(DataError, match="must be readable; got 'no permission'"):
            narrows.open(tmp_path / "tensors.tsv", metadata=path)
    data = narrows.open(tmp_path / "tensors.tsv")
    assert not data.metadata
    assert any(note.startswith("metadata.tsv, found next to the data, was ignored") for note in data.notes)


@pytest.mark.parametrize("first", [0, 1, 500])
def test_rows_of_an_array_are_known_by_their_numbers_from_0_or_by_order(tmp_path, first):
    rows = list(range(6))[::-1] if first == 0 else list(range(6))
    path = table(tmp_path, "id,n\n" + "".join(f"{row + first},{row}\n" for row in rows))
    assert narrows.open(VALUES, metadata=path).metadata["n"].tolist() == list(range(6))


def test_tables_of_every_kind_say_the_same(photos, tmp_path):
    ids = list(narrows.open(photos).ids)
    frame = pd.DataFrame({"file": ids[::-1], "n": range(6), "word": list("abcdef")})
    frame.to_csv(tmp_path / "m.csv", index=False)
    frame.to_csv(tmp_path / "m.tsv", index=False, sep="\t")
    (tmp_path / "m.csv.gz").write_bytes(gzip.compress((tmp_path / "m.csv").read_bytes()))
    parquet.write_table(pa.table(frame), tmp_path / "m.parquet")
    for given in (*tmp_path.glob("m.*"), str(tmp_path / "m.csv"), frame, pa.table(frame), frame.set_index("file")):
        known = narrows.open(photos, metadata=given).metadata
        assert known["n"].tolist() == [5, 4, 3, 2, 1, 0]
        assert known["word"] == tuple("fedcba")
    in_order = narrows.open(photos, metadata={"n": range(6)})
    assert in_order.metadata["n"].tolist() == [0, 1, 2, 3, 4, 5]
    assert narrows.open(narrows.open(photos), metadata=frame).metadata["word"] == tuple("fedcba")
    for wrong in (7, tmp_path / "none.csv", {"n": [1, 2], "m": [1]}):
        with pytest.raises(DataError):
            narrows.open(photos, metadata=wrong)


def test_rows_in_order_are_those_of_the_files_that_could_be_read(photos, tmp_path):
    (photos / "plate 0" / "raw" / "well 0" / "a.png").write_bytes(b"no image")
    data = narrows.open(photos, metadata=table(tmp_path, "n\n" + "".join(f"{i}\n" for i in range(7))))
    assert len(data) == 6
    assert data.metadata["n"].tolist() == [1, 2, 3, 4, 5, 6]


def test_numbers_in_tensors_and_arrays_of_none_are_numbers():
    kinds = [torch.arange(3.0), torch.ones(3, requires_grad=True).cumsum(0) - 1, [np.array(i) for i in range(3)]]
    for column in (*kinds, [torch.tensor(i) for i in range(3)], torch.arange(3).bfloat16()):
        found = of_values(column, "a")
        assert isinstance(found, np.ndarray)
        assert found.tolist() == [0, 1, 2]
    assert of_values(torch.tensor([True, False]), "a") == ("true", "false")


@pytest.mark.parametrize("path", ["~nobody-of-that-name/x.csv", "a\0b", "nothing.csv", "x" * 5000])
def test_a_table_that_is_not_there_is_refused(photos, path):
    with pytest.raises(DataError, match="metadata must be an existing table"):
        narrows.open(photos, metadata=path)
