from contextlib import suppress

import numpy as np
import pytest
import torch
from torch import nn

from narrows.errors import InputError, RecipeError
from narrows.figures.architecture import MOST_ROWS, inverses, sketch, trace
from narrows.nets import nets

CLASSIFIER = nn.Sequential(
    nn.Conv2d(1, 4, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(4, 8, 4, padding=2),
    nn.BatchNorm2d(8),
    nn.ReLU(),
    nn.Dropout(0.2),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(392, 10),
)


class Fashion(nn.Module):
    """28 -> 10 -> 5 -> 3 -> 2 and 2 -> 5 -> 15 -> 28: two stages on each side undo each other."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 16, 3, 3, 1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 8, 3, 2, 1),
            nn.ReLU(),
            nn.MaxPool2d(2, 1),
        )
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(8, 16, 3, 2),
            nn.ReLU(),
            nn.ConvTranspose2d(16, 8, 5, 3, 1),
            nn.ReLU(),
            nn.ConvTranspose2d(8, 1, 2, 2, 1),
            nn.Tanh(),
        )

    def forward(self, x):
        return self.decoder(self.encoder(x))


class Centres(nn.Module):
    """Computes with its own parameter and calls no module."""

    def __init__(self):
        super().__init__()
        self.centres = nn.Parameter(torch.rand(10, 784))

    def forward(self, x):
        x = x.flatten(1)
        return torch.softmax(x @ self.centres.T, 1) @ self.centres - x


class Named(nn.Module):
    def forward(self, x):
        return {"x": x}


def texts(figure):
    return [text.get_text() for ax in figure.axes for text in ax.texts if text.get_text()]


def test_a_stage_is_a_layer_that_computes_with_what_follows_it():
    stages = trace(CLASSIFIER, (1, 28, 28))
    assert [(s.kind, s.extras) for s in stages] == [
        ("Conv 3×3 s1 p1", ("ReLU",)),
        ("Max pool 2×2 s2", ()),
        ("Conv 4×4 s1 p2", ("BN", "ReLU", "Dropout 0.2")),
        ("Max pool 2×2 s2", ()),
        ("Flatten · Linear", ()),
    ]
    assert [s.outputs for s in stages] == [(4, 28, 28), (4, 14, 14), (8, 15, 15), (8, 7, 7), (10,)]
    assert [s.parameters for s in stages] == [40, 0, 520 + 16, 0, 3930]


def test_nothing_of_the_network_changes():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout()).train()
    net[2].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    trace(net, (3,))
    assert [module.training for module in net] == [True, True, False]
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


@pytest.mark.parametrize(
    ("layer", "shape", "kind"),
    [
        (nn.Conv2d(8, 8, (3, 5), (2, 1), groups=8), (8, 9, 9), "Conv 3×5 s2×1 depthwise"),
        (nn.Conv2d(8, 4, 1, groups=2), (8, 9, 9), "Conv 1×1 s1 in 2 groups"),
        (nn.ConvTranspose2d(8, 4, 4, 2, 1), (8, 9, 9), "ConvT 4×4 s2 p1"),
        (nn.ConvTranspose2d(8, 4, 3, 2, 1, 1), (8, 9, 9), "ConvT 3×3 s2 p1 op1"),
        (nn.Conv2d(8, 4, 3, padding="same"), (8, 9, 9), "Conv 3×3 s1 same"),
        (nn.MaxPool2d(3, 2, 1), (8, 9, 9), "Max pool 3×3 s2 p1"),
        (nn.Conv1d(2, 3, 5), (2, 9), "Conv 5 s1"),
        (nn.Upsample(scale_factor=2, mode="bicubic"), (1, 4, 4), "Upsample ×2"),
        (nn.PixelShuffle(2), (4, 4, 4), "Pixel shuffle ×2"),
        (nn.AdaptiveAvgPool2d(1), (4, 4, 4), "Mean pool"),
        (nn.LSTM(5, 8, batch_first=True), (7, 5), "LSTM"),
    ],
)
def test_what_layers_are_called(layer, shape, kind):
    (stage,) = trace(layer, shape)
    assert stage.kind == kind
    assert stage.inputs == shape


def test_a_module_that_computes_by_itself_is_one_stage():
    (stage,) = trace(Centres(), (1, 28, 28))
    assert (stage.kind, stage.outputs, stage.parameters) == ("Centres", (784,), 7840)


def test_shared_weights_are_counted_once():
    layer = nn.Linear(4, 4)
    assert [stage.parameters for stage in trace(nn.Sequential(layer, nn.ReLU(), layer), (4,))] == [20, 0]


def built(name):
    """A network with a shape that it takes."""
    for shape in ((1, 28, 28), (3, 32, 32), (64,)):
        for arguments in ({"code_size": 6}, {}):
            with suppress(RecipeError):
                return nets.get(name)(shape, **arguments), shape
    raise AssertionError(f"no shape for {name}")


@pytest.mark.parametrize("name", nets.names())
def test_every_network_is_drawn_with_all_its_parameters(name):
    net, shape = built(name)
    stages = trace(net, shape)
    total = sum(parameter.numel() for parameter in net.parameters())
    assert sum(stage.parameters for stage in stages) == total
    drawn = texts(sketch(net, shape))
    assert any(text.startswith(f"{total:,} parameters: ") for text in drawn)
    assert drawn.count(" × ".join(map(str, shape))) >= 2


def test_encoder_and_decoder_meet_at_the_code():
    net = nets.get("denoising-digits")((1, 28, 28))
    stages = trace(net, (1, 28, 28))
    encoder = [stage for stage in stages if not stage.name.startswith("decoder")]
    decoder = stages[len(encoder) :]
    assert encoder[-1].outputs == (4,)
    pairs = inverses(encoder, decoder)
    assert [(list(down), list(up), exact) for down, up, exact in pairs] == [([i], [4 - i], True) for i in range(5)]
    figure = sketch(net, (1, 28, 28))
    assert "87,125 parameters: 43,428 in the encoder, 43,697 in the decoder" in texts(figure)
    assert texts(figure).count("code") == 2


def test_stages_that_only_together_take_each_other_back_are_joined_as_groups():
    stages = trace(Fashion(), (1, 28, 28))
    pairs = inverses(stages[:4], stages[4:])
    assert [(list(down), list(up), exact) for down, up, exact in pairs] == [([0, 1], [1, 2], True), ([2, 3], [0], True)]


def test_stages_that_nearly_take_each_other_back_are_joined_by_dashes():
    net = nets.get("gaussian-autoencoder")((1, 28, 28))  # 28 -> 25 -> 11 -> 5 and 6 -> 12 -> 27 -> 28
    stages = trace(net, (1, 28, 28))
    pairs = inverses(stages[:5], stages[5:])
    assert [(list(down), list(up)) for down, up, _ in pairs] == [([i], [4 - i]) for i in range(5)]
    assert not any(pair.exact for pair in pairs)
    figure = sketch(net, (1, 28, 28))
    assert sum(line.get_linestyle() == "--" for line in figure.axes[0].lines) == 5
    assert any(text.endswith("; a dashed one, nearly.") for text in texts(figure))


def test_networks_that_do_not_return_their_input_are_one_column():
    drawn = texts(sketch(CLASSIFIER, (1, 28, 28)))
    assert "output" in drawn
    assert "code" not in drawn
    assert "4,506 parameters" in drawn


def test_a_plain_sequence_that_returns_its_input_is_cut_at_its_narrowest():
    net = nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 3), nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 20))
    drawn = texts(sketch(net, (20,)))
    assert "407 parameters: 195 in the encoder, 212 in the decoder" in drawn
    assert drawn.count("code") == 2


def test_deep_networks_are_folded_and_say_so():
    same = nn.Sequential(*(m for _ in range(100) for m in (nn.Linear(10, 10), nn.ReLU())))
    drawn = texts(sketch(same, (10,)))
    assert "Linear × 100" in drawn
    assert "11,000" in drawn
    growing = nn.Sequential(*(nn.Linear(10 + i, 11 + i) for i in range(100)))
    figure = sketch(growing, (10,))
    assert len(figure.axes[0].patches) == MOST_ROWS
    assert "… 85 more stages" in texts(figure)
    assert max(figure.get_size_inches()) * 96 < 1300


def test_blocks_that_repeat_in_twos_are_drawn_once():
    bottleneck = [m for _ in range(12) for m in (nn.Conv2d(8, 4, 1), nn.ReLU(), nn.Conv2d(4, 8, 3, padding=1))]
    drawn = texts(sketch(nn.Sequential(*bottleneck), (8, 6, 6)))
    assert {"Conv 1×1 s1 × 12", "Conv 3×3 s1 p1 × 12"} <= set(drawn)


def test_no_text_leaves_its_block():
    figure = sketch(nets.get("conv")((3, 64, 64), code_size=32, blocks=1), (3, 64, 64))
    figure.canvas.draw()
    (ax,) = figure.axes
    boxes = [patch.get_window_extent() for patch in ax.patches]
    for text in ax.texts:
        extent = text.get_window_extent()
        if not text.get_text():
            continue
        assert ax.bbox.x0 <= extent.x0
        assert extent.x1 <= ax.bbox.x1
        for box in boxes:
            if box.contains(*(extent.p0 + extent.p1) / 2):
                assert box.x0 <= extent.x0
                assert extent.x1 <= box.x1


def test_the_sigmoid_of_images_is_said():
    assert "output · Sigmoid" in texts(sketch(nets.get("dense")((1, 8, 8), code_size=4), (1, 8, 8)))
    assert "output" in texts(sketch(nets.get("dense")((64,), code_size=4), (64,)))


def test_an_input_that_the_network_does_not_take_is_refused():
    with pytest.raises(InputError, match="input_shape must be what the network takes"):
        sketch(CLASSIFIER, (3, 28, 28))
    with pytest.raises(InputError, match="a tensor into a tensor"):
        sketch(Named(), (3,))


def test_the_same_network_gives_the_same_picture(tmp_path):
    from narrows.figures import save

    for name in "ab":
        save(sketch(CLASSIFIER, (1, 28, 28)), tmp_path / name)
    assert np.array_equal(*(np.fromfile(tmp_path / name, np.uint8) for name in "ab"))
