import sys

import pytest

from study.api.python_words import in_python_words, python_call
from study.core.errors import ConfigError, Fault, StoreAwayError, StudyError
from study.search.claims import LostTrialsError


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("TARGET=a: b/c: expected one study. Choose one.", "best('c'): expected one study. Choose one."),
        ("--output=x --figures=y: cannot be written (no). Z.", "best('c'): cannot be written (no). Z."),
        ("NAME=c: MLflow has c already. Choose.", "best('c'): MLflow has c already. Choose."),
        (
            "--script: model.x=1: expected y. Leave --script out.",
            "best('c'): model.x=1: expected y. Leave script() out.",
        ),
        ("x: expected y. Add --force to train.", "x: expected y. Add force=True to train."),
        ("best('c'): expected TARGET=3: cannot be.", "best('c'): expected TARGET=3: cannot be."),
    ],
)
def test_a_message_of_a_command_names_the_call_and_its_arguments(told, expected):
    assert str(in_python_words(StudyError(told), "best('c')")) == expected


def test_an_error_with_arguments_of_its_own_keeps_its_attributes():
    told = in_python_words(LostTrialsError([3], stale_after_s=2), "f()")
    assert (type(told), told.numbers) == (LostTrialsError, {3})
    assert str(told).startswith("1 of this worker's trials")


def test_the_class_of_an_error_stays_and_its_cause_is_not_shown():
    def fail():
        try:
            raise KeyError("inside of a library")
        except KeyError as error:
            raise StoreAwayError("TARGET=x: expected y. Z.") from error

    with pytest.raises(StoreAwayError, match=r"^f\(\): expected y") as caught, python_call("f()"):
        fail()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    fault = Fault(key="model.hidden", value=0, allowed="1", advice="Correct it.")
    with pytest.raises(ConfigError, match=r"model\.hidden=0: expected 1"), python_call("f()"):
        raise ConfigError([fault])


def test_what_libraries_print_is_dropped_and_other_errors_pass(capfd):
    def fail():
        sys.stderr.write("a warning of a library\n")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), python_call("f()"):
        fail()
    assert capfd.readouterr() == ("", "")
