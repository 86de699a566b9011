"""The command line says what is wrong with it."""

from __future__ import annotations

import pytest
from tools.train_tiny.command import parse
from tools.train_tiny.order import MAKES

pytestmark = pytest.mark.unit


def test_everything_is_made_where_nothing_is_named() -> None:
    order = parse([])
    assert order.only == MAKES
    assert (order.budget, order.steps, order.seed) == (None, None, 1)


def test_some_models_can_be_named() -> None:
    assert parse(["--only", "vosk,whisper", "--budget", "2.5"]).only == ("vosk", "whisper")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "vosk,wisper"], "there is no model wisper; there are whisper, vosk"),
        (["--budget", "0"], "0 is not a number of seconds above 0"),
        (["--budget", "nan"], "nan is not a number of seconds above 0"),
        (["--steps", "-1"], "-1 is not a number above 0"),
        (["--utterances", "0"], "0 is not a number above 0"),
        (["--copies", "many"], "invalid"),
    ],
)
def test_a_wrong_line_ends_with_status_2_and_the_reason(arguments, said, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
