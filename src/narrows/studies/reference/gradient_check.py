"""Check a gradient: move every scalar of every parameter slightly up and down, and compare the losses.

(J(p + h) - J(p - h)) / 2h differs from dJ/dp by about h^2/6 times the third derivative, and by rounding errors of about
eps |J| / h. In float64 a step near the cube root of eps balances the two. In float32 there is no good step, because
rounding hides the difference. So differences are always computed in float64, and only the tested gradient keeps its own
precision.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from narrows.disk.files import Array
from narrows.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from narrows.studies.reference.network import Network

#: Upper bounds of ``GradientError.relative`` for a correct gradient, by its precision.
TOLERANCE = {"float64": 1e-7, "float32": 1e-4}

STEP = 6e-6  # the cube root of float64's 2.2e-16; multiplied by |p| if that is above 1


@dataclass(frozen=True, eq=False)
class GradientError:
    """A parameter's gradient computed in two ways: derived, and by central differences; both in its shape."""

    derived: Array
    differences: Array

    @property
    def absolute(self) -> float:
        """The largest difference over all scalars."""
        return float(np.abs(self.derived - self.differences).max())

    @property
    def relative(self) -> float:
        """||derived - differences|| / (||derived|| + ||differences||), from 0 to 1; 0 if both are zero.

        It is computed for the parameter as a whole, since a single gradient near 0 may be only rounding error.
        """
        total = np.linalg.norm(self.derived) + np.linalg.norm(self.differences)
        return float(np.linalg.norm(self.derived - self.differences) / total) if total else 0.0


def check_network(network: Network, x: Array, t: Array, step: float = STEP) -> dict[str, GradientError]:
    """Compare ``network.loss_and_gradients`` with central differences of ``network.loss``, for every parameter.

    Two forward passes for each scalar: use few rows.

    Parameters
    ----------
    network : the network, which is not changed
    x, t : rows (N, D) and targets (N, K)
    step : h for parameters of magnitude up to 1

    Returns
    -------
    "W1", "b1", ... -> its two gradients; see ``TOLERANCE`` for how near they should be
    """
    _, derived = network.loss_and_gradients(x, t)
    double = copy.deepcopy(network)
    double.dtype = np.dtype("float64")
    double.parameters = {name: array.astype(np.float64) for name, array in network.parameters.items()}
    return {
        name: GradientError(derived[name].astype(np.float64), _differences(array, lambda: double.loss(x, t), step))
        for name, array in double.parameters.items()
    }


def check_module(
    module: nn.Module, loss: Callable[..., Tensor], *inputs: Tensor, step: float = STEP
) -> dict[str, GradientError]:
    """Compare ``torch.autograd.grad`` with central differences, for every learned parameter of a torch module.

    Two evaluations of the loss for each scalar: use few rows.

    Parameters
    ----------
    module : the module, which is not changed; a float64 copy is moved instead
    loss : (module, *inputs) -> a tensor of one number, the same at each call: no dropout, no new noise
    inputs : tensors for ``loss``; floats are cast to float64 for the copy
    step : h for parameters of magnitude up to 1

    Returns
    -------
    parameter's name in the module -> its two gradients; see ``TOLERANCE`` for how near they should be

    Raises
    ------
    InputError : a loss that differs from call to call, or no parameters
    """
    import torch

    learned = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    if not learned:
        raise InputError("module", "must have parameters to learn", value=type(module).__name__)
    # A parameter that the loss does not use has a gradient of zero.
    gradients = torch.autograd.grad(loss(module, *inputs), list(learned.values()), materialize_grads=True)
    double = copy.deepcopy(module).double()
    cast = [tensor.double() if tensor.is_floating_point() else tensor for tensor in inputs]

    def value() -> float:
        return float(loss(double, *cast))

    found: dict[str, Any] = {}
    with torch.no_grad():
        first, second = value(), value()
        if first != second:
            raise InputError(
                "loss",
                "must be the same at each call",
                value=f"{first!r} and then {second!r}",
                remedy="Call module.eval(), and draw noise from a generator with a fixed seed.",
            )
        parameters = dict(double.named_parameters())
        for (name, _), gradient in zip(learned.items(), gradients, strict=True):
            array = parameters[name].numpy()  # shares its memory with the parameter
            found[name] = GradientError(gradient.double().cpu().numpy(), _differences(array, value, step))
    return found


def _differences(array: Array, loss: Callable[[], float], step: float) -> Array:
    """Return the central difference of ``loss`` for each scalar of ``array``, which is moved in place and restored."""
    found = np.empty_like(array)
    for at in np.ndindex(array.shape):
        here = array[at].copy()
        h = step * max(1.0, abs(float(here)))
        array[at] = here + h
        above = loss()
        array[at] = here - h
        below = loss()
        array[at] = here
        found[at] = (above - below) / (2 * h)
    return found
