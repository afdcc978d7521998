"""The figures printed in the paper's tables, in %, column by column.

Values are those of the tables, also where its text or captions say otherwise: Table I's drop of
12.3 % does not follow from its own accuracies (10.4 % does); the text has 84.9 where Tables I and
VI have 84.8, and 81.6 for TBN where Table VI has 78.7.
"""

from __future__ import annotations

from srmm.experiments.spec import Published

_PAPER = "Saeed et al. 2024"

TABLE_1 = (
    Published(
        "food101",
        "accuracy",
        {"ViLT": (91.9, 65.9), "SRMM": (94.6, 84.8)},
        f"{_PAPER}, Table I; ViLT from Ma et al. 2022",
    ),
)
TABLE_2 = (
    Published(
        "food101",
        "accuracy",
        {
            "Wang et al.": (85.1,),
            "Fused Representations": (85.7,),
            "MMBT": (92.1,),
            "BERT+LSTM": (92.5,),
            "ViLT": (91.9,),
            "Ma et al.": (92.0,),
            "TBN": (94.2,),
            "SRMM": (94.6,),
        },
        f"{_PAPER}, Table II",
    ),
)
TABLE_3 = (
    Published(
        "hateful_memes",
        "auroc",
        {
            "MMBT-Grid": (67.3,),
            "MMBT-Region": (72.2,),
            "ViLBERT": (73.4,),
            "Visual BERT": (73.2,),
            "ViLT": (70.2,),
            "Vilio (five models)": (82.5,),
            "SRMM": (72.5,),
        },
        f"{_PAPER}, Table III; the first four from the challenge",
    ),
)
TABLE_4 = (
    Published(
        "ferramenta",
        "accuracy",
        {
            "Ferramenta": (92.9,),
            "Fused Representations": (94.8,),
            "IeTF": (95.2,),
            "TBN": (96.2,),
            "MHFNet": (96.5,),
            "SRMM": (96.5,),
        },
        f"{_PAPER}, Table IV",
    ),
)
TABLE_5 = (
    Published("voxceleb1", "accuracy", {"TBN": (97.7,), "SRMM": (98.0,)}, f"{_PAPER}, Table V"),
)
TABLE_6 = (
    Published(
        "food101",
        "accuracy",
        {
            "ViLT": (91.9, 88.2, 80.7, 73.3, 65.9, 58.4, None),
            "Ma et al.": (92.0, 90.5, 87.1, 82.6, 77.5, 73.3, None),
            "Kim et al.": (92.0, None, 85.8, 82.1, 78.4, 74.7, 72.6),
            "TBN early": (94.5, 92.7, 89.4, 85.9, 81.8, 78.7, 76.8),
            "TBN mid": (94.2, 92.1, 87.9, 83.6, 79.8, 75.5, 73.3),
            "TBN late": (94.2, 93.0, 88.6, 84.3, 79.9, 75.4, 73.1),
            "SRMM": (94.6, 93.2, 90.9, 88.2, 84.8, 83.3, 82.0),
        },
        f"{_PAPER}, Table VI; ViLT from Ma et al. 2022",
    ),
    Published(
        "hateful_memes",
        "auroc",
        {
            "ViLT": (70.2, 68.8, 65.9, 63.6, 60.2, 58.0, 54.9),
            "Ma et al.": (71.8, 69.7, 66.6, 63.9, 61.2, 59.6, None),
            "Kim et al.": (72.3, None, 69.5, 67.4, 64.4, 61.8, 60.4),
            "TBN early": (59.8, 59.6, 59.2, 59.1, 58.9, 58.1, 58.0),
            "TBN mid": (61.0, 60.7, 60.5, 60.4, 60.1, 59.6, 59.4),
            "TBN late": (61.1, 60.9, 60.2, 60.0, 59.4, 59.7, 59.5),
            "SRMM": (72.5, 72.2, 72.0, 72.1, 71.3, 71.2, 71.2),
        },
        f"{_PAPER}, Table VI; ViLT from Ma et al. 2022",
    ),
)
TABLE_7 = (
    Published(
        "ferramenta",
        "accuracy",
        {"TBN": (96.2, 71.0, 61.6), "SRMM": (96.5, 92.3, 93.4)},
        f"{_PAPER}, Table VII",
    ),
    Published(
        "voxceleb1",
        "accuracy",
        {"TBN": (97.7, 38.9, 31.5), "SRMM": (98.0, 84.7, 82.4)},
        f"{_PAPER}, Table VII",
    ),
)
TABLE_8 = (
    Published(
        "food101",
        "accuracy",
        {
            "ViLT": (91.9, 66.3, 76.7),
            "Lee et al.": (92.0, 74.5, 86.2),
            "Kim et al.": (92.0, 78.8, 86.9),
            "SRMM": (94.6, 84.8, 79.9),
        },
        f"{_PAPER}, Table VIII (its caption says Ma et al. for Lee et al.)",
    ),
    Published(
        "hateful_memes",
        "auroc",
        {
            "ViLT": (70.2, 60.8, 61.6),
            "Lee et al.": (71.0, 59.1, 63.1),
            "Kim et al.": (72.3, 61.4, 66.5),
            "SRMM": (72.5, 72.1, 58.8),
        },
        f"{_PAPER}, Table VIII (its caption says Ma et al. for Lee et al.)",
    ),
)
TABLE_9 = (
    Published("food101", "accuracy", {"SRMM": (94.6, 94.4, 86.8, 49.8)}, f"{_PAPER}, Table IX"),
)
TABLE_10 = {
    ("ResNet-101", None): 57.8,
    ("ViT", None): 69.5,
    ("CLIP", None): 81.7,
    (None, "Doc2Vec"): 74.1,
    (None, "CLIP"): 86.2,
    ("ResNet-101", "Doc2Vec"): 87.5,
    ("ViT", "Doc2Vec"): 88.6,
    ("CLIP", "Doc2Vec"): 92.2,
    ("ViT", "CLIP"): 92.8,
    ("CLIP", "CLIP"): 94.6,
}
"""(image encoder, text encoder) → accuracy on Food-101; None: that modality is not used."""
TABLE_11 = (
    Published(
        "food101",
        "accuracy",
        {"S-1": (94.6, 82.0), "S-2": (94.5, 81.1), "S-3": (93.2, 81.7)},
        f"{_PAPER}, Table XI",
    ),
)
MOSI = (
    Published(
        "mosi",
        "accuracy",
        {
            "uni-SVM (utterances alone)": (77.9,),
            "bc-LSTM (with the utterances around)": (80.3,),
            "majority class": (62.1,),
        },
        "Poria et al. 2017, text + audio + video",
    ),
)
PARAMETERS = {"SRMM": 1_260_000, "TBN": 2_440_000}
"""Section VI, for Food-101: 768-d embeddings, 101 classes."""
