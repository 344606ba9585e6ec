"""Training and encoding on a GPU, compared with the CPU and with an earlier version, in one run, printed as ratios.

Every round trains the same network on the same images and encodes them, first with this version and then with the
earlier one (``--former``: its ``src``), each in a separate process that has warmed up with both. A ratio is the median
over rounds of the ratios within a round.

    python bench/device.py --former ../former/src
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

SHAPE, ROWS, EPOCHS, BATCH = (1, 28, 28), 60_000, 4, 256


def images(rows: int) -> np.ndarray:
    """Return striped images uint8 (N, 1, 28, 28) with noise."""
    rng = np.random.default_rng(0)
    angles, phases = rng.uniform(0, np.pi, (2, rows, 1, 1))
    down, across = np.mgrid[:28, :28] / 4
    waves = np.sin(np.cos(angles) * down + np.sin(angles) * across + 2 * phases)
    grey: np.ndarray = (127 + 90 * waves + rng.normal(0, 12, (rows, 28, 28))).clip(0, 255).astype(np.uint8)
    return grey[:, None]


def version() -> tuple[Any, Any, Callable[[Any, np.ndarray], np.ndarray]]:
    """Return ``Model``, ``Settings`` and the function that encodes, from the version on the path."""
    try:
        from narrows.encoding.model import Model
        from narrows.training.settings import Settings
    except ImportError:  # an earlier version, which encoded only on the CPU
        former = import_module("narrows.codes").encode
        return (
            import_module("narrows.model").Model,
            import_module("narrows.training.loop").Settings,
            lambda model, values: former(model.cpu(), values),
        )
    return Model, Settings, Model.encode


def once(rows: int, device: str) -> dict[str, Any]:
    """Return the speeds of the version on the path, and the codes of a few rows on both devices."""
    import torch

    from narrows.training.loop import train

    Model, Settings, encode = version()
    values = images(rows)
    found: dict[str, Any] = {}
    for name, epochs in (("first", 1), ("second", EPOCHS)):
        model = Model(SHAPE, {"name": "conv", "code_size": 32}, {"name": "variational"})
        settings = Settings(epochs=epochs, batch_size=BATCH, device=device)
        start = time.perf_counter()
        history = train(model, values, np.arange(rows), np.arange(0), settings)
        found |= {"train": epochs * rows / (time.perf_counter() - start), "loss": history[-1]["train/loss"]}
        start = time.perf_counter()
        codes = encode(model, values)
        found |= {
            "encode": rows / (time.perf_counter() - start),
            "where": str(next(model.parameters()).device),
            "at": name,
        }
    few = values[:2000]
    on_processor = encode(model.to("cpu"), few)
    found["difference"] = float(np.abs(codes[: len(few)] - on_processor).max() / np.abs(on_processor).max())
    found["gpu"] = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--former", type=Path, help="the src of a former version")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "device.json")
    parser.add_argument("--once", metavar="DEVICE", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.once:
        print(json.dumps(once(asked.rows, asked.once)))
        return
    here = Path(__file__).parents[1] / "src"
    versions = {"now": (here, "auto"), "processor": (here, "cpu")}
    if asked.former:
        versions["former"] = (asked.former.resolve(), "auto")
    rounds = []
    for number in range(asked.rounds):
        round_: dict[str, Any] = {}
        for name, (source, device) in versions.items():
            path = os.pathsep.join([str(source), *filter(None, [os.environ.get("PYTHONPATH")])])
            command = [sys.executable, __file__, "--once", device, "--rows", str(asked.rows)]
            environment = os.environ | {"PYTHONPATH": path}
            said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
            round_[name] = json.loads(said.splitlines()[-1])
        rounds.append(round_)
        print(f"round {number + 1}: {json.dumps(round_)}", flush=True)
    ratios = {
        f"{what}: now / {other}": statistics.median(one["now"][what] / one[other][what] for one in rounds)
        for other in versions
        if other != "now"
        for what in ("train", "encode")
    }
    for name, ratio in ratios.items():
        print(f"{name:28} {ratio:.2f}")
    asked.out.write_text(json.dumps({"ratios": ratios, "rounds": rounds}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
