"""`python -m node` with room for ten attestations: what fills a pool of twenty thousand takes too long."""

from __future__ import annotations

from consensus import pool
from node.__main__ import main

ROOM = 10

if __name__ == "__main__":
    pool.COUNT_MAX = ROOM
    main()
