import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from narrows.errors import InputError
from narrows.figures import DPI
from narrows.figures.features import compare_feature_maps, feature_maps, first_filters
from narrows.nets import nets

TILE = 8 * 14 + 2  # of an 8 x 8 picture, with its frame
WHITE, RED, BLUE = (247, 246, 246), (103, 0, 31), (5, 48, 97)  # the middle and the ends of the scale


def page(figure):
    """The picture in device pixels (h, w, 3)."""
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI)
    return np.asarray(Image.open(buffer).convert("RGB")).astype(int)


def texts(figure):
    """The text on the page, without that of the bar that explains the colours."""
    written = [text.get_text() for text in figure.axes[0].texts]
    assert written[-2] == "−"
    assert written[-1].startswith("+")
    assert len(written[-1]) <= 60  # longer ones are cut
    return written[:-2]


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 1, 8, 8), np.uint8)


def identity(channels, sign=1.0):
    """A convolution whose first filter returns the image, and whose others return 0."""
    layer = nn.Conv2d(1, channels, 3, padding=1, bias=False)
    nn.init.zeros_(layer.weight)
    with torch.no_grad():
        layer.weight[0, 0, 1, 1] = sign
    return layer


@pytest.mark.parametrize(("sign", "end"), [(1.0, RED), (-1.0, BLUE)])
def test_each_row_is_an_image_and_its_maps_in_signed_colours(images, sign, end):
    images[:] = 0
    images[1, 0, 2, 3] = 255
    drawn = page(feature_maps(nn.Sequential(identity(2, sign), nn.ReLU()), images))
    left, map_left = 8 + 1, 3 * 8 + TILE + 1
    row = 8 + 1 + (TILE + 8)
    assert tuple(drawn[row + 14 * 2 + 7, left + 14 * 3 + 7]) == (255, 255, 255)
    assert tuple(drawn[row + 14 * 2 + 7, map_left + 14 * 3 + 7]) == end
    assert tuple(drawn[row + 7, map_left + 7]) == WHITE
    assert tuple(drawn[row + 14 * 2 + 7, map_left + TILE + 8 + 14 * 3 + 7]) == WHITE


def test_a_column_has_one_scale_for_all_images(images):
    images[:] = 0
    images[0, 0, 0, 0], images[1, 0, 0, 0] = 255, 128
    drawn = page(feature_maps(nn.Sequential(identity(1)), images))
    first, second = (drawn[8 + 1 + 7 + n * (TILE + 8), 3 * 8 + TILE + 1 + 7] for n in (0, 1))
    assert tuple(first) == RED
    assert tuple(second) not in (RED, WHITE)


def test_how_many_of_how_many_maps_are_drawn_is_said(images):
    net = nets.get("conv")((1, 8, 8), code_size=4, width=32)
    assert texts(feature_maps(net, images)) == ["encoder.0: 12 of 32 maps of 4 × 4"]


def test_a_layer_can_be_named(images):
    net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 5, 3))
    assert texts(feature_maps(net, images, "2")) == ["2: all 5 maps of 4 × 4"]
    with pytest.raises(InputError, match="must name a convolution"):
        feature_maps(net, images, "1")


def test_floats_and_bytes_give_the_same_maps(images):
    net = nets.get("conv")((1, 8, 8), code_size=4)
    as_floats = (images / 255).astype(np.float32)
    assert np.array_equal(page(feature_maps(net, images)), page(feature_maps(net, as_floats)))


def test_the_network_stays_as_it_was(images):
    net = nets.get("conv")((1, 8, 8), code_size=4).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    feature_maps(net, images)
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


def test_a_row_of_large_images_stays_within_the_page():
    net = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1))
    figure = feature_maps(net, np.zeros((1, 3, 256, 256), np.uint8))
    assert figure.get_size_inches()[0] * DPI < 1900
    assert texts(figure) == ["0: 5 of 16 maps of 256 × 256"]


def test_networks_without_convolutions_have_no_feature_maps(images):
    with pytest.raises(InputError, match="must have a convolution to have feature maps, and this one has none"):
        feature_maps(nets.get("dense")((1, 8, 8), code_size=4), images)


def test_images_that_the_network_does_not_take_are_refused(images):
    with pytest.raises(InputError, match="images must be what the network takes"):
        feature_maps(nn.Sequential(nn.Conv2d(3, 4, 3)), images)


def test_filters_are_drawn_the_largest_first():
    net = nn.Sequential(nn.Conv2d(1, 3, 2, bias=False))
    with torch.no_grad():
        net[0].weight[:] = torch.tensor([[1.0, 0, 0, 0], [0, -5.0, 0, 0], [0, 0, 3.0, 0]]).view(3, 1, 2, 2)
    figure = first_filters(net, (1, 8, 8))
    drawn = page(figure)
    side = 56  # dots to a weight
    step = 2 * side + 2 + 8
    at = {
        (i, row, column): tuple(drawn[9 + side * row + 20, 9 + step * i + side * column + 20])
        for i in range(3)
        for row in range(2)
        for column in range(2)
    }
    assert (at[0, 0, 1], at[1, 1, 0], at[2, 0, 0]) == (BLUE, RED, RED)
    assert (at[0, 0, 0], at[1, 0, 1], at[2, 1, 1]) == (WHITE, WHITE, WHITE)
    assert texts(figure) == ["0: weights of all 3 units, the largest first"]


def test_rows_of_a_dense_layer_are_images():
    net = nets.get("dense")((1, 8, 8), code_size=4, hidden=[100])
    with torch.no_grad():
        net.encoder[1].weight[7] = 10 * torch.eye(8).flatten()
    figure = first_filters(net, (1, 8, 8))
    drawn = page(figure)
    assert texts(figure) == ["encoder.1: weights of 64 of 100 units, the largest first"]
    assert [tuple(drawn[9 + 14 * i + 7, 9 + 14 * j + 7]) for i, j in [(0, 0), (7, 7), (0, 7)]] == [RED, RED, WHITE]


def test_weights_of_three_channels_are_colours():
    net = nn.Sequential(nn.Conv2d(3, 1, 1, bias=False))
    with torch.no_grad():
        net[0].weight[:] = torch.tensor([1.0, -1.0, 0.0]).view(1, 3, 1, 1)
    assert tuple(page(first_filters(net, (3, 8, 8)))[20, 20]) == (255, 0, 128)


@pytest.mark.parametrize(
    ("net", "shape", "match"),
    [
        (nn.Linear(8, 2), (8,), "the shape of an image"),
        (nn.ReLU(), (1, 8, 8), "convolution or a linear layer"),
        (nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 2)), (1, 8, 8), "first layer that takes images"),
    ],
)
def test_first_layers_that_do_not_see_images_are_refused(net, shape, match):
    with pytest.raises(InputError, match=match):
        first_filters(net, shape)


def test_maps_of_two_networks_stand_below_each_other_for_each_image(images):
    one, two = (nn.Sequential(identity(2, sign)) for sign in (1.0, -1.0))
    images[:] = 0
    images[0, 0, 2, 3] = 255
    figure = compare_feature_maps({"as it is": one, "turned": two}, images[:1])
    assert texts(figure)[:2] == ["as it is", "turned"]
    drawn = page(figure)
    assert (drawn == RED).all(axis=2).any()
    assert (drawn == BLUE).all(axis=2).any()
    with pytest.raises(InputError, match="the same shape"):
        compare_feature_maps({"a": one, "b": nn.Sequential(nn.Conv2d(1, 3, 3))}, images)
    with pytest.raises(InputError, match="at least one"):
        compare_feature_maps({}, images)
