"""Pages in the reader's language: a template's texts are translated as it is compiled.

A template says its texts in English, as plain HTML. Each language but English has a Jinja environment of its
own, made when somebody first reads in it: whatever prose stands between two tags of a block, or in an
attribute that is read out, is looked up in `config/texts/<language>.po` and put in its place. Pages are
rendered as fast as English ones; a text that the catalogue lacks stays English. Expressions in a text are
`{1}`, `{2}`, tags inside it `<1>`, `</1>`: a translation has them in the order that its grammar wants.
Literals in expressions are wrapped by hand: `{{ _('none yet') }}` (decision 0700).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from jinja2 import Environment
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

Lookup = Callable[[str], str]

# What stands for an expression or a statement in the text of a template, while that is looked through.
HOLE = re.compile("\ue000([es])([0-9]+)\ue001")
TAG = re.compile(r"<(/?)(!?[a-zA-Z][\w-]*)((?:[^<>\"]|\"[^\"]*\")*)>")
# Tags that stand in a sentence; any other, and any statement, is where a text ends.
INLINE = frozenset(
    ("a", "abbr", "b", "br", "code", "em", "i", "kbd", "small", "span", "strong", "sub", "sup")
)
VOID = frozenset(("br", "img", "input", "meta", "link", "hr"))
VERBATIM = frozenset(("code", "kbd", "pre", "script", "style", "textarea"))  # never translated by themselves
READ_OUT = re.compile(r"(\s(?:alt|aria-label|data-label|placeholder|title)=\")([^\"]*)(?=\")")
LETTER = re.compile(r"[^\W\d_]")
PLACE = re.compile(r"\{([0-9]+)\}|<(/?)([0-9]+)(/?)>")


@dataclass
class _Part:
    """A piece of text, or a tag with what stands in it; `end` is None of a tag without an end."""

    raw: str
    tag: str = ""
    end: str | None = None
    inner: list[_Part] = field(default_factory=list)


def translated(source: str, lookup: Lookup) -> str:
    """The text of a template, its expressions and statements as holes, with each message looked up."""
    out: list[str] = []
    verbatim = ""
    run: list[str] = []

    def flush() -> None:
        out.extend(_run(run, lookup))
        run.clear()

    for piece in _pieces(source):
        tag = TAG.fullmatch(piece)
        name = tag[2].lower() if tag else ""
        if verbatim:
            out.append(piece)
            if tag and tag[1] and name == verbatim:
                verbatim = ""
        elif (tag and name not in INLINE) or ((hole := HOLE.fullmatch(piece)) and hole[1] == "s"):
            flush()
            out.append(_attributes(piece, lookup) if tag else piece)
            if tag and not tag[1] and name in VERBATIM:
                verbatim = name
        else:
            run.append(_attributes(piece, lookup) if tag else piece)
    flush()
    return "".join(out)


def _pieces(source: str) -> Iterator[str]:
    """Tags, statements between them, and what is text."""
    at = 0
    for tag in TAG.finditer(source):
        yield from _between(source[at : tag.start()])
        yield tag.group()
        at = tag.end()
    yield from _between(source[at:])


def _between(text: str) -> Iterator[str]:
    at = 0
    for hole in HOLE.finditer(text):
        if hole[1] == "s":
            yield from filter(None, (text[at : hole.start()], hole.group()))
            at = hole.end()
    yield from filter(None, (text[at:],))


def _attributes(tag: str, lookup: Lookup) -> str:
    """A tag with those of its attributes looked up that people are told."""

    def told(found: re.Match[str]) -> str:
        return found[1] + _message([_Part(found[2])], lookup)

    return READ_OUT.sub(told, tag)


def _run(run: Iterable[str], lookup: Lookup) -> Iterator[str]:
    """Text with tags that stand in a sentence: a tag without its other half ends the text before it."""
    top: list[_Part] = []
    open_tags: list[_Part] = []

    def here() -> list[_Part]:
        return open_tags[-1].inner if open_tags else top

    for piece in run:
        tag = TAG.fullmatch(piece)
        if tag is None:
            here().append(_Part(piece))
        elif not tag[1]:
            part = _Part(piece, tag[2])
            here().append(part)
            if tag[2] not in VOID:
                open_tags.append(part)
        elif open_tags and open_tags[-1].tag == tag[2]:
            open_tags.pop().end = piece
        else:  # it closes what was opened before this run
            yield from (_told(top, lookup), piece)
            top, open_tags = [], []
    if open_tags:  # closed after this run
        outer = open_tags[0]
        before, after = top[: top.index(outer)], outer.inner
        yield from (_told(before, lookup), outer.raw)
        yield from _run(list(_flat(after)), lookup)
    else:
        yield _told(top, lookup)


def _flat(parts: Iterable[_Part]) -> Iterator[str]:
    for part in parts:
        yield part.raw
        yield from _flat(part.inner)
        if part.end is not None:
            yield part.end


def _told(parts: list[_Part], lookup: Lookup) -> str:
    """One message where prose stands between the tags; else what stands in each."""
    if any(not part.tag and LETTER.search(HOLE.sub("", part.raw)) for part in parts):
        return _message(parts, lookup)
    return "".join(part.raw + _told_in(part, lookup) + (part.end or "") for part in parts)


def _told_in(part: _Part, lookup: Lookup) -> str:
    return "".join(_flat(part.inner)) if part.tag in VERBATIM else _told(part.inner, lookup)


def _message(parts: list[_Part], lookup: Lookup) -> str:
    """The parts in the words and the order of the translation."""
    holes: list[str] = []
    tags: list[_Part] = []

    def plain(part: _Part) -> str:
        if not part.tag:
            return HOLE.sub(hole, part.raw)
        tags.append(part)
        number = len(tags)
        if part.end is None:
            return f"<{number}/>"
        return f"<{number}>{''.join(map(plain, part.inner))}</{number}>"

    def hole(found: re.Match[str]) -> str:
        holes.append(found.group())
        return f"{{{len(holes)}}}"

    whole = "".join(map(plain, parts))
    text = " ".join(whole.split())
    if not LETTER.search(PLACE.sub("", text)):
        return "".join(_flat(parts))
    before, after = whole[: len(whole) - len(whole.lstrip())], whole[len(whole.rstrip()) :]

    def place(found: re.Match[str]) -> str:
        if found[1]:
            return holes[int(found[1]) - 1]
        part = tags[int(found[3]) - 1]
        return (part.end or "") if found[2] else part.raw

    return before + PLACE.sub(place, lookup(text)) + after


def messages(env: Environment, source: str) -> list[str]:
    """The messages of a template, in their order: its texts, and the literals that it wraps in `_()`."""
    found: list[str] = []

    def collect(text: str) -> str:
        found.append(text)
        return text

    stream = env.lexer.tokenize(source)
    translated(_holed(stream)[0], collect)
    tokens = list(env.lexer.tokenize(source))
    for one, bracket, text in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if (one.type, one.value) == ("name", "_") and bracket.type == "lparen" and text.type == "string":
            found.append(text.value)
    return found


def _holed(stream: Iterable[Token]) -> tuple[str, list[list[Token]]]:
    """The text of a template with a hole for each expression and statement, and the tokens of each hole."""
    text: list[str] = []
    held: list[list[Token]] = []
    for token in stream:
        if token.type == "data":
            text.append(token.value)
            continue
        if token.type in ("variable_begin", "block_begin"):
            held.append([])
            text.append(f"\ue000{'e' if token.type == 'variable_begin' else 's'}{len(held) - 1}\ue001")
        held[-1].append(token)
    return "".join(text), held


class PageTexts(Extension):
    """Translates the texts of each template that an environment compiles, by its `page_texts`."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        """The tokens with their data in the words of the language."""
        lookup: Lookup = self.environment.page_texts  # type: ignore[attr-defined]
        text, held = _holed(stream)
        line, at = 1, 0
        told = translated(text, lookup)
        for hole in HOLE.finditer(told):
            if told[at : hole.start()]:
                yield Token(line, "data", told[at : hole.start()])
            tokens = held[int(hole[2])]
            line, at = tokens[-1].lineno, hole.end()
            yield from tokens
        if told[at:]:
            yield Token(line, "data", told[at:])


def environment_in(env: Environment, catalogue: Mapping[str, str]) -> Environment:
    """An environment like this one whose templates are in the words of a catalogue."""
    made = env.overlay()
    made.filters, made.globals, made.tests = dict(env.filters), dict(env.globals), dict(env.tests)
    made.page_texts = lambda text: catalogue.get(text, text)  # type: ignore[attr-defined]
    made.add_extension(PageTexts)
    return made
