import pytest

from study.tracking.own_notes import SEAL_LENGTH, is_own, plain, sealed

EARLIER = "**adam**, mlp on digits: "


def test_a_description_is_ours_until_a_person_changes_it():
    note = sealed("adam is the best.")
    assert len(note) == len("adam is the best.") + SEAL_LENGTH
    assert is_own(note)
    assert is_own(note + "\n")
    assert is_own("")
    assert not is_own(note.replace("best", "worst"))
    assert not is_own("My notes.")


def test_a_description_of_an_earlier_version_is_known_by_its_start():
    assert is_own(f"{EARLIER}3/3 trials", earlier=EARLIER)
    assert not is_own(f"See the wiki. {EARLIER}3/3 trials", earlier=EARLIER)
    changed = sealed(f"{EARLIER}3/3 trials").replace("3/3", "all")
    assert not is_own(changed, earlier=EARLIER)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("beta_1=0.9 one_minus_log", "beta_1=0.9 one_minus_log"),
        ("_a_ *b*", r"\_a\_ \*b\*"),
        ("<img src=x>", r"\<img src=x\>"),
        ("a|b`c` [x](y)", r"a\|b\`c\` \[x\](y)"),
        ("two\n lines", "two lines"),
    ],
)
def test_a_name_is_shown_letter_by_letter(name, shown):
    assert plain(name) == shown
