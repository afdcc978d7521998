"""Every experiment by name: the paper's tables and figures, and analyses beyond them."""

from __future__ import annotations

from dataclasses import replace

from srmm.experiments import published
from srmm.experiments.spec import COMPLETE, DROPPED, Experiment, Setting, Variant

SRMM = Variant("srmm-paper", label="SRMM (paper)")
SCALED = Variant("srmm-paper", {"standardize": True}, "SRMM (paper, standardised)")
DEFAULT = Variant("srmm", label="SRMM (default)")
EACH_ALONE = Variant("unimodal:*")  # one column per modality
ALONE_PAPER = Variant("unimodal:*", {"recipe": "paper"}, "* alone (paper)")
TBN_PAPER = tuple(
    Variant(f"tbn-{point}-zeros", {"recipe": "paper", "learning_rates": ()}, f"TBN {point} (paper)")
    for point in ("early", "mid", "late")
)
"""Trained as the paper trains SRMM, whose layers it shares, and as wide: 2.44 M parameters."""
SRMMS = (SRMM, SCALED, DEFAULT)
SIMPLE = tuple(
    Variant(name)
    for name in ("router", "logreg", "logreg-concat", "extratrees", "hist-gradient-boosting")
)
BRANCHES = tuple(
    Variant(name)
    for name in (
        "tbn-early", "tbn-mid", "tbn-late", "tbn-early-zeros", "tbn-mid-zeros", "tbn-late-zeros",
        "tbn-early-opl", "modality-dropout",
    )
)  # fmt: skip
TRANSFORMERS = tuple(
    Variant(name) for name in ("vilt-tokens", "ma2022", "lee2023-input", "lee2023-attention")
)
IMPUTERS = tuple(Variant(name) for name in ("kim2024", "shaspec", "smil"))
ALL = (*SRMMS, EACH_ALONE, *SIMPLE, *TBN_PAPER, *BRANCHES, *TRANSFORMERS, *IMPUTERS)
FEW = (*SRMMS, EACH_ALONE, Variant("router"), Variant("logreg"), Variant("tbn-early"))

COUNTERPARTS = {
    "SRMM": SRMM.column,
    "TBN": "TBN early (paper)",
    "TBN early": "TBN early (paper)",
    "TBN mid": "TBN mid (paper)",
    "TBN late": "TBN late (paper)",
    "ViLT": "vilt-tokens",
    "Ma et al.": "ma2022",
    "Lee et al.": "lee2023-input",
    "Kim et al.": "kim2024",
    "S-1": "S-1",
    "S-2": "S-2",
    "S-3": "S-3",
}
"""The paper's name → our column. Its TBN is fed zeros for what is absent, as published."""

AVAILABLE = (1.0, 0.9, 0.7, 0.5, 0.3, 0.1, 0.0)  # of the dropped modality, Table VI
_CURVE = tuple(Setting(test={DROPPED: rate / 10}) for rate in range(11))


_EXPERIMENTS = (
    Experiment(
        "table1",
        "Table I: complete, and 30 % of one modality available in test",
        (Variant("vilt-tokens"), SRMM, SCALED, DEFAULT),
        settings=(COMPLETE, Setting(test={DROPPED: 0.7})),
        published=published.TABLE_1,
        view="drop",
    ),
    *(
        Experiment(
            f"table{number}",
            f"Table {roman}: complete modalities ({data})",
            ALL,
            published=figures,
            view="ranking",
        )
        for number, roman, data, figures in (
            (2, "II", "UPMC Food-101", published.TABLE_2),
            (3, "III", "Hateful Memes", published.TABLE_3),
            (4, "IV", "Ferramenta", published.TABLE_4),
            (5, "V", "VoxCeleb1", published.TABLE_5),
        )
    ),
    Experiment(
        "table6",
        "Table VI: one modality going missing in test",
        ALL,
        settings=tuple(Setting(test={DROPPED: round(1 - a, 6)}) for a in AVAILABLE),
        published=published.TABLE_6,
    ),
    Experiment(
        "table7",
        "Table VII: each modality fully missing in test",
        ALL,
        settings=(COMPLETE, Setting(test={"each": 1.0})),
        published=published.TABLE_7,
    ),
    Experiment(
        "table8",
        "Table VIII: 30 % of one modality available in training and test",
        (SRMM, DEFAULT, Variant("router"), Variant("tbn-early"), Variant("modality-dropout"),
         Variant("vilt-tokens"), Variant("lee2023-input"), Variant("kim2024")),
        settings=(COMPLETE, Setting(train={"each": 0.7}, test={"each": 0.7})),
        published=published.TABLE_8,
        note="Masks are drawn once per (split, modality, rate, seed) by exact count; the held-out "
        "part of the training set is masked as the rest of it. Test figures are exact expectations "
        "over masks, of a model trained under one mask per seed.",
    ),
    Experiment(
        "table9",
        "Table IX: Gaussian noise on all test embeddings",
        ALL,
        settings=tuple(Setting(sigma=sigma) for sigma in (0.0, 0.1, 0.5, 1.0)),
        published=published.TABLE_9,
        note="σ is absolute, as in the paper: how much it is depends on the scale of each "
        "encoder's embeddings. The JSON also has σ in units of each feature's standard deviation.",
    ),
    Experiment(
        "table10",
        "Table X: encoders",
        (SRMM, ALONE_PAPER, DEFAULT, EACH_ALONE),
        view="encoders",
        note="One store per combination of encoders.",
    ),
    Experiment(
        "table11",
        "Table XI: switching strategies",
        # S-1 is the recipe's own: the training that the other tables have, too.
        (Variant("srmm-paper", label="S-1"),
         *(Variant("srmm-paper", {"switching": s}, f"S-{s[1]}") for s in ("s2", "s3"))),
        settings=(COMPLETE, Setting(test={DROPPED: 1.0})),
        published=published.TABLE_11,
        view="drop",
    ),
    Experiment(
        "parameters",
        "Section VI: trainable parameters",
        ALL,
        view="parameters",
    ),
    Experiment(
        "fig4",
        "Fig. 4: accuracy while one modality goes missing, with unimodal lines",
        (SRMM, ALONE_PAPER, DEFAULT, EACH_ALONE),
        settings=_CURVE,
        view="curves",
        note="The picture counts what is missing, the table what is left. In the picture a "
        "modality alone is a level, measured with all its items, as in the paper; in the table "
        "it loses them like the others. The paper prints no numbers for this figure.",
    ),
    Experiment(
        "fig5",
        "Fig. 5: t-SNE of what the classifier sees",
        (SRMM, Variant("tbn-early"), Variant("vilt-tokens")),
        settings=(COMPLETE, Setting(test={"each": 1.0})),
        view="tsne",
    ),
    Experiment(
        "mosi",
        "CMU-MOSI beside published figures for utterances",
        ALL,
        published=published.MOSI,
        view="ranking",
        note="The published features and official split; bc-LSTM also reads the utterances before "
        "and after, which no method here does.",
    ),
    Experiment(
        "missingness",
        "Beyond the paper: missing at random, by class, and by the item's own confidence",
        FEW,
        view="missingness",
        note="At every rate the same number of items is missing. By class: items are "
        "drawn with a weight that grows with their class, in an order drawn once per seed. By "
        "confidence: an item is the likelier to be missing, the less sure the model is of it "
        "alone, as when bad pictures are discarded; figures are means over 20 draws.",
    ),
    Experiment(
        "several",
        "Beyond the paper: every set of modalities missing at once",
        ALL,
        view="patterns",
        note="All test instances; one that has nothing left gets the class shares of training.",
    ),
    Experiment(
        "imbalance",
        "Beyond the paper: share of each modality available in training",
        (DEFAULT, Variant("router"), Variant("tbn-early")),
        view="imbalance",
        note="Tested with everything present. An instance that lost all its items teaches nothing.",
    ),
    Experiment(
        "calibration",
        "Beyond the paper: expected calibration error and Brier score per presence pattern",
        FEW,
        view="calibration",
    ),
)  # fmt: skip

EXPERIMENTS: dict[str, Experiment] = {one.name: one for one in _EXPERIMENTS}

IMBALANCE = (1.0, 0.5, 0.1)
"""Shares available in training, for each of two modalities."""


def variants_for(experiment: Experiment, modalities: tuple[str, ...]) -> tuple[Variant, ...]:
    """The columns on data with these modalities: "unimodal:*" becomes one each.

    The paper's branch is 2,048 wide for faces and voices, and 768 elsewhere (IV-B).
    """
    out: list[Variant] = []
    for variant in experiment.variants:
        names = modalities if variant.method == EACH_ALONE.method else ("",)
        for name in names:
            one = variant
            if name:
                label = variant.label.replace("*", name)
                one = replace(variant, method=f"unimodal:{name}", label=label)
            paper = one.method == "srmm-paper" or one.parameters.get("recipe") == "paper"
            if paper and "face" in modalities:
                one = replace(one, parameters={**one.parameters, "hidden_dim": 2048})
            out.append(one)
    return tuple(out)
