"""`comity`, `python -m node`: runs one command, and ends with an exit code.

0 clear, 1 not clear, 2 could not decide; 64 usage, 65 set-up or input, 69 node not reachable, 70 our fault,
77 not allowed, 130 stopped by whoever ran it. Whatever goes wrong is one sentence on stderr,
and, where a table knows, one on what to do next; COMITY_DEBUG=1 adds the traceback.
"""

from __future__ import annotations

import sys
import traceback

from node import NOT_INSTALLED

try:
    import click
    from click.exceptions import NoArgsIsHelpError

    from consensus.errors import ConsensusError
    from credentials.errors import CredentialError
    from node.cli import comity
    from node.cli.terminal import one_line, say, step_line
    from node.config import environment
    from node.errors import AnsweredProblem, ProblemError, SetupError
except ModuleNotFoundError as missing:
    print(f"comity: {NOT_INSTALLED} ({missing})", file=sys.stderr)
    raise SystemExit(70) from None

EXIT_USAGE, EXIT_DATA, EXIT_UNAVAILABLE, EXIT_SOFTWARE, EXIT_NOT_ALLOWED = 64, 65, 69, 70, 77


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; never returns."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code."""
    try:
        result = comity.main(arguments, prog_name="comity", standalone_mode=False)
    except NoArgsIsHelpError as error:
        say(error.format_message(), err=True)
        return EXIT_USAGE
    except click.UsageError as error:
        typed = "comity" if error.ctx is None else error.ctx.command_path
        step = f"next: `{typed} --help` says what can be typed there."
        return _say(error, error.format_message(), EXIT_USAGE, step)
    except click.ClickException as error:
        return _say(error, error.format_message(), EXIT_DATA)
    except click.Abort:
        return _say(None, "stopped", 130)
    except SetupError as error:
        step = step_line({"fault": error.FAULT, "next": error.step}) if error.step else ""
        return _say(error, str(error), error.EXIT_CODE, step)
    except ProblemError as error:
        return _say(error, str(error), _exit_code(error.status), _step(error))
    except (CredentialError, ConsensusError) as error:  # what was given breaks a rule of form
        return _say(error, str(error), EXIT_DATA, _step(error))
    except UnicodeEncodeError as error:  # the shell gave bytes, and Python half a surrogate for each
        told = f"{str(error.object)[:80]!a} is not text in UTF-8: type it, or the name of the file, as such"
        return _say(error, told, EXIT_USAGE)
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.filename is None:
            return _say(error, f"this should not happen: {type(error).__name__}: {error}", EXIT_SOFTWARE)
        return _say(error, f"{error.filename} cannot be read or written: {error.strerror}", EXIT_DATA)
    except ModuleNotFoundError as error:
        return _say(error, f"{NOT_INSTALLED} ({error})", EXIT_SOFTWARE)
    except Exception as error:
        return _say(error, f"this should not happen: {type(error).__name__}: {error}", EXIT_SOFTWARE)
    return result if isinstance(result, int) else 0


def _say(error: BaseException | None, sentence: str, code: int, step: str = "") -> int:
    if error is not None and environment("COMITY_DEBUG"):
        traceback.print_exception(error)
    print(f"comity: {one_line(sentence)}", file=sys.stderr)
    if step:
        print(f"comity: {one_line(step)}", file=sys.stderr)
    return code


def _step(error: ProblemError | CredentialError | ConsensusError) -> str:
    """What to do about it, as the node said or as the tables do; empty where nobody says it."""
    from consensus.application import Refusal  # noqa: PLC0415  (only who is refused pays for it, and the tables)
    from node.words import step_of  # noqa: PLC0415

    match error:
        case AnsweredProblem(step=step):
            return step_line(step) if len(step) == 2 else ""
        case ProblemError() | Refusal():
            return step_line(step_of(error.code, error.sentence, error.parameters))
        case CredentialError():
            return step_line(step_of(error.code, str(error), {}))
        case _:
            return ""


def _exit_code(status: int) -> int:
    if status in (401, 403):
        return EXIT_NOT_ALLOWED
    return EXIT_UNAVAILABLE if status >= 500 else EXIT_DATA


if __name__ == "__main__":
    main()
