import csv

import numpy as np
import pytest

from narrows.files import atomic_file, read_arrays, read_json, write_arrays, write_csv, write_json, write_text


def test_a_failed_write_leaves_the_old_content_and_no_rubbish(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_file(path) as file:
        file.write(b"half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_says_what_was_being_written(tmp_path):
    with (
        pytest.raises(
            OSError,
            match=r"a\.txt could not be written: No space left on device; it needs .* bytes, and [0-9,]+ are free",
        ),
        atomic_file(tmp_path / "a.txt"),
    ):
        raise OSError(28, "No space left on device")


def test_arrays_and_metadata_come_back_bit_for_bit(tmp_path):
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3).T, "b": np.array(3, dtype=np.int64)}
    write_arrays(tmp_path / "x.safetensors", arrays, {"step": 3, "name": "ü"})
    found, metadata = read_arrays(tmp_path / "x.safetensors")
    assert metadata == {"step": 3, "name": "ü"}
    assert all(
        np.array_equal(found[name], array) and found[name].dtype == array.dtype for name, array in arrays.items()
    )


def test_json_has_no_nan(tmp_path):
    write_json(tmp_path / "x.json", {"a": float("nan"), "b": [np.float32(1.5), np.inf], "c": {"d": np.int64(2)}})
    assert read_json(tmp_path / "x.json") == {"a": None, "b": [1.5, None], "c": {"d": 2}}


def test_a_table_is_read_back_as_it_was_written(tmp_path):
    rows = [["id", "said"], ["a", 'one, "two"\nthree'], ["b", ""]]
    write_csv(tmp_path / "a.csv", iter(rows))
    with open(tmp_path / "a.csv", encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == rows
    assert (tmp_path / "a.csv").read_bytes().startswith(b"id,said\na,")
