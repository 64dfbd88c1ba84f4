import pytest

from study.core.wrapped_text import folded_help, n_cells, wrapped

TEXT = "To decide it takes about 80 seeds: `study plan digits-mlp` has the price, about 22.5 s of training (95 %)."


@pytest.mark.parametrize("width", [1, 10, 26, 30, 40, 80, 200])
def test_lines_fit_where_words_do_and_no_word_is_lost(width):
    lines = wrapped(TEXT, width=width, indent="  ", hanging="    ")
    assert " ".join(" ".join(lines).split()) == TEXT
    assert lines[0].startswith("  To")
    assert all(line.startswith("    ") for line in lines[1:])
    longest = len("    `study plan digits-mlp`")
    assert max(map(len, lines)) <= max(width, longest)


def test_commands_and_numbers_with_units_are_not_broken():
    for width in range(1, 100):
        lines = wrapped(TEXT, width=width)
        for whole in ("`study plan digits-mlp`", "22.5 s", "(95 %)."):
            assert any(whole in line for line in lines), (width, lines)


def test_line_ends_and_blanks_at_their_start_stay():
    text = "2 faults:\n  optimizer.momentun=0.9: expected an argument of keras.optimizers.SGD\n\n    a line of code"
    assert wrapped(text, width=40, hanging="  ") == [
        "2 faults:",
        "  optimizer.momentun=0.9: expected an",
        "    argument of keras.optimizers.SGD",
        "",
        "    a line of code",
    ]


def test_wide_characters_take_two_cells_and_combining_ones_none():
    assert n_cells("ab") == 2
    assert n_cells("漢字") == 4
    assert n_cells("e\u0301") == 1
    assert wrapped("漢字 漢字", width=8) == ["漢字", "漢字"]
    assert wrapped("漢字 漢字", width=9) == ["漢字 漢字"]


HELP = """study run: search an optimizer's settings, confirm the best on fresh seeds, record everything.

  optimizer  adabelief, adadelta, adafactor, adagrad, adam, adam_then_given_sgd, adam_then_sgd, adamax
  model.dropout='interval(0,0.5)'      search any key too; 'tag(log,interval(1e-6,1e-2))' on a log scale
  --cfg job        print the composed config     --info config    where it comes from"""


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_a_help_is_folded_between_words_with_remarks_in_their_column(width):
    folded = folded_help(HELP, width=width)
    assert folded.split() == HELP.split()
    assert max(map(len, folded.split("\n"))) <= width
    lines = folded.split("\n")
    if width == 60:
        first = next(index for index, line in enumerate(lines) if line.startswith("  optimizer  adabelief"))
        assert lines[first + 1].startswith("             ad")
        assert "  model.dropout='interval(0,0.5)'" in lines
        assert "  --info config    where it comes from" in lines
    if width == 200:
        assert folded == HELP
