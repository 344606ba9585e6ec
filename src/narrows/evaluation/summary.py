"""The numbers of a run under their flat names, each beside its baseline."""

from __future__ import annotations

from typing import Any

import numpy as np

from narrows.disk.files import Array
from narrows.encoding.codes import reconstructions
from narrows.encoding.encoder import Encoder
from narrows.evaluation import clustering, probe, reconstruction, signals
from narrows.work.threads import each_quietly

Results = dict[str, float | None]


def of_reconstruction(encoder: Encoder, baseline: Encoder | None, values: Array) -> Results:
    """Compare reconstructions of held-out ``values`` with those of PCA at the same code size, if it is given.

    Images: mean squared error on values in [0, 1], PSNR in dB as the mean over images and pooled, SSIM. Vectors: mean
    squared error in their own units, and the share of variance explained. For both, the variance in the same unit,
    which is the mean squared error of always answering with the mean of these rows; 0 if all rows are the same.
    """
    results: Results = {}
    for prefix, one in (("reconstruction/", encoder), ("reconstruction/pca_", baseline)):
        if one is not None:
            blocks = reconstructions(one, values)
            results |= _pool([_block(x, output, images=one.is_images) for x, output in blocks], prefix)
    results["reconstruction/rows"] = len(values)
    results["reconstruction/variance"] = reconstruction.variance(values, 255.0 if encoder.is_images else 1.0)
    for prefix in ("reconstruction/", "reconstruction/pca_"):
        if not encoder.is_images and f"{prefix}mse" in results:
            results[f"{prefix}explained"] = reconstruction.explained(results[f"{prefix}mse"] or 0.0, values)
    return results


def of_denoising(encoder: Encoder, values: Array, seed: int) -> Results:
    """Compare held-out ``values`` corrupted as in training, and their reconstructions, with the clean values.

    Images: PSNR in dB as the mean over images. Vectors: the share of the clean rows' variance that is explained.
    """
    measure = reconstruction.psnr if encoder.is_images else reconstruction.mse
    found = [(measure(x, before), measure(x, after)) for x, before, after in encoder.denoised(values, seed)]
    corrupted_mean, cleaned_mean = (float(np.concatenate(parts).mean()) for parts in zip(*found, strict=True))
    if encoder.is_images:
        return {"denoising/corrupted_psnr": corrupted_mean, "denoising/psnr": cleaned_mean}
    return {
        "denoising/corrupted_explained": reconstruction.explained(corrupted_mean, values),
        "denoising/explained": reconstruction.explained(cleaned_mean, values),
    }


def of_codes(codes: Array) -> Results:
    """Return the size of the code, and how many of its dimensions hardly vary."""
    return {"codes/size": codes.shape[1], "codes/dead": signals.count_dead(codes)}


def of_clustering(clusters: Array, space: Array, labels: Array | None, seed: int, prefix: str = "") -> Results:
    """Describe clusters (N,) found in ``space`` (N, ...): their separation, and their agreement with any labels.

    Labels that are all the same agree with anything, so they are not used.
    """
    results: Results = {f"clustering/{prefix}silhouette": clustering.silhouette(space, clusters, seed=seed)}
    if labels is not None and len(np.unique(labels[labels >= 0])) > 1:
        known = labels >= 0
        results |= {
            f"clustering/{prefix}accuracy": clustering.accuracy(clusters[known], labels[known]),
            f"clustering/{prefix}nmi": clustering.nmi(clusters[known], labels[known]),
            f"clustering/{prefix}ari": clustering.ari(clusters[known], labels[known]),
        }
    return results


def of_probe(codes: Array, linear_codes: Array | None, labels: Array, train: Array, test: Array) -> Results:
    """Classify held-out rows from their codes, and from PCA's codes, by classifiers fitted to the training rows.

    Parameters
    ----------
    codes, linear_codes : (N, K), those of the run and of PCA; None if there are none to compare with
    labels : (N,), -1 where unknown
    train, test : row indices
    """
    train, test = train[labels[train] >= 0], test[labels[test] >= 0]
    if not len(test) or len(np.unique(labels[train])) < 2:
        return {}
    results: Results = {
        "probe/rows": len(test),
        "probe/majority_accuracy": probe.majority(labels[train], labels[test]),
    }
    if linear_codes is not None and linear_codes.shape[1] < codes.shape[1]:  # a row has no more values
        results["probe/pca_size"] = linear_codes.shape[1]
    spaces = {prefix: space for prefix, space in (("", codes), ("pca_", linear_codes)) if space is not None}
    kinds = {"linear": probe.linear, "knn": probe.knn}
    which = [(prefix, kind) for kind in kinds for prefix in spaces]  # the longer ones first

    def accuracy(one: tuple[str, str]) -> float:
        space = spaces[one[0]]
        return kinds[one[1]](space[train], labels[train], space[test], labels[test])

    found = each_quietly(accuracy, which)
    names = [f"probe/{prefix}{kind}_accuracy" for prefix, kind in which]
    return results | dict(zip(names, found, strict=True))


def contingency_table(clusters: Array, labels: Array, label_names: list[str]) -> dict[str, Any]:
    """Return the cluster x class table as the report shows it, with the class matched to each cluster."""
    counts = clustering.contingency(clusters, labels, n_classes=len(label_names))
    return {
        "clusters": [str(cluster) for cluster in range(len(counts))],
        "labels": label_names,
        "counts": counts.tolist(),
        "matched": clustering.match(counts).tolist(),
    }


def _block(x: Array, output: Array, *, images: bool) -> Results:
    """Sums over a block of rows; ``_pool`` turns them into means."""
    sums: Results = {"rows": len(x), "mse": float(reconstruction.mse(x, output).sum())}
    if images:
        sums |= {
            "psnr": float(reconstruction.psnr(x, output).sum()),
            "ssim": float(reconstruction.ssim(x, output).sum()),
        }
    return sums


def _pool(parts: list[Results], prefix: str) -> Results:
    totals = {name: sum(part[name] or 0 for part in parts) for name in parts[0]}
    rows = totals.pop("rows")
    means: Results = {f"{prefix}{name}": total / rows for name, total in totals.items()}
    if "psnr" in totals:
        means[f"{prefix}psnr_pooled"] = reconstruction.psnr_pooled(totals["mse"] / rows)
    return means
