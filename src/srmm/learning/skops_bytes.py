"""Bytes of skops that a stranger may have made, written anew with what is known to be safe.

What skops trusts may stand anywhere in a file: functions that loading calls, trees whose indices
native code follows, a few bytes that unpack to gigabytes. A model needs little of it. So the file
is read here as what it is, JSON and arrays; only nodes of the kinds below go into the file that
skops then loads, each array as long as its header says.
"""

from __future__ import annotations

import functools
import io
import json
import math
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib import format as npy

from srmm.data.checks import array, mapping, text, whole
from srmm.errors import InputError
from srmm.learning.trees import check_nodes, check_values

_SCHEMA = "schema.json"
_ROOM, _RATIO = 8_000_000, 60
"""What n bytes may unpack to: room + ratio · n. The schema of a real model shrinks 50-fold."""
_DEEPEST = 60  # nodes within nodes; boosted trees have a dozen
_PROTOCOL = 2  # of the nodes below, which were the same before

_NAMES = ("module", "class", "loader")
_PLAIN = {
    "JsonNode": ("str", "int", "float", "bool", "NoneType"),
    "DictNode": ("dict",),
    "ListNode": ("list",),
    "TupleNode": ("tuple",),
}
_ARRAYS = ("ndarray", "float32", "float64", "int32", "int64", "uint32", "uint64", "bool", "bool_")
_OBJECT_LOADERS = ("ObjectNode", "LossNode", "TreeNode")

_OBJECTS: dict[str, tuple[str, ...]] = {
    "LogisticRegression": (),
    "PCA": (),
    "ExtraTreesClassifier": ("ExtraTreeClassifier", "Tree"),
    "HistGradientBoostingClassifier": (
        "LabelEncoder", "HalfMultinomialLoss", "CyHalfMultinomialLoss", "MultinomialLogit",
        "HalfBinomialLoss", "CyHalfBinomialLoss", "LogitLink", "Interval", "_BinMapper",
        "TreePredictor",
    ),
}  # fmt: skip
"""What the estimators that methods here save are made of. Others hold what skops trusts."""


def plain_skops(data: bytes, expected: type) -> bytes:
    """The same estimator as bytes of skops in which nothing surprising is left.

    Raises `InputError` for what an estimator of the class `expected` does not hold, or for more
    than such bytes can hold.
    """
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as stored,
        zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as new,
    ):
        members = {one.filename: one for one in stored.infolist()}
        if _SCHEMA not in members:
            raise InputError(f"there is no {_SCHEMA} in it.")
        about = members[_SCHEMA]
        _check_room(about.file_size, about.compress_size)
        schema = json.loads(stored.read(about))
        protocol = max(_PROTOCOL, whole("protocol", schema.get("protocol")))
        if schema["__class__"] != expected.__name__:
            raise InputError(f"it holds a {schema['__class__']}, not a {expected.__name__}.")
        root = _Rewriter(stored, members, new, expected, len(data)).node(schema)
        new.writestr(_SCHEMA, json.dumps(root | {"protocol": protocol}))
    return made.getvalue()


class _Rewriter:
    """One pass through a schema; arrays go to the new file as they are met."""

    def __init__(
        self,
        stored: zipfile.ZipFile,
        members: Mapping[str, zipfile.ZipInfo],
        new: zipfile.ZipFile,
        expected: type,
        size: int,
    ) -> None:
        self.stored, self.members, self.new, self.size = stored, members, new, size
        self.expected = expected.__name__
        self.classes = _OBJECTS.get(self.expected)
        self.homes = ("sklearn.", "_loss", f"{expected.__module__.partition('.')[0]}.")
        self.unpacked = self.written = 0

    def node(self, found: Any, depth: int = _DEEPEST) -> dict[str, Any]:
        """The node without anything that is not known."""
        if not isinstance(found, dict) or not depth:
            raise InputError("its schema is none of skops, or has too many levels.")
        module, name, loader = (text(f"__{part}__", found.get(f"__{part}__")) for part in _NAMES)
        if loader in _PLAIN and module == "builtins" and name in _PLAIN[loader]:
            return _node(name, loader, **self._plain(found, loader, depth))
        if loader == "NdArrayNode" and module == "numpy" and name in _ARRAYS:
            return _node(name, loader, module, **self._array(found))
        if loader == "RandomGeneratorNode" and module.startswith("numpy.random"):
            return _NOTHING  # it only draws in `fit`
        known = self.classes is None or name in (self.expected, *self.classes)
        if loader not in _OBJECT_LOADERS or not known or not module.startswith(self.homes):
            raise InputError(
                f"it holds a {module}.{name} ({loader}), which no {self.expected} has."
            )
        if loader == "TreeNode":
            return _node(name, loader, module, **self._tree(found, depth))
        inside = {}
        if found.get("content") is not None:
            inside["content"] = self.node(found["content"], depth - 1)
        if loader == "LossNode":
            arguments = self.node(found["__reduce__"]["args"], depth - 1)
            if arguments["content"]:
                raise InputError(f"its {name} is made with arguments, expected none.")
            inside["__reduce__"] = {"args": arguments}
        return _node(name, loader, module, **inside)

    def _plain(self, found: Mapping[str, Any], loader: str, depth: int) -> dict[str, Any]:
        content = found.get("content")
        if loader == "JsonNode":
            value = json.loads(text("a value in its schema", content))
            if not (value is None or isinstance(value, str | int | float)):
                raise InputError(f"a value in its schema is a {type(value).__name__}.")
            return {"content": content, "is_json": True}
        if loader == "DictNode":
            kinds = {tuple(one[f"__{part}__"] for part in _NAMES)
                     for one in found["key_types"]["content"]}  # fmt: skip
            if not kinds <= {("builtins", "str", "TypeNode")}:
                raise InputError("a mapping in its schema has keys that are no texts.")
            inside = mapping("a mapping in its schema", content)
            return _mapping({key: self.node(one, depth - 1) for key, one in inside.items()})
        if not isinstance(content, list):
            raise InputError("a list in its schema is none.")
        return {"content": [self.node(one, depth - 1) for one in content]}

    def _array(self, found: Mapping[str, Any]) -> dict[str, Any]:
        return self._written(self._unpacked(found)[0])

    def _tree(self, found: Mapping[str, Any], depth: int) -> dict[str, Any]:
        """A tree of a forest, whose arrays are checked before native code sees them."""
        features, classes, outputs = found["__reduce__"]["args"]["content"]
        parts = found["content"]["content"]
        n_features = whole("n_features of a tree", json.loads(features["content"]), 1)
        raw_classes, n_classes = self._unpacked(classes)
        array("n_classes of a tree", n_classes, (1,), "whole numbers", low=1)
        raw_nodes, nodes = self._unpacked(parts["nodes"])
        check_nodes(nodes, n_features)
        # Of many classes the shares are nearly all 0, and shrink to nothing: they have their size.
        raw_values, values = self._unpacked(parts["values"], 8 * len(nodes) * int(n_classes[0]))
        check_values(values, len(nodes), int(n_classes[0]))
        whole("n_outputs of a tree", json.loads(outputs["content"]), 1, 1)
        whole("node_count", json.loads(parts["node_count"]["content"]), len(nodes), len(nodes))
        arguments = [
            self.node(features), _array_node(self._written(raw_classes)), self.node(outputs)
        ]  # fmt: skip
        content = {key: self.node(parts[key], depth - 1) for key in ("max_depth", "node_count")}
        for key, raw in {"nodes": raw_nodes, "values": raw_values}.items():
            content[key] = _array_node(self._written(raw))
        return {
            "content": _node("dict", "DictNode", **_mapping(content)),
            "__reduce__": {"args": _node("tuple", "TupleNode", content=arguments)},
        }

    def _unpacked(self, found: Mapping[str, Any], room: int = 0) -> tuple[bytes, np.ndarray]:
        """(bytes, array) of an array's file, of which `room` bytes are known to be needed."""
        name = found.get("file") if found.get("type") == "numpy" else None
        about = self.members.get(text("the file of an array in its schema", name))
        if about is None:
            raise InputError(f"its schema names the file {name!r}, which it does not hold.")
        # What is named twice is held twice.
        self.unpacked += max(0, about.file_size - room)
        _check_room(self.unpacked, self.size)
        data = self.stored.read(about)
        return data, _opened(data)

    def _written(self, data: bytes) -> dict[str, Any]:
        self.written += 1
        name = f"{self.written}.npy"
        self.new.writestr(name, data)
        return {"type": "numpy", "file": name}


def _node(name: str, loader: str, module: str = "builtins", **rest: Any) -> dict[str, Any]:
    return {"__module__": module, "__class__": name, "__loader__": loader, **rest}


def _array_node(content: dict[str, Any]) -> dict[str, Any]:
    return _node("ndarray", "NdArrayNode", "numpy", **content)


def _mapping(content: dict[str, Any]) -> dict[str, Any]:
    types = [_node("str", "TypeNode")] * len(content)
    return {"key_types": _node("list", "ListNode", content=types), "content": content}


_NOTHING = _node("str", "JsonNode", content="null", is_json=True)


def _check_room(unpacked: int, stored: int) -> None:
    if unpacked > _ROOM + _RATIO * stored:
        raise InputError(
            f"{stored:,} bytes of it would unpack to {unpacked:,}, expected {_RATIO} times as many "
            "at most."
        )


def _opened(data: bytes) -> np.ndarray:
    """The array in the bytes of an .npy file.

    It must be as long as its header says: NumPy would make room for it first.
    """
    start = 10 if data[6:7] == b"\x01" else 12
    start += int.from_bytes(data[8:start], "little")
    shape, in_columns, dtype = _header(data[:start])
    needed, there = math.prod(shape) * dtype.itemsize, len(data) - start
    if dtype.hasobject or not dtype.itemsize or min(shape, default=0) < 0 or needed != there:
        raise InputError(
            f"an array in it says it is of shape {shape} and {dtype}, and has {there:,} bytes."
        )
    found = np.frombuffer(data, dtype, offset=start)
    return found.reshape(shape, order="F" if in_columns else "C")


@functools.lru_cache(maxsize=4096)
def _header(start: bytes) -> tuple[tuple[int, ...], bool, np.dtype]:
    """What the first bytes of an .npy file say: many arrays say the same."""
    opened = io.BytesIO(start)
    version = npy.read_magic(opened)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    return read(opened)
