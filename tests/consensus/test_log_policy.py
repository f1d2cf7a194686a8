"""Log policies: what is accepted, what is refused at parse time, and what "before" means."""

from dataclasses import replace
from hashlib import sha256
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.checkpoint import (
    COSIGNATURE_KIND,
    LOG_KIND,
    Checkpoint,
    NoteKey,
    SignedNote,
    cosign_line,
    sign_log_line,
)
from consensus.cose import SeedSigner
from consensus.log_policy import LogPolicy, PolicyError, make_policy

ORIGIN = "log.comity.example"
NAMES = [f"did:web:{name}.example" for name in ("maker", "authority-cn", "authority-eu", "customs")]
TIME = 1_803_800_000


def signer(name: str, role: str) -> SeedSigner:
    return SeedSigner(f"{name}#{role}", sha256(f"{name}#{role}".encode()).digest())


def log_key(name: str, origin: str = ORIGIN) -> NoteKey:
    return NoteKey(origin, LOG_KIND, signer(name, "log").public_key)


def witness_key(name: str) -> NoteKey:
    return NoteKey(name, COSIGNATURE_KIND, signer(name, "cosign").public_key)


LOGS = [log_key(name) for name in NAMES]
WITNESSES = [(name, witness_key(name)) for name in NAMES]
TEXT = make_policy(ORIGIN, LOGS, WITNESSES, 3)
CHECKPOINT = Checkpoint(ORIGIN, 42, sha256(b"root").digest())


def note(
    times: dict[str, int], logs: tuple[str, ...] = (NAMES[0],), checkpoint: Checkpoint = CHECKPOINT
) -> SignedNote:
    lines = [sign_log_line(checkpoint, checkpoint.origin, signer(name, "log")) for name in logs]
    lines += [cosign_line(checkpoint, name, time, signer(name, "cosign")) for name, time in times.items()]
    return SignedNote(checkpoint.body(), tuple(lines))


def test_policy_of_a_network() -> None:
    """
    The written policy lists every log key under one origin, every validator as witness, and the quorum.
    """
    policy = LogPolicy.parse(TEXT)

    assert policy.origin == ORIGIN
    assert policy.logs == tuple(LOGS)
    assert dict(policy.witnesses) == dict(WITNESSES)
    assert TEXT.splitlines()[-2:] == [f"group all 3 {' '.join(NAMES)}", "quorum all"]
    assert LogPolicy.parse(TEXT.encode()) == policy


def test_exactly_the_sets_of_three_are_enough() -> None:
    """
    Of all sets of four witnesses those of three or four satisfy the policy, and no other.
    """
    policy = LogPolicy.parse(TEXT)

    for count in range(5):
        for names in combinations(NAMES, count):
            assert policy.is_met_by(names) == (count >= 3)
            times = {name: TIME + index for index, name in enumerate(names)}
            if count >= 3:
                assert policy.cosigned(note(times)) == times
            else:
                with pytest.raises(PolicyError, match="too few"):
                    policy.cosigned(note(times))


def test_any_one_log_key_is_enough_and_one_is_needed() -> None:
    """
    Each of the listed log keys may have signed; a note without any is refused, however many cosigned.
    """
    policy, times = LogPolicy.parse(TEXT), dict.fromkeys(NAMES, TIME)

    for name in NAMES:
        assert policy.cosigned(note(times, (name,))) == times
    with pytest.raises(PolicyError, match="no log key"):
        policy.cosigned(note(times, ()))
    with pytest.raises(PolicyError, match="no log key"):
        policy.cosigned(note(times, ("did:web:stranger.example",)))


def test_another_log_is_refused() -> None:
    """
    A checkpoint of another origin is refused even when our keys signed it.
    """
    other = Checkpoint("other.example", 42, CHECKPOINT.root)

    with pytest.raises(PolicyError, match="another log"):
        LogPolicy.parse(TEXT).cosigned(note(dict.fromkeys(NAMES, TIME), checkpoint=other))


def test_a_text_that_is_no_checkpoint_is_refused() -> None:
    """
    Signed text of another form does not pass for a checkpoint.
    """
    text = f"{ORIGIN}\nnot a size\nnot a root\n"
    line = sign_log_line(CHECKPOINT, ORIGIN, signer(NAMES[0], "log"))

    with pytest.raises(PolicyError):
        LogPolicy.parse(TEXT).cosigned(SignedNote(text, (line,)))


def test_reduce_leaves_nothing_to_spare() -> None:
    """
    A reduced note has one log line and the three earliest cosignatures, and satisfies the policy.
    """
    policy = LogPolicy.parse(TEXT)
    times = {NAMES[0]: TIME + 9, NAMES[1]: TIME + 1, NAMES[2]: TIME + 2, NAMES[3]: TIME + 3}

    reduced = policy.reduce(note(times, (NAMES[1], NAMES[3])))

    assert policy.cosigned(reduced) == {name: times[name] for name in NAMES[1:]}
    assert len(reduced.lines) == 4
    assert reduced.signatures[0].key_id == log_key(NAMES[1]).key_id


def test_before_is_the_second_smallest_of_three_of_four() -> None:
    """
    With three of four, one may lie: the smallest time may be false, the second smallest is not before the
    truth.
    """
    policy = LogPolicy.parse(TEXT)

    assert policy.before(dict(zip(NAMES[:3], [TIME + 5, 1, TIME + 7], strict=True))) == TIME + 5
    assert policy.before(dict(zip(NAMES, [TIME + 5, TIME, TIME + 7, TIME + 6], strict=True))) == TIME + 5


@given(st.integers(4, 13), st.data())
@settings(max_examples=80, deadline=None)
def test_before_is_never_earlier_than_the_truth(n: int, data: st.DataObject) -> None:
    """
    Whatever f liars of n say, and whichever quorum signed, the entry existed at `before` and an honest signer
    says so.
    """
    names = [f"w{number}" for number in range(n)]
    keys = [(name, witness_key(name)) for name in names]
    q = 2 * n // 3 + 1
    policy = LogPolicy.parse(make_policy(ORIGIN, LOGS, keys, q))
    made = 1000
    signers = data.draw(st.permutations(names))[:q]
    liars = set(data.draw(st.permutations(names))[: (n - 1) // 3])
    times = {
        name: data.draw(st.integers(1, 2000) if name in liars else st.integers(made, 2000))
        for name in signers
    }

    before = policy.before(times)

    assert before >= made
    assert before == sorted(times.values())[n - q]
    assert any(time <= before for name, time in times.items() if name not in liars)


def test_before_under_a_quorum_below_one_half() -> None:
    """
    One of three may be the only signature: then its own time is all there is.
    """
    policy = LogPolicy.parse(make_policy(ORIGIN, LOGS, WITNESSES[:3], 1))

    assert policy.before({NAMES[0]: 5}) == 5
    assert policy.before({NAMES[0]: 5, NAMES[1]: 9}) == 9


def test_nested_groups_of_the_specification() -> None:
    """
    Two of three X and one of three Y, as in the example of tlog-policy, with blanks, comments and URLs.
    """
    names = ["X1", "X2", "X3", "Y1", "Y2", "Y3"]
    text = (
        f"# who we believe\n\n \tlog  {LOGS[0].vkey()}\thttps://log.example/\n"
        + "".join(f"witness {name} {witness_key(name).vkey()}\n" for name in names)
        + "group X-witnesses 2 X1 X2 X3\ngroup Y-witnesses any Y1 Y2 Y3\n"
        + "group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
    )
    policy = LogPolicy.parse(text)

    assert policy.is_met_by({"X1", "X3", "Y2"})
    assert not policy.is_met_by({"X1", "X2", "X3"})
    assert not policy.is_met_by({"X1", "Y1", "Y2", "Y3"})


def test_a_single_witness_as_quorum() -> None:
    """
    A quorum line may name one witness.
    """
    text = f"log {LOGS[0].vkey()}\nwitness W {WITNESSES[0][1].vkey()}\nquorum W\n"

    assert LogPolicy.parse(text).is_met_by({"W"})


LOG = f"log {LOGS[0].vkey()}\n"
W1 = f"witness W1 {WITNESSES[0][1].vkey()}\n"
W2 = f"witness W2 {WITNESSES[1][1].vkey()}\n"


@pytest.mark.parametrize(
    "text,reason",
    [
        ("", "empty"),
        ("\n", "quorum"),
        ("# nothing\n", "quorum"),
        (LOG + W1, "no quorum"),
        (W1 + "quorum W1\n", "no log"),
        (LOG + "quorum none\n", "proves nothing"),
        (LOG + W1 + "quorum W1", "not ended"),
        (LOG + W1 + "quorum W2\n", "line 3.*W2"),
        (LOG + "quorum W1\n" + W1, "line 2.*W1"),
        (LOG + W1 + "quorum W1\nquorum W1\n", "second quorum"),
        (LOG + W1 + W2 + "group G 3 W1 W2\nquorum G\n", "3 of 2"),
        (LOG + W1 + W2 + "group G 0 W1 W2\nquorum G\n", "number"),
        (LOG + W1 + W2 + "group G 01 W1 W2\nquorum G\n", "number"),
        (LOG + W1 + W2 + "group G -1 W1 W2\nquorum G\n", "number"),
        (LOG + W1 + W2 + "group G ١ W1 W2\nquorum G\n", "number"),
        (LOG + W1 + W2 + "group G most W1 W2\nquorum G\n", "number"),
        (LOG + W1 + "group G all\nquorum G\n", "number of words"),
        (LOG + W1 + "group G all W1 W3\nquorum G\n", "W3"),
        (LOG + W1 + "group G all W1 G\nquorum G\n", "G is not"),
        (LOG + W1 + "group G all none\nquorum G\n", "none"),
        (LOG + W1 + "group G 1 W1 W1\nquorum G\n", "member"),
        (LOG + W1 + W2 + "group G all W1\ngroup H all W1 W2\nquorum H\n", "member"),
        (LOG + W1 + "group W1 all W1\nquorum W1\n", "taken"),
        (LOG + W1 + W1.replace("W1", "W2") + "quorum W1\n", "twice"),
        (LOG + W1 + W2.replace("W2", "W1") + "quorum W1\n", "taken"),
        (LOG + W1.replace("W1", "none") + "quorum none\n", "taken"),
        (LOG + LOG + W1 + "quorum W1\n", "twice"),
        (LOG + f"log {log_key('x', 'other.example').vkey()}\n" + W1 + "quorum W1\n", "two origins"),
        (LOG + f"witness W1 {LOGS[1].vkey()}\nquorum W1\n", "not a cosignature key"),
        (f"log {WITNESSES[0][1].vkey()}\n" + W1 + "quorum W1\n", "not a log key"),
        (LOG.replace("+", "-", 1) + W1 + "quorum W1\n", "line 1"),
        (LOG + W1 + "quorum W1 W2\n", "number of words"),
        (LOG + W1 + "quorum\n", "number of words"),
        (LOG + W1 + "witness\nquorum W1\n", "number of words"),
        (LOG + W1 + "threshold 1\nquorum W1\n", "threshold"),
        (LOG + W1 + "quorum\u00a0W1\n", "quorum"),
        (LOG + W1 + "quorum W1\r\n", "CR LF"),
        (LOG + W1 + "\x0cquorum W1\n", "control"),
        (LOG + W1 + "#jurisdiction\nquorum W1\n", "line 3 .* number of words"),
        (LOG + W1 + "#jurisdiction CN\nquorum W1\n", "line 3 .* number of words"),
        (LOG + W1 + "#jurisdiction CN W1 W2\nquorum W1\n", "W2 is not a witness of an earlier line"),
        (LOG + "#jurisdiction CN W1\n" + W1 + "quorum W1\n", "W1 is not a witness of an earlier line"),
        (LOG + W1 + "group G all W1\n#jurisdiction CN G\nquorum G\n", "G is not a witness"),
        (LOG + W1 + "#jurisdiction CN W1 W1\nquorum W1\n", "W1 is of CN already"),
        (LOG + W1 + "#jurisdiction CN W1\n#jurisdiction EU W1\nquorum W1\n", "W1 is of CN already"),
        (LOG + W1 + W2 + "#jurisdiction CN W1\n#jurisdiction CN W2\nquorum W1\n", "second line of .* CN"),
        (LOG + W1 + "#" * 70_000 + "\nquorum W1\n", "bytes"),
        (LOG + W1 + "\n" * 2_000 + "quorum W1\n", "lines"),
    ],
)
def test_malformed_policies_are_refused_when_read(text: str, reason: str) -> None:
    """
    A policy that could not mean what it says is refused before anything is judged by it, with the line.
    """
    with pytest.raises(PolicyError, match=reason):
        LogPolicy.parse(text)


def test_bytes_that_are_not_utf8_are_refused() -> None:
    """
    Names are compared as text, so text it must be.
    """
    with pytest.raises(PolicyError, match="UTF-8"):
        LogPolicy.parse((LOG + W1).encode() + b"# \xff\nquorum W1\n")


@pytest.mark.parametrize(
    "quorum", [0, 5, 16], ids=["nobody", "more than there are", "more than a note holds"]
)
def test_make_policy_refuses_impossible_quorums(quorum: int) -> None:
    """
    A network cannot be founded with a quorum that nobody or nothing can meet.
    """
    with pytest.raises(PolicyError):
        make_policy(ORIGIN, LOGS, WITNESSES, quorum)


def test_make_policy_refuses_a_log_key_of_another_name() -> None:
    """
    The name of a log key is the origin.
    """
    with pytest.raises(PolicyError):
        make_policy("other.example", LOGS, WITNESSES, 3)


def test_a_policy_says_of_which_jurisdictions_its_witnesses_are() -> None:
    """
    Two of four can block three of four, one cannot; a jurisdiction nobody named is under the empty name.
    """
    a, b, c, d = NAMES
    policy = LogPolicy.parse(make_policy(ORIGIN, LOGS, WITNESSES, 3, {a: "CN", b: "CN", c: "EU"}))

    assert policy.jurisdictions == {a: "CN", b: "CN", c: "EU"}
    assert policy.never_without() == ("CN",)
    assert policy.by_jurisdiction([d, c, b, a]) == {"": (d,), "CN": tuple(sorted((a, b))), "EU": (c,)}
    assert policy.by_jurisdiction([c]) == {"EU": (c,)}


def test_to_every_other_reader_a_jurisdiction_is_a_comment() -> None:
    """
    Its lines begin with a number sign and decide nothing: without them the same cosignatures are enough.
    """
    text = make_policy(ORIGIN, LOGS, WITNESSES, 3, dict.fromkeys(NAMES, "CN"))
    bare = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))

    assert bare == TEXT != text
    assert LogPolicy.parse("# jurisdiction CN of nobody\n" + TEXT).jurisdictions == {}
    assert replace(LogPolicy.parse(text), jurisdictions={}) == LogPolicy.parse(bare)
    assert LogPolicy.parse(bare).never_without() == ()
