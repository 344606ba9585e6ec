"""Inside or outside two pentagons: a threshold network built by hand, and the same network with sigmoids, trained."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import torch

from narrows.data.dataset import Dataset
from narrows.disk.files import Array
from narrows.encoding import codes as coding
from narrows.encoding.model import Model
from narrows.errors import RecipeError
from narrows.evaluation import signals
from narrows.studies.evaluation import classification
from narrows.studies.figures import regions as drawing
from narrows.studies.figures.learning import compare_losses
from narrows.studies.jobs import Results, Work, few, of_training
from narrows.studies.jobs.classifier import known
from narrows.studies.polygons import PENTAGONS, SIDE, Sampling, ThresholdNetwork, draw, inside, load, threshold_network
from narrows.training.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["polygons"]

Method = Literal["thresholds", "literal", "annealed"]
History = list[dict[str, float]]

BOX = (0.0, SIDE, 0.0, SIDE)
AREA = 0.3  # of both pentagons together: 0.1 and 0.2 of the square
FRESH_POINTS = 1_000_000  # in the whole square, measured besides the test rows
FRESH_SEED = 1_000_003  # added to the run's seed, so that no other draw has the same points
QUICK_POINTS = 1_000  # the most drawn in a quick look
PROBES = 5_000  # points for measuring the share called inside after each epoch
RADIUS = 0.3  # of the initial polygons; the square is 2 wide
ANNEALED = 0.9  # share of the steps over which the slope rises
NEAR, TIMES = 0.1, 10  # in the last stage, the tenth of the rows nearest to the boundary is shown ten times as often
FIXED = 0.01  # a sigmoid that varies by less over all rows does not distinguish them
LEARNS = math.log(99)  # a sigmoid with a larger argument passes less than 1 % of a gradient


class Parts(NamedTuple):
    """The data and its rows."""

    data: Dataset
    labels: Array  # int64 (N,)
    train: Array  # rows
    test: Array


def polygons(
    work: Work,
    *,
    method: Method,
    sampling: Sampling = "sparse",
    points: int = 60_000,
    source: str = "",
    net: Mapping[str, Any] | None = None,
    train: Mapping[str, Any] | None = None,
    restarts: int = 40,
    enough: float = 0.999,
    sharpen: Mapping[str, Any] | None = None,
    last_slope: float = 1000.0,
    around: bool = True,
) -> Results:
    """Classify points as inside or outside the two pentagons.

    Parameters
    ----------
    method : "thresholds", the network built from the vertices; "literal", the same network with sigmoids, trained on
        unscaled coordinates; or "annealed", trained so that it works: see ``_annealed``
    sampling, points : which points, and how many, are drawn; see ``narrows.studies.polygons.draw``
    source : a .npy with x, y and label to use instead
    net : arguments of the classifier "thresholds"
    train : settings of training, for "annealed" of each restart
    restarts, enough : "annealed" restarts at most ``restarts`` times, until the share ``enough`` of the training rows
        is right
    sharpen, last_slope : settings of the last stage of "annealed", and its final slope; without settings the stage is
        left out
    around : whether "annealed" starts around random points inside, rather than from the network's own initial weights

    Returns
    -------
    results : accuracy on training rows, test rows and, if points are drawn, a million fresh points in the whole square;
        the accuracy of the majority class; whether the answer is always the same; parameters, seconds; for "literal"
        the losses and the state of the units, see ``_literal``
    """
    count = min(points, QUICK_POINTS) if work.quick else points
    data = load(source) if source else draw(count, sampling, seed=work.seed)
    data = few(data) if work.quick else data
    split = np.asarray(data.split)
    parts = Parts(data, known(data.labels), np.flatnonzero(split == "train"), np.flatnonzero(split == "test"))
    if method == "thresholds":
        return _by_hand(work, parts)
    arguments = {"name": "thresholds", "n_classes": 2, **(net or {})}
    if method == "literal":
        return _literal(work, parts, arguments, train or {})
    return _annealed(work, parts, arguments, train or {}, restarts, enough, sharpen, last_slope, around)


# Built by hand


def _by_hand(work: Work, parts: Parts) -> Results:
    network = threshold_network(PENTAGONS)
    (planes, offsets), (conjunction, thresholds), (union, last) = network.layers
    work.table(
        "Layer 1: a half-plane for each edge",
        [
            {"unit": i + 1, "pentagon": ("upper", "lower")[i // 5], "is > 0 inside": equation(a, b, c)}
            for i, (a, b, c) in enumerate(np.column_stack([planes, offsets]).tolist())
        ],
    )
    work.table(
        "Layers 2 and 3",
        [
            {"unit": unit, "weights": " ".join(f"{weight:g}" for weight in weights), "bias": float(bias)}
            for unit, weights, bias in zip(
                ("upper: AND", "lower: AND", "OR"), [*conjunction, *union], [*thresholds, *last], strict=True
            )
        ],
    )
    work.figure(
        "regions",
        _pictures(parts, {"threshold network": network}),
        "The region that the network built from the vertices calls inside, its boundary and the true edges (dashed).",
    )
    answers = network.predict(parts.data.values).astype(np.int64)
    return {"train/parameters": network.n_parameters()} | _scores(work, parts, answers, network)


def equation(a: float, b: float, c: float) -> str:
    """Return a x + b y + c as text, such as "2x + y - 1400"."""
    terms = [(value, name) for value, name in ((a, "x"), (b, "y"), (c, "")) if value]
    text = ""
    for value, name in terms:
        size = f"{abs(value):g}" if abs(value) != 1 or not name else ""
        sign = (" - " if value < 0 else " + ") if text else ("-" if value < 0 else "")
        text += f"{sign}{size}{name}"
    return text


# Trained as in the original


def _literal(work: Work, parts: Parts, net: Mapping[str, Any], train: Mapping[str, Any]) -> Results:
    """Train on unscaled coordinates, and show why it fails.

    Besides accuracies, it returns the mean cross-entropy of the training and the test rows in nats, and the former
    times five; the smallest and the largest probability that the network gives a training row; how many units of each
    hidden layer are "fixed", that is, vary by less than 1 % over all training rows; and how far biases moved.
    """
    model = Model((2,), net, {"name": "classification"}, seed=work.seed)
    points = parts.data.values[parts.train]
    start, fixed = _planes(model), _fixed(model, points)
    untrained = Model((2,), net, {"name": "classification"}, seed=work.seed)
    # Points in the whole square, all labelled "inside", so that the accuracy on them is the share called inside.
    probes = draw(PROBES, seed=work.seed + FRESH_SEED).values
    values = np.concatenate([parts.data.values, probes])
    labels = np.concatenate([parts.labels, np.ones(len(probes), np.int64)])
    probe_rows = np.arange(len(parts.data), len(values))
    settings = work.settings(train, len(parts.train))
    history = work.train(model, values, parts.train, probe_rows, settings, labels, checkpoints=False)
    model.save(work.folder)
    end, right = _planes(model), threshold_network(PENTAGONS)
    arguments = points[:PROBES] @ start[0].T + start[1]
    probability = _probability(model, points)
    inside_share = float(parts.labels[parts.train].mean())
    low, high = float(probability.min()), float(probability.max())
    work.figure(
        "output",
        drawing.probabilities(
            {"before training": partial(_probability, untrained), "trained": partial(_probability, model)},
            PENTAGONS,
            box=BOX,
        ),
        f"The network's probability of being inside. After training, it ranges from {low:.3f} to "
        f"{high:.3f}; the share inside is {inside_share:.3f}. Dashed: the true edges.",
    )
    work.figure(
        "regions",
        _pictures(parts, {"threshold network": right, "trained": model}),
        "The region that each network calls inside. Dots are test points that are predicted wrong.",
    )
    work.figure(
        "share-inside",
        drawing.share_inside({"trained": [row["valid/accuracy"] for row in history]}, AREA),
        "The share of the square that the network calls inside, pass by pass.",
    )
    work.figure(
        "lines",
        drawing.half_planes({"by hand": right.layers[0], "at the start": start, "trained": end}, PENTAGONS, box=BOX),
        "The decision lines of the first layer's units. Weights and biases of the same size make lines that pass near "
        "the origin, and training hardly moves them from there.",
    )
    scaled = 2 * points[:PROBES] / SIDE - 1
    work.figure(
        "saturation",
        drawing.saturation({"as they are": arguments, "scaled to [-1, 1]": scaled @ start[0].T + start[1]}),
        "The arguments of the first layer's sigmoids at the start, on unscaled and on scaled coordinates.",
    )
    work.figure(
        "directions",
        drawing.share_by_angle({"training part": (points, parts.labels[parts.train])}),
        "The share inside by direction from the origin, which is all that lines through it can distinguish. If no "
        "direction has more points inside than outside, answering “outside” everywhere is the best they can do.",
    )
    moved = float(np.abs(end[1] - start[1]).max())
    edges, lines = _distances(right.layers[0]), _distances(end)
    alive = float((np.abs(arguments) < LEARNS).mean())
    work.note(
        f"The lines of the edges pass the origin at {edges.min():.0f} to {edges.max():.0f} units, those of the trained "
        f"units at {np.median(lines):.1f} (median), and no bias of the first layer moved by more than {moved:.2g}. "
        f"At the start, {100 * alive:.2g} % of the arguments of the first sigmoids are where these pass on more than "
        "1 % of a gradient."
    )
    widths = [layer.out_features for layer in model.net.linear()[:-1]]
    layers = ", ".join(f"{count} of {width}" for count, width in zip(fixed, widths, strict=True))
    work.note(f"Units that answer the same to all training rows before training, layer by layer: {layers}.")
    train_loss, _ = _on_rows(model, parts, parts.train)
    test_loss, _ = _on_rows(model, parts, parts.test)
    explained: Results = {
        "start/learning_share": alive,
        "train/largest_bias_move": moved,
        "train/median_distance": float(np.median(lines)),
        "edges/median_distance": float(np.median(edges)),
        "train/square_inside": history[-1]["valid/accuracy"],
        "train/entropy": _entropy(inside_share),
        "train/final_loss": train_loss,
        "train/final_loss_times_5": 5 * train_loss,
        "test/final_loss": test_loss,
        "train/lowest_probability": low,
        "train/highest_probability": high,
        "train/is_a_constant": float(high - low < FIXED),
        **{f"start/fixed_in_layer_{i + 1}": count for i, count in enumerate(fixed)},
        **{f"train/fixed_in_layer_{i + 1}": count for i, count in enumerate(_fixed(model, points))},
    }
    predicted = _answers(model, parts.data.values)
    return of_training(model, history) | explained | _scores(work, parts, predicted, model)


def _fixed(model: Model, points: Array) -> list[int]:
    """Return for each hidden layer how many units vary by less than ``FIXED`` over ``points`` (N, 2)."""
    counts = []
    with torch.inference_mode():
        x = model.prepare(torch.from_numpy(np.asarray(points, np.float32)))
        for layer in model.net.encoder:
            x = layer(x)
            if not isinstance(layer, torch.nn.Linear):
                counts.append(int((x.amax(0) - x.amin(0) < FIXED).sum()))
    return counts


def _entropy(share: float) -> float:
    """Return the cross-entropy in nats of the best constant answer: the probability ``share``, the share of ones."""
    return -sum(p * math.log(p) for p in (share, 1 - share) if p > 0)


# Trained so that it works


def _annealed(
    work: Work,
    parts: Parts,
    net: Mapping[str, Any],
    train: Mapping[str, Any],
    restarts: int,
    enough: float,
    sharpen: Mapping[str, Any] | None,
    last_slope: float,
    around: bool,
) -> Results:
    """Train in two stages, on coordinates scaled to [-1, 1].

    1. Start as soft thresholds around two random regular pentagons, whose centres are training points inside, chosen
       far apart as in k-means++ (Arthur & Vassilvitskii 2007). Train all weights with Adam while the slope of the first
       layer rises. Restart until enough of the training rows are right; keep the start with the lowest training loss.
    2. Continue with steeper slopes, and show the tenth of the training rows nearest to the boundary ten times as often,
       since only they can still distinguish lines.

    Test rows are not used in either stage.
    """
    if restarts < 1:
        raise RecipeError("restarts", "must be >= 1", value=restarts)
    settings = work.settings(train, len(parts.train))
    tried: list[Attempt] = []
    for number in range(min(restarts, 2) if work.quick else restarts):
        model = _start(work, parts, {**net, "anneal": _rise(settings, len(parts.train))}, number, around)
        before = _planes(model)
        history = work.train(
            model, parts.data.values, parts.train, parts.train[:0], settings, parts.labels, checkpoints=False
        )
        tried.append(Attempt(model, before, history, *_on_rows(model, parts, parts.train)))
        if tried[-1].right >= enough:
            break
    best = min(tried, key=lambda attempt: attempt.loss)

    networks: dict[str, ThresholdNetwork | Model] = {"threshold network": threshold_network(PENTAGONS)}
    networks["best start"] = model = best.model
    losses = {"best start": best.history}
    if sharpen is not None:
        model, losses["sharpening"] = _sharpen(work, parts, best.model, net, sharpen, last_slope)
        networks["sharpened"] = model
    model.save(work.folder)

    work.table(
        "Starts",
        [
            {
                "start": i + 1,
                "training loss": attempt.loss,
                "training rows right": attempt.right,
                "kept": attempt is best,
            }
            for i, attempt in enumerate(tried)
        ],
    )
    work.figure(
        "regions",
        _pictures(parts, networks),
        "The region that each network calls inside. Dots are test points that are predicted wrong.",
    )
    planes = {
        "by hand": threshold_network(PENTAGONS).layers[0],
        "where it began": best.before,
        "trained": _planes(model),
    }
    work.figure(
        "lines",
        drawing.half_planes(planes, PENTAGONS, box=BOX),
        "The decision lines of the first layer's units. A unit is useful to its AND if its line is an edge.",
    )
    work.figure(
        "curves",
        compare_losses(losses),
        "Loss per epoch. In the second stage rows next to the boundary are seen ten times as often.",
    )
    spent = [*(attempt.history for attempt in tried), losses.get("sharpening", [])]
    found: Results = {
        "train/restarts": len(tried),
        "train/loss": _on_rows(model, parts, parts.train)[0],
        "best_start/loss": best.loss,
        "train/seconds": sum(row["seconds"] for history in spent for row in history),
        "train/epochs": sum(map(len, spent)),
    }
    predicted = _answers(model, parts.data.values)
    return of_training(model, best.history) | found | _scores(work, parts, predicted, model)


class Attempt(NamedTuple):
    """A restart: model, initial half-planes, history, training loss, and share of training rows that are right."""

    model: Model
    before: tuple[Array, Array]
    history: History
    loss: float
    right: float


def _sharpen(
    work: Work, parts: Parts, model: Model, net: Mapping[str, Any], sharpen: Mapping[str, Any], last_slope: float
) -> tuple[Model, History]:
    """Return the model after the second stage, and that stage's history."""
    order = np.argsort(np.abs(_logits(model, parts.data.values[parts.train])))
    near = parts.train[order[: math.ceil(NEAR * len(order))]]
    rows = np.concatenate([parts.train, np.repeat(near, TIMES - 1)])
    settings = work.settings(sharpen, len(rows))
    steeper = {"slope": model.net.encoder[1].slope_now(), "slope_end": last_slope, "anneal": _rise(settings, len(rows))}
    sharper = Model((2,), {**net, **steeper}, {"name": "classification"}, seed=work.seed)
    sharper.load_state_dict(model.state_dict())
    sharper.net.restart_slope()
    history = work.train(sharper, parts.data.values, rows, parts.train[:0], settings, parts.labels, checkpoints=False)
    return sharper, history


def _start(work: Work, parts: Parts, net: Mapping[str, Any], number: int, around: bool) -> Model:
    """Return a network for coordinates scaled to [-1, 1], which starts around random points inside if ``around``."""
    rng = np.random.default_rng([work.seed, number])
    model = Model((2,), net, {"name": "classification"}, seed=int(rng.integers(1 << 62)))
    chosen = parts.data.values[parts.train]
    low, high = chosen.min(axis=0), chosen.max(axis=0)
    model.shift.copy_(torch.from_numpy((low + high) / 2))
    model.scale.copy_(torch.from_numpy((high - low) / 2))
    if around:
        centres = spread(chosen[parts.labels[parts.train] == 1], model.net.linear()[1].out_features, rng)
        generator = torch.Generator().manual_seed(int(rng.integers(1 << 62)))
        model.net.surround(model.prepare(torch.from_numpy(centres)), RADIUS, generator)
    return model


def spread(points: Array, count: int, rng: np.random.Generator) -> Array:
    """Return ``count`` of ``points`` (N, D), each drawn in proportion to its squared distance from earlier ones."""
    chosen = [points[rng.integers(len(points))]]
    while len(chosen) < count:
        squares = np.min([((points - centre) ** 2).sum(axis=1) for centre in chosen], axis=0).astype(np.float64)  # (N,)
        chosen.append(points[rng.choice(len(points), p=squares / squares.sum())])
    return np.stack(chosen)


# Shared


def _rise(settings: Settings, rows: int) -> int:
    """Return the number of steps over which the slope rises."""
    epochs, batch_size = settings.resolve(rows)
    return round(ANNEALED * epochs * -(-rows // batch_size))


def _planes(model: Model) -> tuple[Array, Array]:
    """Return the half-planes of the first layer, weights (E, 2) and biases (E,), in the units of the data."""
    layer = model.net.linear()[0]
    scale, shift = model.scale.double(), model.shift.double()
    weights = layer.weight.detach().double() / scale  # (E, 2)
    biases = layer.bias.detach().double() - weights @ shift.expand(2)
    return weights.numpy().copy(), biases.numpy().copy()


def _distances(planes: tuple[Array, Array]) -> Array:
    """Return the distance (E,) of each unit's line from the origin."""
    weights, biases = planes
    distances: Array = np.abs(biases) / np.linalg.norm(weights, axis=1)
    return distances


def _logits(model: Model, points: Array) -> Array:
    """Return log p(inside) - log p(outside) of ``points`` (N, 2): (N,)."""
    logits = coding.logits(model, np.asarray(points, np.float32))
    return logits[:, 1] - logits[:, 0]


def _answers(model: Model, points: Array) -> Array:
    return (_logits(model, points) > 0).astype(np.int64)


def _on_rows(model: Model, parts: Parts, rows: Array) -> tuple[float, float]:
    """Return the mean cross-entropy of some rows, in nats, and the share of them that are right."""
    logits = _logits(model, parts.data.values[rows]).astype(np.float64)
    truth = parts.labels[rows]
    loss = np.logaddexp(0, np.where(truth == 1, -logits, logits))
    return float(loss.mean()), float(((logits > 0) == (truth == 1)).mean())


def _pictures(parts: Parts, networks: Mapping[str, ThresholdNetwork | Model]) -> Figure:
    predictors = {
        title: network.predict if isinstance(network, ThresholdNetwork) else partial(_probability, network)
        for title, network in networks.items()
    }
    shown = parts.test[:PROBES]
    return drawing.regions(predictors, PENTAGONS, box=BOX, points=parts.data.values[shown], labels=parts.labels[shown])


def _probability(model: Model, points: Array) -> Array:
    return np.exp(-np.logaddexp(0, -_logits(model, points)))  # the sigmoid, without overflow


def _scores(work: Work, parts: Parts, answers: Array, network: ThresholdNetwork | Model) -> Results:
    """Measure answers 0 and 1 on all rows, and the network on fresh points if the data were drawn."""
    results: Results = {"all/mistakes": float((answers != parts.labels).sum())}
    majority = np.bincount(parts.labels[parts.train]).argmax()
    for part in ("train", "test"):
        rows = getattr(parts, part)
        results[f"{part}/accuracy"] = classification.accuracy(answers[rows], parts.labels[rows])
        results[f"{part}/majority_accuracy"] = float((parts.labels[rows] == majority).mean())
        results[f"{part}/inside"] = float(answers[rows].mean())
    constant = signals.constant_predictor(answers[parts.test], parts.labels[parts.test], parts.data.class_names)
    results["test/is_constant"] = float(constant is not None)
    if constant is not None:
        work.note(constant.sentence)
    if "sampling" in parts.data.provenance:
        fresh = draw(QUICK_POINTS if work.quick else FRESH_POINTS, seed=work.seed + FRESH_SEED)
        ask = network.predict if isinstance(network, ThresholdNetwork) else partial(_answers, network)
        truth = inside(fresh.values, PENTAGONS).astype(np.int64)
        results["fresh/accuracy"] = classification.accuracy(ask(fresh.values).astype(np.int64), truth)
    return results
