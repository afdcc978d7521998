"""The workflow of `srmm check MODEL DATA`: are new rows like those the model was trained on?"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from srmm.data.items import ItemReader
from srmm.data.store import is_store
from srmm.data.targets import unknown_twins
from srmm.encoding.summary import EncodingSummary
from srmm.errors import first_few, fraction, one_of, several
from srmm.evaluation.domain import ROWS
from srmm.evaluation.drift import KINDS
from srmm.evaluation.sides import NewRows, Reference
from srmm.evaluation.watch import FORMAT, LIMITS, VERSION, compare
from srmm.files import json_ready, replacing_json
from srmm.learning.saving import Saved
from srmm.learning.standardize import standardizer_of
from srmm.methods import method_name
from srmm.version import versions
from srmm.workflows.new_rows import label_column, read_new_rows
from srmm.workflows.pictures import with_stored_pictures
from srmm.workflows.places import check_page
from srmm.workflows.predictor import Predictor, load
from srmm.workflows.reference import reference_of
from srmm.workflows.rows import rows_to_predict
from srmm.workflows.thumbnails import Thumbnails

_SHOWN = 20  # of unreadable items, and of unknown labels
_NAMED = 5  # unknown labels in a sentence


class Watched(NamedTuple):
    """What a check of new rows found, and where it is written."""

    content: dict[str, Any]
    """The JSON document, see docs/formats.md."""
    html: Path | None
    json: Path | None

    @property
    def alarm(self) -> bool:
        """Whether there is an alarm of a kind that was to be one."""
        return bool(self.content["alarm"])


def watch_workflow(
    model_folder: Path | str,
    source: Path | str,
    output: Path | str | None = None,
    *,
    columns: Mapping[str, Any] | None = None,
    root: Path | str | None = None,
    options: Mapping[str, Any] | None = None,
    fail_on: Sequence[str] = KINDS,
    level: float = 0.01,
    engine: str = "auto",
    seed: int = 0,
    overwrite: bool = False,
    progress: Any = False,
) -> Watched:
    """Compare rows, read as `predict_workflow` does, with those a model was trained on.

    Presence, what no training row had, the items of each modality, predictions, and the accuracy
    to be expected. No labels are needed; where there are some, they are counted.

    Parameters
    ----------
    output : path, optional
        The page to write (.html); its numbers go beside it (.json). Either file is replaced if it
        was written here, another file only to `overwrite` it.
    fail_on : sequence of str
        Kinds of alarms that `Watched.alarm` is of, of "presence", "never", "shift", "prediction",
        "accuracy".
    level : float in (0, 1)
        How rarely a check of rows like those of training may give any alarm (Holm's correction).

    Raises
    ------
    InputError
        As `predict_workflow`, but for rows without any item: these are counted.
    """
    for kind in fail_on:
        one_of("fail_on", kind, KINDS)
    level = fraction("level", level, closed=False)
    source, root = os.fspath(source), None if root is None else Path(root)
    html = json = None
    if output is not None:
        html, json = check_page(output, source, "srmm check", FORMAT, overwrite=overwrite)
    predictor = load(model_folder, engine=engine, root=root, when_nothing_present="prior")
    label = label_column(predictor.config, source, columns)
    rows = rows_to_predict(
        predictor.config,
        source,
        columns=columns,
        root=root,
        options=options,
        keep=[] if label is None else [label],
    )
    name = Path(source).resolve().name if is_store(Path(source)) else rows.name
    saved = Saved(predictor.model, predictor.config, predictor.rows)
    before = reference_of(Path(model_folder), saved)
    new = read_new_rows(
        predictor, rows, _trained(saved), label=label, size=ROWS, seed=seed, progress=progress
    )
    classes, means = predictor.classes_.tolist(), _moments(predictor.model)
    found = compare(new, before, classes, means, level=level, seed=seed)
    content = json_ready(
        {
            "format": FORMAT,
            "version": VERSION,
            "title": f"New rows beside those of training: {name}",
            "created": datetime.now().astimezone().isoformat(timespec="seconds"),
            "model": _model(predictor),
            "data": _described(name, new),
            "training": _training(before),
            "level": level,
            "fail_on": list(dict.fromkeys(fail_on)),
            "limits": LIMITS,
            **found,
            "alarm": any(alarm["kind"] in fail_on for alarm in found["alarms"]),
            "notes": [
                *new.notes,
                *_told(new),
                *unknown_twins(new.unknown_labels, classes),
                *before.reasons,
            ],
        }
    )
    if html is not None and json is not None:
        kinds = {name: about["kind"] for name, about in predictor.config["inputs"].items()}
        pictures, said = _pictures(content, new, kinds, source, root)
        content["notes"] += said
        from srmm.report.watch import write_watch  # matplotlib, which takes a second

        with replacing_json(json, content):
            write_watch(content, html, pictures=pictures)
    return Watched(content, html, json)


def _model(predictor: Predictor) -> dict[str, Any]:
    return {
        "folder": str(predictor.folder),
        "method": method_name(predictor.model),
        "modalities": list(predictor.modalities),
        "classes": len(predictor.classes_),
        "trained_on": (predictor.config.get("origin") or {}).get("name"),
        "versions": versions(),
    }


def _trained(saved: Saved) -> set[str]:
    """Digests of the rows that the model learnt from."""
    if saved.rows is None or "digest" not in saved.rows:
        return set()
    return set(saved.rows.loc[saved.rows["split"].isin(["train", "validation"]), "digest"])


def _moments(model: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Mean and standard deviation (d,) of the training items of each modality, where kept."""
    kept = standardizer_of(model)
    if kept is None:
        return {}
    return {name: (kept.mean[name], kept.std[name]) for name in kept.mean}


def _described(name: str, new: NewRows) -> dict[str, Any]:
    summary = new.summary or EncodingSummary(0, 0.0, {})
    modalities = {
        modality: {
            "present": about.present,
            "empty": about.empty,
            "missing_files": about.missing_files,
            "unreadable": about.unreadable,
            "cut": about.cut,
            "limit": about.limit,
        }
        for modality, about in summary.modalities.items()
    }
    unreadable = [
        {"row": e.row, "id": e.id, "modality": e.modality, "reason": e.reason, "where": e.where}
        for e in summary.unreadable[:_SHOWN]
    ]
    return {
        "name": name,
        "rows": new.n,
        "modalities": modalities,
        "n_unreadable": len(summary.unreadable),
        "unreadable": unreadable,
        "repeated": new.repeated,
        "trained_on": new.trained_on,
        "labelled": new.labelled,
        "n_unknown_labels": sum(new.unknown_labels.values()),
        "unknown_labels": dict(new.unknown_labels.most_common(_SHOWN)),
    }


def _training(before: Reference) -> dict[str, Any]:
    return {
        "rows": before.n,
        "source": before.source,
        "judged": None if before.judged is None else len(before.judged.y),
        "judged_by": before.judged_by,
    }


def _told(new: NewRows) -> list[str]:
    """Sentences on what was met among the rows."""
    notes = [] if new.summary is None else new.summary.not_read()
    if new.repeated:
        rows = several(new.repeated, "row repeats", "rows repeat")
        notes.append(f"{rows} the items of an earlier row exactly.")
    if new.trained_on:
        rows = several(new.trained_on, "row is", "rows are")
        flatter = "flatters" if new.trained_on == 1 else "flatter"
        notes.append(f"{rows} like a row that the model was trained on, and {flatter} its answers.")
    if new.unknown_labels:
        n, names = sum(new.unknown_labels.values()), list(new.unknown_labels)
        rows = several(n, "row has", "rows have")
        named = first_few(map(repr, names), _NAMED)
        notes.append(f"{rows} a label that the model does not know ({named}): always wrong.")
    return notes


def _pictures(
    content: Mapping[str, Any],
    new: NewRows,
    kinds: Mapping[str, str],
    source: str,
    root: Path | None,
) -> tuple[dict[tuple[str, int], bytes], list[str]]:
    """Small pictures of the strangest items, by modality and row, and what is to be said of them.

    Those of a store may come from anybody, and are read only where `srmm.workflows.shown` allows.
    """
    items = []
    for entry in content["shift"]:
        name = entry["modality"]
        raw = dict(zip(new.samples[name].rows, new.samples[name].raw, strict=True))
        for item in entry["strangest"]:
            about = {"id": item["id"], "row": item["row"], "present": [name]}
            items.append(about | {"raw": {name: raw[item["row"]]}})
    notes: list[str] = []
    folder, within = new.folder, None
    if is_store(Path(source)):
        folder, within = None, ()
        filled, notes = with_stored_pictures({"mistakes": items}, kinds, Path(source), root)
        items = filled["mistakes"]
    pictures = {}
    with ItemReader(folder, within=within) as reader:
        thumbnails = Thumbnails(reader, kinds)
        for about in items:
            name = about["present"][0]
            picture = thumbnails(name, about["raw"][name])
            if picture is not None:
                pictures[name, about["row"]] = picture
    return pictures, notes
