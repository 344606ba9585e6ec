"""The training loop compared with others, in one run, printed as ratios.

Every round trains the same network on the same images in four ways, one after the other, so that a slower machine slows
all of them. A ratio is the median over rounds of the ratios within a round.

- ours: ``narrows.training.loop.train`` as it comes
- bare: a hand-written PyTorch loop with the same settings (bfloat16 where the hardware has it, channels-last, fused
  AdamW, clipping, cosine schedule): what our conveniences cost
- plain: the loop of a tutorial (eager, float32, Adam): what our choices gain
- pythae: its own trainer, in an environment of its own (``--pythae PYTHON``)

    python bench/loop.py --pythae .venv-pythae/bin/python
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from narrows.disk.files import Array, write_json
from narrows.encoding.model import Model
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


def ours(images: Array, epochs: int, batch_size: int) -> float:
    """Return the seconds that our loop takes."""
    model = Model(SHAPE, {"name": "conv", "code_size": CODE}, {"name": "reconstruction"})
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


def share_of_peak(images: Array, batch_size: int) -> dict[str, float]:
    """Return the share of this machine's matrix-product peak that training reaches, by CPU time on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        engine = Engine("cpu")
        peak = matrix_peak(torch.bfloat16 if engine.precision == "bfloat16" else torch.float32)
        start = time.process_time()
        ours(images, 1, batch_size)
        speed = len(images) / (time.process_time() - start)
    finally:
        torch.set_num_threads(before)
    needed = TRAINING * flops_per_image(Conv(SHAPE, CODE), SHAPE)
    return {"peak_gflops": peak / 1e9, "images_per_cpu_s": speed, "share": speed * needed / peak}


def measured_on() -> dict[str, Any]:
    """Return versions and hardware, without paths."""
    return {name: value for name, value in environment.describe().items() if name != "command"}


def main() -> None:
    """Run the benchmark, print it, and save it under bench/results/."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--pythae", metavar="PYTHON", help="the Python of an environment that has pythae")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "loop.json")
    given = parser.parse_args()

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (given.images, *SHAPE), dtype=np.uint8)
    work = (given.epochs, given.batch_size)
    for loop in (ours, bare, plain):
        loop(images[: 8 * given.batch_size], *work)  # warm-up
    rounds: list[dict[str, float]] = []
    versions: dict[str, Any] = {}
    for number in range(given.rounds):
        order = [ours, bare, plain] if number % 2 == 0 else [plain, bare, ours]
        speeds = {loop.__name__: given.images * given.epochs / loop(images, *work) for loop in order}
        if given.pythae:
            found = pythae(given.pythae, images, *work)
            speeds["pythae"], versions = found["images_per_s"], found["versions"]
        rounds.append(speeds)
        listed = "  ".join(f"{name} {speed:,.0f}/s" for name, speed in speeds.items())
        print(f"round {number + 1}/{given.rounds}: {listed}", flush=True)
    ratios = {
        other: statistics.median(speeds["ours"] / speeds[other] for speeds in rounds)
        for other in rounds[0]
        if other != "ours"
    }
    peak = share_of_peak(images, given.batch_size)
    threads = torch.get_num_threads()
    print(f"\nconv, 28x28, code {CODE}, batch {given.batch_size}, {threads} threads, medians of {given.rounds} rounds")
    wanted = {"bare": 0.95, "plain": 1.2, "pythae": 1.5}
    for other, ratio in ratios.items():
        met = "met" if ratio >= wanted[other] else "NOT met"
        print(f"  ours / {other:<7} {ratio:5.2f}   (bar {wanted[other]:.2f}: {met})")
    print(f"  share of this machine's matrix-product peak, CPU time, one thread: {peak['share']:.1%}", end=" ")
    print(f"of {peak['peak_gflops']:,.0f} GFLOP/s")
    if not given.pythae:
        print("  pythae was left out: pass --pythae PYTHON (make bench does)", file=sys.stderr)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    write_json(
        given.out,
        {"ratios": ratios, "rounds": rounds, "peak": peak, "pythae": versions, "environment": measured_on()},
    )


if __name__ == "__main__":
    main()
