"""What another node shows before its body is read: a word that only this server makes, for a while."""

import pytest

from node.server.connections import Rank
from node.server.tickets import NOBODY, TICKET_S_MAX, Tickets


@pytest.mark.parametrize(("sender", "rank"), [("did:web:a.example", Rank.VOTES), ("a b é", Rank.TAKES_PART)])
def test_a_word_is_read_by_who_made_it_until_it_is_old(sender: str, rank: Rank) -> None:
    """
    Whoever shows the word is that sender, until ten minutes later; to another server it is nobody.
    """
    now = [5.0]
    here, elsewhere = Tickets(lambda: now[0]), Tickets(lambda: now[0])
    word = here.give(sender, rank)

    assert here.read(word) == (sender, rank)
    assert elsewhere.read(word) == NOBODY
    now[0] += TICKET_S_MAX
    assert here.read(word) == NOBODY


def test_no_other_word_is_anybodys() -> None:
    """
    What was cut, lengthened or altered anywhere, and what is no such word at all.
    """
    here = Tickets()
    word = here.give("did:web:a.example", Rank.TAKES_PART)
    others = [word[:end] for end in range(len(word))] + [
        f"{word}x",
        f"x{word}",
        f"{word}=",
        ".",
        "..",
        "\xe9.\xe9",
    ]
    others += [word[:at] + ("A" if word[at] != "A" else "B") + word[at + 1 :] for at in range(len(word))]

    assert here.read(None) == NOBODY
    assert {here.read(other) for other in others} == {NOBODY}
