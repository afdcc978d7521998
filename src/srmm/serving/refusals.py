"""What a client hears when its request is not answered: a status, a reason, the field at fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from srmm.errors import SrmmError


class Refusal(SrmmError):  # noqa: N818 - the server's word, and no fault of its own
    """A request that is not answered, and why.

    Parameters
    ----------
    status : int
        Of HTTP.
    reason : str
        A sentence for whoever wrote the request.
    field : str, optional
        Where in the request, as "rows[2].image".
    headers : dict, optional
        Of the answer, such as Retry-After.
    more : dict, optional
        Further facts in the answer.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(reason)
        self.status, self.reason, self.field = status, reason, field
        self.headers, self.more = dict(headers or {}), more

    def content(self, path: str) -> dict[str, Any]:
        """The answer as JSON; at /v2 as the Open Inference Protocol has it, one text."""
        if path.startswith("/v2"):
            where = f"{self.field}: " if self.field else ""
            return {"error": readable(where + self.reason, 1200)}
        field = None if self.field is None else readable(self.field, 200)
        return {"error": {"reason": readable(self.reason, 1000), "field": field, **self.more}}


def readable(text: str, most: int) -> str:
    """A text that came from a client as an answer may hold it: not longer, and valid Unicode."""
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= most else text[: most - 1] + "…"


def later(reason: str, seconds: int = 1) -> Refusal:
    """A refusal of a request that may be sent again in a moment: 503 with Retry-After."""
    return Refusal(503, reason, headers={"Retry-After": str(seconds)})
