"""The name of a variant is no part of a study's identity; the values that it sets are."""

import pytest

from study.config.digests import digest_of

pytestmark = pytest.mark.slow


def digests(*overrides):
    from study.cli.launch.compose import compose_jobs, prepare

    jobs = compose_jobs(prepare(["experiment=regularisation", "optimizer=sgd", *overrides]), multirun=True)
    return {job.raw["variant"]: digest_of(job.raw, experiment_name="regularisation") for job in jobs}


def test_each_variant_is_a_study_of_its_own_whatever_the_others_are():
    usual, other = digests(), digests("variants.dropout.dropout=0.5")
    assert len(set(usual.values())) == len(usual) == 9
    assert {name for name in usual if usual[name] != other[name]} == {"dropout"}


def test_the_same_values_typed_are_the_same_study():
    typed = digests("variant=none", "model.batch_norm=true")
    assert typed == {"none": digests()["batch_norm"]}
