"""The command `srmm fit`: its arguments, and the words it answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from srmm.cli.options import Columns, Engine, Precision, Seed, Source, Talk, Whole, number, pairs
from srmm.errors import several, shown

LEARNING = Group("Learning", sort_key=2)


def fit(
    data: str,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    columns: Columns = Columns(),
    source: Source = Source(),
    encoder: list[str] | None = None,
    store: Path | None = None,
    engine: Engine = "auto",
    precision: Precision = "full",
    strict: Annotated[bool, Parameter(negative="")] = False,
    method: Annotated[str, Parameter(group=LEARNING)] = "srmm",
    recipe: Annotated[Literal["paper", "comparison"] | None, Parameter(group=LEARNING)] = None,
    setting: Annotated[list[str] | None, Parameter(group=LEARNING)] = None,
    class_weight: Annotated[Literal["balanced"] | None, Parameter(group=LEARNING)] = None,
    rare: Annotated[Literal["error", "drop", "other"], Parameter(group=LEARNING)] = "error",
    min_rows: Annotated[Whole, Parameter(group=LEARNING)] = 2,
    test_size: Annotated[float, Parameter(group=LEARNING)] = 0.25,
    seed: Annotated[Seed, Parameter(group=LEARNING)] = 0,
    overwrite: Annotated[bool, Parameter(negative="")] = False,
    talk: Talk = Talk(),
) -> None:
    """Train a classifier on a table of raw items (or a store of embeddings) and save it.

    Parameters
    ----------
    data
        A table (.csv, .tsv, .json, .jsonl, .parquet, .xlsx, SQLite; a database's address; a folder
        with a folder of files per class), a store of `srmm encode`, or a data set's name.
    output
        The folder to save the model to.
    encoder
        'modality=encoder' (see `srmm encoders`). Repeatable.
    store
        Where to keep the table's embeddings; by default OUTPUT.embeddings.
    engine
        What runs the encoders' networks: ONNX Runtime is the faster one on a CPU, "auto" takes it
        where it is installed and can.
    precision
        "half" computes embeddings with 16 bits, on a GPU; not to be mixed with others.
    strict
        Make an unreadable item an error.
    method
        What to train (see `srmm methods`): by default the cross-fitted single branch, "srmm";
        "srmm-paper" is the paper to the letter, and others are what it is compared with.
    recipe
        Of the networks: "paper" is the paper to the letter, "comparison" that of the networks it
        is compared with.
    setting
        A parameter of the method or of its recipe, 'learning_rate=0.001'. Repeatable.
    class_weight
        "balanced" weighs rare classes up.
    rare
        What to do with classes of fewer than MIN_ROWS rows: say so and stop, leave them out, or
        make them one class, "other".
    min_rows
        With how many rows a class is not rare.
    test_size
        Share of the labelled rows held out for `srmm evaluate`, unless the data has a split. Groups
        stay whole; without any, rows with the same content stay on one side.
    seed
        Of the split and of training: same seed, same machine, same model.
    overwrite
        Replace a model that is already there.
    """
    from srmm.workflows import fit_workflow

    fitted = fit_workflow(
        data,
        output,
        columns=columns.choices(),
        encoders=pairs("--encoder", encoder) or None,
        store=store,
        root=source.root,
        options=source.options(),
        method=method,
        recipe=recipe,
        settings={key: _value(text) for key, text in pairs("--setting", setting).items()},
        class_weight=class_weight,
        rare=rare,
        min_rows=min_rows,
        test_size=test_size,
        seed=seed,
        engine=engine,
        precision=precision,
        strict=strict,
        overwrite=overwrite,
        progress=talk.progress,
        epochs=talk.epochs(),
    )
    seconds = fitted.model.training_["seconds"]
    history = getattr(fitted.model, "history_", None)
    done = f"trained on {several(fitted.counts.get('train', 0), 'row')} in {seconds:.1f} s"
    accuracy = None
    out_of_fold = getattr(fitted.model, "out_of_fold_", None)
    if out_of_fold:
        done += f", accuracy out of fold {100 * out_of_fold['accuracy']:.1f} %"
    elif history is not None:
        best = history.epochs[history.best_epoch - 1] if history.best_epoch else history.epochs[-1]
        accuracy = best.get("validation_accuracy")
        done += f", epoch {history.best_epoch} of {len(history.epochs)} kept"
    if accuracy is not None:
        done += f" (validation accuracy {100 * accuracy:.1f} %)"
    lines = [str(fitted.summary)] if fitted.summary else []
    lines += [f"note: {note}" for note in fitted.notes]
    left_out = [f"{n:,} {why}" for why, n in fitted.left_out.items() if n]
    if left_out:
        lines.append(f"rows left out: {', '.join(left_out)}")
    lines += [classes_text(fitted.classes), done, f"model: {output}"]
    if fitted.counts.get("test"):
        held_out = several(fitted.counts["test"], "test row is", "test rows are")
        lines.append(f"{held_out} held out: srmm evaluate {quote(str(output))} -o report.html")
    facts = {
        "model": output,
        "store": fitted.store,
        "rows": fitted.counts,
        "left_out": fitted.left_out,
        "classes": {str(name): n for name, n in fitted.classes.items()},
        "notes": fitted.notes,
        "method": method,
        "best_epoch": history.best_epoch if history else None,
        "epochs": len(history.epochs) if history else None,
        "seconds": seconds,
        "validation_accuracy": accuracy,
        "summary": asdict(fitted.summary) if fitted.summary else None,
    }
    talk.result(facts, "\n".join(lines))


def classes_text(classes: Mapping[Any, int]) -> str:
    """How many classes there are, and how large.

    >>> classes_text({"hat": 1200, "shoe": 1200, "tie": 1})
    "3 classes, from 'hat' (1,200 rows) to 'tie' (1 row)"
    """
    most, *_, least = classes
    if classes[most] == classes[least]:
        return f"{len(classes):,} classes of {several(classes[most], 'row')} each"
    ends = [f"{shown(name)} ({several(classes[name], 'row')})" for name in (most, least)]
    return f"{len(classes):,} classes, from {' to '.join(ends)}"


def _value(text: str) -> Any:
    return {"true": True, "false": False}.get(text.lower(), number(text))
