"""The optimisers: torch's fused kernels, shared out among workers where there are many weights.

The kernels are called rather than the classes of ``torch.optim``, which import torch's compiler for more than a second,
and update all weights in one thread.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from narrows.disk.files import Array
from narrows.training.settings import Settings
from narrows.training.shares import Shares
from narrows.work.threads import Workers

BETAS, EPS = (0.9, 0.999), 1e-8  # of Adam


class Optimizer:
    """Moves the weights of a module against their gradients, by AdamW, Adam or SGD.

    Parameters
    ----------
    module : those of its parameters that require gradients are moved
    settings : ``optimizer``, ``weight_decay``, ``momentum``, ``nesterov`` and ``clip`` are used
    workers : the work is shared out among them

    Attributes
    ----------
    parameters : those that are moved
    state : number of a parameter -> its running means, and for Adam the number of its steps, from its first gradient on
    """

    def __init__(self, module: nn.Module, settings: Settings, workers: Workers) -> None:
        self.settings = settings
        self.parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
        self.state: dict[int, dict[str, Tensor]] = {}
        self._shares = Shares(self.parameters, workers)

    @torch.no_grad()
    def norm(self) -> Tensor:
        """Return the norm () of all gradients."""

        def norms(numbers: list[int]) -> dict[int, Tensor]:
            held, gradients = self._held(numbers)
            return dict(zip(held, torch._foreach_norm(gradients), strict=True)) if held else {}

        found = {number: norm for part in self._shares.map(norms) for number, norm in part.items()}
        total: Tensor = torch.linalg.vector_norm(torch.stack([found[number] for number in sorted(found)]))
        return total

    @torch.no_grad()
    def step(self, lr: float, norm: float) -> None:
        """Take a step of learning rate ``lr``, with gradients shortened if their ``norm`` exceeds ``clip``."""
        clip = self.settings.clip or math.inf
        scale = float(np.float32(clip) * (np.float32(1) / (np.float32(norm) + np.float32(1e-6))))  # as torch does

        def update(numbers: list[int]) -> None:
            held, gradients = self._held(numbers)
            if not held:
                return
            if scale < 1:
                torch._foreach_mul_(gradients, scale)
            for number in held:
                self.state.setdefault(number, self._start(self.parameters[number]))
            self._move([self.parameters[number] for number in held], gradients, [self.state[n] for n in held], lr)

        self._shares.map(update)

    def arrays(self) -> dict[str, Array]:
        """Return the state as arrays, "number/name" -> values."""
        return {
            f"{number}/{name}": value.detach().cpu().numpy()
            for number, entry in sorted(self.state.items())
            for name, value in entry.items()
        }

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Take on the state that ``arrays`` returned."""
        self.state = {}
        for name, array in arrays.items():
            number, _, key = name.partition("/")
            start = self.state.setdefault(int(number), self._start(self.parameters[int(number)]))
            if start[key].shape != array.shape:
                raise ValueError(f"{name} has shape {array.shape} rather than {tuple(start[key].shape)}")
            start[key].copy_(torch.from_numpy(array))  # in the parameter's memory layout: kernels ignore strides

    def _held(self, numbers: list[int]) -> tuple[list[int], list[Tensor]]:
        """Return those of ``numbers`` whose parameters have gradients, and these."""
        pairs = [(number, g) for number in numbers if (g := self.parameters[number].grad) is not None]
        return [number for number, _ in pairs], [gradient for _, gradient in pairs]

    def _start(self, parameter: Tensor) -> dict[str, Tensor]:
        if self.settings.optimizer == "sgd":
            return {"momentum_buffer": torch.zeros_like(parameter)} if self.settings.momentum else {}
        step = torch.zeros((), dtype=torch.float32, device=parameter.device)
        return {"step": step, "exp_avg": torch.zeros_like(parameter), "exp_avg_sq": torch.zeros_like(parameter)}

    def _move(self, weights: list[Tensor], gradients: list[Tensor], states: list[dict[str, Tensor]], lr: float) -> None:
        settings = self.settings
        if settings.optimizer == "sgd":
            torch._fused_sgd_(
                weights,
                gradients,
                [state["momentum_buffer"] for state in states] if settings.momentum else [],
                weight_decay=settings.weight_decay,
                momentum=settings.momentum,
                lr=lr,
                dampening=0.0,
                nesterov=settings.nesterov,
                maximize=False,
                is_first_step=False,
            )
            return
        steps = [state["step"] for state in states]
        torch._foreach_add_(steps, 1)
        kernel = torch._fused_adamw_ if settings.optimizer == "adamw" else torch._fused_adam_
        kernel(
            weights,
            gradients,
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            steps,
            lr=lr,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=settings.weight_decay,
            eps=EPS,
            amsgrad=False,
            maximize=False,
        )
