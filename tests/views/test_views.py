"""Views change what an image looks like, not its shape, and follow their generator."""

import pytest
import torch

from narrows.views import Views


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_views_change_images_keep_shape_and_follow_the_generator():
    x = torch.rand(6, 3, 16, 12, generator=generator())
    views = Views(["affine:1", "light:1", "flip:1", "erase:0.5", "stroke:1"], images=True)
    assert views(x, generator(5)).shape == x.shape
    assert torch.equal(views(x, generator(5)), views(x, generator(5)))
    assert not torch.equal(views(x, generator(5)), views(x, generator(6)))


@pytest.mark.parametrize("step", ["affine:0", "stroke:0"])
def test_a_view_of_strength_0_is_the_image_itself(step):
    x = torch.rand(3, 1, 10, 14, generator=generator())
    assert torch.allclose(Views(step, images=True)(x, generator()), x, atol=1e-5)


def test_strokes_move_between_erosion_and_dilation():
    x = torch.zeros(400, 1, 9, 9)
    x[:, :, 3:6, 4] = 1  # a stroke of 3x1: dilated it is 5x3, eroded it no longer exists
    seen = Views("stroke:1", images=True)(x, generator())
    ink = seen.sum((1, 2, 3))
    share = (ink - 3) / torch.where(ink > 3, 12, 3)
    assert share.min() > -1
    assert share.max() < 1
    # Uniform from -1 to 1, so its mean is 0 and its variance 1/3.
    assert share.mean().item() == pytest.approx(0, abs=0.1)
    assert share.var().item() == pytest.approx(1 / 3, abs=0.05)
    dilated = seen[share > 0][0, 0]
    assert (dilated[2:7, 3:6] > 0).all()
    assert dilated[0].sum() == 0
