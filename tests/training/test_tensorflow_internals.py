"""A version of TensorFlow without a private member costs time or memory, and changes nothing else."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from study.training.tensorflow_internals import captured_tensors, gradient_registry, is_stateful_operation

FRAMEWORK = "tensorflow.python.framework"


def test_the_known_version_has_all_members():
    tf = pytest.importorskip("tensorflow")
    graph = tf.function(lambda x: x + 1).get_concrete_function(tf.TensorSpec(())).graph
    assert captured_tensors(graph) == []
    assert not is_stateful_operation("MatMul")
    assert is_stateful_operation("RandomUniform")
    before = set(gradient_registry())
    with tf.GradientTape() as tape:
        x = tf.constant(1.0)
        tape.watch(x)
        tf.function(tf.custom_gradient(lambda x: (x * x, lambda dy: dy)))(x)
    assert before
    assert any(name.startswith("CustomGradient") for name in set(gradient_registry()) - before)


def test_an_unknown_version_works_without_the_members(monkeypatch):
    for name in (f"{FRAMEWORK}.ops", f"{FRAMEWORK}.op_def_registry"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))  # has none of the members
    monkeypatch.setitem(sys.modules, FRAMEWORK, ModuleType(FRAMEWORK))
    assert gradient_registry() == {}
    assert is_stateful_operation("MatMul")
    assert captured_tensors(SimpleNamespace()) is None


def test_an_unknown_operation_counts_as_stateful():
    pytest.importorskip("tensorflow")
    assert is_stateful_operation("NoSuchOperation")
