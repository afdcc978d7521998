"""The robustness report as one HTML file that needs nothing else to be looked at.

What draws is imported when it is asked for: whoever only wants the words waits for no matplotlib.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from srmm.report.figures import curves_figure
    from srmm.report.html import write_report

__all__ = ["curves_figure", "write_report"]

_HOMES = {"curves_figure": "figures", "write_report": "html"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
