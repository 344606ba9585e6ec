"""The sketch of a network: a block for each stage, the encoder on the left, the decoder on the right."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor, nn

from narrows.errors import InputError
from narrows.figures import DPI
from narrows.figures.style import INK, MUTED, PALETTE, breadth, short, style
from narrows.nets import Network

Shape = tuple[int, ...]

MOST_ROWS = 16  # the most blocks a person can read in a column; deeper networks are folded
EQUAL, NEARLY = 3, 1.5  # weight of equal shapes (1 for nearly equal ones), and the largest ratio of nearly equal sides
PERIOD = 8  # stages in the longest pattern whose repetitions are folded

# Lengths in CSS pixels (1/96 inch).
BLOCK, STEP = 44, 58  # height of a block, and from one row to the next
MARGIN, BETWEEN = 12, 96  # margin of the page, and gap between the columns
LETTER, SMALL = 6.6, 5.6  # average width of a letter of the two text sizes

# The name of a layer and whether a stage begins with it. Longest prefix of the class name first: "ConvTranspose" before
# "Conv". Layers that are not named here begin a stage when they have parameters, and otherwise join one.
JOINS = {
    "BatchNorm": "BN",
    "LazyBatchNorm": "BN",
    "SyncBatchNorm": "BN",
    "LayerNorm": "LN",
    "GroupNorm": "GN",
    "InstanceNorm": "IN",
    "RMSNorm": "RMSNorm",
    "LocalResponseNorm": "LRN",
    "Dropout": "Dropout",
    "AlphaDropout": "Dropout",
    "FeatureAlphaDropout": "Dropout",
    "Flatten": "Flatten",
    "Unflatten": "Unflatten",
    "Identity": "",
}
STARTS = {
    "ConvTranspose": "ConvT",
    "Conv": "Conv",
    "Linear": "Linear",
    "MaxPool": "Max pool",
    "AvgPool": "Mean pool",
    "AdaptiveAvgPool": "Mean pool",
    "AdaptiveMaxPool": "Max pool",
    "MaxUnpool": "Unpool",
    "LPPool": "Pool",
    "FractionalMaxPool": "Max pool",
    "Upsample": "Upsample",
    "UpsamplingNearest": "Upsample",
    "UpsamplingBilinear": "Upsample",
    "PixelShuffle": "Pixel shuffle",
    "PixelUnshuffle": "Pixel unshuffle",
}
COLOURS = {"Conv": PALETTE[0], "ConvT": PALETTE[0], "Linear": PALETTE[1]}  # others are drawn in grey


@dataclass(frozen=True)
class Stage:
    """A block of the sketch: a layer with parameters, and the activations, normalisations and the like that follow it.

    Parameters
    ----------
    kind : the layer, such as "Conv 4×4 s2 p1": kernel, stride, padding
    extras : the layers after it, such as ("BN", "ReLU")
    inputs, outputs : shapes without the batch
    parameters : how many numbers it learns, including those of the extras but not those shared with an earlier stage
    name : the module's name in the network, such as "encoder.0"
    count : how many consecutive equal stages it stands for
    """

    kind: str
    extras: tuple[str, ...]
    inputs: Shape
    outputs: Shape
    parameters: int
    name: str = ""
    count: int = 1


class Pair(NamedTuple):
    """Stages of the encoder, and the stages of the decoder that bring their output back to the shape of their input.

    ``exact`` says whether both shapes match exactly rather than nearly.
    """

    down: range
    up: range
    exact: bool


def trace(net: nn.Module, input_shape: Sequence[int]) -> list[Stage]:
    """Return the stages that an input of ``input_shape`` passes through, in order.

    A batch of one row of zeros is sent through the network in evaluation mode, and the shapes seen by every module that
    calls no other module are recorded. So it works for any module, but computations outside modules are not shown.

    Raises
    ------
    InputError : the network does not take that input
    """
    seen: set[int] = set()
    stages: list[Stage] = []
    flattened: Shape | None = None  # the input of a Flatten, until it is known which stage it belongs to
    for name, module, given, outputs in _calls(net, tuple(input_shape)):
        fresh = [parameter for parameter in module.parameters() if id(parameter) not in seen]
        seen |= {id(parameter) for parameter in fresh}
        size = sum(parameter.numel() for parameter in fresh)
        kind, begins = _describe(module)
        enters = bool(stages) and _in_decoder(name) and not _in_decoder(stages[-1].name)
        if kind == "Flatten" and not enters:
            flattened = given
            continue
        inputs = given
        if flattened is not None and begins and not enters:
            kind, inputs = f"Flatten · {kind}", flattened
        elif flattened is not None and stages:
            stages[-1] = _with(stages[-1], "Flatten", (math.prod(flattened),), 0)
        flattened = None
        if begins or enters or not stages:
            stages.append(Stage(kind, (), inputs, outputs, size, name))
        else:
            stages[-1] = _with(stages[-1], kind, outputs, size)
    if flattened is not None and stages:
        stages[-1] = _with(stages[-1], "Flatten", (math.prod(flattened),), 0)
    return stages


def _with(stage: Stage, extra: str, outputs: Shape, parameters: int) -> Stage:
    extras = (*stage.extras, extra) if extra else stage.extras
    return replace(stage, extras=extras, outputs=outputs, parameters=stage.parameters + parameters)


def sketch(net: nn.Module, input_shape: Sequence[int]) -> Figure:
    """Draw a network's stages: kind, shape of the output, number of parameters.

    The encoder runs down the left side to the code at the bottom, and the decoder up the right side; brackets join
    stages with those that bring their output back to the shape of their input. A network without a decoder is one
    column. The decoder consists of the modules named "decoder" or, in a network that returns its input's shape, of all
    stages after its single narrowest point. In columns of more than 16 stages, repeated patterns are drawn once with
    their count, and stages that still do not fit are left out with a note.

    Parameters
    ----------
    net : any module that takes a batch of one tensor
    input_shape : (C, H, W) or (D,), without the batch

    Raises
    ------
    InputError : the network does not take that input, or does not return a tensor
    """
    stages = trace(net, input_shape)
    if not stages:
        raise InputError("net", "must turn a tensor into a tensor", value=type(net).__name__)
    output = _sigmoid_of(net)
    cut = _first_of_decoder(stages, tuple(input_shape))
    encoder, decoder = _folded(stages[:cut]), _folded(stages[cut:])
    total = sum(parameter.numel() for parameter in net.parameters())
    elsewhere = total - sum(stage.parameters for stage in stages)
    notes = [f"{total:,} parameters" + (f", {elsewhere:,} of them outside of the stages drawn" if elsewhere else "")]
    if decoder:
        mine, its = (sum(stage.parameters for stage in part) for part in (stages[:cut], stages[cut:]))
        notes[0] += f": {mine:,} in the encoder, {its:,} in the decoder"
    with style():
        return _Page(encoder, decoder, tuple(input_shape), output).draw(notes)


def inverses(encoder: Sequence[Stage], decoder: Sequence[Stage]) -> list[Pair]:
    """Return pairs of runs of stages, mostly of one stage each, in which the second run undoes the first.

    Pairs are nested around the code, and there are as many as possible: the input shapes of the encoder are aligned
    with the output shapes of the decoder, read backwards, and equal shapes count more than nearly equal ones (Needleman
    & Wunsch 1970).
    """
    taken, given = [stage.inputs for stage in encoder], [stage.outputs for stage in reversed(decoder)]
    n, m = len(taken), len(given)
    score = [[0] * (m + 1) for _ in range(n + 1)]  # of taken[i:] and given[j:]
    for i in range(n - 1, -1, -1):
        for j in range(m - 1, -1, -1):
            likeness = _likeness(taken[i], given[j])
            both = likeness + score[i + 1][j + 1] if likeness else 0
            score[i][j] = max(both, score[i + 1][j], score[i][j + 1])
    bounds, i, j = [], 0, 0
    while i < n and j < m:
        likeness = _likeness(taken[i], given[j])
        if likeness and score[i][j] == likeness + score[i + 1][j + 1]:
            bounds.append((i, j, likeness == EQUAL))
            i, j = i + 1, j + 1
        elif score[i + 1][j] >= score[i][j + 1]:
            i += 1
        else:
            j += 1
    ends = pairwise([*bounds, (n, m, True)])  # the code, which belongs to both
    return [
        Pair(range(i, next_i), range(m - next_j, m - j), exact and next_exact)
        for (i, j, exact), (next_i, next_j, next_exact) in ends
    ]


# From a network to its stages


def _calls(net: nn.Module, input_shape: Shape) -> list[tuple[str, nn.Module, Shape, Shape]]:
    """Return (name, module, input shape, output shape) of each call of a module that calls no other, in order."""
    found: list[tuple[str, nn.Module, Shape, Shape]] = []
    open_calls: list[int] = []  # for each module being called, the length of ``found`` when the call began
    names = {module: name for name, module in net.named_modules()}

    def before(_module: nn.Module, _inputs: Any) -> None:
        open_calls.append(len(found))

    def after(module: nn.Module, inputs: Any, outputs: Any) -> None:
        is_leaf = open_calls.pop() == len(found)
        first, last = _first_tensor(inputs), _first_tensor(outputs)
        if is_leaf and first is not None and last is not None:
            found.append((names[module], module, tuple(first.shape[1:]), tuple(last.shape[1:])))

    like = next((p for p in net.parameters() if p.is_floating_point()), torch.zeros(()))
    was_training = {module: module.training for module in net.modules()}
    hooks = [module.register_forward_pre_hook(before) for module in net.modules()]
    hooks += [module.register_forward_hook(after) for module in net.modules()]
    try:
        net.eval()
        with torch.no_grad():
            net(torch.zeros((1, *input_shape), dtype=like.dtype, device=like.device))
    except Exception as error:
        raise InputError(
            "input_shape", "must be what the network takes", value=input_shape, remedy=f"It said: {error}."
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in was_training.items():
            module.training = training
    return found


def _first_tensor(values: Any) -> Tensor | None:
    if isinstance(values, Tensor):
        return values
    if isinstance(values, tuple | list):
        return next((tensor for tensor in map(_first_tensor, values) if tensor is not None), None)
    return None


def _describe(module: nn.Module) -> tuple[str, bool]:
    """Return the name of a layer, and whether a stage begins with it."""
    name = type(module).__name__
    prefix = max((prefix for prefix in JOINS | STARTS if name.startswith(prefix)), key=len, default="")
    if prefix in JOINS:
        rate = getattr(module, "p", None)
        return (f"Dropout {rate:g}" if JOINS[prefix] == "Dropout" and rate is not None else JOINS[prefix]), False
    if not prefix:
        return name, any(True for _ in module.parameters()) or not type(module).__module__.startswith("torch.")
    text = STARTS[prefix]
    kernel = getattr(module, "kernel_size", None)
    if kernel is not None:
        text += f" {_sides(kernel, module)}"
    stride = getattr(module, "stride", None)
    if stride is not None:
        text += f" s{_sides(stride, module, same=True)}"
    for name, letter in (("padding", "p"), ("output_padding", "op")):
        around = getattr(module, name, 0)
        if around not in (0, "valid") and np.any(around):
            text += f" {around if isinstance(around, str) else letter + _sides(around, module, same=True)}"
    groups = getattr(module, "groups", 1)
    if groups > 1:
        text += " depthwise" if groups == getattr(module, "in_channels", None) else f" in {groups} groups"
    factor = getattr(module, "scale_factor", None) or getattr(module, "upscale_factor", None)
    return text + (f" ×{_sides(factor, module, same=True)}" if factor else ""), True


def _sides(value: Any, module: nn.Module, *, same: bool = False) -> str:
    """Return "4×3" for (4, 3); for equal sides "4×4", or just "4" if ``same``."""
    if not isinstance(value, tuple | list):
        dimensions = 2 if type(module).__name__.endswith("2d") else 3 if type(module).__name__.endswith("3d") else 1
        value = (value,) * dimensions
    texts = [f"{side:g}" for side in value]
    return texts[0] if same and len(set(texts)) == 1 else "×".join(texts)


def _first_of_decoder(stages: list[Stage], input_shape: Shape) -> int:
    """Return the index of the decoder's first stage; the number of stages if there is no decoder."""
    for i, stage in enumerate(stages):
        if _in_decoder(stage.name):
            return i
    sizes = [math.prod(stage.outputs) for stage in stages]
    narrowest = np.flatnonzero(np.array(sizes) == min(sizes))
    # A network with many waists, such as one of residual bottlenecks, has no one code.
    one_waist = int(narrowest[-1] - narrowest[0]) == len(narrowest) - 1 and min(sizes) < math.prod(input_shape)
    return int(narrowest[-1]) + 1 if one_waist and stages[-1].outputs == input_shape else len(stages)


def _in_decoder(name: str) -> bool:
    return any(part.startswith("decode") for part in name.split("."))


def _sigmoid_of(net: nn.Module) -> str:
    """Return the output function that one of narrows' networks applies after its last layer."""
    is_ours = isinstance(net, Network) and type(net).decode is Network.decode
    return "Sigmoid" if is_ours and net.is_images else ""


def _likeness(a: Shape, b: Shape) -> int:
    """Return EQUAL for equal shapes (one of them flattened, if need be), 1 for shapes that are nearly equal, else 0."""
    if a == b or (1 in (len(a), len(b)) and math.prod(a) == math.prod(b)):
        return EQUAL
    if len(a) != len(b) or (len(a) > 1 and a[0] != b[0]):
        return 0
    return int(all(max(sides) <= NEARLY * min(sides) for sides in zip(a, b, strict=True)))


# From many stages to few


def _folded(stages: list[Stage]) -> list[Stage]:
    """Return at most ``MOST_ROWS`` stages: repetitions become one stage with a count, and the middle becomes a note."""
    if len(stages) <= MOST_ROWS:
        return stages
    folded: list[Stage] = []
    i = 0
    while i < len(stages):
        period, times = _repetition(stages, i)
        end = i + period * times
        for k in range(i, i + period):
            size = sum(stage.parameters for stage in stages[k:end:period])
            folded.append(replace(stages[k], count=times, parameters=size))
        i = end
    if len(folded) > MOST_ROWS:
        head, tail = folded[: MOST_ROWS // 2], folded[-(MOST_ROWS // 2 - 1) :]
        middle = folded[len(head) : -len(tail)]
        left_out = sum(stage.count for stage in middle)
        size = sum(stage.parameters for stage in middle)
        note = Stage(f"… {left_out} more stages", (), middle[0].inputs, middle[-1].outputs, size)
        folded = [*head, note, *tail]
    return folded


def _repetition(stages: list[Stage], start: int) -> tuple[int, int]:
    """Return (length, times) of the pattern at ``start`` that covers most stages by repeating; (1, 1) if none does."""
    best = (1, 1)
    keys = [(stage.kind, stage.extras, stage.inputs, stage.outputs) for stage in stages[start:]]
    for period in range(1, PERIOD + 1):
        times = 1
        while keys[:period] == keys[period * times : period * (times + 1)]:
            times += 1
        if times > 1 and period * times > best[0] * best[1]:
            best = (period, times)
    return best


# From stages to a page


class _Page:
    """Two columns of blocks on one axes whose units are CSS pixels, y downwards."""

    def __init__(self, encoder: list[Stage], decoder: list[Stage], input_shape: Shape, output: str) -> None:
        self.encoder, self.decoder = encoder, decoder
        self.pairs = inverses(encoder, decoder)
        self.input_shape, self.output = input_shape, output
        self.width = max(_width(stage) for stage in [*encoder, *decoder])
        self.left, self.right = 0.0, self.width + BETWEEN  # until the page's width is known
        self.rows_left, self.rows_right = self._rows()
        self.last_row = max([*self.rows_left, *self.rows_right], default=0)

    def _rows(self) -> tuple[list[int], list[int]]:
        """Return the row of each stage, from 1 at the top: stages that undo each other begin on the same row."""
        above = (len(self.encoder), 0) if not self.pairs else (self.pairs[0].down.start, self.pairs[0].up.stop)
        groups = [Pair(range(above[0]), range(above[1], len(self.decoder)), True), *self.pairs]
        left, right, row = [0] * len(self.encoder), [0] * len(self.decoder), 1
        for down, up, _ in groups:
            for n, stage in enumerate(down):
                left[stage] = row + n
            for n, stage in enumerate(reversed(up)):
                right[stage] = row + n
            row += max(len(down), len(up))
        return left, right

    def draw(self, notes: list[str]) -> Figure:
        two = bool(self.decoder)
        notes = [*notes, "At the right of each block: the shape of what it puts out, and its parameters."]
        if any(re.search(r" s\d", stage.kind) for stage in [*self.encoder, *self.decoder]):
            notes = [*notes, "After a kernel: s its stride, p its padding, op the padding of the output."]
        if self.pairs:
            nearly = "" if all(pair.exact for pair in self.pairs) else "; a dashed one, nearly"
            back = f"A line joins stages with those that take their output back to the shape of their input{nearly}."
            notes = [*notes, back]
        if any(stage.count > 1 for stage in [*self.encoder, *self.decoder]):
            notes = [*notes, "× n: the marked stages follow each other n times, in the order drawn."]
        columns = (self.right if two else 0) + self.width
        width = max(columns, round(max(map(len, notes)) * SMALL)) + 2 * MARGIN
        self.left, self.right = self.left + (width - columns) / 2, self.right + (width - columns) / 2
        bottom = self._y(self.last_row + 1)  # of the code, or of the output
        height = bottom + BLOCK + 18 + 17 * len(notes) + MARGIN
        figure = Figure(figsize=(width / 96, height / 96), dpi=DPI)
        ax = figure.add_axes((0, 0, 1, 1))
        ax.set(xlim=(0, width), ylim=(height, 0))
        ax.set_axis_off()
        middle_left, middle_right = self.left + self.width / 2, self.right + self.width / 2
        self._end(ax, middle_left, self._y(0), "input", self.input_shape)
        for stage, row in zip(self.encoder, self.rows_left, strict=True):
            self._block(ax, self.left, row, stage)
        ends = [*(self._y(row) for row in self.rows_left), bottom]
        self._arrows(ax, middle_left, [self._y(0), *ends])
        code = self.encoder[-1].outputs if self.encoder else self.input_shape
        self._end(ax, middle_left, bottom, "code" if two else "output", code)
        if two:
            for stage, row in zip(self.decoder, self.rows_right, strict=True):
                self._block(ax, self.right, row, stage)
            ends = [self._y(row) for row in self.rows_right]
            self._arrows(ax, middle_right, [bottom, *ends, self._y(0)])
            self._end(ax, middle_right, bottom, "code", code)
            self._end(ax, middle_right, self._y(0), "output", self.decoder[-1].outputs, self.output)
            over = bottom + BLOCK / 2
            half = self.width / 4
            self._line(ax, (middle_left + half, over), (middle_right - half, over), arrow=True)
        for down, up, exact in self.pairs:
            top = self._y(self.rows_left[down.start])
            x, inwards = (self.left + self.width + 6, self.right - 6), (6, -6)
            for at, inward, count in zip(x, inwards, (len(down), len(up)), strict=True):
                ends = [top + 8, top + (count - 1) * STEP + BLOCK - 8]
                ax.plot([at + inward, at, at, at + inward], np.repeat(ends, 2), color=MUTED, linewidth=0.8)
            y = top + (min(len(down), len(up)) - 1) * STEP / 2 + BLOCK / 2
            ax.plot(x, [y, y], color=MUTED, linewidth=0.8, linestyle="-" if exact else (0, (3, 2)))
        for n, note in enumerate(notes):
            ax.text(MARGIN, bottom + BLOCK + 24 + 17 * n, note, fontsize=7, color=MUTED, va="center")
        return figure

    def _y(self, row: int) -> float:
        return MARGIN + STEP * row

    def _block(self, ax: Axes, x: float, row: int, stage: Stage) -> None:
        y = self._y(row)
        colour = next((colour for word, colour in COLOURS.items() if word in stage.kind.split()), MUTED)
        box = FancyBboxPatch(
            (x, y),
            self.width,
            BLOCK,
            boxstyle="round,pad=0,rounding_size=4",
            facecolor=(*_rgb(colour), 0.09),
            edgecolor=colour,
            linewidth=0.8,
        )
        ax.add_patch(box)
        first, second, shape, size = _texts(stage)
        inside: dict[str, Any] = {"va": "center", "color": INK}
        ax.text(x + 9, y + 15, first, fontsize=8, weight="bold", **inside)
        ax.text(x + self.width - 9, y + 15, shape, fontsize=8, ha="right", **inside)
        inside["color"] = MUTED
        ax.text(x + 9, y + 31, second, fontsize=7, **inside)
        ax.text(x + self.width - 9, y + 31, size, fontsize=7, ha="right", **inside)

    def _end(self, ax: Axes, x: float, y: float, title: str, shape: Shape, extra: str = "") -> None:
        """Write the input, the output or the code, without a box, since nothing is computed there."""
        text = f"{title}{' · ' + extra if extra else ''}"
        ax.text(x, y + 15, text, fontsize=7, color=MUTED, ha="center", va="center")
        ax.text(x, y + 31, _shape(shape), fontsize=8.5, color=INK, weight="bold", ha="center", va="center")

    def _arrows(self, ax: Axes, x: float, tops: list[float]) -> None:
        """Draw an arrow from each block to the next; ``tops`` are their upper edges in the order of the data."""
        for here, there in pairwise(tops):
            down = there > here
            self._line(ax, (x, here + BLOCK if down else here), (x, there if down else there + BLOCK), arrow=True)

    def _line(self, ax: Axes, start: tuple[float, float], end: tuple[float, float], *, arrow: bool) -> None:
        ax.annotate(
            "",
            end,
            start,
            arrowprops={
                "arrowstyle": "-|>" if arrow else "-",
                "color": MUTED,
                "linewidth": 0.8,
                "mutation_scale": 7,
                "shrinkA": 1,
                "shrinkB": 1,
            },
        )


def _texts(stage: Stage) -> tuple[str, str, str, str]:
    """Return the four texts of a block: kind, extras, shape, parameters."""
    kind = f"{stage.kind}  × {stage.count}" if stage.count > 1 else stage.kind
    size = f"{stage.parameters:,}" if stage.parameters else ""
    return short(kind, 34), short(" · ".join(stage.extras), 44), _shape(stage.outputs), size


def _width(stage: Stage) -> float:
    first, second, shape, size = _texts(stage)
    upper = (breadth(first) + breadth(shape)) * LETTER
    lower = (breadth(second) + breadth(size)) * SMALL
    return max(150.0, max(upper, lower) + 44)


def _shape(shape: Shape) -> str:
    return " × ".join(f"{side:,}" for side in shape) or "one number"


def _rgb(colour: str) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(colour)
