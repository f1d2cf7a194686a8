"""The mutants of a copy of the clone: mutmut finds them, those that are drawn are written into the copy.

Only what is drawn is written, so that a call of any other function costs what it always does, and a draw from
thousands takes no longer than reading the code.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import multiprocessing
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher, unified_diff
from pathlib import Path
from textwrap import dedent

import libcst
from mutmut.mutation.file_mutation import Mutation, combine_mutations_to_source, create_mutations

THEIRS = "from mutmut.mutation.trampoline import wrap_in_trampoline as _mutmut_mutated, MutantDict"
OURS = "from tests.harness.trampoline import mutated as _mutmut_mutated, ran as _mutmut_ran, MutantDict"
PROCESSES = 2

Lines = frozenset[int]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: `function` is dotted, `old` and `new` are the lines without indentation."""

    name: str
    path: str
    function: str
    old: str
    new: str
    lines: tuple[int, ...] = ()  # of the copy: a test that runs none of them cannot tell
    at: int = 0  # the first line that differs, of the file as it was written

    @property
    def told(self) -> str:
        """As a row of `argued.txt` begins."""
        return f"{self.function} | {self.old} | {self.new}"

    @classmethod
    def of(
        cls,
        name: str,
        path: str,
        written: Sequence[str],
        mutated: Sequence[str],
        *,
        first: int = 1,
        places: Mapping[str, int] | None = None,
    ) -> Mutant:
        """From mutmut's name, and the lines of a function before (one is line `first` of the copy) and after.

        `places` says in which line of the file each function begins.
        """
        diff = list(unified_diff(written, mutated, n=0, lineterm=""))[2:]
        old = " ".join(line[1:].strip() for line in diff if line.startswith("-"))
        new = " ".join(line[1:].strip() for line in diff if line.startswith("+"))
        function = re.sub(r"__mutmut_\d+$", "", name).replace("ǁ", ".")
        function = re.sub(r"\.x_?\.?(?=[^.]+(\.[^.]+)?$)", ".", function)
        lines = tuple(sorted(line + first - 1 for line in _changed(written, mutated)))
        inside = function.removeprefix(path.removesuffix(".py").replace("/", ".") + ".")
        head = next(n for n, line in enumerate(written) if re.match(r"\s*(async )?def ", line))
        differs = next((n for n, (a, b) in enumerate(zip(written, mutated, strict=False)) if a != b), head)
        return cls(name, path, function, old, new, lines, (places or {}).get(inside, 0) + differs - head)


def _changed(written: Sequence[str], mutated: Sequence[str]) -> Lines:
    """The lines of the statements that differ, from 1; all of them where what differs is the head."""
    pairs = SequenceMatcher(None, written, mutated, autojunk=False).get_opcodes()
    lines = frozenset(n + 1 for tag, i, j, _, _ in pairs if tag != "equal" for n in range(i, max(j, i + 1)))
    code = dedent("\n".join(written))
    head = ast.parse(code).body[0]
    assert isinstance(head, ast.FunctionDef | ast.AsyncFunctionDef)
    if min(lines, default=1) < head.body[0].lineno:
        return frozenset(range(1, len(written) + 1))
    return whole_statements(code, lines)


def whole_statements(code: str, lines: Lines) -> Lines:
    """These lines and the others of their statements: of a statement with a body only its head."""
    found = set(lines)
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.stmt) and node.end_lineno is not None:
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if body else node.end_lineno
            whole = range(node.lineno, max(end, node.lineno) + 1)
            if lines.intersection(whole):
                found.update(whole)
    return frozenset(found)


def probed(code: str, path: str, lines: Lines) -> str:
    """The code with a call before each statement of these lines, which says that it ran.

    Where no call can stand (`elif`, what follows a colon) the statement around it speaks for it. A docstring
    stays one.
    """
    text = code.splitlines()
    before: dict[int, list[int]] = {}

    def look(statement: ast.stmt | ast.ExceptHandler | ast.match_case, anchor: int) -> None:
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            for inner in getattr(statement, name, ()):
                at = anchor
                if isinstance(inner, ast.stmt):
                    first = min([inner.lineno, *(d.lineno for d in getattr(inner, "decorator_list", ()))])
                    alone = not text[first - 1].encode()[: inner.col_offset].strip()
                    docstring = isinstance(inner, ast.Expr) and isinstance(inner.value, ast.Constant)
                    if alone and not docstring and not text[first - 1].lstrip().startswith("elif"):
                        at = first
                    if at and inner.lineno in lines:
                        before.setdefault(at, []).append(inner.lineno)
                look(inner, at)

    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.FunctionDef) and node.name.endswith("__mutmut_orig"):
            look(node, 0)
    for at, numbers in sorted(before.items(), reverse=True):
        indent = text[at - 1][: len(text[at - 1]) - len(text[at - 1].lstrip())]
        text[at - 1 : at - 1] = [f"{indent}_mutmut_ran({f'{path}:{n}'!r})" for n in sorted(set(numbers))]
    return "\n".join(text) + "\n"


def draw(
    copy: Path, paths: Sequence[str], lines: Mapping[str, Lines] | None, seed: int, number: int
) -> tuple[list[Mutant], int]:
    """Write so many mutants (0: all) of these files into the copy, drawn by the seed; and how many there are.

    With `lines` only those that change one of them. They come in the order in which they were drawn.
    """
    of_file = [(copy, path, lines[path] if lines is not None else None) for path in sorted(paths)]
    fork = multiprocessing.get_context("fork")
    with contextlib.ExitStack() as stack:
        # Each of one process, which reads the files that it counted no second time.
        pools = [stack.enter_context(fork.Pool(1)) for _ in range(PROCESSES)]
        pool_of = [pools[n % PROCESSES] for n in _by_size(copy, sorted(paths))]
        counting = [pool.apply_async(_count, of) for pool, of in zip(pool_of, of_file, strict=True)]
        counts = [count.get() for count in counting]
        all_of_them = [(place, n) for place, count in enumerate(counts) for n in range(count)]
        random.Random(seed).shuffle(all_of_them)
        drawn = all_of_them[: number or None]
        chosen: dict[int, list[int]] = {}
        for place, n in drawn:
            chosen.setdefault(place, []).append(n)
        writing = [pool_of[p].apply_async(_write, (*of_file[p], sorted(ns))) for p, ns in chosen.items()]
        written = [found.get() for found in writing]
    mutants = {
        (place, n): mutant
        for (place, numbers), of_one in zip(chosen.items(), written, strict=True)
        for n, mutant in zip(sorted(numbers), of_one, strict=True)
    }
    return [mutants[key] for key in drawn], len(all_of_them)


def _by_size(copy: Path, paths: Sequence[str]) -> list[int]:
    """The rank of each file, the largest first."""
    ranked = sorted(paths, key=lambda path: (-(copy / path).stat().st_size, path))
    ranks = {path: rank for rank, path in enumerate(ranked)}
    return [ranks[path] for path in paths]


@functools.cache
def _found(
    code: str, path: str, lines: Lines | None
) -> tuple[libcst.Module, list[Mutation], set[str], set[str]]:
    """All mutations of functions and methods, function by function; mutmut leaves out the others."""
    module, mutations, classes, functions = create_mutations(
        path, code, None if lines is None else set(whole_statements(code, lines))
    )
    grouped: dict[libcst.FunctionDef, list[Mutation]] = {f: [] for f in _functions(module)}
    for mutation in mutations:
        function = mutation.contained_by_top_level_function
        if isinstance(function, libcst.FunctionDef) and function in grouped:
            grouped[function].append(mutation)
    return module, [m for of_function in grouped.values() for m in of_function], classes, functions


def _functions(module: libcst.Module) -> Iterator[libcst.FunctionDef]:
    """Functions and methods in the order in which mutmut writes their mutants."""
    for statement in module.body:
        if isinstance(statement, libcst.FunctionDef):
            yield statement
        elif isinstance(statement, libcst.ClassDef) and isinstance(statement.body, libcst.IndentedBlock):
            yield from (m for m in statement.body.body if isinstance(m, libcst.FunctionDef))


def _count(copy: Path, path: str, lines: Lines | None) -> int:
    return len(_found((copy / path).read_text(), path, lines)[1])


def beginnings(code: str) -> dict[str, int]:
    """The line of `def` of each function and method."""
    found = {}
    for node in ast.parse(code).body:
        for inner in node.body if isinstance(node, ast.ClassDef) else [node]:
            if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                name = inner.name if inner is node else f"{getattr(node, 'name', '')}.{inner.name}"
                found[name] = inner.lineno
    return found


def _write(copy: Path, path: str, lines: Lines | None, chosen: Sequence[int]) -> list[Mutant]:
    """Put the chosen mutants into the file of the copy, beside what was written."""
    code = (copy / path).read_text()
    module, mutations, classes, functions = _found(code, path, lines)
    places = beginnings(code)
    file = combine_mutations_to_source(module, [mutations[n] for n in chosen], classes, functions)
    assert THEIRS in file.code, f"mutmut wrote no trampoline into {path}"
    text = file.code.splitlines()

    def body(name: str) -> list[str]:
        span = file.line_span_by_function_name[name]
        plain = re.sub(r"^x(_|ǁ.+ǁ)|__mutmut_\w+$", "", name)
        return [line.replace(name, plain) for line in text[span.start - 1 : span.end]]

    dotted = path.removesuffix(".py").replace("/", ".")
    originals = {name: re.sub(r"\d+$", "orig", name) for name in file.mutant_names}
    found = [
        Mutant.of(
            f"{dotted}.{name}",
            path,
            body(original),
            body(name),
            first=file.line_span_by_function_name[original].start,
            places=places,
        )
        for name, original in originals.items()
    ]
    saying = probed(file.code, path, frozenset(line for mutant in found for line in mutant.lines))
    (copy / path).write_text(saying.replace(THEIRS, OURS))
    compile(saying, path, "exec", dont_inherit=True)
    return found
