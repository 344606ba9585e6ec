import gzip
import hashlib
import http.server
import threading

import pytest

from narrows.data import download
from narrows.data.download import fetch, hash_uncompressed
from narrows.errors import DataError

CONTENT = bytes(range(256)) * 2000
PACKED = gzip.compress(CONTENT)
SHA = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.headers.get("Range"))
        behaviour = self.server.behaviour.pop(0) if self.server.behaviour else "good"
        body = b"another file" if behaviour == "wrong" else PACKED
        start = 0
        if behaviour == "missing":
            self.send_error(404)
            return
        if self.headers.get("Range") and behaviour != "no range":
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        body = body[start:]
        self.wfile.write(body[: len(body) // 2] if behaviour in ("cut", "no range, cut") else body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0.01)
    monkeypatch.setenv("no_proxy", "*")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests, server.behaviour = [], []
    server.url = f"http://127.0.0.1:{server.server_port}/x.gz"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def get(server, tmp_path, *behaviour):
    server.behaviour = list(behaviour)
    return fetch([server.url], tmp_path / "deep" / "x.gz", SHA)


def left_over(tmp_path):
    return [path.name for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_file_arrives(server, tmp_path):
    path = get(server, tmp_path)
    assert path.read_bytes() == PACKED
    assert left_over(tmp_path) == ["x.gz"]
    get(server, tmp_path)
    assert len(server.requests) == 1  # the second time it is there


def test_a_cut_connection_is_taken_up_where_it_broke(server, tmp_path):
    assert get(server, tmp_path, "cut", "cut").read_bytes() == PACKED
    half = len(PACKED) // 2
    quarter = half + (len(PACKED) - half) // 2
    assert server.requests == [None, f"bytes={half}-", f"bytes={quarter}-"]


def test_a_later_call_goes_on_from_there(server, tmp_path):
    part = tmp_path / "deep" / "x.gz.part"
    part.parent.mkdir()
    part.write_bytes(PACKED[:1000])
    assert get(server, tmp_path).read_bytes() == PACKED
    assert server.requests == ["bytes=1000-"]


def test_a_server_that_ignores_range_sends_all_of_it(server, tmp_path):
    assert get(server, tmp_path, "cut", "no range").read_bytes() == PACKED


def test_a_part_that_was_complete(server, tmp_path):
    part = tmp_path / "deep" / "x.gz.part"
    part.parent.mkdir()
    part.write_bytes(PACKED)
    assert get(server, tmp_path).read_bytes() == PACKED


def test_a_part_of_another_file_is_begun_anew(server, tmp_path):
    part = tmp_path / "deep" / "x.gz.part"
    part.parent.mkdir()
    part.write_bytes(b"x" * 1000)
    assert get(server, tmp_path).read_bytes() == PACKED
    assert server.requests == ["bytes=1000-", None]


def test_wrong_content_is_deleted(server, tmp_path):
    with pytest.raises(DataError, match="something other than the original"):
        get(server, tmp_path, *["wrong"] * 9)
    assert left_over(tmp_path) == []


def test_a_mirror_steps_in(server, tmp_path):
    server.behaviour = ["wrong"]
    path = fetch([server.url, server.url + "?mirror"], tmp_path / "x.gz", SHA)
    assert path.read_bytes() == PACKED
    server.behaviour = ["missing"]
    assert fetch([server.url, server.url], tmp_path / "y.gz", SHA).read_bytes() == PACKED


def test_offline(server, tmp_path):
    server.shutdown()
    server.server_close()
    with pytest.raises(DataError, match=r"downloaded from any source.*refused.*Put it there") as raised:
        fetch([server.url], tmp_path / "x.gz", SHA, remedy="Put it there.")
    assert server.url in str(raised.value)
    assert left_over(tmp_path) == []


def test_two_at_once_download_once(server, tmp_path):
    threads = [threading.Thread(target=fetch, args=([server.url], tmp_path / "x.gz", SHA)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "x.gz").read_bytes() == PACKED
    assert server.requests == [None]


def test_a_folder_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="NARROWS_CACHE"):
        fetch([server.url], tmp_path / "file" / "x.gz", SHA)


def test_the_hash_is_of_what_is_inside(tmp_path):
    for name, content in (("a", CONTENT), ("b", PACKED), ("c", gzip.compress(CONTENT, 1))):
        (tmp_path / name).write_bytes(content)
        assert hash_uncompressed(tmp_path / name) == SHA
    (tmp_path / "d").write_bytes(PACKED[:-9])
    assert hash_uncompressed(tmp_path / "d") == ""
