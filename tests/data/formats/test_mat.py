import numpy as np
import pytest
from scipy.io import savemat

from narrows import data
from narrows.data.formats import mat
from narrows.errors import DataError

X = np.random.default_rng(0).random((12, 10))


def test_data_and_one_hot_labels_by_their_usual_names(tmp_path):
    savemat(tmp_path / "x.mat", {"train_data": X, "train_labels": np.eye(12)[::-1], "note": "hello"})
    opened = data.open(tmp_path / "x.mat")
    assert np.allclose(opened.values, X)
    assert opened.labels.tolist() == list(range(12))[::-1]


def test_keys_are_named_and_labels_may_be_a_row_or_words(tmp_path):
    savemat(tmp_path / "x.mat", {"a": X, "b": 2 * X, "c": np.arange(12)[None], "w": np.array(["x", "y"] * 6, object)})
    with pytest.raises(DataError, match=r"a \(12, 10\), b \(12, 10\)"):
        data.open(tmp_path / "x.mat")
    opened = data.open(tmp_path / "x.mat", key="b", labels="c")
    assert np.allclose(opened.values, 2 * X)
    assert opened.labels.tolist() == list(range(12))
    assert data.open(tmp_path / "x.mat", key="a", labels="w").label_names == ("x", "y")


def test_stacks_over_the_last_axis(tmp_path):
    stack = np.random.default_rng(0).integers(0, 256, (9, 8, 3, 12), dtype=np.uint8)  # (H, W, C, N)
    savemat(tmp_path / "x.mat", {"X": stack, "y": np.arange(12)[:, None]})
    opened = data.open(tmp_path / "x.mat")
    assert np.array_equal(opened.values, stack.transpose(3, 2, 0, 1))
    assert opened.labels.tolist() == list(range(12))


def test_version_7_3_is_refused_with_the_remedy(tmp_path):
    (tmp_path / "x.mat").write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n")
    with pytest.raises(DataError, match="-v7"):
        data.open(tmp_path / "x.mat")


@pytest.mark.parametrize("content", [b"", b"hello", b"MATLAB 5.0 MAT-file".ljust(126) + b"IM" + b"\xff" * 64])
def test_a_damaged_file(tmp_path, content):
    (tmp_path / "x.mat").write_bytes(content)
    with pytest.raises(DataError, match=r"x\.mat"):
        data.open(tmp_path / "x.mat")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crashed .signal 11"),
        ("raise MemoryError('too much')", "too much"),
        ("while True: pass", "in time"),
    ],
)
def test_a_reader_that_crashes_or_hangs_is_an_error_message(tmp_path, monkeypatch, code, words):
    child = tmp_path / "child.py"
    child.write_text(code)
    monkeypatch.setattr(mat, "CHILD", child)
    monkeypatch.setattr(mat, "SECONDS", 1)
    savemat(tmp_path / "x.mat", {"x": X})
    with pytest.raises(DataError, match=words):
        data.open(tmp_path / "x.mat")
