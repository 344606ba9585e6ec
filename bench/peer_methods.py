"""What other libraries, and narrows, make of the same images; each is run in a process of its own.

    PYTHON bench/peer_methods.py "DEC" images.npz made.npz --seed 0

It is run by the Python of an environment that has the library, which need not have narrows. Every library is called as
in its documentation, with its default settings; what has no default, such as the number of clusters, is given. The call
is written out with each peer, and is what runs.

``images.npz`` has "images" uint8 (N, H, W), "held_out" uint8 (M, H, W) and "folder", where the images that have copies
are PNG files. ``made.npz`` receives the arrays that the peer makes, and "seconds", the wall time of the call alone:
without imports and reading, but with what a library compiles when it is first called.
"""
# The libraries are not installed where types are checked:
# mypy: disable-error-code="import-not-found, import-untyped, misc, no-any-return, unused-ignore"

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
CLUSTERS, CODE = 10, 10
DECLARED: list[Any] = []  # operators, which go when what declared them is freed


@dataclass(frozen=True)
class Given:
    """What a peer works on.

    Parameters
    ----------
    images, held_out : uint8 (N, H, W) and (M, H, W); nothing is learned from those held out
    folder : of the image files among which copies are looked for
    seed : of all random numbers
    """

    images: Array
    held_out: Array
    folder: str
    seed: int

    @property
    def rows(self) -> Array:
        """The images as float32 (N, H * W) from 0 to 1."""
        return self.images.reshape(len(self.images), -1).astype(np.float32) / 255


# Imports what it needs, prepares the input, and returns the call: () -> the arrays it makes.
Prepare = Callable[[Given], Callable[[], dict[str, Array]]]


@dataclass(frozen=True)
class Peer:
    """A method of a library.

    Parameters
    ----------
    task : "clusters", "codes", "map" or "copies"
    name : as the table has it
    package : as the registry has it
    call : how it is called, for the table
    prepare : see above
    """

    task: str
    name: str
    package: str
    call: str
    prepare: Prepare


def _clustpy(name: str, **options: Any) -> Prepare:
    def prepare(given: Given) -> Callable[[], dict[str, Array]]:
        _declare_operators_of_torchvision()
        from clustpy import deep

        rows = given.rows
        made = getattr(deep, name)(n_clusters=CLUSTERS, random_state=given.seed, **options)
        return lambda: {"clusters": made.fit(rows).labels_}

    return prepare


def _declare_operators_of_torchvision() -> None:
    """Let torchvision be imported beside a torch that it was not compiled for.

    The registry's torchvision is compiled for torch with CUDA. Beside the processor's build its operators are missing,
    and importing it fails at two that it describes. ClustPy uses none of them.
    """
    import torch

    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        DECLARED.append(torch.library.Library("torchvision", "DEF"))  # type: ignore[no-untyped-call]
        for operator in ("nms", "qnms"):
            DECLARED[0].define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def _clustpy_n2d_umap(given: Given) -> Callable[[], dict[str, Array]]:
    from umap import UMAP

    return _clustpy("N2D", manifold_class=UMAP)(given)


def _sklearn_kmeans(given: Given) -> Callable[[], dict[str, Array]]:
    from sklearn.cluster import KMeans

    rows = given.rows
    return lambda: {"clusters": KMeans(CLUSTERS, random_state=given.seed).fit_predict(rows)}


def _sklearn_mixture(given: Given) -> Callable[[], dict[str, Array]]:
    from sklearn.mixture import GaussianMixture

    rows = given.rows
    return lambda: {"clusters": GaussianMixture(CLUSTERS, random_state=given.seed).fit_predict(rows)}


def _faiss_kmeans(given: Given) -> Callable[[], dict[str, Array]]:
    import faiss

    rows = given.rows

    def call() -> dict[str, Array]:
        made = faiss.Kmeans(rows.shape[1], CLUSTERS, seed=given.seed)
        made.train(rows)
        return {"clusters": made.index.search(rows, 1)[1][:, 0]}

    return call


def _ours_clusters(method: str) -> Prepare:
    def prepare(given: Given) -> Callable[[], dict[str, Array]]:
        from narrows import ImageClusterer

        made = ImageClusterer(CLUSTERS, method=method, random_state=given.seed)
        return lambda: {"clusters": made.fit(given.images).labels_}

    return prepare


def _pythae(given: Given) -> Callable[[], dict[str, Array]]:
    import os

    os.environ["TQDM_DISABLE"] = "1"
    import torch
    from pythae.models import AE, AEConfig
    from pythae.pipelines import TrainingPipeline
    from pythae.trainers import BaseTrainerConfig

    def scaled(images: Array) -> Any:
        return torch.from_numpy(images[:, None].astype(np.float32) / 255)

    images, held_out = scaled(given.images), scaled(given.held_out)

    def call() -> dict[str, Array]:
        model = AE(AEConfig(input_dim=tuple(images.shape[1:]), latent_dim=CODE))
        with tempfile.TemporaryDirectory() as folder:
            config = BaseTrainerConfig(output_dir=folder, seed=given.seed)
            TrainingPipeline(model=model, training_config=config)(train_data=images)
        model.eval()
        return {
            "codes": model.embed(images).detach().numpy(),
            "drawn": model.reconstruct(held_out).detach().numpy()[:, 0],
        }

    return call


def _ours_codes(given: Given) -> Callable[[], dict[str, Array]]:
    from narrows import Autoencoder

    made = Autoencoder(CODE, random_state=given.seed)

    def call() -> dict[str, Array]:
        codes = made.fit(given.images).transform(given.images)
        drawn = made.inverse_transform(made.transform(given.held_out))
        return {"codes": codes, "drawn": drawn.reshape(given.held_out.shape)}

    return call


def _umap(given: Given) -> Callable[[], dict[str, Array]]:
    from umap import UMAP

    rows = given.rows
    return lambda: {"map": UMAP(random_state=given.seed).fit_transform(rows)}


def _opentsne(given: Given) -> Callable[[], dict[str, Array]]:
    from openTSNE import TSNE

    rows = given.rows
    return lambda: {"map": np.asarray(TSNE(random_state=given.seed).fit(rows))}


def _sklearn_tsne(given: Given) -> Callable[[], dict[str, Array]]:
    from sklearn.manifold import TSNE

    rows = given.rows
    return lambda: {"map": TSNE(random_state=given.seed).fit_transform(rows)}


def _ours_map(name: str) -> Prepare:
    def prepare(given: Given) -> Callable[[], dict[str, Array]]:
        from narrows.projection import methods

        rows, made = given.rows, methods.get(name)(seed=given.seed)
        return lambda: {"map": made.fit(rows).map_}

    return prepare


def _cleanvision(given: Given) -> Callable[[], dict[str, Array]]:
    from cleanvision import Imagelab

    names = [path.name for path in sorted(Path(given.folder).iterdir())]

    def call() -> dict[str, Array]:
        found = Imagelab(data_path=given.folder, verbose=False)
        found.find_issues({"exact_duplicates": {}, "near_duplicates": {}}, verbose=False)
        sets = found.info["exact_duplicates"]["sets"] + found.info["near_duplicates"]["sets"]
        return {"groups": _numbered([[Path(path).name for path in group] for group in sets], names)}

    return call


def _ours_copies(given: Given) -> Callable[[], dict[str, Array]]:
    import narrows
    from narrows.evaluation import copies

    names = [path.name for path in sorted(Path(given.folder).iterdir())]

    def call() -> dict[str, Array]:
        data = narrows.open(given.folder, labels="none")
        groups = [[Path(data.ids[copy.row]).name for copy in group] for group in copies.find(data).groups]
        return {"groups": _numbered(groups, names)}

    return call


def _numbered(groups: list[list[str]], names: list[str]) -> Array:
    """Return the number of the group (N,) of each file, -1 for none. Groups that share a file are one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    row = {name: i for i, name in enumerate(names)}
    pairs = [(row[group[0]], row[name]) for group in groups for name in group[1:]]
    first, second = np.array(pairs, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(len(names), len(names)))
    number = connected_components(graph, directed=False)[1]
    counted = np.bincount(number)
    return np.where(counted[number] > 1, number, -1)


def _ours(method: str) -> Peer:
    call = f'ImageClusterer(10, method="{method}", random_state=seed)'
    return Peer("clusters", f"narrows, {method}", "narrows", call, _ours_clusters(method))


PEERS = [
    _ours("agreement"),
    *(_ours(method) for method in ("dec", "idec", "n2d", "vade", "kmeans")),
    *(
        Peer("clusters", f"ClustPy, {name}", "clustpy", f"{name}(10, random_state=seed)", _clustpy(name))
        for name in ("DEC", "IDEC", "VaDE", "N2D")
    ),
    Peer(
        "clusters",
        "ClustPy, N2D with UMAP",
        "clustpy",
        "N2D(10, manifold_class=UMAP, random_state=seed)",
        _clustpy_n2d_umap,
    ),
    Peer("clusters", "scikit-learn, k-means", "scikit-learn", "KMeans(10, random_state=seed)", _sklearn_kmeans),
    Peer(
        "clusters",
        "scikit-learn, Gaussian mixture",
        "scikit-learn",
        "GaussianMixture(10, random_state=seed)",
        _sklearn_mixture,
    ),
    Peer("clusters", "faiss, k-means", "faiss-cpu", "Kmeans(784, 10, seed=seed)", _faiss_kmeans),
    Peer("codes", "narrows, Autoencoder", "narrows", "Autoencoder(10, random_state=seed)", _ours_codes),
    Peer("codes", "pythae, AE", "pythae", "AEConfig(latent_dim=10), BaseTrainerConfig(seed=seed)", _pythae),
    Peer("map", "narrows, tsne", "narrows", "TSNE(seed=seed)", _ours_map("tsne")),
    Peer("map", "openTSNE", "openTSNE", "TSNE(random_state=seed)", _opentsne),
    Peer("map", "scikit-learn, t-SNE", "scikit-learn", "TSNE(random_state=seed)", _sklearn_tsne),
    Peer("map", "narrows, umap", "narrows", "UMAP(seed=seed)", _ours_map("umap")),
    Peer("map", "umap-learn", "umap-learn", "UMAP(random_state=seed)", _umap),
    Peer("copies", "narrows, copies", "narrows", "copies.find(folder)", _ours_copies),
    Peer("copies", "cleanvision", "cleanvision", 'find_issues(["exact_duplicates", "near_duplicates"])', _cleanvision),
]


def main() -> None:
    """Run one peer, and save what it makes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=[peer.name for peer in PEERS])
    parser.add_argument("images", type=Path)
    parser.add_argument("made", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    peer = next(peer for peer in PEERS if peer.name == asked.peer)
    with np.load(asked.images, allow_pickle=False) as held:
        given = Given(held["images"], held["held_out"], str(held["folder"]), asked.seed)
    call = peer.prepare(given)
    start = time.perf_counter()
    arrays = call()
    seconds = time.perf_counter() - start
    np.savez(asked.made, allow_pickle=False, seconds=seconds, **arrays)
    print(json.dumps({"version": version(peer.package)}))


if __name__ == "__main__":
    main()
