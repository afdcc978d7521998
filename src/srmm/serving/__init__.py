"""`srmm serve`: a model behind HTTP, and a page to try it on.

A request goes one way: its body (`bodies`) → what it asks, checked field by field (`contract`,
`given`, `asked`) → a queue that gathers requests into batches (`gatherer`) → the model (`answers`)
→ JSON. `application` puts the routes together, `process` runs them.
"""

from __future__ import annotations
