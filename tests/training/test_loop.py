import math
import os
import stat
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from narrows.encoding.model import Model
from narrows.errors import InputError, Interrupted, RecipeError, RunFolderError, TrainingError, WriteError
from narrows.objectives.reconstruction import Reconstruction
from narrows.training import checkpoint
from narrows.training.averaging import update_average
from narrows.training.batches import Batches, partition
from narrows.training.engine import Engine
from narrows.training.finite import first_not_finite
from narrows.training.loop import train
from narrows.training.optimizers import Optimizer
from narrows.training.schedule import rate
from narrows.training.settings import Settings
from narrows.work.threads import Workers

ROWS, VALID = np.arange(200), np.arange(200, 250)


def model(net="conv", objective="denoising", seed=0):
    return Model((1, 8, 8), {"name": net, "code_size": 4}, {"name": objective}, seed=seed)


def fit(values, settings, **options):
    m = model()
    return m, train(m, values, ROWS, VALID, settings, **options)


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def without_time(history):
    return [{k: v for k, v in row.items() if k not in ("seconds", "images_per_s")} for row in history]


@pytest.mark.parametrize(
    "settings",
    [
        Settings(epochs=3, batch_size=64, checkpoint_steps=1),
        Settings(
            epochs=3, batch_size=64, checkpoint_steps=1, average=0.9, optimizer="sgd", lr=0.1, precision="float32"
        ),
    ],
    ids=["adamw", "sgd, averaged"],
)
@pytest.mark.parametrize("step", range(1, 12, 3))
def test_stopped_at_a_step_and_resumed_it_ends_with_the_same_bits(digits, tmp_path, settings, step):
    values, _ = digits
    whole, history = fit(values, settings)
    calls = iter(range(1000))
    with pytest.raises(Interrupted):
        fit(values, settings, folder=tmp_path, stop=lambda: 15 if next(calls) == step else 0)
    resumed, resumed_history = fit(values, settings, folder=tmp_path)
    assert same(whole, resumed)
    assert without_time(history) == without_time(resumed_history)


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
def test_the_optimiser_of_convolutions_laid_out_channels_last_comes_back_as_it_was(tmp_path, optimizer):
    values = np.random.default_rng(0).integers(0, 256, (96, 3, 16, 16), np.uint8)

    def fit(epochs, **options):
        m = Model((3, 16, 16), {"name": "conv", "code_size": 4, "width": 4}, {"name": "reconstruction"})
        settings = Settings(
            epochs=epochs, batch_size=32, optimizer=optimizer, lr=1e-2, schedule="constant", warmup=0.0, keep="last"
        )
        train(m, values, np.arange(96), np.arange(0), settings, **options)
        return m

    assert not all(p.is_contiguous() for p in fit(1).parameters())
    fit(2, folder=tmp_path)
    assert same(fit(4), fit(4, folder=tmp_path))


def test_the_time_of_an_epoch_counts_what_was_spent_on_it_before_it_was_stopped(digits, tmp_path):
    calls = iter(range(1000))

    def stop():
        time.sleep(0.01)
        return 15 if next(calls) == 3 else 0

    settings = Settings(epochs=2, batch_size=64)
    with pytest.raises(Interrupted):
        fit(digits[0], settings, folder=tmp_path, stop=stop)
    _, history = fit(digits[0], settings, folder=tmp_path, stop=stop)
    assert history[0]["seconds"] >= 0.05  # asked four times before it stopped, and at least once after
    assert history[1]["images_per_s"] == pytest.approx(200 / history[1]["seconds"])


def test_a_torn_last_checkpoint_falls_back_to_the_one_before(digits, tmp_path):
    values, _ = digits
    settings = Settings(epochs=3, batch_size=64)
    whole, _ = fit(values, settings)
    calls = iter(range(1000))
    with pytest.raises(Interrupted):
        fit(values, settings, folder=tmp_path, stop=lambda: 2 if next(calls) == 9 else 0)
    last = tmp_path / "last.safetensors"
    last.write_bytes(last.read_bytes()[:-100])
    resumed, _ = fit(values, settings, folder=tmp_path)
    assert same(whole, resumed)
    for path in (last, tmp_path / "previous.safetensors"):
        path.write_bytes(b"torn")
    with pytest.raises(RunFolderError, match="complete checkpoint"):
        fit(values, settings, folder=tmp_path)


def test_a_disk_that_returns_other_bytes_than_it_was_given_ends_training_with_the_last_good_checkpoint(
    digits, tmp_path, monkeypatch
):
    values = digits[0]
    settings = Settings(epochs=3, batch_size=64, checkpoint_steps=1, keep="last")
    flush, saves = os.fsync, iter(range(1, 100))

    def failing(descriptor):
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and next(saves) == 6:
            os.pwrite(descriptor, b"?", 2000)
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(WriteError, match="the disk does not return what was written"):
        fit(values, settings, folder=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"last.safetensors", "previous.safetensors"}
    assert checkpoint.read_arrays(tmp_path / "last.safetensors")[1]["step"] == 6  # the end of an epoch waits
    monkeypatch.undo()
    resumed, _ = fit(values, settings, folder=tmp_path)
    assert same(resumed, fit(values, settings)[0])


@pytest.mark.parametrize("clip", [0.0, 1.0])
@pytest.mark.parametrize("batch_size", [64, 250], ids=["four steps an epoch", "one"])
@pytest.mark.parametrize("valid", [VALID, VALID[:0]], ids=["validated", "not"])
def test_divergence_is_caught_and_the_bad_state_is_not_saved(digits, tmp_path, clip, batch_size, valid):
    values, _ = digits
    settings = Settings(
        epochs=2,
        batch_size=batch_size,
        optimizer="sgd",
        lr=1e30,
        clip=clip,
        schedule="constant",
        warmup=0,
        checkpoint_steps=1,
    )
    with pytest.raises(TrainingError, match="Lower the learning rate"):
        train(model("dense"), values, ROWS, valid, settings, folder=tmp_path)
    assert not (tmp_path / "last.safetensors").exists()


class Ruin:
    """Turns values of the state into infinity in a step, without an effect on the loss."""

    def __init__(self, monkeypatch, step, which):
        self.steps = 0

        class Ruined(Optimizer):
            def __init__(mine, model, settings, workers):  # noqa: N805
                super().__init__(model, settings, workers)
                self.model, self.optimizer = model, mine

            def step(mine, lr, norm):  # noqa: N805
                super().step(lr, norm)
                self.steps += 1
                if self.steps == step:
                    with torch.no_grad():
                        which(self).view(-1)[0] = torch.inf

        def averaged(average, *rest):
            self.averaged = average
            update_average(average, *rest)

        monkeypatch.setattr("narrows.training.loop.Optimizer", Ruined)
        monkeypatch.setattr("narrows.training.loop.update_average", averaged)


@pytest.mark.parametrize(
    ("which", "name"),
    [
        (lambda t: t.model.get_buffer("net.unseen"), "model net.unseen"),
        (lambda t: t.averaged.get_parameter("net.decoder.0.weight"), "averaged net.decoder.0.weight"),
        (
            lambda t: t.optimizer.state[
                next(n for n, p in enumerate(t.optimizer.parameters) if p is t.model.net.to_code.bias)
            ]["exp_avg_sq"],
            "optimiser exp_avg_sq of model net.to_code.bias",
        ),
    ],
)
def test_whatever_of_the_state_is_not_finite_is_named_and_the_last_good_checkpoint_stays(
    digits, tmp_path, monkeypatch, which, name
):
    values, _ = digits
    m = model("dense", "reconstruction")
    m.net.register_buffer("unseen", torch.zeros(3))  # as running statistics that only evaluation would see
    settings = Settings(epochs=3, batch_size=50, average=0.9, checkpoint_steps=2)
    Ruin(monkeypatch, 7, which)
    with pytest.raises(TrainingError) as error:
        train(m, values, ROWS, VALID, settings, folder=tmp_path)
    assert f"{name} holds NaN or infinity at step 8 of 12, epoch 2 of 3" in str(error.value)
    assert "the last good checkpoint, of step 6, stays" in str(error.value)
    arrays, state = checkpoint.read_arrays(tmp_path / "last.safetensors")
    assert state["step"] == 6
    assert all(np.isfinite(array).all() for array in arrays.values())
    assert "clip=1" not in str(error.value)  # it is set


def test_without_a_folder_nothing_that_is_not_finite_comes_out_either(digits, monkeypatch):
    values, _ = digits
    Ruin(monkeypatch, 4, lambda t: t.model.net.to_code.weight)
    with pytest.raises(TrainingError, match=r"net\.to_code\.weight holds .* Nothing of it was saved\."):
        train(model("dense"), values, ROWS, VALID, Settings(epochs=1, batch_size=50, clip=0))


def test_the_first_tensor_that_is_not_finite_is_found():
    state = {
        "a": torch.ones(3),
        "b": torch.tensor([1.0, -torch.inf]),
        "c": torch.tensor([torch.nan]),
        "d": torch.zeros(0),
        "e": torch.tensor([3e38, 3e38]),
    }
    assert first_not_finite(state) == "b"
    assert first_not_finite({name: state[name] for name in "ade"}) is None  # whose sum would be infinite
    assert first_not_finite({"c": state["c"]}) == "c"
    assert first_not_finite({"n": torch.ones(2, dtype=torch.int64)}) is None


def test_training_learns_and_keeps_the_best_epoch(digits):
    values, _ = digits
    m, history = fit(values, Settings(epochs=15, batch_size=32))
    losses = [row["valid/loss"] for row in history]
    assert losses[-1] < 0.6 * losses[0]
    assert without_time(history)[-1]["step"] == 15 * 7
    again = train(m, values, ROWS, VALID, Settings(epochs=1, batch_size=250, lr=1e-12, warmup=0))
    assert again[0]["valid/loss"] == pytest.approx(min(losses), rel=0.05)


def test_patience_stops_early(digits):
    values, _ = digits
    _, history = fit(values, Settings(epochs=50, batch_size=64, lr=1e-9, patience=2, schedule="constant", warmup=0))
    assert len(history) < 50


def test_patience_is_obeyed_whichever_weights_are_kept_and_after_a_stop(digits, tmp_path):
    values, _ = digits
    settings = Settings(
        epochs=50, batch_size=64, lr=1e-9, patience=2, schedule="constant", warmup=0, keep="last", checkpoint_steps=1
    )
    m, history = fit(values, settings)
    best, _ = fit(values, replace(settings, keep="best"))
    assert len(history) == len(_stopped_and_resumed(values, settings, tmp_path)) < 50
    assert not same(m, best)
    losses = [row["valid/loss"] for row in history]
    assert len(history) - (1 + losses.index(min(losses))) == 2


def _stopped_and_resumed(values, settings, folder):
    calls = iter(range(1000))
    with pytest.raises(Interrupted):
        fit(values, settings, folder=folder, stop=lambda: 15 if next(calls) == 6 else 0)
    return fit(values, settings, folder=folder)[1]


def test_patience_without_rows_to_validate_on_is_refused(digits):
    values, _ = digits
    with pytest.raises(RecipeError, match=r"train\.patience needs validation rows"):
        train(model(), values, ROWS, VALID[:0], Settings(epochs=1, patience=2))


def test_rows_on_disk_give_the_same_bits_as_rows_in_memory(digits, tmp_path, monkeypatch):
    values, _ = digits
    np.save(tmp_path / "x.npy", values)
    settings = Settings(epochs=1, batch_size=64)
    in_memory, _ = fit(values, settings)
    monkeypatch.setattr("narrows.training.batches.free_memory", lambda: 0)
    on_disk, _ = fit(np.load(tmp_path / "x.npy", mmap_mode="r"), settings)
    assert same(in_memory, on_disk)


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_killed_while_validating_and_resumed_it_ends_with_the_same_bits(digits, tmp_path, monkeypatch, epoch):
    values, _ = digits
    settings = Settings(epochs=3, batch_size=64, checkpoint_steps=1)
    whole, history = fit(values, settings)
    calls = iter(range(1, 100))
    iterate = Batches.iterate

    def killed(self, parts):
        if len(self) == len(VALID) and next(calls) == epoch:
            raise KeyboardInterrupt
        return iterate(self, parts)

    monkeypatch.setattr(Batches, "iterate", killed)
    with pytest.raises(KeyboardInterrupt):
        fit(values, settings, folder=tmp_path)
    monkeypatch.undo()
    resumed, resumed_history = fit(values, settings, folder=tmp_path)
    assert same(whole, resumed)
    assert without_time(history) == without_time(resumed_history)


def test_compiling_reaches_the_networks_parts(digits):
    m = model()
    Engine("cpu", compile=True).prepare(m, compiled=m.net.children())
    assert all(part._compiled_call_impl is not None for part in m.net.children())
    assert m.net.encoder is next(m.net.children())


def test_batches_cover_every_row_once_in_nearly_equal_parts():
    parts = partition(np.random.default_rng(0).permutation(103), 25)
    assert sorted(np.concatenate(parts)) == list(range(103))
    assert {len(part) for part in parts} == {20, 21}


def test_batches_read_ahead_give_the_rows_asked_for(tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", np.arange(40, dtype=np.float32).reshape(20, 2))
    monkeypatch.setattr("narrows.training.batches.free_memory", lambda: 0)
    labels = np.arange(20) % 7
    batches = Batches(np.load(tmp_path / "x.npy", mmap_mode="r"), np.arange(5, 20), labels)
    found = [(batch[:, 0].tolist(), y.tolist()) for batch, y in batches.iterate([np.array([0, 2]), np.array([14])])]
    assert found == [([10.0, 14.0], [5, 0]), ([38.0], [5])]


def test_unknown_labels_are_refused_where_they_would_be_learned_from():
    labels = np.array([0, 1, -1])
    Batches(np.zeros((3, 2), np.float32), np.array([0, 1]), labels)
    with pytest.raises(InputError, match="1 unknown"):
        Batches(np.zeros((3, 2), np.float32), np.arange(3), labels)


def test_without_shuffling_batches_are_consecutive_rows_and_the_last_one_is_the_rest(digits, monkeypatch):
    seen = []
    terms = Reconstruction.terms
    monkeypatch.setattr(
        Reconstruction, "terms", lambda self, net, batch, g: seen.append(batch.x) or terms(self, net, batch, g)
    )
    values, _ = digits
    settings = Settings(epochs=1, batch_size=64, shuffle=False, precision="float32")
    train(model("dense", "reconstruction"), values, ROWS, VALID[:0], settings)
    assert [len(x) for x in seen[:4]] == [64, 64, 64, 8]
    assert torch.equal(torch.cat(seen[:4]), torch.from_numpy(values[:200]).float() / 255)


@pytest.mark.parametrize("objective", ["variational", "reconstruction"], ids=["two terms", "one"])
def test_the_device_is_asked_for_numbers_once_in_a_step_and_once_after_a_validation(digits, monkeypatch, objective):
    events = []
    for name in ("item", "tolist", "cpu", "numpy", "__float__", "__int__", "__bool__", "__index__", "__array__"):
        method = getattr(torch.Tensor, name)

        def counted(*given, _method=method, _name=name, **options):
            events.append(_name)
            return _method(*given, **options)

        monkeypatch.setattr(torch.Tensor, name, counted)
    m = model("dense", objective)
    terms = m.objective.terms

    def noted(net, batch, generator):
        events.append("step" if net.training else "look")
        return terms(net, batch, generator)

    monkeypatch.setattr(m.objective, "terms", noted)
    train(m, digits[0], ROWS, VALID, Settings(epochs=1, batch_size=20, keep="last"))
    *steps, validation = [part.split() for part in " ".join(events).split("step")]
    assert steps[1:] == [["tolist"]] * 9
    # After the last step the state is looked at once, and then the 50 validation rows, in three batches.
    assert validation[0] == "tolist"
    assert validation[-4:] == ["look", "look", "look", "tolist"]


def test_the_last_epoch_is_kept_when_asked_for(digits):
    values, _ = digits
    settings = Settings(epochs=3, batch_size=64, keep="last", schedule="step", step_epochs=1, step_factor=1e-6)
    kept, _ = fit(values, settings)
    alone = model()
    train(alone, values, ROWS, VALID[:0], settings)
    assert same(kept, alone)


def test_warm_up_and_decay_in_closed_form():
    assert [rate(s, 10, schedule="constant", warmup=3) for s in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert rate(5, 10, schedule="cosine", warmup=0) == pytest.approx(0.5)
    assert rate(0, 10, schedule="cosine", warmup=0) == 1
    assert rate(9, 10, schedule="cosine", warmup=0) == pytest.approx(0.5 * (1 + math.cos(0.9 * math.pi)))
    assert [rate(s, 10, schedule="step", warmup=0) for s in (0, 4, 5, 9)] == [1, 1, 0.1, 0.1]
    falls = [rate(s, 10, schedule="step", warmup=0, every=3, factor=0.9) for s in (2, 3, 6)]
    assert falls == pytest.approx([1, 0.9, 0.81])
    assert [rate(s, 10, schedule="linear", warmup=2) for s in (2, 6, 9)] == pytest.approx([1, 0.5, 0.125])


def test_the_average_is_an_exponential_moving_average():
    mean, module = torch.nn.Linear(2, 1, bias=False), torch.nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        mean.weight.zero_()
        module.weight.fill_(1)
    for step in range(3):
        update_average(mean, module, 0.9, step)
    expected = 1 - math.prod(min(0.9, (1 + s) / (10 + s)) for s in range(3))
    assert torch.allclose(mean.weight, torch.full((1, 2), expected))


@pytest.mark.parametrize(
    ("settings", "theirs"),
    [
        ({"optimizer": "adam"}, torch.optim.Adam),
        ({"optimizer": "adamw"}, torch.optim.AdamW),
        ({"optimizer": "sgd", "momentum": 0.9}, torch.optim.SGD),
        ({"optimizer": "sgd", "momentum": 0.9, "nesterov": True}, torch.optim.SGD),
        ({"optimizer": "sgd", "momentum": 0.0}, torch.optim.SGD),
    ],
    ids=["adam", "adamw", "sgd", "nesterov", "without momentum"],
)
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("clip", [0.0, 0.01])
def test_the_optimisers_take_the_steps_of_torchs_own(digits, monkeypatch, settings, theirs, workers, clip):
    monkeypatch.setattr("narrows.training.shares.SHARED_FROM", 1)
    x = torch.from_numpy(digits[0][:64]).float() / 255
    first, second = model(), model()
    with Workers(workers) as pool:
        ours = Optimizer(first, Settings(**settings, weight_decay=0.1, clip=clip), pool)
        momentum = {key: value for key, value in settings.items() if key != "optimizer"}
        reference = theirs(second.parameters(), lr=1e-2, weight_decay=0.1, fused=True, **momentum)
        for _ in range(3):
            for m in (first, second):
                m.zero_grad()
                (m.net.decode(m.net.encode(x)) - x).square().mean().backward()
            norm = ours.norm()
            assert norm == torch.nn.utils.clip_grad_norm_(second.parameters(), clip or math.inf)
            ours.step(1e-2, float(norm))
            reference.step()
    assert same(first, second)
    assert ours.state.keys() == reference.state_dict()["state"].keys() or not settings.get("momentum", 1)


def test_what_has_no_gradient_is_not_moved_and_has_no_state(digits):
    m = model("dense")
    before = {name: tensor.clone() for name, tensor in m.net.decoder.state_dict().items()}
    x = torch.from_numpy(digits[0][:64]).float() / 255
    with Workers(1) as workers:
        optimizer = Optimizer(m, Settings(weight_decay=0.5), workers)
        m.net.encode(x).square().mean().backward()
        optimizer.step(0.1, float(optimizer.norm()))
    assert all(torch.equal(tensor, before[name]) for name, tensor in m.net.decoder.state_dict().items())
    coded = [*m.net.encoder.parameters(), *m.net.to_code.parameters()]
    assert len(optimizer.state) == len(coded)


def test_the_checkpoint_holds_the_optimizer(digits, tmp_path):
    values, _ = digits
    fit(values, Settings(epochs=1, batch_size=64), folder=tmp_path)
    fresh = model()
    with Workers(1) as workers:
        optimizer = Optimizer(fresh, Settings(), workers)
    state = checkpoint.load(tmp_path, {"model": fresh}, optimizer)
    assert state is not None
    assert state["step"] == 4
    entry = optimizer.state[0]
    assert entry["step"] == 4
    assert entry["exp_avg"].abs().sum() > 0


def test_randomness_follows_from_the_keys_alone():
    engine = Engine("cpu")

    def drawn(*keys):
        engine.seed(*keys)
        generator = engine.generator(*keys)
        return torch.cat([torch.rand(3, generator=generator), torch.rand(3)])  # of its own, and what dropout takes

    a = drawn(1, 2, 3)
    assert torch.equal(a, drawn(1, 2, 3))
    assert not torch.isclose(a, drawn(1, 2, 4)).any()


def test_training_leaves_the_callers_random_numbers_alone(digits):
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    fit(digits[0], Settings(epochs=1))
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize(
    "bad", [{"epochs": 0}, {"lr": 0.0}, {"lr": math.nan}, {"average": 1.0}, {"warmup": 2.0}, {"clip": -1.0}]
)
def test_settings_out_of_range_are_refused(bad):
    with pytest.raises(RecipeError, match=rf"train\.{next(iter(bad))}"):
        Settings(**bad)


@pytest.mark.parametrize(
    "bad",
    [
        {"optimizer": "adm"},
        {"schedule": "cosin"},
        {"keep": "bst"},
        {"precision": "float16"},
        {"epochs": 2.5},
        {"epochs": "ten"},
        {"epochs": True},
        {"shuffle": 1},
        {"lr": "fast"},
        {"weight_decay": math.inf},
        {"patience": 1.0},
    ],
)
def test_settings_of_the_wrong_kind_are_refused_and_none_is_taken_for_another(bad):
    with pytest.raises(RecipeError, match=rf"train\.{next(iter(bad))}"):
        Settings(**bad)


def test_numbers_of_numpy_are_numbers():
    settings = Settings(epochs=np.int64(3), lr=np.float32(0.1), shuffle=np.bool_(False))
    assert settings.resolve(100)[0] == 3


@pytest.mark.parametrize(
    ("idle", "remedy"),
    [
        ({"momentum": 0.5}, {"optimizer": "sgd"}),
        ({"nesterov": True}, {"optimizer": "sgd"}),
        ({"step_epochs": 3}, {"schedule": "step"}),
        ({"step_factor": 0.5}, {"schedule": "step"}),
    ],
)
def test_settings_of_what_was_not_chosen_are_refused(idle, remedy):
    with pytest.raises(RecipeError, match=rf"train\.{next(iter(idle))} needs train\.{next(iter(remedy))}="):
        Settings(**idle)
    Settings(**idle, **remedy)


def test_an_unknown_setting_is_named_with_the_nearest():
    with pytest.raises(RecipeError, match=r"train_options\.pateince is not a setting.*Did you mean 'patience'"):
        Settings.of({"pateince": 3}, "train_options")


@pytest.mark.parametrize("device", ["meta", "cuda:99", "toaster"])
def test_a_device_that_holds_no_numbers_is_refused(device):
    with pytest.raises(RecipeError, match=r"train\.device"):
        Engine(device)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(RecipeError, match=r"train\.device"):
        Engine("cuda:99")


def test_codes_do_not_depend_on_what_else_is_encoded(digits):
    values, _ = digits
    m = model("conv")
    together = m.encode(values)
    assert np.allclose(m.encode(values[700:701])[0], together[700], atol=1e-6)


@pytest.mark.parametrize(("unit", "offset"), [([1e-3, 1, 1e4], [5, 0, -1e5]), ([1e-9, 1e-9, 1e-9], [0, 1e-9, 0])])
def test_vectors_come_back_in_their_own_units(unit, offset):
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(300, 3)) * unit + offset).astype(np.float32)
    m = Model((3,), {"name": "dense", "code_size": 3}, {"name": "reconstruction"})
    m.fit_scaling(values)
    train(m, values, np.arange(300), np.arange(0), Settings(epochs=60))
    error = np.abs(m.reconstruct(values) - values).mean(axis=0)
    assert (error < 0.3 * values.std(axis=0)).all()
