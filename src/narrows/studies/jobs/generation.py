"""Draw new images from a trained autoencoder, and measure how good they are."""

from __future__ import annotations

import numpy as np

from narrows.disk.files import Array
from narrows.encoding import codes as coding
from narrows.encoding.model import Model
from narrows.errors import DataError, InputError, RecipeError
from narrows.figures.images import gallery
from narrows.studies.evaluation.generation import diversity, frechet_distance, precision_recall
from narrows.studies.jobs import Results, Work
from narrows.studies.jobs.autoencoder import data_of, run_of, split_of

__all__ = ["generation"]

LAWS = {
    "doubled": "2 N(0, I)",
    "normal": "N(0, I)",
    "fitted": "the mixture fitted to the training codes",
}


def generation(
    work: Work,
    *,
    classifier: str,
    samples: int = 10_000,
    components: int = 10,
    fitted_rows: int = 20_000,
    shown: int = 20,
    k: int = 3,
) -> Results:
    """Continue from a run of the job "autoencoder": draw codes from three laws, decode them, and score the images.

    The laws are 2 N(0, I), N(0, I) and a mixture of Gaussians fitted to the codes of the training images. Images are
    scored on the features of a digit classifier against the same number of training images. For comparison, the test
    images, which are real, and their reconstructions are scored in the same way.

    Parameters
    ----------
    classifier : an earlier run of the job "classifier" in the same study, trained on the same data; the one with this
        seed is used or, if there is none, that with seed 0. Scores can be compared only within one such run
    samples : number of images to draw from each law, and of training images to compare them with; at most the number of
        test images
    components : the most Gaussians of the mixture
    fitted_rows : the most codes to fit the mixture to
    shown : images of each law in the picture
    k : the neighbour that sets the radii of precision and recall

    Returns
    -------
    results : "LAW/frechet", "LAW/precision", "LAW/recall", "LAW/classes", "LAW/entropy" and "LAW/largest_share" for LAW
        "doubled", "normal", "fitted", and in the same way "real" and "reconstructed"; "codes/sd", the mean standard
        deviation of the values of a code
    """
    run = run_of(work)
    data, model, judge = data_of(work, run), run.model(), _judge(work, classifier)
    if not data.is_images:
        raise DataError("data", "must be images, to be scored on a classifier's features", value="vectors")
    if judge.input_shape != model.input_shape:
        rule = f"must name a classifier of images of shape {model.input_shape}"
        raise RecipeError("classifier", rule, value=f"{classifier}, of {judge.input_shape}")
    rows = split_of(run, data)
    count = min(samples, len(rows.test), len(rows.train))
    if count <= k:
        raise InputError(
            "samples", f"must be greater than k = {k}, and so must the numbers of test and training rows", value=count
        )
    rng = np.random.default_rng(work.seed)
    train, test = (np.sort(rng.choice(part, count, replace=False)) for part in (rows.train, rows.test))
    codes = run.array("codes")[rows.train]  # (N, K)
    mixture = coding.CodeDistribution.fit(codes, components, work.seed, fitted_rows)
    normal = coding.normal_codes(count, model.code_size, work.seed)
    doubled = coding.normal_codes(count, model.code_size, work.seed, scale=2.0)
    drawn = {"doubled": doubled, "normal": normal, "fitted": mixture.sample(count, work.seed)}
    images = {law: _stored(model.decode(chosen)) for law, chosen in drawn.items()}
    images |= {
        "reconstructed": _stored(model.reconstruct(data.values[test])),
        "real": data.values[test],
    }
    for law, words in LAWS.items():
        work.figure(f"generated-{law}", gallery(images[law][:shown]), f"{shown} images drawn from {words}.")
    work.figure("real", gallery(images["real"][:: max(1, count // shown)][:shown]), f"{shown} real test images.")
    results: Results = {"codes/sd": float(codes.std(axis=0).mean()), "codes/mixture": float(len(mixture.weights))}
    reference = coding.embed(judge, data.values[train], "features")  # (count, F)
    table = []
    with work.progress.task("score", len(images)) as task:
        for name, pictures in images.items():
            scores = _scores(judge, reference, pictures, k)
            results |= {f"{name}/{score}": value for score, value in scores.items()}
            table.append({"images": _words(name), **scores})
            task.advance()
    work.table(f"{count:,} images of each kind against {count:,} training images", table)
    _note(work, results)
    return results


def _judge(work: Work, name: str) -> Model:
    """Return the classifier of another run of the study."""
    runs = work.folder.parent.parent / name
    for folder in (runs / work.folder.name, runs / "seed-0"):
        if (folder / "outcome.json").is_file():
            return Model.load(folder)
    raise RecipeError(
        "classifier",
        "must name a finished run of the study",
        value=name,
        remedy=f"It comes earlier in the study file; `--only {name}` does it alone.",
    )


def _stored(images: Array) -> Array:
    """Return images as uint8, the type in files, so that drawn and real ones are treated alike."""
    stored: Array = np.rint(255 * images).astype(np.uint8)
    return stored


def _scores(judge: Model, reference: Array, images: Array, k: int) -> dict[str, float]:
    features = coding.embed(judge, images, "features")  # (M, F)
    precision, recall = precision_recall(reference, features, k)
    spread = diversity(coding.logits(judge, images).argmax(axis=1), int(judge.net.n_classes))
    return {
        "frechet": frechet_distance(reference, features),
        "precision": precision,
        "recall": recall,
        "classes": spread.classes,
        "entropy": spread.entropy,
        "largest_share": spread.largest,
    }


def _words(name: str) -> str:
    return LAWS.get(name) or {"real": "real test images", "reconstructed": "their reconstructions"}[name]


def _note(work: Work, results: Results) -> None:
    """Add notes on the meaning of the scores and on the codes' spread."""
    work.note(
        "Fréchet distance: 0 is best, and the real test images show how near to 0 it can be. Precision is the share "
        "of images that look real, recall the share of real ones that could have been drawn, entropy how evenly the "
        "classes occur (1: all equally often)."
    )
    work.note(
        f"The values of the training codes have a standard deviation of {results['codes/sd']:.2f}: a law that is much "
        "wider or narrower asks the decoder for images of codes that it has not learned."
    )
