"""A module of PyTorch as an ONNX file with one free axis, under names that are ours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from srmm.encoders.onnx_engine import OPSET, is_installed, quiet_exporter
from srmm.errors import MissingExtraError, SrmmError, first_line

PRESENT = "present"
OUTPUTS = ("probabilities", "alone")
_ROWS = 3  # made-up instances that the exporter follows through the module


def check_installed() -> None:
    """Raise `MissingExtraError` unless all is there that exporting needs."""
    if not is_installed():
        raise MissingExtraError("onnx, onnxscript and onnxruntime", "onnx", "Exporting to ONNX")


def input_names(modalities: Sequence[str]) -> dict[str, str]:
    """Modality → the graph's input: its name, with "_" behind one that is taken.

    >>> input_names(["image", "present"])
    {'image': 'image', 'present': 'present_'}
    """
    names: dict[str, str] = {}
    for modality in modalities:
        name = modality
        while name in (PRESENT, *OUTPUTS, *names.values()):
            name += "_"
        names[modality] = name
    return names


def write_graph(graph: object, sizes: dict[str, int], file: Path) -> None:
    """Export a `ClassifierGraph` that reads modalities of these lengths, for any batch size."""
    import torch
    from torch import nn

    assert isinstance(graph, nn.Module)
    items = [torch.zeros(_ROWS, size, dtype=torch.float32) for size in sizes.values()]
    present = torch.from_numpy(np.ones((_ROWS, len(sizes)), dtype=bool))
    free = ({0: torch.export.Dim.DYNAMIC},) * (len(items) + 1)
    names = [*input_names(list(sizes)).values(), PRESENT]
    graph = graph.eval()
    with torch.inference_mode():
        outputs = OUTPUTS[: len(graph(*items, present))]
    try:
        with quiet_exporter():
            program = torch.onnx.export(
                graph,
                (*items, present),
                dynamo=True,
                dynamic_shapes=(free,),
                input_names=[f"given.{i}" for i in range(len(names))],
                output_names=[f"made.{name}" for name in outputs],
                opset_version=OPSET,
                verbose=False,
            )
    except Exception as error:  # whatever the exporter raises
        raise SrmmError(
            f"PyTorch's exporter to ONNX failed ({first_line(error)[:200]})."
        ) from error
    assert program is not None
    _name(program.model, names, outputs)
    program.save(file, external_data=False)


def _name(model: Any, inputs: Sequence[str], outputs: Sequence[str]) -> None:
    """Give the ends of the graph their names, and all that lies between others than those.

    No name of a modality has a colon.
    """
    graph = model.graph
    for number, value in enumerate(list(graph.initializers.values())):
        value.name = f"constant:{number}"
    for number, node in enumerate(graph):
        for place, value in enumerate(node.outputs):
            value.name = f"inner:{number}:{place}"
    for values, names in ((graph.inputs, inputs), (graph.outputs, outputs)):
        for value, name in zip(values, names, strict=True):
            value.name = name
            value.shape = type(value.shape)(["n", *value.shape.dims[1:]])
