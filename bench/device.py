"""What narrows does on a GPU: speed, share of the peak, memory, and clusters of MNIST from beginning to end.

    NARROWS_DATA=... python bench/device.py

Without a GPU it does the same on the processor at a hundredth of the size, which shows that it works and nothing else.
``bench/gpu.sh`` runs the tests that need a GPU as well.

peak : the most operations a second in products of square matrices, and the share of it that training reaches
loop : our loop beside a bare PyTorch loop with the same settings, in turns
graphs : what compiling (``train.compile``) and replaying a recorded step (CUDA graphs) would add; on a GPU only
road : ``ImageClusterer(10).fit`` of all 70,000 images of MNIST: seconds, accuracy, memory. At a smaller size, digits
    and the method's quick settings
encode : a million images through a trained network, memory, and how far codes differ from those of the processor

A part that was measured before with the same files on the same device is kept; ``--again`` measures it anew. Results
are in bench/results/gpu.json.
"""

from __future__ import annotations

import argparse
import math
import resource
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import bars
import narrows
import versions
from narrows.deep.agreement import Agreement
from narrows.disk.files import Array, read_json, write_json
from narrows.encoding.model import Model
from narrows.evaluation.clustering import accuracy
from narrows.nets import nets
from narrows.training.engine import Engine
from narrows.training.loop import train
from narrows.training.settings import Settings
from narrows.work import environment
from peak import TRAINING, flops_per_image, matrix_peak

RESULTS = Path(__file__).parent / "results" / "gpu.json"
SHAPE, CODE, BATCH, LR = (1, 28, 28), 32, 256, 1e-3
TRAINED, ENCODED, ROUNDS = 60_000, 1_000_000, 3
SMALL = 0.01  # of the size, without a GPU
NETS: dict[str, dict[str, Any]] = {
    "conv 32": {"name": "conv", "width": 32},
    "conv 64": {"name": "conv", "width": 64},
    "dense": {"name": "dense"},
    "dense 2,048": {"name": "dense", "hidden": [2048, 2048]},
}
ROAD, RIGHT = bars.Bar(60, 30), 0.987  # seconds, and the accuracy that both need

Figures = dict[str, Any]


def images(rows: int) -> Array:
    """Return striped images uint8 (N, 1, 28, 28) with noise; after 20,000, the same again."""
    rng = np.random.default_rng(0)
    drawn = min(rows, 20_000)
    angles, phases = rng.uniform(0, np.pi, (2, drawn, 1, 1)).astype(np.float32)
    down, across = np.mgrid[:28, :28].astype(np.float32) / 4
    waves = np.sin(np.cos(angles) * down + np.sin(angles) * across + 2 * phases)
    noise = 12 * rng.standard_normal((drawn, 28, 28), dtype=np.float32)
    grey = (127 + 90 * waves + noise).clip(0, 255).astype(np.uint8)[:, None]
    return np.resize(grey, (rows, *SHAPE))


def wait(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def ours(values: Array, epochs: int, net: dict[str, Any], device: torch.device, *, compile: bool = False) -> float:
    """Return the images/s of our loop, in the last epoch."""
    model = Model(SHAPE, {"code_size": CODE, **net}, {"name": "reconstruction"})
    settings = Settings(epochs=epochs, batch_size=BATCH, lr=LR, device=str(device), compile=compile)
    history = train(model, values, np.arange(len(values)), np.arange(0), settings)
    return history[-1]["images_per_s"]


def bare(values: Array, epochs: int, net: dict[str, Any], device: torch.device, *, recorded: bool = False) -> float:
    """Return the images/s of a hand-written loop with our settings, in the last epoch.

    ``recorded`` records one step and replays it, which saves the launching of its kernels (CUDA graphs). The learning
    rate and the batch are then tensors that the step reads. The last batch of an epoch is left out if it is smaller.
    """
    torch.manual_seed(0)
    options = {"code_size": CODE, **net}
    made = nets.get(options.pop("name"))(SHAPE, **options).train().to(device)
    made.to(memory_format=torch.channels_last)
    rate = torch.tensor(LR, device=device) if recorded else LR
    optimizer = torch.optim.AdamW(made.parameters(), lr=rate, weight_decay=0.0, fused=True, capturable=recorded)
    data = torch.from_numpy(values)
    total = epochs * math.ceil(len(data) / BATCH)
    low = Engine(str(device)).precision == "bfloat16"
    raw = torch.empty((BATCH, *SHAPE), dtype=torch.uint8, device=device)

    def step(batch: Tensor) -> None:
        x = batch.float().div_(255)
        with torch.autocast(device.type, torch.bfloat16, enabled=low, cache_enabled=not recorded):
            y = made(x)
        loss = nn.functional.mse_loss(y, x)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(made.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=not recorded)

    graph = _recorded(lambda: step(raw)) if recorded else None
    number, speed = 0, 0.0
    for _ in range(epochs):
        wait(device)
        start, done = time.perf_counter(), 0
        for rows in torch.randperm(len(data)).split(BATCH):  # type: ignore[no-untyped-call]
            share = 0.5 * (1 + math.cos(math.pi * number / total))
            if graph is None:
                optimizer.param_groups[0]["lr"] = LR * share
                step(data[rows].to(device, non_blocking=True))
            elif len(rows) == BATCH:
                assert isinstance(rate, Tensor)
                rate.fill_(LR * share)
                raw.copy_(data[rows], non_blocking=True)
                graph.replay()
            else:
                continue
            number += 1
            done += len(rows)
        wait(device)
        speed = done / (time.perf_counter() - start)
    return speed


def _recorded(step: Callable[[], None]) -> torch.cuda.CUDAGraph:
    """Return a recording of ``step``, after some on another stream, as recording needs."""
    aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph


def peak(size: float, device: torch.device) -> Figures:
    """Measure the device's peak, and the share of it that training each network reaches."""
    low = Engine(str(device)).precision == "bfloat16"
    most = matrix_peak(torch.bfloat16 if low else torch.float32, seconds=max(0.1, 2 * size), device=device.type)
    values, shares = images(max(BATCH, round(size * TRAINED))), {}
    for name, net in NETS.items():
        options = {"code_size": CODE, **net}
        needed = TRAINING * flops_per_image(nets.get(options.pop("name"))(SHAPE, **options), SHAPE)
        speed = ours(values, 2, net, device)
        shares[name] = {"images_per_s": speed, "share": speed * needed / most}
    return {"peak_gflops": most / 1e9, "shares": shares}


def loop(size: float, device: torch.device) -> Figures:
    """Measure our loop beside a bare one."""
    values, net = images(max(BATCH, round(size * TRAINED))), NETS["conv 32"]
    return _beside(
        {"ours": lambda: ours(values, 2, net, device), "bare": lambda: bare(values, 2, net, device)},
        ROUNDS if size == 1 else 1,
    )


def graphs(size: float, device: torch.device) -> Figures:
    """Measure what compiling and recording add, beside a bare loop."""
    if device.type != "cuda":
        return {"left_out": "there is no GPU"}
    values, net = images(max(BATCH, round(size * TRAINED))), NETS["conv 32"]
    return _beside(
        {
            "ours, compiled": lambda: ours(values, 2, net, device, compile=True),
            "bare, recorded": lambda: bare(values, 2, net, device, recorded=True),
            "bare": lambda: bare(values, 2, net, device),
        },
        ROUNDS if size == 1 else 1,
    )


def _beside(ways: dict[str, Callable[[], float]], rounds: int) -> Figures:
    """Return the images/s of each way in each round, and the medians of the ratios to the bare loop."""
    found = [{name: way() for name, way in ways.items()} for _ in range(rounds)]
    others = [name for name in ways if name != "bare"]
    ratios = {f"{name} / bare": statistics.median(one[name] / one["bare"] for one in found) for name in others}
    return {"rounds": found, "ratios": ratios}


def road(size: float, device: torch.device) -> Figures:
    """Cluster MNIST; at a smaller size, some digits."""
    data = narrows.open("mnist" if size == 1 else "digits")
    data = data.take(np.arange(round(size * 70_000)) if size < 1 else np.arange(len(data)))
    start = time.perf_counter()
    options = None if size == 1 else Agreement.quick
    found = narrows.ImageClusterer(10, options=options, random_state=0).fit(data)
    seconds = time.perf_counter() - start
    assert data.labels is not None
    return {"images": len(data), "seconds": seconds, "accuracy": accuracy(found.labels_, data.labels)}


def encode(size: float, device: torch.device) -> Figures:
    """Encode a million images; compare the codes of some with those of the processor."""
    values = images(round(size * ENCODED))
    model = Model(SHAPE, {"code_size": CODE, **NETS["conv 32"]}, {"name": "reconstruction"})
    few = values[: max(BATCH, round(size * 20_000))]
    train(model, few, np.arange(len(few)), np.arange(0), Settings(epochs=1, batch_size=BATCH, device=str(device)))
    model.encode(few)  # warm-up
    start = time.perf_counter()
    codes = model.encode(values)
    seconds = time.perf_counter() - start
    there = model.to("cpu").encode(few[:2000])
    difference = float(np.abs(codes[: len(there)] - there).max() / np.abs(there).max())
    return {"rows": len(values), "rows_per_s": len(values) / seconds, "difference": difference}


#: In this order, as the memory of a process only grows: the million images come last.
PARTS = {"peak": peak, "loop": loop, "graphs": graphs, "road": road, "encode": encode}


def measure(part: Callable[[float, torch.device], Figures], size: float, device: torch.device) -> Figures:
    """Return what a part measures, with the most memory that it took, in MiB; or why it failed."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    start = time.perf_counter()
    try:
        found = part(size, device)
    except Exception as error:  # the other parts are worth having
        traceback.print_exc()
        return {"failure": f"{type(error).__name__}: {error}"}
    found["part_s"] = time.perf_counter() - start
    found["process_peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # Linux counts in KiB
    if device.type == "cuda":
        found["device_peak_mb"] = torch.cuda.max_memory_allocated(device) / 2**20
    return found


def table(parts: dict[str, Figures], where: str) -> list[dict[str, Any]]:
    """Return the lines of the table that the parts of full size fill."""
    lines = []
    if "seconds" in (found := parts.get("road", {})):
        quality = f"accuracy {found['accuracy']:.4g} (wanted {RIGHT})"
        held = found["accuracy"] >= RIGHT
        lines.append(bars.Line(f"clusters, MNIST 70,000, {where}, s", None, found["seconds"], ROAD, quality, held))
    ratios = {
        name: ratio for part in ("loop", "graphs") for name, ratio in parts.get(part, {}).get("ratios", {}).items()
    }
    for name, ratio in ratios.items():
        bar = bars.Bar(0.95 if name == "ours / bare" else None, more=True)
        lines.append(bars.Line(f"training conv 32, {where}: {name}", None, ratio, bar))
    for name, share in parts.get("peak", {}).get("shares", {}).items():
        lines.append(bars.Line(f"share of the peak, {where}, {name}", None, share["share"], bars.Bar(None, more=True)))
    if "rows_per_s" in (found := parts.get("encode", {})):
        bar = bars.Bar(None, more=True)
        lines.append(bars.Line(f"encoding 10^6 images, {where}, rows/s", None, found["rows_per_s"], bar))
    return [line.record for line in lines]


def main() -> None:
    """Measure the parts that were not measured before, save them, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--size", type=float, help=f"from above 0 to 1; by default 1 on a GPU and {SMALL:g} without")
    parser.add_argument("--again", action="store_true", help="measure anew what was measured before")
    parser.add_argument("--out", type=Path, default=RESULTS)
    given = parser.parse_args()
    device = Engine("auto").device
    size = given.size or (1.0 if device.type == "cuda" else SMALL)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
    version = versions.here()
    asked = {"version": version.record, "size": size, "where": where}

    kept: dict[str, Any] = read_json(given.out) if given.out.exists() else {}
    parts: dict[str, Figures] = kept.get("parts", {})
    if given.again or any(kept.get(name) != value for name, value in asked.items()):
        parts = {}
    for name in given.parts.split(","):
        if name not in parts or "failure" in parts[name]:
            parts[name] = measure(PARTS[name], size, device)
            print(f"{name}: {parts[name]}", flush=True)
            measured_on = {key: value for key, value in environment.describe().items() if key not in ("command", "git")}
            found = asked | {"day": datetime.now(UTC).date().isoformat(), "measured_on": measured_on, "parts": parts}
            write_json(given.out, found | {"table": table(parts, where) if size == 1 else []})
    if size == 1:
        print(bars.show(table(parts, where)))
    if any("failure" in found for found in parts.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
