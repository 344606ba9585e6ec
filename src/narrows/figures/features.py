"""What the first layers of a network look at: the maps that a convolution makes of images, and weights as images."""

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

MAPS = 12  # of one image: what a row holds
FILTERS = 64  # what a page holds
ROW_DOTS = 1800  # device pixels that a row may be wide, of which two make a CSS pixel
COLUMNS = 14  # filters in a line
BAR = 14  # height of the bar of colours


def feature_maps(net: nn.Module, images: Array, layer: str | None = None) -> Figure:
    """Draw what a convolution makes of images: a row for each, the image at the left and its maps beside it.

    A map is what one filter answers at each place of the image, before any activation: red where it is above 0, blue
    where it is below, white at 0. A column is one filter in all rows, and has one scale, so that images compare; a bar
    at the bottom shows it. At most 12 maps are drawn; a line at the bottom says of how many.

    Parameters
    ----------
    net : any module that takes images float32 (n, C, H, W) in [0, 1]
    images : uint8 (n, C, H, W) or float (n, C, H, W) in [0, 1]
    layer : the name of a convolution in ``net`` ("encoder.3"); its first by default

    Raises
    ------
    InputError : a network without convolutions, a layer that is none, or images that the network does not take
    """
    return _map_rows({"": net}, images, layer)


def compare_feature_maps(nets: Mapping[str, nn.Module], images: Array, layer: str | None = None) -> Figure:
    """Draw the maps that several networks make of the same images, those of one image below each other.

    As ``feature_maps`` does, with the network's title at the left of each row. Every network has its own scale for each
    filter, over all images.

    Parameters
    ----------
    nets : title -> network, which are alike in the convolution that is drawn
    images, layer : as in ``feature_maps``

    Raises
    ------
    InputError : no networks, maps of different shapes, or as ``feature_maps``
    """
    if not nets:
        raise InputError("nets", "must hold at least one network", value="none")
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
        raise InputError("nets", "must make maps of one shape", value=sorted(shapes))
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
    """Put a bar of the signed colours on a page, and say what its ends are."""
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
    """Draw the weights of a network's first layer as images: what each unit looks for.

    Of a convolution that sees one channel, or of a linear layer that sees grey images, red is a weight above 0, blue
    one below, white 0. With three channels each weight has its own colour, and grey is 0. Each image has its own scale.
    The 64 units with the largest weights are drawn, those first; a line at the bottom says of how many.

    Parameters
    ----------
    net : any module; its first layer in the order of its modules that is a convolution or linear
    input_shape : (C, H, W), without the batch

    Raises
    ------
    InputError : inputs that are not images, or a first layer that does not see them as they are
    """
    shape = tuple(input_shape)
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise InputError("input_shape", "must be that of images, (1, H, W) or (3, H, W)", value=shape)
    layers = ((name, module) for name, module in net.named_modules() if isinstance(module, nn.Conv2d | nn.Linear))
    name, layer = next(layers, ("", None))
    if layer is None:
        raise InputError("net", "must have a convolution or a linear layer", value=type(net).__name__)
    weights = layer.weight.detach().cpu().float().numpy()  # (K, c, h, w) or (K, D)
    if weights.ndim == 2 and weights.shape[1] == math.prod(shape):
        weights = weights.reshape(len(weights), *shape)
    if weights.ndim != 4 or weights.shape[1] != shape[0]:
        raise InputError("net", f"must have a first layer that sees images {shape}", value=f"{name}: {layer}")
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
    """Return what ``layer`` puts out when ``net`` is given ``x``, in evaluation mode."""
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
        raise InputError("layer", "must be one that the network uses", value=type(layer).__name__)
    return seen[0].float().cpu().numpy()


def _signed(values: Array, scaled_by: Array) -> Array:
    """Return values (n, 1 or 3, h, w) as colours (n, 3, h, w) in [0, 1]; 0 is the middle, and the scale is symmetric.

    One channel goes from blue through white to red; three are red, green and blue, with grey for 0.
    """
    from matplotlib import colormaps

    most = float(np.abs(scaled_by).max()) or 1.0
    share = np.clip(0.5 + 0.5 * values / most, 0, 1)
    if values.shape[1] == 3:
        return np.asarray(share, np.float64)
    colours = colormaps["RdBu_r"](share[:, 0])[..., :3]  # (n, h, w, 3)
    return np.ascontiguousarray(colours.transpose(0, 3, 1, 2))
