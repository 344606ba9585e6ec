"""The loss of quality from training in bfloat16: the same recipe in both precisions, several seeds, held-out PSNR.

NARROWS_DATA=... python bench/precision.py --images 20000 --epochs 5 --seeds 3
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

import narrows
from narrows.disk.files import write_json
from narrows.encoding.codes import reconstructions
from narrows.encoding.model import Model
from narrows.evaluation.reconstruction import psnr
from narrows.training.loop import train
from narrows.training.settings import Settings
from narrows.work import environment


def measured_on() -> dict[str, Any]:
    """Return versions and hardware, without paths."""
    return {name: value for name, value in environment.describe().items() if name != "command"}


def main() -> None:
    """Run the benchmark, print it, and save it under bench/results/."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "precision.json")
    given = parser.parse_args()

    data = narrows.open(given.data)
    rows, held_out = np.arange(given.images), np.arange(len(data) - 10_000, len(data))
    found: dict[str, list[dict[str, float]]] = {"float32": [], "bfloat16": []}
    for seed in range(given.seeds):
        for precision, results in found.items():
            model = Model(data.shape, {"name": "conv", "code_size": 32}, {"name": "reconstruction"}, seed=seed)
            settings = Settings(epochs=given.epochs, batch_size=256, precision=precision)  # type: ignore[arg-type]
            start = time.perf_counter()
            train(model, data.values, rows, rows[:0], settings, seed=seed)
            seconds = time.perf_counter() - start
            pairs = reconstructions(model, data.values[held_out])
            quality = float(np.concatenate([psnr(x, y) for x, y in pairs]).mean())
            results.append({"psnr": quality, "seconds": seconds})
            print(f"seed {seed}  {precision:<9} {quality:.3f} dB  {seconds:.0f} s", flush=True)
    summary: dict[str, Any] = {}
    for precision, results in found.items():
        values = [result["psnr"] for result in results]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        summary[precision] = {"mean": statistics.mean(values), "sd": spread, "n": len(values)}
        print(f"{precision:<9} {statistics.mean(values):.3f} +- {spread:.3f} dB over {len(values)} seeds")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    write_json(given.out, {"summary": summary, "runs": found, "environment": measured_on()})


if __name__ == "__main__":
    main()
