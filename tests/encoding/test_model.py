import json

import numpy as np
import pytest
import torch

from narrows.encoding.model import Model
from narrows.errors import NarrowsError, RecipeError, RunFolderError


@pytest.fixture
def folder(tmp_path):
    model = Model((1, 8, 8), {"name": "dense", "code_size": 3, "hidden": [16]}, {"name": "variational"}, seed=4)
    model.write(tmp_path)  # without hashes: what is parsed is checked as well
    return tmp_path


def change(folder, **values):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


def test_the_seed_decides_the_weights_and_leaves_others_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    a, b, c = (Model((6,), {"name": "dense", "code_size": 2}, {"name": "reconstruction"}, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(a.net.to_code.weight, b.net.to_code.weight)
    assert not torch.equal(a.net.to_code.weight, c.net.to_code.weight)


def test_vectors_are_standardised_and_restored_and_a_constant_column_is_centred():
    values = np.array([[1, 5, 1e-9], [3, 5, 3e-9]], np.float32)
    model = Model((3,), {"name": "dense", "code_size": 2}, {"name": "reconstruction"})
    model.fit_scaling(values)
    x = model.prepare(torch.from_numpy(values))
    assert torch.allclose(x, torch.tensor([[-1.0, 0, -1], [1, 0, 1]]), atol=1e-5)
    assert torch.allclose(model.restore(x), torch.from_numpy(values))


def test_images_are_divided_by_255():
    model = Model((1, 8, 8), {"name": "dense", "code_size": 2}, {"name": "reconstruction"})
    x = model.prepare(torch.full((1, 1, 8, 8), 51, dtype=torch.uint8))
    assert torch.allclose(x, torch.full_like(x, 0.2))


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"junk", b"{}", b"\xff" * 100])
def test_a_damaged_model_is_one_clear_error(folder, name, content):
    (folder / name).unlink() if content is None else (folder / name).write_bytes(content)
    with pytest.raises(RunFolderError):
        Model.load(folder)


@pytest.mark.parametrize(
    "values",
    [
        {"input_shape": [1, 8, 9]},
        {"net": {"name": "dense", "code_size": 4, "hidden": [16]}},
        {"format": 99},
        {"objective": {"name": "reconstruction"}},
        {"net": {"name": "nope"}},
        {"net": {"hidden": [16]}},
        {"net": {"name": "dense", "code_size": 3, "hidden": [16], "colour": "red"}},
        {"input_shape": "abc"},
    ],
)
def test_a_config_that_does_not_fit_its_weights_is_refused(folder, values):
    change(folder, **values)
    with pytest.raises(NarrowsError):
        Model.load(folder)


def test_a_small_file_cannot_ask_for_much_memory(folder):
    change(folder, net={"name": "dense", "code_size": 3, "hidden": [1_000_000, 1_000_000]})  # 4 TB of weights
    with pytest.raises(RunFolderError, match="exactly the weights"):
        Model.load(folder)


def test_a_model_file_may_not_name_code(folder):
    change(folder, net={"name": "narrows.nets.dense:Dense", "code_size": 3, "hidden": [16]})
    with pytest.raises(RecipeError, match="must not choose the code that runs"):
        Model.load(folder)
    assert Model.load(folder, trust_code=True).code_size == 3
