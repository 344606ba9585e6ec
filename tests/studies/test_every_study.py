"""Every study that ships runs from end to end on a few rows."""

import os

import pytest

from narrows.studies import study as studies

NEEDS_DATA = {
    "denoising-digits",
    "neural-kmeans",
    "neural-kmeans-sweep",
    "gaussian-autoencoder",
    "colour-embedding",
    "letters-from-scratch",
    "letters-autoencoder",
    "fashion-classifiers",
    "fashion-autoencoders",
    "clustering",
    "clustering-methods",
}

LONG = {"clustering", "clustering-methods"}  # some thirty clusterings each


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in studies.builtin()]
)
def test_a_quick_look_at_it_works(name, tmp_path):
    if name in NEEDS_DATA and not os.environ.get("NARROWS_DATA"):
        pytest.skip("NARROWS_DATA is not set: its data are not here")
    chosen = studies.load(name)
    assert chosen.name == name
    found = studies.run(chosen, tmp_path / "out", quick=True)
    assert [entry["run"] for entry in found["runs"]] == [row.name for row in chosen.run]
    for line in found["figures"]:
        # A figure that is not found even here is a metric that the job does not return.
        assert line["metric"] in next(e for e in found["runs"] if e["run"] == line["run"])["metrics"], line["metric"]
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
