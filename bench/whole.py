"""Whole jobs: this version beside that of a named commit, one after the other, as ratios from one run.

    NARROWS_DATA=... python bench/whole.py --against COMMIT --rows digits,cold --rounds 3

Each round runs the same job with both versions, in the other order every time, each in a process of its own. Seconds
are wall time; figures are medians over rounds. Round n uses seed n, for both versions. A row that was measured before
for the same two versions (by the contents of their files) is kept, so a stopped benchmark goes on where it was;
``--again`` measures it anew.

digits, mnist : ``narrows run``, from the command to the report, with the PSNR of its test images
clusters-mnist, clusters-mnist-test, clusters-digits : ``ImageClusterer(10).fit`` on all images, on the test images, on
    the digits: seconds of the fit, accuracy, and the most memory that the process held. Labels are read to score alone
cold : ``narrows cluster RUN one.png`` in a new process, start and end included
photographs : ``narrows run --data`` of 48 photographs, which is 300 short epochs, while another program takes one core

Results are in bench/results/whole.json.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bars
import versions
from children import Outcome, busy, run

RESULTS = Path(__file__).parent / "results" / "whole.json"
NARROWS = (sys.executable, "-c", "from narrows.cli import main; main()")
PHOTOGRAPHS = 48

Figures = dict[str, float]
#: (version, an empty folder, seed) -> figures, with "seconds" and "peak_mb"
Job = Callable[[versions.Version, Path, int], Figures]


@dataclass(frozen=True)
class Row:
    """A job.

    Parameters
    ----------
    job : see above
    rounds : how often it is done
    lines : for each line of the table: what is measured, its key among the figures, and the bar
    quality : the key of a figure that must be at least ``least``
    """

    job: Job
    rounds: int
    lines: tuple[tuple[str, str, bars.Bar], ...]
    quality: str = ""
    least: float = 0.0


def narrows_run(name: str) -> Job:
    """Return the job that does a recipe from the command line."""

    def job(version: versions.Version, folder: Path, seed: int) -> Figures:
        out = folder / "run"
        ended = _ended(version, folder, *NARROWS, "run", name, "--seed", str(seed), "--out", str(out))
        results = json.loads((out / "results.json").read_text(encoding="utf-8"))
        return _measured(ended) | {"psnr": results["reconstruction/psnr"]}

    return job


def clusters(source: str, part: str) -> Job:
    """Return the job that clusters a data set, or the part of it with that name."""

    def job(version: versions.Version, folder: Path, seed: int) -> Figures:
        ended = _ended(version, folder, sys.executable, __file__, "--cluster", source, part, str(seed))
        found: Figures = json.loads(ended.said.splitlines()[-1])
        return _measured(ended) | found

    return job


def cluster_here(source: str, part: str, seed: int) -> Figures:
    """Cluster in this process, with the version on its path; return the seconds of the fit and the accuracy."""
    import narrows
    from narrows.evaluation.clustering import accuracy

    data = narrows.open(source)
    if part != "all":
        assert data.split is not None
        data = data.take(data.split == part)
    start = time.perf_counter()
    found = narrows.ImageClusterer(10, random_state=seed).fit(data).labels_
    seconds = time.perf_counter() - start
    assert data.labels is not None
    return {"seconds": seconds, "accuracy": accuracy(found, data.labels)}


def cold(version: versions.Version, folder: Path, seed: int) -> Figures:
    """Name the cluster of one new image; the run is made beforehand, by the same version."""
    from PIL import Image
    from sklearn.datasets import load_digits

    made = folder.parent / f"run-of-{version.contents[:12]}"
    if not made.exists():
        quick = ("--set", "train.epochs=1", "--set", "projection.name=pca")
        _ended(version, folder, *NARROWS, "run", "digits", *quick, "--out", str(made))
    digit = load_digits().images[seed] * 255 / 16
    Image.fromarray(digit.round().astype("uint8")).save(folder / "one.png")
    command = (*NARROWS, "cluster", str(made), "one.png", "--out", "one.csv")
    _ended(version, folder, *command)  # so that both versions find their files in memory, and compiled
    return _measured(_ended(version, folder, *command, "--overwrite"))


def photographs(version: versions.Version, folder: Path, seed: int) -> Figures:
    """Do a run of a few photographs: cut-outs of the two that scikit-learn carries."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_sample_images

    (folder / "photos").mkdir()
    rng = np.random.default_rng(seed)
    pictures = load_sample_images().images  # 427 x 640 each
    for i in range(PHOTOGRAPHS):
        height = int(rng.integers(120, 240))
        width = height * 4 // 3
        picture = pictures[i % len(pictures)]
        top, left = rng.integers(0, (picture.shape[0] - height, picture.shape[1] - width))
        cut = Image.fromarray(picture[top : top + height, left : left + width])
        cut.save(folder / "photos" / f"{i:02}.jpg", quality=90)
    with busy():
        command = (*NARROWS, "run", "--data", "photos", "--seed", str(seed), "--out", "run")
        ended = _ended(version, folder, *command)
    history = (folder / "run" / "history.jsonl").read_text(encoding="utf-8").splitlines()
    return _measured(ended) | {"epochs": len(history)}


def _ended(version: versions.Version, folder: Path, *command: str) -> Outcome:
    ended = run(command, environment=version.environment, folder=folder)
    if ended.failure:
        sys.exit(f"{' '.join(command)} with {version.commit}: {ended.failure}\n{ended.complaint}")
    return ended


def _measured(ended: Outcome) -> Figures:
    return {"seconds": ended.seconds, "peak_mb": ended.peak_mb}


ROWS = {
    "digits": Row(narrows_run("digits"), 5, (("narrows run digits, s", "seconds", bars.Bar(10, 6)),), "psnr"),
    "mnist": Row(narrows_run("mnist"), 1, (("narrows run mnist, s", "seconds", bars.Bar(200, 120)),), "psnr", 25.7),
    "clusters-mnist": Row(
        clusters("mnist", "all"),
        1,
        (
            ("clusters, MNIST 70,000, s", "seconds", bars.Bar(400, 240)),
            ("peak memory, clusters of MNIST 70,000, MB", "peak_mb", bars.Bar(1000, 700)),
        ),
        "accuracy",
        0.987,
    ),
    "clusters-mnist-test": Row(
        clusters("mnist", "test"),
        1,
        (
            ("clusters, MNIST test images, s", "seconds", bars.Bar(120, 60)),
            ("peak memory, clusters of MNIST test images, MB", "peak_mb", bars.Bar(None)),
        ),
        "accuracy",
        0.987,
    ),
    "clusters-digits": Row(
        clusters("digits", "all"),
        3,
        (
            ("clusters, digits, s", "seconds", bars.Bar(25, 12)),
            ("peak memory, clusters of digits, MB", "peak_mb", bars.Bar(None)),
        ),
        "accuracy",
        0.95,
    ),
    "cold": Row(cold, 9, (("narrows cluster RUN one.png, cold process, s", "seconds", bars.Bar(1.5, 0.8)),)),
    "photographs": Row(
        photographs,
        3,
        (("48 photographs, 300 short epochs, a busy core beside, s", "seconds", bars.Bar(60, 20)),),
        "epochs",
        300,
    ),
}


def measure(row: Row, both: dict[str, versions.Version], rounds: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Give the figures of each round: {"now": ..., "before": ...}."""
    for number in range(rounds):
        found: dict[str, Any] = {}
        for which in ("before", "now") if number % 2 == 0 else ("now", "before"):
            with tempfile.TemporaryDirectory(dir=folder) as place:
                found[which] = row.job(both[which], Path(place), number)
        yield found


def lines(row: Row, rounds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines of the table that a row fills, from its rounds."""

    def middle(which: str, key: str, of: Callable[[list[float]], float] = statistics.median) -> float:
        return of([one[which][key] for one in rounds])

    quality, held = "", True
    if row.quality:
        means = {which: middle(which, row.quality, statistics.mean) for which in ("now", "before")}
        held = means["now"] >= row.least
        wanted = f", wanted {row.least:g}" if row.least else ""
        quality = f"{row.quality} {means['now']:.4g} (before {means['before']:.4g}{wanted})"
    return [
        bars.Line(name, middle("before", key), middle("now", key), bar, quality, held).record
        for name, key, bar in row.lines
    ]


def table(kept: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the lines of all rows that were measured."""
    return [line for name, row in ROWS.items() if name in kept for line in lines(row, kept[name]["rounds"])]


def main() -> None:
    """Measure the rows that were not measured before, save them, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", metavar="COMMIT", default="HEAD~1", help="the version before (default: HEAD~1)")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"some of {','.join(ROWS)}")
    parser.add_argument("--rounds", type=int, help="of every row; the default is each row's own")
    parser.add_argument("--again", action="store_true", help="measure anew what was measured before")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--cluster", nargs=3, metavar=("SOURCE", "PART", "SEED"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.cluster:
        source, part, seed = given.cluster
        print(json.dumps(cluster_here(source, part, int(seed))))
        return
    asked = given.rows.split(",")
    if unknown := set(asked) - set(ROWS):
        parser.error(f"--rows has no {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")

    from narrows.disk.files import read_json, write_json
    from narrows.work import environment

    kept: dict[str, Any] = read_json(given.out)["rows"] if given.out.exists() else {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="narrows-bench-")))
        both = {"before": stack.enter_context(versions.of(given.against)), "now": versions.here()}
        for name in asked:
            known = kept.get(name, {})
            if not given.again and all(known.get(w, {}).get("contents") == both[w].contents for w in both):
                print(f"{name}: measured on {known['day']}", flush=True)
                continue
            rounds = []
            for found in measure(ROWS[name], both, given.rounds or ROWS[name].rounds, folder):
                rounds.append(found)
                print(f"{name}, round {len(rounds)}: {json.dumps(found)}", flush=True)
            measured_on = {key: value for key, value in environment.describe().items() if key not in ("command", "git")}
            kept[name] = {
                **{which: version.record for which, version in both.items()},
                "day": datetime.now(UTC).date().isoformat(),
                "measured_on": measured_on,
                "rounds": rounds,
            }
            write_json(given.out, {"rows": kept, "table": table(kept)})
    print(bars.show(table({name: kept[name] for name in asked})))


if __name__ == "__main__":
    main()
