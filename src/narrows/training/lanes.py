"""Batches cut into lanes, each of which goes forward and back in one thread.

A lane's size depends on the batch alone, never on the machine, and gradients and statistics are added in the order of
the lanes. So training ends with the same bits on any number of cores, and cores wait for each other once in a step
rather than once in every operation, of which a step has some hundred.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from narrows.encoding.model import Model
from narrows.errors import RecipeError
from narrows.objectives import Batch, Joint
from narrows.training.engine import Engine
from narrows.training.shares import Shares
from narrows.work.threads import Workers

Result = TypeVar("Result")
Lowered = dict[int, Tensor]  # number of a parameter -> its values in lower precision
Stored = tuple[Tensor, Tensor | None]  # rows as they are stored, and their labels

#: Layers whose weights are converted once in a step rather than in each lane: it takes as long as some rows do.
CONVERTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
ROWS = 128  # in a lane, at most, unless a setting says otherwise; measured in docs/lanes.md


class Lanes:
    """The gradients of a model's batches.

    Batch normalisation uses the statistics of a lane ("ghost batch normalisation", Hoffer, Hubara & Soudry 2017).

    Parameters
    ----------
    model : on the engine's device; its gradients and running statistics are set
    engine : computes
    rows : the most rows in a lane. "auto" is 128 on a processor; on a GPU, with compilation, and for an objective that
        needs whole batches, it is the whole batch
    workers : threads that lanes are shared out among

    Raises
    ------
    RecipeError : a number of rows for an objective that needs whole batches
    """

    def __init__(self, model: Model, engine: Engine, rows: int | Literal["auto"], workers: Workers) -> None:
        if rows != "auto" and model.objective.whole_batches:
            raise RecipeError(
                "train.lane_rows",
                "must be auto: this objective compares the rows of a batch, which must not be cut",
                value=rows,
                remedy="Leave train.lane_rows out.",
            )
        self.model, self.engine, self.workers = model, engine, workers
        on_processor = engine.device.type == "cpu"
        whole = model.objective.whole_batches or engine.compile or not on_processor
        self.rows = (None if whole else ROWS) if rows == "auto" else rows
        # Some layers draw from torch's one global generator (its dropout does): their lanes take turns.
        self._in_turn = workers.count == 1 or not on_processor
        self._lanes: list[_Lane] = []
        self._master = _Lane(model, {})
        self._shares = Shares(self._master.parameters, workers)
        self._lowered: Lowered = {}
        if engine.precision == "bfloat16" and on_processor:
            numbers = {id(parameter): number for number, parameter in enumerate(self._master.parameters)}
            converted = {numbers[id(p)]: p for layer in _layers(model) for p in layer.parameters() if id(p) in numbers}
            self._lowered = {number: torch.empty_like(p, dtype=torch.bfloat16) for number, p in converted.items()}

    def gradients(self, stored: Stored, *keys: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Set the gradient of every parameter and the model's statistics; return (loss (), name -> sum of a term ()).

        Parameters
        ----------
        stored : the batch
        keys : all random numbers depend on these and the lane
        """
        parts = self._cut(stored)
        self.engine.seed(*keys)
        if len(parts) == 1:
            self.model.zero_grad(set_to_none=True)
            return self._whole(stored, keys)
        while len(self._lanes) < len(parts):
            self._lanes.append(_Lane(_sharing(self.model), self._lowered))
        self._shares.map(self._convert)
        untouched = torch.default_generator.get_state()
        found = self._together(parts, keys)
        if not self._in_turn and not torch.equal(torch.default_generator.get_state(), untouched):
            self._in_turn = True
            found = self._together(parts, keys)
        return found

    @torch.no_grad()
    def terms(self, model: Model, stored: Stored, *keys: int) -> dict[str, Tensor]:
        """Return the terms, name -> (N,), of a batch under ``model``, which learns nothing from it."""
        with self.engine.autocast():
            return model.objective.terms(model.net, self._batch(stored), self.engine.generator(*keys))

    def _batch(self, stored: Stored) -> Batch:
        rows, labels = stored
        device = self.engine.device
        x = self.model.prepare(rows.to(device, non_blocking=True))
        return Batch(x, None if labels is None else labels.to(device, non_blocking=True))

    def _cut(self, stored: Stored) -> list[Stored]:
        """Return the rows of each lane; lanes differ by one row at most."""
        rows, labels = stored
        count = 1 if self.rows is None else -(-len(rows) // self.rows)
        edges = [len(rows) * lane // count for lane in range(count + 1)]
        return [(rows[a:b], None if labels is None else labels[a:b]) for a, b in pairwise(edges)]

    def _whole(self, stored: Stored, keys: tuple[int, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        model = self.model
        with self.engine.autocast():
            terms = model.objective.terms(model.net, self._batch(stored), self.engine.generator(*keys))
        loss = model.objective.loss(terms)
        torch.autograd.backward(loss)
        return loss.detach(), _sums(terms)

    def _together(self, parts: Sequence[Stored], keys: tuple[int, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        """Run all lanes, and add up what they found in their order."""
        self.model.zero_grad(set_to_none=True)
        shares = [len(rows) / sum(len(rows) for rows, _ in parts) for rows, _ in parts]
        if isinstance(self.model.objective, Joint):
            loss, sums = self._jointly(parts, keys)
        else:

            def run(number: int) -> tuple[Tensor, dict[str, Tensor]]:
                objective = self._lanes[number].model.objective
                terms = self._forward(number, parts[number], keys, objective.terms)
                loss = objective.loss(terms) * shares[number]
                torch.autograd.backward(loss)
                return loss.detach(), _sums(terms)

            losses, found = zip(*self._each(run, keys, len(parts)), strict=True)
            loss, sums = sum(losses), {name: sum(terms[name] for terms in found) for name in found[0]}
        self._add_gradients(self._lanes[: len(parts)])
        self._add_statistics(self._lanes[: len(parts)], shares)
        return loss, sums

    def _jointly(self, parts: Sequence[Stored], keys: tuple[int, ...]) -> tuple[Tensor, dict[str, Tensor]]:
        """Join the outputs of all lanes, and give each lane the gradient of the loss by its own outputs."""
        objective: Any = self.model.objective

        def forward(number: int) -> dict[str, Tensor]:
            of_lane: Any = self._lanes[number].model.objective
            return self._forward(number, parts[number], keys, of_lane.outputs)

        outputs = list(self._each(forward, keys, len(parts)))
        joined = {
            name: torch.cat([made[name].detach() for made in outputs]).requires_grad_(outputs[0][name].requires_grad)
            for name in outputs[0]
        }
        labels = [labels for _, labels in parts if labels is not None]
        with self.engine.autocast():
            terms = objective.joined(
                MappingProxyType(joined), torch.cat(labels).to(self.engine.device) if labels else None
            )
        loss = objective.loss(terms)
        torch.autograd.backward(loss)
        edges = [0, *accumulate(len(rows) for rows, _ in parts)]

        def backward(number: int) -> None:
            a, b = edges[number : number + 2]
            gradients = {name: tensor.grad for name, tensor in joined.items() if tensor.grad is not None}
            torch.autograd.backward(
                [outputs[number][name] for name in gradients], [gradient[a:b] for gradient in gradients.values()]
            )

        list(self._each(backward, keys, len(parts)))
        return loss.detach(), _sums(terms)

    def _convert(self, numbers: list[int]) -> None:
        """Convert the weights to the precision of layers."""
        pairs = [(self._lowered[n], self._master.parameters[n]) for n in numbers if n in self._lowered]
        if pairs:
            torch._foreach_copy_([low for low, _ in pairs], [full for _, full in pairs])

    def _add_gradients(self, lanes: Sequence[_Lane]) -> None:
        def add(numbers: list[int]) -> None:
            for number in numbers:
                total = self._master.parameters[number]
                for gradient in (one for lane in lanes for one in lane.gradients(number)):
                    if total.grad is None:
                        total.grad = gradient.to(total.dtype)
                    else:
                        total.grad += gradient

        self._shares.map(add)

    @torch.no_grad()
    def _add_statistics(self, lanes: Sequence[_Lane], shares: Sequence[float]) -> None:
        """Set statistics to their means over lanes, weighted by their shares of rows; counts are those of any lane."""
        before = self._master.statistics
        if before:
            # By differences, so that a statistic that no lane changed keeps its bits.
            changes = [torch.zeros_like(statistic) for statistic in before]
            for lane, share in zip(lanes, shares, strict=True):
                torch._foreach_add_(changes, torch._foreach_sub(lane.statistics, before), alpha=share)
            torch._foreach_add_(before, changes)
        for total, count in zip(self._master.counts, lanes[0].counts, strict=True):
            total.copy_(count)

    def _forward(self, number: int, stored: Stored, keys: tuple[int, ...], what: Callable[..., Result]) -> Result:
        lane = self._lanes[number]
        lane.take(self._master)
        with self.engine.autocast():
            return what(lane.model.net, self._batch(stored), self.engine.generator(*keys, number))

    def _each(self, work: Callable[[int], Result], keys: tuple[int, ...], count: int) -> Iterable[Result]:
        """Yield the result of ``work`` for each of ``count`` lanes, in their order."""
        if not self._in_turn:
            yield from self.workers.map(work, range(count))
            return
        for number in range(count):
            self.engine.seed(*keys, number)
            yield work(number)


class _Lane:
    """Layers with gradients and statistics of their own.

    Parameters
    ----------
    model : the trained model, or a copy that shares its weights
    lowered : the weights in lower precision, which the layers of a copy use under autocast
    """

    def __init__(self, model: Model, lowered: Lowered) -> None:
        self.model = model
        self.parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.low = _lower(model, self.parameters, lowered) if lowered else {}
        buffers = list(model.buffers())
        self.statistics = [buffer for buffer in buffers if buffer.is_floating_point()]
        self.counts = [buffer for buffer in buffers if not buffer.is_floating_point()]

    @torch.no_grad()
    def take(self, other: _Lane) -> None:
        """Start from the statistics of ``other``."""
        if self.statistics:
            torch._foreach_copy_(self.statistics, other.statistics)
        for own, value in zip(self.counts, other.counts, strict=True):
            own.copy_(value)

    def gradients(self, number: int) -> list[Tensor]:
        """Take away and return the gradients that a parameter got, in either precision."""
        found = []
        for parameter in (self.parameters[number], self.low.get(number)):
            if parameter is not None and parameter.grad is not None:
                found.append(parameter.grad)
                parameter.grad = None
        return found


def _sharing(model: Model) -> Model:
    """Return a copy of ``model`` whose parameters use the same memory."""
    shared: dict[int, Any] = {
        id(parameter): nn.Parameter(parameter.detach(), requires_grad=parameter.requires_grad)
        for parameter in model.parameters()
    }
    return copy.deepcopy(model, shared)


def _layers(model: nn.Module) -> list[nn.Module]:
    """Return the layers whose weights autocast converts."""
    return [layer for layer in model.modules() if type(layer) in CONVERTED]


def _lower(model: nn.Module, parameters: Sequence[nn.Parameter], lowered: Lowered) -> dict[int, nn.Parameter]:
    """Let layers use ``lowered`` weights under autocast; return number of a parameter -> the one that is used then."""
    numbers = {id(parameter): number for number, parameter in enumerate(parameters)}
    used: dict[int, nn.Parameter] = {}
    for layer in _layers(model):
        instead: dict[int, Any] = {}
        for parameter in layer.parameters():
            number = numbers.get(id(parameter))
            if number is not None:  # one that does not learn is converted each time
                used[number] = used.get(number, nn.Parameter(lowered[number]))
                instead[id(parameter)] = used[number]
        if len(instead) == len(list(layer.parameters())):
            layer.forward = _by_precision(layer.forward, copy.deepcopy(layer, instead).forward)
    return used


def _by_precision(full: Callable[..., Tensor], low: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def forward(*given: Any) -> Tensor:
        return low(*given) if torch.is_autocast_enabled("cpu") else full(*given)

    return forward


def _sums(terms: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: term.detach().sum() for name, term in terms.items()}
