"""Makes face_voice.json: what the original networks return for seeded weights and inputs.

The originals do not install beside current PyTorch, or need TensorFlow, so this is run by hand in
environments of their own, and their numbers are stored for the tests:

    pip install --target A --no-deps facenet-pytorch==2.6.0
    git clone https://github.com/WeidiXie/VGG-Speaker-Recognition B
    python -m venv C; C/bin/pip install tensorflow-cpu==2.21.0 tf_keras==2.21.0
    python -m venv D; D/bin/pip install librosa==0.11.0 torch webrtcvad-wheels "setuptools<81"
    D/bin/pip install --no-deps resemblyzer==0.1.4

    D/bin/python -m tests.encoders.make_face_voice inception_resnet_v1 A
    C/bin/python -m tests.encoders.make_face_voice utterance_aggregator B/src
    D/bin/python -m tests.encoders.make_face_voice resemblyzer

Each run replaces its part of the file. The stored numbers of the aggregator come from the two
files of B that it uses (backbone.py, model.py), retyped without the branches for other networks.
"""

from __future__ import annotations

import importlib
import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

from tests.encoders.seeded_weights import (
    digest,
    seeded_faces,
    seeded_keras_weights,
    seeded_spectrograms,
    seeded_weights,
    shapes_of,
    sung_vowels,
)

FILE = Path(__file__).with_name("face_voice.json")


def inception_resnet_v1(folder: str) -> dict[str, Any]:
    """The network's module alone: the package around it needs torchvision."""
    import torch

    package = types.ModuleType("models")
    package.__path__ = [str(Path(folder) / "facenet_pytorch" / "models")]
    sys.modules["models"] = package
    sys.modules.setdefault("requests", types.ModuleType("requests"))
    adapters = types.ModuleType("requests.adapters")
    adapters.HTTPAdapter = None
    sys.modules.setdefault("requests.adapters", adapters)
    network = importlib.import_module("models.inception_resnet_v1").InceptionResnetV1().eval()
    weights = seeded_weights(shapes_of(network))
    network.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()}, strict=False)
    pixels = torch.from_numpy(seeded_faces()).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        output = network((pixels - 127.5) / 128.0)  # `fixed_image_standardization`
    return {
        "from": "facenet-pytorch 2.6.0",
        "state_dict": digest(shapes_of(network)),
        "output": rounded(output.numpy()),
    }


def utterance_aggregator(folder: str) -> dict[str, Any]:
    """The published code under tf_keras, which keeps the Keras 2 that it was written for."""
    import tf_keras as keras

    sys.modules["keras"] = keras
    for part in ("layers", "backend", "regularizers"):
        sys.modules[f"keras.{part}"] = getattr(keras, part)
    keras.engine = types.SimpleNamespace(Layer=keras.layers.Layer)
    keras.backend.tensorflow_backend = types.SimpleNamespace(_get_available_gpus=list)
    sys.path.insert(0, folder)
    backbone = importlib.import_module("backbone")
    if not hasattr(backbone, "resnet_2D_v1"):  # the name that model.py has for it
        backbone.resnet_2D_v1 = backbone.resnet_2D
    options = types.SimpleNamespace(
        net="resnet34s",
        loss="softmax",
        vlad_cluster=8,
        ghost_cluster=2,
        bottleneck_dim=512,
        aggregation_mode="gvlad",
    )
    model = importlib.import_module("model").vggvox_resnet2d_icassp(
        (257, None, 1), 5994, "eval", options
    )
    layers = {}
    for layer in model.layers:
        if layer.weights:
            layers[layer.name] = {v.name: list(v.shape) for v in layer.weights}
            weights = seeded_keras_weights(layers[layer.name])
            layer.set_weights(list(weights.values()))
    output = model(seeded_spectrograms()[..., None], training=False)
    return {
        "from": "backbone.py, model.py of WeidiXie/VGG-Speaker-Recognition; tf_keras 2.21.0",
        "layers": layers,
        "output": rounded(output.numpy()),
    }


def resemblyzer() -> dict[str, Any]:
    from resemblyzer import VoiceEncoder, preprocess_wav
    from resemblyzer.audio import wav_to_mel_spectrogram

    encoder = VoiceEncoder("cpu", verbose=False)
    voice = preprocess_wav(sung_vowels())
    return {
        "from": "resemblyzer 0.1.4 with librosa 0.11.0",
        "samples_kept": len(voice),
        "mel_frame_50": rounded(wav_to_mel_spectrogram(voice)[50]),
        "output": rounded(encoder.embed_utterance(voice)),
    }


def rounded(array: np.ndarray) -> list[Any]:
    text = json.dumps(array.tolist())
    return json.loads(text, parse_float=lambda number: float(f"{float(number):.7g}"))


if __name__ == "__main__":
    part, *arguments = sys.argv[1:]
    content = json.loads(FILE.read_text()) if FILE.exists() else {}
    content[part] = globals()[part](*arguments)
    FILE.write_text(json.dumps(dict(sorted(content.items())), separators=(",", ":")))
    print(f"{FILE}: {part} of {content[part]['from']}")
