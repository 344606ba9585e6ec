"""Only regular files are read: no pipe, device, socket or folder, and no file that is too large or grows."""

import os
import socket

import pytest

from narrows.disk.files import read_arrays, read_json, sha256
from narrows.disk.regular import opened, parse_json, parse_toml, read
from narrows.errors import DataError, InputError

READERS = (read, opened, sha256, read_json, read_arrays)


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_is_refused_without_waiting(tmp_path, reader):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "terminal").symlink_to("/dev/tty")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "socket"))
    kinds = {
        "pipe": "a named pipe",
        "folder": "a folder",
        "zero": "a device",
        "terminal": "a device",
        "socket": "a socket",
    }
    with listening:
        for name, kind in kinds.items():
            with pytest.raises(InputError, match=rf"{name} must be a regular file; got '{kind}'"):
                reader(tmp_path / name)


def test_a_file_that_is_not_there_or_shut_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "a")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "link")


def test_a_link_is_followed_unless_it_may_not_be(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert read(tmp_path / "link") == b"abc"
    with pytest.raises(DataError, match=r"link must be a regular file; got 'a link'"):
        read(tmp_path / "link", follow=False, refused=DataError)


def test_a_file_has_at_most_so_many_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert read(tmp_path / "a", most=3) == b"abc"
    with pytest.raises(InputError, match=r"a must have at most 2 bytes; got '3 bytes'"):
        read(tmp_path / "a", most=2)
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(1 << 40)
    for reader in READERS:
        if reader is not opened:
            with pytest.raises(InputError, match=r"huge must have at most [0-9,]+ bytes; got '1,099,511"):
                reader(tmp_path / "huge")


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="a system without such files")
def test_a_file_that_says_it_has_nothing_and_gives_something_is_refused():
    with pytest.raises(InputError, match=r"/proc/self/status must not grow while it is being read"):
        read("/proc/self/status")


@pytest.mark.parametrize("content", [b"[" * 200_000, b'{"a":' * 200_000, b"\xff", b"", b"{"])
def test_json_that_is_none_or_too_deep_is_a_wrong_value(content):
    with pytest.raises(ValueError, match=r".") as found:
        parse_json(content)
    assert isinstance(found.value, ValueError)


@pytest.mark.parametrize("content", [b"a = " + b"[" * 5_000, b"\xff", b"a", b"a = 1\na = 2"])
def test_toml_that_is_none_or_too_deep_is_a_wrong_value(content):
    with pytest.raises(ValueError, match=r"."):
        parse_toml(content)
