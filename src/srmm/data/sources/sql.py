"""Tables of a database: an SQLite file, or whatever SQLAlchemy connects to; read, never written.

A query comes from the user alone (`query=`, `--query`), and no password of an address goes into a
message or a file.
"""

from __future__ import annotations

import os
import re
import shlex
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from srmm.data.limits import check_unpacked
from srmm.data.sources.base import LoadedColumns, OpenedTable, object_array, plain_cell
from srmm.data.there import is_file
from srmm.errors import InputError, MissingExtraError, one_line, some_of

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\+[A-Za-z0-9_]+)?://")
_FILE = re.compile(r"(sqlite|duckdb)(\+\w+)?://[^/?]*/(?P<path>[^?]*)", re.IGNORECASE)
_SQLITE_HEAD = b"SQLite format 3\0"
_SECRET = re.compile(r"pass|pwd|secret|token|key|credential|odbc_connect", re.IGNORECASE)
_QUERIES = ("select", "with", "values", "table", "from")
_COMMENT = re.compile(r"\s+|--[^\n]*(\n|$)|/\*.*?\*/|\(", re.DOTALL)


class _Database(NamedTuple):
    """A database: its name in messages, its tables, and how to run a query.

    `run(query)` is a context of (column names, iterator of rows).
    """

    name: str
    folder: Path | None
    tables: Callable[[], list[str]]
    quoted: Callable[[str], str]
    run: Callable[[str], AbstractContextManager[tuple[list[str], Iterator[Sequence[Any]]]]]
    size: int | None = None
    """Of its file, where it is one."""


def is_address(source: str) -> bool:
    """Whether it looks like a database's address, "postgresql://host/shop"."""
    return _ADDRESS.match(source) is not None


def is_sqlite(path: Path) -> bool:
    """Whether a file is an SQLite database, by its first bytes."""
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE_HEAD)) == _SQLITE_HEAD
    except OSError:
        return False


def file_of(address: str) -> Path | None:
    """The file that an address of SQLite or DuckDB names; None of a server's, or of one in memory.

    >>> file_of("sqlite+pysqlite:///shop.db?timeout=5"), file_of("postgresql://host/shop")
    (PosixPath('shop.db'), None)
    """
    found = _FILE.match(address)
    path = "" if found is None else found["path"]
    if path.startswith("file:"):  # SQLite's own kind of address
        path = "" if "mode=memory" in address else unquote(re.sub("^file:(//)?", "", path))
    return Path(path) if path and not path.startswith((":", "md:")) else None


def without_secrets(address: str) -> str:
    """The address as it may be shown and kept: without password and what else may be one.

    >>> without_secrets("postgresql://ann:1234@host/shop?sslpassword=x&connect_timeout=5")
    'postgresql://ann@host/shop?connect_timeout=5'
    """
    # The last @ of the part before the path: a password may hold one that was not escaped.
    scheme, mark, rest = address.partition("://")
    rest, question, options = rest.partition("?")
    if "@" in options and "@" not in rest and "/" not in rest:  # a password with a ? in it
        rest, options = rest + question + options, ""
    if "@" in rest:
        user, _, host = rest.rpartition("@")
        name = user.partition(":")[0]
        rest = f"{name}@{host}" if name else host
    kept = [part for part in options.split("&") if part and not _SECRET.search(part.split("=")[0])]
    return f"{scheme}{mark}{rest}{'?' if kept else ''}{'&'.join(kept)}"


def kept_address(address: str) -> str:
    """What may be written down to open the database again: no password, a file's whole path."""
    found = _FILE.match(address)
    if found is None or file_of(address) is None or found["path"].startswith("file:"):
        return without_secrets(address)
    # The path is no part of what is searched: an @ in it ends no password.
    options = without_secrets("x://" + address[found.end() :])[len("x://") :]
    start = without_secrets(address[: found.start("path")])
    return f"{start}{os.path.abspath(found['path'])}{options}"  # noqa: PTH100


def open_sqlite(path: Path, query: str | None = None) -> OpenedTable:
    """The table of an SQLite file that has one, or the rows of a query; by the standard library."""

    @contextmanager
    def connect() -> Iterator[sqlite3.Connection]:
        connection = None
        try:
            uri = f"file:{quote(str(path.resolve()))}?mode=ro"
            connection = sqlite3.connect(uri, uri=True)
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA trusted_schema = OFF")  # what a view may call
            yield connection
        except (sqlite3.Error, UnicodeError) as error:  # or names in it that are no text
            raise InputError(_failed(path.name, query, error)) from None
        finally:
            if connection is not None:
                connection.close()

    @contextmanager
    def run(statement: str) -> Iterator[tuple[list[str], Iterator[Sequence[Any]]]]:
        with connect() as connection:
            cursor = connection.execute(statement)
            yield [column[0] for column in cursor.description or ()], iter(cursor)

    def tables() -> list[str]:
        kinds = "type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        with run(f"SELECT name FROM sqlite_master WHERE {kinds} ORDER BY name") as (_, rows):
            return [name for (name,) in rows]

    size = path.stat().st_size
    database = _Database(path.name, path.parent, tables, _double_quoted, run, size)
    return _open(database, query)


def open_address(address: str, query: str | None = None) -> OpenedTable:
    """The table of a database at an SQLAlchemy address that has one, or the rows of a query.

    Raises `MissingExtraError` without the extra `srmm[sql]`.
    """
    name = without_secrets(address)
    path = file_of(address)
    if path is not None and not is_file(path):  # which SQLAlchemy's drivers would make
        raise InputError(f"{path} does not exist: it should be the database's file ({name}).")
    if path is not None and address.lower().startswith("sqlite:///") and "?" not in address:
        return open_sqlite(path, query)
    try:
        import sqlalchemy
        from sqlalchemy import exc
    except ImportError:
        raise MissingExtraError("sqlalchemy", "sql", f"The database {name}") from None
    try:
        engine = sqlalchemy.create_engine(address, poolclass=sqlalchemy.NullPool)
    except exc.NoSuchModuleError:
        raise InputError(
            f"{name} names no database that SQLAlchemy knows. Expected a path, or an address "
            "such as postgresql://user@host/shop."
        ) from None
    except (exc.ArgumentError, ValueError):  # whose messages hold the address
        raise InputError(
            f"{name} is no address of a database. Expected e.g. postgresql://user@host/shop."
        ) from None
    except ImportError as error:
        raise InputError(
            f"{name} needs a driver that is not installed ({error}). Install it with pip."
        ) from None

    secrets = [engine.url.password, *(v for k, v in engine.url.query.items() if _SECRET.search(k))]

    @contextmanager
    def connect() -> Iterator[Any]:
        try:
            with engine.connect() as connection:
                if engine.dialect.name == "postgresql":
                    connection = connection.execution_options(postgresql_readonly=True)
                try:
                    yield connection
                finally:
                    connection.rollback()  # whatever it was that ran
        except exc.SQLAlchemyError as error:
            reason = getattr(error, "orig", None) or error
            raise InputError(_failed(name, query, reason, secrets)) from None

    @contextmanager
    def run(statement: str) -> Iterator[tuple[list[str], Iterator[Sequence[Any]]]]:
        with connect() as connection:
            streamed = connection.execution_options(stream_results=True, no_parameters=True)
            result = streamed.exec_driver_sql(statement)
            if not result.returns_rows:
                raise InputError(f"The query on {name} gives no rows: expected a SELECT.")
            yield list(result.keys()), iter(result)

    def tables() -> list[str]:
        with connect() as connection:
            found = sqlalchemy.inspect(connection)
            return sorted([*found.get_table_names(), *found.get_view_names()])

    quoted = engine.dialect.identifier_preparer.quote_identifier
    return _open(_Database(name, None, tables, quoted, run), query)


def _open(database: _Database, query: str | None) -> OpenedTable:
    notes: tuple[str, ...] = ()
    packed = database.size if query is None else None
    if query is None:
        query = f"SELECT * FROM {database.quoted(_only_table(database))}"
    else:
        word = re.match(r"[A-Za-z]*", _without_comments(query))
        if word is None or word[0].lower() not in _QUERIES:
            raise InputError(
                f"The query {query[:60]!r} begins with no SELECT, WITH or VALUES. Databases are "
                "only read: expected e.g. 'SELECT title, photo, kind FROM products'."
            )
        if not re.search(r"\border\s+by\b", query, re.IGNORECASE):
            notes = (
                f"The query on {database.name} has no ORDER BY: its rows come in no promised "
                "order, and which of them a seed holds out may differ from run to run.",
            )
    with database.run(query) as (columns, _):
        columns = [str(column) for column in columns]

    def read(wanted: Sequence[str]) -> LoadedColumns:
        places = {column: columns.index(column) for column in wanted}
        cells: dict[str, list[Any]] = {column: [] for column in wanted}
        n = size = 0
        with database.run(query) as (_, rows):
            for row in rows:
                n += 1
                if packed is not None:  # a view of a few bytes may have rows without end
                    size += sum(len(c) if isinstance(c, str | bytes) else 8 for c in row)
                    check_unpacked(database.name, size, packed)
                for column, place in places.items():
                    cells[column].append(plain_cell(row[place]))
        arrays = {column: object_array(values) for column, values in cells.items()}
        return LoadedColumns(arrays, None, n)

    return OpenedTable(database.name, database.folder, tuple(columns), read, notes)


def _only_table(database: _Database) -> str:
    tables = database.tables()
    if len(tables) == 1:
        return tables[0]
    if not tables:
        raise InputError(f"{database.name} has no table.")
    query = shlex.quote(f"SELECT * FROM {database.quoted(tables[0])}")
    raise InputError(
        f"{database.name} has {len(tables)} tables: {some_of(map(repr, tables), 20)}. Choose with "
        f"a query, e.g. --query {query} (query=…)."
    )


def _without_comments(query: str) -> str:
    """What a query begins with, after white space, comments and parentheses."""
    while found := _COMMENT.match(query):
        query = query[found.end() :]
    return query


def _double_quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _failed(name: str, query: str | None, error: object, secrets: Sequence[Any] = ()) -> str:
    """The message for a database that did not answer, or not with rows."""
    reason = one_line(error)
    for secret in filter(None, secrets):
        reason = reason.replace(str(secret), "…")
    asked = f" the query {query[:80]!r}" if query else " a query"
    return f"{name} did not answer{asked}: {reason}."
