"""Names of files, found by what they say rather than by how they are written.

A table and its files come from different machines. A Mac writes "é" as two characters, Windows
does not mind the case of letters and separates folders by backslashes, and a zip of an old program
has its names in the code page of its country.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable

from srmm.data.broken import UnreadableItem

CODE_PAGES = (
    *("utf-8", "cp437", "cp850", "cp852", "cp866", "cp1250", "cp1251", "cp1252", "cp1253"),
    *("cp932", "cp936", "cp949", "cp950"),
)
"""What names that are not known to be Unicode may be written in: those of zip programs."""


class Names:
    """Names, each as its file system or archive has it, to be found by another spelling.

    Parameters
    ----------
    names : iterable of str
        Also paths inside an archive. Bytes that are no UTF-8 are lone surrogates, as in `os`.
    unknown : dict of str to bytes
        The bytes of names whose code page nobody knows.

    Examples
    --------
    >>> names = Names(["cafe\u0301.JPG", r"shop\\1.png"])
    >>> names.find("caf\u00e9.jpg") == "cafe\u0301.JPG", names.find("shop/1.png")
    (True, 'shop\\\\1.png')
    """

    def __init__(self, names: Iterable[str], unknown: dict[str, bytes] | None = None) -> None:
        self._alike: dict[str, list[str]] = {}
        self._bytes: dict[bytes, list[str]] = {}
        for name in names:
            raw = (unknown or {}).get(name) or _bytes_of(name)
            self._alike.setdefault(_folded(name), []).append(name)
            if raw is not None:
                self._bytes.setdefault(raw, []).append(name)

    def find(self, wanted: str) -> str | None:
        """The name that means `wanted`, None if there is none.

        The same letters come before the same letters in another case. Raises `UnreadableItem` if
        several names may be meant.
        """
        alike = self._alike.get(_folded(wanted), [])
        same = [name for name in alike if _plain(name) == _plain(wanted)]
        return _only(same) or _only(alike) or _only(self._in_code_pages(wanted))

    def _in_code_pages(self, wanted: str) -> list[str]:
        if not self._bytes or wanted.isascii():
            return []
        found: dict[str, None] = {}
        for spelling in (_plain(wanted), _plain(wanted).replace("/", "\\")):
            for form in ("NFC", "NFD"):
                for page in CODE_PAGES:
                    try:
                        raw = unicodedata.normalize(form, spelling).encode(page)
                    except UnicodeEncodeError:
                        continue
                    found |= dict.fromkeys(self._bytes.get(raw, []))
        return list(found)


def _only(names: list[str]) -> str | None:
    if len(names) > 1:
        raise UnreadableItem(
            f"may be {names[0]!a} or {names[1]!a}: write the name exactly as that of the file"
        )
    return names[0] if names else None


def _bytes_of(name: str) -> bytes | None:
    """The bytes of a name that is not UTF-8; None of any other."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(name)
    return None


def _plain(name: str) -> str:
    """Composed letters, no blanks around, and slashes between folders, of which none leads."""
    plain = name if name.isascii() else unicodedata.normalize("NFC", name)
    plain = plain.strip().replace("\\", "/").lstrip("/")
    while plain.startswith("./"):
        plain = plain[2:].lstrip("/")
    return plain


def _folded(name: str) -> str:
    folded = _plain(name).casefold()
    return folded if folded.isascii() else unicodedata.normalize("NFC", folded)
