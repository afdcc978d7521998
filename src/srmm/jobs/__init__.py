"""The jobs behind the command line: from a table or a store to a model, predictions, a report.

Each is one function over paths and plain values, so that a script can do what a command does.
"""

from srmm.jobs.data import open_data
from srmm.jobs.evaluate import evaluate_job
from srmm.jobs.fit import Fitted, fit_job
from srmm.jobs.pictures import note_source
from srmm.jobs.predict import predict_job, predictions_frame

__all__ = [
    "Fitted",
    "evaluate_job",
    "fit_job",
    "note_source",
    "open_data",
    "predict_job",
    "predictions_frame",
]
