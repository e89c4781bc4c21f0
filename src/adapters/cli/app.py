"""The tree of commands, and the one place where errors become lines and exit codes."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, UnusedCliTokensError

from ...messages.errors import CrucibleError, InputError, RunCancelledError
from .pipes import quiet_pipe

__all__ = ["app", "invoke"]

LONG_WORD = re.compile(r"(\S{80})\S{220,}")
"""What no one reads to its end, such as a path that is none."""
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
app.command(f"{_HERE}.serve:serve", name="serve", help="Run the daemon: queue, API and page.")
app.command(f"{_HERE}.submit:submit", name="submit", help="Queue an experiment file for a daemon.")
app.command(f"{_HERE}.queue:status", name="status", help="Say how a daemon's queue or one of its runs is.")
app.command(f"{_HERE}.queue:runs", name="runs", help="List the runs of a daemon.")
app.command(f"{_HERE}.watch:watch", name="watch", help="Watch a run to its end.")
app.command(f"{_HERE}.queue:logs", name="logs", help="Say what has happened to a run.")
app.command(f"{_HERE}.queue:cancel", name="cancel", help="Cancel a run.")
app.command(f"{_HERE}.queue:pause", name="pause", help="Pause a run.")
app.command(f"{_HERE}.queue:resume", name="resume", help="Put a paused run back into the queue.")
app.command(f"{_HERE}.queue:retry", name="retry", help="Queue a run that did not complete again.")
schedule = App(name="schedule", help="Submit experiments again and again.", help_format="plaintext")
schedule.command(f"{_HERE}.schedule:add", name="add", help="Make a schedule, or replace it.")
schedule.command(f"{_HERE}.schedule:list_all", name="list", help="List the schedules.")
schedule.command(f"{_HERE}.schedule:pause", name="pause", help="Submit nothing for a while.")
schedule.command(f"{_HERE}.schedule:resume", name="resume", help="Go on with a paused schedule.")
schedule.command(f"{_HERE}.schedule:drop", name="drop", help="Delete a schedule.")
app.command(schedule)
app.command(f"{_HERE}.train:train", name="train", help="Train a model on a file and measure it.")
app.command(f"{_HERE}.compare:compare", name="compare", help="Compare finished runs on the same examples.")
app.command(f"{_HERE}.validate:validate", name="validate", help="Check an experiment file and its data set.")
app.command(f"{_HERE}.catalogue:stages", name="stages", help="List the stages and their options.")
app.command(f"{_HERE}.catalogue:backends", name="backends", help="List the backends and their options.")
app.command(f"{_HERE}.trace:trace", name="trace", help="Look into the trace of a run, or export it.")
app.command(f"{_HERE}.export:export", name="export", help="Write a finished run for another tool.")
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
db = App(name="db", help="Look after the database of the queue.", help_format="plaintext")
db.command(f"{_HERE}.db:upgrade", name="upgrade", help="Bring the tables up to date.")
db.command(f"{_HERE}.db:check", name="check", help="Say what is in the queue, and whether it is sound.")
db.command(f"{_HERE}.db:vacuum", name="vacuum", help="Give back the room of what was deleted.")
db.command(f"{_HERE}.db:export", name="export", help="Write everything as lines of JSON.")
app.command(db)
label = App(
    name="label", help="Let people judge answers, and see what is suspicious.", help_format="plaintext"
)
label.command(f"{_HERE}.label:export", name="export", help="Write doubtful answers for people to label.")
label.command(f"{_HERE}.label:take_in", name="import", help="Take labels in and say how far all agree.")
label.command(f"{_HERE}.label:flags", name="flags", help="Say which answers are suspicious, and why.")
app.command(label)
# Writes a file for bash, zsh or fish that completes commands and options.
app.register_install_completion_command(add_to_startup=False)


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
        if error.errno == errno.ENAMETOOLONG:  # what a user gave as a path cannot be one
            return _complain(f"{error.filename}: {error.strerror}", BAD_INPUT)
        return _complain(str(error), FAILED)
    except Exception as error:  # a bug of ours
        if sys.flags.dev_mode:
            raise
        from ...actors.experiment import describe

        return _complain(f"internal error: {describe(error)} (PYTHONDEVMODE=1 shows the traceback)", FAILED)
    return code if isinstance(code, int) else OK


def _complain(text: str, code: int) -> int:
    with quiet_pipe(sys.stderr):
        for line in LONG_WORD.sub(r"\1…", text).splitlines() or [""]:
            print(f"crucible: {line}", file=sys.stderr)
    return code


def _told(error: CycloptsError) -> str:
    """What is wrong with a command line, in one line."""
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return f"unexpected argument {error.unused_tokens[0]!r}"
    return " ".join(str(error).split())
