"""The sentences for a low terminal: each says the claim of the full one, in one or two lines."""

import pytest

from study.report.brief_lines import brief_cautions
from study.report.caution import Caution
from study.report.closing_lines import closing_lines
from study.report.pairing import decide_outcome
from study.report.summary_rows import summarize
from study.report.verdict_text import answer

GOOD, POOR = (0.9, 0.91, 0.92, 0.905, 0.915), (0.5, 0.52, 0.51, 0.53, 0.505)


def closing(experiment):
    outcome = decide_outcome(experiment)
    return closing_lines(experiment, outcome, answer(experiment, outcome, summarize(experiment)))


def test_a_winner_has_its_smallest_lead_alone(make_study, make_experiment):
    found = closing(make_experiment(*(make_study(name, test) for name, test in (("adam", GOOD), ("sgd", POOR)))))
    assert found.brief_answer.startswith("adam is the best of these 2 tuned configurations: its lead in mean test")
    assert " points, over sgd (95 % interval " in found.brief_answer
    assert len(found.brief_answer) < len(found.answer)
    assert found.brief == ()  # all others are ruled out
    assert "Ruled out as the best: sgd" in " ".join(found.sentences)


def test_no_clear_winner_has_the_open_pairs_and_a_price(make_study, make_experiment):
    near = [make_study(name, [value + 0.001 * i for value in GOOD]) for i, name in enumerate(("adam", "nadam", "sgd"))]
    found = closing(make_experiment(*near))
    assert ";" not in found.brief_answer
    assert found.brief_answer.endswith(".")
    assert found.brief_answer.removesuffix(".") in found.answer
    told = [line for line in found.brief if line.startswith("Still open")]
    assert bool(told) == found.is_open


@pytest.mark.parametrize(("n", "lines"), [(1, 1), (3, 3), (5, 3)])
def test_many_topics_of_cautions_take_three_lines(n, lines):
    told = brief_cautions([Caution(topic=f"T{i}", text="One. Two.", serious=True) for i in range(n)])
    assert told[0] == "T0: One."
    assert len(told) == lines
    assert told[-1] == {1: "T0: One.", 3: "T2: One.", 5: "3 more cautions: T2, T3, T4."}[n]


def test_cautions_of_one_topic_are_one_line():
    diverged = [Caution(topic="Diverged", text="Long.", serious=True, brief=text) for text in ("a 1 of 5", "b 2 of 5")]
    assert brief_cautions(diverged) == ["Diverged: a 1 of 5; b 2 of 5."]
