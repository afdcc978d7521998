"""How long whole fits of a case take, one after the other, with all cores: on quiet ones.

python benchmarks/recipe/fit_time.py STORES [--root DATA] [--methods srmm …] [CASE]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from cases import by_name, open_data, parts

from srmm.methods import make_method

METHODS: dict[str, dict[str, Any]] = {
    "logreg": {},
    "srmm": {},
    "srmm-paper": {"standardize": True},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("stores", type=Path)
    parser.add_argument("case", nargs="?", default="article types, 12,000")
    parser.add_argument("--root", type=Path, help="where data sets lie that are downloaded")
    parser.add_argument("--methods", nargs="*", choices=list(METHODS), default=list(METHODS))
    given = parser.parse_args()
    (case,) = by_name([given.case])
    train, _ = parts(case, open_data(case.data, given.stores, given.root), 0, inner=False)
    print(f"{case.name}: {len(train):,} rows, {train.embedding_dims}")
    for name in given.methods:
        start = time.perf_counter()
        make_method(name, None, METHODS[name], random_state=0).fit(train)
        print(f"{name}: {time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()
