"""Our files and folders: written whole or not at all, sealed, and read as ours or refused.

A reader sees the old one or the new one, never half of one nor a mixture. A file that has changed
since it was written is noticed: every one has a SHA-256 digest, beside it or in it.
"""

from srmm.files.digests import check_files, digest_of_file, listed
from srmm.files.json_files import (
    is_of_format,
    json_ready,
    read_json,
    replacing_json,
    write_json,
)
from srmm.files.locks import only_writer
from srmm.files.names import beside, followed
from srmm.files.reading import read_whole, standing
from srmm.files.tensors import load_tensors, map_tensors, save_tensors
from srmm.files.unfinished import remove_finished, unfinished_work
from srmm.files.whole import (
    remove_interrupted,
    remove_litter,
    replacing_file,
    replacing_folder,
)

__all__ = [
    "beside",
    "check_files",
    "digest_of_file",
    "followed",
    "is_of_format",
    "json_ready",
    "listed",
    "load_tensors",
    "map_tensors",
    "only_writer",
    "read_json",
    "read_whole",
    "remove_finished",
    "remove_interrupted",
    "remove_litter",
    "replacing_file",
    "replacing_folder",
    "replacing_json",
    "save_tensors",
    "standing",
    "unfinished_work",
    "write_json",
]
