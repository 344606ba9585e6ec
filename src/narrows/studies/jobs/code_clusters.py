"""Cluster the training codes of an autoencoder, match clusters to classes in three ways, and sample three code laws."""

from __future__ import annotations

from typing import Literal

import numpy as np

from narrows.clustering.kmeans import KMeans
from narrows.disk.files import Array
from narrows.encoding import codes as coding
from narrows.errors import DataError
from narrows.evaluation.clustering import Matching, accuracy, ari, contingency, match, nmi
from narrows.figures import save
from narrows.figures.images import comparison, gallery
from narrows.figures.tables import contingency as contingency_figure
from narrows.runs import Run
from narrows.studies.jobs import Results, Work
from narrows.studies.jobs.autoencoder import data_of, run_of, split_of

__all__ = ["code_clusters"]

MATCHINGS: tuple[Matching, ...] = ("optimal", "greedy", "majority")


def code_clusters(
    work: Work,
    *,
    n_clusters: int = 10,
    n_init: int = 10,
    max_iter: int = 60,
    shown: Literal["optimal", "greedy", "majority"] = "optimal",
    samples: int = 9,
) -> Results:
    """Continue from a run of the job "autoencoder": k-means on the codes of its training rows, and new images.

    Parameters
    ----------
    n_clusters, n_init, max_iter : settings of k-means, which is initialised by k-means++
    shown : the assignment of clusters to classes that is marked in the picture; matches and accuracies are given for
        all
    samples : images drawn from each law of codes: N(0, I), a Gaussian fitted to the training codes, and a mixture

    Returns
    -------
    results : accuracy on the training rows by each assignment, NMI, ARI, and how far the codes are from N(0, I)
    """
    run = run_of(work)
    data = data_of(work, run)
    if data.labels is None:
        raise DataError("data", "must have labels to match clusters to")
    rows = split_of(run, data).train
    codes, labels = run.array("codes")[rows], data.labels[rows]
    clusters = KMeans(n_clusters, work.seed, n_init=n_init, max_iter=max_iter).fit(codes).labels_
    counts = contingency(clusters, labels, n_classes=len(data.class_names))
    matched = {how: match(counts, how) for how in MATCHINGS}
    results: Results = {f"clustering/{how}_accuracy": accuracy(clusters, labels, how) for how in MATCHINGS}
    results |= {"clustering/nmi": nmi(clusters, labels), "clustering/ari": ari(clusters, labels)}
    names = [*data.class_names, "none"]
    work.table(
        "Rows of each class in each cluster, and the class each assignment gives it",
        [
            {
                "cluster": cluster,
                **{name: int(n) for name, n in zip(data.class_names, line, strict=True)},
                **{how: names[matched[how][cluster]] for how in MATCHINGS},
            }
            for cluster, line in enumerate(counts)
        ],
    )
    lines = [f"cluster {cluster}" for cluster in range(len(counts))]
    picture = contingency_figure(counts, lines, data.class_names, matched=matched[shown].tolist())
    work.figure("contingency", picture, f"Training rows by cluster and class; the {shown} assignment is outlined.")
    return results | _samples(work, run, codes, samples)


def _samples(work: Work, run: Run, codes: Array, n: int) -> Results:
    """Draw new images from each law of codes, and report how far the codes are from N(0, I)."""
    model = run.model()
    laws = {
        "N(0, I)": coding.normal_codes(n, model.code_size, work.seed),
        "a Gaussian": coding.CodeDistribution.fit(codes, components=1, seed=work.seed).sample(n, work.seed),
        "a mixture": coding.CodeDistribution.fit(codes, components=10, seed=work.seed).sample(n, work.seed),
    }
    drawn = {law: model.decode(z) for law, z in laws.items()}
    save(gallery(drawn["N(0, I)"], columns=3), work.folder / "samples.pdf")
    work.figure("samples-normal", gallery(drawn["N(0, I)"], columns=3), "New images from codes drawn from N(0, I).")
    caption = "New images from three laws of codes: N(0, I), and two fitted to the training codes."
    work.figure("samples-laws", comparison(drawn), caption)
    mean, sd = codes.mean(0, dtype=np.float64), codes.std(0, dtype=np.float64)
    work.note(
        f"Nothing in the loss ties the codes to N(0, I): their means go from {mean.min():.1f} to {mean.max():.1f} and "
        f"their standard deviations from {sd.min():.1f} to {sd.max():.1f}. Draws from N(0, I) fall into a small part "
        "of where the codes are, or outside; draws from a law fitted to the codes fall where the codes are."
    )
    return {
        "codes/largest_mean": float(np.abs(mean).max()),
        "codes/smallest_sd": float(sd.min()),
        "codes/largest_sd": float(sd.max()),
    }
