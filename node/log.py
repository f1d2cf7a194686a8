"""One JSON line on stderr for every noteworthy moment: `{"at": "commit", "height": 7, ...}`, flushed.

The kill tests wait for these lines and stop the process from outside. No secret is ever a member: ids,
heights and digests only.
"""

from __future__ import annotations

import json
import sys
import threading
import time

from consensus.encoding import Value
from credentials.documents.canonical import b64u

_lock = threading.Lock()


def moment(at: str, **members: Value) -> None:
    """Write one line; bytes appear in base64url."""
    plain = {k: b64u(v) if isinstance(v, bytes) else v for k, v in members.items()}
    line = json.dumps({"at": at, "time_ms": int(time.time() * 1000), **plain}, ensure_ascii=False)
    with _lock:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
