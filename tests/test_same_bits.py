"""The same bits, whatever the number of threads."""

import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import hashlib, json, sys
import numpy as np
import narrows
from narrows.clustering.kmeans import KMeans
from narrows.clustering.mixture import Mixture
from narrows.deep.agreement import Agreement
from narrows.encoders.patches import PatchCodes
from narrows.encoders.pca import PCACodes
from narrows.projection.kernel_pca import KernelPCA
from narrows.projection.tsne import TSNE
from narrows.projection.umap import UMAP
from narrows.work.cores import usable_cores

def bits(*arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()

digits = narrows.open("digits")
values, labels = digits.values[:600], digits.labels[:600]
how = {"epochs": 2, "batch_size": 200, "train_options": {"lane_rows": 50}, "random_state": 0}
autoencoder = narrows.Autoencoder(code_size=8, **how).fit(values)
codes = autoencoder.transform(values)
classifier = narrows.Classifier(**how).fit(values, labels)
agreement = Agreement(10, 0, layouts=1, epochs=1, rounds=1, passes=1).fit(values)
patches = PatchCodes(16, side=3, stride=1, grid=2, patches=2000).fit(values)
found = {
    "autoencoder": bits(codes, autoencoder.inverse_transform(codes)),
    "classifier": bits(classifier.predict_proba(values)),
    "agreement": bits(agreement.labels_, agreement.assign(values), agreement.embed(values)),
    "k-means": bits(KMeans(10, 0).fit(codes).centers_),
    "mixture": bits(Mixture(10, 0).fit(codes).means_),
    "patches": bits(patches.centers_, patches.encode(values)),
    "pca": bits(PCACodes(8).fit(values).encode(values)),
    "kernel pca": bits(KernelPCA(0).fit(codes).map_),
    "t-SNE": bits(TSNE(0).fit(codes).map_),
    "UMAP": bits(UMAP(0).fit(codes).map_),
}
print(json.dumps({"cores": usable_cores(), "found": found}))
"""


@pytest.mark.slow(minutes=1)
def test_one_two_and_four_threads_give_the_same_bits(tmp_path):
    threads = (1, 2, 4)
    begun = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdout=subprocess.PIPE,
            cwd=tmp_path,
            env=os.environ
            | {"OMP_NUM_THREADS": str(count), "OPENBLAS_NUM_THREADS": str(count), "NUMBA_NUM_THREADS": str(count)},
        )
        for count in threads
    ]
    made = [json.loads(process.communicate(timeout=600)[0]) for process in begun]
    assert [one["cores"] for one in made] == list(threads)
    for one in made[1:]:
        assert one["found"] == made[0]["found"]
