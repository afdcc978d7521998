"""The model card: README.md of a saved model, with metadata that the Hugging Face Hub reads.

It claims no licence, which is for whoever publishes the model to choose. What they write into the
card stays when results are added.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from srmm.errors import damage_explained
from srmm.files import replacing_file

TEMPLATE = Path(__file__).with_name("card.md.j2")
CARD = "README.md"
_BEGIN, _END = "<!-- results -->", "<!-- end of results -->"


def model_card(config: Mapping[str, Any]) -> str:
    """The card of a model with this config: what it reads and says, what it learnt from, its use.

    The place of the results is kept for `add_results`.
    """
    from huggingface_hub import ModelCard, ModelCardData

    about, modalities = config["about"], config["modalities"]
    facts = [f"Method `{about['method']}`"]
    if about["recipe"]:
        facts.append(f"recipe `{about['recipe']}`")
    if about["n_parameters"]:
        facts.append(f"{about['n_parameters']:,} parameters")
    holes = config["training"]["holes"]
    rows = [
        {
            "name": name,
            "size": size,
            "encoder": config["inputs"].get(name, {}).get("encoder") or "not recorded",
            "hole": holes[name],
        }
        for name, size in modalities.items()
    ]
    arrays = ", ".join(f'"{name}": array of shape (n, {size})' for name, size in modalities.items())
    parameters = about["parameters"]
    data = ModelCardData(
        library_name="srmm", tags=["multimodal", "missing-modalities", "classification"]
    )
    card = ModelCard.from_template(
        data,
        template_str=TEMPLATE.read_text(encoding="utf-8"),
        title="SRMM" if about["method"].startswith("srmm") else about["method"],
        about=about,
        facts=facts,
        modalities=list(modalities),
        modality_rows=rows,
        classes=[str(label) for label in config["classes"]],
        training=config["training"],
        results=f"{_BEGIN}\n{_END}",
        example="{" + arrays + "}",
        parameters={
            name: "by default" if value is None else _in_words(value)
            for name, value in parameters.items()
        },
        history=config["state"].get("history"),
        class_weight=_in_words(about["class_weight"]),
        seed=_in_words(about["random_state"]),
        versions=_in_words(about["versions"]),
    )
    return str(card).rstrip() + "\n"


def add_results(model_folder: str | Path, content: Mapping[str, Any]) -> None:
    """Write the accuracy per presence pattern into the card of a model, in place of earlier ones.

    Parameters
    ----------
    model_folder : path
        A saved model. Only its README.md is written, atomically; if it has none, nothing is.
    content : dict
        That of a `RobustnessReport` on instances the model was not trained on.
    """
    from huggingface_hub import EvalResult, ModelCard

    path = Path(model_folder) / CARD
    if not path.is_file():
        return
    with damage_explained(path, "Remove it, or give it the head of a model card again."):
        card = ModelCard.load(path)
    name = str(content["data"]["name"])
    card.data.model_name = card.data.model_name or Path(model_folder).resolve().name
    card.data.eval_results = [
        EvalResult(
            task_type="other",  # the Hub has no name for several modalities of any kind
            task_name="Classification when modalities are missing",
            dataset_type=name,
            dataset_name=name,
            dataset_config="+".join(entry["present"]),
            dataset_split="test",
            metric_type="accuracy",
            metric_name=f"Accuracy with {' and '.join(entry['present'])} only",
            metric_value=entry["accuracy"],
        )
        for entry in content["patterns"]
    ]
    section = f"{_BEGIN}\n{_results(content)}\n{_END}"
    before, begin, rest = card.text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    # A card whose owner removed the place gets the results at its end.
    card.text = (
        before + section + after if begin and end else f"{card.text.rstrip()}\n\n{section}\n"
    )
    with replacing_file(path) as temporary:
        temporary.write_text(str(card).rstrip() + "\n", encoding="utf-8")


def _results(content: Mapping[str, Any]) -> str:
    """The section on results: a table with one row per presence pattern."""
    rows = []
    for entry in content["patterns"]:
        interval = entry.get("accuracy_ci")
        between = f"{100 * interval[0]:.1f} – {100 * interval[1]:.1f}" if interval else ""
        present = " + ".join(entry["present"])
        rows.append(f"| {present} | {entry['n']:,} | {100 * entry['accuracy']:.1f} | {between} |")
    overall, name = content.get("overall"), content["data"]["name"]
    as_it_is = []
    if overall:
        right = f"{100 * overall['accuracy']:.1f} %"
        as_it_is = [f"Right on {right} of {overall['n']:,} held-out instances of {name}.", ""]
    others = len({entry["n"] for entry in content["patterns"]}) > 1
    return "\n".join(
        [
            "## Results",
            "",
            *as_it_is,
            "With these modalities only, on the held-out instances that have them"
            + (" (different ones in each row):" if others else ":"),
            "",
            "| present | instances | accuracy in % | 95 % interval |",
            "| --- | --- | --- | --- |",
            *rows,
        ]
    )


def _in_words(value: Any) -> str:
    """A JSON value as a person writes it: "none", "on", "a, b", "name value, name value"."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_in_words(one)}" for name, one in value.items()) or "none"
    if isinstance(value, list | tuple):
        pairs = value and all(isinstance(one, list | tuple) and len(one) == 2 for one in value)
        words = (" ".join(map(_in_words, one)) if pairs else _in_words(one) for one in value)
        return ", ".join(words) or "none"
    return str(value)
