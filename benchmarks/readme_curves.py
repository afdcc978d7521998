"""The picture of the README: the missing-rate curves of a report.

python benchmarks/readme_curves.py demo/report.json docs/curves.svg
"""

import sys

import matplotlib

import srmm


def main() -> None:
    report = srmm.RobustnessReport.from_json(sys.argv[1])
    with matplotlib.rc_context({"svg.hashsalt": "srmm"}):
        report.plot().savefig(sys.argv[2], metadata={"Date": None})


if __name__ == "__main__":
    main()
