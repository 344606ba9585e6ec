"""How the explorer's server answers while it is attacked: the 99th percentile of honest requests, and that when idle.

Attackers, all at once and without a pause: other names in Host, wrong tokens, bodies said to be too long, bodies that
are too long and do not say so, JSON nested a hundred thousand deep, and images that would unpack to gigabytes.

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
import threading
import time
import zlib
from pathlib import Path

from narrows import environment, pipeline
from narrows.explorer import server as serving
from narrows.explorer.opened import Opened
from narrows.explorer.page import read
from narrows.files import write_json
from narrows.recipes import recipe as recipes

RESULTS = Path(__file__).parent.parent / "results" / "server.json"
SECONDS, ASKED = 12.0, 0.02  # of each measurement, and between two honest requests


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        overrides = ["data.limit=500", "train.epochs=2", "projection.name=pca"]
        run = pipeline.run(recipes.load("default", overrides), Path(folder) / "run")
        data = pipeline.open_data(*recipes.data_of(run.folder / "recipe.toml"))
        opened = Opened(run, data, read(run.folder / "explorer.html"))
        told: list[str] = []
        ready = threading.Event()

        def tell(address: str) -> None:
            told.append(address)
            ready.set()

        threading.Thread(target=lambda: serving.serve([opened], port=0, on_ready=tell), daemon=True).start()
        ready.wait()
        port, token = int(told[0].split(":")[2].split("/")[0]), told[0].split("token=")[1]
        idle = honest(port, token)
        stop = multiprocessing.Event()
        attackers = [multiprocessing.Process(target=attack, args=(port, token, stop, kind)) for kind in range(6)]
        for attacker in attackers:
            attacker.start()
        time.sleep(1)
        attacked = honest(port, token)
        stop.set()
        for attacker in attackers:
            attacker.join(10)
        found = {"idle": idle, "attacked": attacked, "p99_ratio": round(attacked["p99_ms"] / idle["p99_ms"], 2)}
        print(json.dumps(found, indent=2))
        known = environment.describe()
        write_json(RESULTS, found | {"environment": {name: known[name] for name in known if name != "command"}})


def honest(port: int, token: str) -> dict[str, float]:
    """Ask for edits and for an image, in turn, and return how long the answers take, in milliseconds."""
    times, refused = [], 0
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
        "requests": len(times), "refused": refused, "median_ms": round(statistics.median(times), 2),
        "p99_ms": round(ordered[int(0.99 * len(ordered))], 2),
    }  # fmt: skip


def attack(port: int, token: str, stop: object, kind: int) -> None:
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
    while not stop.is_set():  # type: ignore[attr-defined]
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
