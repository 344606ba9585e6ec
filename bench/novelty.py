"""Whether novelty recognises rows unlike the fitted ones, and whether the share of held-out rows called odd is right.

    python bench/novelty.py --faces olivetti.npz --nature nature8500/trainX.npy --letters letters36_train.mat --seeds 3

digits, mnist, fashion-mnist : as ``narrows.open`` finds them. Of the 28x28 sets, 10,000 training images are fitted, and
2,000 test images are new rows like them; of the digits, a fifth is held out for that.
faces : 400 portraits of 40 persons, the face database of AT&T Laboratories Cambridge, as an array "images" of shape
    (400, 64, 64), uint8, in an .npz; a fifth is held out. Left out if it is not given.
nature : colour photographs (N, 32, 32, 3) uint8, made grey and resized to the faces, with which they are compared.
letters : capitals drawn by hand, "train_data" (N, 1024) in a .mat, black on white; they are inverted and resized to the
    set with which they are compared.

Figures: the area under the ROC curve (AUROC) of oddness for new rows like the fitted ones against others, and the
shares called odd (novelty at most 0.05). Labels are read only to leave digits out of the letters.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from sklearn.metrics import roc_auc_score

import narrows
from narrows.disk.files import Array, read_json, write_json
from narrows.evaluation.novelty import ODD
from narrows.work import environment

OUT = Path(__file__).parent / "results" / "novelty.json"
FITTED, NEW, OTHERS = 10_000, 2_000, 1_000
#: The settings of ``narrows run``, with fewer epochs to save time; digits has a separate recipe.
MODELS: dict[str, dict[str, Any]] = {
    "digits": {
        "code_size": 10,
        "net": "conv",
        "objective": {"name": "denoising", "noise": ["gaussian:0.2"]},
        "epochs": 20,
    },
    "mnist": {"epochs": 5},
    "fashion-mnist": {"epochs": 5},
    "faces": {"epochs": 60},
}


def main() -> None:
    """Measure, and save the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("faces", "nature", "letters"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="+", default=list(MODELS))
    parser.add_argument("--clusterer", nargs="*", default=["digits"], help="sets for ImageClusterer, of 3,000 images")
    asked = parser.parse_args()
    piles = _piles(asked)
    kept = read_json(OUT) if OUT.exists() else {}
    kept["environment"] = {key: value for key, value in environment.describe().items() if key != "command"}
    for what, names in (("Autoencoder", asked.sets), ("ImageClusterer", asked.clusterer)):
        for name in names:
            if name not in piles:
                continue
            runs = [_measure(what, name, piles, seed) for seed in range(asked.seeds)]
            kept.setdefault(what, {})[name] = {figure: _summed([run[figure] for run in runs]) for figure in runs[0]} | {
                "seeds": asked.seeds
            }
            write_json(OUT, kept)
            print(
                what,
                name,
                *(
                    f"{key} {v['mean']:.4f} ({v['sd']:.4f})"
                    for key, v in kept[what][name].items()
                    if isinstance(v, dict)
                ),
                sep="\n  ",
                flush=True,
            )


def _measure(what: str, name: str, piles: dict[str, Array], seed: int) -> dict[str, float]:
    """Fit one model with one seed, and return its figures."""
    rng = np.random.default_rng(seed)
    fitted, new = _parted(piles, name, rng)
    if what == "ImageClusterer":
        model: Any = narrows.ImageClusterer(10, layouts=1, random_state=seed).fit(fitted[:3_000])
    else:
        model = narrows.Autoencoder(**MODELS[name], random_state=seed).fit(fitted)
    start = time.perf_counter()
    model.novelty(new)
    found = {"us_per_row": 1e6 * (time.perf_counter() - start) / len(new)}
    usual = _oddness(model, new)
    found["odd/held out"] = _odd(model, usual)
    for other, images in _others(piles, name, new, rng).items():
        odd = _oddness(model, images)
        found[f"auroc/{other}"] = roc_auc_score(np.repeat([0, 1], [len(usual), len(odd)]), np.r_[usual, odd])
        found[f"odd/{other}"] = _odd(model, odd)
    return found


def _oddness(model: Any, images: Array) -> Array:
    known = model.novelty_
    found: Array = known.oddness(model.model_, images, *model._evidence(images))
    return found


def _odd(model: Any, oddness: Array) -> float:
    return float((model.novelty_.share_odder(oddness) <= ODD).mean())


def _piles(asked: argparse.Namespace) -> dict[str, Array]:
    piles = {name: narrows.open(name).values for name in ("digits", "mnist", "fashion-mnist")}
    if asked.faces:
        piles["faces"] = np.load(asked.faces)["images"][:, None]
    if asked.nature:
        piles["nature"] = np.load(asked.nature)[:OTHERS].transpose(0, 3, 1, 2)
    if asked.letters:
        from scipy.io import loadmat

        file = loadmat(asked.letters)
        capitals = file["train_labels"].argmax(1) < 26
        drawn = file["train_data"][capitals].reshape(-1, 32, 32).transpose(0, 2, 1)  # columns first
        piles["letters"] = (255 * (1 - drawn)).round().astype(np.uint8)[:, None]
    return piles


def _parted(piles: dict[str, Array], name: str, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return the images to fit, and new ones like them."""
    images = piles[name]
    if len(images) == 70_000:  # training images first, test images last
        return images[rng.choice(60_000, FITTED, replace=False)], images[
            60_000 + rng.choice(10_000, NEW, replace=False)
        ]
    mixed = images[rng.permutation(len(images))]
    return mixed[len(mixed) // 5 :], mixed[: len(mixed) // 5]


def _others(piles: dict[str, Array], name: str, new: Array, rng: np.random.Generator) -> dict[str, Array]:
    """Return the images unlike a set, by name, at the set's size."""
    side = new.shape[-1]
    shape = (OTHERS, 1, side, side)
    made = {
        "uniform noise": rng.integers(0, 256, shape, dtype=np.uint8),
        "Gaussian noise": np.clip(rng.normal(128, 50, shape), 0, 255).astype(np.uint8),
        "constant": np.broadcast_to(rng.integers(0, 256, (OTHERS, 1, 1, 1), dtype=np.uint8), shape).copy(),
        "inverted": 255 - new,
        "quarter turns": np.rot90(new, 1, (2, 3)).copy(),
    }
    sets = {
        "digits": ("mnist", "fashion-mnist", "letters"),
        "mnist": ("fashion-mnist", "letters"),
        "fashion-mnist": ("mnist", "letters"),
        "faces": ("nature", "mnist", "fashion-mnist"),
    }[name]
    return made | {other: _resized(piles[other][-OTHERS:], side) for other in sets if other in piles}


def _resized(images: Array, side: int) -> Array:
    """Return images (N, C, H, W) as grey images (N, 1, side, side)."""
    how = Image.Resampling.BOX if images.shape[-1] > side else Image.Resampling.BILINEAR
    pictures = (Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)) for image in images)
    return np.stack([np.asarray(picture.convert("L").resize((side, side), how)) for picture in pictures])[:, None]


def _summed(figures: list[float]) -> dict[str, float]:
    return {"mean": statistics.mean(figures), "sd": statistics.stdev(figures) if len(figures) > 1 else 0.0}


if __name__ == "__main__":
    main()
