"""Cells: one method, one seed, one training setting. Trained once, kept, and read ever after.

A cell's file holds the test outputs under every presence pattern. All tables, curves and analyses
are then sums over those outputs (patterns first), so no two experiments train the same thing.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from functools import cache, lru_cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from srmm.data.labels import places_among
from srmm.errors import InputError, SrmmError, StoreError, damage_explained
from srmm.evaluation.robustness import corruption_scores
from srmm.experiments.data import (
    ExperimentData,
    draw_mask,
    mask_digest,
    open_experiment_data,
    split_for,
)
from srmm.experiments.outcome_check import check_outcome
from srmm.files import json_ready, load_tensors, remove_litter, replacing_file, save_tensors
from srmm.fusion import pattern_codes
from srmm.learning.describe import describe_model
from srmm.learning.probabilities import align_classes
from srmm.methods import make_method
from srmm.recipe import recipe_parameters

VERSION = 2
"""Part of every cell's name: raised when a cell of the same name would come out different."""

Progress = Callable[[int, int, str], None]
"""Told (done, of, method) after every training."""


@dataclass(frozen=True)
class Cell:
    """One training: a method, its parameters, a seed, the data and what is missing of it.

    Parameters
    ----------
    data : str
        The key of the data.
    missing : dict of str to float
        Missing rate per modality in training (and in the validation part of it).
    embed : bool
        Whether to keep what the classifier's last layer sees of each test item (paper Fig. 5).
    """

    data: str
    method: str
    seed: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    missing: Mapping[str, float] = field(default_factory=dict)
    embed: bool = False

    @property
    def name(self) -> str:
        every = _all_parameters(self.method, json.dumps(dict(self.parameters), sort_keys=True))
        content = json.dumps([VERSION, asdict(self), every], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:24]

    def make(self) -> Any:
        """The unfitted classifier."""
        settings = dict(self.parameters)
        return make_method(
            self.method,
            settings.pop("recipe", None),
            settings,
            random_state=self.seed,
            when_nothing_present="prior",
        )


@dataclass(frozen=True)
class Outcome:
    """The result of one training: test outputs under every presence pattern.

    Parameters
    ----------
    y : int array of shape (n_test,)
    present : bool array of shape (n_test, M)
    outputs : float32 array of shape (2 ** M, n_test, n_classes)
        Class probabilities under every pattern; the first, nothing present, is the class prior.
    embeddings : float32 array of shape (2 ** M − 1, n_test, width) or None
        Under every pattern but the empty one.
    about : dict
        The cell, the model, its training, masks' digests, noise scores, seconds.
    """

    y: np.ndarray
    present: np.ndarray
    outputs: np.ndarray
    embeddings: np.ndarray | None
    about: dict[str, Any]

    def under(self, mask: np.ndarray) -> np.ndarray:
        """Probabilities (n_test, n_classes) when only what `mask` (n_test, M) shows is present."""
        return self.outputs[pattern_codes(self.present & mask), np.arange(len(self.y))]


def run_cells(
    cells: Iterable[Cell],
    data: ExperimentData,
    folder: Path,
    *,
    jobs: int = 1,
    progress: Progress = lambda done, of, what: None,
) -> None:
    """Train the cells that are not in `folder` yet, or not as they were written, `jobs` at a time.

    Each cell's file appears whole or not at all, so a run that was killed goes on with the rest.
    """
    check_jobs(jobs)
    wanted = {cell.name: cell for cell in cells}
    folder.mkdir(parents=True, exist_ok=True)
    remove_litter(folder)
    open_ = [cell for cell in wanted.values() if not _is_kept(folder, cell)]
    done, of = len(wanted) - len(open_), len(wanted)
    progress(done, of, "")
    if not open_:
        return
    if jobs == 1:
        for cell in open_:
            _keep(run_cell(cell, data), _path(folder, cell))
            done += 1
            progress(done, of, cell.method)
        return
    where = (str(data.store), data.name, data.limit, data.key)
    threads = max(1, (os.cpu_count() or 1) // jobs)
    context = get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(
        jobs, mp_context=context, initializer=_begin_work, initargs=(threads, theirs)
    )
    with pool:
        waiting = {pool.submit(_run_and_keep, cell, where, folder): cell for cell in open_}
        try:
            for future in as_completed(waiting):
                future.result()
                done += 1
                progress(done, of, waiting[future].method)
        except BrokenProcessPool:
            raise SrmmError(
                f"A worker process died (out of memory?). {done:,} of {of:,} cells are finished "
                "and kept; run the same command again, with fewer --jobs."
            ) from None
        finally:
            ours.close()  # or the pool would wait until all is trained


def check_jobs(jobs: int) -> None:
    """Raise `InputError` unless so many cells can be trained at the same time."""
    if jobs < 1:
        raise InputError(f"jobs must be at least 1, got {jobs}.")


def _is_kept(folder: Path, cell: Cell) -> bool:
    try:
        read_outcome(folder, cell)
    except StoreError:
        return False
    return True


def read_outcome(folder: Path, cell: Cell) -> Outcome:
    """The kept result of a cell; raises `StoreError` if it is not there, or damaged."""
    path = _path(folder, cell)
    tensors, about = load_tensors(path, "Delete it: it is then trained again.")
    with damage_explained(path, "Delete it: it is then trained again."):
        outcome = Outcome(
            tensors["y"],
            tensors["present"].astype(bool),
            tensors["outputs"],
            tensors.get("embeddings"),
            about,
        )
        check_outcome(outcome)
        if about.get("cell") != json_ready(asdict(cell)):
            raise ValueError("it is the result of another training, under this one's name")
    return outcome


def run_cell(cell: Cell, data: ExperimentData) -> Outcome:
    """Train on the masked training part, and predict the test part under every pattern."""
    modalities = data.embeddings.modalities
    part = split_for(data, cell.seed)
    labels = data.classes[data.y]
    masks = {}

    def masked(split: str, rows: np.ndarray) -> Any:
        whole = data.embeddings[rows]
        mask = draw_mask(whole.present, modalities, cell.missing, split, cell.seed)
        masks[split] = mask_digest(mask)
        return whole.mask(mask)

    model = cell.make()
    started = time.perf_counter()
    train = masked("train", part.train)
    validation = None
    if part.validation is not None:
        # A class that training never shows cannot be validated.
        shown = np.isin(data.y[part.validation], data.y[part.train][train.present.any(axis=1)])
        held = part.validation[shown]
        validation = (masked("validation", held), labels[held]) if len(held) else None
    with warnings.catch_warnings():
        # A masked training part may lack a modality altogether; the experiment asked for it.
        warnings.filterwarnings("ignore", message="No labelled training instance has")
        model.fit(train, labels[part.train], validation=validation)
    trained = time.perf_counter()

    test, y = data.embeddings[part.test], data.y[part.test]
    known = [m for m, name in enumerate(modalities) if name in model.modalities_]
    seen = test.select([modalities[m] for m in known])
    scorer = model.scorer(seen)
    shape = (2 ** len(modalities), len(y), len(data.classes))
    outputs = np.empty(shape, dtype=np.float32)
    rows = np.arange(len(y))
    prior = align_classes(model.class_prior_[None], model.classes_, data.classes)[0]
    inner: list[np.ndarray] = []
    for code in range(shape[0]):
        mask = (code >> np.arange(len(modalities))) & 1 == 1
        shown = np.tile(mask[known], (len(y), 1)) & seen.present
        something = shown.any(axis=1)
        outputs[code] = prior
        if something.any():
            found = scorer(rows[something], shown[something])
            outputs[code, something] = align_classes(found, model.classes_, data.classes)
        if cell.embed and code:
            inner.append(_embedded(model, seen, shown))
    target = places_among(data.classes[y], model.classes_.tolist())
    about = {
        "cell": asdict(cell),
        "data": data.name,
        "model": describe_model(model),
        "trained": {
            **model.training_,
            "learning_rate": model.chosen_.get(
                "learning_rate", getattr(model, "learning_rate", None)
            ),
            "best_epoch": getattr(getattr(model, "history_", None), "best_epoch", None),
        },
        "masks": masks,
        "noise": corruption_scores(model, seen, target, seed=cell.seed),
        "seconds": {"fit": trained - started, "test": time.perf_counter() - trained},
    }
    embeddings = np.stack(inner).astype(np.float32) if inner else None
    return Outcome(y, np.asarray(test.present), outputs, embeddings, json_ready(about))


def _embedded(model: Any, seen: Any, shown: np.ndarray) -> np.ndarray:
    """What the last layer sees of each row; zeros where nothing is shown."""
    something = shown.any(axis=1)
    found = model.transform(seen[something].mask(shown[something])) if something.any() else None
    out = np.zeros((len(shown), 1 if found is None else found.shape[1]), dtype=np.float32)
    if found is not None:
        out[something] = found
    return out


def _path(folder: Path, cell: Cell) -> Path:
    return folder / f"{cell.name}.safetensors"


def _run_and_keep(cell: Cell, where: tuple[str, str, int | None, str], folder: Path) -> None:
    _keep(run_cell(cell, _opened(where)), _path(folder, cell))


def _keep(outcome: Outcome, path: Path) -> None:
    tensors = {
        "y": outcome.y,
        "present": outcome.present.astype(np.uint8),
        "outputs": outcome.outputs,
    }
    if outcome.embeddings is not None:
        tensors["embeddings"] = outcome.embeddings
    with replacing_file(path, tidy=False) as temporary:
        save_tensors(temporary, tensors, outcome.about)


@lru_cache(maxsize=1)
def _opened(where: tuple[str, str, int | None, str]) -> ExperimentData:
    store, name, limit, key = where
    data = open_experiment_data(store, name, limit)
    if data.key != key:
        raise SrmmError(f"The store {store} was changed while an experiment ran on it.")
    return data


@cache
def _all_parameters(method: str, parameters: str) -> str:
    """Every parameter of the classifier: those nobody named decide the outcome, too."""
    given = Cell("", method, 0, json.loads(parameters)).make().get_params(deep=False)
    if "recipe" in given:
        given["recipe"] = recipe_parameters(given["recipe"])
    return repr(sorted((key, repr(value)) for key, value in given.items()))


def _begin_work(threads: int, alive: Connection) -> None:
    """In a worker: so many threads, and an end at once when the far end of `alive` is closed.

    That is when whoever started it has ended, killed or not, or wants no more of it.
    """
    import torch
    from threadpoolctl import threadpool_limits

    Thread(target=_end_with, args=(alive,), daemon=True).start()
    torch.set_num_threads(threads)
    threadpool_limits(threads)


def _end_with(alive: Connection) -> None:
    alive.poll(None)
    os._exit(1)
