import base64
import hashlib
import io
import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from narrows import pipeline
from narrows.data.dataset import Dataset
from narrows.errors import RunFolderError
from narrows.explorer.bundle import gather
from narrows.explorer.opened import Opened
from narrows.explorer.page import asset, read, write
from narrows.recipes import recipe as recipes
from narrows.runs import Run
from narrows.steps import open_data
from resealing import reseal


@pytest.fixture(scope="module")
def page(finished):
    return read(finished.folder / "explorer.html")


def test_every_run_writes_one_file_that_needs_no_other(finished):
    text = (finished.folder / "explorer.html").read_text(encoding="utf-8")
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", text)
    assert "explorer.html" in finished.manifest["files"]
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text).group(1)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for name, tag in (("explorer.js", "script"), ("explorer.css", "style")):
        inline = re.search(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL).group(1)
        digest = base64.b64encode(hashlib.sha256(inline.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
        assert inline == asset(name)


def test_the_arrays_are_those_of_the_run(finished, rows, page):
    header = page.header
    clusters = np.load(finished.folder / "clusters.npy")
    assert (page.array(header["clusterOf"]) == clusters).all()
    points = page.array(header["points"]).reshape(-1, 2)
    known = np.load(finished.folder / "map.npy")
    assert np.abs(points).max() == pytest.approx(1, abs=1e-4)
    assert np.corrcoef(points[:, 0], known[:, 0])[0, 1] == pytest.approx(1)
    spans = np.ptp(points, axis=0) / np.ptp(known, axis=0)
    assert spans[0] == pytest.approx(spans[1], rel=1e-3)  # not stretched
    columns = {column["name"]: column for column in header["columns"]}
    assert set(columns) == {"confidence", "novelty", "error", "distance", "label", "split"}
    names, labels = columns["label"]["names"], page.array(columns["label"]["values"])
    assert [names[label] for label in labels] == [str(label) for label in rows.labels]
    with np.load(finished.folder / "neighbours.npz") as file:
        assert (page.array(header["neighbours"]["rows"]).reshape(300, 10) == file["indices"][:, :10]).all()


def test_a_thumbnail_is_the_image_itself(page, rows):
    sheets = page.header["pictures"]["images"]
    images, order = rows.values, page.array(page.header["order"])
    assert sorted(order) == list(range(300))
    for row in (0, 7, 299):
        place = int(np.flatnonzero(order == row)[0])
        sheet = np.asarray(
            Image.open(io.BytesIO(page.blobs[sheets["sheets"][place // sheets["perSheet"]]])).convert("L")
        )
        place %= sheets["perSheet"]
        top, left = place // sheets["across"] * sheets["height"], place % sheets["across"] * sheets["width"]
        assert np.abs(sheet[top : top + 8, left : left + 8].astype(int) - images[row, 0]).mean() < 3


def examples_of(page, cluster):
    """The examples of a cluster as found, and the rows of their parts, from the data of the page."""
    given = page.header["examples"]
    order, parts, clusters = (page.array(where) for where in (given["order"], given["parts"], page.header["clusterOf"]))
    mine = order[clusters[order] == cluster]
    of = parts[mine]
    first = np.flatnonzero(np.diff(of, prepend=-1))
    assert (np.diff(of) >= 0).all()
    return mine[first].tolist(), np.diff(first, append=len(mine)) / len(mine)


def test_examples_are_those_of_the_report(finished, page):
    for cluster in finished.tables["clusters"]:
        rows, shares = examples_of(page, cluster["cluster"])
        assert rows == [example["row"] for example in cluster["examples"]]
        assert shares == pytest.approx([example["share"] for example in cluster["examples"]])
    given, found = page.header["examples"], finished.examples()
    assert given["axes"] == found.centres.shape[1] == 8  # few enough to be given as they are
    np.testing.assert_array_equal(page.array(given["middles"]).reshape(-1, 8), found.centres.astype(np.float32))


def test_a_page_of_an_earlier_version_is_given_its_examples_when_opened(finished, page):
    earlier = read(finished.folder / "explorer.html")
    order = earlier.array(earlier.header["order"])
    del earlier.header["examples"]
    opened = Opened(finished, None, earlier, read_only=True)
    for cluster in finished.tables["clusters"]:
        assert examples_of(opened.bundle, cluster["cluster"])[0] == examples_of(page, cluster["cluster"])[0]
    assert (opened.bundle.array(opened.bundle.header["order"]) == order).all()  # thumbnails lie where they lay


def test_what_the_decoder_makes_is_beside_it(page):
    assert set(page.header["pictures"]) == {"images", "rebuilt", "cleaned"}


def test_a_hostile_name_stays_text(finished, tmp_path, monkeypatch):
    bundle = gather(finished, None)
    bundle.header["name"] = "</script><script>alert(1)</script>"
    monkeypatch.setattr("narrows.explorer.page.gather", lambda run, data: bundle)
    copy = type("Run", (), {"folder": tmp_path, "renew": staticmethod(lambda name, write: write())})()
    text = write(copy, None).read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert read(tmp_path / "explorer.html").header["name"] == bundle.header["name"]


def test_without_the_data_the_page_has_no_pictures_and_all_else(finished):
    bundle = gather(finished, None)
    assert bundle.header["pictures"] == {}
    assert bundle.header["rows"] == 300
    json.dumps(bundle.header, allow_nan=False)


def test_the_page_knows_the_copies_of_a_run(finished, tmp_path):
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    lines = [
        "group,id,row,path,kind,difference",
        "0,a,8,,first,0",
        "0,b,3,,exact,0",
        "1,c,5,,first,0",
        "1,d,6,,mirrored,0.01",
        ",e,7,,blank,",
    ]
    (folder / "duplicates.csv").write_text("\n".join(lines) + "\n")
    reseal(folder)
    bundle = gather(Run(folder), None)
    known = bundle.header["copies"]
    assert (known["groups"], known["rows"]) == (2, 4)
    assert bundle.array(known["groupOf"])[:9].tolist() == [-1, -1, -1, 0, -1, 1, 1, -1, 0]
    assert bundle.array(known["firsts"]).tolist() == [8, 5]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("duplicates.csv", "0,b,3,", "0,b,99999,"),
        ("duplicates.csv", "0,b,3,", "0,b,-1,"),
        ("duplicates.csv", "0,b,3,", "7,b,3,"),
        ("duplicates.csv", "0,b,3,", "0,b,8,"),
        ("duplicates.csv", "row", "rwo"),
        ("duplicates.csv", "0,b,3,", "0,b,three,"),
        ("predictions.csv", "cluster", "custer"),
        ("predictions.csv", "id,", "di,"),
        ("predictions.csv", "test,", "test,x"),
        ("predictions.csv", "train,", "train,x"),
    ],
)
def test_a_table_of_a_stranger_is_one_clear_error_that_names_the_file(finished, tmp_path, file, old, new):
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    (folder / "duplicates.csv").write_text("group,id,row,path,kind,difference\n0,a,8,,first,0\n0,b,3,,exact,0\n")
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    reseal(folder)
    with pytest.raises(RunFolderError, match=file.replace(".", r"\.")):
        gather(Run(folder), None)


@pytest.mark.parametrize(
    "change",
    [
        {"map.npy": np.zeros((299, 2))},
        {"map.npy": np.zeros((300, 3))},
        {"map.npy": np.full((300, 2), np.nan)},
        {"neighbours.npz": np.zeros((299, 15), int)},
        {"neighbours.npz": np.full((300, 15), 300)},
        {"neighbours.npz": np.zeros(300, int)},
    ],
)
def test_arrays_of_a_stranger_that_do_not_fit_the_rows_are_refused_by_name(finished, tmp_path, change):
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    ((file, array),) = change.items()
    if file.endswith(".npy"):
        np.save(folder / file, array)
    else:
        np.savez(folder / file, indices=array, distances=array.astype(float))
    reseal(folder)
    with pytest.raises(RunFolderError, match=file.replace(".", r"\.")):
        gather(Run(folder), None)


def test_a_run_of_a_former_version_has_pairs(finished, tmp_path):
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    (folder / "duplicates.csv").unlink()
    tables = json.loads((folder / "tables.json").read_text())
    del tables["copies"]
    pair = {"a": "1", "b": "4", "rows": [1, 4], "difference": 0.01, "exact": False}
    (folder / "tables.json").write_text(json.dumps(tables | {"duplicates": [pair]}))
    reseal(folder)
    bundle = gather(Run(folder), None)
    known = bundle.header["copies"]
    assert (known["groups"], known["rows"]) == (1, 2)
    assert np.flatnonzero(bundle.array(known["groupOf"]) == 0).tolist() == [1, 4]


def test_large_images_are_made_small_and_photographs_are_compressed(finished, monkeypatch):
    monkeypatch.setattr("narrows.explorer.bundle.REBUILT", 0)  # the run's decoder draws digits
    images = np.random.default_rng(0).integers(0, 256, (300, 3, 96, 128), dtype=np.uint8)
    bundle = gather(Run(finished.folder), Dataset(images))
    sheets = bundle.header["pictures"]["images"]
    assert (sheets["height"], sheets["width"], sheets["across"]) == (48, 64, 16)
    row = bundle.array(bundle.header["order"])[1]
    content = bundle.blobs[sheets["sheets"][0]]
    sheet = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    assert len(content) < 0.5 * sheet.size
    mean = images[row].reshape(3, 48, 2, 64, 2).mean((2, 4)).transpose(1, 2, 0)
    assert np.abs(sheet[:48, 64:128] - mean).mean() < 25


def test_a_page_that_is_none_is_refused(tmp_path):
    (tmp_path / "explorer.html").write_text("<html></html>")
    with pytest.raises(RunFolderError, match=r"explorer\.html must be undamaged.*--rebuild"):
        read(tmp_path / "explorer.html")


def test_vectors_have_a_map_and_no_pictures(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "rows.npy", rng.standard_normal((60, 5)).astype(np.float32))
    overrides = [
        f"data.source={tmp_path / 'rows.npy'}",
        "train.epochs=1",
        "projection.name=pca",
        "clustering.n_clusters=3",
    ]
    done = pipeline.run(recipes.load("default", overrides), tmp_path / "run")
    header = read(done.folder / "explorer.html").header
    assert header["kind"] == "vectors"
    assert header["pictures"] == {}
    assert (
        open_data(*recipes.data_of(done.folder / "recipe.toml")).fingerprint()
        == json.loads((done.folder / "environment.json").read_text())["data"]
    )
