"""An over-clustering merged into few clusters, keeping the mutual information between neighbours' clusters high.

The small clusters of the over-clustering are called cells here. The joint distribution P(a, b) of the cells of two
neighbours is all that is needed of the rows. Merging cells loses information I = sum P log(P / (P P)); the pair that
loses least is merged first (the agglomerative information bottleneck of Slonim & Tishby 1999, merging both sides
alike). Then single cells move wherever that raises I, until no move does.

I favours clusters of equal size. Where groups of very different sizes are well separated, merging by linkage finds
them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from narrows.disk.files import Array
from narrows.errors import InputError
from narrows.evaluation.agreement import information, xlogx
from narrows.evaluation.agreement import joint as joint_of

SWEEPS = 50  # of moves, at most; some three are usual
GAIN = 1e-12  # a move must raise the information by more than rounding


def join(joint: Array, n_clusters: int) -> tuple[Array, Array]:
    """Merge, step by step, the pair of cells that loses the least information.

    Parameters
    ----------
    joint : (M, M), symmetric, as ``mean_joint`` returns it
    n_clusters : at least 1 and at most M

    Returns
    -------
    groups : (M,), which of ``n_clusters`` each cell is in, from 0 to n_clusters - 1
    curve : (M,), the information with 1, 2, ... M clusters; 0 for numbers not reached
    """
    if not 1 <= n_clusters <= len(joint):
        raise InputError(
            "n_clusters", f"must be from 1 to the {len(joint)} clusters of the over-clustering", value=n_clusters
        )
    held = joint.copy()  # (L, L) of the clusters so far
    members = [[cell] for cell in range(len(joint))]
    curve = np.zeros(len(joint))
    curve[-1] = information(joint)
    rest = np.stack([_rest(held, row) for row in range(len(held))])  # (L, L)
    while len(held) > n_clusters:
        change = rest + _own(held)
        np.fill_diagonal(change, -np.inf)
        i, j = sorted(divmod(int(change.argmax()), len(held)))
        curve[len(held) - 2] = curve[len(held) - 1] + change[i, j]
        # All pairs forget the columns of the two, and see that of both together instead.
        joined = held[i] + held[j]
        for column, sign in ((held[i], -1), (held[j], -1), (joined, 1)):
            rest += sign * _of_column(column)
        joined[i] += joined[j]
        held[i], held[:, i] = joined, joined
        held, rest = (np.delete(np.delete(table, j, 0), j, 1) for table in (held, rest))
        members[i] += members.pop(j)
        rest[i] = rest[:, i] = _rest(held, i)
    groups = np.empty(len(joint), np.int64)
    for group, cells in enumerate(members):
        groups[cells] = group
    return groups, curve


def link(joint: Array, n_clusters: int) -> Array:
    """Merge, step by step, the pair with the strongest linkage, whatever their sizes.

    Linkage is the share of the smaller one's neighbours that are in the other, P(a, b) / min(P(a), P(b)). So isolated
    groups stay separate, large or small, where ``join`` would rather cut a large group in two.

    Parameters
    ----------
    joint : (M, M), symmetric, as ``mean_joint`` returns it
    n_clusters : at least 1 and at most M

    Returns
    -------
    groups : (M,), which of ``n_clusters`` each cell is in, from 0 to n_clusters - 1
    """
    held, groups = joint.copy(), np.arange(len(joint))
    while len(held) > n_clusters:
        share = held.sum(1)
        closeness = held / np.maximum(np.minimum(share[:, None], share), GAIN)
        np.fill_diagonal(closeness, -1)
        i, j = sorted(divmod(int(closeness.argmax()), len(held)))
        held[i] += held[j]
        held[:, i] += held[:, j]
        held = np.delete(np.delete(held, j, 0), j, 1)
        groups[groups == j] = i
        groups[groups > j] -= 1
    return groups


def unknown(joint: Array, groups: Array) -> float:
    """Return the normalised conditional entropy of ``groups`` (M,) of cells given a neighbour's: 1 - I / H, 0 to 1."""
    member = np.eye(int(groups.max()) + 1)[groups]  # (M, K)
    together = member.T @ joint @ member
    entropy = -float(xlogx(together.sum(1)).sum())
    return 1 - information(together) / entropy if entropy > GAIN else 1.0


def numbers(curves: Sequence[Array], most: int = 100) -> list[tuple[int, float]]:
    """Return how much each number of clusters stands out, (number, factor), the greatest factor first.

    Merging two of K clusters costs I(K) - I(K - 1), which falls like 1 / K where there is no structure. A number stands
    out if merging further costs more than the merge before did, relative to that fall:

        (I(K) - I(K - 1)) / (I(K + 1) - I(K)) * K / (K + 1)

    Parameters
    ----------
    curves : I of 1, 2, ... clusters, as ``join`` returns it; the geometric mean over them is taken
    most : the greatest number considered; never more than a third of the cells, many of which arise by chance
    """
    most = min(most, *(len(curve) // 3 for curve in curves))
    number = np.arange(2, most + 1)
    if not len(number):
        return []
    found = np.zeros(len(number))
    for curve in curves:
        costs = np.maximum(np.diff(curve), GAIN)  # costs[k - 1] is that of going from k + 1 to k clusters
        found += np.log(costs[number - 2] / costs[number - 1] * number / (number + 1)) / len(curves)
    order = np.argsort(-found, kind="stable")
    return [(int(number[i]), float(np.exp(found[i]))) for i in order]


def settle(joint: Array, groups: Array) -> Array:
    """Move single cells between ``groups`` (M,) as long as that raises the information; no group becomes empty."""
    groups = groups.copy()
    count, cells = int(groups.max()) + 1, np.arange(len(joint))
    member = np.zeros((len(joint), count))  # 1 where a cell is in a group
    member[cells, groups] = 1
    share = joint.sum(1)  # (M,)
    for _ in range(SWEEPS):
        moved = False
        for cell in np.argsort(-share, kind="stable"):
            now = groups[cell]
            if member[:, now].sum() == 1:
                continue
            member[cell, now] = 0
            held = member.T @ joint @ member  # (K, K), without the cell
            gains = _of_adding(held, joint[cell] @ member, joint[cell, cell], share[cell])
            best = int(gains.argmax())
            groups[cell] = best if gains[best] > gains[now] + GAIN else now
            member[cell, groups[cell]] = 1
            moved |= bool(groups[cell] != now)
        if not moved:
            break
    return groups


def _of_adding(held: Array, row: Array, own: float, share: float) -> Array:
    """Return what adding a cell to each group of ``held`` (K, K), without it, changes, except for a constant: (K,).

    Parameters
    ----------
    row : (K,), P(cell, group)
    own : P(cell, cell)
    share : P(cell)
    """
    columns = xlogx(held + row) - xlogx(held)  # (K, K): group, third group
    diagonal = np.diag(held)
    third = 2 * (columns.sum(1) - np.diag(columns))
    itself = xlogx(diagonal + 2 * row + own) - xlogx(diagonal)
    # A group's share counts its rows that have a neighbour in the cell, wherever the cell goes.
    apart = held.sum(1) + row  # (K,)
    shares = xlogx(apart + share) - xlogx(apart)
    gains: Array = third + itself - 2 * shares
    return gains


def mean_joint(cells: Array, graphs: Sequence[Array], n_cells: int) -> Array:
    """Return the mean over ``graphs`` of how often a row in cell a has a neighbour in cell b: (M, M)."""
    shares: Array = np.mean([joint_of(cells, indices, n_cells) for indices in graphs], axis=0)
    return shares


def _rest(held: Array, row: int) -> Array:
    """Return what joining ``row`` with each other changes in the columns of all third ones: (L,)."""
    both = xlogx(held[row] + held) - xlogx(held[row]) - xlogx(held)  # (L, L): other, column
    others = np.arange(len(held))
    changed: Array = 2 * (both.sum(1) - both[:, row] - both[others, others])
    return changed


def _of_column(column: Array) -> Array:
    """Return what one third column adds to ``_rest`` of each pair: (L, L)."""
    x = xlogx(column)
    return 2 * (xlogx(column[:, None] + column) - x[:, None] - x)


def _own(held: Array) -> Array:
    """Return what joining each pair changes in its own four cells, and in its shares: (L, L)."""
    own, share = np.diag(held), held.sum(1)
    x, p = xlogx(own), xlogx(share)
    cells = xlogx(own[:, None] + own + 2 * held) - x[:, None] - x - 2 * xlogx(held)
    shares = xlogx(share[:, None] + share) - p[:, None] - p
    change: Array = cells - 2 * shares
    return change
