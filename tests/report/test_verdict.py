import math

import pytest

from narrows.report.numbers import NBSP
from narrows.report.verdict import describe_limit, signal_lines, verdict

IMAGES = {"data": {"kind": "images", "shape": [1, 28, 28], "held_out": True}}
VECTORS = {"data": {"kind": "vectors", "shape": [20], "held_out": True}}
GOOD = {
    "data/images": 70000, "data/test": 10000, "data/skipped": 0, "codes/size": 32, "codes/dead": 0,
    "reconstruction/psnr": 25.06, "reconstruction/pca_psnr": 18.56,
    "data/classes": 10, "clustering/n_clusters": 10, "clustering/asked": 10,
    "clustering/accuracy": 0.742, "clustering/pixels_accuracy": 0.534,
    "clustering/silhouette": 0.21, "clustering/pixels_silhouette": 0.06, "projection/trustworthiness": 0.97,
}  # fmt: skip
SIGNAL = {"name": "dead centres", "severity": "serious", "sentence": "Dead.", "numbers": {}}
CLEAR = "Nothing stood out that calls for special care."


def told(results, tables=IMAGES):
    return [sentence.replace(NBSP, " ") for sentence in verdict(results, tables)]


def test_good_news():
    assert told(GOOD) == [
        "The pile held 70,000 grey images of 28 × 28 pixels, and codes of 32 numbers keep much more of what matters "
        "than PCA at the same size: rebuilt images reach a PSNR of 25.1 dB against 18.6 dB, which means that PCA "
        "leaves 4.5 times the squared error.",
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
        "size: rebuilt images reach a PSNR of 15.6 dB against 18.6 dB, which is 2.0 times PCA's squared error, so the "
        "autoencoder is worse than this simple linear method.",
        "The codes were sorted into 10 clusters (the number set beforehand), hardly separated (silhouette 0.21), and "
        "these match the labels for 41.0 % of the images, against 53.4 % for k-means on raw pixels, so the codes "
        "group them worse than raw pixels do.",
        "Be careful: the autoencoder does not reach its PCA baseline.",
    ]


def test_codes_that_were_made_for_clusters_are_not_blamed_for_what_a_decoder_reads_from_them():
    tables = IMAGES | {"network": {"trains_decoder": True, "shaped_by_decoder": False}}
    first, _, third = told(GOOD | {"reconstruction/psnr": 15.55}, tables)
    assert first == (
        "The pile held 70,000 grey images of 28 × 28 pixels, and codes of 32 numbers, made to tell clusters apart, "
        "keep less of each than PCA at the same size: rebuilt images reach a PSNR of 15.6 dB against "
        "18.6 dB, which is 2.0 times PCA's squared error."
    )
    assert third == CLEAR


def test_no_better_than_the_baselines():
    same = GOOD | {"reconstruction/psnr": 18.7, "clustering/accuracy": 0.54}
    first, second, third = told(same)
    assert first.endswith("so the autoencoder gains nothing over this simple linear method.")
    assert "keep no more than PCA" in first
    assert second.endswith("so the codes group them no better than raw pixels do.")
    assert third == CLEAR


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
        "neighbourhoods (trustworthiness 0.81); the strangest image is rebuilt with 20 times the average error; and "
        "there are 12 groups of copies."
    )


def test_one_group_is_one_and_runs_of_former_versions_speak_of_pairs():
    assert told(GOOD | {"duplicates/groups": 1}, IMAGES)[2].endswith("there is 1 group of copies.")
    assert told(GOOD | {"duplicates/pairs": 2}, IMAGES)[2].endswith("there are 2 pairs of near-duplicates.")


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
        "data/images": 1, "codes/size": 4, "reconstruction/explained": 0.95, "reconstruction/pca_explained": 0.9,
        "clustering/n_clusters": 3, "clustering/accuracy": 0.9,
    }  # fmt: skip
    assert told(results, VECTORS) == [
        "The pile held 1 vector of 20 numbers, and codes of 4 numbers keep much more of what matters than PCA at the "
        "same size: 95.0 % of the variance comes back against 90.0 %, which means that PCA leaves 2.0 times the "
        "squared error.",
        "The codes were sorted into 3 clusters, and these match the labels for 90.0 % of the vectors, with no baseline "
        "to hold that against.",
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
        CLEAR,
    ]
