"""The robustness report as one HTML file that needs nothing else to be looked at."""

from srmm.report.figures import curves_figure
from srmm.report.html import write_report

__all__ = ["curves_figure", "write_report"]
