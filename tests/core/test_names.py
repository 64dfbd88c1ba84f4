import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import strategies as st

from study.core.names import (
    LONGEST,
    default_experiment_name,
    in_file_name,
    in_label,
    mended,
    name_fault,
    shortened,
    typed_command,
    typed_override,
)
from tests.awkward_names import names


@pytest.mark.parametrize(
    ("typed", "in_name"),
    [
        ("activation='tanh'", "activation=tanh"),
        ('activation="tanh"', "activation=tanh"),
        ("a\nb\\c", "a_b_c"),
        ("published/smoke", "published.smoke"),
        ("rate=5%", "rate=5_"),
        ("hidden=[16,16]", "hidden=[16,16]"),
        ("schrift=漢字", "schrift=漢字"),
    ],
)
def test_a_label_has_the_value_without_what_files_and_queries_trip_over(typed, in_name):
    assert in_label(typed) == in_name


@given(text=names)
def test_any_text_makes_a_label_that_a_user_may_also_type(text):
    label = shortened(in_label(f"x{text}"))
    assert name_fault(label, parts=False) == ""
    assert shortened(in_label(label)) == label
    assert "%" not in label


def test_900_values_make_a_short_name_of_their_own():
    values = [f"{1e-4 + i * 1e-7:.7f}" for i in range(900)]
    first, second = (shortened(f"adam-choices=[{','.join(some)}]") for some in (values, [*values[:-1], "1"]))
    assert first != second
    assert first[: LONGEST - 7] == second[: LONGEST - 7]
    assert len(first) == len(second) == LONGEST


@given(text=st.text(max_size=300), longest=st.integers(10, 300))
@example(text="漢" * 90, longest=200)
def test_a_name_is_cut_between_characters(text, longest):
    cut = shortened(text, longest=longest)
    assert len(cut.encode("utf-8", "surrogatepass")) <= max(longest, 0) or cut == text
    assert cut == text or text.encode("utf-8", "replace").decode().startswith(cut[:-7])


@given(name=names)
@example(name="漢" * 90)
@example(name="../../../escaped")
@example(name="...")
def test_any_name_makes_a_file_of_its_folder(name, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    file = folder / f"{in_file_name(name)}-0123456789ab.log"
    file.touch()
    assert file.parent.resolve() == folder.resolve()
    file.unlink()


@pytest.mark.parametrize(
    ("name", "parts", "is_allowed"),
    [
        ("lr/0.1 [x]", False, False),
        ("lr/0.1 [x]", True, True),
        ("../../../escaped", True, False),
        ("/absolute", True, False),
        ("a//b", True, False),
        ("..", False, False),
        ("a\0b", True, False),
        ("it's", True, False),
        ("漢" * 66, True, True),
        ("漢" * 67, True, False),
        ("50 % of it?", False, True),
        ("", False, False),
    ],
)
def test_a_typed_name_is_allowed_or_told_what_is(name, parts, is_allowed):
    told = name_fault(name, parts=parts)
    assert is_allowed == (told == "")
    assert is_allowed or told.startswith("at most 200 bytes of printable characters, without quotes, backslashes and")


def test_a_recorded_name_is_mended_only_where_it_is_not_allowed():
    assert mended("adam-activation='tanh'") == "adam-activation=tanh"
    assert mended("lr/0.1 [x]") == "lr.0.1 [x]"
    assert mended("adam-hidden=[16]") == "adam-hidden=[16]"


def test_long_names_of_data_and_model_make_an_allowed_experiment():
    name = default_experiment_name("d" * 150, "m" * 150)
    assert name_fault(name, parts=True) == ""
    assert name != default_experiment_name("d" * 150, "m" * 151)


@pytest.mark.parametrize(
    ("names", "command"),
    [
        (["digits-mlp/adam"], "study delete digits-mlp/adam"),
        (["two words/adam"], "study delete 'two words/adam'"),
        (["digits/adam-hidden=[8]"], "study delete 'digits/adam-hidden=[8]'"),
        (["-digits", "$HOME"], "study delete -- -digits '$HOME'"),
    ],
)
def test_a_command_of_a_message_can_be_pasted(names, command):
    assert typed_command("delete", *names) == command
    assert shlex.split(command)[-len(names) :] == names


@example(text="two words")
@example(text="a, b")
@example(text="null")
@example(text="${oc.env:HOME}")
@example(text="12")
@example(text="/tmp/my files/best.yaml")
@given(text=names)
def test_an_override_of_a_message_gives_hydra_the_same_text(text):
    if name_fault(text, parts=True) or "$" in text:  # a dollar begins a reference in Hydra, quoted or not
        return
    (word,) = shlex.split(typed_override("experiment_name", text))
    (override,) = OverridesParser.create().parse_overrides([word])
    value = override.value()
    assert (value if isinstance(value, str) else value.text) == text


def test_plain_names_stay_without_quotes():
    assert typed_override("experiment_name", "digits-mlp") == "experiment_name=digits-mlp"
    assert typed_override("experiment_name", "two words") == "'experiment_name=two words'"
