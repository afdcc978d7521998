"""The readers that are given damaged bytes, and whole examples of what they read.

A target may raise `SrmmError` (or, of an item, that it is absent or unreadable); anything else is a
finding. Examples are made once in a folder; what a target writes stays in a folder of its own.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import shutil
import sqlite3
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock
from unittest.mock import patch

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.ensemble import ExtraTreesClassifier

import srmm
from srmm.cli import run as run_command
from srmm.data.addresses import is_url, local_item, without_password
from srmm.data.embeddings import Embeddings
from srmm.data.items import AbsentFile, ItemReader, UnreadableItem
from srmm.data.parts import read_in_parts
from srmm.data.sources import kept_name, names_a_table, open_source
from srmm.data.sources.sql import without_secrets
from srmm.encoders import load_encoder
from srmm.encoding.store import read_keys
from srmm.errors import InputError, SrmmError
from srmm.experiments.cells import Cell, Outcome, _keep, read_outcome
from srmm.experiments.compare import FORMAT as COMPARISON
from srmm.experiments.runner import check_same_plan
from srmm.files import json_ready, write_json
from srmm.learning.card import add_results
from srmm.learning.estimators import estimator_from_bytes, estimator_to_bytes
from srmm.methods.extratrees import PerModalityExtraTrees
from srmm.workflows import fit_workflow, made_by
from srmm.workflows.pictures import noted_reading, open_noted
from srmm.workflows.reproduce import reproduce_again
from tests.fuzzing.mutations import mutated, mutated_json
from tests.report.simulated_report import make_report
from tests.tampering import edit_json, reseal

ALLOWED = (SrmmError, AbsentFile, UnreadableItem)
FRAME = pd.DataFrame(
    {
        "title": ["red shoe", None, "a hat, \"large\"", "tie\nblue", "ß", "scarf"] * 2,
        "photo": ["1.png", "2.png", None, "http://x.org/3.jpg", "data:,x", "z.zip/1.png"] * 2,
        "w": [1.5, 2, None, -3, 1e6, 0] * 2,
        "h": ["1", "2,5", "", "n/a", "1 000", "3"] * 2,
        "day": ["2024-01-02", "2024-02-03", None, "soon", "2025-12-31", "2020-02-29"] * 2,
        "kind": ["shoe", "hat", "hat", "tie", "tie", "shoe"] * 2,
        "split": ["train", "train", "test", "train", "train", "test"] * 2,
    }
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A reader: examples of what it reads, what is done to them, and how it is called.

    `run(data, folder)` may write to `folder`, which it shares with runs before.
    """

    name: str
    examples: Callable[[Path], list[bytes]]
    run: Callable[[bytes, Path], Any]
    change: Callable[[bytes, Random], bytes] = mutated


def attempt(target: Target, data: bytes, folder: Path) -> None:
    """Let the target read the bytes; whatever it raises that it may not comes through."""
    quiet = io.StringIO()
    with warnings.catch_warnings(), contextlib.redirect_stdout(quiet):
        warnings.simplefilter("ignore")
        with contextlib.suppress(*ALLOWED), contextlib.redirect_stderr(quiet):
            target.run(data, folder)


# Tables


def _read(path: Path) -> None:
    """Read a table in every way: what it names, all columns, part by part."""
    opened = open_source(path)
    names = [*opened.columns] or ["title"]
    some = {"text": [f"title={names[0]}"], "features": [f"size={','.join(names[2:5])}"]}
    for choice in (some, {}):
        with contextlib.suppress(SrmmError):
            srmm.read_table(path, **choice, label=names[-2] if len(names) > 1 else None)
    with contextlib.suppress(SrmmError):
        chosen: dict[str, Any] = {"features": ["w"], "image": ["photo"], "label": "kind"}
        srmm.read_table(path, **chosen, split="split", id="title", missing="auto,7")
    for part in read_in_parts(opened, 5, keep=names, text=[names[0]]):
        assert len(part.table)


def _table(ending: str) -> Callable[[bytes, Path], None]:
    def run(data: bytes, folder: Path) -> None:
        path = folder / f"t{ending}"
        path.write_bytes(data)
        made_by.predictions(path)
        _read(path)

    return run


def _texts(separator: str, *encodings: str) -> Callable[[Path], list[bytes]]:
    text = FRAME.to_csv(index=False, sep=separator)
    return lambda _: [text.encode(encoding, "replace") for encoding in encodings]


def _lines(_: Path) -> list[bytes]:
    nested = '{"title": {"a": [1, {"b": null}]}, "w": [1, 2], "kind": true}\n'
    return [
        FRAME.to_json(orient="records", lines=True).encode(),
        (nested + '{"title": 1e400, "w": [3], "kind": 12345678901234567890}\n').encode(),
    ]


def _documents(_: Path) -> list[bytes]:
    forms = ("records", "split", "columns", "index", "table")
    return [FRAME.to_json(orient=form).encode() for form in forms]


def _packed(ending: str) -> Callable[[Path], list[bytes]]:
    text = FRAME.to_csv(index=False).encode()
    packs: dict[str, Callable[[bytes], bytes]] = {
        ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zip": _zipped
    }  # fmt: skip
    return lambda _: [packs[ending](text)]


def _zipped(data: bytes, name: str = "t.csv") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return file.getvalue()


def _parquets(folder: Path) -> list[bytes]:
    typed = FRAME.assign(w=[[1.0, 2.0], None] * 6, day=pd.Timestamp("2024-01-01"))
    odd = pd.DataFrame({"title": [{"bytes": b"x", "path": None}] * 3, "w": [b"1", None, b"\xff"],
                        "kind": pd.Categorical(["a", "b", None])})  # fmt: skip
    return [_bytes_of(frame.to_parquet, folder / "t.parquet") for frame in (FRAME, typed, odd)]


def _bytes_of(write: Callable[[Path], Any], path: Path) -> bytes:
    write(path)
    return path.read_bytes()


def _workbook(folder: Path) -> list[bytes]:
    path = folder / "t.xlsx"
    FRAME.to_excel(path, index=False)
    whole = path.read_bytes()
    # Not compressed, so that changes reach what is inside.
    with zipfile.ZipFile(path) as packed, zipfile.ZipFile(folder / "open.xlsx", "w") as plain:
        for name in packed.namelist():
            plain.writestr(name, packed.read(name))
    return [whole, (folder / "open.xlsx").read_bytes()]


def _database(folder: Path) -> list[bytes]:
    path = folder / "t.sqlite"
    path.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        FRAME.to_sql("goods", connection, index=False)
    return [path.read_bytes()]


# Stores, models and what lies in them


def _embeddings() -> Embeddings:
    random = np.random.default_rng(0)
    y = np.repeat([0, 1], 20)
    arrays = {name: y[:, None] + random.normal(size=(40, 2)) for name in "ab"}
    arrays["b"][3] = np.nan
    labels = np.array(["no", "yes"])[y]
    split = np.where(np.arange(40) % 4, "train", "test")
    return Embeddings.from_arrays(arrays, labels=labels, split=split, groups=np.arange(40) // 2)


def _three_trees(*_: Any) -> ExtraTreesClassifier:
    """A hundred hold nothing that three do not, and take longer to read."""
    return ExtraTreesClassifier(3, random_state=0)


def _made(folder: Path) -> Path:
    """A store, models of several kinds and a table's model with its encoder; made once."""
    if (folder / "done").exists():
        return folder
    embeddings = _embeddings()
    srmm.save_embeddings(embeddings, folder / "store")
    for method in ("logreg-concat", "srmm-paper", "extratrees"):
        with patch.object(PerModalityExtraTrees, "_estimator", _three_trees):
            fit_workflow(
                str(folder / "store"), folder / method, method=method,
                settings={"hidden_dim": 8, "max_epochs": 2} if method == "srmm-paper" else None,
            )  # fmt: skip
    rows = pd.concat([FRAME] * 4, ignore_index=True).drop(columns=["photo", "split"])
    rows.to_csv(folder / "t.csv", index=False)
    columns = {"features": ["size=w,h,day"], "label": "kind"}
    fit_workflow(str(folder / "t.csv"), folder / "table", columns=columns, method="logreg")
    (folder / "done").touch()
    return folder


def _file(*places: str) -> Callable[[Path], list[bytes]]:
    return lambda folder: [(_made(folder) / place).read_bytes() for place in places]


def _model(kind: str, place: str, rows: Any) -> Callable[[bytes, Path], None]:
    """Load a model with other bytes at `place`, and predict with it."""

    def run(data: bytes, folder: Path) -> None:
        mine = folder / f"{kind}-{Path(place).name}"
        if not mine.exists():
            shutil.copytree(_made(folder) / kind, mine)
        _put(mine / place, data)
        srmm.load(mine).predict(rows)

    return run


def _put(path: Path, data: bytes) -> None:
    """Bytes as a stranger would place them, whose folder agrees with itself."""
    try:
        content = json.loads(data) if path.suffix == ".json" else None
    except (ValueError, RecursionError):
        content = None
    if b"NaN" in data or b"Infinity" in data:  # which no seal is made of
        content = None
    path.write_bytes(b"{}" if isinstance(content, dict) else data)
    if isinstance(content, dict):
        edit_json(path, lambda there: there.update(content))
        return  # sealed with the digests that it names itself
    if path.suffix != ".json":
        reseal(path.parent)


def _store(place: str) -> Callable[[bytes, Path], None]:
    def run(data: bytes, folder: Path) -> None:
        mine = folder / f"store-{place}"
        if not mine.exists():
            shutil.copytree(_made(folder) / "table.embeddings", mine)
        _put(mine / place, data)
        noted_reading(mine)
        open_noted(mine)
        read_keys(mine)
        found = srmm.load_embeddings(mine)
        for name in found.modalities:
            found.items(name)
        found.to_frame()

    return run


def _encoder(data: bytes, folder: Path) -> None:
    place = folder / "encoder"
    if not place.exists():
        shutil.copytree(_made(folder) / "table" / "encoders" / "size", place)
    _put(place / "columns.json", data)
    encoder = load_encoder(f"columns:{place}", "features")
    table = srmm.read_table(FRAME, features=["size=w,h,day"], as_cells=["size"])
    with ItemReader() as reader:
        items = [reader.vector(item) for item in table.items["size"] if item is not None]
    encoder.encode([encoder.prepare(item) for item in items])


def _rows_files(folder: Path) -> list[bytes]:
    whole = pd.read_parquet(_made(folder) / "table" / "rows.parquet")
    others = (
        whole.drop(columns="split"), whole[["id"]], whole.assign(split=1), whole.iloc[:0],
        whole.assign(digest=None), whole.assign(id=[[1]] * len(whole)),
        whole.rename(columns=str.upper),
    )  # fmt: skip
    return [_bytes_of(frame.to_parquet, folder / "rows.parquet") for frame in (whole, *others)]


def _trees(_: Path) -> list[bytes]:
    from sklearn.linear_model import LogisticRegression

    x = np.arange(8.0)[:, None]
    return [estimator_to_bytes(LogisticRegression().fit(x, np.arange(8) % 2)).tobytes()]


def _estimator(data: bytes, _: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    estimator_from_bytes(np.frombuffer(data, np.uint8), LogisticRegression)


def _archive(folder: Path) -> list[bytes]:
    path = folder / "e.npz"
    _embeddings().to_numpy(path)
    odd = io.BytesIO()
    np.savez(odd, a=np.ones(3), _id=np.arange(3), _id_known=np.ones(2, bool), b=np.array("x"))
    return [path.read_bytes(), odd.getvalue()]


def _vectors(write: str, read: str, ending: str) -> Callable[[bytes, Path], None]:
    def run(data: bytes, folder: Path) -> None:
        path = folder / f"e{ending}"
        path.write_bytes(data)
        getattr(Embeddings, read)(path)

    return run


# Reports and experiments


def _report(_: Path) -> list[bytes]:
    return [json.dumps(json_ready(make_report(2, ["a", "b"], n=30))).encode()]


def _show_report(data: bytes, folder: Path) -> None:
    path = folder / "r.json"
    path.write_bytes(data)
    made_by.json_of(COMPARISON)(path)
    report = srmm.RobustnessReport.from_json(path)
    report.to_html(folder / "r.html")
    report.to_frame()


def _card(data: bytes, folder: Path) -> None:
    mine = folder / "card"
    mine.mkdir(exist_ok=True)
    (mine / "README.md").write_bytes(data)
    add_results(mine, make_report(2, ["a", "b"], n=30))


CELL = Cell("data", "logreg", 0)


def _outcome(folder: Path) -> list[bytes]:
    model = {"n_parameters": 3, "versions": {}}
    about = {"cell": asdict(CELL), "model": model, "seconds": {"fit": 1.0}}
    outcome = Outcome(np.arange(4) % 2, np.ones((4, 2), bool), np.ones((4, 4, 2), np.float32),
                      None, about)  # fmt: skip
    path = folder / f"{CELL.name}.safetensors"
    return [_bytes_of(lambda place: _keep(outcome, place), path)]


def _read_outcome(data: bytes, folder: Path) -> None:
    (folder / f"{CELL.name}.safetensors").write_bytes(data)
    outcome = read_outcome(folder, CELL)
    outcome.under(np.ones(2, dtype=bool))


def _experiment(folder: Path) -> list[bytes]:
    from srmm.experiments.data import open_experiment_data
    from srmm.experiments.plan import find_experiment, plan
    from srmm.experiments.runner import _config

    data = open_experiment_data(_made(folder) / "store", "store", None)
    chosen: dict[str, Any] = {"seeds": 1, "dropped": None, "methods": [], "max_epochs": None}
    runs = [plan(find_experiment("table6"), data, folder, **chosen)]
    return [json.dumps(json_ready(_config("table6", runs, chosen))).encode()]


def _run_again(data: bytes, folder: Path) -> None:
    place = folder / "run"
    place.mkdir(exist_ok=True)
    _put(place / "config.json", data)
    with mock.patch("srmm.workflows.reproduce.reproduce"):
        reproduce_again(place, folder / "again")


# Items


def _pictures(_: Path) -> list[bytes]:
    picture = Image.fromarray(np.arange(40 * 30 * 3, dtype=np.uint8).reshape(40, 30, 3))
    found = []
    for form in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "ICO", "TGA"):
        file = io.BytesIO()
        picture.save(file, form)
        found.append(file.getvalue())
    svg = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="5"/></svg>'
    return [*found, svg]


def _sounds(folder: Path) -> list[bytes]:
    import soundfile

    wave = np.sin(np.arange(4000) / 5)
    found = []
    for form in ("wav", "flac", "ogg", "mp3", "aiff"):
        soundfile.write(folder / f"s.{form}", wave, 8000)
        found.append((folder / f"s.{form}").read_bytes())
    return found


def _item(kind: str) -> Callable[[bytes, Path], None]:
    def run(data: bytes, folder: Path) -> None:
        path = folder / f"item.{kind}"
        path.write_bytes(data)
        with ItemReader(folder) as reader:
            for item in (data, str(path)):
                with contextlib.suppress(*ALLOWED):
                    getattr(reader, kind)(item)

    return run


def _zip_of_pictures(folder: Path) -> list[bytes]:
    return [_zipped(_pictures(folder)[0], "shop/1.png"), _zipped(b"x", "Ä.png")]


def _member(data: bytes, folder: Path) -> None:
    (folder / "shop.zip").write_bytes(data)
    with ItemReader(folder) as reader:
        for path in ("shop.zip/shop/1.png", "shop/1.png", "shop.zip/A\u0308.png"):
            with contextlib.suppress(*ALLOWED):
                reader.read_bytes(path)


def _cells(_: Path) -> list[bytes]:
    odd: list[Any] = [
        1, None, "", "x", [1, 2], [1, "x"], {"bytes": None, "path": "x"}, {"array": [0, 1]},
        [[1, 2]], {"array": [0.5] * 2000, "sampling_rate": 8000}, True, 1e300, "1,5",
        "12 kg", "2024-02-30",
        "data:;base64,R0lG", "file:///x", "~/x.png", "x" * 300, "\ud800", [], {}, [None, 1],
    ]  # fmt: skip
    return [json.dumps(odd).encode("ascii")]


def _read_cells(data: bytes, folder: Path) -> None:
    column = json.loads(data)
    column = column if isinstance(column, list) and column else [column]
    cells = np.empty(len(column), dtype=object)
    cells[:] = column
    labels = ["ab"[n % 2] for n in range(len(cells))]
    frame = pd.DataFrame({"x": pd.Series(cells, dtype=object), "y": labels})
    for kind, roles in (
        ("image", {}), ("text", {"label": "x"}), ("audio", {"id": "x"}),
        ("features", {"group": "x"}),
        ("features", {"split": "x"}), ("face", {}),
    ):  # fmt: skip
        with contextlib.suppress(SrmmError), ItemReader(folder) as reader:
            table = srmm.read_table(frame, **{kind: ["m=x"]}, **roles)
            for item in table.items["m"]:
                with contextlib.suppress(*ALLOWED):
                    getattr(reader, "vector" if kind == "features" else kind)(item)
    with contextlib.suppress(SrmmError):
        table = srmm.read_table(frame, features=["m=x"], label="y", as_cells=["m"])
        srmm.encode(table, {"m": "columns"})


def _addresses(_: Path) -> list[bytes]:
    return [
        text.encode() for text in (
            "https://ann:1234@shop.org:80/1.jpg?x=%20#y", "file://localhost/a%20b.png",
            "data:image/png;base64,R0lG", "postgresql://u:p@[::1]:5/db?password=x&y=1",
            "sqlite:///x.db", "mysql+nothing://h/d", "t.xlsx#Sheet", "~x/../a\\b.png",
            "C:\\x\\1.png",
        )
    ]  # fmt: skip


def _address(data: bytes, folder: Path) -> None:
    text = data.decode("utf-8", "surrogateescape")
    for look in (is_url, local_item, without_password, without_secrets, names_a_table, kept_name):
        look(text)
    with ItemReader(folder) as reader, contextlib.suppress(*ALLOWED):
        reader.read_bytes(text)
    if "://" not in text or not text.lower().startswith(("postgres", "mysql", "http")):
        srmm.read_table(text, text=["x"])


# The command line


def _settings(_: Path) -> list[bytes]:
    return [
        b"fit:\n  method: srmm-paper\n  recipe: comparison\n  setting: [hidden_dim=16]\n"
        b"  seed: 7\n  test_size: 0.2\n  text: title\n  features: [a=w, b=h]\n  rare: drop\n",
        b"fit: {label: kind, encoder: [a=columns], overwrite: true, class_weight: balanced}\n",
        b"a: &a [x, x]\nfit:\n  text: *a\n  min_rows: 2\n",
    ]  # fmt: skip


def _config_file(data: bytes, folder: Path) -> None:
    (folder / "c.yaml").write_bytes(data)
    _command(["--config", str(folder / "c.yaml"), "fit", "nowhere.csv", "-o", "m"], folder)


def _commands(_: Path) -> list[bytes]:
    lines = (
        "fit t.csv --features a=w --label kind -o m --method logreg --setting C=0.1 --seed 3",
        "fit nowhere.csv -o m --test-size 0.2 --rare drop --min-rows 3 --encoder a=columns",
        "predict m t.csv -o p.csv --keep all --coverage 0.9 --when-nothing prior --engine torch",
        "evaluate m -o r.html --seed 1 --no-baselines", "encode t.csv -o s --batch-size 3 --strict",
        "compare nowhere --methods logreg,srmm --seeds 2 --limit 10 --jobs 1",
        "reproduce table6 --data nowhere --seeds 2 --drop a --max-epochs 1", "distil m -o d",
        "methods", "encoders --json", "datasets", "--version", "fit --help",
        "--config c.yaml methods",
    )  # fmt: skip
    return [line.replace(" ", "\n").encode() for line in lines]


def _command_line(data: bytes, folder: Path) -> None:
    tokens = data.decode("utf-8", "surrogateescape").replace("\0", "").split("\n")
    away = any(token.startswith(("/", "-o/")) or ".." in token for token in tokens)
    if not away and "demo" not in tokens and ("reproduce" not in tokens or "nowhere" in tokens):
        FRAME.to_csv(folder / "t.csv", index=False)
        _command(tokens, folder)


def _command(tokens: list[str], folder: Path) -> None:
    code: Any = None
    with contextlib.chdir(folder), _no_training():
        code = run_command(tokens)
    assert code in (0, 1, 2), code


@contextlib.contextmanager
def _no_training() -> Iterator[None]:
    """Whatever would train or download ends there: what is tried is the way to it."""
    stop = InputError("far enough")
    with contextlib.ExitStack() as stack:
        for place in (
            "srmm.workflows.encoded.encode", "srmm.encoding.encode.encode",
            "srmm.workflows.compare.compare", "srmm.workflows.reproduce.reproduce",
        ):  # fmt: skip
            stack.enter_context(mock.patch(place, side_effect=stop))
        yield


TARGETS = {
    target.name: target
    for target in (
        Target("csv", _texts(",", "utf-8", "utf-16", "cp1252", "utf-32"), _table(".csv")),
        Target("csv-others", lambda f: _texts(";", "utf-8")(f) + _texts("|", "utf-8-sig")(f),
               _table(".csv")),
        Target("tsv", _texts("\t", "utf-8", "utf-16-le"), _table(".tsv")),
        Target("jsonl", _lines, _table(".jsonl")),
        Target("json", _documents, _table(".json")),
        *(Target(f"csv{end}", _packed(end), _table(f".csv{end}"))
          for end in (".gz", ".bz2", ".xz", ".zip")),
        Target("parquet", _parquets, _table(".parquet")),
        Target("excel", _workbook, _table(".xlsx")),
        Target("sqlite", _database, _table(".sqlite")),
        *(Target(f"config-{kind}", _file(f"{kind}/config.json"),
                 _model(kind, "config.json", {"a": np.ones((2, 2), np.float32)}), mutated_json)
          for kind in ("logreg-concat", "srmm-paper", "extratrees")),
        Target("config-table", _file("table/config.json"),
               _model("table", "config.json", FRAME), mutated_json),
        Target("config-bytes", _file("table/config.json"), _model("table", "config.json", FRAME)),
        Target("weights", _file("srmm-paper/model.safetensors"),
               _model("srmm-paper", "model.safetensors", {"a": np.ones((2, 2), np.float32)})),
        Target("weights-skops", _file("logreg-concat/model.safetensors"),
               _model("logreg-concat", "model.safetensors", {"a": np.ones((2, 2), np.float32)})),
        Target("skops", _trees, _estimator),
        Target("model-rows", _rows_files, _model("table", "rows.parquet", FRAME)),
        Target("columns", _file("table/encoders/size/columns.json"), _encoder, mutated_json),
        Target("manifest", _file("table.embeddings/manifest.json"), _store("manifest.json"),
               mutated_json),
        Target("source", _file("table.embeddings/_source.json"), _store("_source.json"),
               mutated_json),
        Target("store-rows", lambda f: _file("table.embeddings/rows.parquet")(f) + _rows_files(f),
               _store("rows.parquet")),
        Target("store-vectors", _file("table.embeddings/size.safetensors"),
               _store("size.safetensors")),
        Target("store-items", _file("table.embeddings/_items.safetensors"),
               _store("_items.safetensors")),
        Target("npz", _archive, _vectors("to_numpy", "from_numpy", ".npz")),
        Target("vectors", lambda f: [_bytes_of(_embeddings().to_parquet, f / "e.parquet"),
                                     *_parquets(f)],
               _vectors("to_parquet", "from_parquet", ".parquet")),
        Target("report", _report, _show_report, mutated_json),
        Target("report-bytes", _report, _show_report),
        Target("card", _file("table/README.md"), _card),
        Target("outcome", _outcome, _read_outcome),
        Target("experiment", _experiment, _run_again, mutated_json),
        Target("picture", _pictures, _item("image")),
        Target("sound", _sounds, _item("audio")),
        Target("text", lambda _: ["ein Text, \N{GRINNING FACE}".encode()], _item("text")),
        Target("zip", _zip_of_pictures, _member),
        Target("cells", _cells, _read_cells, mutated_json),
        Target("address", _addresses, _address),
        Target("yaml", _settings, _config_file),
        Target("command", _commands, _command_line),
    )
}  # fmt: skip

__all__ = ["ALLOWED", "TARGETS", "Target", "attempt", "check_same_plan", "write_json"]
