"""From a saved model and data it has not seen to a report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from srmm.embeddings import Embeddings
from srmm.errors import InputError
from srmm.evaluation import RobustnessReport, evaluate, fit_baselines
from srmm.jobs.data import embeddings_for, known_splits, own_embeddings, split_column
from srmm.persistence import from_pretrained, read_config
from srmm.raw_items import ItemReader
from srmm.thumbnails import Thumbnails


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
    origin, splits = config.get("origin") or {}, known_splits(model_folder)
    own = own_embeddings(model_folder, origin)
    if source is None:
        if own is None:
            raise InputError(
                f"The embeddings that {model_folder} was trained on are gone "
                f"({origin.get('store') or 'it names none'}). Name a table, store or data set."
            )
        data, name = own, origin["name"]
        test = split_column(own, splits) == "test"
    else:
        data, name = embeddings_for(config, source, columns, root, options, progress)
        test = _unseen(data, splits)
    if not test.any():
        raise InputError(
            f"{name} has no test instance: every row was used in training. Name other data, or "
            "fit with --test-size above 0."
        )
    fitted = None
    if baselines and own is not None:
        train = own[split_column(own, splits) == "train"]
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


def _unseen(data: Embeddings, splits: Mapping[Any, str]) -> np.ndarray:
    """Boolean (n,): the test split if the data has one, else what the model was not trained on.

    Instances are recognised by their ids if these are names. Rows that are merely numbered could
    be anybody's: data given by hand is then taken to be new.
    """
    if data.split is not None:
        return data.rows_in("test")
    named = data.ids.dtype.kind not in "iu"
    seen = np.isin(split_column(data, splits), ["train", "validation"])
    return ~seen if named else np.ones(len(data), dtype=bool)
