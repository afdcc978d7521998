"""One small network that has learnt from the whole: what is served where size or time is short."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from srmm.data.checks import whole
from srmm.data.inputs import as_embeddings
from srmm.ensemble.branches import Branches
from srmm.ensemble.classifier import SingleBranchClassifier
from srmm.ensemble.discriminants import Discriminants
from srmm.ensemble.draws import Generators
from srmm.ensemble.judged import judged_rows
from srmm.ensemble.out_of_fold import OutOfFold
from srmm.ensemble.state import is_digest_of
from srmm.ensemble.table import FeatureTable
from srmm.ensemble.training import STEP, train_branches
from srmm.ensemble.weights import PatternWeights
from srmm.errors import InputError
from srmm.learning.labelled import labelled
from srmm.learning.precision import outside_products
from srmm.learning.surroundings import check_dtype, undisturbed
from srmm.learning.weighing import weights_by_class

_TRUTH = 0.3  # share of the true label in what is learnt; the rest is the teacher's word


@undisturbed(learning=True)
def distil(
    model: SingleBranchClassifier,
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    random_state: int = 0,
    progress: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> SingleBranchClassifier:
    """A single branch that says what `model` says, whatever is present, a fifth of its size.

    It learns from the outputs that the model's networks give of instances they never saw (Hinton
    et al., Distilling the Knowledge in a Neural Network, 2015), under random presence patterns of
    each, and a little from the labels. At prediction all that is present goes through as the fused
    stream: one pass of one network.

    Parameters
    ----------
    model : fitted SingleBranchClassifier
    X, y, sample_weight : as in `fit`
        The instances `model` was trained on, all of them and in the same order.

    Raises
    ------
    InputError
        If these cannot be the training instances, or `model` is itself distilled.
    """
    if not isinstance(model, SingleBranchClassifier) or not hasattr(model, "folds_"):
        raise InputError(
            f"What is distilled is a fitted SingleBranchClassifier, got {type(model).__name__}"
            f"{'' if hasattr(model, 'classes_') else ', which is not fitted'}. Fit one first."
        )
    random_state = whole("random_state", random_state, 0, 2**32 - 1)
    if model.n_folds == 1:
        raise InputError("This model is distilled already: it is one network. Distil its teacher.")
    embeddings, labels, weight, _ = labelled(as_embeddings(X), y, sample_weight)
    known = [name for name in embeddings.modalities if name in model.embedding_dims_]
    embeddings = model.as_seen(embeddings.select(known))
    if len(embeddings) != len(model.folds_):
        raise InputError(
            f"There are {len(embeddings):,} labelled instances here, and the model was trained on "
            f"{len(model.folds_):,}. A model is distilled on its own training instances."
        )
    unknown = set(labels.tolist()) - set(model.classes_.tolist())
    if unknown:
        raise InputError(f"The model has no class {sorted(unknown)[0]!r}: train it on these data.")
    check_dtype()
    rng = np.random.default_rng([random_state, 4])
    device = model.network_.fc2.weight.device
    table = FeatureTable(embeddings, model.features_, device)
    teacher = OutOfFold(
        model.network_, model.discriminants_, table, np.arange(len(table)), model.folds_
    )
    there = np.asarray(embeddings.present)
    target = np.searchsorted(model.classes_, labels)
    if not is_digest_of(model.training_["digest"], embeddings, target):
        raise InputError(
            "These are not the instances that the model was trained on, or not in the same order: "
            "each must be judged by a network that never saw it."
        )
    if model.class_weight is not None:
        weight = weight * weights_by_class(model.class_weight, labels, model.classes_)
    counts = torch.from_numpy(weight / weight.mean()).to(device, torch.float32)
    truth = np.ones(len(table), dtype=np.float32)  # nobody could tell of a class in one fold
    truth[judged_rows(target, model.folds_)] = _TRUTH
    student = _student(model, random_state)
    student.network_.start(rng)

    def losses_of(network: Branches, batch: np.ndarray, rngs: Generators) -> Tensor:
        (rows,), (drawn_by,) = batch, rngs
        present = draw_patterns(there[rows], drawn_by)
        with outside_products(device):  # what is taught is a prediction
            told = teacher.probabilities(rows, present, model.weights_)
        wanted = (1 - truth[rows])[:, None] * told
        wanted[np.arange(len(rows)), target[rows]] += truth[rows]
        seen = torch.from_numpy(present).to(device)
        items, _ = table.batch(batch, rngs)
        vectors = network.enter(items, seen[None], rngs)
        fused = network.fused(vectors, seen.to(vectors.dtype))
        logits = network.classify(fused, rngs)[0]
        losses = -(torch.from_numpy(wanted).to(device) * logits.log_softmax(dim=-1)).sum(dim=-1)
        return (losses * counts[rows]).mean()[None]

    student.history_ = train_branches(
        student.network_,
        [np.arange(len(table))],
        losses_of,
        rng.spawn(1),
        batch_size=model.batch_size or STEP,
        learning_rate=model.learning_rate,
        max_epochs=model.max_epochs,
        precision=student.precision,
        short=student.features_.all_short,
        progress=progress,
    )
    student.training_ = {**model.training_, "seconds": student.history_.seconds}
    return student


def draw_patterns(present: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A random part of each instance's items (n, M): a third of the time one, a third all."""
    drawn = np.where(present, rng.random(present.shape), 2.0)
    first = drawn == drawn.min(axis=1, keepdims=True)
    kind = rng.integers(3, size=(len(present), 1))
    some = first | (drawn < 0.5)
    return present & np.where(kind == 0, first, np.where(kind == 1, True, some))


def _student(model: SingleBranchClassifier, random_state: int) -> SingleBranchClassifier:
    """A model like this one, of a single network that has not learnt yet."""
    parameters = {**model.get_params(), "n_folds": 1, "random_state": random_state}
    student = SingleBranchClassifier(**parameters)
    for name in (
        "classes_", "modalities_", "embedding_dims_", "encoders_", "class_prior_", "chosen_",
        "features_", "trust_",
    ):  # fmt: skip
        setattr(student, name, getattr(model, name))
    student.folds_, student.out_of_fold_ = np.zeros(0, dtype=np.int16), {}  # it learns from all
    if hasattr(model, "n_features_in_"):
        student.n_features_in_ = model.n_features_in_
    student.network_ = model.network_.like(1).to(model.network_.fc2.weight.device)
    # Whatever is present is the fused stream's to say.
    M = len(model.modalities_)
    eye = np.hstack([np.eye(M), np.zeros((M, M + 1))])
    student.discriminants_ = Discriminants({}, {})
    student.weights_ = PatternWeights(1 << np.arange(M), eye, fused_share=1.0)
    return student
