"""Predictions of a long job, kept part by part until all are there: a kill loses none of them.

Each part lies in the folder of unfinished work as a file in the form of the output, and beside it
one with what is to be said of its rows. A job goes on with the parts of another if it would have
made the same: of the same model, table and options.
"""

from __future__ import annotations

import base64
import contextlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from srmm.encoding.summary import EncodingSummary, ModalitySummary, UnreadableEntry
from srmm.errors import StoreError, several
from srmm.files import (
    check_files,
    digest_of_file,
    json_ready,
    read_json,
    replacing_file,
    replacing_folder,
    write_json,
)
from srmm.learning.hub import CONFIG
from srmm.version import __version__
from srmm.workflows.outputs import PARQUET, OutputColumns, open_writer, part_name
from srmm.workflows.prediction_run import PartFacts, PredictedPart
from srmm.workflows.survey import Survey

JOB = "srmm unfinished predictions"
PART = "srmm predicted part"
_VERSION = 1
_FILE_ROWS = 1 << 20
"""Rows of a file in a folder of Parquet files."""


class KeptParts:
    """The parts of one job in its folder of unfinished work.

    Parameters
    ----------
    folder : path
        That of `srmm.files.unfinished_work`.
    form : str
        The ending of the output; "" for a folder of Parquet files.
    same : mapping
        What decides the predictions. Parts of a job for which it was another are removed.

    Attributes
    ----------
    survey : Survey or None
        What the earlier job found in all the rows, if there was one.
    done : dict of int to PartFacts
        By number, the parts that are there.
    notes : list of str
        What is to be said of parts that were there.
    """

    def __init__(self, folder: Path, form: str, same: Mapping[str, Any]) -> None:
        self.folder, self.form = folder, form or ".parquet"
        self.same = json_ready({**same, "form": form, "version": __version__})
        self.survey: Survey | None = None
        self.done: dict[int, PartFacts] = {}
        self.notes: list[str] = []
        job = self._read_job()
        if job is None:
            self._clear()
            return
        self.survey = _survey_from(job["survey"])
        for path in sorted(folder.glob("[0-9]*.json")):
            with contextlib.suppress(StoreError, KeyError, TypeError, ValueError):
                facts = self._read_facts(path)
                self.done[facts.number] = facts
        rows = sum(facts.rows for facts in self.done.values())
        if rows:
            kept = several(rows, "row is", "rows are")
            self.notes.append(f"{kept} from an earlier run, which had not come to its end.")

    def begin(self, survey: Survey) -> None:
        """Note what the job is, before its first part."""
        if self.survey is None:
            about = {"same": self.same, "survey": _survey_as_json(survey)}
            write_json(self._job, {"format": JOB, "version": _VERSION, **about})
            self.survey = survey

    def keep(self, predicted: PredictedPart, columns: OutputColumns) -> None:
        """Keep a part, which counts from now on."""
        facts = predicted.facts
        path = self._path(facts.number)
        with (
            replacing_file(path, tidy=False) as temporary,
            open_writer(temporary, self.form, columns, header=facts.number == 0) as write,
        ):
            write(predicted.frame)
        file = {"bytes": path.stat().st_size, "sha256": digest_of_file(path)}
        about = json_ready({**facts._asdict(), "summary": asdict(facts.summary)})
        content = {"format": PART, "version": _VERSION, "files": {path.name: file}, **about}
        write_json(path.with_suffix(".json"), content)
        self.done[facts.number] = facts

    def write(self, output: Path) -> None:
        """All parts in one output, which is there whole at the end, or not."""
        paths = [self._path(number) for number in sorted(self.done)]
        if output.suffix == "":
            with replacing_folder(output) as folder:
                rows = [self.done[number].rows for number in sorted(self.done)]
                for number, some in enumerate(_in_files(paths, rows)):
                    _join_parquet(some, folder / part_name(number))
            return
        with replacing_file(output) as temporary:
            if self.form in PARQUET:
                _join_parquet(paths, temporary)
            else:
                _join_bytes(paths, temporary)

    @property
    def _job(self) -> Path:
        return self.folder / "job.json"

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:08d}{self.form}"

    def _read_job(self) -> dict[str, Any] | None:
        """What the earlier job was, if this one can go on with it."""
        try:
            job = read_json(
                self._job, format=JOB, version=_VERSION, what="a prediction job", remedy=""
            )
        except StoreError:
            return None
        return job if job.get("same") == self.same and "survey" in job else None

    def _read_facts(self, path: Path) -> PartFacts:
        about = read_json(path, format=PART, version=_VERSION, what="a predicted part", remedy="")
        check_files(self.folder, about["files"], remedy="")
        return PartFacts(
            about["number"],
            about["first_row"],
            about["rows"],
            about["incomplete"],
            _summary_from(about["summary"]),
            tuple(about["notes"]),
            {name: (n, dict(out)) for name, (n, out) in about["outside"].items()},
        )

    def _clear(self) -> None:
        removed = len(list(self.folder.glob("[0-9]*.json")))
        if removed:
            self.notes.append(
                f"{removed:,} unfinished parts were thrown away: they were of another model, "
                "table or options, or of a table that was changed since."
            )
        for path in [self._job, *self.folder.glob("[0-9]*")]:
            path.unlink(missing_ok=True)


def digest_of_model(folder: Path) -> str:
    """What tells a model from every other: its config names the digests of all its files."""
    return digest_of_file(folder / CONFIG)


def _in_files(paths: list[Path], rows: list[int]) -> Iterator[list[Path]]:
    some: list[Path] = []
    count = 0
    for path, n in zip(paths, rows, strict=True):
        if some and count + n > _FILE_ROWS:
            yield some
            some, count = [], 0
        some.append(path)
        count += n
    yield some


def _join_parquet(paths: list[Path], output: Path) -> None:
    with pq.ParquetWriter(output, pq.read_schema(paths[0])) as writer:
        for path in paths:
            with pq.ParquetFile(path) as file:
                writer.write_table(file.read())


def _join_bytes(paths: list[Path], output: Path) -> None:
    with output.open("wb") as whole:
        for path in paths:
            with path.open("rb") as part:
                shutil.copyfileobj(part, whole, 1 << 20)


def _survey_as_json(survey: Survey) -> dict[str, Any]:
    known = pa.schema([(name, type) for name, type in survey.types.items() if type is not None])
    return {
        "n": survey.n,
        "notes": list(survey.notes),
        "columns": list(survey.types),
        "types": base64.b64encode(known.serialize().to_pybytes()).decode("ascii"),
    }


def _survey_from(content: Mapping[str, Any]) -> Survey:
    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(content["types"])))
    types = {
        name: schema.field(name).type if name in schema.names else None
        for name in content["columns"]
    }
    return Survey(content["n"], tuple(content["notes"]), types)


def _summary_from(content: Mapping[str, Any]) -> EncodingSummary:
    about = {name: ModalitySummary(**m) for name, m in content["modalities"].items()}
    unreadable = [UnreadableEntry(**entry) for entry in content["unreadable"]]
    return EncodingSummary(
        content["rows"],
        content["seconds"],
        about,
        unreadable,
        notes=tuple(content["notes"]),
    )
