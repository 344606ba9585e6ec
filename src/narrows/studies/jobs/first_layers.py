"""Compare the first layers of encoders on the same images, clean and corrupted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from narrows.data.splits import split
from narrows.disk.files import Array
from narrows.encoding.model import Model
from narrows.errors import DataError, InputError
from narrows.figures.features import compare_feature_maps
from narrows.studies.jobs import Results, Work
from narrows.views.noise import Noise

__all__ = ["first_layers"]

SHOWN = 4  # images in the picture
MEASURED = 2000  # test images that are measured


def first_layers(work: Work, *, source: str, titles: Sequence[str], noise: Sequence[str]) -> Results:
    """Continue from several runs of the job "encoder" and compare the maps of their first convolutions.

    The question is whether an encoder that learned from corrupted images responds less to corruption. "noise" compares
    the maps of clean and corrupted images: the mean square of their difference divided by the variance of the maps over
    images, that is, the share of corruption in the layer's output. For pixels it is the same ratio of their values.
    "roughness" is the mean square of differences between neighbouring weights of a filter divided by the mean square of
    its weights: 2 for white noise, 0 for a flat filter.

    Parameters
    ----------
    source : the images from which the encoders learned
    titles : titles of the encoders, in the order of the runs that this one continues from
    noise : corruptions, such as ``["gaussian:0.3"]``

    Returns
    -------
    results : "TITLE/noise" and "TITLE/roughness" of each encoder, "pixels/noise", and "difference/noise", the noise of
        the second encoder minus that of the first

    Raises
    ------
    DataError : no images
    InputError : an encoder without a convolution
    """
    data = work.open(source)
    if not data.is_images:
        raise DataError("data", "must be images for this job", value="vectors")
    test = split(data, valid=0.0, seed=work.seed).test
    chosen = test[np.linspace(0, len(test) - 1, min(len(test), MEASURED)).round().astype(np.int64)]
    models = {title: Model.load(work.earlier(i)) for i, title in enumerate(titles)}
    x = torch.from_numpy(data.values[chosen].astype(np.float32) / 255)  # (n, C, H, W)
    corrupted = Noise(noise, bounded=True)(x, torch.Generator().manual_seed(work.seed))
    results: Results = {"pixels/noise": _share(x.numpy(), corrupted.numpy())}
    for title, model in models.items():
        layer = next((module for module in model.net.modules() if isinstance(module, nn.Conv2d)), None)
        if layer is None:
            raise InputError("the encoder", "must begin with a convolution", value=model.config["net"])
        results[f"{title}/noise"] = _share(_maps(model, layer, x), _maps(model, layer, corrupted))
        results[f"{title}/roughness"] = _roughness(layer.weight.detach().numpy())
    names = list(models)
    if len(names) > 1:
        results["difference/noise"] = (results[f"{names[1]}/noise"] or 0.0) - (results[f"{names[0]}/noise"] or 0.0)
    nets = {title: model.net for title, model in models.items()}
    work.figure(
        "maps",
        compare_feature_maps(nets, data.values[test[:SHOWN]]),
        "The response of each filter of the first convolution, one encoder below the other. Both encoders started "
        "from the same random weights, so a column shows one filter trained in two ways.",
    )
    work.figure(
        "maps-corrupted",
        compare_feature_maps(nets, corrupted[np.searchsorted(chosen, test[:1])].numpy()),
        "The same for a corrupted image.",
    )
    return results


@torch.inference_mode()
def _maps(model: Model, layer: nn.Module, x: torch.Tensor) -> Array:
    """Return the output (n, K, H', W') of the first convolution for images (n, C, H, W) in [0, 1]."""
    seen: list[torch.Tensor] = []
    hook = layer.register_forward_hook(lambda _module, _inputs, output: seen.append(output))
    try:
        model.net.encode(x)
    finally:
        hook.remove()
    return seen[0].numpy()


def _share(clean: Array, changed: Array) -> float:
    """Return the mean square of the change divided by the variance of the clean values over the rows."""
    return float(np.square(changed - clean).mean(dtype=np.float64) / clean.var(axis=0, dtype=np.float64).mean())


def _roughness(weights: Array) -> float:
    """Return the mean square of differences between neighbouring weights (K, C, h, w), divided by their mean square."""
    steps = np.concatenate([np.diff(weights, axis=axis).ravel() for axis in (2, 3)])
    return float(np.square(steps).mean() / np.square(weights).mean())
