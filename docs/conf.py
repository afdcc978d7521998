"""Sphinx, for `make docs`: what can be drawn from the code is drawn here, at each build."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
MADE = DOCS / "_made"
sys.path[:0] = [str(DOCS), str(DOCS.parent / "src")]
# The tutorial runs in a process of its own: the same source, and nothing is fetched.
paths = [str(DOCS.parent / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
os.environ["PYTHONPATH"] = os.pathsep.join(paths)
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import draw_architecture  # noqa: E402

from srmm import __version__  # noqa: E402
from srmm.cli import COMMANDS, app, whole_help  # noqa: E402

project = "srmm"
author = copyright = "the srmm authors"
release = version = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build", "_made", "results.md"]
nitpicky = False  # types in docstrings are words ("bool array of shape (n, M)"), not references
default_role = "code"  # docstrings write `name`

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True

napoleon_google_docstring = False
napoleon_use_ivar = True
autodoc_typehints = "none"  # the docstrings say more than the annotations
autodoc_member_order = "bysource"
autosummary_generate = True

html_theme = "pydata_sphinx_theme"
html_title = "srmm"
html_static_path = ["_static"]
html_sidebars = {"*": [], "results/**": ["sidebar-nav-bs"]}
html_css_files = ["custom.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "header_links_before_dropdown": 4,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": [],
    "footer_end": [],
    "show_prev_next": True,
}
linkcheck_timeout = 20


def draw() -> None:
    """What the pages include: tables of the code, and the help of the commands."""
    MADE.mkdir(exist_ok=True)
    house = draw_architecture.House(draw_architecture.SOURCE)
    made = {
        "tree.md": draw_architecture.tree(house),
        "floors.md": draw_architecture.floors(house),
        "figures.md": draw_architecture.figures(house),
        "cli.md": commands(),
    }
    for name, text in made.items():
        (MADE / name).write_text(text + "\n", encoding="utf-8")


def commands() -> str:
    """The reference that cyclopts writes of the app, without its title."""
    whole_help(*COMMANDS)
    text = app.generate_docs(output_format="markdown", heading_level=1)
    return re.sub(r"\A# .*\n", "", text)


draw()
