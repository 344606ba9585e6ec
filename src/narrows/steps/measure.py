"""The numbers: how good reconstructions, clusters and codes are, what is odd, and what is there twice."""

from __future__ import annotations

import numpy as np

from narrows.disk.files import Array
from narrows.encoders.pca import PCACodes
from narrows.encoding.encoder import Encoder
from narrows.evaluation import copies, summary
from narrows.evaluation.baseline import kmeans_on_pixels
from narrows.evaluation.neighbours import outlier_scores
from narrows.evaluation.novelty import NAME, Novelty
from narrows.report import tables
from narrows.steps import FITTED_BYTES, Job, Results, Step, some

__all__ = ["Measure"]


class Measure(Step):
    """Measure codes, reconstructions and clusters beside those of PCA and of pixels, and list what is worth a look."""

    after = ("cluster", "metadata", "project")
    files = ("predictions.csv", copies.NAME, "baseline.safetensors", NAME)
    seconds = (0.3, 1e-3)

    def do(self, job: Job) -> Results:
        """See ``Step``."""
        run, data, seed, encoder = job.run, job.data, job.recipe.seed, job.trained()
        codes, clusters, clusterer = run.array("codes"), run.array("clusters"), run.clusterer()
        loneliness = outlier_scores(run.neighbours()[1])  # (N,)
        found = copies.find(data, job.progress)
        copies.write_csv(found, data, run.folder / copies.NAME)
        errors = None  # (N,)
        with job.progress.task("measure", 5) as task:
            fitted = some(job.split.train, max(encoder.code_size, FITTED_BYTES // data.values[:1].nbytes), seed)
            baseline = PCACodes(encoder.code_size, seed=seed).fit(data.values[fitted])
            run.save_part("baseline", baseline.state(), {"shape": list(data.shape)})
            results: Results = found.results()
            compared = None if encoder.is_baseline else baseline
            if encoder.decodes:
                held_out = data.values[job.test]
                results |= summary.of_reconstruction(encoder, compared, held_out)
                if encoder.corrupts:
                    results |= summary.of_denoising(encoder, held_out, seed)
                errors = encoder.errors(data.values)
                results["reconstruction/error"] = float(errors.mean(dtype=np.float64))
            task.advance(text="novelty")
            novelty = _learn_novelty(job, encoder, codes, errors)  # (N,)
            task.advance(text="clusters")
            results |= summary.of_clustering(clusters, codes, data.labels, seed)
            pixels = kmeans_on_pixels(data.values, int(clusters.max()) + 1, seed)
            results |= summary.of_clustering(pixels, data.values, data.labels, seed, "pixels_")
            task.advance(text="probe")
            if data.labels is not None:
                linear_codes = None if compared is None else compared.encode(data.values)
                results |= summary.of_probe(codes, linear_codes, data.labels, job.split.train, job.split.test)
            task.advance(text="tables")
            tables.write_finds(run, data, clusters, loneliness, errors, novelty, found)
            confidence = clusterer.confidence(codes)
            tables.write_predictions(run, data, job.split, clusters, confidence, novelty, loneliness, errors)
            task.advance()
        return results


def _learn_novelty(job: Job, encoder: Encoder, codes: Array, errors: Array | None) -> Array:
    """Learn and keep what tells how unlike the fitted rows others are; return what it says of the run's own."""
    values, rows = job.data.values, np.arange(len(job.data))
    if job.clusterer.trains_network:  # with all rows
        fitted, held_out = rows, rows[:0]
    else:
        fitted, held_out = job.split.train, job.split.test if job.split.held_out else job.split.valid
    known = Novelty(job.recipe.seed).fit(
        encoder, values, lambda some: (codes[some], None if errors is None else errors[some]), fitted, held_out
    )
    job.run.save_part("novelty", known.state(), {})
    job.run.add_notes(known.notes)
    return known.novelty(encoder, values, codes, errors, rows)
