import math

import pytest

from narrows.report.verdict import describe_limit, looked_for, signal_lines, verdict
from narrows.wording import NBSP

IMAGES = {"data": {"kind": "images", "shape": [1, 28, 28], "held_out": True}}
VECTORS = {"data": {"kind": "vectors", "shape": [20], "held_out": True}}
GOOD = {
    "data/images": 70000,
    "data/test": 10000,
    "data/skipped": 0,
    "codes/size": 32,
    "codes/dead": 0,
    "reconstruction/psnr": 25.06,
    "reconstruction/pca_psnr": 18.56,
    "data/classes": 10,
    "clustering/n_clusters": 10,
    "clustering/asked": 10,
    "clustering/accuracy": 0.742,
    "clustering/pixels_accuracy": 0.534,
    "clustering/silhouette": 0.21,
    "clustering/pixels_silhouette": 0.06,
    "projection/trustworthiness": 0.97,
}
UNLABELLED = {key: value for key, value in GOOD.items() if "accuracy" not in key} | {"clustering/silhouette": 0.83}
SIGNAL = {"name": "dead centres", "severity": "serious", "sentence": "Dead.", "numbers": {}}
CLEAR = "Nothing stood out that calls for special care."


def told(results, tables=IMAGES):
    return [sentence.replace(NBSP, " ") for sentence in verdict(results, tables)]


def test_good_news():
    assert told(GOOD) == [
        "The pile held 70,000 grey images of 28 × 28 pixels, and codes of 32 numbers keep much more of each than "
        "PCA at the same size: rebuilt images reach a PSNR of 25.1 dB against 18.6 dB, and PCA leaves 4.5 times the "
        "squared error.",
        "The codes were sorted into 10 clusters (the number set beforehand), hardly separated (silhouette 0.21), and "
        "these match the labels for 74.2 % of the images, against 53.4 % for k-means on raw pixels, so the codes "
        "group them better than raw pixels do.",
        CLEAR,
    ]


def test_that_the_number_of_clusters_is_a_setting_and_not_a_finding_is_said():
    def how(**numbers):
        return told(GOOD | {f"{'data' if k == 'classes' else 'clustering'}/{k}": v for k, v in numbers.items()})[1]

    assert how(classes=36).startswith(
        "The codes were sorted into 10 clusters (the number set beforehand; the labels have 36 classes), hardly"
    )
    assert how(asked=12, classes=0).startswith("The codes were sorted into 10 clusters (12 were asked for), hardly")
    assert how(asked=None).startswith("The codes were sorted into 10 clusters, hardly")


def test_worse_than_the_baselines_is_said_plainly():
    worse = GOOD | {"reconstruction/psnr": 15.55, "clustering/accuracy": 0.41}
    assert told(worse) == [
        "The pile held 70,000 grey images of 28 × 28 pixels, and codes of 32 numbers keep less than PCA at the same "
        "size: rebuilt images reach a PSNR of 15.6 dB against 18.6 dB, and the squared error is 2.0 times PCA's, so "
        "the autoencoder is worse than this simple linear method.",
        "The codes were sorted into 10 clusters (the number set beforehand), hardly separated (silhouette 0.21), and "
        "these match the labels for 41.0 % of the images, against 53.4 % for k-means on raw pixels, so the codes "
        "group them worse than raw pixels do.",
        "Be careful: the autoencoder does not reach its PCA baseline; and the clusters match the labels worse than "
        "k-means on raw pixels.",
    ]


def test_codes_that_were_made_for_clusters_are_not_blamed_for_what_a_decoder_reads_from_them():
    tables = IMAGES | {"network": {"trains_decoder": True, "shaped_by_decoder": False}}
    first, _, third = told(GOOD | {"reconstruction/psnr": 15.55}, tables)
    assert first == (
        "The pile held 70,000 grey images of 28 × 28 pixels, and codes of 32 numbers, made to tell clusters apart, "
        "keep less of each than PCA at the same size: rebuilt images reach a PSNR of 15.6 dB against "
        "18.6 dB, and the squared error is 2.0 times PCA's."
    )
    assert third == CLEAR


def test_codes_that_no_network_makes_are_said_to_be_from_what_made_them():
    tables = IMAGES | {"encoder": {"title": "k-means on patches", "is_baseline": False}}
    nothing = {name: value for name, value in GOOD.items() if not name.startswith("reconstruction/")}
    assert told(nothing, tables)[0] == (
        "The pile held 70,000 grey images of 28 × 28 pixels; nothing was rebuilt from codes of 32 numbers from k-means "
        "on patches, so how much they keep was not measured."
    )
    assert "codes of 32 numbers from k-means on patches keep" in told(GOOD, tables)[0]
    tables["encoder"] = {"title": "principal components", "is_baseline": True}
    assert "codes of 32 numbers, their principal components," in told(GOOD, tables)[0]


CLUSTERED = IMAGES | {
    "network": {"trains_decoder": True, "shaped_by_decoder": False},
    "learned": {"network": "all", "decoder": "train", "parts_clusters": True},
}


def test_what_a_network_that_saw_all_rows_was_tested_on_is_said():
    few = GOOD | {"data/test": 45, "reconstruction/psnr": 17.0}
    first, _, third = told(few, CLUSTERED)
    assert (
        "codes of 32 numbers, made to tell clusters apart by a network that saw all images, keep less of each" in first
    )
    assert (
        third == "Be careful: only 45 images were held out from decoder and PCA to test on, so the figures are rough."
    )
    together = {"data": IMAGES["data"] | {"held_out": False}}
    assert "saw all" not in told(few, CLUSTERED | together)[0]  # so did PCA


@pytest.mark.parametrize(
    "tables",
    [
        {"learned": {"network": "all", "decoder": "all", "parts_clusters": True}},
        {"learned": None, "clusterings": []},  # a run of a former version
    ],
)
def test_a_decoder_is_not_held_against_pca_on_rows_that_it_alone_has_seen(tables):
    first, _, third = told(GOOD | {"data/test": 45}, CLUSTERED | tables)
    assert first.endswith(
        "and from codes of 32 numbers, made to tell clusters apart by a network that saw all images, rebuilt images "
        "reach a PSNR of 25.1 dB; the decoder had learned from these very images."
    )
    assert third == (
        "Be careful: the decoder had learned from the images that it is tested on; and only 45 images were held out "
        "from PCA to test on, so the figures are rough."
    )


@pytest.mark.parametrize("silhouette", [0.05, 0.32, 0.58, 0.9])
def test_nothing_follows_from_how_far_clusters_lie_apart_among_codes_made_for_them(silhouette):
    assert told(UNLABELLED | {"clustering/silhouette": silhouette}, CLUSTERED)[1] == (
        f"The codes were sorted into 10 clusters (the number set beforehand); their silhouette of {silhouette:.2f} "
        "shows little: codes that were made to tell clusters apart are always apart to some degree."
    )
    assert "separated" not in told(GOOD | {"clustering/silhouette": silhouette}, CLUSTERED)[1]


def test_where_codes_keep_nothing_separation_is_not_named():
    nothing = UNLABELLED | {"reconstruction/mse": 0.05, "reconstruction/variance": 0.04}
    assert told(nothing)[1].endswith("(the number set beforehand), with a silhouette of 0.83.")


def test_codes_that_no_decoder_can_read_may_still_tell_clusters_apart():
    nothing = GOOD | {"reconstruction/psnr": 13.8, "reconstruction/mse": 0.05, "reconstruction/variance": 0.04}
    first, second, third = told(nothing, CLUSTERED)
    assert first.endswith(
        "and rebuilt from codes of 32 numbers, made to tell clusters apart by a network that saw all images, they come "
        "no nearer than the average image does: rebuilt images reach a PSNR of 13.8 dB against 18.6 dB for PCA at the "
        "same size."
    )
    assert second.endswith("so the codes group them better than raw pixels do.")
    assert third == CLEAR


NMI = {"clustering/nmi": 0.472, "clustering/pixels_nmi": 0.557}


def test_accuracy_and_nmi_that_disagree_are_both_said():
    first = GOOD | {"data/images": 2000, "clustering/accuracy": 0.424, "clustering/pixels_accuracy": 0.347}
    _, second, third = told(first | NMI)
    assert second.endswith(
        "so by accuracy the codes group them better than raw pixels do, but by NMI (0.472 against 0.557) worse."
    )
    assert third == (
        "Be careful: whether the clusters match the labels better than k-means on raw pixels depends on the figure."
    )
    swapped = {"clustering/nmi": 0.557, "clustering/pixels_nmi": 0.472}
    worse = first | {"clustering/accuracy": 0.347, "clustering/pixels_accuracy": 0.424}
    assert told(worse | swapped)[1].endswith("worse than raw pixels do, but by NMI (0.557 against 0.472) better.")
    same = first | {"clustering/accuracy": 0.347}
    assert told(same | swapped)[1].endswith("no better than raw pixels do, but by NMI (0.557 against 0.472) better.")


def test_nmi_that_agrees_or_hardly_differs_changes_nothing():
    for nmi in (0.7, 0.561, 0.549):  # margin of a score: 0.01
        both = GOOD | {"clustering/nmi": nmi, "clustering/pixels_nmi": 0.557}
        assert told(both) == told(GOOD)
    assert "by NMI" in told(GOOD | {"clustering/nmi": 0.54, "clustering/pixels_nmi": 0.557})[1]


def test_no_better_than_the_baselines():
    same = GOOD | {"reconstruction/psnr": 18.7, "clustering/accuracy": 0.54}
    first, second, third = told(same)
    assert first.endswith("so the autoencoder gains nothing over this simple linear method.")
    assert "keep no more than PCA" in first
    assert second.endswith("so the codes group them no better than raw pixels do.")
    assert third == (
        "Be careful: the autoencoder gains nothing over its PCA baseline; and the clusters match the labels no better "
        "than k-means on raw pixels."
    )


def test_without_labels_the_silhouette_speaks():
    unlabelled = {key: value for key, value in GOOD.items() if "accuracy" not in key}
    assert told(unlabelled)[1] == (
        "The codes were sorted into 10 clusters (the number set beforehand), hardly separated (silhouette 0.21), which "
        "suggests slices of a continuum rather than kinds of their own."
    )


def test_silhouettes_of_two_spaces_are_not_held_against_each_other():
    unlabelled = {key: value for key, value in GOOD.items() if "accuracy" not in key}
    other = unlabelled | {"clustering/silhouette": 0.62, "clustering/pixels_silhouette": 0.9}
    assert told(other)[1] == (
        "The codes were sorted into 10 clusters (the number set beforehand), reasonably separated (silhouette 0.62), "
        "which suggests distinct groups."
    )


def test_what_to_be_careful_about():
    results = GOOD | {
        "data/skipped": 10,
        "duplicates/groups": 12,
        "projection/trustworthiness": 0.81,
        "reconstruction/mse": 0.01,
    }
    tables = {
        "data": IMAGES["data"] | {"held_out": False},
        "signals": [SIGNAL, SIGNAL | {"name": "overfitting", "severity": "warning"}, SIGNAL | {"severity": "note"}],
        "outliers": [{"id": "a", "error": 0.2}, {"id": "b", "error": None}],
    }
    assert told(results, tables)[2] == (
        "Be careful: 2 warning signs were found (dead centres, overfitting); nothing was held out, so the figures "
        "describe the data it was trained on; 10 files could not be used and were left out; the map bends "
        "neighbourhoods (trustworthiness 0.81); one of the strangest images is rebuilt with 20 times the average "
        "error; and there are 12 groups of copies."
    )


def test_one_group_is_one_and_runs_of_former_versions_speak_of_pairs():
    assert told(GOOD | {"duplicates/groups": 1}, IMAGES)[2].endswith("there is 1 group of copies.")
    assert told(GOOD | {"duplicates/pairs": 2}, IMAGES)[2].endswith("there are 2 pairs of near-duplicates.")


def test_troubles_of_training_were_not_looked_for_where_there_was_nothing_to_learn():
    trained = {"train/epochs": 20, "train/valid_loss": 0.1, "codes/dead": 0}
    assert "a loss that was still falling" in looked_for(trained)
    nothing = looked_for(trained | {"reconstruction/variance": 0.0})
    assert nothing == "codes that carry nothing"


def test_signals_are_told_line_by_line():
    assert signal_lines({"signals": [SIGNAL]}) == ["Serious, dead centres: Dead."]
    assert signal_lines({}) == signal_lines({"signals": []}) == []


@pytest.mark.parametrize(
    ("count", "data", "text"),
    [
        (400, {"limit": 400}, "only 400 images were used (data.limit), and the source may hold more"),
        (400, {"limit": 400, "available": 1797}, "only 400 of the 1,797 images were used (data.limit)"),
        (300, {"limit": 400}, ""),
        (400, {"limit": 400, "available": 400}, ""),
        (400, {"limit": None}, ""),
        (None, {"limit": 400}, ""),
    ],
)
def test_that_only_a_part_of_the_data_was_used_is_said(count, data, text):
    assert describe_limit({"data/images": count}, {"data": data}) == text
    careful = told(GOOD | {"data/images": count}, {"data": IMAGES["data"] | data})[2]
    assert careful == (f"Be careful: {text}." if text else CLEAR)


def test_one_thing_to_be_careful_about():
    assert told(GOOD | {"data/skipped": 1})[2] == "Be careful: 1 file could not be used and was left out."


def test_vectors():
    results = {
        "data/images": 100,
        "codes/size": 4,
        "reconstruction/explained": 0.95,
        "reconstruction/pca_explained": 0.9,
        "clustering/n_clusters": 3,
        "clustering/accuracy": 0.9,
    }
    assert told(results, VECTORS) == [
        "The pile held 100 vectors of 20 numbers, and codes of 4 numbers keep much more of each than PCA at the same "
        "size: 95.0 % of the variance comes back against 90.0 %, and PCA leaves 2.0 times the squared error.",
        "The codes were sorted into 3 clusters, and these match the labels for 90.0 % of the vectors, with no baseline "
        "to compare with.",
        "Be careful: the rows are vectors, so no pictures can be checked by eye.",
    ]


def test_denoising_that_makes_it_worse_is_said_in_either_unit():
    text = "denoising takes {} farther from the originals than the noise did"
    images = {"denoising/psnr": 18.0, "denoising/corrupted_psnr": 20.0}
    vectors = {"denoising/explained": 0.6, "denoising/corrupted_explained": 0.8}
    assert text.format("images") in told(GOOD | images)[2]
    assert text.format("vectors") in told(vectors, VECTORS)[2]
    better = {"denoising/explained": 0.8, "denoising/corrupted_explained": -0.2}
    assert "denoising" not in told(better, VECTORS)[2]


def test_a_difference_that_chance_explains_is_not_called_better():
    few = GOOD | {"data/images": 200, "clustering/accuracy": 0.57}
    assert told(few)[1].endswith("so the codes group them no better than raw pixels do.")
    assert told(GOOD | {"clustering/accuracy": 0.57})[1].endswith("so the codes group them better than raw pixels do.")


@pytest.mark.parametrize("hole", [None, math.nan, math.inf, "text", True])
def test_missing_numbers_are_never_shown(hole):
    everything = [*GOOD, "reconstruction/explained", "train/loss", "train/valid_loss", "duplicates/groups"]
    for results in [{}, dict.fromkeys(everything, hole), *({**GOOD, name: hole} for name in everything)]:
        for tables in [{}, IMAGES, VECTORS]:
            sentences = told(results, tables)
            assert len(sentences) == 3
            for sentence in sentences:
                assert sentence.endswith(".")
                assert not {"nan", "None", "inf", "True", "text"} & set(sentence.replace(".", " ").split())


def test_nothing_known_at_all():
    assert told({}, {}) == [
        "The pile held images; nothing was rebuilt from the codes, so how much they keep was not measured.",
        "No clusters were looked for.",
        "Too little was measured to say what calls for care.",
    ]


# What cannot be said


def signal(name, severity="warning", **numbers):
    return {"name": name, "severity": severity, "sentence": "It was found.", "numbers": numbers}


def test_rows_without_a_difference_are_compared_with_nothing():
    """A perfect PCA of rows that are all the same is not an achievement, nor are 15 dB beside it a failure."""
    same = GOOD | {"reconstruction/psnr": 15.2, "reconstruction/pca_psnr": 58.92, "reconstruction/variance": 0.0}
    first, _, third = told(same)
    assert first == (
        "The pile held 70,000 grey images of 28 × 28 pixels, and the ones checked are practically equal, so "
        "there was nothing for codes of 32 numbers to keep."
    )
    assert third == "Be careful: the images that were checked hardly differ, so no figure says much about them."
    vectors = {"data/images": 100, "reconstruction/variance": 0.0, "codes/size": 2}
    assert "so there was nothing for codes of 2 numbers to keep" in told(vectors, VECTORS)[0]


def test_less_than_the_average_row_is_nothing():
    """A mean squared error of .0417 with a variance of .04: the average image is nearer, whatever PCA reaches."""
    nothing = GOOD | {"reconstruction/psnr": 13.8, "reconstruction/mse": 0.0417, "reconstruction/variance": 0.04}
    first, _, third = told(nothing)
    assert first.endswith(
        "codes of 32 numbers keep nothing that tells them apart: rebuilt images reach a PSNR of 13.8 dB against 18.6 "
        "dB for PCA at the same size, and the average image would do as well."
    )
    assert "what is rebuilt is no nearer than the average image" in third
    vectors = {"reconstruction/explained": -13.096, "reconstruction/pca_explained": -0.2, "codes/size": 1}
    assert told(vectors, VECTORS)[0].endswith(
        "and codes of 1 number keep nothing that tells them apart: none of the variance comes back against none for "
        "PCA at the same size, and the average vector would do as well."
    )


def test_a_pca_that_loses_nothing_is_beaten_by_no_factor():
    first = told(GOOD | {"reconstruction/psnr": 25.0, "reconstruction/pca_psnr": 58.92})[0]
    assert "keep less than PCA at the same size, which loses nothing: rebuilt images reach" in first
    assert "times" not in first
    both = told(GOOD | {"reconstruction/psnr": 58.92, "reconstruction/pca_psnr": 58.92})[0]
    assert "keep no more than PCA at the same size, and both lose nothing" in both


def test_the_squared_error_is_that_of_all_rows_together():
    """A mean PSNR that is 6.5 dB higher is 4.5 times less error in a typical image, but not in all images."""
    errors = {"reconstruction/mse": 0.01, "reconstruction/pca_mse": 0.021}
    assert told(GOOD | errors)[0].endswith("25.1 dB against 18.6 dB, and PCA leaves 2.1 times the squared error.")
    trifle = told(GOOD | errors | {"reconstruction/pca_mse": 0.0101})[0]
    assert trifle.endswith("rebuilt images reach a PSNR of 25.1 dB against 18.6 dB.")


def test_where_two_figures_disagree_both_are_said():
    errors = {"reconstruction/mse": 0.02, "reconstruction/pca_mse": 0.01}
    first, _, third = told(GOOD | errors)
    assert first.endswith(
        "and what comes back from codes of 32 numbers is nearer than PCA's by one figure and farther by another: "
        "rebuilt images reach a PSNR of 25.1 dB against 18.6 dB, but over all of them the squared error is 2.0 times "
        "PCA's."
    )
    assert third == "Be careful: whether the autoencoder reaches its PCA baseline depends on the figure."


@pytest.mark.parametrize("name", ["collapsed codes", "posterior collapse"])
def test_codes_that_tell_nothing_keep_nothing_whatever_is_measured(name):
    first, second, third = told(UNLABELLED, IMAGES | {"signals": [signal(name, "serious")]})
    assert "but codes of 32 numbers tell nothing about them" in first
    assert "keep" not in first
    assert "distinct" not in second
    assert name in third


@pytest.mark.parametrize(
    ("found", "clause"),
    [
        (signal("mode collapse", "serious", largest=0.975), "one of them holds 97.5 % of all rows, so they hardly"),
        (signal("mode collapse", "serious"), "but one of them holds nearly all rows, so they hardly tell"),
        (signal("mode collapse", largest=0.6), ", one of which holds 60.0 % of all rows, with a silhouette of 0.83."),
        (signal("dead centres", "serious", dead=6, clusters=10), "most of the centres have no members"),
        (signal("collapsed codes", "serious"), "codes are almost the same for every row, so they tell nothing apart"),
        (signal("mode collapse of samples", "serious"), ", with a silhouette of 0.83."),
        (signal("dead centres", dead=1, clusters=10), ", with a silhouette of 0.83."),
    ],
)
def test_groups_are_not_distinct_where_a_signal_says_otherwise(found, clause):
    assert "which suggests distinct groups" in told(UNLABELLED)[1]
    second = told(UNLABELLED, IMAGES | {"signals": [found]})[1]
    assert clause in second
    assert "distinct" not in second
    labelled = told(GOOD, IMAGES | {"signals": [found]})[1]
    assert "74.2 % of the images" in labelled
    if found["severity"] == "serious" and found["name"] != "mode collapse of samples":
        assert "better" not in labelled


@pytest.mark.parametrize("name", ["worse than the baseline", "no better than the baseline"])
def test_praise_is_not_said_above_a_lost_comparison(name):
    first, _, third = told(GOOD, IMAGES | {"signals": [signal(name), signal(name)]})
    assert "keep much more" not in first
    assert "from codes of 32 numbers they are rebuilt better than by PCA at the same size: rebuilt images" in first
    assert third == f"Be careful: 2 warning signs were found (2 × {name})."


def test_notes_alone_are_no_warnings_but_are_said():
    notes = [signal("still improving", "note")]
    assert told(GOOD, IMAGES | {"signals": notes})[2] == (
        "Nothing stood out that calls for special care; 1 note was made (still improving)."
    )


@pytest.mark.parametrize(
    ("count", "asked", "text"),
    [
        (1, 3, "sorted into 1 cluster (3 were asked for), so nothing was told apart."),
        (1, 1, "sorted into 1 cluster (the number set beforehand), so nothing was told apart."),
        (2, 1, "sorted into 2 clusters (1 was asked for), hardly"),
        (40, 40, "sorted into 40 clusters (the number set beforehand), no fewer than there are images, so nothing"),
    ],
)
def test_one_cluster_and_one_for_each_row_tell_nothing(count, asked, text):
    numbers = {"data/classes": 0, "data/images": 40, "clustering/n_clusters": count, "clustering/asked": asked}
    assert text in told(GOOD | numbers)[1]


def test_shares_are_those_of_the_labelled_rows():
    second = told(GOOD | {"data/labelled": 60})[1]
    assert "match the labels for 74.2 % of the 60 labelled images" in second
    assert "so the codes group them no better than raw pixels do" not in second  # 17 to 18 points are chance among 60
    few = told(GOOD | {"data/labelled": 20})[1]
    assert few.endswith("so the codes group them no better than raw pixels do.")
    table = {"contingency": {"counts": [[5, 5], [5, 5]]}}
    assert "of the 20 labelled images" in told(GOOD, IMAGES | table)[1]


def test_labels_of_one_class_judge_nothing():
    assert "match the labels" not in told(GOOD | {"data/classes": 1})[1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("clustering/accuracy", 2.025),
        ("clustering/accuracy", -0.1),
        ("clustering/silhouette", 13.0),
        ("reconstruction/explained", 1.5),
        ("data/images", -3),
        ("data/images", 1e300),
        ("data/skipped", 1.5),
        ("clustering/n_clusters", 2.5),
        ("projection/trustworthiness", -40),
        ("data/test", -1),
    ],
)
def test_a_number_beyond_its_domain_is_not_known(name, value):
    assert told(GOOD | {name: value}) == told({key: number for key, number in GOOD.items() if key != name})


def test_one_row_is_one_row():
    one = GOOD | {"data/test": 1, "data/skipped": 1, "duplicates/pairs": 1}
    third = told(one, IMAGES | {"signals": [signal("overfitting")]})[2]
    assert third == (
        "Be careful: 1 warning sign was found (overfitting); only 1 image was held out to test on, so the figures are "
        "rough; 1 file could not be used and was left out; and there is 1 pair of near-duplicates."
    )
    limit = {"data": IMAGES["data"] | {"limit": 1}}
    assert describe_limit({"data/images": 1}, limit) == (
        "only 1 image was used (data.limit), and the source may hold more"
    )


def test_errors_of_outliers_are_held_against_the_mean_in_their_own_unit():
    rows = {"outliers": [{"error": 3.0}]}
    standardised = {"reconstruction/mse": 1e-80, "reconstruction/error": 0.9}
    assert "strangest" not in told(standardised, VECTORS | rows)[2]
    assert "strangest" not in told({"reconstruction/mse": 1e-80}, VECTORS | rows)[2]
    assert (
        "one of the strangest vectors is rebuilt with 30 times the average error"
        in told({"reconstruction/error": 0.1}, VECTORS | rows)[2]
    )
    assert "more than 1,000 times the average error" in told({"reconstruction/error": 1e-9}, VECTORS | rows)[2]


@pytest.mark.parametrize(
    ("results", "text"),
    [
        ({}, ""),
        ({"train/epochs": 1, "codes/dead": 0}, "codes that carry nothing"),
        ({"train/epochs": 3}, "a loss that was still falling"),
        (
            {"train/epochs": 6, "train/valid_loss": 1.0},
            "learning by heart, a loss that stopped improving and a loss that was still falling",
        ),
        (
            {"clustering/n_clusters": 3, "clustering/accuracy": 0.5},
            "clusters without members or with nearly everything and scores that chance would explain",
        ),
    ],
)
def test_only_what_could_be_looked_for_was_looked_for(results, text):
    assert looked_for(results) == text
