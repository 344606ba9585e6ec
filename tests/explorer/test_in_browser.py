"""Every action of a person in a browser, in both forms of the page, on a real run.

The run is of 600 images of MNIST; NARROWS_BROWSER_ROWS=70000 does the same on all of them, in about half an hour.
"""

import csv
import io
import json
import os
import re
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect, sync_playwright
from pyarrow import parquet

from narrows import pipeline
from narrows.data.named import named
from narrows.explorer import server as serving
from narrows.explorer.opened import Opened
from narrows.explorer.page import read
from narrows.figures.sheets import percent
from narrows.recipes import recipe as recipes
from narrows.report.verdict import signal_lines, verdict
from narrows.runs import Run
from narrows.steps import open_data

ROWS = int(os.environ.get("NARROWS_BROWSER_ROWS", "600"))
DRAWN = min(ROWS / 2, 20_000)  # pixels of the map that its points cover, at least
PATIENCE = 15_000 + ROWS  # milliseconds until something that was asked for must be there
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
    pytest.mark.usefixtures("undrawn"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short run on images of MNIST if available, otherwise on those of digits."""
    source = "mnist" if os.environ.get("NARROWS_DATA") and "mnist" in named.names() else "digits"
    overrides = [
        f"data.source={source}",
        f"data.limit={ROWS}",
        "train.epochs=2",
        "net.code_size=8",
        "objective.name=denoising",
        f"name={source}",
    ]
    return pipeline.run(recipes.load("default", overrides), tmp_path_factory.mktemp("runs") / "first")


@pytest.fixture(scope="module")
def second(run, tmp_path_factory):
    """Another run on the same images."""
    content = (run.folder / "recipe.toml").read_text().replace("code_size = 8", "code_size = 6")
    path = tmp_path_factory.mktemp("recipes") / "second.toml"
    path.write_text(content)
    return pipeline.run(recipes.load(str(path)), tmp_path_factory.mktemp("runs") / "second")


@pytest.fixture(scope="module")
def browser():
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as started:
        chromium = started.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def new_page(browser):
    """Opens a page; any error in it fails the test."""
    wrong = []
    contexts = []

    def open_page(address, **options):
        context = browser.new_context(accept_downloads=True, **({"viewport": {"width": 1280, "height": 800}} | options))
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: message.type == "error" and wrong.append(message.text))
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        page.wait_for_selector("#app[data-ready]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not wrong


class Served:
    """The server of a copy of a run, in a thread."""

    def __init__(self, runs):
        self.opened = [_opened(folder) for folder in runs]
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        assert self.ready.wait(PATIENCE / 1000)

    def _serve(self):
        def tell(address):
            self.address = address
            self.ready.set()

        serving.serve(self.opened, port=0, on_ready=tell)


def _opened(folder):
    run = Run(folder)
    data = open_data(*recipes.data_of(folder / "recipe.toml"))
    return Opened(run, data, read(folder / "explorer.html"))


@pytest.fixture
def served(run, second, tmp_path):
    made = []

    def serve(*, two=False):
        folders = []
        for name, one in (("first", run), ("second", second))[: 2 if two else 1]:
            shutil.copytree(one.folder, tmp_path / name)
            folders.append(tmp_path / name)
        made.append(Served(folders))
        return made[-1]

    yield serve
    for one in made:
        for opened in one.opened:
            opened.log.close()


@pytest.fixture(params=["file", "served"])
def page(request, run, new_page, served):
    made = new_page((run.folder / "explorer.html").as_uri() if request.param == "file" else served().address)
    made.form = request.param
    return made


def panel(page, name):
    page.click(f"[data-panel={name}]")


def count(page):
    found = re.match(r"([\d,]+) rows? selected", page.locator("section[aria-label=Selection] h2").inner_text())
    return int(found.group(1).replace(",", "")) if found else 0


def drag(page, places, *, modifiers=()):
    box = page.locator(".first .overlay").bounding_box()
    for key in modifiers:
        page.keyboard.down(key)
    for i, (x, y) in enumerate(places):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=3)
        if i == 0:
            page.mouse.down()
    page.mouse.up()
    for key in modifiers:
        page.keyboard.up(key)


def points_of(run):
    page = read(run.folder / "explorer.html")
    return page.array(page.header["points"]).reshape(-1, 2)


def on_screen(page, run):
    """The positions (N, 2) of the points in the window while the whole map is shown."""
    box = page.locator(".first .overlay").bounding_box()
    scale = min(box["width"], box["height"]) / 2.1
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    return np.array(middle) + points_of(run) * [scale, -scale]


def pixels(page):
    """The number of pixels of the map that are not empty, and of their colours, once there are as many as rows."""
    for _ in range(40):  # a page that has just changed draws in one of the next frames
        drawn, colours = _pixels(page)
        if drawn > DRAWN:
            break
        page.wait_for_timeout(100)
    return drawn, colours


def _pixels(page):
    return page.evaluate(
        """() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(async () => {
            const from = document.querySelector(".first .points");
            const copy = new OffscreenCanvas(from.width, from.height), context = copy.getContext("2d");
            document.querySelector(".first .zooms button:last-child").click();
            requestAnimationFrame(() => {
              context.drawImage(from, 0, 0);
              const found = context.getImageData(0, 0, copy.width, copy.height).data;
              let drawn = 0; const colours = new Set();
              for (let i = 0; i < found.length; i += 4) if (found[i + 3] > 60) {
                drawn++; colours.add(found[i] >> 4 << 8 | found[i + 1] >> 4 << 4 | found[i + 2] >> 4);
              }
              done([drawn, colours.size]);
            });
        })))"""
    )


# 1: fly over the map, in colours


def test_points_are_drawn_in_the_colours_of_clusters_labels_and_numbers(page):
    drawn, colours = pixels(page)
    assert drawn > DRAWN
    assert colours >= 8
    entries = page.locator(".legend .entry")
    assert entries.count() >= 9
    for by in ("label", "confidence", "novelty", "error", "distance", "review", "split"):
        page.select_option("header select", by)
        assert pixels(page)[0] > DRAWN
        assert page.locator(".legend").inner_text().strip()
    assert "colour=split" in page.url


def test_the_map_zooms_pans_and_shows_all(page):
    before = page.screenshot(clip=page.locator(".first .map").bounding_box())
    page.locator(".first .overlay").hover()
    page.mouse.wheel(0, -600)
    page.wait_for_url(re.compile("view="))
    assert page.screenshot(clip=page.locator(".first .map").bounding_box()) != before
    drag(page, [(0.5, 0.5), (0.7, 0.6)])
    page.keyboard.press("0")
    page.wait_for_url(lambda url: "view=" not in url)


def test_without_webgl_the_map_is_drawn_all_the_same_and_says_so(run, new_page):
    page = new_page((run.folder / "explorer.html").as_uri() + "?canvas")
    assert "without WebGL" in page.inner_text(".first .notice")
    drawn, colours = pixels(page)
    assert drawn > DRAWN
    assert colours >= 8


def test_the_verdict_is_that_of_the_report(page, run):
    page.click("header button:text-is('Verdict')")
    told = page.locator("dialog[open] p").all_inner_texts()
    assert told == [*verdict(run.results, run.tables), *signal_lines(run.tables)]
    assert len(told) >= 3
    page.click("dialog[open] button")


# 2: hover and click


def test_a_thumbnail_appears_on_hover_and_a_click_tells_all(page, run):
    points, (x, y) = points_of(run), on_screen(page, run)[7]
    page.mouse.move(x + 100, y + 100)
    page.mouse.move(x, y, steps=2)
    tip = page.locator(".first .tip")
    tip.wait_for(state="visible")
    row = int(tip.get_attribute("data-row"))
    assert np.hypot(*(points[row] - points[7])) < 0.05
    assert "confidence" in tip.inner_text()
    page.mouse.click(x, y)
    image = page.locator("section[aria-label=Image]")
    assert image.locator("figure").count() == 3  # as it is, rebuilt, cleaned
    assert re.search(r"rank [\d,]+ of " + f"{ROWS:,}", image.inner_text())
    assert image.locator(".sheet .cell").count() == 10
    image.locator(".sheet .cell").nth(2).click()
    assert re.search(r"row=\d+", page.url)


# 3: lasso, box, grid


def test_box_and_lasso_select_add_subtract_and_invert(page, run):
    size = page.locator(".first .overlay").bounding_box()
    page.keyboard.press("b")
    drag(page, [(0.2, 0.2), (0.6, 0.7)])
    boxed = count(page)
    shares = (on_screen(page, run) - [size["x"], size["y"]]) / [size["width"], size["height"]]
    assert boxed == pytest.approx(((shares > [0.2, 0.2]) & (shares < [0.6, 0.7])).all(1).sum(), abs=8 + ROWS // 1000)
    page.keyboard.press("l")
    drag(page, [(0.6, 0.2), (0.9, 0.2), (0.9, 0.8), (0.6, 0.8)], modifiers=["Shift"])
    added = count(page)
    assert added > boxed
    drag(page, [(0.6, 0.2), (0.9, 0.2), (0.9, 0.8), (0.6, 0.8)], modifiers=["Alt"])
    taken = count(page)
    assert taken <= boxed
    page.keyboard.press("i")
    assert count(page) == ROWS - taken
    assert page.locator("section[aria-label=Selection] .grid .cell").count() == min(120, ROWS - taken)
    page.keyboard.press("Escape")
    assert count(page) == 0
    page.keyboard.press("a")
    assert count(page) == ROWS


def test_the_keyboard_selects_what_the_window_of_the_map_shows(page, run):
    page.locator(".first .overlay").focus()
    page.keyboard.press("w")
    assert count(page) == ROWS
    for key in ("+", "+", "ArrowLeft"):
        page.keyboard.press(key)
    page.keyboard.press("w")
    shown = count(page)
    assert 0 < shown < ROWS
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+W")
    more = count(page)
    assert shown < more < ROWS
    page.keyboard.press("Alt+W")
    assert 0 < count(page) < more
    page.keyboard.press("0")
    page.keyboard.press("Alt+W")
    assert count(page) == 0
    # Where another letter lies in the place of w, it is that letter; and Alt may make a sign of w.
    press = "how => document.body.dispatchEvent(new KeyboardEvent('keydown', {bubbles: true, code: 'KeyW', ...how}))"
    page.evaluate(press, {"key": "z"})
    assert count(page) == 0
    page.keyboard.press("a")
    page.evaluate(press, {"key": "∑", "altKey": True})
    assert count(page) == 0


# 4: clusters


def test_clusters_are_renamed_merged_split_and_moved_and_undone(page):
    panel(page, "clusters")
    first = page.locator(".clusters > li").first
    number = first.get_attribute("data-cluster")
    first.get_by_role("button", name="Rename").click()
    page.keyboard.type("my <b>kind</b>")
    page.keyboard.press("Enter")
    page.locator(".clusters .name", has_text="my <b>kind</b>").wait_for()
    assert "%" in page.locator(f"[data-cluster='{number}'] .purity").inner_text()
    before = page.locator(".clusters > li").count()
    sizes = page.locator(".clusters .size").all_inner_texts()[:2]
    for i in (0, 1):
        page.locator(".clusters > li").nth(i).locator("input[type=checkbox]").check()
    page.get_by_role("button", name="Merge", exact=True).click()
    expect(page.locator(".clusters > li")).to_have_count(before - 1)
    merged = int(page.locator(".clusters .size").first.inner_text().replace(",", ""))
    assert merged == sum(int(size.replace(",", "")) for size in sizes)
    page.locator(".clusters > li").first.get_by_role("button", name="Split into").click()
    expect(page.locator(".clusters > li")).to_have_count(before)
    page.keyboard.press("z")
    expect(page.locator(".clusters > li")).to_have_count(before - 1)
    page.keyboard.press("z")
    expect(page.locator(".clusters > li")).to_have_count(before)
    assert page.locator(".clusters .size").all_inner_texts()[:2] == sizes
    page.keyboard.press("y")
    expect(page.locator(".clusters > li")).to_have_count(before - 1)
    # Move images to a cluster of their own.
    page.locator(".clusters .name").last.click()
    chosen = count(page)
    page.fill("section[aria-label=Selection] input", "apart")
    page.get_by_role("button", name="New cluster").click()
    panel(page, "clusters")
    apart = page.locator(".clusters > li", has=page.locator(".name", has_text="apart"))
    assert int(apart.locator(".size").inner_text().replace(",", "")) == chosen
    # Nothing is lost when the page is opened again.
    page.reload()
    page.wait_for_selector("#app[data-ready]")
    expect(page.locator(".clusters .name", has_text="apart")).to_have_count(1)


def examples_shown(page, cluster):
    """The rows that stand for a cluster on the page, and their shares as text."""
    shown = page.locator(f".clusters > li[data-cluster='{cluster}'] .examples")
    shares = shown.locator(".share").all_inner_texts()
    return [int(cell.get_attribute("data-row")) for cell in shown.locator(".cell").all()], shares


def test_examples_are_those_of_the_report_and_of_the_clusters_as_they_were_edited(page, run):
    panel(page, "clusters")
    listed = {cluster["cluster"]: cluster for cluster in run.tables["clusters"]}
    for cluster, found in listed.items():
        rows, shares = examples_shown(page, cluster)
        assert rows == [example["row"] for example in found["examples"]]
        assert shares == [percent(example["share"]) for example in found["examples"]]
    # Of two clusters merged both are seen, each by about its share.
    clusters = np.load(run.folder / "clusters.npy")
    sizes = np.bincount(clusters)
    one, other = (int(cluster) for cluster in (sizes.argmax(), len(sizes) - 1))
    for cluster in (one, other):
        page.locator(f".clusters > li[data-cluster='{cluster}'] input[type=checkbox]").check()
    page.get_by_role("button", name="Merge", exact=True).click()
    expect(page.locator(".clusters > li")).to_have_count(len(sizes) - 1)
    rows, shares = examples_shown(page, one)
    assert len(rows) == 8
    percents = [int(share.removesuffix(" %")) for share in shares]
    assert percents == sorted(percents, reverse=True)
    assert sum(percents) == pytest.approx(100, abs=4)
    wanted = 100 * sizes[other] / (sizes[one] + sizes[other])
    of_other = sum(percent for row, percent in zip(rows, percents, strict=True) if clusters[row] == other)
    assert of_other == pytest.approx(wanted, abs=12)
    # What was split off shows its own rows only, as many as there is room for.
    page.locator(f".clusters > li[data-cluster='{one}']").get_by_role("button", name="Split into").click()
    expect(page.locator(".clusters > li")).to_have_count(len(sizes))
    new = len(sizes)
    both = examples_shown(page, one)[0], examples_shown(page, new)[0]
    assert len(both[0]) == len(both[1]) == 8
    assert not set(both[0]) & set(both[1])
    assert set(clusters[both[0] + both[1]]) == {one, other}
    for _ in range(2):
        page.keyboard.press("z")
    expect(page.locator(f".clusters > li[data-cluster='{other}']")).to_have_count(1)
    assert examples_shown(page, one)[0] == [example["row"] for example in listed[one]["examples"]]


def test_the_queue_confirms_and_corrects_the_least_confident(page):
    panel(page, "queue")
    queue = page.locator(".queue")
    assert f"{ROWS:,} rows to look at" in queue.inner_text()
    page.keyboard.press("Enter")
    queue.get_by_text(f"{ROWS - 1:,} rows to look at").wait_for()
    page.keyboard.press("2")
    queue.get_by_text(f"{ROWS - 2:,} rows to look at").wait_for()
    page.keyboard.press("Space")
    first = queue.locator("figcaption").inner_text()
    page.keyboard.press("z")
    queue.get_by_text(f"{ROWS - 1:,} rows to look at").wait_for()
    assert first
    page.select_option("header select", "review")
    assert "confirmed" in page.locator(".legend").inner_text()


# 5: filters, search, finds, the address


def test_filters_and_search_show_less_and_the_address_keeps_the_view(page, run, new_page):
    panel(page, "filters")
    page.get_by_label("confidence: from").fill("0.5")
    page.keyboard.press("Tab")
    shown = page.locator("section[aria-label=Filters] .hint").first
    some = int(shown.inner_text().split(" of ")[0].replace(",", ""))
    known = read(run.folder / "explorer.html")
    values = known.array(next(column for column in known.header["columns"] if column["name"] == "confidence")["values"])
    assert some == (values >= 0.5).sum()
    page.locator("fieldset", has_text="split").get_by_role("button", name="none").click()
    assert shown.inner_text().startswith("0 of")
    page.locator("fieldset", has_text="split").get_by_role("button", name="all").click()
    page.fill("input[type=search]", "11")
    page.wait_for_url(re.compile("text=11"))
    page.press("input[type=search]", "Enter")
    found = count(page)
    matching = ["11" in name for name in known.texts(known.header["ids"])]
    assert 0 < found == ((values >= 0.5) & matching).sum()
    again = new_page(page.url)
    assert again.input_value("input[type=search]") == "11"
    again.keyboard.press("a")
    assert count(again) == found
    panel(page, "filters")
    page.get_by_role("button", name="Show everything").click()
    page.get_by_role("button", name="Select 100 outliers").click()
    assert count(page) == 100
    panel(page, "filters")
    page.get_by_label(re.compile("copies only")).check()
    assert f" of {ROWS:,}" in page.locator("section[aria-label=Filters] .hint").first.inner_text()


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    """A run of 300 digits with a table of metadata for all but one of them."""
    folder = tmp_path_factory.mktemp("described")
    rows = [(i, 2000 + i % 10, 1_700_000_000_123 + i, ("Rome", "Oslo", "")[i % 3], f"note {i}") for i in range(1, 1797)]
    with open(folder / "meta.csv", "w", newline="") as file:
        csv.writer(file).writerows([("id", "year", "time", "site, city", "note"), *rows])
    overrides = [
        "data.source=digits",
        "data.limit=1200",
        f"data.metadata={folder / 'meta.csv'}",
        "train.epochs=1",
        "net.code_size=8",
        "projection.name=pca",
        "name=described",
    ]
    return pipeline.run(recipes.load("default", overrides), folder / "run")


@pytest.mark.parametrize("form", ["file", "served"])
def test_metadata_colour_filter_are_searched_and_exported(described, new_page, form, tmp_path):
    if form == "file":
        page = new_page((described.folder / "explorer.html").as_uri())
    else:
        shutil.copytree(described.folder, tmp_path / "run")
        page = new_page(Served([tmp_path / "run"]).address)
    ids = [int(i) for i in read(described.folder / "explorer.html").texts(described_ids(described))]
    assert page.locator("header select option").all_inner_texts()[-4:] == [
        "year",
        "time",
        "site, city",
        "confirmed by you",
    ]
    page.select_option("header select", "year")
    assert page.locator(".legend").inner_text().split() == ["2000", "2009"]
    assert pixels(page)[1] >= 10
    page.select_option("header select", "site, city")
    assert page.locator(".legend .entry").all_inner_texts() == ["none", "Oslo", "Rome"]
    panel(page, "filters")
    shown = page.locator("section[aria-label=Filters] .hint").first
    sites = page.locator("fieldset", has_text="site, city")
    sites.get_by_role("button", name="none").click()
    sites.get_by_label(re.compile("Rome")).check()
    rome = [i for i in ids if i and i % 3 == 0]
    assert shown.inner_text().startswith(f"{len(rome):,} of")
    page.get_by_label("year: to").fill("2004")
    page.keyboard.press("Tab")
    early = [i for i in rome if i % 10 <= 4]
    assert shown.inner_text().startswith(f"{len(early):,} of")
    again = new_page(page.url)
    again.keyboard.press("a")
    assert count(again) == len(early)
    again.fill("input[type=search]", "NOTE 16")
    again.press("input[type=search]", "Enter")
    found = [i for i in early if str(i).startswith("16")]
    assert count(again) == len(found) > 1
    panel(again, "export")
    again.get_by_label("Rows:").select_option("selection")
    rows = list(csv.DictReader(io.StringIO(exported(again, "CSV").decode())))
    assert [(int(row["id"]), row["year"], row["time"], row["site, city"], row["note"]) for row in rows] == [
        (i, str(2000 + i % 10), str(1_700_000_000_123 + i), "Rome", f"note {i}") for i in found
    ]
    if form == "served":
        table = parquet.read_table(io.BytesIO(exported(again, "Parquet"))).to_pydict()
        assert table["time"] == [1_700_000_000_123 + i for i in found]
        assert table["note"] == [f"note {i}" for i in found]


def test_what_metadata_say_of_a_row_is_shown_beside_it(described, new_page):
    page = new_page((described.folder / "explorer.html").as_uri())
    ids = read(described.folder / "explorer.html").texts(described_ids(described))
    row = next(row for row, i in enumerate(ids) if int(i) and int(i) % 3 == 0)
    page.goto(f"{page.url.partition('#')[0]}#row={row}")
    i = int(ids[row])
    facts = page.locator("section[aria-label=Image] dl")
    expect(facts).to_contain_text(f"note {i}")
    for text in (str(2000 + i % 10), str(1_700_000_000_123 + i), "Rome"):
        assert text in facts.inner_text()


def described_ids(run):
    return read(run.folder / "explorer.html").header["ids"]


# 6: the decoder


def test_the_decoder_draws_where_one_drags_between_around_and_along(run, new_page, served):
    page = new_page(served().address)
    panel(page, "decoder")
    page.get_by_role("button", name="Draw on the map").click()
    drag(page, [(0.3, 0.3), (0.5, 0.5), (0.6, 0.4)])
    drawn = page.locator(".drawn.large img")
    drawn.wait_for()
    page.wait_for_timeout(400)
    first = drawn.get_attribute("src")
    sliders = page.locator(".sliders input")
    assert sliders.count() == 8
    sliders.first.fill(str(float(sliders.first.get_attribute("max")) * 0.9))
    expect(drawn).not_to_have_attribute("src", first)
    page.keyboard.press("v")
    for row, name in ((3, "First is this image"), (40, "Last is this image")):
        page.mouse.click(*on_screen(page, run)[row])
        page.get_by_role("button", name=name).click()
    page.locator("img[data-count='9']").wait_for()
    page.get_by_role("button", name="Draw around this image").click()
    page.locator("img[data-count='16']").wait_for()


def test_a_file_says_that_it_has_no_decoder(run, new_page):
    page = new_page((run.folder / "explorer.html").as_uri())
    panel(page, "decoder")
    assert "narrows explore" in page.inner_text("section[aria-label=Decoder]")


# 7: export


def exported(page, name):
    panel(page, "export")
    with page.expect_download() as started:
        page.locator("section[aria-label=Export]").get_by_role("button", name=name, exact=True).click()
    return Path(started.value.path()).read_bytes()


def test_what_is_selected_and_corrected_is_exported(page, run, tmp_path):
    page.locator(".clusters > li").first.get_by_role("button", name="Rename").click()
    page.keyboard.type('odd, "name"')
    page.keyboard.press("Enter")
    page.locator(".clusters .name", has_text="odd").click()
    chosen = count(page)
    panel(page, "export")
    page.get_by_label("Rows:").select_option("selection")
    rows = list(csv.DictReader(io.StringIO(exported(page, "CSV").decode())))
    assert len(rows) == chosen
    assert {row["cluster_name"] for row in rows} == {'odd, "name"'}
    assert len(json.loads(exported(page, "JSON"))) == chosen
    assert json.loads(exported(page, "Edits"))[0]["names"]
    # labels.csv is read back as labels.
    page.get_by_label("Rows:").select_option("all")
    (tmp_path / "labels.csv").write_bytes(exported(page, "labels.csv"))
    recipe = recipes.load(str(run.folder / "recipe.toml"), [f"data.labels={tmp_path / 'labels.csv'}"])
    data = open_data(recipe.data, recipe.seed)
    assert 'odd, "name"' in data.label_names
    assert (data.labels == data.label_names.index('odd, "name"')).sum() == chosen
    if page.form == "served":
        assert parquet.read_table(io.BytesIO(exported(page, "Parquet"))).num_rows == ROWS
        page.get_by_role("button", name="A folder per cluster: copies").click()
        page.get_by_text("written to exports/").first.wait_for()


def test_folders_and_edits_are_in_the_runs_folder(new_page, served):
    server = served()
    page = new_page(server.address)
    page.locator(".clusters .name").first.click()
    page.keyboard.press("c")
    page.locator(".status", has_text="Confirmed").wait_for()
    panel(page, "export")
    page.get_by_role("button", name="A folder per cluster: copies").click()
    page.get_by_text("written to exports/").first.wait_for()
    folder = server.opened[0].run.folder
    assert len(list((folder / "exports").rglob("*.png"))) == ROWS
    assert "confirm" in (folder / "edits.jsonl").read_text()


def test_a_dropped_image_finds_its_place(new_page, served, tmp_path):
    server = served()
    page = new_page(server.address)
    content = server.opened[0].picture(17)
    import base64

    page.evaluate(
        """content => {
            const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
            const moved = new DataTransfer();
            moved.items.add(new File([bytes], "new.png", {type: "image/png"}));
            document.dispatchEvent(new DragEvent("drop", {dataTransfer: moved, bubbles: true, cancelable: true}));
        }""",
        base64.b64encode(content).decode(),
    )
    page.get_by_text("nearest to the new image").first.wait_for()
    assert page.locator("section[aria-label=Selection] .cell[data-row='17']").count() == 1


# 8: two runs


def test_two_runs_are_compared_with_one_selection(run, second, new_page, served):
    page = new_page(served(two=True).address)
    page.wait_for_selector(".second .overlay")
    page.locator(".clusters .name").first.click()
    chosen = count(page)
    panel(page, "compare")
    assert f"{ROWS:,} rows in common" in page.inner_text("section[aria-label=Compare]")
    page.keyboard.press("b")
    box = page.locator(".second .overlay").bounding_box()
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 5, box["y"] + box["height"] - 5, steps=3)
    page.mouse.up()
    assert count(page) == ROWS != chosen


def test_a_file_opens_another_file_beside_it(run, second, new_page):
    page = new_page((run.folder / "explorer.html").as_uri())
    panel(page, "compare")
    page.set_input_files("section[aria-label=Compare] input[type=file]", second.folder / "explorer.html")
    page.wait_for_selector(".second .overlay")
    assert "adjusted Rand index" in page.inner_text("section[aria-label=Compare]")


# For everybody


@pytest.mark.parametrize(("width", "height"), [(390, 800), (1600, 900)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_cut_off_in_narrow_windows_or_in_the_dark(run, new_page, width, height, scheme):
    options = {"viewport": {"width": width, "height": height}, "color_scheme": scheme}
    page = new_page((run.folder / "explorer.html").as_uri(), **options)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    box = page.locator(".first .map").bounding_box()
    assert box["width"] >= min(width, 300)
    assert box["height"] >= 200
    for name in ("clusters", "selection", "image", "queue", "filters", "decoder", "compare", "export"):
        panel(page, name)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        cut = page.evaluate("""() => [...document.querySelectorAll("aside .panel *")]
            .filter(one => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".drawn, .tabs"))
            .map(one => one.outerHTML.slice(0, 80))""")
        assert cut == []


def test_two_windows_do_not_overwrite_each_other(run, browser, served):
    for address in ((run.folder / "explorer.html").as_uri(), served().address):
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        one, two = context.new_page(), context.new_page()
        for page in (one, two):
            page.goto(address)
            page.wait_for_selector("#app[data-ready]")
        rename(one, "first")
        rename(two, "second")  # knew nothing of the first
        two.locator(".status", has_text="another window").wait_for()
        expect(two.locator(".clusters .name", has_text="first")).to_have_count(1)
        rename(two, "second")
        two.reload()
        two.wait_for_selector("#app[data-ready]")
        expect(two.locator(".clusters .name", has_text="second")).to_have_count(1)
        context.close()


def rename(page, name):
    page.locator(".clusters > li").first.get_by_role("button", name="Rename").click()
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    page.wait_for_timeout(300)


def test_quick_keys_are_decisions_about_one_image_each(page):
    panel(page, "queue")
    for _ in range(4):
        page.keyboard.press("Enter")
        page.keyboard.press("2")
    page.wait_for_timeout(800)
    left = int(re.match(r"([\d,]+) rows", page.locator(".queue h2").inner_text()).group(1).replace(",", ""))
    panel(page, "export")
    page.get_by_label("Rows:").select_option("all")
    edits = json.loads(exported(page, "Edits"))
    decided = [row for edit in edits for row in edit["confirm"]]
    assert len(decided) == len(set(decided)) == ROWS - left
    page.keyboard.press("Control+2")
    assert len(json.loads(exported(page, "Edits"))) == len(edits)


def test_everything_that_can_be_used_has_a_name(page):
    for name in ("clusters", "selection", "image", "queue", "filters", "decoder", "compare", "export"):
        panel(page, name)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll("button, input, select, [role=application], [role=tab]")]
                .filter(one => !(one.ariaLabel || one.labels?.length || one.title))
                .filter(one => one.matches("select") || !one.textContent.trim())
                .map(one => one.outerHTML.slice(0, 120))"""
        )
        assert nameless == []


def test_hostile_names_run_no_script(page):
    page.locator(".clusters > li").first.get_by_role("button", name="Rename").click()
    page.keyboard.type("<img src=x onerror=document.title='taken'>")
    page.keyboard.press("Enter")
    page.locator(".clusters .name", has_text="onerror").wait_for()
    page.wait_for_timeout(200)
    assert page.title() != "taken"


def test_a_wrong_token_is_told_in_words(served, browser):
    address = served().address
    context = browser.new_context()
    page = context.new_page()
    page.goto(re.sub("token=.*", "token=wrong", address))
    page.get_by_text("open the address shown in the terminal").wait_for()
    context.close()
