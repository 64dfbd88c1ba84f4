import pytest

from study.core.wrapped_text import n_cells, wrapped

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
