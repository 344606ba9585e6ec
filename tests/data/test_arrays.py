import numpy as np
import pytest
import torch
from scipy import sparse

from narrows.data.arrays import as_array, as_values
from narrows.data.scale import Scale, check_range, check_white
from narrows.errors import DataError

RNG = np.random.default_rng(0)
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 9, 8, 3), dtype=np.uint8)


def test_uint8_images_stay_as_they_are():
    assert np.array_equal(as_values(IMAGES)[0], IMAGES.transpose(0, 3, 1, 2))
    assert np.array_equal(as_values(IMAGES.transpose(0, 3, 1, 2))[0], IMAGES.transpose(0, 3, 1, 2))
    assert np.array_equal(as_values(IMAGES[..., 0])[0], IMAGES[..., 0][:, None])


def test_the_last_axis_wins_where_both_could_be_channels():
    assert as_values(np.zeros((2, 3, 8, 1), np.uint8))[0].shape == (2, 1, 3, 8)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([False, True]), [0, 255]),
        (np.array([0, 257, 65535], np.uint16), [0, 1, 255]),
        (np.array([0, 257, 65535], ">u2"), [0, 1, 255]),
        (np.array([0, 7, 255], np.uint16), [0, 7, 255]),
        (np.array([0, 7, 255], ">u2"), [0, 7, 255]),
        (np.array([0, 7, 255], np.int64), [0, 7, 255]),
        (np.array([0.0, 0.5, 1.0]), [0, 128, 255]),
        (np.array([-0.0005, 0.5, 1.0001]), [0, 128, 255]),
        (np.array([0.0, 7.4, 255.0], np.float32), [0, 7, 255]),
        (np.array([-0.0005, 7.4, 255.0005]), [0, 7, 255]),
        (np.array([0.0, 0.5, 1.0], np.float16), [0, 128, 255]),
    ],
)
def test_values_of_images(array, expected):
    values, notes, _ = as_values(np.tile(array, (2, 4, 1)))
    assert values.dtype == np.uint8
    assert values[0, 0, 0].tolist() == expected
    assert bool(notes) == (array.dtype.itemsize == 2 or array.dtype.kind == "f")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.array([0, 256]), "0 to 256"),
        (np.array([-1, 3]), "-1 to 3"),
        (np.array([-1.0, 1.0]), r"\(x \+ 1\) / 2"),
        (np.array([0.0, 300.0]), "0 to 300"),
        (np.array([0.0, 1.5]), r"0 to 1\.5.*clip.*white=255"),
        (np.array([-0.4, 2.8]), r"-0\.4 to 2\.8.*min"),
        (np.array([0.0, np.nan]), "NaN or infinity in 8 pixels"),
        (np.array([0.0, np.inf]), "NaN or infinity"),
        (np.array([1j, 0]), "complex"),
        (np.array(["a", "b"]), "plain numbers"),
    ],
)
def test_values_that_are_refused(array, words):
    with pytest.raises(DataError, match=words):
        as_values(np.tile(array, (2, 4, 1)))


@pytest.mark.parametrize("shape", [(), (4,), (2, 2, 2, 2, 2), (2, 4, 8, 8), (0, 3), (2, 0, 5)])
def test_shapes_that_are_refused(shape):
    with pytest.raises(DataError):
        as_values(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint64, np.float16, np.float32, np.float64])
def test_two_axes_are_vectors(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    values, notes, kept = as_values(array)
    assert kept == {}
    assert values.dtype == np.float32
    assert np.array_equal(values, array.astype(np.float32))
    assert notes == []


def test_vectors_beyond_float32_are_refused():
    with pytest.raises(DataError, match=r"1e\+300"):
        as_values(np.array([[1.0, 1e300]]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_vectors_whose_differences_float32_cannot_hold_are_refused(dtype):
    as_values(np.array([[1e37, -9.9e36]], dtype))
    with pytest.raises(DataError, match=r"must have values up to 1e\+37, .* got 3\..*e\+38. Rescale"):
        as_values(np.array([[0, -3.3e38]], dtype))


def test_objects_and_ragged_rows_are_refused():
    with pytest.raises(DataError, match="Python objects"):
        as_values(np.array([[1, "a"]], dtype=object))
    with pytest.raises(DataError, match="equal shape"):
        as_array([[1, 2], [3]])


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr", "dia", "lil", "dok"])
def test_a_sparse_matrix_is_its_dense_one(kind):
    dense = RNG.normal(size=(6, 4)) * (RNG.random((6, 4)) > 0.6)
    np.testing.assert_array_equal(as_array(sparse.coo_array(dense).asformat(kind)), dense)


def test_a_sparse_matrix_that_would_be_huge_is_refused_with_the_figure():
    with pytest.raises(DataError, match=r"fit in 8 GiB.*7,450\.6 GiB, as 1,000,000 x 1,000,000 float64.*TruncatedSVD"):
        as_array(sparse.csr_array((10**6, 10**6)))


@pytest.mark.filterwarnings("ignore:Sparse")
def test_tensors_of_any_kind_are_arrays():
    values = torch.tensor([[0.5, -1.25], [3.0, 0.0]])
    for tensor in (
        values.clone().requires_grad_(),
        torch.nn.Parameter(values),
        values.to(torch.bfloat16),
        values.half(),
        values.to(torch.float8_e4m3fn),
        values.to_sparse(),
        values.to_sparse_csr(),
        values.T.contiguous().T,
        torch.view_as_complex(torch.stack([torch.zeros(2, 2), -values], -1)).conj().imag,
    ):
        np.testing.assert_array_equal(as_array(tensor).astype(float), values.numpy())
    np.testing.assert_array_equal(as_array([row.clone().requires_grad_() for row in values]), values.numpy())
    np.testing.assert_array_equal(as_array([list(row.to(torch.bfloat16)) for row in values]), values.numpy())
    with pytest.raises(DataError, match="a sparse tensor"):
        as_array(torch.sparse_coo_tensor(torch.zeros(2, 1, dtype=torch.long), [1.0], (10**6, 10**6)))


def test_tensors():
    torch = pytest.importorskip("torch")
    tensor = torch.rand(3, 1, 8, 8, requires_grad=True)
    assert np.array_equal(as_array(tensor), tensor.detach().numpy())
    assert as_array(tensor.to(torch.bfloat16)).dtype == np.float32


def test_mapped_images_stay_on_disk(tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    values, _, _ = as_values(np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert isinstance(values, np.memmap)


@pytest.mark.parametrize(
    ("array", "white", "expected"),
    [
        (np.array([0.0, 0.5, 1.0]), 255, [0, 0, 1]),
        (np.array([0.0, 0.5, 1.0005]), 1, [0, 128, 255]),
        (np.array([0, 100, 200], np.uint16), 65535, [0, 0, 1]),
        (np.array([0, 257, 65535], np.int32), 65535, [0, 1, 255]),
        (np.array([0, 1, 1], np.int64), 1, [0, 255, 255]),
        (np.array([False, True, True]), 255, [0, 255, 255]),
        (np.array([0, 8, 16], np.uint8), 16, [0, 128, 255]),
        (np.array([0, 1, 200], np.uint8), 255, [0, 1, 200]),
        (np.array([0, 2048, 4095], np.uint16), 4095, [0, 128, 255]),
        (np.array([0.0, 20.0, 100.0]), 100, [0, 51, 255]),
    ],
)
def test_white_decides_whatever_the_range(array, white, expected):
    assert as_values(np.tile(array, (2, 4, 1)), scale=Scale(0, white))[0][0, 0, 0].tolist() == expected


@pytest.mark.parametrize(("top", "white"), [(1.1, 1), (255.1, 255), (300, 255), (2, 1), (-1, 255), (np.uint8(9), 8)])
def test_values_beyond_white_are_refused(top, white):
    with pytest.raises(DataError, match=f"white is {white}"):
        as_values(np.full((2, 4, 4), top), scale=Scale(0, white))


@pytest.mark.parametrize(
    ("array", "white", "brightest"),
    [
        (np.array([0, 8, 16], np.float64), 16, 255),
        (np.array([0, 8, 16], np.int64), 16, 255),
        (np.array([0, 8, 15], np.uint16), 16, 239),
        (np.array([0, 8, 16.5]), 255, 16),
        (np.array([0, 1, 17]), 255, 17),
        (np.array([0, 1, 1]), 1, 255),
        (np.array([0, 0, 0]), 255, 0),
    ],
)
def test_white_is_the_least_of_1_16_and_255_that_no_value_exceeds(array, white, brightest):
    values, notes, decided = as_values(np.tile(array, (2, 4, 1)))
    assert decided == {"white": white, "dtype": array.dtype.name}
    assert values.max() == brightest
    if white == 16:
        assert any("0 to 16" in note and "white=VALUE" in note for note in notes)


def test_the_digits_of_scikit_learn_are_those_known_by_name(digits):
    from sklearn.datasets import load_digits

    assert np.array_equal(as_values(load_digits().images)[0], digits[0])


@pytest.mark.parametrize(
    ("array", "note"),
    [
        (np.array([0, 1, 1], np.uint8), "no pixel is above 1 of 255. Multiply"),
        (np.array([0, 30.0, 60.0]), "no pixel is above 60 of 255. White is 255; if that"),
        (np.array([0, 100, 4095], np.uint16), ""),
        (np.array([0, 64, 64], np.uint8), ""),
        (np.array([0, 0, 0], np.uint8), ""),
        (np.array([0, 0, 0], bool), ""),
    ],
)
def test_dark_images_are_worth_a_word(array, note):
    said = [sentence for sentence in as_values(np.tile(array, (2, 4, 1)))[1] if "dark" in sentence]
    assert len(said) == bool(note)
    assert all(note in sentence for sentence in said)


@pytest.mark.parametrize("white", [0, -1, True, "255", None, np.ones(2), float("nan"), float("inf")])
def test_white_is_a_number_above_0(white):
    with pytest.raises(DataError, match="white must be"):
        check_white(white)


@pytest.mark.parametrize("asked", [(0,), (1, 1), (2, 1), (0, np.inf), "full", 255, (True, 2), ("0", "1")])
def test_a_range_is_two_numbers(asked):
    with pytest.raises(DataError, match="range must be"):
        check_range(asked, "auto")
    with pytest.raises(DataError, match="cannot be given with white"):
        check_range((0, 1), 255)


@pytest.mark.parametrize(
    ("array", "ends", "expected"),
    [
        (np.array([-1.0, 0.0, 1.0]), (-1, 1), [0, 128, 255]),
        (np.array([-5, 0, 100], np.int16), (0, 50), [0, 0, 255]),
        (np.array([0, 8, 200], np.uint8), (0, 16), [0, 128, 255]),
        (np.array([1000, 2000, 3000], np.uint32), (1000, 3000), [0, 128, 255]),
    ],
)
def test_what_lies_beyond_a_range_is_black_or_white(array, ends, expected):
    values, notes, kept = as_values(np.tile(array, (2, 4, 1)), scale=Scale(*ends, clips=True))
    assert values[0, 0, 0].tolist() == expected
    assert kept == {"range": list(ends), "dtype": array.dtype.name}
    assert "values outside are black or white" in notes[0]


def test_16_bits_are_scaled_over_the_whole_set():
    rng = np.random.default_rng(0)
    twelve = rng.integers(0, 4096, (20, 16, 16)).astype(np.uint16)
    twelve[0, 0, :2] = 0, 4095
    values, notes, kept = as_values(twelve)
    assert np.array_equal(values[:, 0], np.rint(twelve * (255 / 4095)))
    assert kept == {"range": [0, 4095], "dtype": "uint16"}
    assert notes == [
        "Values from 0 to 4,095 (the largest) were scaled to 0..255; to change this, set white=VALUE or "
        "range=[LOW, HIGH]."
    ]
    hot = twelve.copy()
    hot[3, 3, 3] = 60000  # one pixel of a broken sensor must not blacken the rest
    kept = as_values(hot)[2]
    assert 4080 < kept["range"][1] <= 4095
    shifted = (twelve // 16 + 1000).astype(np.uint16)
    assert as_values(shifted)[2]["range"] == [1000, 1255]


COUNTED = [np.uint8, np.int64, np.uint16, np.float32]


@pytest.mark.parametrize("like", [{}, {"white": 255}, {"white": 16}, {"white": 4095}, {"range": [10, 60]}])
@pytest.mark.parametrize("dtype", COUNTED)
def test_for_a_model_one_image_has_the_same_pixels_alone_as_among_others(like, dtype):
    top = min(like.get("white", 255), 255)
    images = np.random.default_rng(0).integers(0, top + 1, (9, 8, 8)).astype(dtype)
    images[0] //= 9
    images[1] = images[1] > 1
    images[2] = 0
    if dtype == np.uint8 and like == {"white": 16}:
        with pytest.raises(DataError, match="could have white at"):
            as_values(images, like=like)
        return
    together, _, kept = as_values(images, like=like)
    assert kept == like
    for row in range(3):
        assert np.array_equal(as_values(images[row : row + 1], like=like)[0][0], together[row])


def test_fractions_are_refused_where_the_models_white_is_255():
    with pytest.raises(DataError, match=r"white at 255.*set white=1"):
        as_values(np.random.default_rng(0).random((3, 8, 8)), like={})
    assert as_values(np.ones((3, 8, 8)), like={})[0].max() == 1  # whole numbers: a very dark picture


def test_channels_may_be_chosen_among_many():
    rng = np.random.default_rng(0)
    five = rng.integers(0, 256, (4, 20, 30, 5), dtype=np.uint8)
    assert np.array_equal(as_values(five, channels=(3,))[0][:, 0], five[..., 3])
    assert np.array_equal(
        as_values(np.moveaxis(five, 3, 1), channels=(4, 0, 2))[0], np.moveaxis(five[..., [4, 0, 2]], 3, 1)
    )
    with pytest.raises(DataError, match="among the 5"):
        as_values(five, channels=(5,))
    with pytest.raises(DataError, match=r"channels=\[0\]"):
        as_values(five)


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((4, 12, 8, 8), 1),
        ((4, 8, 8, 12), 3),
        ((4, 20, 30, 5), 3),
        ((4, 5, 20, 30), 1),
        ((4, 8, 8, 8), 3),
        ((4, 9, 8, 9), 3),
    ],
)
def test_channels_lie_beside_two_equal_sides_or_on_the_shortest_axis(shape, axis):
    stack = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(as_values(stack, channels=(4,))[0][:, 0], np.take(stack, 4, axis))


def test_masked_arrays_are_refused():
    with pytest.raises(DataError, match="masked"):
        as_array(np.ma.array([[1, 2], [3, 4]], mask=[[0, 1], [0, 0]]))


def test_a_range_is_of_the_type_it_was_decided_for():
    rng = np.random.default_rng(0)
    floats = rng.uniform(-1, 1, (4, 8, 8))
    like = as_values(floats, scale=Scale(-1, 1, clips=True))[2]
    grey = rng.integers(0, 256, (4, 8, 8), dtype=np.uint8)
    assert np.array_equal(as_values(grey, like=like)[0][:, 0], grey)
    levels = (grey // 16).astype(np.uint8)
    values, _, like = as_values(levels, scale=Scale(0, 15))
    assert like == {"white": 15, "dtype": "uint8"}
    assert np.array_equal(as_values(levels, like=like)[0], values)
    twelve = as_values(rng.integers(0, 4096, (4, 8, 8)).astype(np.uint16))[2]
    with pytest.raises(DataError, match="values from 0 to 1"):
        as_values(rng.random((4, 8, 8)), like=twelve)
