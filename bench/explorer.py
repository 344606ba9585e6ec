"""The speed of the explorer, first paint and lasso, by the number of points, compared with TensorBoard's projector.

Each page is opened three times in headless Chromium on software GL; medians are printed and saved. Points form twenty
round clusters; pictures are scikit-learn's digits, repeated.

    python bench/explorer.py --rows 10000 100000 1000000
    python bench/explorer.py --rows 10000 --tensorboard .venv-tensorboard/bin/tensorboard
"""

from __future__ import annotations

import argparse
import json
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
from playwright.sync_api import Page, ViewportSize, sync_playwright

from narrows.disk.files import write_json
from narrows.evaluation.examples import SHOWN
from narrows.explorer.bundle import THUMBNAILS, Bundle, _sheets, in_square
from narrows.explorer.page import save
from narrows.work import environment

RESULTS = Path(__file__).parent / "results" / "explorer.json"
ROUNDS = 3
SIDE = 24  # of a picture
LARGEST_SPRITE = 8192  # the most pixels that TensorBoard's projector takes
CHROMIUM = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-gpu-vsync"]
WINDOW = ViewportSize(width=1400, height=900)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    asked.add_argument("--tensorboard", help="the program, from an environment of its own")
    asked.add_argument("--canvas", action="store_true", help="without WebGL")
    options = asked.parse_args()
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        for rows in options.rows:
            name = f"explorer{'-canvas' if options.canvas else ''}-{rows}"
            found[name] = ours(Path(folder), rows, "?canvas" if options.canvas else "")
            print(name, found[name], flush=True)
            if options.tensorboard:
                found[f"tensorboard-{rows}"] = theirs(Path(folder), rows, options.tensorboard)
                print(f"tensorboard-{rows}", found[f"tensorboard-{rows}"], flush=True)
    known = environment.describe()
    write_json(RESULTS, found | {"environment": {name: known[name] for name in known if name != "command"}})


def points(rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    clusters = rng.integers(0, 20, rows)
    return (rng.normal(size=(20, 2))[clusters] + 0.12 * rng.normal(size=(rows, 2))).astype(np.float32), clusters


def ours(folder: Path, rows: int, query: str) -> dict[str, float]:
    path = folder / f"explorer-{rows}.html"
    start = time.perf_counter()
    save(synthetic(rows), path)
    written = time.perf_counter() - start
    return {"written_s": round(written, 2), "file_mb": round(path.stat().st_size / 1e6, 1)} | medians(
        lambda: look(path.as_uri() + query)
    )


def synthetic(rows: int) -> Bundle:
    places, clusters = points(rows)
    pictures = digits()
    rng = np.random.default_rng(1)
    bundle = Bundle(
        {"format": 1, "name": f"{rows} points", "run": f"bench{rows}", "rows": rows, "kind": "images", "decodes": False}
    )
    header = bundle.header
    header["points"] = bundle.add(in_square(places, places))
    header["clusterOf"] = bundle.add(clusters.astype(np.int32))
    header["ids"] = bundle.add_text([f"image-{row}.png" for row in range(rows)])
    header["neighbours"] = {
        "count": 10,
        "rows": bundle.add(rng.integers(0, rows, (rows, 10)).astype(np.int32)),
        "distances": bundle.add(rng.random((rows, 10)).astype(np.float32)),
    }
    header["copies"] = {
        "groups": 0,
        "rows": 0,
        "groupOf": bundle.add(np.full(rows, -1, np.int32)),
        "firsts": bundle.add(np.empty(0, np.int32)),
    }
    header["columns"] = [
        {"name": name, "title": name, "kind": "number", "values": bundle.add(rng.random(rows).astype(np.float32))}
        for name in ("confidence", "error", "distance")
    ]
    parts = SHOWN * clusters + rng.integers(0, SHOWN, rows)
    order = np.lexsort((rng.random(rows), parts)).astype(np.int32)
    header["order"] = bundle.add(order)
    header["examples"] = {
        "most": SHOWN,
        "order": header["order"],
        "parts": bundle.add(parts.astype(np.int32)),
        "axes": 1,
        "middles": bundle.add(rng.random(SHOWN * (int(clusters.max()) + 1)).astype(np.float32)),
    }
    side = min(SIDE, next(side for most, side in THUMBNAILS if rows <= most))

    def images() -> Iterator[tuple[slice, np.ndarray]]:
        for first in range(0, rows, 1000):
            some = order[first : first + 1000]
            yield slice(first, first + len(some)), pictures[some % len(pictures)]

    header["pictures"] = {"images": _sheets(bundle, images(), rows, (side, side))}
    return bundle


def digits() -> np.ndarray:
    from sklearn.datasets import load_digits

    small = (load_digits().images * 255 / 16).astype(np.uint8)
    return np.kron(small, np.ones((1, SIDE // 8, SIDE // 8), np.uint8))[:, None]


@contextmanager
def opened(address: str) -> Iterator[tuple[Page, float]]:
    """Open a page in a new browser; return it and the time at which opening began."""
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
        page = browser.new_page(viewport=WINDOW)
        page.set_default_timeout(300_000)
        start = time.perf_counter()
        page.goto(address, wait_until="commit")
        yield page, start
        browser.close()


def look(address: str) -> dict[str, float]:
    """Open a page, wait for its points, draw a box around half of them, and measure the memory."""
    with opened(address) as (page, asked):
        page.wait_for_selector("#app[data-ready]")
        shown(page)
        painted = time.perf_counter() - asked
        page.keyboard.press("b")
        box = page.locator(".first .overlay").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + box["width"] - 20, box["y"] + box["height"] - 20)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20, steps=4)
        start = time.perf_counter()
        page.mouse.up()
        page.locator("aside h2", has_text="selected").wait_for()
        shown(page)
        lasso = time.perf_counter() - start
        start = time.perf_counter()
        for _ in range(10):
            page.mouse.wheel(0, -60)
            shown(page)
        zoom = (time.perf_counter() - start) / 10
        memory = _memory()
    return {"first_paint_s": painted, "lasso_s": lasso, "zoom_step_s": zoom, "memory_mb": memory}


def theirs(folder: Path, rows: int, program: str) -> dict[str, float]:
    """TensorBoard's projector on the same points and pictures, until it shows them."""
    logs = folder / f"tensorboard-{rows}"
    logs.mkdir()
    places, clusters = points(rows)
    np.savetxt(logs / "tensors.tsv", np.column_stack([places, np.zeros(rows)]), fmt="%.5f", delimiter="\t")
    (logs / "metadata.tsv").write_text("".join(f"{cluster}\n" for cluster in clusters))
    sprite = ""
    across = int(np.ceil(np.sqrt(rows)))
    if across * SIDE <= LARGEST_SPRITE:
        from PIL import Image

        pictures, sheet = digits()[:, 0], np.zeros((across * SIDE, across * SIDE), np.uint8)
        for row in range(rows):
            top, left = row // across * SIDE, row % across * SIDE
            sheet[top : top + SIDE, left : left + SIDE] = pictures[row % len(pictures)]
        Image.fromarray(sheet).save(logs / "sprite.png")
        sprite = f' sprite {{ image_path: "sprite.png" single_image_dim: {SIDE} single_image_dim: {SIDE} }}'
    (logs / "projector_config.pbtxt").write_text(
        f'embeddings {{ tensor_name: "points" tensor_path: "tensors.tsv" metadata_path: "metadata.tsv"{sprite} }}\n'
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [program, "--logdir", str(logs), "--port", str(port), "--host", "127.0.0.1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(120):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.5)
        size = sum(path.stat().st_size for path in logs.iterdir()) / 1e6
        return {"file_mb": round(size, 1)} | medians(lambda: projector(f"http://127.0.0.1:{port}/#projector", rows))
    finally:
        server.terminate()


def projector(address: str, rows: int) -> dict[str, float]:
    with opened(address) as (page, start):
        while not (frames := [frame for frame in page.frames if "projector_binary" in frame.url]):
            page.wait_for_timeout(50)
        frames[0].get_by_text(f"Points: {rows}").first.wait_for()
        shown(page)
        painted = time.perf_counter() - start
        memory = _memory()
    return {"first_paint_s": painted, "memory_mb": memory}


def shown(page: Page) -> None:
    """Wait until everything drawn is on the screen: taking a screenshot waits for the graphics."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.screenshot(clip={"x": 400, "y": 400, "width": 8, "height": 8})


def medians(measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    found = [measure() for _ in range(ROUNDS)]
    return {name: round(statistics.median(one[name] for one in found), 3) for name in found[0]}


def _memory() -> float:
    """Memory of all processes of the browser, shared pages counted once, in MB."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        try:
            if "chrom" in process.name():
                total += process.memory_full_info().pss
        except psutil.Error:
            continue
    return total / 1e6


if __name__ == "__main__":
    main()
