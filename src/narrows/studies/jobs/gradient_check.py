"""Compare gradients with central differences, for every scalar: the network written by hand, and torch's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from narrows.data.splits import split
from narrows.disk.files import Array
from narrows.studies.jobs import Results, Work
from narrows.studies.jobs.classifier import labelled
from narrows.studies.jobs.from_scratch import flat
from narrows.studies.reference.gradient_check import TOLERANCE, GradientError, check_module, check_network
from narrows.studies.reference.network import Network

__all__ = ["gradient_check"]

Precision = Literal["float64", "float32"]

QUICK_VALUES = 16  # values of a row, and hidden units, in a quick look


def gradient_check(work: Work, *, source: str, rows: int = 4, hidden: int = 64, code: int = 32) -> Results:
    """Check two networks in both precisions: D-hidden-C (sigmoid, softmax) and D-code-code-code-D (ReLU, sigmoid).

    Each is checked as written in ``narrows.studies.reference`` and as a torch module with the same weights, whose
    gradients are also compared with the reference's.

    Parameters
    ----------
    source : images or vectors with labels
    rows : number of training rows in the loss, evenly spaced
    hidden, code : units per hidden layer of the classifier and of the autoencoder

    Returns
    -------
    results : "classifier/float64" and so on: the largest relative error of any parameter (see ``GradientError``), for
        the networks "classifier" and "autoencoder" and their torch counterparts "torch_classifier" and
        "torch_autoencoder"; "classifier/torch_difference" and the like: the largest relative difference between the
        reference's and torch's gradients in float64; and the number of scalars checked
    """
    data = labelled(work.open(source))
    train = split(data, seed=work.seed).train
    x, t = flat(data, train[np.linspace(0, len(train) - 1, rows).round().astype(np.int64)])
    if work.quick:
        x = x[:, np.linspace(0, x.shape[1] - 1, min(QUICK_VALUES, x.shape[1])).round().astype(np.int64)]
        hidden = code = min(QUICK_VALUES, hidden, code)
    values, classes = x.shape[1], t.shape[1]
    shapes: dict[str, tuple[list[int], list[str], Any, Array]] = {
        "classifier": ([values, hidden, classes], ["sigmoid", "softmax"], "cross_entropy", t),
        "autoencoder": ([values, code, code, code, values], ["relu"] * 3 + ["sigmoid"], "squared_error", x),
    }
    results: Results = {}
    table: dict[tuple[str, str], dict[str, Any]] = {}
    for name, (sizes, activations, loss, target) in shapes.items():
        for dtype in get_args(Precision):
            network = Network(sizes, activations, loss, seed=work.seed, dtype=dtype)
            module, torch_loss = twin(network)
            cast = [torch.from_numpy(array.astype(dtype)) for array in (x, target)]
            found = {
                name: check_network(network, x, target),
                f"torch_{name}": check_module(module, torch_loss, *cast),
            }
            for checked, errors in found.items():
                results[f"{checked}/{dtype}"] = max(error.relative for error in errors.values())
                for parameter, error in zip(network.parameters, errors.values(), strict=True):
                    line = table.setdefault(
                        (checked, parameter),
                        {"network": checked.replace("_", " "), "parameter": parameter, "scalars": error.derived.size},
                    )
                    line[f"relative error, {dtype}"] = error.relative
            if dtype == "float64":
                results[f"{name}/torch_difference"] = _difference(*found.values())
                results[f"{name}/scalars"] = network.n_parameters
    work.table(f"Gradients against central differences, {rows} rows", list(table.values()))
    for dtype, tolerance in TOLERANCE.items():
        worst = max(value or 0.0 for name, value in results.items() if name.endswith(dtype))
        work.note(f"Largest relative error in {dtype}: {worst:.1e}; a correct gradient stays below {tolerance:g}.")
    return results


def twin(network: Network) -> tuple[nn.Module, Callable[..., Tensor]]:
    """Return a torch module with a network's weights and precision, and its loss (module, x, t) -> ().

    The module ends before a softmax, which torch's cross-entropy includes; the loss is summed over rows like ours.
    """
    functions: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "softmax": nn.Identity}
    layers: list[nn.Module] = []
    for number, activation in enumerate(network.activations, start=1):
        weights = torch.from_numpy(network.parameters[f"W{number}"].T.copy())  # (K, D), torch's layout
        layer = nn.Linear(weights.shape[1], weights.shape[0], dtype=weights.dtype)
        with torch.no_grad():
            layer.weight.copy_(weights)
            layer.bias.copy_(torch.from_numpy(network.parameters[f"b{number}"]))
        layers += [layer, functions[activation]()]

    def cross_entropy(module: nn.Module, x: Tensor, t: Tensor) -> Tensor:
        return functional.cross_entropy(module(x), t, reduction="sum")

    def squared_error(module: nn.Module, x: Tensor, t: Tensor) -> Tensor:
        return functional.mse_loss(module(x), t, reduction="sum")

    return nn.Sequential(*layers), cross_entropy if network.loss_name == "cross_entropy" else squared_error


def _difference(ours: dict[str, GradientError], theirs: dict[str, GradientError]) -> float:
    """Return the largest relative difference between the derived gradients of a network and its torch counterpart."""
    pairs = zip(ours.values(), theirs.values(), strict=True)
    return max(GradientError(mine.derived, other.derived.T).relative for mine, other in pairs)  # torch stores W.T
