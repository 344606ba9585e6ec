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
from torch import Tensor, nn

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
        """Return a context in which the network computes at the chosen precision."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.precision == "bfloat16" else nullcontext()

    def backward(self, loss: Tensor) -> None:
        """Compute gradients."""
        loss.backward()  # type: ignore[no-untyped-call]

    def generator(self, *keys: int) -> torch.Generator:
        """Return a generator whose numbers depend on ``keys`` alone, and seed the global one (dropout) with them too.

        Because every step's randomness follows from (seed, step), a resumed run needs no saved random state.
        """
        state = int(np.random.SeedSequence(keys).generate_state(1, np.uint64)[0] >> np.uint64(1))
        if self.device.type == "cpu":
            # ``torch.manual_seed`` would record its whole call stack on every call, for a GPU that may be used later.
            torch.default_generator.manual_seed(state)
        else:
            torch.manual_seed(state)
        return torch.Generator(self.device).manual_seed(state)


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
