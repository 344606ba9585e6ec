import hashlib
import json
import re
import signal
import subprocess
import sys

import httpx
import numpy as np
import pytest

from commands import narrows
from narrows import pipeline
from narrows.recipes import recipe as recipes

NARROWS = [sys.executable, "-c", "from narrows.cli import main; main()"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    overrides = ["data.limit=100", "train.epochs=1", "projection.name=pca"]
    return pipeline.run(recipes.load("default", overrides), tmp_path_factory.mktemp("runs") / "run").folder


def test_the_explorer_is_served_until_it_is_ended(folder):
    served = subprocess.Popen([*NARROWS, "explore", str(folder), "--no-open"], stdout=subprocess.PIPE, text=True)
    try:
        address, token = re.search(r"(http://127\.0\.0\.1:\d+/)#token=(\S+)", served.stdout.readline()).groups()
        assert "explorer" in httpx.get(address).text
        assert httpx.get(f"{address}api/runs/0/edits").status_code == 401
        assert httpx.get(f"{address}api/runs/0/edits", headers={"Authorization": f"Bearer {token}"}).json() == {
            "edits": []
        }
        assert "another explorer" in narrows("explore", folder, "--no-open", code=2)
    finally:
        served.send_signal(signal.SIGINT)
    assert served.wait(20) in (0, 130)


def test_the_page_is_written_again(folder):
    (folder / "explorer.html").unlink()
    narrows("explore", folder, "--rebuild")
    assert (folder / "explorer.html").stat().st_size > 50_000


def test_its_help_says_what_to_install():
    said = " ".join(narrows("explore", "--help").split())
    assert "export folders. Needs: pip install 'narrows[serve]'." in said


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    assert "run must be a folder that `narrows run` made" in narrows("explore", tmp_path, code=2)


def test_what_a_person_made_survives_an_overwrite(folder, tmp_path):
    import shutil

    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    (copy / "edits.jsonl").write_text("mine\n")
    (copy / "exports" / "x").mkdir(parents=True)
    (copy / "exports" / "x" / "1.png").write_bytes(b"1")
    recipe = recipes.load(str(copy / "recipe.toml"), ["seed=1"])
    pipeline.run(recipe, copy, overwrite=True)
    assert (copy / "edits-1.jsonl").read_text() == "mine\n"
    assert (copy / "exports" / "x" / "1.png").read_bytes() == b"1"
    assert not (copy / "edits.jsonl").exists()


def test_a_run_that_is_open_in_an_explorer_is_not_overwritten(folder):
    from narrows.explorer.edits import EditLog
    from narrows.explorer.page import read

    log = EditLog(folder, read(folder / "explorer.html").header["run"], np.load(folder / "clusters.npy"))
    log.append({"names": {"0": "mine"}})
    again = [*NARROWS, "run", str(folder / "recipe.toml"), "--out", str(folder), "--overwrite"]
    done = subprocess.run(again, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "open in an explorer" in done.stderr
    log.append({"names": {"1": "mine too"}})
    log.close()
    assert log.state().names == {0: "mine", 1: "mine too"}


def test_the_code_that_a_stranger_names_in_a_recipe_is_not_run(folder, tmp_path):
    import shutil

    copy = tmp_path / "run"
    shutil.copytree(folder, copy)
    text = (copy / "recipe.toml").read_text()
    mark = tmp_path / "was-run"
    text = re.sub(r"(?s)\[clustering\].*?\n\n", f'[clustering]\nname = "os:system"\ncommand = "touch {mark}"\n\n', text)
    (copy / "recipe.toml").write_text(text.replace('source = "digits"', 'source = "os:getcwd"'))
    assert "os:system" in (copy / "recipe.toml").read_text()
    assert "recipe.toml" in narrows("explore", copy, "--rebuild", code=2)
    manifest = json.loads((copy / "manifest.json").read_text())  # a stranger can write hashes, too
    manifest["files"]["recipe.toml"] = hashlib.sha256((copy / "recipe.toml").read_bytes()).hexdigest()
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert "--trust-code" in narrows("explore", copy, "--rebuild", notes=True)
    assert not mark.exists()


def test_labels_of_a_table_are_read_by_their_own_option(tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("id,label\n" + "".join(f"{row},{'even' if row % 2 == 0 else 'odd'}\n" for row in range(1797)))
    out = tmp_path / "run"
    quick = ["--set", "data.limit=80", "--set", "train.epochs=1", "--set", "projection.name=pca"]
    narrows("run", "digits", "--labels", table, "--out", out, *quick)
    assert json.loads((out / "results.json").read_text())["data/classes"] == 2


def test_a_port_that_is_none_is_refused():
    assert "65535" in narrows("explore", "x", "--port", 65536, code=2)
