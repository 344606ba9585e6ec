"""What went wrong, if anything."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from narrows.encoding import codes as coding
from narrows.evaluation import signals
from narrows.steps import Job, Results, Step

__all__ = ["Judge"]

SAMPLES = 100  # generated to see whether they are all of one kind


class Judge(Step):
    """Look for signs that something went wrong, and keep them in tables.json."""

    after = ("measure",)

    def do(self, job: Job) -> Results:
        """See ``Step``."""
        run, data, seed, encoder, clusterer = job.run, job.data, job.recipe.seed, job.trained(), job.run.clusterer()
        clusters, centres = run.array("clusters"), clusterer.n_clusters_  # those without members included
        samples = None  # (M,)
        if encoder.decodes:
            if encoder.normal_codes:
                drawn = coding.normal_codes(SAMPLES, encoder.code_size, seed)
            else:
                drawn = run.code_distribution().sample(SAMPLES, seed)
            made = encoder.decode(drawn)
            stored = np.rint(255 * made).astype(np.uint8) if data.is_images else made
            samples = np.bincount(clusterer.predict(encoder.encode(stored)), minlength=centres)
        kl = signals.kl_per_dimension(run.model(), data.values[job.test]) if encoder.trains_network else None
        found = signals.of_run(
            run.results,
            run.history,
            sizes=np.bincount(clusters, minlength=centres),
            samples=samples,
            codes=run.array("codes"),
            kl=kl,
            labels=data.labels,
            keep=job.recipe.train.keep,
        )
        run.add_tables({"signals": [asdict(signal) for signal in found]})
        return {}
