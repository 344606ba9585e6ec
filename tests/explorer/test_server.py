"""Attacks on the explorer's server, which refuses them: one or more for each of its requirements."""

import asyncio
import base64
import errno
import io
import json
import os
import time
from dataclasses import replace

import httpx
import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from narrows.disk.files import write_json, write_text
from narrows.explorer import server as serving
from narrows.explorer.opened import Opened
from narrows.explorer.page import read
from narrows.explorer.server import LARGEST, WAITING, build
from narrows.runs import Run

HOST = "127.0.0.1:8000"
TOKEN = "t" * 43
HEADERS = {
    "host": HOST,
    "authorization": f"Bearer {TOKEN}",
    "origin": f"http://{HOST}",
    "sec-fetch-site": "same-origin",
}

GETS = ("/", "/api/runs/0/header", "/api/runs/0/blobs/0", "/api/runs/0/pictures/3", "/api/runs/0/edits")
POSTS = {
    "/api/edits": {"after": 0, "edit": {"confirm": [1]}},
    "/api/draw": {"at": [0, 0]},
    "/api/split": {"rows": [1, 2, 3], "parts": 2},
    "/api/folders": {"rows": [1, 2], "how": "copy"},
    "/api/parquet": {"rows": [1, 2]},
}
PLACE = "/api/place"


@pytest.fixture(scope="module")
def opened(finished, rows, tmp_path_factory):
    import shutil

    folder = tmp_path_factory.mktemp("served") / "run"
    shutil.copytree(finished.folder, folder)
    made = Opened(Run(folder), rows, read(folder / "explorer.html"))
    yield made
    made.log.close()


@pytest.fixture
def app(opened):
    return build([opened], TOKEN, {HOST, "localhost:8000"})


def ask(app, method, path, *, headers=None, **options):
    """One request, with exactly these headers."""

    async def go():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{HOST}") as client:
            request = client.build_request(method, path, **options)
            for name in ("accept", "accept-encoding", "connection", "user-agent"):
                request.headers.pop(name, None)
            request.headers.update(HEADERS if headers is None else headers)
            if headers is not None and "host" not in headers:
                request.headers.pop("host")
            return await client.send(request)

    return asyncio.run(go())


def png(side=8):
    file = io.BytesIO()
    Image.fromarray(np.full((side, side), 99, np.uint8)).save(file, "PNG")
    return file.getvalue()


def every_request():
    yield from (("GET", path, {}) for path in GETS)
    yield from (("POST", path, {"json": body}) for path, body in POSTS.items())
    yield ("POST", PLACE, {"content": png(), "headers": {"content-type": "image/png"}})


# What it answers


def test_the_page_is_served_with_a_strict_policy(app):
    answer = ask(app, "GET", "/", headers={"host": HOST})
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in answer.headers
    assert TOKEN not in answer.text


def test_what_the_page_asks_for_is_answered(app, opened):
    header = ask(app, "GET", "/api/runs/0/header").json()
    assert header["rows"] == 300
    assert ask(app, "GET", "/api/runs/0/blobs/1").content == opened.bundle.blobs[1]
    picture = Image.open(io.BytesIO(ask(app, "GET", "/api/runs/0/pictures/3").content))
    assert (np.asarray(picture) == opened.data.values[3, 0]).all()


def test_a_photo_too_large_to_be_decoded_whole_is_shown_smaller(opened, tmp_path, monkeypatch):
    Image.new("L", (9504, 6336), 99).save(tmp_path / "large.jpg")
    Image.new("L", (300, 200), 99).save(tmp_path / "small.jpg")
    for name, size in (("large.jpg", (2048, 1365)), ("small.jpg", (300, 200))):
        monkeypatch.setattr(opened, "data", replace(opened.data, paths=(str(tmp_path / name),) * 300))
        picture = Image.open(io.BytesIO(opened.picture(3)))
        assert (picture.size, picture.getextrema()) == (size, (99, 99))


def test_no_path_goes_over_the_wire(app, opened):
    said = (
        ask(app, "GET", "/api/runs/0/header").text + ask(app, "POST", "/api/folders", json=POSTS["/api/folders"]).text
    )
    assert str(opened.run.folder) not in said
    assert "/home" not in said


def test_the_decoder_draws_places_strips_and_codes(app, opened):
    place = ask(app, "POST", "/api/draw", json={"at": opened.points[5].tolist()}).json()
    assert np.allclose(place["codes"][0], opened.codes[5], atol=1e-3)  # a point is its own nearest
    strip = ask(app, "POST", "/api/draw", json={"between": [3, 9], "steps": 5}).json()
    assert np.allclose(strip["codes"][0], opened.codes[3])
    assert np.allclose(strip["codes"][-1], opened.codes[9])
    assert np.allclose(strip["codes"][2], (opened.codes[3] + opened.codes[9]) / 2, atol=1e-6)
    assert strip["sheet"].startswith("data:image/png;base64,")
    again = ask(app, "POST", "/api/draw", json={"codes": strip["codes"]}).json()
    assert again["sheet"] == strip["sheet"]
    around = ask(app, "POST", "/api/draw", json={"around": 3, "spread": 0.0, "n": 2, "seed": 0}).json()
    assert np.allclose(around["codes"], opened.codes[3])


@pytest.mark.parametrize(("n", "across", "down"), [(1, 1, 1), (9, 9, 1), (11, 8, 2)])
def test_what_is_drawn_lies_in_reading_order_on_one_sheet(app, opened, n, across, down):
    drawn = ask(app, "POST", "/api/draw", json={"around": 3, "spread": 1.0, "n": n, "seed": 0}).json()
    images = opened.draw({"codes": drawn["codes"]})[1]  # (n, 1, 8, 8)
    with Image.open(io.BytesIO(base64.b64decode(drawn["sheet"].split(",")[1]))) as sheet:
        pixels = np.asarray(sheet)
    assert pixels.shape == (8 * down, 8 * across)
    for i, image in enumerate(images):
        top, left = 8 * (i // across), 8 * (i % across)
        assert (pixels[top : top + 8, left : left + 8] == image[0]).all()


def test_a_dropped_image_of_the_run_finds_itself(app, opened):
    file = io.BytesIO()
    Image.fromarray(opened.data.values[42, 0]).save(file, "PNG")
    headers = HEADERS | {"content-type": "image/png"}
    found = ask(app, "POST", PLACE, content=file.getvalue(), headers=headers).json()
    assert found["rows"][0] == 42
    assert found["distances"][0] == pytest.approx(0, abs=1e-4)
    assert np.allclose(found["point"], opened.points[42], atol=0.05)
    known = opened.bundle.array(next(c for c in opened.bundle.header["columns"] if c["name"] == "novelty")["values"])
    assert abs(found["novelty"] - known[42]) < 0.3  # there it was not compared with itself


def test_noise_has_a_place_and_a_novelty_near_0(app):
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)).save(file, "PNG")
    found = ask(app, "POST", PLACE, content=file.getvalue(), headers=HEADERS | {"content-type": "image/png"}).json()
    assert found["novelty"] <= 0.05
    assert 0 <= found["confidence"] <= 1


def test_a_run_of_an_earlier_narrows_places_images_without_novelty(opened):
    manifest, kept = opened.run.folder / "manifest.json", opened.run.folder / "novelty.safetensors"
    whole = manifest.read_text()
    old = json.loads(whole)
    del old["files"][kept.name]
    kept.rename(kept.with_suffix(".away"))
    write_json(manifest, old)
    try:
        assert opened.place(png())["novelty"] is None
        kept.with_suffix(".away").rename(kept)  # the run is gone on with: first comes the file
        assert opened.place(png())["novelty"] is None
    finally:
        write_text(manifest, whole)  # and then the manifest
    assert 0 <= opened.place(png())["novelty"] <= 1


def test_edits_are_numbered_and_another_window_is_told(app, opened):
    n = len(opened.log.edits)
    assert ask(app, "POST", "/api/edits", json={"after": n, "edit": {"names": {"1": "ones"}}}).json() == {"n": n + 1}
    stale = ask(app, "POST", "/api/edits", json={"after": n, "edit": {"names": {"1": "twos"}}})
    assert stale.status_code == 409
    assert stale.json()["edits"] == ask(app, "GET", "/api/runs/0/edits").json()["edits"]
    assert opened.log.state().names[1] == "ones"


def test_folders_hold_every_image_once_under_its_clusters_name(app, opened):
    edit = {"names": {"0": "../../../etc/<b>"}, "what": "hostile"}
    ask(app, "POST", "/api/edits", json={"after": len(opened.log.edits), "edit": edit})
    made = ask(app, "POST", "/api/folders", json={"rows": None, "how": "copy"}).json()["folder"]
    folder = opened.run.folder / made
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert len(files) == 300
    assert all(path.parent.parent == folder for path in files)
    state = opened.log.state()
    assert len(list(folder.iterdir())) == len(set(state.clusters.tolist()))
    for path in files[:20]:
        row = int(path.name.split("-")[0])
        assert (np.asarray(Image.open(path)) == opened.data.values[row, 0]).all()


def test_a_cluster_is_a_folder_with_a_name_that_every_system_takes(app, opened):
    clusters = sorted(set(opened.log.state().clusters.tolist()))[:4]
    names = dict(zip(map(str, clusters), ["CON", "-rf", "nul.txt", "Nul.TXT"], strict=True))
    ask(app, "POST", "/api/edits", json={"after": len(opened.log.edits), "edit": {"names": names}})
    made = ask(app, "POST", "/api/folders", json={"rows": None, "how": "link"}).json()["folder"]
    folders = {path.name for path in (opened.run.folder / made).iterdir()}
    assert folders >= {"_CON", "_-rf", "_nul.txt", "_Nul.TXT (2)"}
    assert not list((opened.run.folder / "exports").glob(".*"))


def test_a_full_disk_is_said_on_the_terminal_and_not_over_the_wire(app, opened, monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = (opened.run.folder / "edits.jsonl").read_bytes()
    asked = {"after": len(opened.log.edits), "edit": {"confirm": [1]}}
    monkeypatch.setattr(os, "fsync", full)
    for path, body in (("/api/edits", asked), ("/api/parquet", {"rows": [1]})):
        answer = ask(app, "POST", path, json=body)
        assert (answer.status_code, answer.json()["error"]) == (507, "The file could not be written; see the terminal.")
        assert "could not be written: No space left on device; it needs" in capsys.readouterr().err
    assert (opened.run.folder / "edits.jsonl").read_bytes() == before
    assert len(opened.log.edits) == asked["after"]


def test_nothing_is_exported_through_a_link(app, opened, tmp_path):
    exports = opened.run.folder / "exports"
    kept = exports.rename(tmp_path / "kept") if exports.exists() else None
    (tmp_path / "elsewhere").mkdir()
    exports.symlink_to(tmp_path / "elsewhere")
    try:
        answer = ask(app, "POST", "/api/folders", json={"rows": [0, 1], "how": "copy"})
        assert answer.status_code == 500  # the terminal says why
        assert list((tmp_path / "elsewhere").iterdir()) == []
    finally:
        exports.unlink()
        if kept:
            kept.rename(exports)


def test_parquet_has_the_columns_that_embedding_atlas_reads(app, opened):
    content = ask(app, "POST", "/api/parquet", json={"rows": list(range(100))}).content
    table = parquet.read_table(io.BytesIO(content)).to_pydict()
    assert len(table["id"]) == 100
    with np.load(opened.run.folder / "neighbours.npz") as file:
        near = [int(i) for i in file["indices"][7][:10] if i < 100]
    assert table["neighbors"][7]["ids"] == near
    assert len(table["neighbors"][7]["distances"]) == len(near)
    assert (np.asarray(Image.open(io.BytesIO(table["image"][7]["bytes"]))) == opened.data.values[7, 0]).all()


def test_a_split_is_that_of_k_means_on_codes(app):
    parts = ask(app, "POST", "/api/split", json={"rows": list(range(60)), "parts": 3}).json()["parts"]
    assert sorted(set(parts)) == [0, 1, 2]
    assert parts.count(0) >= parts.count(1) >= parts.count(2)


# What it refuses

BAD_HOSTS = [
    "evil.example",
    "evil.example:8000",
    "127.0.0.1",
    "127.0.0.1:80",
    "127.0.0.1:8001",
    "localhost",
    "localhost:80",
    "127.0.0.1:8000.evil.example",
    "evil.example#127.0.0.1:8000",
    "127.0.0.1:8000@evil.example",
    "0.0.0.0:8000",
    "[::1]:8000",
    "[::]:8000",
    "127.1:8000",
    "2130706433:8000",
    "0x7f000001:8000",
    "127.0.0.1.nip.io:8000",
    "localhost.evil.example:8000",
    "LOCALHOST.:8000",
    "localhost:8000:8000",
    " 127.0.0.1:8000",
    "127.0.0.1:8000 ",
    "",
    "127.0.0.1:08000",
    "①27.0.0.1:8000".encode().decode("latin-1"),
    "192.168.0.1:8000",
    "a" * 5000,
    "*",
    "null",
    "http://127.0.0.1:8000",
]


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_no_other_name_reaches_any_route(app, host):
    statuses = set()
    for method, path, options in every_request():
        headers = [(b"host", host.encode("latin-1")), (b"authorization", f"Bearer {TOKEN}".encode())]
        headers += [(b"content-type", b"application/json"), (b"origin", f"http://{host}".encode("latin-1"))]
        statuses.add(raw(app, method, path, headers, json.dumps(options.get("json")).encode())[0])
    assert statuses == {403}


def raw(app, method, path, headers, body=b"", query=b""):
    """Send a request as bytes, which no client library can correct first; return (status, body)."""
    sent = []

    async def go():
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode("utf-8", "replace"),
            "query_string": query,
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 5),
            "server": ("127.0.0.1", 8000),
        }
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive():
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        await app(scope, receive, send)

    asyncio.run(go())
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


GOOD = [
    (b"host", HOST.encode()),
    (b"authorization", f"Bearer {TOKEN}".encode()),
    (b"origin", f"http://{HOST}".encode()),
    (b"content-type", b"application/json"),
]


def test_two_hosts_or_none_are_refused(app):
    assert raw(app, "GET", "/", [])[0] == 403
    assert raw(app, "GET", "/", [(b"host", HOST.encode()), (b"host", HOST.encode())])[0] == 403


@pytest.mark.parametrize(
    "given", [None, "", "Bearer", "Bearer ", "Bearer " + "t" * 42, "Bearer " + "T" * 43, TOKEN, "Basic x"]
)
def test_every_route_of_the_api_wants_the_token(app, given):
    for method, path, options in every_request():
        if path == "/":
            continue
        headers = {key: value for key, value in HEADERS.items() if key != "authorization"}
        headers |= {"authorization": given} if given is not None else {}
        headers |= options.pop("headers", {})
        assert ask(app, method, path, headers=headers, **options).status_code == 401, path


@pytest.mark.parametrize(
    "changed",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"https://{HOST}"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://127.0.0.1:8001"},
        {"origin": f"http://{HOST}.evil.example"},
        {"origin": None},
    ],
)
def test_another_page_cannot_change_anything(app, opened, changed):
    before = opened.log.path.read_bytes()
    for path, body in [*POSTS.items(), (PLACE, None)]:
        headers = HEADERS | {"content-type": "application/json" if body else "image/png"} | changed
        headers = {key: value for key, value in headers.items() if value is not None}
        content = json.dumps(body).encode() if body else png()
        assert ask(app, "POST", path, headers=headers, content=content).status_code == 403, path
    assert opened.log.path.read_bytes() == before


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "text/html",
        "image/svg+xml",
    ],
)
def test_a_form_cannot_send_what_it_wants(app, opened, kind):
    before = opened.log.path.read_bytes()
    for path, body in [*POSTS.items(), (PLACE, {})]:
        headers = HEADERS | {"content-type": kind}
        assert ask(app, "POST", path, headers=headers, content=json.dumps(body).encode()).status_code == 415, path
    assert opened.log.path.read_bytes() == before


def payloads():
    """Ways out of a folder, in every spelling we know, in every part of a request."""
    ups = ["..", "%2e%2e", "%252e%252e", "..%00", "..;", "....", "..%c0%af", "%c0%ae%c0%ae", "．．", "..\\", "%2e."]
    targets = ["etc/passwd", "edits.jsonl", "recipe.toml", "model.safetensors", "manifest.json"]
    slashes = ["/", "%2f", "\\", "%5c", "//", "/./", "%252f"]
    for up in ups:
        for slash in slashes:
            for target in targets:
                yield slash.join([up] * 4 + [target])
    yield from (
        "/etc/passwd",
        "file:///etc/passwd",
        "C:\\windows\\win.ini",
        "\\\\host\\share",
        "~/.ssh/id_rsa",
        "/proc/self/environ",
    )


def test_no_payload_gets_out_of_the_folder(app):
    tried = 0
    for payload in payloads():
        for path in (
            f"/{payload}",
            f"/api/runs/0/pictures/{payload}",
            f"/api/runs/{payload}/header",
            f"/api/runs/0/blobs/{payload}",
        ):
            status, body = raw(app, "GET", path, GOOD)
            assert status in (400, 404, 405, 422), path
            assert b"root:" not in body
            tried += 1
    assert tried >= 500


@pytest.mark.parametrize("row", ["-1", "300", "1e3", "0x1", "NaN", "99999999999999999999", "1.5"])
def test_rows_that_are_not_there_are_refused(app, row):
    assert ask(app, "GET", f"/api/runs/0/pictures/{row}").status_code in (400, 422)
    assert ask(app, "GET", f"/api/runs/0/blobs/{row}").status_code in (400, 422)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/draw", {"at": [0]}),
        ("/api/draw", {"at": ["a", 0]}),
        ("/api/draw", {"at": [1e30, 0]}),
        ("/api/draw", {}),
        ("/api/draw", {"codes": [[0]]}),
        ("/api/draw", {"codes": [[0] * 8] * 65}),
        ("/api/draw", {"codes": []}),
        ("/api/draw", {"between": [0, 300], "steps": 3}),
        ("/api/draw", {"between": [0, 1], "steps": 10**9}),
        ("/api/draw", {"around": 0, "spread": 1, "n": 10**9, "seed": 0}),
        ("/api/draw", {"at": [True, 0]}),
        ("/api/split", {"rows": [0], "parts": 2}),
        ("/api/split", {"rows": [0, 1], "parts": 10**6}),
        ("/api/split", {"rows": "all", "parts": 2}),
        ("/api/folders", {"rows": [0], "how": "/elsewhere"}),
        ("/api/folders", {"rows": [0], "how": "copy", "to": "/elsewhere"}),
        ("/api/edits", {"after": 0}),
        ("/api/edits", {"after": "0", "edit": {"path": "/etc"}}),
        ("/api/parquet", {"rows": [10**12]}),
    ],
)
def test_what_cannot_be_is_refused_in_words(app, path, body):
    answer = ask(app, "POST", path, json=body)
    assert answer.status_code in (400, 409)
    assert answer.json()["error"]


def test_deep_or_broken_json_is_refused(app):
    for content in (b"[" * 100_000, b"{", b"\xff\xfe", b"nul", b"[1]", b'"x"'):
        headers = HEADERS | {"content-type": "application/json"}
        assert ask(app, "POST", "/api/draw", headers=headers, content=content).status_code == 400


def test_a_body_that_is_too_long_is_not_read(app, opened):
    status, _ = raw(app, "POST", "/api/draw", [*GOOD, (b"content-length", str(LARGEST + 1).encode())])
    assert status == 413
    assert raw(app, "POST", "/api/draw", [*GOOD, (b"content-length", b"9" * 5000)])[0] == 413
    for length in ((), [(b"content-length", b"-1")], [(b"content-length", b"1e3")]):  # says nothing of its length
        assert raw(app, "POST", "/api/draw", [*GOOD, *length], b" " * 10)[0] == 411
    lies = [*GOOD, (b"content-length", b"10")]  # a server before this one may not have counted
    assert raw(app, "POST", "/api/draw", lies, b" " * (LARGEST + 1))[0] == 413


def test_of_a_body_without_a_length_nothing_is_read(app):
    async def endless():
        while True:
            yield b" " * 65_536
            pytest.fail("it was read")

    headers = HEADERS | {"content-type": "application/json"}
    answer = ask(app, "POST", "/api/draw", headers=headers, content=endless())
    assert answer.status_code == 411
    assert answer.headers["connection"] == "close"  # or the server would read on to find the next request


def test_hostile_images_are_refused(app):
    import struct
    import zlib

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10_000_000)))
        + chunk(b"IEND", b"")
    )
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    for content in (bomb, svg, b"", b"not an image", png()[:30], b"%!PS-Adobe\nshowpage", b"GIF89a"):
        start = time.perf_counter()
        answer = ask(app, "POST", PLACE, content=content, headers=HEADERS | {"content-type": "image/png"})
        assert answer.status_code == 400
        assert time.perf_counter() - start < 1


def test_two_exports_in_one_second_do_not_touch_each_other(app, opened):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: opened.export_folders([1, 2, 2, 3], "copy"), range(4)))
    assert len(set(made)) == 4
    for name in made:
        assert len([path for path in (opened.run.folder / name).rglob("*") if path.is_file()]) == 3
    assert not list((opened.run.folder / "exports").glob(".*"))


def test_a_placed_image_leaves_nothing_behind(app, tmp_path, monkeypatch):
    monkeypatch.setenv("NARROWS_CACHE", str(tmp_path))
    assert ask(app, "POST", PLACE, content=png(), headers=HEADERS | {"content-type": "image/png"}).status_code == 200
    assert list(tmp_path.iterdir()) == []


def test_other_methods_and_pages_are_not_there(app):
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"):
        assert raw(app, method, "/api/edits", GOOD)[0] == 405
    for path in ("/docs", "/openapi.json", "/redoc", "/static/x", "/favicon.ico", "//", "/api", "/index.html"):
        assert raw(app, "GET", path, GOOD)[0] == 404


def test_too_many_requests_at_once_are_turned_away(app, opened, monkeypatch):
    def slow(row):
        time.sleep(0.3)
        return b""

    monkeypatch.setattr(opened, "picture", slow)

    async def go():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{HOST}") as client:
            asked = [client.get("/api/runs/0/pictures/1", headers=HEADERS) for _ in range(2 * WAITING)]
            return [answer.status_code for answer in await asyncio.gather(*asked)]

    statuses = asyncio.run(go())
    assert statuses.count(200) == WAITING
    assert statuses.count(429) == WAITING
    assert ask(app, "GET", "/api/runs/0/edits").status_code == 200  # and it goes on afterwards


def test_a_token_has_256_random_bits():
    import base64

    tokens = {serving.new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(base64.urlsafe_b64decode(token + "=")) == 32 for token in tokens)
