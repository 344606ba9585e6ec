"""Codes, a reduction, k-means: train an autoencoder, reduce its codes to few dimensions, and cluster them there.

The questions are whether clusters of the reduced codes are the classes, which are known for few rows and read only to
score, and whether a network that reconstructs better has better clusters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from narrows.arguments import checked
from narrows.clustering.kmeans import KMeans
from narrows.data.dataset import Dataset
from narrows.data.splits import Split, split
from narrows.disk.files import Array, read_json, write_csv, write_json
from narrows.encoders.patches import PatchCodes
from narrows.encoders.pca import PCACodes
from narrows.encoding.model import Model
from narrows.errors import DataError, RecipeError
from narrows.evaluation import clustering as scores
from narrows.figures.curves import loss_curves
from narrows.figures.images import comparison
from narrows.projection import methods
from narrows.projection.kernel_pca import kernel_components
from narrows.studies.figures.embedding import labelled_over_all, loss_against_accuracy
from narrows.studies.jobs import Results, Work, of_training
from narrows.training.settings import Settings

__all__ = ["embedding"]

SCALE = 4.0  # ratio of the squared error of values in [-1, 1] to that of the same values in [0, 1]
HALVES_SEED = 0  # of the public and the private half, which are the same in every run
SHOWN = 12  # images in the picture of reconstructions
QUICK_STRIDE = 3  # a quick look takes only every third of its rows, since these networks are large
QUICK_COMPONENTS = 8  # the most in a quick look

STEP = re.compile(r"(?P<name>pca|kpca)(?P<size>[1-9][0-9]*)|(?P<map>tsne|umap)|(?P<codes>codes)")


def embedding(
    work: Work,
    *,
    source: str,
    net: Mapping[str, Any] | None = None,
    objective: Mapping[str, Any] | None = None,
    train: Mapping[str, Any] | None = None,
    reductions: Sequence[str] = ("pca128-tsne", "pca128-umap", "kpca200-tsne"),
    n_clusters: int = 2,
    checkpoints: Sequence[int] = (),
    patches: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
) -> Results:
    """Train, encode all rows, reduce the codes in several ways, and find ``n_clusters`` clusters in each by k-means.

    The network learns from the training rows. All later steps work on all rows together, since the layouts are computed
    for the rows to predict. The clusters of all rows are in ``predictions.csv``.

    Parameters
    ----------
    source : images; some of the test rows are labelled
    net : the network's name in ``narrows.nets`` and its arguments; without it, the pixels are the codes
    objective : the objective's name and arguments; by default the squared error of values in [-1, 1]
    train : settings of training
    reductions : each is a list of steps between codes and k-means, such as "pca128-tsne": ``pcaN`` and ``kpcaN``
        (kernel PCA) keep N components, ``tsne`` and ``umap`` make a map, and ``codes`` leaves codes as they are
    n_clusters : number of clusters of k-means
    checkpoints : epochs after which loss and accuracy (of the first reduction) are measured, only for the first seed;
        the last epoch is always included. The schedule must be constant, so that the first epochs of a long training
        are the same as a short training
    patches : arguments of ``narrows.encoders.patches.PatchCodes``, whose codes are then used instead of a network's
    data : further arguments of ``narrows.open``

    Returns
    -------
    results : for each reduction "REDUCTION/accuracy", "/public" and "/private" (two disjoint halves of the labelled
        test rows), "/nmi", "/ari", and "/brightness" (see ``explained_by``); "reconstruction/loss" and "/test_loss"
        (squared error per value in [-1, 1]) and "/pca_components" (the fewest principal components that reach that
        loss); "train/loss_sum" (the loss of the last epoch, its batches added up) and "checkpoints/..."
    """
    chains = {name: parse(name) for name in reductions}
    if patches is not None:
        _check_patches(patches, alone=not (net or objective or train or checkpoints))
    if not chains:
        raise RecipeError("reductions", "must name at least one reduction", value=list(reductions))
    found = work.open(source, **(data or {}))
    if not found.is_images:
        raise DataError("data", "must be images for this job", value="vectors")
    if work.quick:
        found = found.take(np.arange(0, len(found), QUICK_STRIDE))
    rows = split(found, valid=0.0, seed=work.seed)
    judge = Judge.of(found, rows)
    if patches is not None:
        encoder = PatchCodes(**patches, seed=work.seed).fit(found.values[rows.train])
        codes, results = encoder.encode(found.values), {}
    elif net is None:
        codes = found.values.reshape(len(found), -1) / np.float32(255)  # (N, D)
        results = _pixels(work, found, rows, chains)
    else:
        wanted = dict(objective or {"name": "reconstruction", "weight": SCALE})
        codes, results = _learn(
            work,
            found,
            rows,
            judge,
            dict(net),
            wanted,
            train or {},
            chains,
            n_clusters,
            checkpoints if work.seed == 0 else (),
        )
    clusters, maps = reduce_and_cluster(codes, chains, n_clusters, work)
    brightness = found.values.reshape(len(found), -1).mean(axis=1, dtype=np.float64)  # (N,)
    table = []
    for name in chains:
        scored = judge.score(clusters[name]) | {"brightness": explained_by(clusters[name], brightness)}
        results |= {f"{name}/{score}": value for score, value in scored.items()}
        table.append({"reduction": describe(name), **scored})
    results |= judge.majority()
    work.table("Clusters of the codes, by reduction", table)
    for name, points in maps.items():
        work.figure(
            f"map-{name}",
            labelled_over_all(points, judge.labels, judge.matched(clusters[name]), found.class_names),
            f"{describe(name)}: the labelled images coloured by class over all others, and all images coloured by "
            "the class matched to their cluster.",
        )
    _write_predictions(work.folder / "predictions.csv", found, rows, clusters)
    work.note(
        f"Accuracy is that of {judge.count} labelled images, in two halves drawn once for all runs. Clusters are "
        f"matched to classes one-to-one so that as many as possible of all {judge.count} are right."
    )
    return results


# From codes to clusters


def parse(name: str) -> list[re.Match[str]]:
    """Return the steps of a reduction.

    Raises
    ------
    RecipeError : an unknown step, or a step after a map
    """
    steps = [STEP.fullmatch(text) for text in name.split("-")]
    known = [step for step in steps if step is not None]
    last = [step for step in known[:-1] if step["map"] or step["codes"]]
    if len(known) < len(steps) or last or (len(known) > 1 and known[-1]["codes"]):
        raise RecipeError(
            "reductions",
            "must be steps joined by '-', with a map only at the end",
            value=name,
            remedy="Steps: pcaN, kpcaN (N components), tsne, umap; or only codes. Example: pca128-tsne.",
        )
    return known


def describe(name: str) -> str:
    """Return a reduction in words."""
    words = {"pca": "PCA", "kpca": "kernel PCA", "tsne": "t-SNE", "umap": "UMAP", "codes": "none"}
    texts = [
        f"{words[step['name']]} {step['size']}" if step["name"] else words[step["map"] or step["codes"]]
        for step in parse(name)
    ]
    return ", then ".join(texts)


def reduce_and_cluster(
    codes: Array, chains: Mapping[str, list[re.Match[str]]], n_clusters: int, work: Work
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the clusters int64 (N,) of each reduction of ``codes`` (N, K), and the reductions that are maps (N, 2)."""
    done: dict[str, Array] = {"": codes}  # steps so far -> codes after them
    clusters, maps = {}, {}
    for name, steps in chains.items():
        path = ""
        for step in steps:
            before, path = path, f"{path}-{step[0]}"
            if path not in done:
                done[path] = _reduce(done[before], step, work)
        clusters[name] = KMeans(n_clusters, work.seed).fit(done[path]).labels_
        if steps[-1]["map"]:
            maps[name] = done[path]
    return clusters, maps


def _reduce(codes: Array, step: re.Match[str], work: Work) -> Array:
    if step["codes"]:
        return codes
    if step["map"]:
        projection = methods.get(step["map"])(seed=work.seed).fit(codes)
        work.note(*projection.notes)
        made: Array = projection.map_
        return made
    if step["name"] == "kpca":
        return kernel_components(codes, min(_size(step, work), len(codes)), work.seed)
    return PCACodes(_size(step, work), work.seed).fit(codes).encode(codes)


def _size(step: re.Match[str], work: Work) -> int:
    """Return the number of components that a step keeps."""
    return min(int(step["size"]), QUICK_COMPONENTS) if work.quick else int(step["size"])


def explained_by(clusters: Array, values: Array) -> float:
    """Return the share of the variance of ``values`` (N,) explained by clusters (eta squared); nan without variance.

    For the mean brightness of images, it shows whether clusters merely separate light from dark pictures.
    """
    sizes = np.bincount(clusters)
    means = np.bincount(clusters, values) / np.maximum(sizes, 1)  # (M,)
    total = float(np.square(values - values.mean()).sum())
    between = float((sizes * np.square(means - values.mean())).sum())
    return between / total if total else math.nan


# Labels, used only to score


@dataclass(frozen=True, eq=False)
class Judge:
    """The labelled test rows, in two halves.

    Parameters
    ----------
    labels : (N,), labels of all rows; -1 for rows that do not count
    public, private : numbers of the rows in the two halves, which are disjoint
    """

    labels: Array
    public: Array
    private: Array

    @classmethod
    def of(cls, data: Dataset, rows: Split) -> Judge:
        """Return the judge of ``data``.

        Raises
        ------
        DataError : fewer than two test rows are labelled
        """
        labels = np.full(len(data), -1, np.int64)
        if data.labels is not None:
            labels[rows.test] = data.labels[rows.test]
        known = np.flatnonzero(labels >= 0)
        if len(known) < 2:
            raise DataError("data", "must have at least two labelled test rows to score clusters by", value=len(known))
        drawn = np.random.default_rng(HALVES_SEED).permutation(known)
        return cls(labels, np.sort(drawn[: len(drawn) // 2]), np.sort(drawn[len(drawn) // 2 :]))

    @property
    def count(self) -> int:
        """The number of rows that count."""
        return len(self.public) + len(self.private)

    def matched(self, clusters: Array) -> Array:
        """Return the class (N,) matched to the cluster of each row; -1 for none."""
        return scores.match(scores.contingency(clusters, self.labels))[clusters]

    def score(self, clusters: Array) -> dict[str, float]:
        """Return accuracy on all, public and private rows under one matching, and two scores that need no matching."""
        right = self.matched(clusters) == self.labels  # rows that count never have the label -1
        both = np.concatenate([self.public, self.private])
        return {
            "accuracy": float(right[both].mean()),
            "public": float(right[self.public].mean()),
            "private": float(right[self.private].mean()),
            "nmi": scores.nmi(clusters, self.labels),
            "ari": scores.ari(clusters, self.labels),
        }

    def majority(self) -> dict[str, float]:
        """Return the accuracy of always answering the commonest class, and the standard error of such a share."""
        counts = np.bincount(self.labels[self.labels >= 0])
        share = float(counts.max() / counts.sum())
        return {
            "labelled/majority_accuracy": share,
            "labelled/standard_error": math.sqrt(share * (1 - share) / self.count),
        }


# From images to codes


def _check_patches(patches: Mapping[str, Any], *, alone: bool) -> None:
    if not alone:
        raise RecipeError(
            "patches",
            "must be given without net, objective, train and checkpoints: there is nothing to train",
            value=dict(patches),
        )
    checked(PatchCodes, patches, "patches.", given_by_us=("seed",))


def _learn(
    work: Work,
    data: Dataset,
    rows: Split,
    judge: Judge,
    net: dict[str, Any],
    objective: dict[str, Any],
    train: Mapping[str, Any],
    chains: Mapping[str, list[re.Match[str]]],
    n_clusters: int,
    checkpoints: Sequence[int],
) -> tuple[Array, Results]:
    """Train; return the codes (N, K) of all rows, and the results of training and reconstruction."""
    model = Model(data.shape, net, objective, seed=work.seed, preprocessing=data.preprocessing)
    settings = work.settings(train, len(rows.train))
    path, measured = work.folder / "checkpoints.json", []
    if path.is_file():
        measured = read_json(path)
    first = dict(list(chains.items())[:1])
    for epochs in _marks(settings, checkpoints):
        history = work.train(model, data.values, rows.train, rows.valid, replace(settings, epochs=epochs))
        # Measured before training continues, so that a study that was stopped finds the weights of this epoch.
        if checkpoints and epochs not in [row["epoch"] for row in measured]:
            work.progress.say(f"measuring after epoch {epochs}")
            loss = _loss(model, data.values[rows.train])
            clusters = reduce_and_cluster(model.encode(data.values), first, n_clusters, work)[0]
            scored = judge.score(clusters[next(iter(first))])
            measured.append({"epoch": epochs, "reconstruction loss": loss, **scored})
            write_json(path, measured)
    model.save(work.folder)
    codes = model.encode(data.values, work.progress)  # (N, K)
    results = of_training(model, history) | {
        "train/loss_sum": history[-1]["train/loss"] * history[0]["step"],
        "net/code_size": model.code_size,
    }
    work.figure("curves", loss_curves(history), "Loss per epoch, on the training rows.")
    if model.objective.trains_decoder:
        loss = _loss(model, data.values[rows.train])
        results |= {
            "reconstruction/loss": loss,
            "reconstruction/test_loss": _loss(model, data.values[rows.test]),
            "reconstruction/pca_components": int((pca_losses(data.values[rows.train]) > loss).sum()),
        }
        shown = data.values[judge.public[:SHOWN]]
        _show(work, shown, model.reconstruct(shown))
    if measured:
        results |= _checkpoint_study(work, measured, judge, next(iter(first)))
    return codes, results


def _marks(settings: Settings, checkpoints: Sequence[int]) -> list[int]:
    """Return the epochs to stop at: the checkpoints that training reaches, and the last epoch."""
    if checkpoints and (settings.schedule != "constant" or settings.warmup or min(checkpoints) < 1):
        raise RecipeError(
            "checkpoints",
            "must be epochs >= 1 of a constant schedule without warm-up",
            value=list(checkpoints),
            remedy='Set train.schedule = "constant" and train.warmup = 0.0.',
        )
    last = int(settings.epochs)  # already resolved
    return sorted({min(epoch, last) for epoch in checkpoints} | {last})


def _loss(model: Model, values: Array) -> float:
    """Return the mean squared error per value, in [-1, 1]."""
    return SCALE * float(model.errors(values).mean(dtype=np.float64))


def pca_losses(values: Array) -> Array:
    """Return the squared error per value, in [-1, 1], with the first 0, 1, 2, ... principal components of images.

    It is measured on the fitted images, ``values`` uint8 (N, ...), so no linear autoencoder can do better.
    """
    from scipy.linalg import eigvalsh

    x = values.reshape(len(values), -1) / np.float32(255)
    x -= x.mean(axis=0)
    # The matrices of products of values and of rows have the same non-zero eigenvalues: the smaller one is used.
    products = x.T @ x if x.shape[1] <= len(x) else x @ x.T
    eigenvalues = np.maximum(eigvalsh(products.astype(np.float64))[::-1], 0)
    left = eigenvalues.sum() - np.concatenate([[0.0], np.cumsum(eigenvalues)])
    losses: Array = SCALE * np.maximum(left, 0) / x.size
    return losses


def _pixels(work: Work, data: Dataset, rows: Split, chains: Mapping[str, list[re.Match[str]]]) -> Results:
    """Return the reconstructions by the first linear step of the first reduction alone, without a network."""
    step = next((step for steps in chains.values() for step in steps if step["name"] == "pca"), None)
    if step is None:
        return {"train/parameters": 0}
    pca = PCACodes(_size(step, work), work.seed).fit(data.values[rows.train])

    def loss(values: Array) -> float:
        return SCALE * float(np.square(pca.reconstruct(values) - values / np.float32(255)).mean(dtype=np.float64))

    shown = data.values[rows.test[:SHOWN]]
    _show(work, shown, pca.reconstruct(shown))
    return {
        "train/parameters": pca.components_.size + pca.mean_.size,
        "net/code_size": len(pca.components_),
        "reconstruction/loss": loss(data.values[rows.train]),
        "reconstruction/test_loss": loss(data.values[rows.test]),
    }


def _show(work: Work, originals: Array, outputs: Array) -> None:
    figure = comparison({"original": originals, "reconstruction": outputs})
    work.figure("reconstruction", figure, "Images that were not trained on, and their reconstructions.")


def _checkpoint_study(work: Work, measured: list[dict[str, float]], judge: Judge, reduction: str) -> Results:
    """Return how loss and accuracy correlate over the checkpoints of one training, and draw them."""
    from scipy.stats import spearmanr

    losses = [row["reconstruction loss"] for row in measured]
    accuracies = [row["accuracy"] for row in measured]
    epochs = [int(row["epoch"]) for row in measured]
    work.table(f"Checkpoints of one training ({describe(reduction)})", measured)
    reference = judge.majority()["labelled/majority_accuracy"]
    work.figure(
        "checkpoints",
        loss_against_accuracy(epochs, losses, accuracies, reference=reference),
        f"Reconstruction loss and accuracy ({describe(reduction)}) at {len(measured)} checkpoints of one training; "
        "dashed: always answering the commonest class.",
    )
    varies = len(set(losses)) > 1 and len(set(accuracies)) > 1
    return {
        "checkpoints/count": len(measured),
        # With -loss, so that +1 means "the lower the loss, the better the clusters".
        "checkpoints/rank_correlation": float(spearmanr(np.negative(losses), accuracies)[0]) if varies else None,
        "checkpoints/best_accuracy": max(accuracies),
        "checkpoints/best_epoch": epochs[int(np.argmax(accuracies))],
        "checkpoints/last_accuracy": accuracies[-1],
    }


def _write_predictions(path: Path, data: Dataset, rows: Split, clusters: Mapping[str, Array]) -> None:
    """Write the cluster of every row for every reduction."""
    parts = np.full(len(data), "test", "U5")
    parts[rows.train] = "train"
    found = zip(data.ids, parts.tolist(), *(one.tolist() for one in clusters.values()), strict=True)
    write_csv(path, [("id", "part", *clusters), *found], exact=("id",))
