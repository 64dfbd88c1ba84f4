"""Names that programs trip over: quotes, separators, percent signs, other scripts, hundreds of characters."""

from hypothesis import strategies as st

SIGNS = "ab0 .-_=[],;&$@:~^(){}|<>*+!'\"`\\/%?#\n\t\r\0é漢🙂\u202e\u200d"
CASES = [
    "'tanh'",
    "a\nb",
    "c:\\d",
    "feature%2Fx",
    "what?now",
    "#x",
    "../../../escaped",
    "漢" * 90,
    "x" * 300,
    "a/b",
    "",
]
names = st.one_of(st.sampled_from(CASES), st.text(SIGNS, max_size=40), st.text(max_size=300))


def is_folder(name):
    """Return whether a file system takes a name as the name of a folder."""
    written = name.encode("utf-8", "surrogatepass")
    return 0 < len(written) <= 200 and name not in (".", "..") and not set(name) & {"/", "\0"} and name.isprintable()


folders = names.filter(is_folder)
