import xml.etree.ElementTree as ET

import pytest
from matplotlib.colors import to_rgb

from study.gallery.analysis.verdicts import ClaimVerdict
from study.gallery.badges import ALL, badge_svg, badges_of

SVG = "{http://www.w3.org/2000/svg}"


def luminance(color):
    parts = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(color)]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_every_verdict_has_a_badge_with_a_word_a_sign_and_a_meaning():
    kinds = [badge.kind for badge in badges_of(tuple(ClaimVerdict), "published")]
    assert kinds == ["held", "contradicted", "not_shown", "inconclusive"]
    assert [badge.label for badge in ALL] == [
        "Held",
        "Contradicted",
        "Not shown",
        "Inconclusive",
        "Reduced size",
        "Other size",
    ]
    assert len({badge.sign for badge in ALL[:4]}) == 4  # without color, too, they differ
    assert all(badge.meaning.endswith(".") for badge in ALL)


@pytest.mark.parametrize("badge", ALL, ids=lambda badge: badge.kind)
def test_a_badge_is_a_picture_that_says_its_word(badge):
    root = ET.fromstring(badge_svg(badge))
    assert root.get("aria-label") == root.findtext(f"{SVG}title") == badge.label
    text = root.find(f"{SVG}text")
    assert text.text == badge.text
    assert 6 * len(badge.text) < float(root.get("width")) < 200
    fill = root.find(f"{SVG}rect").get("fill")
    if fill:
        assert 1.05 / (luminance(fill) + 0.05) > 4.5  # white letters on it
        assert text.get("fill") == "#ffffff"
    else:
        assert "prefers-color-scheme:dark" in root.findtext(f"{SVG}style")
