"""A model for programs without srmm: its graphs as ONNX, and all else in one JSON file."""

from srmm.exporting.onnx import Exported, export_onnx

__all__ = ["Exported", "export_onnx"]
