"""The examples of CONTRIBUTING.md work when written to their files in a copy of the package."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = re.compile(r"^`(src/narrows/[^`]+)`\n\n```(?:python|toml)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    examples = EXAMPLE.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    for name, content in examples:
        assert not (folder / name).exists()
        (folder / name).write_text(content, encoding="utf-8")
    return folder, [name for name, _ in examples]


def run(folder, *arguments):
    environment = os.environ | {"PYTHONPATH": str(folder / "src")}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True
    ).stdout


def test_there_is_one_example_of_each_kind(copy):
    rooms = [Path(name).parts[2] for name in copy[1]]
    assert sorted(rooms) == ["clustering", "data", "deep", "encoders", "nets", "objectives", "recipes", "steps"]


@pytest.mark.slow
def test_the_examples_work_together_from_the_command_line(copy):
    folder, _ = copy
    run(folder, "-c", "from narrows.cli import main; main()", "run", "sparse-stripes", "--out", "made")
    results = json.loads((folder / "made" / "results.json").read_text())
    assert results["codes/size"] == 4
    assert results["clustering/n_clusters"] >= 2
    assert {"medoids/distance", "time/medoids_s"} <= results.keys()
    lines = (folder / "made" / "medoids.csv").read_text().splitlines()
    assert len(lines) == 1 + results["clustering/n_clusters"]
    assert results["reconstruction/explained" if "reconstruction/explained" in results else "reconstruction/psnr"] > 0


@pytest.mark.slow
def test_a_clustering_that_trains_is_a_run_and_an_estimator_as_it_is(copy):
    folder, _ = copy
    asked = [
        "clustering.name=denoising-kmeans",
        "clustering.epochs=2",
        "clustering.n_clusters=4",
        "projection.name=pca",
    ]
    code = "import sys; from narrows.cli import main; main()"
    run(folder, "-c", code, "run", "stripes", *(text for one in asked for text in ("--set", one)), "--out", "trained")
    assert json.loads((folder / "trained" / "results.json").read_text())["clustering/n_clusters"] >= 2
    answers = run(
        folder,
        "-c",
        "import narrows; run = narrows.Run('trained'); found = run.assign('stripes'); print(len(found[0]))\n"
        "from narrows.data.named.stripes import stripes\n"
        "made = narrows.ImageClusterer(4, method='denoising-kmeans', options={'epochs': 1}, random_state=0)\n"
        "print(len(made.fit(stripes()).labels_))",
    )
    assert answers.split() == ["400", "400"]


@pytest.mark.slow
def test_a_run_encodes_by_the_encoder_that_was_added_and_so_do_new_data(copy):
    folder, _ = copy
    narrows = ("-c", "from narrows.cli import main; main()")
    run(
        folder,
        *narrows,
        "run",
        "stripes",
        "--set",
        "encoder.name=random-axes",
        "--set",
        "encoder.n_axes=3",
        "--set",
        "projection.name=pca",
        "--out",
        "coded",
    )
    assert json.loads((folder / "coded" / "results.json").read_text())["codes/size"] == 3
    run(folder, *narrows, "encode", "coded", "stripes", "--out", "codes.npy")
    assert (folder / "codes.npy").read_bytes() == (folder / "coded" / "codes.npy").read_bytes()


@pytest.mark.slow
def test_the_registry_wide_tests_take_the_examples_up(copy):
    folder, _ = copy
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    output = run(
        folder,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=",
        "-o",
        "markers=slow",
        "tests/test_every_net_and_objective.py",
        "tests/clustering",
        "tests/encoders",
        "tests/deep/test_every_deep_clustering.py",
        "-k",
        "linear and sparse or farthest or random-axes or denoising-kmeans and not stopped",
    )
    assert re.search(r"^[1-9][0-9]* passed", output, re.MULTILINE), output


def test_the_examples_keep_the_projects_style(copy):
    folder, names = copy
    python = [name for name in names if name.endswith(".py")]
    run(folder, "-m", "ruff", "check", "--config", str(ROOT / "pyproject.toml"), *python)
