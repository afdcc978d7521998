"""The command line. Every command reads its arguments and calls one function below."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Parameter
from rich.markup import escape

from srmm.cli.memory import give_back_large_arrays, look_for_garbage_later
from srmm.cli.signals import ENDED, Ended, heed_signals, leave_workers
from srmm.cli.streams import Printer, flushed, prepare_streams, reader_left
from srmm.cli.system_errors import explained, quiet_when_full
from srmm.errors import SrmmError, shown
from srmm.version import __version__

COMMANDS = {
    "demo": (
        "demo",
        "The whole way on real data: encode OpenMoji's pictures and names, train, evaluate, "
        "report.",
    ),
    "fit": (
        "fit",
        "Train a classifier on a table of raw items (or a store of embeddings) and save it.",
    ),
    "evaluate": (
        "evaluate",
        "Evaluate a model under missing and corrupted modalities; write an HTML and a JSON report.",
    ),
    "predict": (
        "predict",
        "Predict every row of a table, whatever it has; write .csv, .parquet, .jsonl or .xlsx.",
    ),
    "serve": ("serve", "Serve a model over HTTP, with a page to try it on."),
    "distil": (
        "distil",
        "Make a model of the default method a fifth of its size: one network taught by the five.",
    ),
    "export": (
        "export",
        "Write a model as ONNX graphs, for programs without srmm and without PyTorch.",
    ),
    "push": (
        "push",
        "Upload a model to the Hugging Face hub, with its card and a handler for endpoints.",
    ),
    "encode": ("encode", "Turn a table's raw items into a store of embeddings."),
    "check": (
        "check",
        "Say whether new rows are like those of training, or whether folders of ours are whole.",
    ),
    "compare": (
        "compare",
        "Compare methods on your own data: a ranking, and which differences are significant.",
    ),
    "reproduce": (
        "reproduce",
        "Run a table or figure of the paper, the published numbers beside ours.",
    ),
    "encoders": ("lists", "List the encoders: what they read, their size, source and licence."),
    "datasets": ("lists", "List the data sets `srmm` can read by name, and how to get them."),
    "methods": (
        "lists",
        "List the methods of `srmm fit --method`: what each is, and where it comes from.",
    ),
}
"""Each command's module, and the first sentence of its help: `srmm --help` loads no command."""

UNREAD = ENDED + 13
"""The exit code where nobody reads any more: that of a tool that SIGPIPE, number 13, ends."""

_KEPT = "What is finished is kept: the same command goes on from there."

app = App(
    name="srmm",
    help="Classify from several modalities, any of which may be missing.",
    help_epilogue=(
        "Start with `srmm demo`, or with a table of your own:\n\n"
        "`srmm fit products.csv --image photo --text title --label category -o model`\n\n"
        "`srmm evaluate model -o report.html`\n\n"
        "Every command takes `--config FILE.yaml` (a section per command, overridden by the "
        "command line). Exit codes: 0 fine, 1 data or run error, 2 usage, 3 alarm of `srmm check`, "
        "130 interrupted, 141 nobody reads what is printed, 143 ended by SIGTERM."
    ),
    help_format="plaintext",  # rendering markdown takes a sixth of the time of `srmm --help`
    version=__version__,
    suppress_keyboard_interrupt=False,  # said below, with what it means
    default_parameter=Parameter(negative_iterable=()),
    console=Printer(),
    error_console=Printer(stderr=True),
)
for command, (module, summary) in COMMANDS.items():
    app.command(f"srmm.cli.{module}:{command}", help=summary, help_format="markdown")


app.meta.suppress_keyboard_interrupt = False


@app.meta.default
def _launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    config: Path | None = None,
) -> None:
    """Run a command, with defaults from a YAML file.

    Parameters
    ----------
    config
        A YAML file with a section per command, e.g. `fit: {method: srmm-paper}`.
    """
    app.config = ()
    if config is not None:
        from srmm.cli.settings_file import SettingsFile, read_settings

        read_settings(config, COMMANDS)  # what is wrong with it is said as any other error
        app.config = (SettingsFile(config, must_exist=True),)
    app(tokens, exit_on_error=False, print_error=True)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit: 0 fine, 1 an error, 2 usage, 3 an alarm, 130 interrupted, 141
    unread, 143 ended by SIGTERM."""
    prepare_streams()
    heed_signals()
    warnings.formatwarning = _as_a_line
    sys.unraisablehook = quiet_when_full
    # Spinning OpenMP threads collapse where several processes share the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    give_back_large_arrays()
    look_for_garbage_later()
    code = run(sys.argv[1:] if arguments is None else arguments)
    error = flushed()
    if isinstance(error, BrokenPipeError):
        code = code or UNREAD
    elif error is not None:
        _complain(f"The result could not be printed: {error.strerror}.")
        code = code or 1
    if code > ENDED:
        leave_workers(code)
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run the command line and return the exit code."""
    app.config = ()  # of a run before
    whole_help(*arguments)
    try:
        app.meta(arguments, exit_on_error=False, print_error=True, result_action="return_value")
    except CycloptsError:
        return 2  # already printed
    except SrmmError as error:
        _complain(str(error))
        return 1
    except UnicodeEncodeError as error:  # bytes of a name, or of a cell, that are no text
        _complain(f"{_line_of(error)} is no valid UTF-8 and cannot be stored. Rename it.")
        return 1
    except KeyboardInterrupt:
        _complain(f"Interrupted. {_KEPT}")
        return 130
    except Ended as ended:
        _complain(f"{ended} {_KEPT}")
        return ENDED + ended.number
    except SystemExit as stop:
        return int(stop.code or 0)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and reader_left():  # who has seen enough
            return UNREAD
        said = explained(error)
        if said is None:
            raise
        _complain(said)
        return 1
    return 0


def whole_help(*names: str) -> None:
    """Load those of the names that are commands, whose help is then more than its first sentence.

    With a summary cyclopts would show nothing else, in the help of the command itself, too.
    """
    for command in COMMANDS.keys() & set(names):
        app[command].help = None


def _as_a_line(message: Warning | str, *where: Any, **more: Any) -> str:
    """A warning without the line of code it came from, which says nothing to whoever typed."""
    return f"warning: {message}\n"


def _line_of(error: UnicodeEncodeError) -> str:
    """The line that could not be written, which a file may have many of."""
    text = str(error.object)
    start, end = text.rfind("\n", 0, error.start) + 1, text.find("\n", error.end)
    return shown(text[start : len(text) if end < 0 else end].strip(" ,"))


def _complain(message: str) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody listens
        Printer(stderr=True, soft_wrap=True, highlight=False).print(
            f"[bold red]error:[/bold red] {escape(message)}"
        )


__all__ = ["COMMANDS", "app", "main", "run", "whole_help"]
