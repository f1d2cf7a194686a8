"""Twins: two production nodes with one key, each with its own disk and its own view."""

from tests.harness.sim.cluster import Node


class Twin(Node):
    """Neither knows of the other: what one signs, the other may contradict."""

    honest = False
    instances = 2
