"""`SingleBranchClassifier`: the default, meant to be at least as good as any other method here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from srmm.data.embeddings import Embeddings
from srmm.data.split import draw_folds, linked
from srmm.ensemble.branches import Branches
from srmm.ensemble.discriminants import Discriminants
from srmm.ensemble.features import Features
from srmm.ensemble.folded import Entered, Folded, folded
from srmm.ensemble.judged import judged_rows, warn_of_lone_groups
from srmm.ensemble.out_of_fold import OutOfFold, trust_of_experts
from srmm.ensemble.state import arrays_of, check_folds, digest_of, restored
from srmm.ensemble.table import FeatureTable
from srmm.ensemble.training import AllButOne, batch_losses, train_branches
from srmm.ensemble.trust import Trust
from srmm.ensemble.weights import PatternWeights
from srmm.errors import InputError, fraction
from srmm.learning.base import Scorer
from srmm.learning.calibration import Calibration
from srmm.learning.labelled import Labelled
from srmm.learning.method import MethodAbout
from srmm.learning.network import NetworkModel
from srmm.learning.room import check_room
from srmm.learning.state import Arrays
from srmm.learning.surroundings import check_dtype, undisturbed
from srmm.recipe import Check, at_least, parameter, positive, with_parameters

_MOST_NUMBERS = 40_000_000  # log-probabilities from which weights are learnt
_MOST_ROWS = 20_000
_TRUST_ROWS = 2_000
_FOLDS = 5
_KEPT = 100_000_000  # numbers of vectors that a scorer keeps (0.4 GB)
_AT_ONCE = 4_000_000  # logits
_ROWS = 1024


def _if_given(check: Check) -> Check:
    return lambda name, value: None if value is None else check(name, value)


@with_parameters
class SingleBranchClassifier(NetworkModel):
    """Classify instances of several modalities, any of which may be missing (SRMM, cross-fitted).

    The paper's single branch with a modality switch, and five additions: five networks, each of
    which leaves out a fold; one more stream, of what is there together; a linear discriminant of
    each modality; the weight of each of these, for each presence pattern, learnt from outputs of
    instances that none of them saw; less weight for items unlike those of training. No instance is
    held out, nothing is imputed, and every subset of modalities is legal input.
    `PaperClassifier` is the paper to the letter.

    Instances given as `validation` teach, too: nothing is chosen by them.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    modalities_ : tuple of str
    embedding_dims_ : dict of str to int
    network_ : Branches
    history_ : History
        Loss per epoch.
    discriminants_ : Discriminants
        A linear discriminant of each modality, beside the networks.
    weights_ : PatternWeights
        Of each modality alone, of its discriminant and of the fused stream, by presence pattern.
    trust_ : Trust
    out_of_fold_ : dict of str to float
        "accuracy" and "log_loss" of the training instances, each as its fold's network sees it;
        of classes that are in several folds. Empty if there are none.
    calibration_ : Calibration
        Out-of-fold scores by presence pattern, from which `predict_set` makes prediction sets.
    folds_ : array of shape (n_train,)
        Which network did not learn from each training instance.
    class_prior_ : array of shape (n_classes,)
    feature_std_ : dict of str to array of shape (d_m,)
    training_ : dict
        What it was trained on: instances, missing rate per modality.

    See Also
    --------
    srmm.PaperClassifier : the method of the paper, with its recipe.
    srmm.evaluate : accuracy for every presence pattern, missing-rate curves, baselines.

    References
    ----------
    M. S. Saeed et al., "Modality Invariant Multimodal Learning to Handle Missing Modalities: A
    Single-Branch Approach", 2024. What is added, and what each addition changes: docs/recipes.md.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(2, size=200)
    >>> X = {"image": rng.normal(size=(200, 8)) + y[:, None], "text": rng.normal(size=(200, 4))}
    >>> X["text"][:50] = np.nan  # these instances have no text
    >>> model = SingleBranchClassifier(max_epochs=10, random_state=0).fit(X, y)
    >>> model.predict({"image": X["image"][:3]}).shape  # texts of nobody: legal input
    (3,)
    """

    hidden_dim: int = parameter(256, "Width h of each branch.", at_least(1))
    dropout: float = parameter(0.5, "Share of block 1's outputs dropped in training.", fraction)
    input_dropout: float = parameter(
        0.1, "Share of each input's numbers dropped in training.", fraction
    )
    batch_size: int | None = parameter(
        None,
        "Instances per step and network, no more than there are; by default 64, and of many rows "
        "128 or 256, where 30 epochs make 3,000 steps all the same.",
        _if_given(at_least(2, " (batch norm needs two)")),
    )
    max_epochs: int | None = parameter(
        None,
        "Epochs; by default 30, on small data as many as make 1,200 steps (2,400 where no "
        "embedding has over 40 numbers), up to 200.",
        _if_given(at_least(1)),
    )
    learning_rate: float = parameter(
        0.003,
        "Adam's, at the peak of a one-cycle schedule; twice that where steps are by default of 256 "
        "instances, √2 times that where they are of 128.",
        positive,
    )
    n_folds: int = parameter(
        _FOLDS, "Networks, each of which leaves out one fold; at least 2 to fit.", at_least(1)
    )

    @property
    def feature_std_(self) -> dict[str, np.ndarray]:
        """Per modality, the standard deviation (d_m,) of each feature in the training set."""
        return self.features_.standardizer.std

    def _fit(self, train: Labelled, held: Labelled, seed: int) -> None:
        at_least(2)("n_folds", self.n_folds)  # a distilled model is one network
        if len(held.y):
            train = train.joined(held)
            self._describe(train.embeddings, train.y, 0)
        if self.n_folds > max(_FOLDS, len(train.y)):
            raise InputError(
                f"n_folds is {self.n_folds:,} and there are {len(train.y):,} instances to learn "
                "from, expected no more folds than instances: each network leaves out one of them."
            )
        rng = np.random.default_rng([seed, 2])
        data, y = train.embeddings, train.y
        self.training_["digest"] = digest_of(data, y)
        self.folds_ = self._drawn_folds(train, rng)
        self.features_ = Features.fit(data)
        check_dtype()
        check_room(self, self._device(), ours=True)
        self.network_ = self._network()
        self.network_.start(rng)
        self.network_.to(self._device())
        table = FeatureTable(data, self.features_, self._device())
        self._train(table, train, rng)
        self.discriminants_ = Discriminants.fit(
            data,
            y,
            train.weight,
            self.folds_,
            self.features_,
            members=self.n_folds,
            n_classes=len(self.classes_),
        )
        self._weigh(table, train, rng)

    def _drawn_folds(self, train: Labelled, rng: np.random.Generator) -> np.ndarray:
        """Which network does not learn from each instance (n,)."""
        data = train.embeddings
        groups = train.groups
        if groups is None:
            groups = linked(data, train.y, self.n_folds)
        else:
            warn_of_lone_groups(train.y, groups, self.classes_)
        return draw_folds(train.y, groups, self.n_folds, rng).astype(np.int16)

    def _network(self) -> Branches:
        widths = {n: self.features_.width(n, d) for n, d in self.embedding_dims_.items()}
        return Branches(
            widths,
            len(self.classes_),
            members=self.n_folds,
            hidden_dim=self.hidden_dim,
            dropout=self.dropout,
            input_dropout=self.input_dropout,
        )

    def _train(self, table: FeatureTable, train: Labelled, rng: np.random.Generator) -> None:
        """Train the networks at once, each on all folds but its own."""
        target = torch.from_numpy(train.y).to(self._device())
        weight = torch.from_numpy(train.weight).to(self._device(), torch.float32)
        self.history_ = train_branches(
            self.network_,
            AllButOne(self.folds_, self.n_folds),
            lambda some, rows, rngs: batch_losses(some, table, rows, target, weight, rngs),
            rng.spawn(self.n_folds),
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            max_epochs=self.max_epochs,
            precision=self.precision,
            short=self.features_.all_short,
            progress=self.progress or iter,
        )

    def _weigh(self, table: FeatureTable, train: Labelled, rng: np.random.Generator) -> None:
        """Learn from out-of-fold outputs what each expert is worth, and what strangeness costs."""
        M, C = len(self.modalities_), len(self.classes_)
        most = min(_MOST_ROWS, max(500, _MOST_NUMBERS // (C * (2 * M + 1))))
        chosen = rng.permutation(judged_rows(train.y, self.folds_))[:most]
        outputs = OutOfFold(self.network_, self.discriminants_, table, chosen, self.folds_[chosen])
        there = np.asarray(train.embeddings.present)
        y, counts, present = train.y[chosen], train.weight[chosen], there[chosen]
        items = train.weight @ there
        self.weights_ = PatternWeights.fit(outputs.logs, y, counts, present, items)
        self.out_of_fold_ = self.weights_.score(outputs.logs, y, counts, present) if len(y) else {}
        self.trust_ = Trust.fit_familiar(train.embeddings, self.features_, self.folds_ == 0)
        self._learn_trust(outputs, train.embeddings[chosen], y, counts, rng)
        trust = self.trust_.of(train.embeddings[chosen], self.features_)
        self.calibration_ = Calibration.fit(
            lambda rows, there: outputs.probabilities(rows, there, self.weights_, trust[rows]),
            y,
            present,
        )

    def _learn_trust(
        self,
        outputs: OutOfFold,
        judged: Embeddings,
        y: np.ndarray,
        counts: np.ndarray,
        rng: np.random.Generator,
    ) -> None:
        """Learn what strangeness costs each modality, from those that `outputs` are of."""
        M = len(self.modalities_)
        lone = self.weights_.of(np.eye(M, dtype=bool))
        for m, name in enumerate(self.modalities_):
            rows = judged.places(name)[0][:_TRUST_ROWS]

            def scores_of(noisy: np.ndarray, m: int = m, rows: np.ndarray = rows) -> np.ndarray:
                made = torch.from_numpy(self.features_.apply(self.modalities_[m], noisy))
                logs = outputs.logs_of(m, made.to(self._device()), rows)
                return np.einsum("nec,e->nc", logs, lone[m, [m, M + m]])

            _, vectors = judged[rows].items(name)
            said = y[rows], counts[rows], self.features_, scores_of
            self.trust_.learn(name, vectors, *said, rng)

    def predict_per_modality(self, X: Any) -> np.ndarray:
        """What each modality alone says: (n_instances, n_modalities, n_classes) probabilities.

        NaN where the item is absent.
        """
        embeddings = self._matched(X)
        scorer, present = self._scorer(embeddings), np.asarray(embeddings.present)
        out = np.full((*present.shape, len(self.classes_)), np.nan)
        for m in range(present.shape[1]):
            rows = np.flatnonzero(present[:, m])
            out[rows, m] = scorer(rows, np.tile(np.arange(present.shape[1]) == m, (len(rows), 1)))
        return out

    def _probabilities(self, embeddings: Embeddings) -> np.ndarray:
        network, out = folded(self.network_), np.empty((len(embeddings), len(self.classes_)))
        for rows, some in embeddings.in_blocks(self._step):
            out[rows] = self._fused(self._entered(network, some), np.asarray(some.present))
        return out

    def _scorer(self, embeddings: Embeddings) -> Scorer:
        there = np.asarray(embeddings.present)
        wide, lines = there.size * self.n_folds * self.hidden_dim, there.size * len(self.classes_)
        if wide + lines > _KEPT:
            return lambda rows, present: self._probabilities(embeddings[rows].mask(present))
        step = self._step if 2 * wide + lines <= _KEPT else None
        entered = self._entered(folded(self.network_), embeddings, step)

        def score(rows: np.ndarray, present: np.ndarray) -> np.ndarray:
            out = np.empty((len(rows), len(self.classes_)))
            for start in range(0, len(rows), self._step):
                some = rows[start : start + self._step]
                mask = present[start : start + self._step] & there[some]
                out[start : start + self._step] = self._fused(entered, mask, some)
            return out

        return score

    @property
    def _step(self) -> int:
        """How many instances pass the networks at once: what stays in a processor's cache."""
        return max(1, min(_ROWS, _AT_ONCE // len(self.classes_)))

    @undisturbed()
    def _entered(self, network: Folded, embeddings: Embeddings, step: int | None = None) -> Entered:
        """What is known of the instances before it is said which of their items count."""
        device = self.network_.fc2.weight.device
        vectors: list[Tensor] = []
        lines: list[Tensor | None] = []
        trust = np.ones(embeddings.present.shape, dtype=np.float32)
        for m, name in enumerate(self.modalities_):
            rows, items = embeddings.items(name)
            made = torch.from_numpy(self.features_.apply(name, items))
            scaled = self.features_.scaled_of(name, made)
            trust[rows, m] = self.trust_.of_scaled(name, scaled.numpy())
            made, scaled = made.to(device), scaled.to(device)
            places = torch.from_numpy(rows).to(device) if len(rows) < len(embeddings) else None
            line = self.discriminants_.mean_logs(name, scaled)
            vectors.append(_put(network.enter(m, made), places, len(embeddings)))
            lines.append(None if line is None else _put(line, places, len(embeddings)))
        return Entered(network, vectors, lines, trust, step)

    @undisturbed()
    def _fused(
        self, entered: Entered, present: np.ndarray, rows: np.ndarray | None = None
    ) -> np.ndarray:
        """Probabilities (n, C) of what is present (n, M) and trusted, of these instances."""
        trust = present * (entered.trust if rows is None else entered.trust[rows])
        weights = self.weights_.of(present) * trust_of_experts(trust)
        share = trust / np.maximum(trust.sum(axis=1, keepdims=True), 1e-6)
        return entered.scores(weights, share, rows).double().softmax(dim=1).cpu().numpy()

    @undisturbed()
    def _vectors(self, table: FeatureTable, rows: np.ndarray) -> Tensor:
        """What enters the networks of these instances' items: (K, n, M, h)."""
        items, present = table.batch(rows)
        return self.network_.enter(items, present.expand(self.n_folds, *present.shape))

    def transform(self, X: Any) -> np.ndarray:
        """Block-2 embeddings of the fused stream, (n_instances, n_folds · h) and of unit length.

        Those of the networks side by side (paper Fig. 5); NaN if nothing is present.
        """
        embeddings = self._matched(X)
        present, network = np.asarray(embeddings.present), self.network_
        something = present.any(axis=1)
        out = np.full((len(embeddings), network.members * network.hidden_dim), np.nan)
        table = FeatureTable(embeddings, self.features_, self._device())
        rows = np.flatnonzero(something)
        for start in range(0, len(rows), 2048):
            some = rows[start : start + 2048]
            out[some] = self._embedded(table, some, present[some])
        return out

    @undisturbed()
    def _embedded(self, table: FeatureTable, rows: np.ndarray, present: np.ndarray) -> np.ndarray:
        vectors = self._vectors(table, rows)
        share = torch.from_numpy(present.astype(np.float32)).to(vectors.device)
        embedded = self.network_.embed(self.network_.fused(vectors, share)[:, :, None])[:, :, 0]
        return (
            (embedded / math.sqrt(self.network_.members)).transpose(0, 1).flatten(1).cpu().numpy()
        )

    def get_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """(JSON-ready settings, arrays): all that `set_state` needs to predict the same bits."""
        state, arrays = super().get_state()
        arrays |= arrays_of(self)
        return state | {
            "out_of_fold": self.out_of_fold_,
            "steepness": self.trust_.steepness,
        }, arrays

    def set_state(self, state: Mapping[str, Any], arrays: Arrays) -> None:
        """Become the fitted classifier that `get_state` described."""
        restored(self, state, arrays)
        super().set_state(state, arrays)
        check_folds(self)


def _put(x: Tensor, places: Tensor | None, n: int) -> Tensor:
    """The rows of `x` at these places among n, with zeros between; as they are if all are there."""
    if places is None:
        return x
    out = x.new_zeros((n, x.shape[1]))
    out[places] = x
    return out


ABOUT = MethodAbout(
    "srmm",
    SingleBranchClassifier,
    "ours; its branch and its switch are those of M. S. Saeed et al., Modality Invariant "
    "Multimodal Learning to Handle Missing Modalities: A Single-Branch Approach, 2024",
)
