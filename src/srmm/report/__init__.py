"""The robustness report as one HTML file that needs nothing else to be looked at."""

from srmm.report.html import write_report

__all__ = ["write_report"]
