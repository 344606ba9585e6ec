"""Is a gradient right? Every scalar of every parameter is moved a little up and a little down, and the loss compared.

(J(p + h) - J(p - h)) / 2h differs from dJ/dp by about h^2/6 times the third derivative, and by rounding errors of about
eps |J| / h. In float64 a step near the cube root of eps balances the two. In float32 there is no good step: rounding
drowns what is looked for. So the differences are always taken in float64, and it is the gradient under test that keeps
its own precision.
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

#: What a right gradient stays below, as ``GradientError.relative``, by its precision.
TOLERANCE = {"float64": 1e-7, "float32": 1e-4}

STEP = 6e-6  # the cube root of float64's 2.2e-16; times |p| where that is above 1


@dataclass(frozen=True, eq=False)
class GradientError:
    """A parameter's gradient two ways: as derived, and by central differences; both in the parameter's shape."""

    derived: Array
    differences: Array

    @property
    def absolute(self) -> float:
        """The largest difference of any scalar."""
        return float(np.abs(self.derived - self.differences).max())

    @property
    def relative(self) -> float:
        """||derived - differences|| / (||derived|| + ||differences||), from 0 to 1; 0 where both are zero.

        Of the parameter as a whole: a scalar whose gradient happens to be near 0 is nothing but rounding error.
        """
        total = np.linalg.norm(self.derived) + np.linalg.norm(self.differences)
        return float(np.linalg.norm(self.derived - self.differences) / total) if total else 0.0


def check_network(network: Network, x: Array, t: Array, step: float = STEP) -> dict[str, GradientError]:
    """Compare ``network.loss_and_gradients`` with central differences of ``network.loss``, for every parameter.

    Two forward passes for each scalar: use few rows.

    Parameters
    ----------
    network : is left as it is
    x, t : rows (N, D) and targets (N, K)
    step : h for parameters up to 1 in size

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
    """Compare ``torch.autograd.grad`` with central differences, for every parameter of a torch module that is learned.

    Two evaluations of the loss for each scalar: use few rows.

    Parameters
    ----------
    module : is left as it is; a float64 copy of it is what is moved
    loss : (module, *inputs) -> a tensor of one number, the same at each call: no dropout, no fresh noise
    inputs : tensors for ``loss``; those of floats are cast to float64 where the copy is used
    step : h for parameters up to 1 in size

    Returns
    -------
    the parameter's name in the module -> its two gradients; see ``TOLERANCE`` for how near they should be

    Raises
    ------
    InputError : a loss that differs from call to call, or no parameters
    """
    import torch

    learned = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    if not learned:
        raise InputError("module", "must have parameters that are learned", value=type(module).__name__)
    # A parameter the loss does not use has the gradient zero.
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
    """Return the central difference of ``loss`` by each scalar of ``array``, which is moved in place and put back."""
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
