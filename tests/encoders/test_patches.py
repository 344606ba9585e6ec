import numpy as np
import pytest
import torch

import narrows
from narrows.encoders.patches import CONTRAST, PatchCodes
from narrows.errors import DataError, InputError


@pytest.fixture(scope="module")
def images():
    return narrows.open("digits").values[:200]


def by_hand(codes, image):
    """The code of one image by loops over patches, as in the paper."""
    side, half = codes.side, codes.side // 2
    x = np.pad(image.astype(np.float64) / 255, ((0, 0), (half, half), (half, half)))
    rows = range(0, x.shape[1] - side + 1, codes.stride)
    columns = range(0, x.shape[2] - side + 1, codes.stride)
    answers = np.zeros((codes.n_centers, len(rows), len(columns)))
    for i, top in enumerate(rows):
        for j, left in enumerate(columns):
            patch = x[:, top : top + side, left : left + side].ravel()
            patch = (patch - patch.mean()) / np.sqrt(patch.var() + CONTRAST)
            u = patch @ codes.whiten_ - codes.whitened_mean_
            z = np.sqrt(((u - codes.centers_) ** 2).sum(1))
            answers[:, i, j] = np.maximum(0, z.mean() - z)
    return answers


@pytest.mark.parametrize(("channels", "side", "stride"), [(1, 3, 1), (1, 4, 2), (3, 3, 2)])
def test_one_product_computes_what_loops_over_patches_do(images, channels, side, stride):
    coloured = np.repeat(images, channels, axis=1)
    coloured[:, -1] //= 2
    codes = PatchCodes(8, side=side, stride=stride, grid=1, patches=2000).fit(coloured)
    found = codes.encode(coloured[:3])
    expected = np.stack([by_hand(codes, image).mean((1, 2)) for image in coloured[:3]])
    assert np.allclose(found, expected, atol=1e-4)
    assert (found >= 0).all()
    assert found.std() > 0.01


def test_fields_of_the_grid_keep_where_something_is(images):
    codes = PatchCodes(8, side=3, stride=1, grid=2, patches=2000).fit(images)
    corner = np.zeros((1, 1, 8, 8), np.uint8)
    corner[0, 0, 1:3, 1:3] = 255
    blank = codes.encode(np.zeros_like(corner)).reshape(8, 4)
    here = codes.encode(corner).reshape(8, 4)
    changed = np.abs(here - blank).sum(0)
    assert changed[0] > 0
    assert np.allclose(changed[1:], 0)


def test_a_code_does_not_depend_on_the_block_or_on_brightness_far_above_the_noise(images, monkeypatch):
    codes = PatchCodes(16, side=3, stride=1, grid=2, patches=2000).fit(images)
    whole = codes.encode(images)
    monkeypatch.setattr("narrows.encoders.patches.BLOCK_VALUES", 5 * 10 * 10 * 16)
    assert np.allclose(codes.encode(images), whole, atol=1e-5)
    assert np.allclose(codes.encode(images.astype(np.float32) / 255), whole, atol=1e-5)
    assert codes.n_features_ == whole.shape[1] == 64


def test_cores_share_the_images_and_leave_the_number_of_threads_as_it_was(images):
    codes = PatchCodes(16, side=3, stride=1, grid=2, patches=2000).fit(images)
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(codes.encode(images))
            assert torch.get_num_threads() == threads
            assert codes.encode(images[:0]).shape == (0, 64)
            assert np.allclose(codes.encode(images[:1]), found[0][:1], atol=1e-6)
    finally:
        torch.set_num_threads(before)
    assert np.allclose(*found, atol=1e-6)


def test_the_seed_decides_every_bit(images):
    one, two, other = (PatchCodes(8, side=3, patches=1000, seed=seed).fit(images).encode(images) for seed in (1, 1, 2))
    assert (one == two).all()
    assert (one != other).any()


def test_a_linear_layer_reads_more_from_the_codes_than_from_pixels():
    from sklearn.linear_model import LogisticRegression

    data = narrows.open("digits")
    train, test = np.arange(300), np.arange(900, 1797)
    codes = PatchCodes(64, side=3, stride=1, grid=4, patches=5000).fit(data.values[train])

    def accuracy(x):
        return LogisticRegression(max_iter=500).fit(x[train], data.labels[train]).score(x[test], data.labels[test])

    assert accuracy(codes.encode(data.values)) > accuracy(data.values.reshape(len(data), -1) / 255) + 0.01


def test_what_cannot_be_encoded_is_refused(images):
    with pytest.raises(InputError, match="n_centers"):
        PatchCodes(0)
    with pytest.raises(InputError, match="patches"):
        PatchCodes(100, patches=50)
    with pytest.raises(DataError, match="N, C, H, W"):
        PatchCodes().fit(np.zeros((5, 64), np.uint8))
    with pytest.raises(DataError, match="as a patch of 9"):
        PatchCodes(8, side=9).fit(images)
    with pytest.raises(DataError, match="at least 2 for 101"):
        PatchCodes(101, side=3).fit(images[:1])
    codes = PatchCodes(8, side=3, patches=500).fit(images)
    with pytest.raises(InputError, match="shape"):
        codes.encode(np.zeros((2, 1, 9, 9), np.uint8))
