"""`Predictor`: a fitted model that knows its encoders and columns, and takes raw rows."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from srmm.data.embeddings import Embeddings
from srmm.data.modality import ABSENT
from srmm.data.table import Table
from srmm.encoders import Encoder
from srmm.encoders.engines import ENGINES, with_precision
from srmm.encoding.encode import chosen_encoder, encode
from srmm.encoding.summary import EncodingSummary
from srmm.errors import InputError, one_of
from srmm.learning.hub import on_this_machine
from srmm.learning.places import said_of_encoders
from srmm.learning.publishing import Pushed, push_folder
from srmm.learning.saving import open_saved
from srmm.workflows.data import precision_of
from srmm.workflows.prediction_run import PredictionRun
from srmm.workflows.rows import rows_to_predict, with_inputs
from srmm.workflows.vectors import ready_vectors, with_ready


def load(
    folder: str | Path,
    *,
    device: str | None = None,
    engine: str = "auto",
    root: str | Path | None = None,
    when_nothing_present: str | None = None,
    revision: str | None = None,
) -> Predictor:
    """The model saved at `folder`, with its encoders: it predicts from raw rows.

    >>> model = srmm.load("model")  # doctest: +SKIP
    >>> model.predict({"photo": "new/17.jpg", "title": None})  # doctest: +SKIP
    array(['shoes'], dtype='<U5')

    Parameters
    ----------
    device : str, optional
        Where the classifier computes, by default the GPU if there is one.
    engine : {"auto", "torch", "onnx"}
        What runs the encoders, as in `srmm.encode`. For several processes: `srmm predict`.
    root : path, optional
        Where relative paths start: by default the folder of a table, for rows in memory the current
        one.
    when_nothing_present : {"error", "prior"}, optional
        What a row without any item gets, by default as the model was fitted.
    revision : str, optional
        Branch, tag or commit of a model at the Hugging Face hub: a `folder` that is none and reads
        "user/model" is fetched from there. Which commit it was is in `config["hub"]`.

    Raises
    ------
    StoreError
        If the folder holds no model, a damaged one, or one of a newer version.
    """
    return Predictor(
        folder,
        device=device,
        engine=engine,
        root=root,
        when_nothing_present=when_nothing_present,
        revision=revision,
    )


class Predictor:
    """A saved model that takes raw rows; `srmm.load` makes one.

    Rows are a data frame, a dict or a list of dicts, the path of a table or of a store, the name of
    a data set, a `Table`, or `Embeddings`. Their columns are those the model was trained on, or the
    names of its modalities; a column or key that is not there is absent. Encoders are loaded when
    they are first needed, once. Threads may share it: they encode one after the other.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
    modalities : tuple of str
    model : the classifier alone, which takes `Embeddings`
    config : dict, what the model's folder says of it
    rows : frame of id, split and digest, which instances it was made from; None if not known
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        device: str | None = None,
        engine: str = "auto",
        root: str | Path | None = None,
        when_nothing_present: str | None = None,
        revision: str | None = None,
    ) -> None:
        self.folder, hub = on_this_machine(folder, revision)
        self.engine = one_of("engine", engine, ENGINES)
        self.root = None if root is None else Path(root)
        saved = open_saved(self.folder, device=device)
        self.model, self.config = saved.model, {**with_inputs(saved.config), "hub": hub}
        self.rows = saved.rows
        if when_nothing_present is not None:
            self.model.set_params(when_nothing_present=when_nothing_present)
        self.classes_: np.ndarray = self.model.classes_
        self.modalities: tuple[str, ...] = tuple(self.model.modalities_)
        self._encoders: dict[tuple[str, str], Encoder] = {}
        # Tokenizers, and some encoders, are not made for several threads at a time.
        self._encoding = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """All but the encoders, which another process, or a copy, loads anew, and their lock."""
        return {k: v for k, v in vars(self).items() if k not in ("_encoders", "_encoding")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _encoders={}, _encoding=threading.Lock())

    def __repr__(self) -> str:
        read = ", ".join(self.modalities)
        return f"Predictor({str(self.folder)!r}: {read} → {len(self.classes_):,} classes)"

    def predict(self, X: Any) -> np.ndarray:
        """The most probable label of each row: (n_rows,)."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Class probabilities from whatever each row has: (n_rows, n_classes).

        A warning says which items cannot be read or do not exist, and what a table or a frame
        lacks. Raises `InputError` listing the rows with nothing present, unless they get the prior.
        """
        run = PredictionRun(self, rows_to_predict(self.config, X, root=self.root))
        found = [self.model.predict_proba(embeddings) for _, embeddings in run.embeddings()]
        assert run.summary is not None
        # Of rows as dicts, which are asked about one by one, a key that is not there is usual.
        of_table = run.rows.notes if isinstance(X, str | Path) or hasattr(X, "columns") else ()
        notes = [*run.summary.missing_files(), *run.summary.not_read(), *run.range_notes()]
        for note in [*of_table, *notes]:
            warnings.warn(note, stacklevel=2)
        return np.concatenate(found)

    def predict_frame(
        self,
        X: Any,
        *,
        probabilities: bool = False,
        coverage: float | None = None,
        explain: bool = False,
        keep: Sequence[str] = (),
    ) -> pd.DataFrame:
        """The table that `srmm predict` writes: see `predict_workflow`.

        `keep` names columns of the rows that are carried through, ["all"] all of them. What
        reading took for granted, and could not read, is in the frame's `attrs["notes"]`. The index
        is that of a pandas frame `X`, to which columns can so be added.
        """
        asked: dict[str, Any] = {
            "probabilities": probabilities,
            "coverage": coverage,
            "explain": explain,
        }
        run = PredictionRun(self, rows_to_predict(self.config, X, root=self.root, keep=keep))
        frame = pd.concat([part.frame for part in run.predicted(**asked)], ignore_index=True)
        if isinstance(X, pd.DataFrame):
            frame.index = X.index
        assert run.summary is not None
        frame.attrs["notes"] = [*run.notes(), *run.summary.not_read()]
        return frame

    def push_to_hub(self, repo: str, **options: Any) -> Pushed:
        """Upload the model to the Hugging Face hub as "user/model", with how it reads raw items.

        The options are those of `srmm.learning.publishing.push_folder`.
        """
        return push_folder(self.folder, repo, **options)

    def encoder(self, name: str) -> Encoder:
        """The encoder of a modality's raw items, loaded now if it was not yet.

        Raises `InputError` if the model does not know which one made its embeddings.
        """
        kind = self.config["inputs"].get(name, {}).get("kind", "features")
        with self._encoding:
            return self._encoder(name, kind)

    def encode(
        self, part: Table, *, strict: bool = False, progress: Any = False
    ) -> tuple[Embeddings, EncodingSummary]:
        """The embeddings of the items of a table, by the model's encoders."""
        there, ready = self._ready(part)
        if not there:
            return self._nothing(part), EncodingSummary(len(part), 0.0, {})
        rest = [name for name in there if name not in ready]
        if not rest:
            return with_ready(part, None, ready), EncodingSummary(len(part), 0.0, {})
        table = replace(
            part,
            items={name: part.items[name] for name in rest},
            kinds={name: part.kinds[name] for name in rest},
        )
        with self._encoding:
            encoders = {name: self._encoder(name, kind) for name, kind in table.kinds.items()}
            result = encode(
                table,
                encoders,
                engine=self.engine,
                precision=precision_of(self.config),
                strict=strict,
                progress=progress,
                for_prediction=True,
            )
        return with_ready(part, result.embeddings, ready), result.summary

    def ready_embeddings(self, part: Table) -> Embeddings | None:
        """The embeddings of a table with nothing but vectors that need no encoder; else None."""
        there, ready = self._ready(part)
        return with_ready(part, None, ready) if there and len(ready) == len(there) else None

    def _ready(self, part: Table) -> tuple[list[str], dict[str, np.ndarray]]:
        """The modalities that any row has, and the vectors of those that need no encoder.

        An encoder that has nothing to do need not be loaded.
        """
        any_row = np.atleast_1d(part.present.any(axis=0))
        there = [name for name, has in zip(part.modalities, any_row, strict=True) if has]
        found = {name: ready_vectors(part, name, self._spec(name)) for name in there}
        return there, {name: vectors for name, vectors in found.items() if vectors is not None}

    def notes(self) -> list[str]:
        """A sentence on each encoder used so far that is no part of the model's folder."""
        return said_of_encoders(
            [(name, self._spec(name)) for name, _ in list(self._encoders)], self.folder
        )

    def _nothing(self, part: Table) -> Embeddings:
        """Embeddings of rows without any item."""
        dims = self.model.embedding_dims_
        values = {name: np.empty((0, size), np.float32) for name, size in dims.items()}
        return Embeddings(values, np.full((len(part), len(dims)), ABSENT), ids=part.ids)

    def _spec(self, name: str) -> str | None:
        spec: str | None = self.config["inputs"].get(name, {}).get("encoder")
        return spec

    def _encoder(self, name: str, kind: str) -> Encoder:
        if (name, kind) not in self._encoders:
            spec = self._spec(name)
            if spec is None and kind != "features":
                raise InputError(
                    f"The model does not know which encoder made the {name} embeddings it was "
                    "trained on. Give it embeddings made as they were (a store, srmm.Embeddings)."
                )
            encoder = chosen_encoder(name, kind, spec)
            self._encoders[name, kind] = with_precision(encoder, precision_of(self.config))
        return self._encoders[name, kind]
