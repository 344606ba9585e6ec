"""Features that the first layers of a network detect: feature maps of a convolution, and weights drawn as images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from narrows.disk.files import Array
from narrows.errors import InputError, nearest
from narrows.figures.images import GAP, LETTER, LINE, Sheet, enlarge
from narrows.figures.style import MUTED, breadth
from narrows.wording import out_of

MAPS = 12  # the most in a row, all of one image
FILTERS = 64  # the most on a page
ROW_DOTS = 1800  # greatest width of a row in device pixels, two to a CSS pixel
COLUMNS = 14  # filters in a line
BAR = 14  # height of the bar of colours


def feature_maps(net: nn.Module, images: Array, layer: str | None = None) -> Figure:
    """Draw the feature maps of a convolution: a row for each image, the image on the left and its maps beside it.

    A map shows the response of one filter at each position of the image, before any activation: red above 0, blue
    below, white at 0. A column is one filter in all rows and has one scale, so that images can be compared; a bar at
    the bottom shows the scale. At most 12 maps are drawn; a line at the bottom says how many there are.

    Parameters
    ----------
    net : any module that takes images float32 (n, C, H, W) in [0, 1]
    images : uint8 (n, C, H, W) or float (n, C, H, W) in [0, 1]
    layer : the name of a convolution in ``net``, such as "encoder.3"; by default the first one

    Raises
    ------
    InputError : a network without convolutions, a layer that is not a convolution, or images that the network does not
        take
    """
    return _map_rows({"": net}, images, layer)


def compare_feature_maps(nets: Mapping[str, nn.Module], images: Array, layer: str | None = None) -> Figure:
    """Draw the feature maps of several networks for the same images, those of one image below each other.

    Drawn as by ``feature_maps``, with the network's title on the left of each row. Every network has its own scale for
    each filter, the same for all images.

    Parameters
    ----------
    nets : title -> network; the convolution that is drawn must be alike in all of them
    images, layer : as in ``feature_maps``

    Raises
    ------
    InputError : no networks, maps of different shapes, or any error of ``feature_maps``
    """
    if not nets:
        raise InputError("nets", "must contain at least one network", value="none")
    return _map_rows(nets, images, layer)


def _map_rows(nets: Mapping[str, nn.Module], images: Array, layer: str | None) -> Figure:
    images = np.asarray(images)
    tiles = enlarge(images, "images")  # (n, h, w, 3)
    x = torch.from_numpy(np.ascontiguousarray(images, np.float32) / (255 if images.dtype == np.uint8 else 1))
    maps: dict[str, Array] = {}
    for title, net in nets.items():
        name, convolution = _convolution(net, layer)
        maps[title] = _output(net, convolution, x)  # (n, K, H', W')
        if maps[title].ndim != 4:
            raise InputError("layer", "must be a convolution of images, with maps (n, K, H, W)", value=name)
    shapes = {found.shape for found in maps.values()}
    if len(shapes) > 1:
        raise InputError("nets", "must have maps of the same shape", value=sorted(shapes))
    shape = shapes.pop()
    height, width = enlarge(np.zeros((1, 1, *shape[2:]), np.uint8), "maps").shape[1:3]
    left = GAP if list(maps) == [""] else 3 * GAP + round(1.25 * LETTER * max(map(breadth, maps)))
    beside = left + tiles.shape[2] + 2 * GAP
    shown = max(1, min(MAPS, shape[1], (ROW_DOTS - beside) // (width + GAP)))
    sheet = Sheet()
    y = GAP
    for i in range(len(images)):
        for title, found in maps.items():
            if title:
                sheet.write(title, GAP, y + height / 2, size=7.5, va="center")
            sheet.grid(tiles[i : i + 1], left, y, columns=1)
            row = [_signed(found[i : i + 1, k : k + 1], found[:, k]) for k in range(shown)]  # each (1, 3, H', W')
            sheet.grid(enlarge(np.concatenate(row), "maps"), beside, y, columns=shown)
            y += max(tiles.shape[1], height) + GAP
        y += GAP if len(maps) > 1 else 0
    sides = " × ".join(str(side) for side in shape[2:])
    sheet.write(f"{name}: {out_of(shown, shape[1], 'map')} of {sides}", GAP, y, size=7.5, colour=MUTED)
    _scale(sheet, y + LINE + GAP // 2, "each filter by its own largest answer")
    return sheet.draw()


def _scale(sheet: Sheet, y: int, of: str) -> None:
    """Put a bar of the signed colours on a page, and write what its ends mean."""
    values = np.linspace(-1, 1, 16 * BAR)[None, None, None, :].repeat(BAR, axis=2)  # (1, 1, BAR, w)
    bar = enlarge(_signed(values, values), "scale")
    x = GAP + round(1.5 * LETTER) + GAP
    sheet.grid(bar, x, y, columns=1)
    end = x + int(bar.shape[2]) + GAP
    for text, at in (("−", GAP), (f"+   {of}; white is 0", end)):
        sheet.write(text, at, y + bar.shape[1] / 2, size=7.5, colour=MUTED, va="center")
    sheet.width = max(sheet.width, end + round(LETTER * (len(of) + 18)))
    sheet.height = max(sheet.height, y + int(bar.shape[1]) + 2 * GAP)


def first_filters(net: nn.Module, input_shape: Sequence[int]) -> Figure:
    """Draw the weights of a network's first layer as images, which show what each unit responds to.

    For a convolution with one input channel, or a linear layer on grey images, weights above 0 are red, those below 0
    blue, and 0 is white. With three channels each weight has its own colour, and 0 is grey. Each image has its own
    scale. The 64 units with the largest weights are drawn, largest first; a line at the bottom says how many there are.

    Parameters
    ----------
    net : any module; its first convolution or linear layer, in the order of its modules, is drawn
    input_shape : (C, H, W), without the batch

    Raises
    ------
    InputError : inputs that are not images, or a first layer whose inputs are not the images themselves
    """
    shape = tuple(input_shape)
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise InputError("input_shape", "must be (1, H, W) or (3, H, W), the shape of an image", value=shape)
    layers = ((name, module) for name, module in net.named_modules() if isinstance(module, nn.Conv2d | nn.Linear))
    name, layer = next(layers, ("", None))
    if layer is None:
        raise InputError("net", "must have a convolution or a linear layer", value=type(net).__name__)
    weights = layer.weight.detach().cpu().float().numpy()  # (K, c, h, w) or (K, D)
    if weights.ndim == 2 and weights.shape[1] == math.prod(shape):
        weights = weights.reshape(len(weights), *shape)
    if weights.ndim != 4 or weights.shape[1] != shape[0]:
        raise InputError("net", f"must have a first layer that takes images {shape}", value=f"{name}: {layer}")
    size = np.linalg.norm(weights.reshape(len(weights), -1), axis=1)  # (K,)
    chosen = weights[np.argsort(-size, kind="stable")[:FILTERS]]
    sheet = Sheet()
    pictures = np.concatenate([_signed(one[None], one) for one in chosen])  # (n, 3, h, w)
    bottom = sheet.grid(enlarge(pictures, "weights"), GAP, GAP, COLUMNS)
    what = f"{name}: weights of {out_of(len(chosen), len(weights), 'unit')}, the largest first"
    sheet.write(what, GAP, bottom + GAP, size=7.5, colour=MUTED)
    if shape[0] == 1:
        _scale(sheet, bottom + LINE + 2 * GAP, "each by its own largest weight")
    else:
        sheet.height += LINE + GAP
    return sheet.draw()


def _convolution(net: nn.Module, layer: str | None) -> tuple[str, nn.Module]:
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    found = {name or "net": module for name, module in net.named_modules() if isinstance(module, kinds)}
    if not found:
        raise InputError(
            "net",
            "must have a convolution to have feature maps, and this one has none",
            value=type(net).__name__,
            remedy="first_filters draws the weights of its first layer.",
        )
    name = next(iter(found)) if layer is None else layer
    if name not in found:
        raise InputError("layer", "must name a convolution of the network", value=name, remedy=nearest(name, found))
    return name, found[name]


def _output(net: nn.Module, layer: nn.Module, x: Tensor) -> Array:
    """Return the output of ``layer`` when ``net`` is given ``x``, in evaluation mode."""
    seen: list[Tensor] = []
    was_training = {module: module.training for module in net.modules()}
    hook = layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    device = next(net.parameters()).device
    try:
        net.eval()
        with torch.inference_mode():
            net(x.to(device))
    except Exception as error:
        raise InputError(
            "images", "must be what the network takes", value=tuple(x.shape), remedy=f"It said: {error}."
        ) from error
    finally:
        hook.remove()
        for module, training in was_training.items():
            module.training = training
    if not seen:
        raise InputError("layer", "must be used when the network runs", value=type(layer).__name__)
    return seen[0].float().cpu().numpy()


def _signed(values: Array, scaled_by: Array) -> Array:
    """Return values (n, 1 or 3, h, w) as colours (n, 3, h, w) in [0, 1], on a symmetric scale with 0 in the middle.

    A single channel goes from blue through white to red; three channels are red, green and blue, with grey for 0.
    """
    from matplotlib import colormaps

    most = float(np.abs(scaled_by).max()) or 1.0
    share = np.clip(0.5 + 0.5 * values / most, 0, 1)
    if values.shape[1] == 3:
        return np.asarray(share, np.float64)
    colours = colormaps["RdBu_r"](share[:, 0])[..., :3]  # (n, h, w, 3)
    return np.ascontiguousarray(colours.transpose(0, 3, 1, 2))
