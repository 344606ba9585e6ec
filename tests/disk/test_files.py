import csv
import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from narrows.disk.files import (
    atomic_file,
    atomic_folder,
    guarded,
    parse_csv,
    read_arrays,
    read_json,
    safe_name,
    safe_suffix,
    sweep,
    sweep_beside,
    unguarded,
    write_arrays,
    write_csv,
    write_json,
    write_npy,
    write_text,
)
from narrows.errors import WriteError


def test_a_failed_write_leaves_the_old_content_and_no_rubbish(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_file(path) as file:
        file.write(b"half of the n")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("damage", [lambda d: os.pwrite(d, b"?", 300), lambda d: os.ftruncate(d, 300)])
def test_arrays_that_the_disk_does_not_return_leave_the_old_ones(tmp_path, monkeypatch, damage):
    path = tmp_path / "x.safetensors"
    write_arrays(path, {"a": np.arange(100)})
    monkeypatch.setattr(os, "fsync", damage)
    with pytest.raises(WriteError, match=r"x\.safetensors could not be written: the disk does not return what was"):
        write_arrays(path, {"a": np.ones(100)})
    monkeypatch.undo()
    assert np.array_equal(read_arrays(path)[0]["a"], np.arange(100))
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]


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


FORMULAS = [
    "=1+1",
    "+1+1",
    "-1+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    " =1",
    "＝1+1",
    "＋1",
    "－1",
    "＠a",
    "'=1",
    "--",
]
PLAIN = ["-1", "+1.5e3", "-.5", "-inf", "nan", "a=b", "", "'quoted'", "3-4", "é"]


def test_what_a_spreadsheet_would_run_is_guarded_and_numbers_are_not(tmp_path):
    for text in FORMULAS:
        assert guarded(text) == f"'{text}"
        assert unguarded(guarded(text)) == text
    for text in PLAIN:
        assert guarded(text) == unguarded(text) == text
    write_csv(tmp_path / "a.csv", [["id", "=name", "n"], ["=a", "=b", -1], ["@c", "-2", -0.5]], exact=("id",))
    assert (tmp_path / "a.csv").read_text() == "id,'=name,n\n=a,'=b,-1\n@c,-2,-0.5\n"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a b.c", "a b.c"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..", "unnamed"),
        ("CON", "_CON"),
        ("aux", "_aux"),
        ("nul.txt", "_nul.txt"),
        ("Com1", "_Com1"),
        ("lpt9.tar.gz", "_lpt9.tar.gz"),
        ("COM¹", "_COM¹"),
        ("con .a", "_con .a"),
        ("console", "console"),
        ("com10", "com10"),
        ("-rf", "_-rf"),
        ("a. .", "a"),
        ("a\x1b[2Jb", "a__2Jb"),
        ("", "unnamed"),
        ("e\u0301", "é"),
        ("ü" * 60, "ü" * 40),
        ("a\u202egnp", "a_gnp"),
    ],
)
def test_a_name_is_safe_as_a_files_everywhere(name, safe):
    assert safe_name(name) == safe


def test_a_table_is_read_back_as_it_was_written(tmp_path):
    rows = [["id", "said"], ["a", 'one, "two"\nthree'], ["b", ""]]
    write_csv(tmp_path / "a.csv", iter(rows))
    with open(tmp_path / "a.csv", encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == rows
    assert (tmp_path / "a.csv").read_bytes().startswith(b"id,said\na,")


# Disks and file systems


def refusing(monkeypatch, name, number, when=lambda *_: True):
    """Make the system refuse a call, as another file system would."""
    call = getattr(os, name)

    def refused(*given, **more):
        if when(*given):
            raise OSError(number, os.strerror(number))
        return call(*given, **more)

    monkeypatch.setattr(os, name, refused)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EPERM, errno.ENOSYS])
def test_a_file_system_that_cannot_flush_or_change_modes_is_written_to(tmp_path, monkeypatch, number):
    for call in ("fsync", "chmod", "fchmod"):
        refusing(monkeypatch, call, number)
    write_text(tmp_path / "a.txt", "new")
    with atomic_folder(tmp_path / "b") as folder:
        (folder / "c").write_text("c")
    assert (tmp_path / "a.txt").read_text() == "new"
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["c"]


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fails_to_flush_is_no_such_file_system(tmp_path, monkeypatch, number):
    write_text(tmp_path / "a.txt", "old")
    refusing(monkeypatch, "fsync", number)
    with pytest.raises(WriteError, match=rf"a\.txt could not be written: {os.strerror(number)}") as found:
        write_text(tmp_path / "a.txt", "new")
    assert ("it needs 3 bytes" in str(found.value)) == (number != errno.EIO)
    assert (found.value.errno, found.value.filename) == (number, str(tmp_path / "a.txt"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_disk_that_fills_up_while_an_array_is_written_says_so(tmp_path, monkeypatch):
    begin = os.open

    def begun(path, *how):
        os.close(begin(path, *how))
        return begin("/dev/full", os.O_WRONLY)

    monkeypatch.setattr(os, "open", begun)
    with pytest.raises(WriteError, match=r"a\.npy could not be written: No space left on device; it needs more than"):
        write_npy(tmp_path / "a.npy", np.zeros(100_000))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_or_shut_is_named_by_the_file(tmp_path, monkeypatch):
    with pytest.raises(WriteError, match=r"gone/a\.txt could not be written: No such file"):
        write_text(tmp_path / "gone" / "a.txt", "new")
    refusing(monkeypatch, "open", errno.EACCES)
    with pytest.raises(WriteError, match=r"/a\.txt could not be written: Permission denied"):
        write_text(tmp_path / "a.txt", "new")


def test_an_error_of_something_else_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError, match="elsewhere"), atomic_file(tmp_path / "a.txt"):
        os.stat("/elsewhere/b")
    with pytest.raises(OSError, match="cut off") as found, atomic_file(tmp_path / "a.txt"):
        raise OSError("cut off")
    assert not isinstance(found.value, WriteError)


def test_the_mode_is_what_the_umask_leaves_and_the_umask_stays(tmp_path, monkeypatch):
    before = os.umask(0o027)
    try:
        monkeypatch.setattr(os, "umask", None)  # it is the whole process's, and other threads write too
        write_text(tmp_path / "a.txt", "a")
        with atomic_folder(tmp_path / "b"):
            pass
        assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640
        assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o750
    finally:
        monkeypatch.undo()
        os.umask(before)


def test_what_a_killed_writer_left_is_swept_and_what_is_being_written_is_not(tmp_path):
    (tmp_path / "inside").mkdir()
    kill = (
        "import os, signal, sys; from narrows.disk.files import atomic_file, atomic_folder\n"
        "with atomic_file(sys.argv[1] + '/inside/a.txt') as file, atomic_folder(sys.argv[1] + '/b') as folder:\n"
        "    (folder / 'c').write_text('c'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", kill, str(tmp_path)], check=False)
    (tmp_path / "data.part").write_text("of a download")
    assert sorted(path.name.split(".")[1] for path in tmp_path.rglob(".*.part")) == ["a", "b"]
    with atomic_file(tmp_path / "inside/d.txt"), atomic_folder(tmp_path / "e"):
        sweep(tmp_path)
        assert sorted(path.name.split(".")[1] for path in tmp_path.rglob(".*.part")) == ["d", "e"]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["d.txt", "data.part", "e", "inside"]


def test_only_what_is_of_a_file_is_swept_beside_it(tmp_path):
    for name in (".a.csv.0123abcd.part", ".b.csv.0123abcd.part", "a.csv.part"):
        (tmp_path / name).write_text("half")
    sweep_beside(tmp_path / "a.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".b.csv.0123abcd.part", "a.csv.part"]


def test_a_folder_replaces_another_whole_or_not_at_all(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").write_text("old")
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "a") as folder:
        (folder / "new").write_text("new")
        raise RuntimeError
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["a", "a/old"]
    with atomic_folder(tmp_path / "a") as folder:
        (folder / "new").write_text("new")
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["a", "a/new"]


def test_a_long_name_leaves_room_for_that_of_the_unfinished_file(tmp_path):
    path = tmp_path / ("é" * 120 + ".txt")
    write_text(path, "a")
    assert path.read_text() == "a"


@pytest.mark.parametrize(
    ("name", "suffix"), [("a.PNG", ".PNG"), ("a.p\x1bg", ""), ("a.", ""), ("a.b c", ""), ("a", "")]
)
def test_the_end_of_a_strangers_name_says_a_type_or_nothing(name, suffix):
    assert safe_suffix(Path(name)) == suffix


def test_a_table_is_read_as_it_was_written_however_long_its_cells_are(tmp_path):
    limit = csv.field_size_limit()
    rows = [["id", "text"], ["=a", "x" * (limit + 1)], ["b", "two\r\nlines"]]
    write_csv(tmp_path / "a.csv", rows, exact=("id",))
    assert parse_csv((tmp_path / "a.csv").read_bytes()) == rows
    for damaged in (b'a,b\n"c', b"\xff", b'a,b\n"c"d,e\n'):
        with pytest.raises(ValueError, match=r"."):
            parse_csv(damaged)
    assert csv.field_size_limit() == limit
