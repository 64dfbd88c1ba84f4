from dataclasses import replace

import pytest

from study.gallery.run_facts import RunOrigin, budget_differences, parts_left_out, run_facts, size_of

PUBLISHED = {"name": "published/some", "n_trials": 20, "n_epochs": 20, "n_steps": None, "n_confirmations": 10}


@pytest.mark.parametrize(
    ("budgets", "published", "told", "less"),
    [
        (
            [{"n_epochs": 1, "n_steps": None}, {"n_epochs": 1}, {"n_epochs": 5}],
            {"n_epochs": 20},
            ("1 or 5 epochs instead of 20",),
            True,
        ),
        ([{"n_epochs": 1}], {"n_epochs": 2}, ("1 epoch instead of 2",), True),
        ([{"n_epochs": 2}], {"n_epochs": 2}, (), False),
        ([{"n_confirmations": 20}], {"n_confirmations": 10}, ("20 confirmation seeds instead of 10",), False),
        (
            [{"n_epochs": 1, "n_steps": None}],
            {"n_epochs": None, "n_steps": 2000},
            ("1 epoch instead of 2000 steps",),
            False,
        ),
        (
            [{"n_epochs": None, "n_steps": 50}],
            {"n_epochs": 20, "n_steps": None},
            ("50 steps instead of 20 epochs",),
            False,
        ),
    ],
)
def test_what_differs_from_the_published_size_is_named_once(budgets, published, told, less):
    assert budget_differences(budgets, published) == (told, less)


@pytest.mark.parametrize(
    ("published", "size"),
    [
        (None, "unknown"),
        (PUBLISHED, "reduced"),
        ({"n_trials": 3, "n_epochs": 2, "n_confirmations": 4}, "published"),
        ({"n_trials": 3, "n_epochs": 2, "n_confirmations": 3}, "other"),
    ],
)
def test_the_size_of_a_run_is_judged_beside_the_published_one(make_material, published, size):
    material = make_material({"sgd-setting=shared": [0.5]})
    assert size_of(material, RunOrigin(command="", published=published, made=""))[0] == size


@pytest.mark.parametrize(
    ("swept", "told"),
    [
        ({}, ()),
        ({"setting": ("shared", "tuned")}, ()),
        ({"optimizer": ("sgd", "adam", "lion"), "setting": ("tuned",)}, ("2 of 3 values of optimizer",)),
        ({"model.activation": ("relu", "elu")}, ("1 of 2 values of model.activation",)),
        ({"model": ("mlp", "cnn")}, ("1 of 2 values of model",)),
        ({"batch": ("full", "mini")}, ()),  # not recorded
    ],
)
def test_what_a_run_leaves_out_of_the_sweep_is_named(swept, told):
    configs = [
        {"setting": setting, "optimizer": {"name": name}, "model": {"name": "mlp", "activation": "relu"}}
        for setting, name in (("shared", "sgd"), ("tuned", "adam"))
    ]
    assert parts_left_out(configs, swept) == told


def test_a_run_of_a_part_in_the_published_budget_is_reduced(make_material):
    material = make_material({"sgd-setting=shared": [0.5]})
    published = {"n_trials": 3, "n_epochs": 2, "n_confirmations": 4}
    origin = RunOrigin(command="", published=published, made="", swept={"setting": ("shared", "tuned")})
    assert size_of(material, origin) == ("reduced", ("1 of 2 values of setting",))


def test_the_day_is_that_of_the_last_end_in_utc(make_material):
    assert run_facts(make_material({"sgd-setting=shared": [0.5]}))["Date"] == "2001-09-09"


def test_studies_at_the_same_time_take_their_time_once(make_material):
    made = make_material({f"{name}-setting=shared": [0.5] for name in ("sgd", "adam", "momentum")})
    spans = {"adam": (0.0, 600.0), "momentum": (60.0, 660.0), "sgd": (1200.0, 1260.0)}
    entries = tuple(
        replace(
            entry,
            studies=tuple(
                replace(study, record=replace(study.record, started=1e9 + start, ended=1e9 + end))
                for study in entry.studies
            ),
        )
        for entry in made.experiment.entries
        for start, end in [spans[entry.optimizer]]
    )
    made = replace(made, experiment=replace(made.experiment, entries=entries))
    assert run_facts(made)["Time"] == "12.0 minutes, from the beginning to the end of the studies"
