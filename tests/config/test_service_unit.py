"""``config/crucible.service`` fits the daemon: its command, its times, and which exits are tried again."""

import configparser
import shlex
from pathlib import Path

from crucible.adapters.cli.app import app
from crucible.messages.settings import DaemonSettings

FILE = Path(__file__).parents[2] / "config" / "crucible.service"


def service() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(FILE.read_text())
    return parser["Service"]


def test_its_command_is_one_of_ours() -> None:
    program, *arguments = shlex.split(service()["ExecStart"])
    assert Path(program).name == "crucible"
    command, bound, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
    assert command.__name__ == "serve"
    assert bound.arguments["data"] == Path("/var/lib/crucible/data")


def test_systemd_waits_longer_than_the_daemon_takes_to_stop() -> None:
    assert float(service()["TimeoutStopSec"]) > DaemonSettings().stop_s


def test_the_data_is_below_the_one_place_that_may_be_written() -> None:
    assert "--data /var/lib/crucible/" in service()["ExecStart"]
    assert service()["ReadWritePaths"] == "/var/lib/crucible"


def test_what_bad_input_ends_is_not_started_again() -> None:
    assert service()["Restart"] == "on-failure"
    assert service()["RestartPreventExitStatus"] == "2"
