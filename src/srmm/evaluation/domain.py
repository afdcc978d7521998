"""Whether new items of a modality can be told from those of training, and which are unlike them."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import norm, rankdata, t
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from srmm.data.split import identical
from srmm.errors import several

ROWS = 2_000
"""Items of either side that are looked at."""
FEWEST = 10
"""With fewer on a side nothing is tested."""
AUC = 0.6
"""How well the two must be told apart to matter: 0.5 is not at all, 1 without fault."""

_COMPONENTS = 48
_FOLDS = 5
_SHUFFLES = 200
_RIDGE = 0.1
_FARTHEST = 10.0  # standard deviations; beyond, a number tells no more
_USUAL = 0.99


def domain_test(new: np.ndarray, known: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """How well a classifier tells new items (n, d) from those of training (m, d).

    It is linear in the principal components of both together, their squares, and what these leave
    out: it sees a mean, a spread or a direction that changed. Its scores are of items that it was
    not fitted on (five folds). Ridge regression of the side, because it can be fitted again to
    hundreds of shuffles of which item is of which side: p comes from the mean and the spread of the
    AUC over these, so it holds for few items, too.

    Equal items of a side count once, where most of both sides are different, and equal ones of
    both sides are left out together: an item that stands in many rows would be recognised, not told
    apart.

    Returns
    -------
    {"n", "n_before", "auc", "auc_ci" (95 %, DeLong's), "p", "large"}, or with a "reason" and
    None where a side has fewer than 10 items.
    """
    new, known = _distinct(_some(new, seed), _some(known, seed + 1))
    counts = {"n": len(new), "n_before": len(known)}
    if min(len(new), len(known)) < FEWEST:
        side = "new" if len(new) <= len(known) else "training"
        reason = f"only {several(min(counts.values()), side + ' item')}: too few to tell anything"
        return {**counts, "auc": None, "auc_ci": None, "p": None, "large": False, "reason": reason}
    both = np.concatenate([new, known])
    x = _features(both, seed)
    rng = np.random.default_rng([seed, 12])
    is_new = np.arange(len(x)) < len(new)
    sides = np.stack([is_new, *(rng.permutation(is_new) for _ in range(_SHUFFLES))], axis=1)
    scores = _out_of_fold(x, sides.astype(float), identical(both), rng)
    aucs = _aucs(scores, sides)
    chance = aucs[1:]
    spread = max(float(chance.std(ddof=1)), 1e-9) * np.sqrt(1 + 1 / _SHUFFLES)
    auc = float(aucs[0])
    p = float(t.sf((auc - chance.mean()) / spread, _SHUFFLES - 1))
    ends = _interval(scores[is_new, 0], scores[~is_new, 0])
    return {**counts, "auc": auc, "auc_ci": ends, "p": p, "large": auc >= AUC}


def unlikeness(new: np.ndarray, known: np.ndarray, seed: int = 0) -> np.ndarray:
    """How far each new item (n,) is from the nearest one of training.

    In units of what 99 of 100 training items keep to: 1 is usual at most, 3 is strange.
    """
    known = _some(known, seed + 1)
    if not len(new) or len(known) < 2:
        return np.zeros(len(new))
    x = _components(_scaled(np.concatenate([new, known]), of=len(new)), seed)[0]
    there = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(x[len(new) :])
    usual = float(np.quantile(there.kneighbors()[0], _USUAL))
    far = there.kneighbors(x[: len(new)])[0][:, 0]
    if usual <= 1e-9:  # nearly all training items are equal to another one: of few values
        usual = float(np.sqrt(np.mean(np.var(x[len(new) :], axis=0)))) or 1.0
    return np.asarray(far / usual)


def moments(new: np.ndarray, mean: np.ndarray, std: np.ndarray) -> dict[str, Any]:
    """What can be said of new items (n, d) where of training only mean and spread (d,) are known.

    Returns
    -------
    {"n", "mean_shift", "mean_shift_by_chance", "spread"}: by how many standard deviations the means
    differ (root mean square over the numbers), what this would be if nothing had changed, and the
    new spread over that of training.
    """
    varies = std > 1e-12
    if not len(new) or not varies.any():
        return {"n": len(new), "mean_shift": None, "mean_shift_by_chance": None, "spread": None}
    z = (np.asarray(new, dtype=np.float64)[:, varies] - mean[varies]) / std[varies]
    return {
        "n": len(new),
        "mean_shift": float(np.sqrt(np.mean(z.mean(axis=0) ** 2))),
        "mean_shift_by_chance": float(1 / np.sqrt(len(new))),
        "spread": float(np.sqrt(np.mean(z.var(axis=0, ddof=1)))) if len(new) > 1 else None,
    }


def _some(items: np.ndarray, seed: int) -> np.ndarray:
    if len(items) <= ROWS:
        return items
    return items[np.random.default_rng([seed, 13]).permutation(len(items))[:ROWS]]


def _distinct(*sides: np.ndarray) -> list[np.ndarray]:
    """Each side's different items, or both sides as they are: one alone would be told apart."""
    kept = [
        items[np.sort(np.unique(identical(items), return_index=True)[1])] if len(items) else items
        for items in sides
    ]
    most = all(2 * len(k) >= len(items) for k, items in zip(kept, sides, strict=True))
    return kept if most else list(sides)


def _scaled(x: np.ndarray, of: int = 0) -> np.ndarray:
    """Columns of mean 0 and spread 1 (of all rows, or of those from `of` on), cut at the far."""
    x = np.asarray(x, dtype=np.float64)
    mean, std = x[of:].mean(axis=0), x[of:].std(axis=0)
    std = np.where(std > 1e-12 * np.maximum(np.abs(mean), 1e-12), std, 1.0)
    return np.clip((x - mean) / std, -_FARTHEST, _FARTHEST)


def _components(x: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Principal components (n, k), and the size of what they leave out (n,), if they do."""
    k = min(_COMPONENTS, *x.shape)
    if k == x.shape[1]:
        return x, None
    pca = PCA(n_components=k, svd_solver="randomized", random_state=seed).fit(x)
    scores = pca.transform(x)
    rest = np.square(x - pca.mean_).sum(axis=1) - np.square(scores).sum(axis=1)
    return scores, np.maximum(rest, 0.0)


def _features(x: np.ndarray, seed: int) -> np.ndarray:
    scores, rest = _components(_scaled(x), seed)
    scores = _scaled(scores)
    parts = [scores, np.square(scores)]
    if rest is not None:
        parts.append(np.log(rest + 1e-9 * rest.mean() + 1e-30)[:, None])
    return _scaled(np.hstack(parts))


def _out_of_fold(
    x: np.ndarray, sides: np.ndarray, same: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Scores (n, S) of every item under each of S sidings, by fits without it and its equals."""
    fold = (rng.permutation(int(same.max()) + 1) % _FOLDS)[same]
    scores = np.empty(sides.shape)
    for f in range(_FOLDS):
        held, rest = fold == f, fold != f
        if not held.any() or not rest.any():  # of very few values
            scores[held] = 0.0
            continue
        mean = x[rest].mean(axis=0)
        centred, target = x[rest] - mean, sides[rest] - sides[rest].mean(axis=0)
        gram = centred.T @ centred + _RIDGE * rest.sum() * np.eye(x.shape[1])
        scores[held] = (x[held] - mean) @ np.linalg.solve(gram, centred.T @ target)
    return scores


def _aucs(scores: np.ndarray, sides: np.ndarray) -> np.ndarray:
    n_new = int(sides[:, 0].sum())
    ranks = np.where(sides, rankdata(scores, axis=0), 0.0).sum(axis=0)
    return np.asarray((ranks - n_new * (n_new + 1) / 2) / (n_new * (len(scores) - n_new)))


def _interval(new: np.ndarray, known: np.ndarray) -> list[float]:
    """DeLong's 95 % interval of the AUC, from each item's share of the others that it beats."""
    both = rankdata(np.concatenate([new, known]))
    above = (both[: len(new)] - rankdata(new)) / len(known)
    below = 1 - (both[len(new) :] - rankdata(known)) / len(new)
    variance = above.var(ddof=1) / len(new) + below.var(ddof=1) / len(known)
    reach = norm.ppf(0.975) * np.sqrt(variance)
    auc = above.mean()
    return [float(max(0.0, auc - reach)), float(min(1.0, auc + reach))]
