"""Train an encoder without labels, and keep it for runs that probe it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from narrows.data.dataset import Dataset
from narrows.data.splits import split
from narrows.encoders.pca import PCACodes
from narrows.encoding import codes as coding
from narrows.encoding.model import Model
from narrows.errors import InputError
from narrows.evaluation import reconstruction
from narrows.figures.curves import loss_curves
from narrows.figures.features import feature_maps
from narrows.figures.images import comparison
from narrows.studies.jobs import Results, Work

__all__ = ["encoder"]

SHOWN = 10  # images in a picture


def encoder(
    work: Work,
    *,
    source: str,
    net: Mapping[str, Any],
    objective: Mapping[str, Any],
    train: Mapping[str, Any] | None = None,
    valid: float = 0.0,
) -> Results:
    """Train a network from ``narrows.nets`` on the images of the training rows, without labels.

    Parameters
    ----------
    source : the data
    net, objective : names and arguments
    train : settings of training
    valid : share of the training rows held out to choose the best epoch

    Returns
    -------
    results : the training loss of the first and the last epoch, parameters of encoder and decoder, seconds; if the
        decoder learns, the held-out error of reconstructions beside that of PCA at the same code size
    """
    data = work.open(source)
    rows = split(data, valid=valid, seed=work.seed)
    model = Model(data.shape, net, objective, seed=work.seed, preprocessing=data.preprocessing)
    model.fit_scaling(data.values, rows.train)
    history = work.learn(model, data, rows, train or {})
    results: Results = {
        "train/parameters": model.n_parameters(),
        "train/epochs": len(history),
        "train/seconds": sum(row["seconds"] for row in history),
        "net/encoder_parameters": _count(model.net.encoder) + _count(model.net.to_code),
        "net/decoder_parameters": _count(model.net.decoder),
        "codes/size": model.code_size,
    }
    results |= {"loss/first": history[0]["train/loss"], "loss/last": history[-1]["train/loss"]}
    work.figure("curves", loss_curves(history), "Training loss per epoch.")
    test = rows.test[np.linspace(0, len(rows.test) - 1, min(len(rows.test), 2000)).round().astype(np.int64)]
    if model.objective.trains_decoder:
        results |= _reconstruction(model, data, rows.train, test, work.seed)
    if data.is_images:
        _draw(work, model, data, test[:SHOWN])
    return results


def _reconstruction(model: Model, data: Dataset, train: Any, test: Any, seed: int) -> Results:
    """Compare held-out reconstructions with PCA's."""
    baseline = PCACodes(model.code_size, seed=seed).fit(data.values[train])
    sums = np.zeros(2)
    for x, output in coding.reconstructions(model, data.values[test]):
        sums[0] += reconstruction.mse(x, output).sum()
    linear = baseline.reconstruct(data.values[test])
    truth = data.values[test] / 255 if data.is_images else data.values[test]
    sums[1] = reconstruction.mse(truth.astype(np.float32), linear).sum()
    return {"reconstruction/mse": sums[0] / len(test), "reconstruction/pca_mse": sums[1] / len(test)}


def _draw(work: Work, model: Model, data: Dataset, shown: Any) -> None:
    images = data.values[shown]
    if model.objective.trains_decoder:
        lines = {"held out": images}
        if model.objective.corrupts:
            _, corrupted, cleaned = next(model.denoised(images, work.seed))
            lines |= {"corrupted": corrupted, "cleaned": cleaned}
        lines |= {"rebuilt": model.reconstruct(images)}
        work.figure("reconstruction", comparison(lines), "Held-out images and their reconstructions.")
    try:
        maps = feature_maps(model.net, images[:4])
    except InputError:  # no convolution, so no maps to draw
        return
    work.figure("feature-maps", maps, "The response of each filter of the first convolution at each position.")


def _count(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
