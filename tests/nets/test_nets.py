import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from narrows.errors import RecipeError
from narrows.nets.conv import Conv
from narrows.nets.denoising_digits import DenoisingDigits
from narrows.nets.dense import Dense


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(8, 70), st.integers(8, 70), st.integers(0, 1), st.integers(1, 8))
def test_conv_returns_the_shape_it_got(channels, height, width, blocks, shrink):
    shrink = min(shrink, height // 8, width // 8)
    net = Conv((channels, height, width), code_size=5, width=2, blocks=blocks, shrink=shrink).eval()
    x = torch.rand(2, channels, height, width)
    assert net.encode(x).shape == (2, 5)
    assert net(x).shape == x.shape


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 256, 256), (1, 8, 256), (3, 255, 9)])
def test_conv_at_the_ends_of_its_range(shape):
    with torch.no_grad():
        assert Conv(shape, code_size=4, width=2).eval()(torch.rand(1, *shape)).shape == (1, *shape)


@pytest.mark.parametrize("shape", [(1, 7, 8), (1, 8, 257), (20,)])
def test_conv_refuses_what_it_cannot_be_built_for(shape):
    with pytest.raises(RecipeError, match="conv"):
        Conv(shape)


def test_conv_may_see_means_of_squares():
    torch.manual_seed(0)  # and many channels, or what changes could lie where every ReLU is 0
    net = Conv((1, 20, 33), code_size=4, width=16, shrink=2).eval()
    x = torch.rand(2, 1, 20, 33)
    for rows, columns in ((slice(4, 6), slice(10, 12)), (slice(0, 2), slice(32, 33))):  # the last are cut off
        turned, brighter = x.clone(), x.clone()
        turned[..., rows, columns] = x[..., rows, columns].flip(2)
        brighter[..., rows, columns] += 0.5
        torch.testing.assert_close(net.encode(turned), net.encode(x))
        assert (net.encode(brighter) - net.encode(x)).abs().max() > 1e-4
    for shrink in (0, 3):
        with pytest.raises(RecipeError, match="shrink"):
            Conv((1, 20, 33), shrink=shrink)


def test_a_code_larger_than_the_input_is_refused():
    with pytest.raises(RecipeError, match="at most 6, the number of values"):
        Dense((6,), code_size=7)


def test_images_come_out_in_the_unit_interval_and_vectors_do_not():
    z = 100 * torch.randn(50, 4)
    assert 0 <= Dense((1, 8, 8), 4).decode(z).min() <= Dense((1, 8, 8), 4).decode(z).max() <= 1
    assert Dense((9,), 4).decode(z).min() < 0


def test_the_network_of_study_1_has_its_parameters():
    net = DenoisingDigits((1, 28, 28), 4)

    def count(*modules):
        return sum(p.numel() for m in modules for p in m.parameters())

    assert count(net.encoder, net.to_code) == 43_428
    assert count(net.decoder) == 43_697


def test_the_sigmoid_keeps_its_gradient_under_bfloat16():
    net = Dense((4,), 2)
    net.is_images = True
    net.decoder = torch.nn.Identity()
    z = torch.full((1, 2), 7.0, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        net.decode(z).sum().backward()
    assert (z.grad > 0).all()
