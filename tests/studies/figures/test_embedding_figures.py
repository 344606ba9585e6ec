"""The pictures of embeddings contain the values they are given."""

import numpy as np
import pytest

from narrows.errors import InputError
from narrows.figures import save
from narrows.studies.figures.embedding import labelled_over_all, loss_against_accuracy


def test_labelled_points_lie_over_all_others(tmp_path):
    points = np.random.default_rng(0).standard_normal((300, 2))
    labels = np.where(np.arange(300) < 20, np.arange(300) % 2, -1)
    figure = labelled_over_all(points, labels, np.arange(300) % 3 - 1, ["cat", "car"])
    left, right = figure.axes
    everything, known = left.collections
    assert len(everything.get_offsets()) == 300
    assert sorted(map(tuple, known.get_offsets())) == sorted(map(tuple, points[:20]))
    assert len({tuple(colour) for colour in known.get_facecolors()}) == 2
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["cat", "car"]
    colours = {tuple(colour) for colour in right.collections[0].get_facecolors()}
    assert len(colours) == 3  # of two classes, and grey
    assert colours > {tuple(colour) for colour in known.get_facecolors()}
    save(figure, tmp_path / "map.png")


def test_without_labels_all_are_grey():
    figure = labelled_over_all(np.zeros((3, 2)), np.full(3, -1), np.full(3, -1))
    assert figure.axes[0].get_legend() is None


def test_each_checkpoint_is_a_point_with_its_epoch(tmp_path):
    figure = loss_against_accuracy([1, 2, 9], [0.3, 0.2, 0.1], [0.6, 0.65, 0.62], reference=0.5)
    _, right, _ = figure.axes
    assert right.collections[0].get_offsets().tolist() == [[0.3, 0.6], [0.2, 0.65], [0.1, 0.62]]
    assert sorted(text.get_text() for text in right.texts) == ["1", "2", "9"]
    assert "always the commonest class" in [text.get_text() for text in figure.legends[0].get_texts()]
    save(figure, tmp_path / "checkpoints.png")


def test_what_cannot_be_drawn_is_named():
    with pytest.raises(InputError, match="the same length"):
        loss_against_accuracy([1, 2], [0.3], [0.5])
    with pytest.raises(InputError, match="points"):
        labelled_over_all(np.zeros((3, 3)), np.zeros(3, int), np.zeros(3, int))
    with pytest.raises(InputError, match="labels"):
        labelled_over_all(np.zeros((3, 2)), np.zeros(2, int), np.zeros(3, int))
