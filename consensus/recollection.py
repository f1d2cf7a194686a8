"""What this node may have signed before: it asks its peers, and votes only when they know of nothing more.

A validator that starts asks for its own highest vote and waits until those who answered, and are at most one
block ahead, make a quorum with it. A vote with its signature beyond its guard, then or later, means a lost,
old or copied signing database: it votes no more and says why.

    question   ["comity/signed-by-me/v1", validator]
    answer     ["comity/signed-by-you/v1", validator, height of the last block, its highest vote or null]
"""

from collections.abc import Sequence
from typing import Any

from consensus.cose import Signer
from consensus.encoding import EncodingError, Value, encode, whole_numbers
from consensus.events import Send
from consensus.replica_state import Present
from consensus.sync import Sync
from consensus.types import Vote, verify_vote
from consensus.validators import is_name
from consensus.wal import SigningLog, guard_of, position, read_message

_ASK_TAG = "comity/signed-by-me/v1"
_ANSWER_TAG = "comity/signed-by-you/v1"


def encode_question(name: str) -> bytes:
    """What is the last that `name` signed?"""
    return encode([_ASK_TAG, name])


def encode_answer(name: str, height: int, last: Vote | None) -> bytes:
    """The highest vote of `name` that was seen."""
    return encode([_ANSWER_TAG, name, height, None if last is None else last.encode()])


def is_recollection(value: Value) -> bool:
    """Whether a decoded message is a question or an answer about signatures."""
    return isinstance(value, list) and bool(value) and value[0] in (_ASK_TAG, _ANSWER_TAG)


class Recollection:
    """Which key this node votes with now, if any: `withheld` says why it does not."""

    def __init__(
        self,
        present: Present,
        log: SigningLog,
        sync: Sync,
        signers: Sequence[Signer],
        *,
        vote_from: int,
        ask_first: bool,
    ) -> None:
        """`signers` are the present key and the next ones; `vote_from` is what an operator allowed."""
        self._present, self._log, self._sync = present, log, sync
        self._signers = signers
        self._vote_from = vote_from
        self._last_votes: dict[str, Vote] = {}  # the highest seen of each validator
        self._answered: set[str] = set()
        self.asking = ask_first and present.name is not None
        self.withheld: str | None = None
        self.forked: int | None = None  # a height of two decided blocks, by what this node was shown
        self.withheld_above = 0  # the height it was seen to vote at

    def appoint(self) -> None:
        """The key this node votes with at this height, or none."""
        present = self._present
        own = present.validators.get(present.name) if present.name is not None else None
        may = self.withheld is None and not self.asking and present.working >= self._vote_from
        ready = may and not present.chain.ended
        present.voter = next(
            (s for s in self._signers if ready and own is not None and s.public_key == own.public_key), None
        )

    def withhold(self, reason: str, above: int = 0) -> None:
        """Vote no more, and leave the height as it is."""
        self.withheld = self.withheld or reason
        self.withheld_above = max(self.withheld_above, above)
        self.appoint()
        self._present.height = None

    def fork(self, height: int) -> None:
        """Two blocks were decided at this height: whoever votes on helps one history against the other."""
        if self.forked is None:
            self.forked = height
            self.withhold(f"the validators decided two blocks at height {height}: agree which history counts")

    def note(self, vote: Vote) -> None:
        """Remember a verified vote if it is its validator's highest; judge it if it is this node's own."""
        last = self._last_votes.get(vote.validator)
        if last is None or position(guard_of(vote)) > position(guard_of(last)):
            self._last_votes[vote.validator] = vote
        undecided = vote.height > self._present.tip.height
        if vote.validator == self._present.name and undecided and self._log.signed(guard_of(vote)) is None:
            self._judge(vote)

    def ask(self) -> None:
        """Ask everybody, as long as there is a reason to."""
        if self.asking:
            assert self._present.name is not None, "observers sign nothing"
            self._present.broadcast(encode_question(self._present.name))
            self._confirm()

    def take(self, sender: str, value: list[Any]) -> None:
        """A question or an answer; raises ConsensusError for what is neither."""
        present = self._present
        match value:
            case [tag, str() as name] if tag == _ASK_TAG and is_name(name):
                last = self._last_votes.get(name)
                present.out.append(Send(sender, encode_answer(name, present.tip.height, last)))
            case [tag, str() as name, height, None | bytes() as vote] if tag == _ANSWER_TAG and whole_numbers(
                height
            ):
                if name != present.name or not self.asking or present.validators.get(sender) is None:
                    present.refused["unasked"] += 1
                    return
                if vote is not None:
                    self._judge_shown(vote)
                self._sync.note_height(sender, height)
                self._sync.request_if_behind()
                # Who is ahead knows of heights whose validators this node does not know yet (decision 0016).
                if self.asking and height <= present.working:
                    self._answered.add(sender)
                    self._confirm()
            case _:
                raise EncodingError("neither a question nor an answer about signatures")

    def _judge_shown(self, data: bytes) -> None:
        present = self._present
        vote = read_message(data)
        if not isinstance(vote, Vote) or vote.validator != present.name:
            raise EncodingError("not a vote of this validator")
        verify_vote(vote, present.history.at(vote.height), present.chain.network_id)
        self._judge(vote)

    def _judge(self, vote: Vote) -> None:
        """A verified vote of this node: it must be one that it knows it gave."""
        guard = guard_of(vote)
        if position(guard) > position(self._log.guarded) and vote.height >= self._vote_from:
            self.withhold(
                f"the network has a {vote.kind} of this validator for height {vote.height}, round "
                f"{vote.round}, and signing.db knows nothing of it: it is missing, old or restored, or "
                "another node runs with the same keys",
                above=vote.height,
            )

    def _confirm(self) -> None:
        """Vote, once those who answered make a quorum with this node."""
        present = self._present
        own = {present.name} if present.name is not None else set()
        if present.validators.weight_of({*self._answered, *own}) >= present.validators.quorum:
            self.asking = False
            self.appoint()
            self._sync.send_status()  # what was said at this height meanwhile was not kept: ask for it
