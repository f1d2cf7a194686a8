"""When lists of other servers were last had: nobody's lists take the place of other servers'."""

from node.verdicts.last_held import LastHeld


def test_one_server_with_lists_without_end_makes_nobody_elses_forgotten() -> None:
    """
    Of the server that has most the oldest list is forgotten; a list that is had again is as new as that, also
    where there is no room.
    """
    held = LastHeld(most=4)
    held.put("https://a.example/list", 1)
    held.put("https://b.example/list", 2)
    for number in range(100):
        held.put(f"https://many.example/{number}", 10 + number)
    held.put("https://a.example/list", 200)

    assert held.get("https://a.example/list") == 200
    assert held.get("https://b.example/list") == 2
    assert [held.get(f"https://many.example/{number}") for number in range(97, 100)] == [None, 108, 109]
