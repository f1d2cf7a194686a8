"""The page about the life cycle shows the table that the code reads, and no other."""

from __future__ import annotations

from tests.harness.lifecycle_page import PAGE, lifecycle, with_generated


def test_the_page_is_generated_from_the_table() -> None:
    """
    Diagram and tables of LIFECYCLE.md are those of lifecycle.json (`python -m tests.harness.lifecycle_page`).
    """
    page = PAGE.read_text(encoding="utf-8")

    assert page == with_generated(page, lifecycle())


def test_the_page_explains_every_word_of_who_speaks() -> None:
    """
    Each value of `speaks` that the table uses stands in the page.
    """
    page = PAGE.read_text(encoding="utf-8")

    for event in lifecycle().events.values():
        assert f"`{event.speaks}`" in page or event.speaks == "any", event.type
