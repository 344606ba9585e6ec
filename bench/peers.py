"""Other libraries beside narrows on the 10,000 test images of MNIST: time, memory, and how good the result is.

    python bench/peers.py --peers-python .venv-peers/bin/python --pythae .venv-pythae/bin/python

Each method runs in a process of its own, one after the other, as its documentation has it (``bench/peer_methods.py``),
for at most ``--limit`` seconds. What it makes is scored here, by labels that no method saw. A method that was measured
before, in the same version and called the same way, is kept (``--again`` measures it anew), so a stopped benchmark goes
on where it was. Results are in bench/results/peers.json, and the page docs/benchmarks.md is made from them; ``--page``
only makes the page.

clusters : accuracy by the best matching of ten clusters with ten digits, and normalised mutual information
codes : ten values per image. PSNR of 1,000 training images of MNIST, from which nothing was learned; accuracy of
    k-means on the codes
map : trustworthiness of the map in the space of pixels, 15 neighbours, all images
copies : 200 of the images are replaced by copies of others: mirrored, cropped by 5 %, saved as JPEG, halved and scaled
    back, 50 each. "found": the share of them in one group with their original; "other groups": groups with two
    different originals
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import narrows
import versions
from children import run
from copies import KINDS, score
from narrows.clustering.kmeans import KMeans
from narrows.data.pixels import to_image, to_pixels
from narrows.disk.files import Array, read_json, write_bytes, write_json
from narrows.evaluation import clustering
from narrows.evaluation.copies import Copies, Copy
from narrows.evaluation.projection import trustworthiness
from narrows.evaluation.reconstruction import psnr
from narrows.studies.uncertainty import measured
from narrows.wording import plural
from narrows.work import environment
from peer_methods import PEERS, Peer

METHODS = Path(__file__).with_name("peer_methods.py")
RESULTS = Path(__file__).parent / "results" / "peers.json"
PAGE = versions.ROOT / "docs" / "benchmarks.md"
HELD_OUT, PLANTED, NEIGHBOURS = 1000, 200, 15

#: For each task: the heading, what its figures are called, and how they are written.
TASKS: dict[str, tuple[str, dict[str, tuple[str, Any]]]] = {
    "clusters": (
        "Ten clusters",
        {"accuracy": ("accuracy", "share"), "nmi": ("mutual information", "number")},
    ),
    "codes": (
        "Codes of ten values",
        {"psnr": ("PSNR of new images, dB", "number"), "accuracy": ("k-means on the codes, accuracy", "share")},
    ),
    "map": ("Maps", {"trustworthiness": ("trustworthiness", "number")}),
    "copies": (
        "Copies",
        {"found": ("found", "share"), "other_groups": ("other groups", "count")},
    ),
}


class Material:
    """The images, their labels, and the folder of files among which are copies.

    Parameters
    ----------
    folder : where they are written for the methods
    limit : images used, for a trial; all 10,000 if None
    """

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        data = narrows.open("mnist")
        test, training = (np.flatnonzero(data.split == part) for part in ("test", "train"))
        rows = test[:limit]
        self.images, self.labels = data.values[rows, 0], np.asarray(data.labels)[rows]
        self.held_out = data.values[training[:HELD_OUT], 0]
        self.file = folder / "images.npz"
        self.pictures = folder / "pictures"
        self._plant()
        np.savez(self.file, images=self.images, held_out=self.held_out, folder=str(self.pictures))

    @property
    def rows(self) -> Array:
        """The images as float32 (N, D) from 0 to 1, as the methods get them."""
        rows: Array = self.images.reshape(len(self.images), -1).astype(np.float32) / 255
        return rows

    def _plant(self) -> None:
        """Write the images as PNG files, with copies of some of them in place of the last."""
        rng = np.random.default_rng(0)
        planted = min(PLANTED, len(self.images) // 5)
        self.originals = len(self.images) - planted
        self.sources = rng.choice(self.originals, planted, replace=False)
        self.kinds = [list(KINDS)[i % len(KINDS)] for i in range(planted)]
        self.pictures.mkdir()
        for row, pixels in enumerate(self.images[: self.originals]):
            Image.fromarray(pixels).save(self.pictures / f"{row:05}.png")
        for i, (row, kind) in enumerate(zip(self.sources, self.kinds, strict=True)):
            image = to_image(self.images[row][None])
            changed = KINDS[kind](image, rng).resize(image.size, Image.Resampling.BICUBIC)
            Image.fromarray(to_pixels(changed)[0]).save(self.pictures / f"{self.originals + i:05}.png")

    def score(self, task: str, made: Any) -> dict[str, float]:
        """Return the figures of what a method made."""
        if task == "clusters":
            found = made["clusters"]
            return {
                "accuracy": clustering.accuracy(found, self.labels),
                "nmi": clustering.nmi(found, self.labels),
            }
        if task == "codes":
            quality = psnr(self.held_out.astype(np.float32) / 255, made["drawn"].astype(np.float32).clip(0, 1))
            clusters = KMeans(10, 0).fit(made["codes"].astype(np.float32)).labels_
            return {"psnr": float(quality.mean()), "accuracy": clustering.accuracy(clusters, self.labels)}
        if task == "map":
            return {"trustworthiness": trustworthiness(self.rows, made["map"], NEIGHBOURS, len(self.images))}
        groups = [np.flatnonzero(made["groups"] == number) for number in np.unique(made["groups"]) if number >= 0]
        found = Copies([[Copy(int(row), "", 0.0) for row in group] for group in groups], [], 0)
        shares, _ = score(found, self.sources, self.originals, self.kinds)
        return shares


def measure(peer: Peer, python: Path, seed: int, material: Material, limit: float) -> dict[str, Any]:
    """Run one method with one seed, and return its figures, or why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made.npz"
        command: list[str | Path] = [python, METHODS, peer.name, material.file, made, "--seed", str(seed)]
        ended = run(command, environment=_path(peer), folder=Path(folder), limit=limit)
        kept: dict[str, Any] = {"seed": seed, "process_s": ended.seconds, "peak_mb": ended.peak_mb}
        if ended.failure:
            return kept | {"failure": ended.failure}
        with np.load(made, allow_pickle=False) as arrays:
            return kept | {"seconds": float(arrays["seconds"])} | material.score(peer.task, arrays)


def _path(peer: Peer) -> dict[str, str]:
    """Return the variables of a method's process: narrows runs as its command line does, others as they come."""
    return versions.here().environment if peer.package == "narrows" else {"PYTHONPATH": ""}


def _program(path: str) -> Path:
    return Path(path).absolute()  # without following links: an environment's Python is one


def installed(python: Path, package: str) -> str | None:
    """Return the version of a package in an environment, None if it lacks it; narrows' is that of its files."""
    if package == "narrows":
        return versions.here().contents[:12]
    asked = f"import importlib.metadata as m; print(m.version({package!r}))"
    done = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def page(results: dict[str, Any]) -> str:
    """Return docs/benchmarks.md, with all figures from ``results``."""
    on, seeds = results["measured_on"], ", ".join(map(str, results["seeds"]))
    lines = [
        "# narrows beside other libraries",
        "",
        _paragraph(
            "What each library makes of the 10,000 test images of MNIST, called as its documentation has it, with its "
            "default settings. The number of clusters (10) and the size of a code (10) are given. Labels are read only "
            f"to score. Seeds: {seeds}. With several, figures are the mean ± one standard deviation."
        ),
        "",
        _paragraph(
            f"Measured on {on['cores']} cores of {on['processor']} without a GPU, each method alone in a process of "
            f"its own (OpenMP: {plural(on['threads'], 'thread')}). Seconds are those of the call, without imports; "
            "memory is the most that the process held, with its libraries and the images. A method that took longer "
            f"than {results['limit']:,.0f} s was stopped. A dash is what a method does not do."
            + (BUSY if any(found["busy"] for found in results["peers"].values()) else "")
        ),
        "",
        _paragraph(
            "`make bench-peers` measures all of it again: `bench/peers.py`, `bench/peer_methods.py`, and "
            "[bench/results/peers.json](../bench/results/peers.json)."
        ),
    ]
    for task, (heading, figures) in TASKS.items():
        lines += ["", f"## {heading}", "", _paragraph(EXPLAINED[task]), ""]
        names = [name for name, _ in figures.values()]
        lines += [f"| method | {' | '.join(names)} | seconds | memory, MB |", f"|---|{'---|' * (len(names) + 2)}"]
        for peer in PEERS:
            if peer.task == task and peer.name in results["peers"]:
                found = results["peers"][peer.name]
                cells = [_cell(found, key, kind) for key, (_, kind) in figures.items()]
                cells += [_cell(found, "seconds", "number"), _cell(found, "peak_mb", "count")]
                lines.append(f"| {peer.name} | {' | '.join(cells)} |")
        lines += [f"\n{peer.name}: {failure}." for peer, failure in _failures(results, task)]
    lines += ["", "## How each is called", "", "| method | version | call | measured |", "|---|---|---|---|"]
    for peer in PEERS:
        if peer.name in results["peers"]:
            found = results["peers"][peer.name]
            version = "this one" if peer.package == "narrows" else f"{peer.package} {found['version']}"
            lines.append(f"| {peer.name} | {version} | `{peer.call}` | {found['day']} |")
    return "\n".join(lines) + "\n"


BUSY = " Other programs used the machine at the same time: seconds are longer than on an idle one, and not all alike."
EXPLAINED = {
    "clusters": "Accuracy: the share of images in the cluster that is matched to their digit, by the best matching. "
    "Mutual information is normalised. narrows' k-means clusters 32 principal components, the others pixels.",
    "codes": f"PSNR: of {HELD_OUT:,} training images of MNIST, redrawn by an autoencoder that learned from the test "
    "images alone.",
    "map": f"Trustworthiness: in the space of pixels, {NEIGHBOURS} neighbours.",
    "copies": f"{PLANTED} of the images are replaced by copies of others: mirrored, cropped by 5 %, saved as JPEG, or "
    "halved and scaled back, a quarter each. Found: the share that is in a group with its original. Other groups: "
    "those with two different originals.",
}


def _paragraph(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def _cell(found: dict[str, Any], key: str, kind: Any) -> str:
    values = [one[key] for one in found["seeds"] if key in one and "failure" not in one]
    if not values:
        return "–"
    sd = float(np.std(values, ddof=1)) if len(values) > 1 else None
    if key == "seconds":
        mean = float(np.mean(values))
        return f"{mean:,.0f}" if mean >= 10 else f"{mean:.2g}"
    if kind == "count":
        return f"{np.mean(values):,.0f}"
    return measured(float(np.mean(values)), sd, kind)


def _failures(results: dict[str, Any], task: str) -> Iterator[tuple[Peer, str]]:
    for peer in PEERS:
        found = results["peers"].get(peer.name, {"seeds": []})
        reasons = sorted({one["failure"].rstrip(".") for one in found["seeds"] if "failure" in one})
        if peer.task == task and reasons:
            yield peer, "; ".join(reasons)


def main() -> None:
    """Measure what was not measured before, print it, and make the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--peers-python", type=_program, metavar="PYTHON", help="of the environment with the other libraries"
    )
    parser.add_argument("--pythae", type=_program, metavar="PYTHON", help="of the environment with pythae")
    parser.add_argument("--peers", help="names, separated by semicolons; all by default")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--limit", type=float, default=1800, help="seconds for each method")
    parser.add_argument("--images", type=int, help="use only so many, to try it out")
    parser.add_argument("--again", action="store_true", help="measure anew what was measured before")
    parser.add_argument("--busy", action="store_true", help="say that other programs used the machine meanwhile")
    parser.add_argument("--page", action="store_true", help="only make the page")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    if given.images and given.out == RESULTS:
        parser.error("a trial with --images needs an --out of its own")

    results: dict[str, Any] = read_json(given.out) if given.out.exists() else {"peers": {}}
    if not given.page:
        pythons = {"narrows": Path(sys.executable), "pythae": given.pythae}
        results |= {"seeds": list(range(given.seeds)), "limit": given.limit}
        results["measured_on"] = {key: value for key, value in environment.describe().items() if key != "command"}
        with tempfile.TemporaryDirectory() as folder:
            material = Material(Path(folder), given.images)
            for peer in PEERS:
                python = pythons.get(peer.package, given.peers_python)
                if python is None or (given.peers and peer.name not in given.peers.split(";")):
                    continue
                _measure_all(results, peer, python, material, given)
                _save(results, given.out)
    _save(results, given.out)


def _save(results: dict[str, Any], out: Path) -> None:
    """Write the results, and the page with them, so that neither is ahead of the other after a stop."""
    write_json(out, results)
    if out == RESULTS:
        write_bytes(PAGE, page(results).encode())


def _measure_all(results: dict[str, Any], peer: Peer, python: Path, material: Material, given: Any) -> None:
    """Measure a method with every seed that it was not measured with, and put its figures among the ``results``."""
    version = installed(python, peer.package)
    on = results["measured_on"]
    asked = {"version": version, "call": peer.call, "images": len(material.images)}
    asked |= {"processor": on["processor"], "threads": on["threads"], "busy": given.busy}
    before = results["peers"].get(peer.name, {})
    kept = {one["seed"]: one for one in before.get("seeds", []) if not given.again}
    if any(before.get(key) != value for key, value in asked.items()):
        kept = {}
    figures: list[dict[str, Any]] = []
    for seed in range(given.seeds):
        one = kept.get(seed)
        if one is None:
            one = {"failure": f"{peer.package} is not installed", "seed": seed}
            if version is not None:
                one = measure(peer, python, seed, material, given.limit)
        figures.append(one)
        print(f"{peer.name}, seed {seed}{' (kept)' if seed in kept else ''}: {json.dumps(one)}", flush=True)
    results["peers"][peer.name] = asked | {"seeds": figures, "day": _day(before, figures, kept)}


def _day(before: dict[str, Any], figures: Sequence[Any], kept: dict[int, Any]) -> str:
    new = any(one["seed"] not in kept for one in figures)
    return datetime.now(UTC).date().isoformat() if new else str(before["day"])


if __name__ == "__main__":
    main()
