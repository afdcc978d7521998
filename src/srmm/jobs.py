"""The jobs behind the command line: from a table or a store to a model, predictions, a report.

Each is one function over paths and plain values, so that a script can do what a command does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from srmm.atomic import replacing_file
from srmm.embeddings import Embeddings
from srmm.encoding import EncodingSummary, encode
from srmm.errors import InputError, did_you_mean, fraction
from srmm.evaluation import RobustnessReport, evaluate, fit_baselines
from srmm.persistence import check_writable, from_pretrained, read_config, save_pretrained
from srmm.raw_items import ItemReader
from srmm.recipe import resolve_recipe
from srmm.split import stratified_split
from srmm.store import is_store, load_embeddings
from srmm.table import Table, check_labels, read_table
from srmm.thumbnails import Thumbnails

ROWS_FILE = "rows.parquet"
"""In a model's folder: id and split of every instance it was made from."""

Progress = Callable[[Iterable[int]], Iterable[int]]


@dataclass(frozen=True)
class Fitted:
    """What `fit_job` made."""

    model: Any
    folder: Path
    store: Path | None
    summary: EncodingSummary | None
    counts: dict[str, int]
    """Instances per split."""


def open_data(
    source: str,
    columns: Mapping[str, Any] | None = None,
    *,
    root: Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> Table | Embeddings:
    """Whatever `source` names: an embedding store, a table file, or a data set of `srmm datasets`.

    `columns` are the keyword arguments of `read_table`; `root` and `options` go to `load_dataset`.
    """
    path = Path(source)
    chosen = {key: value for key, value in (columns or {}).items() if value}
    if path.is_dir() and is_store(path):
        return load_embeddings(path)
    if path.exists():
        if path.is_dir():
            raise InputError(
                f"{source} is a folder but no embedding store. Name a table in it, or make a "
                "store with `srmm encode`."
            )
        return read_table(path, **chosen)
    from srmm.datasets import DATASETS, load_dataset

    if source in DATASETS:
        return load_dataset(source, root, **(options or {}))
    raise InputError(
        f"There is no file or folder {source}, and no data set of that name. "
        f"{did_you_mean(source, DATASETS)}"
    )


def fit_job(
    source: str,
    output: Path,
    *,
    columns: Mapping[str, Any] | None = None,
    encoders: Mapping[str, str] | None = None,
    store: Path | None = None,
    root: Path | None = None,
    options: Mapping[str, Any] | None = None,
    recipe: str = "robust",
    settings: Mapping[str, Any] | None = None,
    class_weight: str | None = None,
    test_size: float = 0.25,
    seed: int = 0,
    strict: bool = False,
    overwrite: bool = False,
    progress: Any = False,
    epochs: Progress | None = None,
) -> Fitted:
    """Encode what is not encoded, hold out test instances, train, and save the model.

    Parameters
    ----------
    source : str
        As in `open_data`. A table's embeddings are kept in `store`, by default
        `<output>.embeddings`, and reused by the next run.
    settings : dict, optional
        Fields of the recipe to change.
    test_size : float
        Share of the labelled instances held out, stratified, where the data has no split.
    """
    from srmm.estimator import SingleBranchClassifier

    # Whatever can be wrong without looking at the items is said before hours of encoding.
    resolve_recipe(recipe, settings)
    fraction("test_size", test_size)
    check_writable(output, overwrite=overwrite)
    data = open_data(source, columns, root=root, options=options)
    check_labels(data)
    embeddings, summary = data, None
    inputs: dict[str, dict[str, Any]] = {}
    if isinstance(data, Table):
        store = store or output.with_name(output.name + ".embeddings")
        result = encode(data, encoders, store, strict=strict, progress=progress)
        embeddings, summary = result.embeddings, result.summary
        inputs = _describe_inputs(data, columns or {}, embeddings)
    elif is_store(Path(source)):
        store = Path(source)
    assert isinstance(embeddings, Embeddings)

    check_labels(embeddings)  # again: items may have turned out unreadable
    split = _split(embeddings, test_size, seed)
    model = SingleBranchClassifier(
        recipe,
        class_weight=class_weight,
        random_state=seed,
        progress=epochs,
        **(settings or {}),
    )
    held = embeddings[split == "validation"] if (split == "validation").any() else None
    model.fit(embeddings[split == "train"], validation=held)
    origin: dict[str, Any] = {
        "name": source if not isinstance(data, Table) else data.name,
        "attribution": getattr(data, "attribution", "") or None,
        "store": os.path.relpath(store, output.parent) if store else None,
    }
    if store is None:  # features that a data set publishes: nothing was encoded
        where = str(root.resolve()) if root else None
        origin["dataset"] = {"name": source, "root": where, **(options or {})}
    rows = pd.DataFrame({"id": embeddings.ids, "split": split})
    save_pretrained(model, output, inputs=inputs, origin=origin, rows=rows, overwrite=overwrite)
    counts = {str(name): int(n) for name, n in rows["split"].value_counts().items()}
    return Fitted(model, output, store, summary, counts)


def evaluate_job(
    model_folder: Path,
    report: Path,
    *,
    source: str | None = None,
    columns: Mapping[str, Any] | None = None,
    root: Path | None = None,
    options: Mapping[str, Any] | None = None,
    baselines: bool = True,
    seed: int = 0,
    progress: Any = False,
) -> RobustnessReport:
    """Evaluate a saved model on instances it has not seen; write `report` (.html) and its .json.

    By default these are the test instances that `fit_job` held out. With another `source`: its
    test split if it has one, else all its labelled rows that the model was not trained on.
    """
    model, config = from_pretrained(model_folder), read_config(model_folder)
    origin, splits = config.get("origin") or {}, _splits_of(model_folder)
    own = _own_embeddings(model_folder, origin)
    if source is None:
        if own is None:
            raise InputError(
                f"The embeddings that {model_folder} was trained on are gone "
                f"({origin.get('store') or 'it names none'}). Name a table, store or data set."
            )
        data, name = own, origin["name"]
        test = _split_column(own, splits) == "test"
    else:
        data, name = _embeddings_of(config, source, columns, root, options, progress)
        test = _unseen(data, splits)
    if not test.any():
        raise InputError(
            f"{name} has no test instance: every row was used in training. Name other data, or "
            "fit with --test-size above 0."
        )
    fitted = None
    if baselines and own is not None:
        train = own[_split_column(own, splits) == "train"]
        fitted = fit_baselines(train, recipe=model.recipe_, random_state=model.random_state)
        # A class that is there in the model's validation rows only is unknown to them.
        fitted = {k: m for k, m in fitted.items() if len(m.classes_) == len(model.classes_)}
    result = evaluate(
        model,
        data[test],
        baselines=fitted,
        name=name,
        attribution=origin.get("attribution"),
        seed=seed,
    )
    kinds = {m: about["kind"] for m, about in config["inputs"].items()}
    result.to_json(report.with_suffix(".json"))
    with ItemReader(None) as reader:
        result.to_html(report.with_suffix(".html"), thumbnail=Thumbnails(reader, kinds))
    return result


def predict_job(
    model_folder: Path,
    source: str,
    output: Path,
    *,
    columns: Mapping[str, Any] | None = None,
    root: Path | None = None,
    options: Mapping[str, Any] | None = None,
    probabilities: bool = False,
    when_nothing_present: str | None = None,
    strict: bool = False,
    progress: Any = False,
) -> pd.DataFrame:
    """Predict every row of a table or store and write Parquet or CSV.

    Columns: id, label, probability; `<modality>_present`, and what each modality alone would have
    said, `<modality>_label` and `<modality>_probability` (null where absent); on request
    `probability:<class>` for every class. A row with nothing present has the training set's class
    shares if `when_nothing_present` is "prior", and is an error otherwise.
    """
    if output.suffix not in (".csv", ".parquet", ".pq"):
        raise InputError(f"Predictions are written as .csv or .parquet, not {output.name!r}.")
    model, config = from_pretrained(model_folder), read_config(model_folder)
    if when_nothing_present is not None:
        model.when_nothing_present = when_nothing_present
    embeddings, _ = _embeddings_of(config, source, columns, root, options, progress, strict=strict)
    frame = predictions_frame(model, embeddings, probabilities=probabilities)
    with replacing_file(output) as temporary:
        if output.suffix == ".csv":
            frame.to_csv(temporary, index=False)
        else:
            frame.to_parquet(temporary, index=False)
    return frame


def predictions_frame(
    model: Any, embeddings: Embeddings, *, probabilities: bool = False
) -> pd.DataFrame:
    """The table that `predict_job` writes."""
    from srmm.inputs import match_modalities

    embeddings = match_modalities(embeddings, model.embedding_dims_)
    outputs = model.predict_per_modality(embeddings)
    present = embeddings.present
    fused = model.fuse(outputs, present)
    columns: dict[str, Any] = {
        "id": embeddings.ids,
        "label": model.classes_[fused.argmax(axis=1)],
        "probability": fused.max(axis=1),
    }
    for m, name in enumerate(model.modalities_):
        columns[f"{name}_present"] = present[:, m]
        # An absent item says nothing; any finite number will do to find no argmax in.
        alone = np.where(present[:, m, None], outputs[:, m], 0.0)
        label = model.classes_[alone.argmax(axis=1)].astype(object)
        label[~present[:, m]] = None
        columns[f"{name}_label"] = label
        columns[f"{name}_probability"] = np.where(present[:, m], alone.max(axis=1), np.nan)
    if probabilities:
        for c, label in enumerate(model.classes_):
            columns[f"probability:{label}"] = fused[:, c]
    return pd.DataFrame(columns)


def _own_embeddings(model_folder: Path, origin: Mapping[str, Any]) -> Embeddings | None:
    """The embeddings a model was made from, None if they are not there any more."""
    if origin.get("store"):
        store = model_folder.parent / origin["store"]
        return load_embeddings(store) if is_store(store) else None
    if not origin.get("dataset"):
        return None
    options = dict(origin["dataset"])
    from srmm.datasets import load_dataset

    data = load_dataset(options.pop("name"), options.pop("root"), **options)
    assert isinstance(data, Embeddings)  # a table would have been encoded to a store
    return data


def _split_column(embeddings: Embeddings, splits: Mapping[Any, str]) -> np.ndarray:
    """The split `fit_job` gave each instance, None where it has never seen it."""
    return np.array([splits.get(id) for id in embeddings.ids.tolist()], dtype=object)


def _unseen(data: Embeddings, splits: Mapping[Any, str]) -> np.ndarray:
    """Boolean (n,): the test split if the data has one, else what the model was not trained on.

    Instances are recognised by their ids if these are names. Rows that are merely numbered could
    be anybody's: data given by hand is then taken to be new.
    """
    if data.split is not None:
        return data.rows_in("test")
    named = data.ids.dtype.kind not in "iu"
    seen = np.isin(_split_column(data, splits), ["train", "validation"])
    return ~seen if named else np.ones(len(data), dtype=bool)


def _embeddings_of(
    config: Mapping[str, Any],
    source: str,
    columns: Mapping[str, Any] | None,
    root: Path | None,
    options: Mapping[str, Any] | None,
    progress: Any,
    *,
    strict: bool = False,
) -> tuple[Embeddings, str]:
    """(embeddings, name) of `source`, read and encoded as the model's training data was."""
    chosen = {key: value for key, value in (columns or {}).items() if value}
    inputs = config["inputs"]
    if not any(kind in chosen for kind in ("image", "text", "audio", "face", "features")):
        for name, about in inputs.items():
            chosen.setdefault(about["kind"], []).append(f"{name}={about['column']}")
    data = open_data(source, chosen, root=root, options=options)
    if isinstance(data, Embeddings):
        return data, source
    encoders = {name: about["encoder"] for name, about in inputs.items() if name in data.items}
    return encode(data, encoders, strict=strict, progress=progress).embeddings, data.name


def _split(embeddings: Embeddings, test_size: float, seed: int) -> np.ndarray:
    """The split of every instance, object array: the data's own, or a stratified draw."""
    known = check_labels(embeddings)
    if embeddings.split is not None:
        split = embeddings.split.copy()
        split[~known & (split != "test")] = None  # nothing to learn from
        if not (split == "train").any():
            raise InputError("The split column has no labelled 'train' row to learn from.")
        return split
    split = np.full(len(embeddings), None, dtype=object)
    rows = np.flatnonzero(known)
    assert embeddings.labels is not None
    codes = pd.factorize(pd.Series(embeddings.labels[rows]))[0]
    train, test = stratified_split(codes, test_size, np.random.default_rng(seed))
    split[rows[train]], split[rows[test]] = "train", "test"
    return split


def _splits_of(model_folder: Path) -> dict[Any, str]:
    path = model_folder / ROWS_FILE
    if not path.is_file():
        return {}
    rows = pd.read_parquet(path)
    return dict(zip(rows["id"].tolist(), rows["split"].tolist(), strict=True))


def _describe_inputs(
    table: Table, columns: Mapping[str, Any], embeddings: Embeddings
) -> dict[str, dict[str, Any]]:
    """Per modality: its kind, the column (or template) it was read from, its encoder."""
    choices: dict[str, list[str]] = {
        kind: [chosen] if isinstance(chosen, str) else list(chosen or ())
        for kind, chosen in columns.items()
        if kind in ("image", "text", "audio", "face", "features")
    }
    described = {}
    for name, kind in table.kinds.items():
        mine = choices.get(kind, [])
        column = mine.pop(0).rpartition("=")[2] if mine else name
        encoder = embeddings.encoders.get(name, {})
        described[name] = {"kind": kind, "column": column, "encoder": encoder.get("spec")}
    return described
