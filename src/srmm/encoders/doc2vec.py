"""Doc2Vec: texts → 300 numbers, by a model that is fitted on the training texts.

Needs gensim (LGPL-2.1): `pip install 'srmm[doc2vec]'`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from srmm.data.broken import UnreadableItem
from srmm.data.checks import array, finite, mapping, texts, whole
from srmm.encoders.base import EncoderAbout
from srmm.errors import InputError, MissingExtraError, StoreError
from srmm.files import replacing_folder

_FORMAT = "srmm-doc2vec"
_VERSION = 1
"""Another one if any number below changes: what was fitted is used with the same."""

_CONFIG, _VOCABULARY, _WEIGHTS = "config.json", "vocabulary.json", "model.safetensors"

_MAX_WORDS = 10_000
"""Of one text; gensim looks no further."""

_MOST = {"embedding_dim": 100_000, "epochs": 100_000, "min_count": 10**9, "seed": 2**32 - 1}
"""Of what an encoder is fitted with."""

_NEGATIVE = 5
_ALPHA, _MIN_ALPHA = 0.025, 0.0001
_SAMPLE = 1e-3


class Doc2VecEncoder:
    """The paragraph vector of a text (Le and Mikolov 2014), in its bag-of-words form (PV-DBOW).

    A fitted encoder: `fit` learns a vocabulary and the weights that predict words from a
    paragraph's vector, from training texts and nothing else. `encode` infers the vector of any
    text with those weights frozen, of a training text too, so that all come about alike. Every
    text starts from random numbers of its own, so neither its batch nor the order matters.
    With one thread and a seed, fitting again gives the same encoder on the same machine.

    Words are runs of letters and digits, in lower case. A text without a word that was learnt has
    no vector: it is an unreadable item.

    Parameters
    ----------
    folder : path, optional
        Where `save` wrote one that was fitted.
    embedding_dim : int
        300 in the paper (Table X), which says nothing of the rest.
    epochs : int
        Passes over the training texts, and over a text whose vector is inferred. Short texts need
        many: of 1,000 product titles a linear classifier on vectors fitted on 3,000 others puts
        87 % into the right category after 40, 92 or 93 % after 100.
    min_count : int
        How often a word must occur in the training texts to be learnt.
    seed : int
    """

    kind = "text"
    name = "doc2vec"

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        embedding_dim: int = 300,
        epochs: int = 100,
        min_count: int = 2,
        seed: int = 0,
    ) -> None:
        _gensim()
        self.batch_size = 256
        self._training = {
            "embedding_dim": embedding_dim,
            "epochs": epochs,
            "min_count": min_count,
            "seed": seed,
        }
        self._words: list[str] = []
        self._tensors: dict[str, np.ndarray] = {}
        self._model: Any = None
        spec = self.name
        if folder is not None:
            path = Path(folder).expanduser().resolve()
            self._training, self._words, self._tensors = _read(path)
            self._model = self._inference_model()
            spec = f"{self.name}:{path}"
        for option in ("embedding_dim", "epochs", "min_count"):
            if self._training[option] < 1:
                raise InputError(f"{option} must be at least 1, got {self._training[option]}.")
        for option, most in _MOST.items():
            if self._training[option] > most:
                raise InputError(f"{option} must be {most} at most, got {self._training[option]}.")
        self.embedding_dim = self._training["embedding_dim"]
        self.settings = self._settings(spec)

    @property
    def is_fitted(self) -> bool:
        """Whether it can encode."""
        return self._model is not None

    def fit(self, items: Sequence[str]) -> None:
        """Learn from these texts, forgetting others; they should be those of training rows only.

        Raises `InputError` if no word occurs `min_count` times.
        """
        gensim = _gensim()
        documents = [
            gensim.TaggedDocument(words, [number])
            for number, words in enumerate(filter(None, map(_split, items)))
        ]
        counts = Counter(word for document in documents for word in document.words)
        if max(counts.values(), default=0) < self._training["min_count"]:
            raise InputError(
                f"Doc2Vec cannot be fitted: no word occurs {self._training['min_count']} times in "
                f"{len(items):,} training texts. It needs more texts; 'minilm' needs none."
            )
        model = _new_model(self._training)
        with _quiet():
            model.build_vocab(documents)
            model.train(documents, total_examples=model.corpus_count, epochs=model.epochs)
        self._words = list(model.wv.index_to_key)
        self._tensors = {
            "counts": np.array([counts[word] for word in self._words], dtype=np.int64),
            "output_weights": np.ascontiguousarray(model.syn1neg, dtype=np.float32),
        }
        # Made from what is saved, so that a loaded one is the same to the bit.
        self._model = self._inference_model()
        self.settings = self._settings(None)

    def save(self, folder: str | Path) -> Path:
        """Write the fitted encoder to a new folder, and return its path.

        It holds `config.json`, `vocabulary.json` and `model.safetensors`;
        `load_encoder("doc2vec:FOLDER", "text")` reads it.
        """
        from safetensors.numpy import save

        self._check_fitted()
        folder = Path(folder)
        if folder.exists():
            raise InputError(f"{folder} already exists. Choose another.")
        config = {"format": _FORMAT, "version": _VERSION, "training": self._training}
        with replacing_folder(folder) as temporary:
            for name, content in [(_CONFIG, config), (_VOCABULARY, self._words)]:
                text = json.dumps(content, ensure_ascii=False, indent=1)
                (temporary / name).write_text(text + "\n", encoding="utf-8", newline="\n")
            (temporary / _WEIGHTS).write_bytes(save(self._tensors))
        return folder

    def prepare(self, item: str) -> list[str]:
        """A text → those of its words that were learnt."""
        self._check_fitted()
        known = self._model.wv.key_to_index
        words = [word for word in _split(item) if word in known]
        if not words:
            raise UnreadableItem(f"holds none of the {len(known):,} words that Doc2Vec has learnt")
        return words

    def encode(self, prepared: Sequence[list[str]]) -> np.ndarray:
        """n lists of words → float32 of shape (n, embedding_dim)."""
        self._check_fitted()
        return np.stack([self._infer(words) for words in prepared])

    def _infer(self, words: list[str]) -> np.ndarray:
        # gensim's `infer_vector` starts from Python's hash of the text, another in every process,
        # and from wherever the model's random numbers have got to.
        text = " ".join(words).encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(text, digest_size=8, key=b"%d" % self._training["seed"]).digest()
        random = np.random.default_rng(int.from_bytes(digest, "little"))
        d = self.embedding_dim
        vector = ((random.random((1, d)) - 0.5) / d).astype(np.float32)
        self._model.random.seed(int.from_bytes(digest[:4], "little"))
        work, trained = np.zeros(d, dtype=np.float32), np.ones(1, dtype=np.float32)
        for alpha in np.linspace(_ALPHA, _MIN_ALPHA, self._training["epochs"]):
            _gensim().train_document_dbow(
                self._model,
                words,
                [0],
                alpha,
                work,
                learn_words=False,
                learn_hidden=False,
                doctag_vectors=vector,
                doctags_lockf=trained,
            )
        return vector[0]

    def _inference_model(self) -> Any:
        """A model of gensim with the vocabulary and the weights, and no texts."""
        model = _new_model(self._training, min_count=1, sorted_vocab=0)
        counts = self._tensors["counts"].tolist()
        with _quiet():
            model.build_vocab_from_freq(dict(zip(self._words, counts, strict=True)))
        model.syn1neg = self._tensors["output_weights"]
        return model

    def _check_fitted(self) -> None:
        if not self.is_fitted:
            raise InputError(
                "This Doc2Vec has not been fitted yet. Call fit(training texts), or load one that "
                "was: 'doc2vec:FOLDER'."
            )

    def _settings(self, spec: str | None) -> dict[str, Any]:
        weights = None
        if self._words:
            digest = hashlib.sha256(json.dumps(self._words).encode())
            for _, tensor in sorted(self._tensors.items()):
                digest.update(np.ascontiguousarray(tensor).tobytes())
            weights = digest.hexdigest()
        return {
            "spec": spec,
            "weights": weights,
            "preprocessing": {"words": "lower case, letters and digits", "max_words": _MAX_WORDS},
            "training": dict(self._training),
            "output": "inferred paragraph vector (PV-DBOW)",
        }


ABOUT = (
    EncoderAbout(
        name="doc2vec",
        good_for="words and topics of the table's own texts",
        embedding_dim="300",
        description="paragraph vectors, fitted on the training texts alone (split 'train')",
        preprocessing="words in lower case; those that occur once are left out",
        source="srmm, on gensim: pip install 'srmm[doc2vec]'",
        licence="LGPL-2.1 (gensim); nothing pretrained",
        needs_network="no",
        classes={"text": Doc2VecEncoder},
    ),
    EncoderAbout(
        name="doc2vec:FOLDER",
        good_for="words and topics of the table's own texts",
        embedding_dim="as it was fitted",
        description="paragraph vectors, as they were fitted on the training texts of a table",
        preprocessing="words in lower case; those it has learnt",
        source="a store that was encoded with doc2vec (STORE/_encoders/text), or "
        "Doc2VecEncoder.save",
        licence="LGPL-2.1 (gensim); the training texts' (what was learnt)",
        needs_network="no",
        classes={"text": Doc2VecEncoder},
    ),
)


def _split(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())[:_MAX_WORDS]


def _new_model(training: dict[str, int], **options: Any) -> Any:
    chosen = {
        "vector_size": training["embedding_dim"],
        "epochs": training["epochs"],
        "min_count": training["min_count"],
        "seed": training["seed"],
        **options,
    }
    return _gensim().Doc2Vec(
        dm=0,
        negative=_NEGATIVE,
        alpha=_ALPHA,
        min_alpha=_MIN_ALPHA,
        sample=_SAMPLE,
        workers=1,
        **chosen,
    )


def _read(folder: Path) -> tuple[dict[str, int], list[str], dict[str, np.ndarray]]:
    """(training settings, words, tensors) of a folder that `save` wrote."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not folder.is_dir():
        raise InputError(f"There is no folder {folder} to load a fitted Doc2Vec from.")
    try:
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        words = json.loads((folder / _VOCABULARY).read_text(encoding="utf-8"))
        tensors = load_file(folder / _WEIGHTS)
        if config["format"] != _FORMAT or config["version"] > _VERSION:
            raise ValueError(f"{_CONFIG} is not of format {_FORMAT!r}, version {_VERSION}")
        training = mapping("training", config["training"], _MOST)
        for option, most in _MOST.items():
            whole(f"training.{option}", training[option], int(option != "seed"), most)
        if not texts("the vocabulary", words) or len(set(words)) < len(words):
            raise ValueError("the vocabulary is empty, or holds a word twice")
        mapping("the tensors", tensors, ("counts", "output_weights"))
        # gensim's native code follows them without a look.
        array("counts", tensors["counts"], (len(words),), "int64", low=1, high=2**40)
        shape = len(words), training["embedding_dim"]
        finite(
            "output_weights", array("output_weights", tensors["output_weights"], shape, "float32")
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:
        raise StoreError(
            f"{folder} holds no fitted Doc2Vec that can be read ({error}). Expected are the files "
            f"of `Doc2VecEncoder.save`: {_CONFIG}, {_VOCABULARY} and {_WEIGHTS}."
        ) from None
    return training, words, tensors


def _gensim() -> Any:
    try:
        from gensim.models import doc2vec
    except ImportError:
        raise MissingExtraError("gensim", "doc2vec", "The text encoder 'doc2vec'") from None
    return doc2vec


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """gensim warns of vocabularies that are small, which is no fault of the user's."""
    logger = logging.getLogger("gensim")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
