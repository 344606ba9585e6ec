"""A setting is obeyed, or refused with a remedy: in recipes, on the command line, and in Python."""

import tomllib

import numpy as np
import pytest

import narrows
from narrows import pipeline
from narrows.arguments import arguments_of
from narrows.clustering import methods
from narrows.data.dataset import Dataset
from narrows.deep.agreement import Agreement
from narrows.errors import InputError, RecipeError
from narrows.nets import nets
from narrows.objectives import objectives
from narrows.recipes import recipe as recipes

ROWS = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
NAMES = np.arange(40) % 2


@pytest.mark.parametrize("name", recipes.builtin())
def test_what_is_shown_is_every_setting_and_reads_back_as_the_same(name, tmp_path):
    recipe = recipes.load(name)
    (tmp_path / "r.toml").write_text(recipe.as_toml())
    again = recipes.load(tmp_path / "r.toml")
    assert again.as_toml() == recipe.as_toml()
    shown, text = tomllib.loads(recipe.as_toml()), recipe.as_toml()
    for field in recipes.Data.model_fields:
        assert field in shown["data"] or f"# {field} is not set" in text
    if name != "clusters":
        assert shown["train"].keys() == recipes.Settings.__dataclass_fields__.keys()
        if shown["net"]["name"] != "auto":
            wanted = arguments_of(nets.get(shown["net"]["name"]), given_by_us=("input_shape",)).keys()
            assert wanted - {"code_size"} <= shown["net"].keys()
        wanted = arguments_of(objectives.get(shown["objective"]["name"]), given_by_us=("net",)).keys()
        assert {key for key in wanted if key in shown["objective"] or f"# {key} is not set" in text} == wanted


def test_what_a_clustering_makes_no_use_of_is_not_shown_and_cannot_be_set(tmp_path):
    assert not {"net", "objective", "train"} & tomllib.loads(recipes.load("clusters").as_toml()).keys()
    for override in ("train.lr=0.1", "net.name=dense", "objective.name=denoising", "train.device=cpu", "net.width=8"):
        section = override.partition(".")[0]
        with pytest.raises(RecipeError, match=rf"{section}\..* has no effect.*agreement.*clustering\.name=kmeans"):
            recipes.load("clusters", [override])
        recipes.load("clusters", ["clustering.name=kmeans", *([override] if "width" not in override else [])])


@pytest.mark.parametrize(
    "twice",
    [
        ["train.lr=1", "train.lr=2"],
        ["data.source=digits", 'data.source="mnist"'],
        ["seed=1", "seed=2"],
        ["train.lr=1", "train={epochs=3}"],
        ["net={name='conv'}", "net.width=3"],
    ],
)
def test_a_setting_that_is_given_twice_is_refused(twice):
    with pytest.raises(RecipeError, match="must be given once"):
        recipes.load("default", twice)
    recipes.load("default", ["train.lr=1", "train.lr=1", "train.epochs=3"])


@pytest.mark.parametrize("override", ["train.lr=nan", "train.clip=inf", "objective.weight=nan", "data.valid=nan"])
def test_numbers_that_are_none_are_refused(override):
    with pytest.raises(RecipeError, match=override.partition("=")[0].replace(".", r"\.")):
        recipes.load("default", [override])


@pytest.mark.parametrize(
    "overrides",
    [["objective.name=contrastive", "objective.loss=l1"], ["train.momentum=0.5"], ["train.step_factor=0.5"]],
)
def test_a_setting_of_what_was_not_chosen_is_refused(overrides):
    with pytest.raises(RecipeError):
        pipeline.run(recipes.load("digits", overrides), "unused", data=Dataset(ROWS[:, None]))


def test_patience_needs_rows_and_says_so_before_anything_of_a_former_run_is_replaced(tmp_path):
    quick = ["train.epochs=1", "projection.name=pca", "clustering.n_clusters=2"]
    data = Dataset(ROWS[:, None])
    pipeline.run(recipes.load("digits", quick), tmp_path / "r", data=data)
    for overrides, rows in ((["data.valid=0.0"], data), ([], data.take(np.arange(15)))):
        patient = recipes.load("digits", [*quick, *overrides, "train.patience=2"])
        with pytest.raises(RecipeError, match=r"train\.patience needs validation rows.*data\.valid"):
            pipeline.run(patient, tmp_path / "r", overwrite=True, data=rows)
    assert (tmp_path / "r" / "report.html").is_file()


def test_a_division_that_the_source_fixes_is_not_asked_for_again(tmp_path):
    data = Dataset(ROWS[:, None], split=np.array(["train"] * 30 + ["test"] * 10))
    with pytest.raises(RecipeError, match=r"data\.test must be left out"):
        pipeline.run(recipes.load("digits", ["data.test=0.3"]), tmp_path / "r", data=data)
    assert not (tmp_path / "r").exists()


def test_estimators_take_no_setting_twice_and_none_they_do_not_know():
    for estimator in (narrows.Autoencoder, narrows.Classifier):
        for options, words in (
            ({"lr": 0.1}, r"train_options\['lr'\] must be left out"),
            ({"epochs": 3}, "argument of the estimator"),
            ({"checkpoint_steps": 3}, "run folder"),
            ({"pateince": 3}, "Did you mean 'patience'"),
            ({"optimizer": "adm"}, "Did you mean .adam.|of the wrong kind"),
            ({"patience": 3}, "validation rows"),
            ([1], "mapping"),
        ):
            with pytest.raises(RecipeError, match=words):
                estimator(epochs=1, train_options=options, valid=0.0).fit(ROWS, NAMES)
    with pytest.raises(RecipeError, match="code_size must be given once"):
        narrows.Autoencoder(5, net={"name": "dense", "code_size": 4}, epochs=1).fit(ROWS)


@pytest.mark.parametrize(
    "options", [{"passes": 3}, {"train_options": {"patience": 2}}, {"train_options": {"keep": "best"}}]
)
def test_a_probe_refuses_what_needs_views_or_rows_to_validate_on(options):
    encoder = narrows.Autoencoder(3, net="dense", epochs=1, random_state=0).fit(ROWS)
    with pytest.raises(InputError, match="needs"):
        narrows.LinearProbe(encoder, epochs=1, **options).fit(ROWS, NAMES)


def test_what_is_of_images_is_refused_for_vectors():
    rows = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    for options in ({"views": ["flip:1"]}, {"passes": 3}, {"spaces": ["views"]}):
        with pytest.raises(RecipeError, match=rf"clustering\.{next(iter(options))} applies only to images"):
            Agreement(2, **options).fit(rows)
    with pytest.raises(RecipeError, match="views"):
        narrows.ImageClusterer(2, views=["flip:1"], random_state=0).fit(rows)


@pytest.mark.parametrize("repair", [0.5, "yes", -1])
def test_neural_kmeans_refuses_a_repair_that_is_no_number_of_rows(repair):
    with pytest.raises(InputError, match="repair"):
        narrows.NeuralKMeans(2, repair=repair, epochs=1).fit(ROWS)


def test_another_clustering_is_asked_for_as_many_clusters():
    assert recipes.load("letters", ["clustering.name=dec"]).clustering.arguments()["n_clusters"] == 36
    chosen = recipes.load("letters", ["clustering.n_clusters=7", "clustering.name=mixture"]).clustering
    assert (chosen.name, chosen.arguments()["n_clusters"]) == ("mixture", 7)
    for name in methods.names():
        assert "n_clusters" in arguments_of(methods.get(name))
    with pytest.raises(RecipeError, match=r"must be a whole number .* dec; .* clustering\.name=agreement\.$"):
        recipes.load("letters", ["clustering.name=dec", "clustering.n_clusters=auto"])


@pytest.mark.parametrize(
    ("overrides", "size", "chosen"),
    [
        ((), 3, "tsne"),
        ((), 2, "code"),
        ((), 1, "code"),
        (("projection.name=umap",), 2, "umap"),  # who asks for it gets it
        (("projection.perplexity=5",), 2, "tsne"),
        (("clustering.name=dec",), 10, "umap"),
        (("clustering.name=dec",), 2, "code"),
        (("clustering.name=dec", "projection.n_neighbors=5"), 2, "umap"),
    ],
)
def test_a_code_of_two_values_is_the_map(overrides, size, chosen):
    assert recipes.load("default", overrides).map_of(size).name == chosen


def test_arguments_of_a_map_that_is_not_named_are_refused():
    with pytest.raises(RecipeError, match=r"projection\.perplexity needs projection.name"):
        recipes.load("default", ["projection.name=auto", "projection.perplexity=5"])


@pytest.mark.parametrize(
    ("overrides", "shape", "chosen"),
    [
        ((), (1, 8, 8), "tsne"),
        (("net.code_size=2",), (1, 8, 8), "code"),
        (("clustering.name=dec",), (1, 8, 8), "umap"),
        (("clustering.name=imsat",), (1, 8, 8), "umap"),
        (("clustering.name=dec",), (2,), "code"),
        (("encoder.name=pca",), (1, 8, 8), "auto"),
    ],
)
def test_the_map_is_written_out_with_its_settings_as_soon_as_codes_have_a_length(overrides, shape, chosen):
    resolved = recipes.load("default", overrides).resolve(shape, 100)
    assert resolved.projection.name == chosen
    if chosen == "tsne":  # so that a run made before the map was chosen has the same settings
        assert resolved.projection.arguments() == {"perplexity": 30.0, "max_points": 200_000}
