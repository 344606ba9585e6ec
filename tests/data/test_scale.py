import numpy as np
import pytest

from narrows.data.scale import Census, Eye, Scale

RNG = np.random.default_rng(0)


def test_pictures_are_shown_as_they_are_where_they_fill_half_of_black_to_white():
    bright = RNG.integers(0, 256, (50, 1, 8, 8), dtype=np.uint8)
    assert Eye.of(bright) == (0, 255)
    assert Eye.of(bright).see(bright) is bright
    assert Eye.of(bright).note == ""
    assert Eye.of(np.zeros((5, 1, 8, 8), np.uint8)) == (0, 255)


def test_dark_and_flat_pictures_are_stretched_for_the_eye():
    dark = RNG.integers(100, 141, (50, 1, 8, 8)).astype(np.uint8)
    eye = Eye.of(dark)
    assert eye == (100, 140)
    seen = eye.see(dark)
    assert (seen.min(), seen.max()) == (0, 255)
    assert np.array_equal(seen, np.rint((dark.astype(float) - 100) * 255 / 40).astype(np.uint8))
    unit = eye.see((dark / 255).astype(np.float32))
    assert unit.dtype == np.float32
    assert np.abs(unit - seen / 255).max() < 0.003
    assert "between 100 and 140 of 255" in eye.note


@pytest.mark.parametrize("pieces", [1, 7])
def test_a_census_sees_the_same_whatever_the_pieces(pieces):
    values = RNG.normal(500, 100, (70, 1000)).astype(np.float32)
    values[3, 3] = 1e6
    census = Census(values.dtype, pieces)
    for piece in np.array_split(values, pieces):
        census.add(piece)
    scale, note = census.scale()
    assert abs(scale.low - np.percentile(values, 0.1)) < 2
    assert abs(scale.high - np.percentile(values, 99.9)) < 2
    assert "the 0.1 and 99.9 percentiles of all" in note


def test_a_single_value_throughout_is_black():
    census = Census(np.dtype(np.int32))
    census.add(np.full((4, 4), 7, np.int32))
    scale, _ = census.scale()
    assert (scale.to_bytes(np.full((4, 4), 7, np.int32)) == 0).all()


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.uint32, np.int64, np.float32, np.float64])
def test_a_scale_is_exact(dtype):
    scale = Scale(1000, 3000, clips=True)
    values = np.array([0, 1000, 1500, 2000, 3000, 60000]).astype(dtype)
    assert scale.to_bytes(values).tolist() == [0, 0, 64, 128, 255, 255]
