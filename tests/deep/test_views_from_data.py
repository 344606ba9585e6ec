import numpy as np
import pytest

from narrows.deep import _views


def suited_views(images, seed=0):
    return _views.suited_views(images, np.arange(len(images)), seed)


def arrows(n=300, both_ways=False, seed=0):
    """Grey gradients that rise to the right, or to either side, at random heights of the image."""
    rng = np.random.default_rng(seed)
    images = np.tile(np.linspace(20, 230, 16), (n, 16, 1)) + rng.normal(0, 10, (n, 16, 16))
    images += 20 * np.sin(np.arange(16) / 2 + rng.uniform(0, 6, (n, 1)))[:, :, None]
    if both_ways:
        turned = rng.random(n) < 0.5
        images[turned] = images[turned, :, ::-1]
    return images.clip(0, 255).astype(np.uint8)[:, None]


def test_mirrored_where_mirrored_images_are_as_likely():
    one_way, why = suited_views(arrows())
    assert "flip:1" not in one_way
    assert "not mirrored" in why[0]
    either, why = suited_views(arrows(both_ways=True))
    assert "flip:1" in either
    assert why[0].startswith("Views are mirrored")


def test_drawings_get_strokes_and_photographs_light(digits):
    drawings, why = suited_views(digits[0])
    assert [view.partition(":")[0] for view in drawings] == ["affine", "stroke", "erase"]
    assert "as in drawings" in why[1]
    photographs, why = suited_views(arrows())
    assert [view.partition(":")[0] for view in photographs] == ["affine", "light", "erase"]
    assert "not grey drawings" in why[1]
    colours, _ = suited_views(np.repeat(digits[0], 3, axis=1))
    assert any(view.startswith("light") for view in colours)  # a colour image is no drawing in one ink


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_handful_of_images_is_enough(n):
    views, why = suited_views(arrows(n))
    assert views[0] == "affine:1"
    assert views[-1] == "erase:0.4"
    assert len(why) == 2
    assert ("too few" in why[0]) == (n < 3)


def test_the_seed_decides():
    images = arrows(6000)
    assert suited_views(images, 3) == suited_views(images, 3)
