"""Pictures of the regions that a predictor calls inside, beside the true polygons, and of how it learned them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.ticker import FuncFormatter, MaxNLocator

from narrows.disk.files import Array
from narrows.errors import InputError
from narrows.figures.style import (
    FAINT,
    INK,
    MUTED,
    PALETTE,
    legend_above,
    new_axes,
    new_panels,
    scale_bar,
    short,
    style,
)
from narrows.wording import share

Predict = Callable[[Array], Array]
Box = tuple[float, float, float, float]

LEARNED = PALETTE[0]
TRUE = PALETTE[1]
MISTAKES = 2000  # the most points drawn


def region(
    predict: Predict,
    polygons: Sequence[Any],
    *,
    box: Box,
    points: Array | None = None,
    labels: Array | None = None,
    resolution: int = 500,
    ax: Axes | None = None,
) -> Figure:
    """Draw the region that a predictor calls inside, with its boundary, and the edges of the true polygons dashed.

    Parameters
    ----------
    predict : points (N, 2) -> (N,), bool or the probability of being inside; the boundary is at one half
    polygons : vertices (V, 2) of each
    box : (left, right, bottom, top), the part of the plane to draw
    points, labels : (N, 2), and bool or 0 and 1 (N,); at most 2,000 of those that are predicted wrong are marked
    resolution : number of points per side at which the predictor is evaluated

    Raises
    ------
    InputError : an empty box, predictions that have another shape or are not probabilities, or points without labels
    """
    left, right, bottom, top = box
    if not (left < right and bottom < top):
        raise InputError("box", "must be (left, right, bottom, top) with left < right and bottom < top", value=box)
    if resolution < 2:
        raise InputError("resolution", "must be >= 2", value=resolution)
    x, y = np.linspace(left, right, resolution), np.linspace(bottom, top, resolution)
    grid = np.stack(np.meshgrid(x, y), axis=-1)  # (R, R, 2)
    answers = _answers(predict, grid.reshape(-1, 2)).reshape(resolution, resolution)
    wrong = _mistakes(predict, points, labels)
    with style():
        figure, ax = new_axes(ax, 360, 360 * (top - bottom) / (right - left))
        paint = LinearSegmentedColormap.from_list("inside", ["#ffffff", "#d5e5f3", "#8fbfe0"])
        ax.imshow(answers, origin="lower", extent=box, cmap=paint, vmin=0, vmax=1, interpolation="nearest")
        if answers.min() < 0.5 < answers.max():  # a boundary exists
            ax.contour(x, y, answers, levels=[0.5], colors=[LEARNED], linewidths=1.3)
        _outline(ax, polygons)
        if len(wrong):
            ax.plot(*wrong.T, ".", color=INK, markersize=2, markeredgewidth=0, zorder=4)
        _frame(ax, box)
    return figure


def regions(
    predictors: Mapping[str, Predict],
    polygons: Sequence[Any],
    *,
    box: Box,
    points: Array | None = None,
    labels: Array | None = None,
    resolution: int = 400,
    columns: int = 3,
) -> Figure:
    """Draw several predictors side by side, each as in ``region``; a line under each title gives its share inside.

    Parameters
    ----------
    predictors : title -> predictor
    polygons, box, points, labels, resolution : as in ``region``
    columns : panels per line

    Raises
    ------
    InputError : no predictors, or any error of ``region``
    """
    if not predictors:
        raise InputError("predictors", "must contain at least one predictor", value="none")
    across = min(columns, len(predictors))
    down = -(-len(predictors) // across)
    side = 250 if across > 1 else 380  # in CSS pixels
    tall = side * (box[3] - box[2]) / (box[1] - box[0])
    with style():
        figure, grid = new_panels((across * side / 96, (down * (tall + 8) + 24) / 96), down, across, squeeze=False)
        for ax, (title, predict) in zip(grid.flat, predictors.items(), strict=False):
            region(predict, polygons, box=box, points=points, labels=labels, resolution=resolution, ax=ax)
            ax.set_title(short(title, 44), fontsize=8.5)
        for ax in grid.flat[len(predictors) :]:
            ax.remove()
        handles = [
            Polygon([(0, 0)], facecolor="#8fbfe0", edgecolor=LEARNED, linewidth=1.3, label="called inside"),
            Polygon([(0, 0)], fill=False, edgecolor=TRUE, linewidth=1, linestyle="--", label="true edges"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2, labelcolor=INK, fontsize=8)
    return figure


def probabilities(
    predictors: Mapping[str, Predict], polygons: Sequence[Any], *, box: Box, resolution: int = 300
) -> Figure:
    """Draw the probability of being inside over the plane, a panel for each predictor, on one scale from 0 to 1.

    Parameters
    ----------
    predictors : title -> predictor: points (N, 2) -> probabilities (N,)
    polygons, box, resolution : as in ``region``

    Raises
    ------
    InputError : no predictors, or predictions that have another shape or are not probabilities
    """
    if not predictors:
        raise InputError("predictors", "must contain at least one predictor", value="none")
    left, right, bottom, top = box
    x, y = np.linspace(left, right, resolution), np.linspace(bottom, top, resolution)
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)  # (R R, 2)
    tall = 280 * (top - bottom) / (right - left)
    with style():
        size = (len(predictors) * 280 + 60) / 96, (tall + 20) / 96
        figure, axes = new_panels(size, 1, len(predictors), squeeze=False)
        for ax, (title, predict) in zip(axes.flat, predictors.items(), strict=True):
            answers = _answers(predict, grid).reshape(resolution, resolution)
            image = ax.imshow(
                answers, origin="lower", extent=box, cmap="viridis", vmin=0, vmax=1, interpolation="nearest"
            )
            for vertices in polygons:
                ax.add_patch(Polygon(np.asarray(vertices), fill=False, edgecolor="white", linestyle="--", zorder=3))
            ax.set_title(f"{short(title, 24)}: {answers.min():.3f} to {answers.max():.3f}", fontsize=8.5)
            _frame(ax, box)
        scale_bar(image, axes[0, -1], "probability of being inside")
    return figure


def share_inside(shares: Mapping[str, Sequence[float]], truth: float, ax: Axes | None = None) -> Figure:
    """Draw the share of the plane that each training calls inside, epoch by epoch, beside the true share.

    Parameters
    ----------
    shares : title -> share after each epoch, from 0 to 1
    truth : the true share

    Raises
    ------
    InputError : no trainings, a training without epochs, or shares outside 0 to 1
    """
    if not shares:
        raise InputError("shares", "must contain at least one training", value="none")
    with style():
        figure, ax = new_axes(ax, 560, 260)
        for i, (title, values) in enumerate(shares.items()):
            line = np.asarray(values, np.float64)
            if line.ndim != 1 or not len(line) or not ((line >= 0) & (line <= 1)).all():
                raise InputError(f"shares[{title!r}]", "must be shares from 0 to 1, at least one", value=values)
            marker = "o" if len(line) == 1 else ""
            epochs = np.arange(1, len(line) + 1)
            ax.plot(epochs, line, color=PALETTE[(2 * i) % len(PALETTE)], linewidth=1.3, marker=marker, label=title)
        ax.axhline(truth, color=TRUE, linewidth=1, linestyle="--", label="truth")
        ax.set(ylim=(-0.02, 1.02), xlabel="epoch", ylabel="share called inside")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
        ax.grid(axis="y", linewidth=0.4, alpha=0.5)
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), labelcolor=INK)
    return figure


def half_planes(
    layers: Mapping[str, tuple[Array, Array]], polygons: Sequence[Any], *, box: Box, columns: int = 3
) -> Figure:
    """Draw the decision lines of first-layer units over the true polygons, a panel for each set.

    The title gives the number of lines that cross the box.

    Parameters
    ----------
    layers : title -> (weights (E, 2), biases (E,)) of the units w x + b
    polygons : vertices (V, 2) of each
    box : (left, right, bottom, top)

    Raises
    ------
    InputError : nothing to draw, or shapes that are not half-planes
    """
    if not layers:
        raise InputError("layers", "must contain at least one set", value="none")
    left, right, bottom, top = box
    across = min(columns, len(layers))
    down = -(-len(layers) // across)
    tall = 250 * (top - bottom) / (right - left)
    with style():
        figure, grid = new_panels((across * 250 / 96, down * (tall + 8) / 96), down, across, squeeze=False)
        for ax, (title, (weights, biases)) in zip(grid.flat, layers.items(), strict=False):
            w, b = np.asarray(weights, np.float64), np.asarray(biases, np.float64)
            if w.ndim != 2 or w.shape[1] != 2 or b.shape != w.shape[:1]:
                value = f"shapes {w.shape}, {b.shape}"
                raise InputError(f"layers[{title!r}]", "must be weights (E, 2) and biases (E,)", value=value)
            corners = np.array([(x, y) for x in (left, right) for y in (bottom, top)]) @ w.T + b  # (4, E)
            crossing = (corners.min(axis=0) < 0) & (corners.max(axis=0) > 0)
            _outline(ax, polygons)
            for (p, q), offset in zip(w[crossing], b[crossing], strict=True):
                foot = -offset * np.array([p, q]) / (p * p + q * q)  # the point of the line nearest to the origin
                ax.axline(tuple(foot), tuple(foot + [-q, p] / np.hypot(p, q) * (right - left)), color=LEARNED, lw=1)
            ax.set_title(f"{short(title, 30)}: {crossing.sum()} of {len(w)} lines", fontsize=8.5)
            _frame(ax, box)
        for ax in grid.flat[len(layers) :]:
            ax.remove()
    return figure


def saturation(arguments: Mapping[str, Array], ax: Axes | None = None) -> Figure:
    """Draw the magnitudes of the arguments of sigmoids, with the range in which sigmoids still learn.

    A sigmoid passes on the share sigmoid'(z) = s (1 - s) of a gradient: a quarter at 0, and 1 % at |z| = 4.6, which
    is marked.

    Parameters
    ----------
    arguments : title -> values z of any shape

    Raises
    ------
    InputError : nothing to draw, or values that are not finite
    """
    if not arguments:
        raise InputError("arguments", "must contain at least one set", value="none")
    sets = {title: np.abs(np.asarray(values, np.float64)).ravel() for title, values in arguments.items()}
    for title, sizes in sets.items():
        if not len(sizes) or not np.isfinite(sizes).all():
            raise InputError(f"arguments[{title!r}]", "must be finite values, at least one", value=len(sizes))
    edge = math.log(99)  # where about 1 % of the gradient passes
    top = max(10.0, *(float(sizes.max()) for sizes in sets.values()))
    bins = np.geomspace(1e-2, 1.2 * top, 60).tolist()
    with style():
        figure, ax = new_axes(ax, 460, 260)
        ax.axvspan(bins[0], edge, color="#eef5ee", linewidth=0, zorder=0)
        for i, (title, sizes) in enumerate(sets.items()):
            weights = np.full(len(sizes), 1 / len(sizes))
            alive = float((sizes < edge).mean())
            name = f"{short(title, 30)}: {share(alive)} can learn"
            look: dict[str, Any] = {"color": PALETTE[i % len(PALETTE)], "histtype": "stepfilled", "alpha": 0.55}
            ax.hist(np.maximum(sizes, bins[0]), bins=bins, weights=weights, label=name, **look)
        ax.set(xscale="log", xlim=(bins[0], bins[-1]))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.set(xlabel="size of what the sigmoids are applied to (in green they learn)", ylabel="share")
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), labelcolor=INK)
    return figure


def share_by_angle(points: Mapping[str, tuple[Array, Array]], bins: int = 60, ax: Axes | None = None) -> Figure:
    """Draw the share of points inside in each direction from the origin.

    Lines through the origin divide the plane by direction only. If no direction has more than half of its points
    inside, such lines cannot give a better answer than "outside".

    Parameters
    ----------
    points : title -> (points (N, 2), labels 0 and 1 (N,)), in the quarter with x, y >= 0
    bins : number of directions of equal width in the quarter

    Raises
    ------
    InputError : nothing to draw
    """
    if not points:
        raise InputError("points", "must contain at least one set", value="none")
    edges = np.linspace(0, 90, bins + 1)
    with style():
        figure, ax = new_axes(ax, 460, 260)
        for i, (title, (places, labels)) in enumerate(points.items()):
            angles = np.degrees(np.arctan2(np.asarray(places)[:, 1], np.asarray(places)[:, 0]))
            count, _ = np.histogram(angles, edges)
            within, _ = np.histogram(angles, edges, weights=np.asarray(labels, np.float64))
            share = np.divide(within, count, out=np.full(bins, np.nan), where=count > 0)
            ax.stairs(share, edges, color=PALETTE[i % len(PALETTE)], linewidth=1.4, label=title, baseline=None)
        ax.axhline(0.5, color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)), label="one half: above, most are inside")
        ax.set(xlim=(0, 90), ylim=(0, 1), xlabel="direction from the origin (degrees)", ylabel="share inside")
        legend_above(ax)
    return figure


def _answers(predict: Predict, points: Array) -> Array:
    """Return a predictor's outputs as float64 (N,), from 0 (outside) to 1 (inside)."""
    answers = np.asarray(predict(points))
    if answers.shape != (len(points),):
        raise InputError("predict", "must return one value for each point, (N,)", value=f"shape {answers.shape}")
    answers = answers.astype(np.float64)
    if not ((answers >= 0) & (answers <= 1)).all():
        raise InputError("predict", "must return bool, or probabilities from 0 to 1", value="others")
    return answers


def _mistakes(predict: Predict, points: Array | None, labels: Array | None) -> Array:
    """Return at most ``MISTAKES`` of the points that are predicted wrong, evenly chosen."""
    if points is None or labels is None:
        if (points is None) != (labels is None):
            raise InputError("points and labels", "must be given together")
        return np.empty((0, 2))
    points, labels = np.asarray(points), np.asarray(labels)
    if points.ndim != 2 or points.shape[1] != 2 or labels.shape != points.shape[:1]:
        value = f"shapes {points.shape}, {labels.shape}"
        raise InputError("points and labels", "must be (N, 2) and (N,)", value=value)
    wrong: Array = points[(_answers(predict, points) > 0.5) != labels.astype(bool)]
    return wrong[:: max(1, -(-len(wrong) // MISTAKES))]


def _frame(ax: Axes, box: Box) -> None:
    """Show exactly ``box`` with a thin frame, with units of equal length on both axes."""
    left, right, bottom, top = box
    ax.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    ax.spines[:].set_color(FAINT)
    ax.spines[:].set_visible(True)
    ax.tick_params(length=2, labelsize=7)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.yaxis.set_major_locator(MaxNLocator(5))


def _outline(ax: Axes, polygons: Sequence[Any]) -> None:
    for vertices in polygons:
        ax.add_patch(Polygon(np.asarray(vertices), fill=False, edgecolor=TRUE, linewidth=1, linestyle="--", zorder=3))
