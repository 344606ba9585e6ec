"""The main job on one page: open, train, encode, cluster, project, measure, draw, explore, report.

Each stage reads what the stages before it wrote and writes files of its own; a stage whose files are all there and
unchanged is not done again, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

import numpy as np

from narrows import codes as coding
from narrows import explorer, report
from narrows.clustering import Clusterer
from narrows.clustering.linear import Linear
from narrows.data.dataset import Dataset, all_finite
from narrows.data.open import open as open_source
from narrows.data.splits import Split, split
from narrows.deep import Stages
from narrows.deep import methods as deep_clusterings
from narrows.deep._autoencoder import with_decoder
from narrows.encoder import Encoder
from narrows.encoders import FittedEncoder, encoders
from narrows.encoders.pca import PCACodes
from narrows.errors import DataError, RecipeError, TrainingError
from narrows.evaluation import copies, signals, summary
from narrows.evaluation.baseline import kmeans_on_pixels
from narrows.evaluation.neighbours import outlier_scores
from narrows.evaluation.projection import trustworthiness
from narrows.files import Array, atomic_file, write_npy
from narrows.interrupt import Interrupt
from narrows.model import Model
from narrows.neighbours import nearest
from narrows.novelty import NAME as NOVELTY
from narrows.novelty import Novelty
from narrows.progress import Progress
from narrows.projection import methods as projections
from narrows.recipes.recipe import TRAINING, Data, Recipe, clusterings
from narrows.report import card, pictures, tables
from narrows.runs import Run
from narrows.training.loop import train

NEIGHBOURS = 15  # of each row, in code space: for outliers and UMAP
MEASURED = 10_000  # held-out rows at most on which reconstruction is measured
SAMPLES = 100  # generated to see whether they are all of one kind
FITTED_BYTES = 1 << 29  # of rows at most that are looked at together

Learned = Literal["all", "train"]  # rows


def run(
    recipe: Recipe,
    folder: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    interrupt: Interrupt | None = None,
    data: Dataset | None = None,
) -> Run:
    """Do the main job: from the recipe's source to a run folder with a report.

    Parameters
    ----------
    recipe : every setting
    folder : of the run; must not exist, unless ``resume`` (go on with it) or ``overwrite`` (replace it)
    progress : shows what is going on; quiet by default
    interrupt : asked while training whether to stop
    data : the data, where they do not come from ``recipe.data.source``

    Raises
    ------
    DataError, RecipeError, RunFolderError : the user's mistakes
    TrainingError : training diverged
    Interrupted : stopped by a signal; ``resume`` goes on
    """
    with Run.create(folder, resume=resume, overwrite=overwrite) as done:
        job = _Job(done, recipe, data, progress or Progress(), interrupt or Interrupt())
        done.stage("train" if job.trains else "fit", job.train, job.learned)
        done.stage("encode", job.encode, ["codes.npy", "neighbours.npz", *job.drawn_from])
        done.stage("cluster", job.cluster, ["clusters.npy", "clusterer.safetensors"])
        done.stage("project", job.project, ["map.npy", "projector.safetensors"])
        done.stage("measure", job.measure, ["predictions.csv", copies.NAME, "baseline.safetensors", NOVELTY])
        done.stage("judge", job.judge, [])
        done.stage("draw", job.draw, ["figures/*.png"])
        done.stage("explore", job.explore, [explorer.NAME])
        stages = sum(stage["seconds"] for stage in done.manifest["stages"].values())
        done.add_results({"time/total_s": stages + job.open_seconds, "time/open_s": job.open_seconds})
        card.write(done)
        report.build(done.folder)
        done.seal()
    return done


class _Job:
    """The stages, in order. What one needs of another it reads from the folder."""

    def __init__(
        self, run: Run, recipe: Recipe, data: Dataset | None, progress: Progress, interrupt: Interrupt
    ) -> None:
        self.run, self.progress, self.interrupt = run, progress, interrupt
        start = time.perf_counter()
        self.data = open_data(recipe.data, recipe.seed, progress) if data is None else _without_empty_labels(data)
        self.open_seconds = time.perf_counter() - start
        self.split: Split = split(self.data, valid=recipe.data.valid, test=recipe.data.test, seed=recipe.seed)
        self.recipe = recipe.resolve(self.data.shape, len(self.split.train))
        _check_obeyed(self.recipe, self.data, self.split)
        row_bytes = self.data.values[:1].nbytes
        self.test = _some(self.split.test, min(MEASURED, max(1, FITTED_BYTES // (4 * row_bytes))), recipe.seed)
        self.preprocessing = self.data.provenance.get("preprocessing")
        self.trains = self.recipe.trains_network
        # Before anything of a former run is replaced: an encoder that cannot be built is found out here.
        self.encoder = self._new_encoder()
        self.learned = [*self.encoder.files, *(["history.jsonl"] if self.trains else [])]
        self.drawn_from = ["sampler.safetensors"] if self.trains or self.encoder.decodes else []
        run.begin(self.recipe.as_dict(), self.recipe.as_toml(), self.data.fingerprint())
        tables.describe_data(run, recipe.name, self.data, self.split)

    def _new_encoder(self) -> Model | FittedEncoder:
        """Return the encoder as it is before it has learned from any row."""
        recipe = self.recipe
        if self.trains:
            return Model(
                self.data.shape, recipe.net.model_dump(), recipe.objective.model_dump(), seed=recipe.seed,
                preprocessing=self.preprocessing,
            )  # fmt: skip
        fitted: FittedEncoder = encoders.get(recipe.encoder.name)(seed=recipe.seed, **recipe.encoder.arguments())
        fitted.check_rows(self.data.shape, len(self.split.train))
        return fitted

    def train(self) -> summary.Results:
        if self.recipe.clustering.name in TRAINING:
            return self._train_by_clustering()
        if isinstance(self.encoder, FittedEncoder):
            return self._fit(self.encoder)
        recipe, rows, model = self.recipe, self.split, self.encoder
        model.fit_scaling(self.data.values, rows.train)
        with self.interrupt.deferred():
            history = train(
                model, self.data.values, rows.train, rows.valid, recipe.train, seed=recipe.seed,
                folder=self.run.folder / "checkpoints", progress=self.progress, stop=self.interrupt,
                on_save=self.run.write_history,
            )  # fmt: skip
        return self._trained(model.cpu(), history, [history], network="train", decoder="train")

    def _train_by_clustering(self) -> summary.Results:
        """Let the clustering train its network, on all rows; no label is looked at."""
        chosen, data = self.recipe.clustering, self.data
        clusterer = deep_clusterings.get(chosen.name)(seed=self.recipe.seed, **chosen.arguments())
        stages = Stages(self.run.folder / "checkpoints", self.progress, self.interrupt)
        with self.interrupt.deferred():
            clusterer.fit(data.values, stages, preprocessing=data.provenance.get("preprocessing"))
            history = stages.histories.get(clusterer.training_, [])
            model = clusterer.model_
            if decodes := not model.objective.trains_decoder:
                # Clusters need none; to see what lies between images does. It learns from the rows that PCA does.
                rows = self.split
                model = with_decoder(model, data.values, rows.train, rows.valid, stages, self.recipe.seed)
        self.run.add_notes((
            f"The clustering {chosen.name} trained its own network, on all rows and without their labels.",
            *clusterer.notes,
        ))  # fmt: skip
        self.run.add_tables(clusterer.evidence())
        decoder: Learned = "train" if decodes else "all"
        return self._trained(model, history, stages.histories.values(), network="all", decoder=decoder)

    def _trained(
        self, model: Model, history: list[dict[str, float]], trainings: Iterable[list[dict[str, float]]], *,
        network: Learned, decoder: Learned,
    ) -> summary.Results:  # fmt: skip
        """Keep a model and the history of its training; ``trainings`` are all that there were.

        From which rows the ``network`` that makes the codes and its ``decoder`` learned is kept beside them.
        """
        model.write(self.run.folder)
        self.run.add_tables({
            "learned": {"network": network, "decoder": decoder, "parts_clusters": model.objective.parts_clusters},
        })  # fmt: skip
        self.run.write_history(history)
        if not history:
            return {"train/parameters": model.n_parameters()}
        last = history[-1]
        speeds = sorted(row["images_per_s"] for row in history)
        return {
            "train/loss": last["train/loss"],
            "train/valid_loss": min((row["valid/loss"] for row in history if "valid/loss" in row), default=None),
            "train/epochs": len(history),
            "train/steps": last["step"],
            "train/images_per_s": speeds[len(speeds) // 2],
            "train/seconds": sum(row["seconds"] for rows in trainings for row in rows),
            "train/parameters": model.n_parameters(),
        }

    def _fit(self, encoder: FittedEncoder) -> summary.Results:
        """Let an encoder that is no network learn from the training rows, or from as many as can be looked at."""
        values = self.data.values
        rows = _some(self.split.train, max(1, FITTED_BYTES // values[:1].nbytes), self.recipe.seed)
        with self.progress.task("fit"):
            encoder.fit(values[rows], preprocessing=self.preprocessing)
        encoder.write(self.run.folder)
        self.run.add_tables({
            "learned": {"network": "train", "decoder": "train", "parts_clusters": False},
            "encoder": {"title": encoder.title, "is_baseline": encoder.is_baseline},
        })  # fmt: skip
        return {}

    def encode(self) -> summary.Results:
        folder = self.run.folder
        codes = self._trained_encoder().encode(self.data.values, self.progress)  # (N, K)
        if not all_finite(codes):
            remedy = "Lower train.lr, and start again." if self.trains else "Another encoder may do better."
            what = "Training diverged: codes are no longer finite" if self.trains else "Codes are no finite numbers"
            raise TrainingError(f"{what}. {remedy}")
        write_npy(folder / "codes.npy", codes)
        with self.progress.task("neighbours"):
            indices, distances = nearest(codes, NEIGHBOURS)  # (N, 15) each
        with atomic_file(folder / "neighbours.npz") as file:
            np.savez(file, indices=indices, distances=distances)
        if self.drawn_from:
            distribution = coding.CodeDistribution.fit(codes[self.split.train], seed=self.recipe.seed)
            self.run.save_part("sampler", distribution.state(), {})
        return summary.of_codes(codes)

    def cluster(self) -> summary.Results:
        chosen, codes = self.recipe.clustering, self._codes()
        with self.progress.task("cluster"):
            if chosen.name in TRAINING:
                clusterer: Clusterer = Linear.of_head(*_head(self.run.model()), codes)
                made_by = {"name": "linear", "n_clusters": clusterer.n_clusters}
            else:
                clusterer = clusterings(chosen.name).get(chosen.name)(seed=self.recipe.seed, **chosen.arguments())
                clusterer.fit(codes)
                made_by = chosen.model_dump()
        asked = chosen.arguments().get("n_clusters")  # of which there may be fewer
        asked = None if isinstance(asked, str) else asked
        write_npy(self.run.folder / "clusters.npy", clusterer.labels_)
        self.run.save_part("clusterer", clusterer.state(), made_by)
        self.run.add_notes(clusterer.notes)
        return {"clustering/n_clusters": int(clusterer.labels_.max()) + 1, "clustering/asked": asked}

    def project(self) -> summary.Results:
        codes, chosen = self._codes(), self.recipe.projection
        projection = projections.get(chosen.name)(seed=self.recipe.seed, **chosen.arguments())
        with self.progress.task("map"):
            projection.fit(codes, neighbours=self._neighbours())
        write_npy(self.run.folder / "map.npy", projection.map_)
        self.run.save_part("projector", projection.state(), chosen.model_dump())
        self.run.add_notes(projection.notes)
        return {"projection/trustworthiness": trustworthiness(codes, projection.map_, seed=self.recipe.seed)}

    def measure(self) -> summary.Results:
        data, seed, encoder = self.data, self.recipe.seed, self._trained_encoder()
        codes, clusters, clusterer = self._codes(), self.run.array("clusters"), self.run.clusterer()
        _, distances = self._neighbours()
        loneliness = outlier_scores(distances)  # (N,)
        found = copies.find(data, self.progress)
        copies.write_csv(found, data, self.run.folder / copies.NAME)
        errors = None  # (N,)
        with self.progress.task("measure", 5) as task:
            fitted = _some(self.split.train, max(encoder.code_size, FITTED_BYTES // data.values[:1].nbytes), seed)
            baseline = PCACodes(encoder.code_size, seed=seed).fit(data.values[fitted])
            self.run.save_part("baseline", baseline.state(), {"shape": list(data.shape)})
            results: summary.Results = found.results()
            compared = None if encoder.is_baseline else baseline
            if encoder.decodes:
                held_out = data.values[self.test]
                results |= summary.of_reconstruction(encoder, compared, held_out)
                if encoder.corrupts:
                    results |= summary.of_denoising(encoder, held_out, seed)
                errors = encoder.errors(data.values)
                results["reconstruction/error"] = float(errors.mean(dtype=np.float64))
            task.advance(text="novelty")
            novelty = self._learn_novelty(encoder, codes, errors)  # (N,)
            task.advance(text="clusters")
            results |= summary.of_clustering(clusters, codes, data.labels, seed)
            pixels = kmeans_on_pixels(data.values, int(clusters.max()) + 1, seed)
            results |= summary.of_clustering(pixels, data.values, data.labels, seed, "pixels_")
            task.advance(text="probe")
            if data.labels is not None:
                linear_codes = None if compared is None else compared.encode(data.values)
                results |= summary.of_probe(codes, linear_codes, data.labels, self.split.train, self.split.test)
            task.advance(text="tables")
            tables.write_finds(self.run, data, clusters, loneliness, errors, novelty, found)
            confidence = clusterer.confidence(codes)
            tables.write_predictions(self.run, data, self.split, clusters, confidence, novelty, loneliness, errors)
            task.advance()
        return results

    def _learn_novelty(self, encoder: Encoder, codes: Array, errors: Array | None) -> Array:
        """Learn and keep what tells how unlike the fitted rows others are; return what it says of the run's own."""
        values, rows = self.data.values, np.arange(len(self.data))
        if self.recipe.clustering.name in TRAINING:  # all rows trained
            fitted, held_out = rows, rows[:0]
        else:
            fitted, held_out = self.split.train, self.split.test if self.split.held_out else self.split.valid
        known = Novelty(self.recipe.seed).fit(
            encoder, values, lambda some: (codes[some], None if errors is None else errors[some]), fitted, held_out
        )
        self.run.save_part("novelty", known.state(), {})
        self.run.add_notes(known.notes)
        return known.novelty(encoder, values, codes, errors, rows)

    def judge(self) -> summary.Results:
        """Look for what went wrong, and keep it in tables.json."""
        run, data, encoder, clusterer = self.run, self.data, self._trained_encoder(), self.run.clusterer()
        clusters = run.array("clusters")
        centres = len(next(iter(clusterer.state().values())))  # those without members included
        samples = None  # (M,)
        if encoder.decodes:
            if encoder.normal_codes:
                drawn = coding.normal_codes(SAMPLES, encoder.code_size, self.recipe.seed)
            else:
                drawn = run.code_distribution().sample(SAMPLES, self.recipe.seed)
            made = encoder.decode(drawn)
            stored = np.rint(255 * made).astype(np.uint8) if data.is_images else made
            samples = np.bincount(clusterer.predict(encoder.encode(stored)), minlength=centres)
        kl = signals.kl_per_dimension(run.model(), data.values[self.test]) if encoder.trains_network else None
        found = signals.of_run(
            run.results, run.history, sizes=np.bincount(clusters, minlength=centres), samples=samples,
            codes=self._codes(), kl=kl, labels=data.labels,
            keep=self.recipe.train.keep,
        )  # fmt: skip
        run.add_tables({"signals": [asdict(signal) for signal in found]})
        return {}

    def draw(self) -> summary.Results:
        with self.progress.task("draw"):
            pictures.draw(self.run, self.data, self.test, self.recipe.seed)
        return {}

    def explore(self) -> summary.Results:
        with self.progress.task("explorer"):
            explorer.write(self.run, self.data)
        return {}

    def _trained_encoder(self) -> Encoder:
        return self.run.encoder(self.recipe.train.device)

    def _codes(self) -> Array:
        return self.run.array("codes")

    def _neighbours(self) -> tuple[Array, Array]:
        return self.run.neighbours()


def _check_obeyed(recipe: Recipe, data: Dataset, rows: Split) -> None:
    """Refuse what is asked of the division of the rows where these do not allow it."""
    if recipe.trains_network and recipe.clustering.name not in TRAINING:
        recipe.train.require_valid(len(rows.valid))
    for part in ("valid", "test"):
        share, default = getattr(recipe.data, part), getattr(Data(), part)
        if share != default and data.split is not None and (data.split == part).any():
            raise RecipeError(
                f"data.{part}", f"must be left out: the source itself says which rows are its {part} rows", value=share
            )


def _head(model: Model) -> tuple[Array, Array]:
    """Return the linear layer (M, K) and (M,) by which a network tells clusters apart; of a single one, zeros."""
    head = getattr(model.objective, "head", None)
    if head is None:
        return np.zeros((1, model.code_size)), np.zeros(1)
    return head.weight.detach().numpy(), head.bias.detach().numpy()


def open_data(asked: Data, seed: int, progress: Progress | None = None) -> Dataset:
    """Return the rows that a recipe speaks of; labels none of which is known are left out.

    Raises
    ------
    DataError : a source that cannot be opened, or fewer than two rows
    """
    data = open_source(asked.source, progress=progress, seed=seed, **asked.options())
    if len(data) < 2:
        raise DataError(
            "data", "must hold at least 2 images or vectors, or there is nothing to compare", value=f"{len(data)}",
            remedy="Point --data at a folder with more of them.",
        )  # fmt: skip
    return _without_empty_labels(data)


def _without_empty_labels(data: Dataset) -> Dataset:
    """Return data without labels where none is known, since there is nothing to score by."""
    if data.labels is None or (data.labels >= 0).any():
        return data
    return replace(data, labels=None, label_names=None, notes=(*data.notes, "No row has a label that is known."))


def _some(rows: Array, most: int, seed: int) -> Array:
    """Return ``rows``, or a seeded choice of ``most`` of them in order."""
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
