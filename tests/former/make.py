"""Make the files in this folder: small runs, models and clusterers from narrows 0.1.0, before steps had records.

They must still open and give the same bits, so they were made once, by that version, and are kept. Run in this folder
with commit c766dad: ``python make.py``.
"""

import json
import os
import shutil
from pathlib import Path

import numpy as np
from narrows.files import write_arrays

import narrows
from narrows import codes as coding
from narrows import deep, pipeline
from narrows.deep import Stages, _autoencoder, agreement, imsat
from narrows.recipes import recipe as recipes

MADE = Path(__file__).parent / "made"
SMALL = (
    "net.name=dense",
    "net.hidden=[16]",
    "net.code_size=4",
    "train.epochs=3",
    "projection.name=pca",
    "data.source=images.npz",
    "clustering.n_clusters=3",
)
BEGUN = ("manifest.json", "recipe.toml", "environment.json", "results.json", "tables.json")
METHODS = ("autoencoder-kmeans", "dec", "idec", "vade", "n2d", "imsat")


def images(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy images uint8 (N, 8, 8) of three kinds of bars, and their kinds."""
    rng = np.random.default_rng(seed)
    kinds = np.arange(count) % 3
    pictures = rng.integers(0, 60, (count, 8, 8))
    for picture, kind in zip(pictures, kinds, strict=True):
        place = rng.integers(2, 6)
        picture[place - 1 : place + 1] += 150 * (kind != 1)
        picture[:, place - 1 : place + 1] += 150 * (kind != 0)
    return pictures.clip(0, 255).astype(np.uint8), kinds


def main() -> None:
    shutil.rmtree(MADE, ignore_errors=True)
    MADE.mkdir()
    os.chdir(MADE)
    fitted, kinds = images(90, 0)
    fresh, _ = images(12, 1)
    np.savez_compressed("images.npz", X=fitted, y=kinds)
    said: dict[str, np.ndarray] = {"fresh": fresh}

    for name, recipe in (
        ("run", recipes.load("default", SMALL)),
        (
            "clusters",
            recipes.load(
                "clusters",
                (
                    "data.source=images.npz",
                    "clustering.n_clusters=3",
                    "clustering.layouts=1",
                    "clustering.epochs=2",
                    "clustering.code_size=4",
                    "projection.name=pca",
                ),
            ),
        ),
    ):
        run = pipeline.run(recipe, name)
        found = run.assign(fresh)
        model = run.model()
        said |= {
            f"{name}/codes": coding.encode(model, run.open_source(fresh).values),
            f"{name}/reconstructions": coding.reconstruct(model, run.open_source(fresh).values),
            f"{name}/clusters": found.clusters,
            f"{name}/confidence": found.confidence,
            f"{name}/novelty": found.novelty,
            f"{name}/map": run.projection().transform(run.array("codes")),
            f"{name}/samples": run.code_distribution().sample(5, 0),
        }
        shutil.rmtree(Path(name) / "checkpoints")
    shutil.rmtree("clusters/figures")  # those of the other are enough
    Path("clusters/report.html").unlink()
    shutil.copytree("run", "unfinished")
    manifest = json.loads(Path("unfinished/manifest.json").read_text())
    manifest["stages"] = {"train": manifest["stages"]["train"]}
    Path("unfinished/manifest.json").write_text(json.dumps(manifest))
    for path in Path("unfinished").iterdir():
        if path.name not in (*BEGUN, *manifest["stages"]["train"]["files"]):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    # As small as their methods allow.
    _autoencoder.HIDDEN, agreement.WIDTH, agreement.STEPS, agreement.VIEWED = (8,), 4, 20, 1000
    values = narrows.open(fitted).values
    for name in METHODS:
        arguments = {"epochs": 2}
        if name == "imsat":
            imsat.HIDDEN = [8]
        else:
            arguments["code_size"] = 3
        if name in ("dec", "idec"):
            arguments["rounds"] = 2
        clusterer = deep.methods.get(name)(n_clusters=3, seed=0, **arguments).fit(values, Stages())
        clusterer.save(name)
        said |= {
            f"{name}/shares": clusterer.assign(narrows.open(fresh).values),
            f"{name}/codes": clusterer.embed(narrows.open(fresh).values),
        }
    zipped = narrows.ImageClusterer(3, layouts=1, random_state=0).fit(fitted)
    zipped.save("image-clusterer.zip")
    said |= {
        "image-clusterer/shares": zipped.predict_proba(fresh),
        "image-clusterer/codes": zipped.transform(fresh),
        "image-clusterer/novelty": zipped.novelty(fresh),
    }
    dense = {"name": "dense", "hidden": [8]}
    autoencoder = narrows.Autoencoder(code_size=3, net=dense, epochs=2, random_state=0).fit(fitted)
    autoencoder.save("autoencoder")
    said |= {
        "autoencoder/codes": autoencoder.transform(fresh),
        "autoencoder/novelty": autoencoder.novelty(fresh),
        "autoencoder/samples": autoencoder.sample(4, random_state=0),
    }
    kmeans = narrows.NeuralKMeans(3, epochs=2, random_state=0).fit(fitted)
    kmeans.save("neural-kmeans")
    said |= {"neural-kmeans/distances": kmeans.transform(fresh), "neural-kmeans/novelty": kmeans.novelty(fresh)}
    classifier = narrows.Classifier(net={"name": "mlp", "hidden": [8]}, epochs=2, random_state=0).fit(fitted, kinds)
    classifier.save("classifier")
    said |= {"classifier/shares": classifier.predict_proba(fresh), "classifier/novelty": classifier.novelty(fresh)}
    write_arrays(MADE / "said.safetensors", {name: np.ascontiguousarray(array) for name, array in said.items()}, {})


if __name__ == "__main__":
    main()
