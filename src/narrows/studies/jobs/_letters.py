"""The quality of autoencoders of images beside PCA at the same code size, measured alike by two jobs."""

from __future__ import annotations

import numpy as np

from narrows.data.dataset import Dataset
from narrows.data.splits import Split
from narrows.disk.files import Array
from narrows.encoders.pca import PCACodes
from narrows.errors import DataError
from narrows.evaluation import reconstruction
from narrows.figures.images import comparison
from narrows.studies.jobs import Results, Work

CLASSES, EACH = 5, 2  # number of classes drawn, and of images of each


def measure(work: Work, data: Dataset, rows: Split, rebuilt: dict[str, Array], code_size: int) -> Results:
    """Measure reconstructions of the validation rows, and draw some of them.

    Parameters
    ----------
    rebuilt : title -> reconstructions (V, C, H, W) of the validation rows, in [0, 1]; the first is the one to measure
    code_size : of the autoencoder and of PCA

    Returns
    -------
    results : "valid/psnr", the mean over images in dB; "valid/psnr_pooled", from the mean squared error of all images;
        the same for PCA clipped to [0, 1] ("valid/pca_psnr"), and "valid/pca_psnr_unclipped"; and "valid/gain", in dB
    """
    baseline = PCACodes(code_size, seed=work.seed).fit(data.values[rows.train])
    truth = images_of(data, rows.valid)
    linear = baseline.reconstruct(data.values[rows.valid])
    ours = next(iter(rebuilt.values()))
    results: Results = {}
    for name, made in (("psnr", ours), ("pca_psnr", linear)):
        results[f"valid/{name}"] = float(reconstruction.psnr(truth, made).mean())
        results[f"valid/{name}_pooled"] = reconstruction.psnr_pooled(float(reconstruction.mse(truth, made).mean()))
    unclipped = baseline.unclipped(baseline.encode(data.values[rows.valid]))
    results["valid/pca_psnr_unclipped"] = float(reconstruction.psnr(truth, unclipped).mean())
    results["valid/gain"] = (results["valid/psnr"] or 0.0) - (results["valid/pca_psnr"] or 0.0)
    shown = _some_of_each(data, rows.valid)
    lines = {"held out": truth, f"PCA, {code_size} values": linear, **rebuilt}
    work.figure(
        "reconstruction",
        comparison({title: images[shown] for title, images in lines.items()}),
        f"Two validation images each of {CLASSES} classes, and their reconstructions from {code_size} values.",
    )
    return results


def images_of(data: Dataset, rows: Array) -> Array:
    """Return images float32 (n, C, H, W) in [0, 1].

    Raises
    ------
    DataError : vectors, which have no PSNR, or no rows to measure on
    """
    if not data.is_images:
        raise DataError("data", "must be images, for which a PSNR is defined", value="vectors")
    if not len(rows):
        raise DataError("valid", "must leave validation rows for measuring", value="none")
    return data.values[rows].astype(np.float32) / np.float32(255)


def _some_of_each(data: Dataset, rows: Array) -> Array:
    """Return positions in ``rows`` of the first images of a few evenly spaced classes; of any images without labels."""
    if data.labels is None:
        return np.arange(min(len(rows), CLASSES * EACH))
    labels = data.labels[rows]
    present = np.unique(labels[labels >= 0])
    chosen = present[np.unique(np.linspace(0, len(present) - 1, min(CLASSES, len(present))).round().astype(np.int64))]
    return np.concatenate([np.flatnonzero(labels == label)[:EACH] for label in chosen])
