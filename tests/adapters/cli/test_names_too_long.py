import pytest

from crucible.adapters.cli.app import invoke

LONG = "x" * 5000


@pytest.mark.parametrize(
    "words",
    [
        ["compare", LONG, "b"],
        ["trace", LONG],
        ["run", LONG],
        ["run", "--reproduce", LONG],
        ["validate", LONG],
    ],
)
def test_a_name_that_no_file_can_have_is_one_short_line(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err) < 400
    assert "File name too long" in err
