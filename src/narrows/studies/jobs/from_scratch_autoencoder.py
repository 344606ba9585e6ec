"""Train the autoencoder written by hand in NumPy (``narrows.studies.reference``), with and without momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from narrows.data.splits import split
from narrows.errors import RecipeError
from narrows.evaluation import reconstruction
from narrows.evaluation.signals import of_run
from narrows.studies.figures.learning import compare_losses
from narrows.studies.jobs import Results, Work
from narrows.studies.jobs._letters import images_of, measure
from narrows.studies.jobs.from_scratch import few_epochs, few_rows
from narrows.studies.reference.network import Network

__all__ = ["from_scratch_autoencoder"]


def from_scratch_autoencoder(
    work: Work,
    *,
    source: str,
    hidden: Sequence[int] = (32, 32, 32),
    epochs: int = 100,
    batch_size: int | Literal["all"] = 36,
    lr: float = 3e-5,
    momentum: float = 0.9,
    lr_factor: float = 0.9,
    lr_every: int = 20,
    dtype: Literal["float64", "float32"] = "float64",
    valid: float = 0.1,
) -> Results:
    """Train D-hidden-D with ReLUs and a sigmoid on the total squared error, from the same weights by two methods.

    The measured method is M <- momentum M - lr dJ, W <- W + M; for comparison, W <- W - lr dJ is drawn and measured
    too.

    Parameters
    ----------
    source : images
    hidden : units of the hidden layers; the narrowest layer is the code
    epochs, batch_size, lr, momentum, lr_factor, lr_every, dtype, valid : as for the job ``from-scratch``

    Returns
    -------
    results : PSNR on the validation rows beside that of PCA (see ``_letters.measure``) and of plain descent
        ("plain/valid_psnr"); the final total squared error per image; the number of hidden units that are 0 for every
        training row ("net/dead_units", "plain/dead_units"); parameters, seconds

    Raises
    ------
    RecipeError : no hidden layers
    """
    if not hidden:
        raise RecipeError("hidden", "must contain at least one layer", value="none")
    data = work.open(source)
    rows = split(data, valid=valid, seed=work.seed)
    train, held_out = (images_of(data, part).reshape(len(part), -1) for part in (rows.train, rows.valid))
    sizes = [train.shape[1], *hidden, train.shape[1]]
    histories, rebuilt, dead = {}, {}, {}
    for name, kept in (("momentum", momentum), ("plain", 0.0)):
        network = Network(sizes, ["relu"] * len(hidden) + ["sigmoid"], "squared_error", seed=work.seed, dtype=dtype)
        with work.interrupt.deferred():
            histories[name] = network.fit(
                train,
                train,
                (held_out, held_out),
                epochs=few_epochs(work, epochs),
                batch_size=few_rows(work, batch_size, len(train)),
                lr=lr,
                momentum=kept,
                lr_factor=lr_factor,
                lr_every=lr_every,
                seed=work.seed,
                progress=work.progress,
                stop=work.interrupt,
            )
        rebuilt[name] = network.forward(held_out).reshape(-1, *data.shape)
        # A ReLU that is 0 for every row has no gradient, and so never recovers.
        dead[name] = sum(int((layer.y <= 0).all(axis=0).sum()) for layer in network.forward_layers(train)[:-1])
    results: Results = {
        "net/hidden_units": sum(hidden),
        "net/dead_units": dead["momentum"],
        "plain/dead_units": dead["plain"],
        "train/parameters": network.n_parameters,
        "train/epochs": len(histories["momentum"]),
        "train/seconds": sum(row["seconds"] for row in histories["momentum"]),
        "train/loss": histories["momentum"][-1]["train/loss"],
        "valid/loss": histories["momentum"][-1]["valid/loss"],
        "plain/train_loss": histories["plain"][-1]["train/loss"],
        "plain/valid_psnr": float(reconstruction.psnr(images_of(data, rows.valid), rebuilt["plain"]).mean()),
    }
    titles = {"momentum": f"momentum {momentum:g}", "plain": "plain descent"}
    results |= measure(work, data, rows, {titles[name]: made for name, made in rebuilt.items()}, min(hidden))
    work.note(*(signal.sentence for signal in of_run(results, histories["momentum"], keep="last")))
    work.figure(
        "momentum",
        compare_losses({titles[name]: history for name, history in histories.items()}),
        "Total squared error per image after each epoch, with momentum and without.",
    )
    return results
