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

    @property
    def content(self) -> dict[str, Any]:
        """The answer as JSON."""
        return {"error": {"reason": self.reason, "field": self.field, **self.more}}


def later(reason: str, seconds: int = 1) -> Refusal:
    """A refusal of a request that may be sent again in a moment: 503 with Retry-After."""
    return Refusal(503, reason, headers={"Retry-After": str(seconds)})
