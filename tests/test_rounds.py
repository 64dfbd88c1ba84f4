from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from study import rounds
from study.core.errors import StudyError
from study.report.pairing import decide_outcome
from study.report.studies import gather
from study.rounds import confirm_until_decided
from study.statistics.looks import looks_text, plan_looks
from tests.report.conftest import study_of

URI, EXPERIMENT, MOST = "sqlite:///nowhere.db", "tiny-mlp", 40
LOOKS = [look.n_seeds for look in plan_looks(MOST, sequential=True)]


def config_of(name, *, confirm="sequential", most=MOST, experiment=EXPERIMENT):
    """Return the part of a config that rounds read."""
    budget = SimpleNamespace(confirm=confirm, n_confirmations=most)
    stores = SimpleNamespace(tracking_uri=URI)
    return Config(budget, stores, experiment, name)


class Config(SimpleNamespace):
    def __init__(self, budget, stores, experiment_name, typed_digest, confirm_up_to=None):
        super().__init__(
            budget=budget,
            stores=stores,
            experiment_name=experiment_name,
            typed_digest=typed_digest,
            confirm_up_to=confirm_up_to,
        )


class Store:
    """A store of studies whose scores under a seed are known before."""

    def __init__(self, **levels):
        self.n = dict.fromkeys(levels, LOOKS[0])
        self.levels, self.trained, self.told = levels, [], []
        self.stuck_at, self.tags, self.status = {}, {}, dict.fromkeys(levels, "FINISHED")

    def read(self, uri, experiment, **_):
        assert (uri, experiment) == (URI, EXPERIMENT)
        plan = plan_looks(MOST, sequential=True)
        tags = {"looks": looks_text(plan), "confirm": "sequential", "n_confirmations": str(MOST)}
        luck = 0.01 * np.random.default_rng(7).standard_normal(MOST)
        found = []
        for name, (level, noise) in self.levels.items():
            own = noise * np.random.default_rng(sum(map(ord, name))).standard_normal(MOST)
            made = study_of(name, list((level + luck + own)[: self.n[name]]), status=self.status[name])
            found.append(replace(made, tags={**made.tags, **tags, **self.tags, "settings_id": name}))
        return found

    def train(self, configs):
        self.trained.append({config.typed_digest: config.confirm_up_to for config in configs})
        for config in configs:
            name = config.typed_digest
            self.n[name] = min(max(self.n[name], config.confirm_up_to), self.stuck_at.get(name, MOST))

    @property
    def experiment(self):
        records = self.read(URI, EXPERIMENT)
        digests = {record.run_id: "digest" for record in records}
        return gather(EXPERIMENT, records, digests=digests, read_histories=lambda *_: {})


@pytest.fixture
def confirm(monkeypatch):
    """Confirm in rounds in a store, with the command of these studies."""
    monkeypatch.setattr(
        rounds, "replace", lambda config, confirm_up_to: Config(**{**vars(config), "confirm_up_to": confirm_up_to})
    )

    def run(store, *names, train=None, configs=None):
        context = SimpleNamespace(digests={f"{name}-study": "digest" for name in store.levels})
        monkeypatch.setattr(rounds, "read_studies", store.read)
        monkeypatch.setattr(rounds, "read_context", lambda *_, **__: context)
        given = configs or [config_of(name) for name in names or store.levels]
        confirm_until_decided(given, train=train or store.train, tell=store.told.append)
        return store

    return run


CLOSE = {"adam": (0.900, 0.002), "nadam": (0.9004, 0.02), "sgd": (0.8, 0.002)}


def test_only_studies_that_decide_something_are_trained_look_by_look(confirm):
    store = confirm(Store(**CLOSE))
    assert store.trained == [{"adam": n, "nadam": n} for n in LOOKS[1 : len(store.trained) + 1]]
    assert len(store.trained) >= 2
    assert store.n["sgd"] == LOOKS[0]
    assert not decide_outcome(store.experiment).due
    assert store.told[0] == f"{EXPERIMENT}: look at 5 seeds: adam and nadam are still open; sgd is ruled out"
    assert len(store.told) == len(store.trained) + 1


def test_a_decided_comparison_trains_nothing_and_says_so(confirm):
    store = confirm(Store(adam=(0.95, 0.001), sgd=(0.8, 0.001)))
    assert store.trained == []
    assert store.told == [f"{EXPERIMENT}: look at 5 seeds: decided; sgd is ruled out"]


def test_the_same_command_again_changes_nothing(confirm):
    store = confirm(Store(**CLOSE))
    told, store.told, store.trained = store.told, [], []
    confirm(store)
    assert store.trained == []
    assert store.told == told[-1:]


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_command_that_was_cut_off_anywhere_comes_to_the_same_decisions(confirm, cut):
    whole = confirm(Store(**CLOSE))
    store, left = Store(**CLOSE), [cut]

    def train_a_part(configs):
        for config in configs:
            while store.n[config.typed_digest] < config.confirm_up_to:
                if not left[0]:
                    raise KeyboardInterrupt
                left[0] -= 1
                store.n[config.typed_digest] += 1

    with pytest.raises(KeyboardInterrupt):
        confirm(store, train=train_a_part)
    store.status = dict.fromkeys(store.levels, "KILLED")
    confirm(store)
    assert store.n == whole.n
    assert decide_outcome(store.experiment).decisions == decide_outcome(whole.experiment).decisions


def test_studies_of_other_commands_are_named_and_waited_for(confirm):
    store = confirm(Store(**CLOSE), "adam", "sgd")
    assert store.trained == [{"adam": 10}]
    assert store.told[-1] == (
        f"{EXPERIMENT}: the next look also needs more seeds of nadam, which this command does not run: "
        f"study plan {EXPERIMENT} shows the command"
    )
    assert len(store.told) == 2


def test_a_single_study_of_another_command_is_named_with_its_command(confirm):
    store = Store(**CLOSE)
    store.tags = {"command": "study run optimizer=nadam"}
    confirm(store, "adam", "sgd")
    assert store.told[-1].endswith("nadam, which this command does not run: study run optimizer=nadam")


def test_a_round_that_brings_nothing_ends_the_command_with_a_line(confirm):
    store = Store(**CLOSE)
    store.stuck_at = {"nadam": 7}
    confirm(store)
    assert len(store.trained) == 2
    assert "needs confirmations of nadam that failed, or that another worker has yet to train" in store.told[-1]


@pytest.mark.parametrize("changed", [{"confirm": "fixed"}, {"most": 0}])
def test_studies_under_fixed_or_without_confirmations_have_no_rounds(confirm, changed):
    store = Store(**CLOSE)
    confirm(store, configs=[config_of(name, **changed) for name in store.levels])
    assert (store.trained, store.told) == ([], [])


def test_studies_that_cannot_be_compared_are_not_confirmed_further(confirm, monkeypatch):
    def refuse(*_, **__):
        raise StudyError("they have other data")

    monkeypatch.setattr(rounds, "gather", refuse)
    store = confirm(Store(**CLOSE))
    assert store.trained == []
    assert store.told == [
        f"{EXPERIMENT}: no further confirmations, since the studies cannot be compared: they have other data"
    ]
