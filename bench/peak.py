"""The peak arithmetic speed of this machine, and how many operations a network needs.

Dividing the two gives the images/s of a training loop that only multiplied, at this machine's peak. The distance from
that figure says more than the ratio to another loop. Both count one multiply-add as two operations.

    python bench/peak.py --net conv --shape 1 28 28
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

SIZES = (256, 512, 1024, 2048)  # small ones fit the cache, large ones hide the cost of a call; which wins varies
READING = 2.5e9  # operations per reading: some milliseconds, far above the clock's resolution
GPU_SIZES, GPU_READING = (2048, 4096, 8192), 4e12
TRAINING = 3  # forward, then two products of the same size backward: for the weights and for the inputs


def matrix_peak(dtype: torch.dtype, threads: int = 1, seconds: float = 2.0, device: str = "cpu") -> float:
    """Return the most operations per second reached by products of two square matrices.

    At one thread, time is CPU time, so that other programs on the machine do not lower the figure. At more, and on a
    GPU, it is wall time: the CPU time of threads that are still running is not read exactly enough over the
    milliseconds of a reading.

    In float32 oneDNN's product is measured besides ``torch.matmul``, which uses the BLAS that torch was built with and,
    on some processors, reaches half the speed of oneDNN, the library behind the convolutions. In bfloat16
    ``torch.matmul`` already uses oneDNN if the processor has such instructions.

    Parameters
    ----------
    dtype : torch.float32 or torch.bfloat16
    threads : threads of the product
    seconds : wall time to spend, shared evenly over the sizes and libraries
    device : "cpu", or a GPU such as "cuda"
    """
    on_gpu = device != "cpu"
    clock = time.process_time if threads == 1 and not on_gpu else time.perf_counter
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        sizes, work = (GPU_SIZES, GPU_READING) if on_gpu else (SIZES, READING)
        products = [(n, product) for n in sizes for product in _products(n, dtype, device)]
        share = seconds / len(products)
        wait: Callable[[], None] = torch.cuda.synchronize if on_gpu else lambda: None
        return max(_best_rate(product, 2 * n**3, work, clock, share, wait) for n, product in products)
    finally:
        torch.set_num_threads(before)


def flops_per_image(module: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Return the operations of one image's forward pass: convolutions, transposed convolutions and matrix products.

    Normalisations and activations are left out, as is usual, because they are bound by memory. Training is counted as
    ``TRAINING`` times this (slightly too much, since the first layer's inputs need no gradient).

    Parameters
    ----------
    module : takes x (N, *input_shape); it is not changed
    input_shape : (C, H, W) or (D,)
    """
    evaluated = copy.deepcopy(module).cpu().eval()  # batch normalisation needs more than one image to train on
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        evaluated(torch.zeros(1, *input_shape))
    return int(counter.get_total_flops())


def _products(n: int, dtype: torch.dtype, device: str) -> list[Callable[[], Tensor]]:
    """Return the ways to multiply two (n, n) matrices."""
    a = torch.randn(n, n, device=device).to(dtype)
    b = torch.randn(n, n, device=device).to(dtype)
    products: list[Callable[[], Tensor]] = [lambda: torch.matmul(a, b)]
    onednn = device == "cpu" and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    if dtype == torch.float32 and onednn:
        inputs, weight = a.to_mkldnn(), b.to_mkldnn()
        products.append(lambda: torch.ops.aten.mkldnn_linear(inputs, weight))
    return products


def _best_rate(
    product: Callable[[], Tensor],
    flops: int,
    work: float,
    clock: Callable[[], float],
    seconds: float,
    wait: Callable[[], None],
) -> float:
    """Return the best operations per second over ``seconds`` of readings; the best is the least disturbed."""
    calls = math.ceil(work / flops)
    product()
    best = 0.0
    end = time.perf_counter() + seconds
    while best == 0.0 or time.perf_counter() < end:
        wait()
        start = clock()
        for _ in range(calls):
            product()
        wait()
        best = max(best, calls * flops / (clock() - start))
    return best


def main() -> None:
    from narrows.nets import nets

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", default="conv", help="a network of narrows (default: conv)")
    parser.add_argument("--shape", type=int, nargs="+", default=[1, 28, 28], help="input shape (default: 1 28 28)")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()

    shape = tuple(options.shape)
    flops = TRAINING * flops_per_image(nets.get(options.net)(shape), shape)
    print(f"{options.net} {shape}: {flops / 1e6:.1f} MFLOP to train on one image")
    for dtype in (torch.float32, torch.bfloat16):
        peak = matrix_peak(dtype, options.threads)
        print(f"{dtype}: {peak / 1e9:.0f} GFLOP/s at {options.threads} thread(s), {peak / flops:,.0f} images/s at most")


if __name__ == "__main__":
    main()
