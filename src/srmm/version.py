"""The version of srmm, and the versions of all that a result depends on."""

from __future__ import annotations

__version__ = "0.1.0"


def versions() -> dict[str, str]:
    """The versions of srmm, PyTorch, scikit-learn, NumPy and Python, to be kept with a result.

    >>> list(versions())
    ['srmm', 'torch', 'scikit-learn', 'numpy', 'python']
    """
    import platform  # all of them here: `srmm --version` waits for none

    import numpy
    import sklearn
    import torch

    return {
        "srmm": __version__,
        "torch": torch.__version__,
        "scikit-learn": sklearn.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
    }
