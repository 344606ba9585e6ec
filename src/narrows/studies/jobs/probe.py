"""What a frozen encoder knows: one linear layer learns classes from its codes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from narrows.data.dataset import Dataset
from narrows.data.splits import Split, split
from narrows.disk.files import Array
from narrows.encoders.patches import PatchCodes
from narrows.encoders.pca import PCACodes
from narrows.encoding import codes as coding
from narrows.encoding.model import Model
from narrows.errors import RecipeError
from narrows.studies.evaluation.classification import accuracy
from narrows.studies.jobs import Results, Work
from narrows.studies.jobs.classifier import known, labelled, learn

__all__ = ["probe"]


def probe(
    work: Work,
    *,
    source: str,
    encoder: Literal["trained", "random", "patches", "pca", "pixels"] = "trained",
    space: Literal["code", "features"] = "code",
    net: Mapping[str, Any] | None = None,
    code_size: int = 32,
    patches: Mapping[str, Any] | None = None,
    train: Mapping[str, Any] | None = None,
    views: Sequence[str] = (),
    passes: int = 0,
    standardise: bool = True,
) -> Results:
    """Train one linear layer on codes of the training rows, and measure it on the test rows.

    Parameters
    ----------
    source : data with labels
    encoder : "trained", the encoder of the run that this one continues from; "random", ``net`` with initial weights;
        "patches", k-means on patches; "pca" with ``code_size`` components; or "pixels", without an encoder
    space : the "code" or, for a network, the "features" it is computed from
    net : the random encoder's network
    patches : arguments of ``narrows.encoders.patches.PatchCodes``
    train : settings of the linear layer's training
    views, passes : the layer learns also from the codes of ``passes`` randomly changed copies of every training image
    standardise : scale each value of the codes to mean 0 and standard deviation 1 over the training rows

    Returns
    -------
    results : accuracy on training and test rows, that of the majority class, the number of values read, seconds of
        training and of encoding

    Raises
    ------
    RecipeError : changed copies or features of an encoder that is not a network
    """
    if bool(passes) != bool(views):
        raise RecipeError("views and passes", "must be given together", value=(views, passes))
    for name, given, of in (("net", net, "random"), ("patches", patches, "patches")):
        if given is not None and encoder != of:
            raise RecipeError(
                name, f"belongs to the encoder {of!r}", value=given, remedy=f"The encoder is {encoder!r}."
            )
    if encoder not in ("trained", "random"):
        for name, asked, idle in (("passes", passes, 0), ("space", space, "code")):
            if asked != idle:
                raise RecipeError(name, f"must be {idle} with the encoder {encoder!r}", value=asked)
    data = labelled(work.open(source))
    labels = known(data.labels)
    rows = split(data, valid=0.0, seed=work.seed)

    def read(index: Array, changes: Sequence[str] = (), seed: int = 0) -> Array:
        values = data.values[index]
        if frozen is None:
            return (values.reshape(len(index), -1) / np.float32(255)).astype(np.float32)
        if frozen.trains_network:
            return coding.embed(frozen, values, space, views=changes, seed=seed)
        codes: Array = frozen.encode(values)
        return codes

    started = time.perf_counter()
    frozen: Any = None
    if encoder == "pca":
        frozen = PCACodes(code_size, seed=work.seed).fit(data.values[rows.train])
    elif encoder == "patches":
        frozen = PatchCodes(**dict(patches or {}), seed=work.seed).fit(data.values[rows.train])
    elif encoder == "random":
        frozen = Model(data.shape, dict(net or {}), {"name": "reconstruction"}, seed=work.seed)
        frozen.fit_scaling(data.values, rows.train)
    elif encoder == "trained":
        frozen = Model.load(work.earlier())
    codes, answers = read(rows.train), labels[rows.train]
    for i in range(passes):
        codes = np.concatenate([codes, read(rows.train, views, seed=1000 * work.seed + i)])
        answers = np.concatenate([answers, labels[rows.train]])
    held_out = read(rows.test)
    seconds = time.perf_counter() - started
    seen = Dataset(codes, labels=answers, label_names=data.label_names)
    everything = Split(np.arange(len(codes)), np.arange(0), np.arange(0), held_out=False)
    linear, history = learn(
        work,
        seen,
        everything,
        net={"name": "linear"},
        objective={},
        train={"keep": "last"} | dict(train or {}),
        scale=standardise,
    )
    first = slice(0, len(rows.train))
    return {
        "train/accuracy": accuracy(coding.logits(linear, codes[first]).argmax(1), answers[first]),
        "test/accuracy": accuracy(coding.logits(linear, held_out).argmax(1), labels[rows.test]),
        "test/majority_accuracy": float((labels[rows.test] == np.bincount(answers).argmax()).mean()),
        "train/loss": history[-1]["train/loss"],
        "train/parameters": linear.n_parameters(),
        "train/seconds": sum(row["seconds"] for row in history),
        "codes/size": codes.shape[1],
        "codes/seconds": seconds,
    }
