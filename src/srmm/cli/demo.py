"""The command `srmm demo`: its arguments, and the words it answers with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from srmm.cli.options import Seed, Talk

WHAT_TO_SEE = """\
The first table has a row for every presence pattern, SRMM beside its baselines, and the curves show
how far accuracy falls as pictures or names go missing. Further down are the categories it takes for
one another, and the emoji it was sure of and got wrong, with what picture and name alone say."""


def demo(
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])] = Path("demo"),
    seed: Seed = 0,
    talk: Talk = Talk(),
) -> None:
    """The whole way on real data: encode OpenMoji's pictures and names, train, evaluate, report.

    1,897 emoji, each a picture and a name, in 8 categories. Nothing is downloaded.

    Parameters
    ----------
    output
        The folder for embeddings, model and report. A second run reuses the embeddings.
    seed
        Of split and training.
    """
    from srmm.cli.evaluate import patterns_text
    from srmm.workflows import evaluate_workflow, fit_workflow
    from srmm.workflows.evaluate import check_report
    from srmm.workflows.places import check_own_model

    check_report(output / "report.html")
    check_own_model(output / "model", data="openmoji", store="embeddings")
    fitted = fit_workflow(
        "openmoji",
        output / "model",
        store=output / "embeddings",
        seed=seed,
        overwrite=True,
        progress=talk.progress,
        epochs=talk.epochs(),
    )
    report = evaluate_workflow(
        output / "model", output / "report.html", seed=seed, progress=talk.progress
    )
    places = {
        "report": output / "report.html",
        "numbers": output / "report.json",
        "model": output / "model",
        "embeddings": output / "embeddings",
    }
    shown = "\n".join(f"{name}: {path}" for name, path in places.items())
    ending = f"open {output / 'report.html'}\n{WHAT_TO_SEE}"
    text = f"{fitted.summary}\n\n{patterns_text(report.content)}\n\n{shown}\n\n{ending}"
    talk.result({**places, "patterns": report.content["patterns"]}, text)
