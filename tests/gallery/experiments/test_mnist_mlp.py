import numpy as np
import pytest

from study.gallery.analysis.verdicts import ClaimVerdict, verdicts_in
from study.gallery.experiments.mnist_mlp import show

pytestmark = pytest.mark.slow

NAMES = ("sgd", "momentum", "adagrad", "rmsprop", "adam")
LUCK = np.array([0.0, 0.01, -0.01])


def study(name, setting, scores, *, dataset="mnist"):
    config = {"optimizer": {"name": name}, "setting": setting, "dataset": {"name": dataset}}
    return {"config": config, "scores": list(scores), "fixed": setting != "tuned"}


@pytest.fixture
def shown(make_grid):
    """Show a comparison; the made-up losses of single steps fall from twice the score to the score."""

    def make(published, tuned, luck=LUCK, **more):
        studies = [study(name, "published", value + luck, **more) for name, value in published.items()]
        return show(make_grid(studies + [study(name, "tuned", value + luck, **more) for name, value in tuned.items()]))

    return make


def test_the_claim_is_judged_at_published_and_at_tuned_rates(shown):
    published = dict(zip(NAMES, (0.9, 0.5, 0.3, 0.6, 0.4), strict=True))
    tuned = dict(zip(NAMES, (0.5, 0.5, 0.3, 0.6, 0.4), strict=True))
    told = shown(published, tuned).findings
    assert told[0].startswith(
        "The claim held at published rates, that all others learn faster than SGD: final training loss minus that of "
        "sgd, lower: momentum \u22120."
    )
    assert ". The claim held at published rates, that AdaGrad learns faster than the rest: " in told[0].replace(
        ")", ""
    )
    assert told[1].startswith("At tuned rates the claim is contradicted, that all others learn faster than SGD: ")
    assert "; higher: rmsprop +0.1" in told[1]
    assert "; no significant difference: momentum +0 [" in told[1]
    # The badges are those of the published rates, which the claim is about.
    assert verdicts_in(told[0]) == (ClaimVerdict.HELD,)
    assert not any(verdicts_in(finding) for finding in told[1:])


def test_the_headline_says_who_is_faster_at_published_and_at_tuned_rates(shown):
    one_alike = dict(zip(NAMES, (0.9, 0.9, 0.3, 0.6, 0.4), strict=True))
    faster = dict(zip(NAMES, (0.9, 0.5, 0.3, 0.6, 0.4), strict=True))
    assert shown(one_alike, faster).headline == (
        "Significantly faster than SGD: at published rates adagrad, rmsprop and adam, not momentum; at tuned rates "
        "all others."
    )
    alike = dict.fromkeys(NAMES, 0.5)
    assert shown(alike, faster).headline.startswith("Significantly faster than SGD: at published rates none; ")


def test_what_the_seeds_do_not_tell_is_not_shown_and_not_refuted(shown):
    faster = dict(zip(NAMES, (0.9, 0.5, 0.3, 0.6, 0.4), strict=True))
    one_alike = dict(zip(NAMES, (0.9, 0.9, 0.3, 0.6, 0.4), strict=True))
    assert (
        shown(one_alike, faster).findings[0].startswith("The claim is not shown at published rates, that all others")
    )
    one_seed = shown(faster, faster, luck=LUCK[:1]).findings[0]
    assert one_seed.startswith("Inconclusive at published rates, that all others learn faster than SGD: ")


def test_sgd_alone_shows_nothing(shown):
    told = shown({"sgd": 0.5}, {"sgd": 0.5}).findings[0]
    assert told.startswith("Inconclusive at published rates, that all others learn faster than SGD: ")


def test_another_data_set_than_the_published_one_is_said(shown):
    scores = dict.fromkeys(NAMES, 0.5)
    assert not any("This was run" in sentence for sentence in shown(scores, scores).findings)
    assert (
        shown(scores, scores, dataset="fashion_mnist").findings[-1] == "This was run on fashion_mnist, not on MNIST."
    )


def test_a_search_in_which_no_rate_trained_is_left_out(make_grid):
    studies = [study(name, "published", 0.5 + LUCK) for name in NAMES] + [study(name, "tuned", []) for name in NAMES]
    found = show(make_grid(studies))
    assert any("The claim is not shown at published rates, that all" in sentence for sentence in found.findings)
    assert not any("t tuned rates" in sentence for sentence in found.findings)
    assert {row[2] for row in found.tables[1].rows} == {"-"}


def test_there_is_a_picture_for_each_setting_and_both_tables(shown):
    found = shown(dict.fromkeys(NAMES, 0.5), dict.fromkeys(NAMES, 0.4))
    assert [picture.name for picture in found.pictures] == ["loss_published", "loss_tuned"]
    assert "every 5th batch, at published rates" in found.pictures[0].caption
    accuracy, losses = found.tables
    assert {row[0] for row in accuracy.rows} == {*NAMES} == {row[0] for row in losses.rows}
    assert losses.header == ("optimizer", "published loss", "tuned loss")
