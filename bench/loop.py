"""The training loop compared with others and with a version before, in one run, printed as ratios.

Every round trains the same network on the same images in several ways, one after the other, so that a slower machine
slows all of them. A ratio is the median over rounds of the ratios within a round.

- ours: ``narrows.training.loop.train`` as it comes
- bare: a hand-written PyTorch loop with the same settings (bfloat16 where the hardware has it, channels-last, fused
  AdamW, clipping, cosine schedule): what our conveniences cost
- plain: the loop of a tutorial (eager, float32, Adam): what our choices gain
- pythae: its own trainer, in an environment of its own (``--pythae PYTHON``)
- before: ours as it was at a commit (``--against COMMIT``), on a machine with nothing else to do, and while another
  program takes one of its cores; both versions in processes of their own

The share of the machine's peak is that of this version on one thread, by CPU time: how near a loop comes to one that
only multiplied matrices (``bench/peak.py``). Results are in bench/results/loop.json.

    python bench/loop.py --pythae .venv-pythae/bin/python --against COMMIT
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command line does
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import bars
import versions
from children import busy, run
from narrows.disk.files import Array, write_json
from narrows.encoding.model import Model
from narrows.nets import nets
from narrows.nets.conv import Conv
from narrows.training.engine import Engine
from narrows.training.loop import train
from narrows.training.settings import Settings
from narrows.work import environment
from peak import TRAINING, flops_per_image, matrix_peak

SHAPE, CODE = (1, 28, 28), 32
ARCH = {
    "channels": [32, 64, 128],
    "kernel": [4, 4, 3],
    "stride": [2, 2, 2],
    "padding": [1, 1, 1],
    "code_size": CODE,
    "conv_bias": False,
}
LR = 1e-3
BUSY_PART = 5  # beside another program, only one image in so many: it may take ten times as long

#: Networks, and the share of the machine's peak that training them must reach.
SHARES: dict[str, tuple[dict[str, Any], bars.Bar]] = {
    "conv 32": ({"name": "conv", "width": 32}, bars.Bar(0.55, 0.65, more=True)),
    "conv 64": ({"name": "conv", "width": 64}, bars.Bar(0.66, 0.75, more=True)),
    "dense": ({"name": "dense"}, bars.Bar(0.70, 0.80, more=True)),
    "dense 2,048": ({"name": "dense", "hidden": [2048, 2048]}, bars.Bar(0.75, 0.80, more=True)),
}


def ours(images: Array, epochs: int, batch_size: int, net: dict[str, Any] | None = None) -> float:
    """Return the seconds that our loop takes."""
    model = Model(SHAPE, {"name": "conv", "code_size": CODE, **(net or {})}, {"name": "reconstruction"})
    settings = Settings(epochs=epochs, batch_size=batch_size, lr=LR)
    start = time.perf_counter()
    train(model, images, np.arange(len(images)), np.arange(0), settings)
    return time.perf_counter() - start


def bare(images: Array, epochs: int, batch_size: int) -> float:
    """Return the seconds that a hand-written loop with our settings takes."""
    torch.manual_seed(0)
    precision = Engine("cpu").precision
    net = Conv(SHAPE, CODE).train()
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(net.parameters(), lr=LR, weight_decay=0.0, fused=True)
    data = torch.from_numpy(images)
    steps = epochs * math.ceil(len(data) / batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    start = time.perf_counter()
    for _ in range(epochs):
        for rows in torch.randperm(len(data)).split(batch_size):  # type: ignore[no-untyped-call]
            x = data[rows].float().div_(255)
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
                y = net(x)
            loss = nn.functional.mse_loss(y, x)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return time.perf_counter() - start


def plain(images: Array, epochs: int, batch_size: int) -> float:
    """Return the seconds that a tutorial's loop takes: eager, float32, Adam."""
    torch.manual_seed(0)
    net = Conv(SHAPE, CODE).train()
    optimizer = torch.optim.Adam(net.parameters(), lr=LR)
    data = torch.from_numpy(images).float() / 255
    start = time.perf_counter()
    for _ in range(epochs):
        for rows in torch.randperm(len(data)).split(batch_size):  # type: ignore[no-untyped-call]
            x = data[rows]
            loss = nn.functional.mse_loss(net(x), x)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return time.perf_counter() - start


def pythae(python: str, images: Array, epochs: int, batch_size: int) -> dict[str, Any]:
    """Return the report of pythae's trainer, run by its own Python."""
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        np.save(at / "images.npy", images)
        (at / "arch.json").write_text(json.dumps(ARCH))
        command = [
            python,
            str(Path(__file__).with_name("pythae_trainer.py")),
            str(at / "images.npy"),
            "--epochs",
            str(epochs),
            "--batch-size",
            str(batch_size),
            "--lr",
            str(LR),
            "--arch",
            str(at / "arch.json"),
            "--out",
            str(at / "out.json"),
            "--threads",
            str(torch.get_num_threads()),
        ]
        subprocess.run(command, check=True, capture_output=True, text=True)
        found: dict[str, Any] = json.loads((at / "out.json").read_text())
    return found


def shares_of_peak(images: Array, batch_size: int) -> dict[str, Any]:
    """Return the shares of this machine's matrix-product peak that training reaches, by the CPU time of one thread."""
    dtype = torch.bfloat16 if Engine("cpu").precision == "bfloat16" else torch.float32
    found: dict[str, Any] = {}
    for name, (net, _) in SHARES.items():
        ours(images[: 8 * batch_size], 1, batch_size, net)  # warm-up
        peak = matrix_peak(dtype)
        start = time.process_time()
        ours(images, 1, batch_size, net)
        speed = len(images) / (time.process_time() - start)
        options = {"code_size": CODE, **net}
        needed = TRAINING * flops_per_image(nets.get(options.pop("name"))(SHAPE, **options), SHAPE)
        found[name] = {"peak_gflops": peak / 1e9, "images_per_cpu_s": speed, "share": speed * needed / peak}
    return found


def speed(images: Array, epochs: int, batch_size: int) -> float:
    """Return the images/s of our loop in this process."""
    ours(images[: 8 * batch_size], epochs, batch_size)  # warm-up
    return len(images) * epochs / ours(images, epochs, batch_size)


def child(version: versions.Version, what: str, images: int, epochs: int, batch_size: int) -> Any:
    """Return what a process with that version measures: "speed", or "shares" with one thread."""
    sizes = ("--images", str(images), "--epochs", str(epochs), "--batch-size", str(batch_size))
    command = (sys.executable, __file__, "--child", what, *sizes)
    threads = {"OMP_NUM_THREADS": "1"} if what == "shares" else {}
    ended = run(command, environment=version.environment | threads)
    if ended.failure:
        sys.exit(f"{what} with {version.commit}: {ended.failure}")
    return json.loads(ended.said.splitlines()[-1])


def beside_the_version_before(
    both: dict[str, versions.Version], rounds: int, images: int, epochs: int, batch_size: int
) -> dict[str, Any]:
    """Return the images/s of both versions, idle and beside a busy program, and how much faster this one is."""
    found: dict[str, Any] = {}
    for where, part, neighbour in (("idle", images, nullcontext), ("busy", images // BUSY_PART, busy)):
        speeds = []
        for number in range(rounds):
            order = list(both) if number % 2 == 0 else list(both)[::-1]
            with neighbour():
                speeds.append({name: child(both[name], "speed", part, epochs, batch_size) for name in order})
            listed = "  ".join(f"{name} {speeds[-1][name]:,.0f}/s" for name in both)
            print(f"{where}, round {number + 1}/{rounds}: {listed}", flush=True)
        found[where] = {"rounds": speeds, "ratio": statistics.median(one["now"] / one["before"] for one in speeds)}
    return found


def measured_on() -> dict[str, Any]:
    """Return versions and hardware, without paths."""
    return {name: value for name, value in environment.describe().items() if name != "command"}


def beside_others(
    python: str | None, rounds: int, images: Array, epochs: int, batch_size: int
) -> tuple[list[dict[str, float]], dict[str, float], dict[str, Any]]:
    """Return the images/s of each loop in each round, the ratios to them, and pythae's versions."""
    for loop in (ours, bare, plain):
        loop(images[: 8 * batch_size], epochs, batch_size)  # warm-up
    found: list[dict[str, float]] = []
    packages: dict[str, Any] = {}
    for number in range(rounds):
        order: list[Callable[[Array, int, int], float]] = (
            [ours, bare, plain] if number % 2 == 0 else [plain, bare, ours]
        )
        speeds = {loop.__name__: len(images) * epochs / loop(images, epochs, batch_size) for loop in order}
        if python:
            theirs = pythae(python, images, epochs, batch_size)
            speeds["pythae"], packages = theirs["images_per_s"], theirs["versions"]
        found.append(speeds)
        listed = "  ".join(f"{name} {value:,.0f}/s" for name, value in speeds.items())
        print(f"round {number + 1}/{rounds}: {listed}", flush=True)
    ratios = {
        other: statistics.median(speeds["ours"] / speeds[other] for speeds in found)
        for other in found[0]
        if other != "ours"
    }
    return found, ratios, packages


def table(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the lines of the table: how many times faster we are, and which share of the peak we reach."""
    lines = []
    before = found.get("before", {})
    for where, said, bar in (
        ("idle", "idle cores", bars.Bar(1.2, 1.3, more=True)),
        ("busy", "a busy core beside", bars.Bar(2.5, more=True)),
    ):
        if before:
            name = f"training conv 32, batch {found['batch_size']}, {said}: speed by that before"
            lines.append(bars.Line(name, 1.0, before[where]["ratio"], bar))
    for other, wanted in (("bare", 0.95), ("plain", 1.2), ("pythae", 1.5)):
        if other in found["ratios"]:
            bar = bars.Bar(wanted, more=True)
            lines.append(bars.Line(f"training conv 32: speed by that of {other}", None, found["ratios"][other], bar))
    for name, (_, bar) in SHARES.items():
        old = before["peak"][name]["share"] if before else None
        lines.append(bars.Line(f"share of the peak, one thread, {name}", old, found["peak"][name]["share"], bar))
    return [line.record for line in lines]


def main() -> None:
    """Run the benchmark, print it, and save it under bench/results/."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--pythae", metavar="PYTHON", help="the Python of an environment that has pythae")
    parser.add_argument("--against", metavar="COMMIT", help="the version before")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "loop.json")
    parser.add_argument("--child", choices=("speed", "shares"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    images = np.random.default_rng(0).integers(0, 256, (given.images, *SHAPE), dtype=np.uint8)
    sizes = (given.epochs, given.batch_size)
    if given.child:
        print(json.dumps(speed(images, *sizes) if given.child == "speed" else shares_of_peak(images, given.batch_size)))
        return

    now = versions.here()
    rounds, ratios, packages = beside_others(given.pythae, given.rounds, images, *sizes)
    found: dict[str, Any] = {"batch_size": given.batch_size, "ratios": ratios, "rounds": rounds, "pythae": packages}
    found["peak"] = child(now, "shares", given.images // 2, *sizes)
    if given.against:
        with versions.of(given.against) as before:
            both = {"before": before, "now": now}
            found["before"] = beside_the_version_before(both, given.rounds, given.images, *sizes)
            found["before"]["peak"] = child(before, "shares", given.images // 2, *sizes)
            found["versions"] = {name: version.record for name, version in both.items()}
    found |= {"day": datetime.now(UTC).date().isoformat(), "environment": measured_on(), "table": table(found)}
    print(f"\nconv, 28x28, code {CODE}, {torch.get_num_threads()} threads, medians of {given.rounds} rounds")
    print(bars.show(found["table"]))
    for option, what in ((given.pythae, "--pythae PYTHON"), (given.against, "--against COMMIT")):
        if not option:
            print(f"left out, as {what} was not given (make bench does)", file=sys.stderr)
    write_json(given.out, found)


if __name__ == "__main__":
    main()
