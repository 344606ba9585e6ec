"""Train an autoencoder of images by the one loop, and hold its PSNR against PCA's at the same code size."""

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
    """Train a network of ``narrows.nets`` on the training rows; labels only say which images are drawn.

    Parameters
    ----------
    source : images
    net, objective : names and arguments; the objective is plain reconstruction by default
    train : settings of training. The weights of the last epoch are measured unless it says otherwise, so that the
        validation rows choose nothing
    valid : share of the training rows held out, where the source has no validation rows of its own

    Returns
    -------
    results : PSNR on the validation rows beside PCA's (see ``_letters.measure``), losses, parameters, seconds
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
