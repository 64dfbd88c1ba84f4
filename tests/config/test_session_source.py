import dataclasses
import enum
import functools
import textwrap
import threading

import keras
import numpy as np
import pytest

from study.config.session_source import identify, is_importable

WIDTH = 3
BUILD = "\ndef build():\n    return C()\n"
BASE = keras.layers.Dense(2)
LOCK = threading.Lock()


@dataclasses.dataclass
class Sizes:
    width: int


def session_function(source, name="build", **values):
    """A function of a session: nothing can import it, and its source is known as that of a notebook's cell."""
    import linecache

    text = textwrap.dedent(source)
    file = f"<cell {abs(hash((text, str(values))))}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    scope = {"__name__": "__main__", "keras": keras, "np": np, **values}
    exec(compile(text, file, "exec"), scope)
    return scope[name]


def digest_of(called):
    found, faults = identify(called, key="model")
    assert not faults
    return found.digest


def faults_of(called):
    return [str(fault) for fault in identify(called, key="model")[1]]


def test_comments_docstrings_and_the_place_of_a_function_do_not_count():
    plain = session_function("def build():\n    return keras.layers.Dense(3)\n")
    told = session_function('\n\ndef build():\n    """Build."""\n    # three\n    return keras.layers.Dense( 3 )\n')
    assert digest_of(plain) == digest_of(told)
    assert digest_of(plain) != digest_of(session_function("def build():\n    return keras.layers.Dense(4)\n"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (3, 4),
        (0.1, 0.2),
        ("a", "b"),
        ([1, 2], [1, 3]),
        ({"a": 1}, {"a": 2}),
        ((1, (2,)), (1, (3,))),
        (np.ones(3), np.zeros(3)),
        (np.ones(3), np.ones(3, np.float32)),
        ({1, 2}, {1, 3}),
        (Sizes(1), Sizes(2)),
        (functools.partial(max, 1), functools.partial(max, 2)),
        (None, False),
        (range(3), range(4)),
    ],
)
def test_values_that_a_function_reads_count(one, other):
    source = "def build():\n    return value\n"
    first, second, again = (session_function(source, value=value) for value in (one, other, one))
    assert digest_of(first) == digest_of(again) != digest_of(second)


def test_values_that_a_function_only_calls_attributes_of_the_same_name_do_not_count():
    source = "def build(x):\n    return x.value\n"
    assert digest_of(session_function(source, value=1)) == digest_of(session_function(source, value=2))


def test_functions_that_a_function_calls_count_and_so_do_their_values():
    source = "def part():\n    return width\n\ndef build():\n    return part()\n"
    other = source.replace("return width", "return width + 1")
    digests = {digest_of(session_function(text, width=width)) for text in (source, other) for width in (1, 2)}
    assert len(digests) == 4


def test_closures_and_defaults_count():
    def made(width):
        def build():
            return width

        return build

    def with_default(width):
        def build(width=width):
            return width

        return build

    for make in (made, with_default):
        assert digest_of(make(1)) == digest_of(make(1)) != digest_of(make(2))


def test_functions_that_call_themselves_end():
    digest_of(
        session_function("def build(n=3):\n    return build(n - 1) if n else other()\n\ndef other():\n    build\n")
    )


def test_classes_count_with_their_methods_and_bases():
    source = "class Base:\n    def call(self):\n        return width\n\nclass build(Base):\n    size = 3\n"
    first = digest_of(session_function(source, width=1))
    assert first != digest_of(session_function(source, width=2))
    assert first != digest_of(session_function(source.replace("size = 3", "size = 4"), width=1))


def test_a_decorator_counts_as_well_as_what_it_wraps():
    source = """
        def twice(function):
            @functools.wraps(function)
            def wrapped():
                return 2 * function()
            return wrapped

        @twice
        def build():
            return 3
    """
    first = session_function(source, functools=functools)
    assert digest_of(first) == digest_of(session_function(source, functools=functools))
    for old, new in (("return 3", "return 4"), ("2 *", "3 *")):
        assert digest_of(first) != digest_of(session_function(source.replace(old, new), functools=functools))


def test_two_lambdas_on_one_line_differ():
    one, other = lambda: 1, lambda: 2
    assert digest_of(one) != digest_of(other)


def test_what_another_process_imports_is_identified_by_its_name_and_source():
    assert is_importable(session_function)
    assert is_importable(keras.layers.Dense)
    assert not is_importable(lambda: 0)
    assert not is_importable(session_function("def build():\n    pass\n"))


def test_a_source_is_kept_for_readers_with_the_values_beside_it():
    found, _ = identify(session_function("def build():\n    return width\n", width=7), key="model")
    assert found.source == "def build():\n    return width\n\n\n# width = 7"


def test_values_without_identity_are_refused_with_the_way_to_them(tmp_path):
    with (tmp_path / "file").open("w+") as handle:
        (told,) = faults_of(lambda: handle.read())
    assert told.startswith("model reads handle=<_io.TextIOWrapper")
    assert "expected a value that can be identified and copied (an open file). Open or make it inside model" in told
    (told,) = faults_of(session_function("def build():\n    return lock\n", lock=LOCK))
    assert told.startswith("model reads lock=<unlocked _thread.lock")
    (told,) = faults_of(session_function("def build():\n    return [part]\n", part={"a": [LOCK]}))
    assert told.startswith("model reads part['a'][0]=")


@pytest.mark.parametrize("shared", [BASE, keras.Sequential([BASE]), keras.optimizers.SGD()])
def test_objects_of_keras_that_all_trainings_would_share_are_refused(shared):
    (told,) = faults_of(session_function("def build():\n    return shared\n", shared=shared))
    assert "which all trainings would share and change. Make it inside model" in told


@pytest.mark.parametrize(
    "source",
    [
        "class C:\n    scale = value\n\ndef build():\n    return C.scale\n",
        "class C:\n    sizes = [value]\n\ndef build():\n    return C.sizes\n",
        "class B:\n    scale = value\n\nclass C(B):\n    pass\n\ndef build():\n    return C.scale\n",
        "def build():\n    return build.scale\n\nbuild.scale = value\n",
        f"class C:\n    @functools.cached_property\n    def scale(self):\n        return value\n{BUILD}",
        "class C:\n    class D:\n        def f(self):\n            return value\n\ndef build():\n    return C()\n",
        "class C:\n    f = functools.partialmethod(max, value)\n\ndef build():\n    return C()\n",
        "class K(enum.Enum):\n    A = value\n\ndef build():\n    return K.A.value\n",
        "class K(enum.Enum):\n    A = value\n\nk = K.A\n\ndef build():\n    return k\n",
        "class C:\n    def __init__(self):\n        self.scale = value\n\nc = C()\n\ndef build():\n    return c\n",
        "class C:\n    def __init__(self):\n        self.s = value\n    def __call__(self): ...\n\nbuild = C()\n",
        "things = {('a', value), ('b', 1)}\n\ndef build():\n    return things\n",
    ],
)
def test_values_behind_classes_functions_and_objects_count(source):
    given = [session_function(source, value=value, functools=functools, enum=enum) for value in (1, 2, 1)]
    first, second, again = map(digest_of, given)
    assert first == again != second


def test_modules_that_a_body_imports_count(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    build = session_function("def build():\n    from parts_of_a_test import size\n    return size\n")
    digests = []
    for text in ("size = 1\n", "size = 2\n"):
        (tmp_path / "parts_of_a_test.py").write_text(text)
        digests.append(digest_of(build))
    assert digests[0] != digests[1]


def test_a_cached_function_is_refused():
    build = session_function(
        "@functools.cache\ndef part():\n    pass\n\ndef build():\n    return part()\n", functools=functools
    )
    (told,) = faults_of(build)
    assert "no cached function of this session" in told
