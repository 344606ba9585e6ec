"""Where training runs: the only file that knows devices, precision and compilation.

The loop reads the same on one core and on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import nn

from narrows.errors import RecipeError

Precision = Literal["auto", "float32", "bfloat16"]


class Engine:
    """A device, a precision, and whether to compile.

    Parameters
    ----------
    device : "auto" (a GPU if there is one), or a name torch knows, such as "cpu" or "cuda:1"
    precision : "auto" uses bfloat16 for the network's arithmetic if the hardware supports it; weights, losses and
        optimiser stay in float32
    compile : pass the network through torch.compile
    """

    def __init__(self, device: str = "auto", precision: Precision = "auto", *, compile: bool = False) -> None:
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self.device = torch.device(device)
            torch.zeros(1, device=self.device).item()  # fails unless the device exists
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise RecipeError(
                "train.device", "must be a device that this machine has", value=device, remedy="Use auto or cpu."
            ) from error
        if precision == "auto":
            precision = "bfloat16" if has_bfloat16(self.device) else "float32"
        self.precision = precision
        self.compile = compile

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return True

    def prepare(self, module: nn.Module, compiled: Iterable[nn.Module] = ()) -> None:
        """Move a module to the device in place, and compile its parts ``compiled`` if compilation was requested."""
        module.to(self.device)
        if self.compile:
            for part in compiled:
                part.compile()

    def autocast(self) -> AbstractContextManager[object]:
        """Return a context in which the network computes at the chosen precision.

        Without the cache of converted weights, which all threads share: whichever ended first would empty it, so that
        sums of gradients would be rounded at other points.
        """
        if self.precision != "bfloat16":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16, cache_enabled=False)

    def seed(self, *keys: int) -> None:
        """Seed torch's global generator, which some layers (dropout) draw from, with ``keys`` alone.

        Because every step's randomness follows from (seed, step), a resumed run needs no saved random state.
        """
        if self.device.type == "cpu":
            # ``torch.manual_seed`` would record its whole call stack on every call, for a GPU that may be used later.
            torch.default_generator.manual_seed(_seed_of(keys))
        else:
            torch.manual_seed(_seed_of(keys))

    def generator(self, *keys: int) -> torch.Generator:
        """Return a generator on the device whose numbers depend on ``keys`` alone."""
        return torch.Generator(self.device).manual_seed(_seed_of(keys))


def _seed_of(keys: tuple[int, ...]) -> int:
    return int(np.random.SeedSequence(keys).generate_state(1, np.uint64)[0] >> np.uint64(1))


def has_bfloat16(device: torch.device) -> bool:
    """Return whether the device multiplies bfloat16 in hardware, which makes it faster than float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu":
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # not Linux: there is no way to know, and float32 is always safe
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
