"""Train an autoencoder of images by the training loop, and compare its PSNR with PCA's at the same code size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from narrows.data.splits import split
from narrows.encoding.model import Model
from narrows.evaluation.signals import of_run
from narrows.figures.curves import loss_curves
from narrows.studies.jobs import Results, Work, of_training
from narrows.studies.jobs._letters import images_of, measure
from narrows.training.history import kept

__all__ = ["letters_autoencoder"]


def letters_autoencoder(
    work: Work,
    *,
    source: str,
    net: Mapping[str, Any],
    objective: Mapping[str, Any] | None = None,
    train: Mapping[str, Any] | None = None,
    valid: float = 0.1,
) -> Results:
    """Train a network from ``narrows.nets`` on the training rows; labels only choose the images to draw.

    Parameters
    ----------
    source : images
    net, objective : names and arguments; the objective is plain reconstruction by default
    train : settings of training. By default the weights of the last epoch are measured, so that the validation rows are
        not used to choose
    valid : share of the training rows held out if the source has no validation rows

    Returns
    -------
    results : PSNR on the validation rows beside that of PCA (see ``_letters.measure``), losses, parameters, seconds
    """
    data = work.open(source)
    rows = split(data, valid=valid, seed=work.seed)
    images_of(data, rows.valid[:1])
    model = Model(
        data.shape,
        net,
        {"name": "reconstruction"} | dict(objective or {}),
        seed=work.seed,
        preprocessing=data.preprocessing,
    )
    settings = {"keep": "last"} | dict(train or {})
    history = work.learn(model, data, rows, settings)
    results = of_training(model, history) | {
        "valid/loss": kept(history, settings["keep"])["valid/loss"],
        "codes/size": model.code_size,
    }
    results |= measure(work, data, rows, {"autoencoder": model.reconstruct(data.values[rows.valid])}, model.code_size)
    work.note(*(signal.sentence for signal in of_run(results, history, keep=settings["keep"])))
    work.figure("curves", loss_curves(history), "Loss per epoch, on training and on validation rows.")
    return results
