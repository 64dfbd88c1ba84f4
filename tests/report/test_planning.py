import pytest

from study.core.errors import StudyError
from study.report.pairing import decide_outcome
from study.report.planning import check_pilot, check_plan_values, further_seeds
from study.statistics.looks import Look


@pytest.fixture
def pilot(in_looks, make_experiment):
    return make_experiment(*(in_looks(name, 0.9, 5, noise=0.01) for name in ("adam", "nadam")))


def test_a_larger_margin_and_less_power_need_fewer_seeds(pilot):
    def needed(margin, power):
        (pair,) = further_seeds(pilot, decide_outcome(pilot, margin=margin), power=power).pairs
        return pair.for_margin, pair.for_equality

    assert needed(0.005, 0.8)[0] > needed(0.008, 0.8)[0]
    assert needed(0.005, 0.99)[0] > needed(0.005, 0.5)[0]
    assert needed(0.005, 0.8)[1] > needed(0.008, 0.8)[1]


def test_the_plan_names_studies_seeds_and_time(pilot):
    found = further_seeds(pilot, decide_outcome(pilot), power=0.8)
    assert found.studies == dict.fromkeys(("adam", "nadam"), found.n_seeds)
    assert found.seconds == pytest.approx((found.n_seeds - 5) * 4.0)
    assert 0.05 <= found.error < 0.1


def test_seeds_beyond_a_spent_plan_raise_the_error(in_looks, make_experiment):
    plan = (Look(n_seeds=5, level=0.05),)
    experiment = make_experiment(*(in_looks(name, 0.9, 5, noise=0.01, plan=plan) for name in ("adam", "nadam")))
    found = further_seeds(experiment, decide_outcome(experiment), power=0.8)
    assert found.error >= 0.075


def test_a_decided_experiment_needs_nothing(in_looks, make_experiment):
    experiment = make_experiment(in_looks("adam", 0.9, 5), in_looks("sgd", 0.7, 5))
    found = further_seeds(experiment, decide_outcome(experiment), power=0.8)
    assert (found.pairs, found.n_seeds, found.studies) == ((), None, {})


@pytest.mark.parametrize(
    ("names", "n_seeds", "told"),
    [
        (["adam"], 5, "expected two optimizers or more with confirmations, found 1"),
        (["adam", "sgd"], 0, "expected two optimizers or more with confirmations, found 0"),
        (["adam", "sgd"], 2, "expected a pilot of 3 shared seeds or more, found 2"),
    ],
)
def test_without_a_pilot_the_next_step_is_named(make_study, make_experiment, names, n_seeds, told):
    experiment = make_experiment(*(make_study(name, [0.8, 0.81, 0.82, 0.8, 0.79][:n_seeds]) for name in names))
    with pytest.raises(StudyError, match=r"budget\.n_confirmations=3") as error:
        check_pilot(experiment, decide_outcome(experiment))
    assert told in str(error.value)


def test_studies_that_share_no_seeds_are_refused(make_study, make_experiment):
    studies = [
        make_study(name, [0.8, 0.81, 0.82], params={"study_seed": str(seed)})
        for seed, name in enumerate(("adam", "sgd"))
    ]
    experiment = make_experiment(*studies)
    with pytest.raises(StudyError, match="adam and sgd share none"):
        check_pilot(experiment, decide_outcome(experiment))


@pytest.mark.parametrize(
    ("margin", "power", "told"),
    [
        (0.0, 0.8, "--margin=0: expected a number above 0"),
        (1.5, 0.8, "Write 0.015, if 1.5 points are meant."),
        (None, 0.0, "--power=0: expected a number above 0 and below 1"),
        (None, 80.0, "Write 0.8, if 80 % is meant."),
        (None, float("nan"), "--power=nan"),
        (float("nan"), 0.8, "--margin=nan"),
    ],
)
def test_a_margin_and_a_power_that_cannot_be_are_refused(pilot, margin, power, told):
    with pytest.raises(StudyError) as error:
        check_plan_values(margin, power, pilot)
    assert told in str(error.value)


def test_all_faults_are_told_at_once(pilot):
    with pytest.raises(StudyError) as error:
        check_plan_values(-1.0, 2.0, pilot)
    first, second = str(error.value).splitlines()
    assert first.startswith("--margin=-1: ")
    assert second.startswith("--power=2: ")
