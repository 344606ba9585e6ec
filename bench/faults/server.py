"""The response time of the explorer's server under attack: the 99th percentile for honest requests, and when idle.

There are six attackers at once: other names in Host, wrong tokens, bodies declared too long, bodies that are too long
without saying so, JSON nested a hundred thousand deep, and images that would unpack to gigabytes. They send a fixed
number of requests a second in all, or send without a pause. Attackers, server and honest client share the cores. So
there is also a row for six programs that only count and send nothing, which shows how much of the delay is due to the
cores and not to the server.

Open connections are tested one kind at a time: connections that send nothing (1,100), heads and bodies that arrive a
byte now and then (60 and 33), and answers that are not read (60). Disconnected clients connect again. Last, the time
the server takes to stop at SIGTERM with all of them open.

    python bench/faults/server.py
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import socket
import statistics
import struct
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

from narrows import pipeline
from narrows.disk.files import write_json, write_text
from narrows.explorer import server as serving
from narrows.explorer.opened import Opened
from narrows.explorer.page import read
from narrows.recipes import recipe as recipes
from narrows.runs import Run
from narrows.steps import open_data
from narrows.work import environment

RESULTS = Path(__file__).parent.parent / "results" / "server.json"
SECONDS, ASKED = 24.0, 0.02  # seconds of each measurement, and between two honest requests
ATTACKERS = 6
HELD = {"silent connections": 1100, "slow heads": 60, "slow bodies": 33, "untaken answers": 60}
RATES = 60, 300, 0  # attacks per second in all; 0 is without a pause


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        overrides = ["data.limit=500", "train.epochs=2", "projection.name=pca"]
        pipeline.run(recipes.load("default", overrides), folder / "run")
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(folder,), daemon=True)
        server.start()
        while not (folder / "address").exists():
            if not server.is_alive():
                raise SystemExit("The server did not start.")
            time.sleep(0.1)
        told = (folder / "address").read_text()
        port, token = int(told.split(":")[2].split("/")[0]), told.split("token=")[1]
        found: dict[str, dict[str, float]] = {"idle": honest(port, token)}
        for rate in RATES:
            row = f"{rate} attacks per second" if rate else "attacks without a pause"
            found[row] = beside([(attack, (port, token, kind, rate)) for kind in range(ATTACKERS)], port, token)
        found["six programs that count"] = beside([(count, ())] * ATTACKERS, port, token)
        holders = [(hold, (port, token, kind, many)) for kind, many in HELD.items()]
        for (kind, many), holder in zip(HELD.items(), holders, strict=True):
            found[f"{many:,} {kind} held"] = beside([holder], port, token)
        stop, made = multiprocessing.Event(), multiprocessing.Value("q", 0)
        running = [multiprocessing.Process(target=program, args=(stop, made, *given)) for program, given in holders]
        for one in running:
            one.start()
        time.sleep(3)
        start = time.perf_counter()
        server.terminate()
        server.join()
        ended = time.perf_counter() - start
        for one in running:
            one.kill()
    for times in found.values():
        times["p99_of_idle"] = round(times["p99_ms"] / found["idle"]["p99_ms"], 2)
    found["SIGTERM with all held"] = {"seconds": round(ended, 2)}
    print(json.dumps(found, indent=2))
    known = environment.describe()
    write_json(RESULTS, {**found, "environment": {name: known[name] for name in known if name != "command"}})


def serve(folder: Path) -> None:
    run = Run(folder / "run")
    data = open_data(*recipes.data_of(run.folder / "recipe.toml"))
    opened = Opened(run, data, read(run.folder / "explorer.html"))
    serving.serve([opened], port=0, on_ready=lambda address: write_text(folder / "address", address))


def beside(programs: list[tuple[Any, tuple[Any, ...]]], port: int, token: str) -> dict[str, float]:
    """Send honest requests while programs run, and return the response times and the number of attacks."""
    stop, made = multiprocessing.Event(), multiprocessing.Value("q", 0)
    running = [multiprocessing.Process(target=program, args=(stop, made, *given)) for program, given in programs]
    for one in running:
        one.start()
    time.sleep(1)
    before, start = made.value, time.perf_counter()
    times = honest(port, token)
    times["attacks_per_s"] = round((made.value - before) / (time.perf_counter() - start))
    stop.set()
    for one in running:
        one.join(10)
    return times


def honest(port: int, token: str) -> dict[str, float]:
    """Request edits and an image, in turn, and return the response times in milliseconds."""
    times: list[float] = []
    refused = 0
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        path = "/api/runs/0/edits" if len(times) % 2 else "/api/runs/0/pictures/7"
        start = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        refused += answer.status != 200
        times.append(1000 * (time.perf_counter() - start))
        time.sleep(ASKED)
    ordered = sorted(times)
    return {
        "requests": len(times),
        "refused": refused,
        "median_ms": round(statistics.median(times), 2),
        "p99_ms": round(ordered[int(0.99 * len(ordered))], 2),
    }


def count(stop: Any, made: Any) -> None:
    while not stop.is_set():
        for _ in range(1000):
            pass


def hold(stop: Any, made: Any, port: int, token: str, kind: str, many: int) -> None:
    """Keep a number of connections open, and open another for each that the server closes."""
    host = f"Host: 127.0.0.1:{port}\r\n"
    post = f"POST /api/draw HTTP/1.1\r\n{host}Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    said = {
        "silent connections": b"",
        "slow heads": b"GET / HTTP/1.1\r\nX: ",
        "slow bodies": f"{post}Content-Length: 20000\r\n\r\n".encode(),
        "untaken answers": f"GET / HTTP/1.1\r\n{host}\r\n".encode() * 100,
    }[kind]
    held: list[socket.socket] = []
    while not stop.is_set():
        while len(held) < many and not stop.is_set():
            try:
                wire = socket.create_connection(("127.0.0.1", port), 1)
                wire.setblocking(False)
                held.append(wire)
                made.value += 1
                wire.send(said)
            except OSError:
                break
        time.sleep(0.1)
        for wire in list(held):
            try:
                if kind.startswith("slow"):
                    wire.send(b" ")
                gone = kind != "untaken answers" and wire.recv(1 << 16) == b""
            except BlockingIOError:
                continue
            except OSError:
                gone = True
            if gone:
                wire.close()
                held.remove(wire)


def attack(stop: Any, made: Any, port: int, token: str, kind: int, rate: int) -> None:
    host = f"Host: 127.0.0.1:{port}\r\n"
    auth = f"Authorization: Bearer {token}\r\nOrigin: http://127.0.0.1:{port}\r\n"
    json_type, image = "Content-Type: application/json\r\n", bomb()
    image_type = f"Content-Type: image/png\r\nContent-Length: {len(image)}\r\n"
    deep = b"[" * 100_000
    requests: list[list[bytes]] = [
        [b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"],
        [f"GET /api/runs/0/header HTTP/1.1\r\n{host}Authorization: Bearer wrong\r\n\r\n".encode()],
        [
            f"POST /api/draw HTTP/1.1\r\n{host}{auth}{json_type}Content-Length: 2000000000\r\n\r\n".encode(),
            b" " * 65536,
        ],
        [f"POST /api/draw HTTP/1.1\r\n{host}{auth}{json_type}Transfer-Encoding: chunked\r\n\r\n".encode()]
        + [b"10000\r\n" + b" " * 65536 + b"\r\n"] * 400,
        [f"POST /api/draw HTTP/1.1\r\n{host}{auth}{json_type}Content-Length: {len(deep)}\r\n\r\n".encode(), deep],
        [
            f"POST /api/place HTTP/1.1\r\n{host}{auth}{image_type}\r\n".encode(),
            image,
        ],
    ]
    due = time.perf_counter()
    while not stop.is_set():
        if rate:
            due += ATTACKERS / rate
            time.sleep(max(0.0, due - time.perf_counter()))
        with made.get_lock():
            made.value += 1
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as wire:
                wire.settimeout(5)
                for part in requests[kind]:
                    wire.sendall(part)
                wire.recv(4096)
        except OSError:
            continue


def bomb() -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1_000_000)))
        + chunk(b"IEND", b"")
    )


if __name__ == "__main__":
    main()
