"""`Encode`: encoding as a scikit-learn transformer."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from srmm.data.embeddings import Embeddings
from srmm.data.holders import is_arrow_table
from srmm.data.inputs import warn_of_order_beside
from srmm.data.items import ItemReader
from srmm.data.modality import KINDS
from srmm.data.sources import open_source
from srmm.data.table import Table, read_table
from srmm.encoders import Encoder, encoder_kind
from srmm.encoding.encode import EncodingResult, chosen_encoder, encode
from srmm.encoding.fitting import fitted_copy, needs_fitting, read_as_cells
from srmm.encoding.one_modality import ShownProgress
from srmm.errors import InputError, shown, spelt_otherwise
from srmm.recipe import as_before_on_failure


class Encode(TransformerMixin, BaseEstimator):
    """`encode` as a scikit-learn transformer: raw items → `Embeddings`.

    Stands in front of a `SingleBranchClassifier` in a `Pipeline`. Pretrained encoders are frozen:
    fitting loads them and learns nothing. Those that must be fitted, such as "doc2vec", are fitted
    on the items of all rows that `fit` is given, which should be training rows; never on labels.

    Parameters
    ----------
    encoders : dict of str to str or Encoder
        Per modality its encoder, as in `encode`. In a frame, a modality is the column of its name.
    folder : path, optional
        What relative paths in a frame resolve against; by default the current folder.
    missing : str or sequence of str
        Which texts of a frame stand for nothing, as in `read_table`; a warning says which did.
    batch_size, engine, precision, strict, progress, workers
        As in `encode`.

    Attributes
    ----------
    encoders_ : dict of str to Encoder
        The loaded encoders.
    left_out_ : tuple of str
        The modalities that no row had in `fit_transform`: what learns from it knows none of them.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame({"text": ["red shoe", None, "blue shirt"]})
    >>> Encode({"text": "minilm"}).fit_transform(frame)
    Embeddings(3 instances; text: 2 × 384)
    """

    def __init__(
        self,
        encoders: Mapping[str, str | Encoder],
        *,
        folder: str | Path | None = None,
        missing: str | Sequence[str] = "auto",
        batch_size: int | None = None,
        engine: str = "auto",
        precision: str = "full",
        strict: bool = False,
        progress: ShownProgress = False,
        workers: int | None = None,
    ) -> None:
        self.encoders = encoders
        self.folder = folder
        self.missing = missing
        self.batch_size = batch_size
        self.engine = engine
        self.precision = precision
        self.strict = strict
        self.progress = progress
        self.workers = workers

    def fit(self, X: Table | pd.DataFrame, y: Any = None) -> Encode:
        """Load the encoders, and fit on X those that need it; of y only the index is looked at.

        If that fails, all is as it was before. Raises `InputError` for an encoder that is unknown
        or of the wrong kind.
        """
        warn_of_order_beside(X, y=y)
        with as_before_on_failure(self):
            return self._fit(X)

    def _fit(self, X: Table | pd.DataFrame) -> Encode:
        if not self.encoders:
            raise InputError("Encode needs at least one encoder, e.g. Encode({'text': 'minilm'}).")
        if not isinstance(self.encoders, Mapping):
            raise InputError(
                f"encoders must be a dict of modality → encoder, e.g. {{'text': 'minilm'}}, got "
                f"{shown(self.encoders)[:80]} of type {type(self.encoders).__name__}."
            )
        kinds = X.kinds if isinstance(X, Table) else {}
        self.left_out_: tuple[str, ...] = ()
        self.encoders_ = {
            name: chosen_encoder(name, kinds.get(name) or _kind(name, choice), choice)
            for name, choice in self.encoders.items()
        }
        unfitted = {name: e for name, e in self.encoders_.items() if needs_fitting(e)}
        if unfitted:
            table = self._table(X)
            with ItemReader(table.folder) as reader:
                self.encoders_ |= {
                    name: fitted_copy(encoder, table, name, np.arange(len(table)), reader)
                    for name, encoder in unfitted.items()
                }
        return self

    def fit_transform(self, X: Table | pd.DataFrame, y: Any = None, **_: Any) -> Embeddings:
        """Fit on X and encode it.

        Raises `InputError` if the files of a modality are all missing: nothing could be learnt from
        it. In `transform` they are absent items. Warnings tell of these, and of broken items.
        """
        result = self.fit(X, y)._encoded(self._table(X), for_prediction=False)
        given = result.embeddings.modalities
        self.left_out_ = tuple(name for name in self.encoders_ if name not in given)
        gone = [f"No row has {name}: it is left out, in transform, too." for name in self.left_out_]
        for sentence in gone + result.summary.not_read():
            warnings.warn(sentence, stacklevel=2)
        return result.embeddings

    def transform(self, X: Table | pd.DataFrame) -> Embeddings:
        """The embeddings of the modalities that have an encoder.

        A modality whose column the frame lacks is absent everywhere, and a warning says so.
        """
        check_is_fitted(self, "encoders_")
        lacking = [name for name in self._used() if name not in _columns(X)]
        result = self._encoded(self._table(X, lacking, to_predict=True), for_prediction=True)
        gone = result.summary.missing_files() + result.summary.not_read()
        gone += [
            f"{name} is left out here, too: no row had it in training."
            for name in self.left_out_
            if name in _columns(X)
        ]
        if lacking:
            said = f"There is no {', no '.join(map(repr, lacking))}: absent in all rows."
            gone.append(f"{said} {spelt_otherwise(lacking, _columns(X))}".rstrip())
        for sentence in gone:
            warnings.warn(sentence, stacklevel=2)
        return result.embeddings

    def _encoded(self, table: Table, *, for_prediction: bool) -> EncodingResult:
        return encode(
            table,
            {
                name: e
                for name, e in self._used().items()
                if name in table.items or not for_prediction
            },
            batch_size=self.batch_size,
            engine=self.engine,
            precision=self.precision,
            strict=self.strict,
            progress=self.progress,
            workers=self.workers,
            for_prediction=for_prediction,
        )

    def _used(self) -> dict[str, Encoder]:
        """The encoders of modalities that some row had in `fit_transform`."""
        return {name: e for name, e in self.encoders_.items() if name not in self.left_out_}

    def _table(
        self, X: Table | pd.DataFrame, lacking: Sequence[str] = (), *, to_predict: bool = False
    ) -> Table:
        if isinstance(X, Table):
            items = {name: X.items[name] for name in self._used() if name in X.items}
            return replace(X, items=items, kinds={name: X.kinds[name] for name in items})
        if not isinstance(X, pd.DataFrame) and not is_arrow_table(X):
            raise InputError(
                "Encode takes a Table, a frame or an Arrow table, with a column for each modality, "
                f"got {type(X).__name__}."
            )
        columns: dict[str, Any] = {}
        for name, encoder in self._used().items():
            if name in lacking and len(lacking) < len(self._used()):
                continue
            columns.setdefault(encoder.kind, []).append(f"{name}={name}")
        table = read_table(
            replace(open_source(X), to_predict=to_predict),
            folder=self.folder,
            missing=self.missing,
            as_cells=read_as_cells(self.encoders_),
            **columns,
        )
        for note in table.notes:
            warnings.warn(note, stacklevel=3)
        return table


def _columns(X: Table | pd.DataFrame) -> list[str]:
    if isinstance(X, Table):
        return list(X.items)
    return list(map(str, getattr(X, "column_names", getattr(X, "columns", ()))))


def _kind(name: str, choice: str | Encoder) -> str:
    """The kind of a frame's column: what its encoder reads, or what it is called after."""
    if not isinstance(choice, str) and not hasattr(choice, "kind"):
        raise InputError(
            f"The encoder of {name!r} must be its name or a loaded one, got "
            f"{shown(choice)[:80]} of type {type(choice).__name__}."
        )
    kind = encoder_kind(choice, name) if isinstance(choice, str) else choice.kind
    if kind is None and name not in KINDS:
        raise InputError(
            f"{choice!r} reads several kinds of items, and {name!r} does not say which: call the "
            f"column 'image' or 'text', or pass load_encoder({choice!r}, 'image')."
        )
    return kind or name
