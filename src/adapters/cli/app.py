"""The tree of commands, and the one place where errors become lines and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, UnusedCliTokensError

from ...messages.errors import CrucibleError, InputError, RunCancelledError
from .pipes import quiet_pipe

__all__ = ["app", "invoke"]

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def _version() -> str:
    from ...version import __version__

    return __version__


app = App(
    name="crucible",
    help="Run declarative LLM experiments and get reports whose numbers hold.",
    version=_version,
    help_format="plaintext",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
_HERE = __package__
app.command(f"{_HERE}.run:run", name="run", help="Run an experiment file and write its report.")
app.command(f"{_HERE}.train:train", name="train", help="Train a model on a file and measure it.")
app.command(f"{_HERE}.compare:compare", name="compare", help="Compare finished runs on the same examples.")
app.command(f"{_HERE}.validate:validate", name="validate", help="Check an experiment file and its data set.")
app.command(f"{_HERE}.catalogue:stages", name="stages", help="List the stages and their options.")
app.command(f"{_HERE}.catalogue:backends", name="backends", help="List the backends and their options.")
app.command(f"{_HERE}.trace:trace", name="trace", help="Look into the trace of a run, or export it.")
data = App(name="data", help="Convert, check and profile data sets.", help_format="plaintext")
convert = App(name="convert", help="Make a claim data set from a published format.", help_format="plaintext")
convert.command(f"{_HERE}.data:convert", name="scifact", help="Convert claims and corpus in SciFact format.")
convert.command(
    f"{_HERE}.data:convert_pages", name="fever", help="Convert claims and wiki pages in FEVER format."
)
data.command(convert)
data.command(f"{_HERE}.data:check", name="check", help="Check every row of a data set.")
data.command(f"{_HERE}.data:profile", name="profile", help="Say what is in a data set.")
app.command(data)
checkpoints = App(
    name="checkpoints", help="Manage checkpoints on the Tinker service.", help_format="plaintext"
)
checkpoints.command(f"{_HERE}.checkpoints:list_all", name="list", help="List the checkpoints of the account.")
checkpoints.command(f"{_HERE}.checkpoints:info", name="info", help="Show which model a checkpoint is of.")
checkpoints.command(f"{_HERE}.checkpoints:download", name="download", help="Download a checkpoint's files.")
checkpoints.command(f"{_HERE}.checkpoints:delete", name="delete", help="Delete checkpoints for good.")
app.command(checkpoints)
cache = App(name="cache", help="Look at a cache of replies, or empty it.", help_format="plaintext")
cache.command(f"{_HERE}.cache:info", name="info", help="Say what is in a cache.")
cache.command(f"{_HERE}.cache:clear", name="clear", help="Delete all replies of a cache.")
app.command(cache)


def invoke(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code. Never shows a traceback for what a user did."""
    code = OK
    try:
        with quiet_pipe(sys.stdout):
            code = app(list(arguments), exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return _complain(f"{_told(error)} (see crucible --help)", BAD_INPUT)
    except InputError as error:
        return _complain(str(error), BAD_INPUT)
    except RunCancelledError as error:
        return _complain(str(error), INTERRUPTED)
    except CrucibleError as error:
        return _complain(str(error), FAILED)
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except OSError as error:
        return _complain(str(error), FAILED)
    except Exception as error:  # a bug of ours
        if sys.flags.dev_mode:
            raise
        from ...actors.experiment import describe

        return _complain(f"internal error: {describe(error)} (PYTHONDEVMODE=1 shows the traceback)", FAILED)
    return code if isinstance(code, int) else OK


def _complain(text: str, code: int) -> int:
    with quiet_pipe(sys.stderr):
        for line in text.splitlines() or [""]:
            print(f"crucible: {line}", file=sys.stderr)
    return code


def _told(error: CycloptsError) -> str:
    """What is wrong with a command line, in one line."""
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return f"unexpected argument {error.unused_tokens[0]!r}"
    return " ".join(str(error).split())
