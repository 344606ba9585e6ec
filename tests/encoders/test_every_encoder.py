"""Every encoder in the registry keeps the contract."""

import json
import tracemalloc

import numpy as np
import pytest
import torch
from torch import nn

from narrows import encoders as room
from narrows.data.dataset import Dataset
from narrows.disk.files import read_arrays, write_arrays
from narrows.encoders import FittedEncoder, encoders
from narrows.encoding import model as networks
from narrows.encoding.model import Model, apply
from narrows.errors import DataError, InputError, RecipeError, RunFolderError
from narrows.registry import name_of

every_encoder = pytest.mark.parametrize("name", encoders.names())
fitted_ones = [name for name in encoders.names() if not encoders.get(name).trains_network]
every_fitted = pytest.mark.parametrize("name", fitted_ones)


def images(count=60, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 1, 8, 8), dtype=np.uint8)


def made(name, values=None, **arguments):
    values = images() if values is None else values
    entry = encoders.get(name)
    if entry.trains_network:
        return entry(values.shape[1:], {"name": "dense", "code_size": 4}, {"name": "reconstruction"}, seed=0)
    if name == "patches":
        arguments = {"n_centers": 6, "side": 3, "grid": 2, "patches": 500} | arguments
    return entry(seed=0, **arguments).fit(values, preprocessing={"size": [8, 8], "channels": 1, "fit": "crop"})


def test_there_are_the_first_three():
    assert {"network", "patches", "pca"} <= set(encoders.names())


@every_encoder
def test_codes_are_float32_and_those_of_each_row_alone(name):
    encoder, values = made(name), images()
    codes = encoder.encode(values)
    assert codes.dtype == np.float32
    assert codes.shape == (60, encoder.code_size)
    blocks = [encoder.encode(values[start : start + 7]) for start in range(0, 60, 7)]
    np.testing.assert_allclose(np.concatenate(blocks), codes, atol=1e-6)
    assert encoder.encode(values[:0]).shape == (0, encoder.code_size)
    assert encoder.is_images
    assert encoder.input_shape == (1, 8, 8)
    assert encoder.prepared(values).max() == 1.0


@every_encoder
def test_what_did_not_learn_to_clean_says_so(name):
    with pytest.raises(InputError, match=r"trained to denoise.*Train a network"):
        next(made(name).denoised(images(), seed=0))


@every_encoder
def test_the_same_seed_gives_the_same_bits(name):
    np.testing.assert_array_equal(made(name).encode(images()), made(name).encode(images()))


@every_encoder
def test_what_was_saved_answers_with_the_same_bits(name, tmp_path):
    encoder = made(name)
    encoder.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*encoder.files, "hashes.json"}
    again = room.load(tmp_path)
    assert type(again) is type(encoder)
    assert again.preprocessing == encoder.preprocessing
    assert again.describe() == encoder.describe()
    np.testing.assert_array_equal(again.encode(images()), encoder.encode(images()))


@every_encoder
def test_rows_of_another_shape_are_refused(name):
    for wrong in (np.zeros((2, 1, 9, 9), np.uint8), np.zeros((2, 64), np.float32)):
        with pytest.raises(InputError, match="rows of shape"):
            made(name).encode(wrong)


@every_encoder
def test_what_it_decodes_has_the_shape_of_rows_and_others_say_that_they_cannot(name):
    encoder, codes = made(name), made(name).encode(images())
    if not encoder.decodes:
        for use in (encoder.decode, encoder.reconstruct, encoder.errors):
            with pytest.raises(InputError, match="decode"):
                use(codes if use == encoder.decode else images())
        return
    drawn = encoder.decode(codes)
    assert drawn.dtype == np.float32
    assert drawn.shape == (60, 1, 8, 8)
    assert 0 <= drawn.min() <= drawn.max() <= 1
    np.testing.assert_allclose(encoder.reconstruct(images()), drawn, atol=1e-6)
    expected = ((drawn - images() / 255) ** 2).mean((1, 2, 3))
    np.testing.assert_allclose(encoder.errors(images()), expected, rtol=1e-4)
    with pytest.raises(InputError, match="codes"):
        encoder.decode(codes[:, 1:])


@every_encoder
def test_a_damaged_file_is_refused_by_its_name(name, tmp_path):
    encoder = made(name)
    encoder.save(tmp_path)
    path = tmp_path / encoder.files[0]
    *kept, last = path.read_bytes()
    path.write_bytes(bytes([*kept, last ^ 255]))
    with pytest.raises(RunFolderError, match=encoder.files[0]):
        room.load(tmp_path)
    path.unlink()
    with pytest.raises(RunFolderError, match=encoder.files[0]):
        room.load(tmp_path)


@every_fitted
def test_a_strangers_file_is_never_trusted(name, tmp_path):
    made(name).save(tmp_path)
    (tmp_path / "hashes.json").unlink()
    config = json.loads((tmp_path / "config.json").read_text())
    own, other = config["encoder"], next(n for n in encoders.names() if n != name)
    for change in (
        {"encoder": "pca"},
        {"encoder": {"name": 3}},
        {"encoder": {}},
        {"encoder": own | {"unheard": 1}},
        {"encoder": own | {"name": other}},
        {"encoder": own | {"name": "unheard"}},
        {"input_shape": [1, 9, 8]},
        {"input_shape": [-1, -8, 8]},
        {"input_shape": "188"},
        {"input_shape": []},
        {"format": 99},
        {"preprocessing": {"run": "me"}},
        {"preprocessing": None},
        {"preprocessing": {"range": 3}},
        {"preprocessing": {"range": [0, "1"]}},
        {"preprocessing": {"offsets": 3}},
        {"preprocessing": {"size": [4096, 4096]}},
        {"preprocessing": {"size": [10**9, 8]}},
        {"preprocessing": {"size": "8"}},
        {"preprocessing": {"fit": "tear"}},
        {"preprocessing": {"channels": 5}},
        {"preprocessing": {"max_pixels": 10**12}},
        {"preprocessing": {"white": "snow"}},
        {"preprocessing": {"offsets": {"a": 1.0}}},
        {"preprocessing": {"offsets": {"0": "b"}}},
    ):
        (tmp_path / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(RunFolderError):
            room.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config | {"encoder": own | {"name": "os:system"}}))
    with pytest.raises(RecipeError, match="must not choose the code that runs"):
        room.load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    arrays, _ = read_arrays(tmp_path / "encoder.safetensors")
    for array in arrays:
        write_arrays(tmp_path / "encoder.safetensors", {n: a for n, a in arrays.items() if n != array}, {})
        with pytest.raises(RunFolderError):
            room.load(tmp_path)
        write_arrays(tmp_path / "encoder.safetensors", arrays | {array: arrays[array][..., 1:]}, {})
        with pytest.raises(RunFolderError):
            room.load(tmp_path)
        write_arrays(tmp_path / "encoder.safetensors", arrays, {})


def test_a_model_says_that_another_encoder_is_no_network(tmp_path):
    made("pca").save(tmp_path)
    with pytest.raises(RunFolderError, match=r"must belong to a network.*pca"):
        Model.load(tmp_path)


@every_fitted
def test_no_rows_and_numbers_that_are_none_are_refused(name):
    with pytest.raises(DataError):
        encoders.get(name)().fit(images(0))
    for argument, value in encoders.get(name)().arguments().items():
        if argument != "seed":
            for wrong in (0, True, 2.5, "7", None):
                with pytest.raises(InputError, match=argument):
                    encoders.get(name)(**{argument: wrong})
            if isinstance(value, int):
                assert type(getattr(encoders.get(name)(**{argument: np.int64(value)}), argument)) is int


def test_the_code_of_pca_is_as_long_as_that_of_a_network_where_nobody_says():
    assert made("pca").code_size == 16  # a quarter of 64 values
    assert made("pca", np.zeros((50, 3), np.float32)).code_size == 2
    assert made("pca", n_components=5).code_size == 5


def test_patches_of_vectors_or_of_smaller_images_are_refused():
    patches = encoders.get("patches")
    with pytest.raises(DataError, match=r"N, C, H, W.*pca"):
        patches().fit(np.zeros((50, 64), np.float32))
    with pytest.raises(DataError, match=r"patch of 9; .*side of at most 8"):
        patches(side=9).fit(images())
    with pytest.raises(DataError, match=r"at least 9 pixels.*; .*grid of at most 8"):
        patches(side=3, grid=9, n_centers=4).fit(images())
    with pytest.raises(DataError, match=r"at least 3 for 256 centres; got 2\. Set at most 200 centres"):
        patches(side=3).fit(images(2))


@every_fitted
def test_before_it_has_learned_it_says_so(name, tmp_path):
    encoder = encoders.get(name)()
    with pytest.raises(InputError, match="must be fitted before it is used"):
        encoder.encode(images())
    with pytest.raises(InputError, match=r"must be an array of rows; got 'Dataset'"):
        encoder.fit(Dataset(images()))
    with pytest.raises(InputError, match=r"must be fitted before it is used.*fit\(values\) first"):
        encoder.save(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    if encoder.decodes:
        with pytest.raises(InputError, match="must be fitted before it is used"):
            encoder.decode(np.zeros((2, 3)))
    with pytest.raises(InputError, match=r"must be an array of rows; got 'list'\. .*narrows\.open"):
        made(name).encode(images().tolist())


@every_fitted
@pytest.mark.parametrize("seed", [True, -1, 0.5, "0"])
def test_a_seed_is_a_whole_number(name, seed):
    with pytest.raises(InputError, match=r"^seed must be"):
        encoders.get(name)(seed=seed)


def test_codes_that_are_made_at_once_are_held_once():
    encoder, values = made("patches", n_centers=60, grid=4), images(1000)
    nbytes = encoder.encode(values).nbytes
    tracemalloc.start()
    encoder.encode(values)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * nbytes


class _Recording(nn.Module):
    """A network that records on which device it was called."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        self.seen.append((x.device, len(x)))
        return x


def test_one_loop_brings_rows_to_where_network_and_scaling_are(monkeypatch):
    """Rows are sent to the device of the scaling, which moves with the network."""
    model = made("network")
    moved, real = [], torch.Tensor.to
    monkeypatch.setattr(torch.Tensor, "to", lambda x, *a, **k: moved.append(a) or real(x, *a, **k))
    model.net = _Recording()
    out = apply(model, images(2500), lambda net, x: net(x).flatten(1))
    np.testing.assert_array_equal(out, images(2500).reshape(2500, -1).astype(np.float32) / np.float32(255))
    assert [count for _, count in model.net.seen] == [1024, 1024, 452]
    assert moved[:3] == [(model.shift.device,)] * 3
    assert model.shift.device == model.scale.device


def test_a_model_moves_as_a_whole():
    """The device without memory stands for any other device: all tensors of a computation must be on it."""
    model = made("network").to("meta")
    assert {tensor.device.type for tensor in model.state_dict().values()} == {"meta"}
    assert model.prepare(torch.zeros(2, 1, 8, 8, device="meta")).device.type == "meta"


def test_other_encoders_stay_where_they_are():
    encoder = made("pca")
    assert encoder.to("cuda") is encoder


def test_apply_refuses_other_rows_before_it_computes():
    with pytest.raises(InputError, match="rows of shape"):
        apply(made("network"), np.zeros((3, 5), np.float32), lambda net, x: x)


def test_contract_and_registry_are_one():
    assert networks.Encoder is room.Encoder
    assert issubclass(encoders.get("pca"), FittedEncoder)
    assert name_of(encoders.get("patches")) == "patches"
    assert name_of(_Recording).endswith(":_Recording")
