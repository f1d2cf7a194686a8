"""What Schemathesis does not know of our media types: `tests/system/test_schemathesis.py` loads this."""

from __future__ import annotations

import schemathesis

# One order a line: a line is a JSON text as it writes them.
schemathesis.serializer.alias("application/x-ndjson", "application/json")
