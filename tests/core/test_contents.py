"""Contents of studies: equality by digest, their JSON, and differences in words."""

import dataclasses

import pytest

from study.core.contents import Contents

FIRST = Contents(
    data="d1",
    data_text="200 examples",
    architecture="a1",
    source={"net.build": "s1"},
    versions={"study.models.mlp.build": "1"},
    workload_code="w1",
)


@pytest.mark.parametrize(
    "changes",
    [{"data": "d2"}, {"architecture": "a2"}, {"source": {"net.build": "s2"}}, {"versions": {}}, {"source": {}}],
)
def test_everything_compared_is_in_the_digest(changes):
    assert dataclasses.replace(FIRST, **changes).digest != FIRST.digest


def test_words_are_not_compared():
    other = dataclasses.replace(FIRST, data_text="more", architecture_text="a net")
    assert other.digest == FIRST.digest
    assert other.changes_from(FIRST) == ()


def test_json_gives_them_back():
    assert Contents.from_json(FIRST.to_json()) == FIRST
    with pytest.raises(ValueError, match="expected the contents of a study"):
        Contents.from_json("[1]")


def test_differences_are_named_by_what_changed():
    now = Contents(
        data="d2",
        data_text="100 examples",
        architecture="a2",
        architecture_text="2 layers",
        source={"net.build": "s2", "net.WIDTH": "s3"},
        versions={},
    )
    assert [str(change) for change in now.changes_from(FIRST)] == [
        "the data (d1, 200 examples before, d2, 100 examples now)",
        "the code of net.WIDTH (new)",
        "the code of net.build",
        "the version of study.models.mlp.build (gone)",
        "the architecture (a1 before, a2, 2 layers now)",
    ]
    assert [change.kind for change in now.changes_from(FIRST)] == ["data", "code", "code", "code", "model"]
