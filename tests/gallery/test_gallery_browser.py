"""Gallery pages in headless Chromium: `pytest -m browser tests/gallery`."""

import itertools
import re
import subprocess

import numpy as np
import pytest
from PIL import Image
from walked import experiment

from study.gallery.experiments import two_dimensions
from study.gallery.page import render, render_index
from study.gallery.run_facts import RunOrigin
from study.gallery.summary import summary_of

pytestmark = pytest.mark.browser

LIGHT, DARK = 1, 0
# Sizes of a page in a frame as wide as a telephone, and of what it holds.
PROBE = """<iframe width="375" height="800" src="{page}"></iframe><script>
addEventListener("load", () => {{
  const page = document.querySelector("iframe").contentDocument;
  const boxes = [...page.querySelectorAll(".sheet,.scroll,p,h1,h2,dd")].map((it) => it.getBoundingClientRect().right);
  document.title = [page.documentElement.scrollWidth, Math.ceil(Math.max(...boxes)), page.images.length,
    [...page.images].filter((image) => !image.naturalWidth).length].join(" ");
}});
</script>"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A page and an index, as the command writes them."""
    folder = tmp_path_factory.mktemp("pages")
    material = experiment("two_dimensions").material()
    for config in material.configs.values():
        config.update(budget={"n_trials": 1}, trainer={"name": "vectorized"}, dataset={"name": "landscape"})
    origin = RunOrigin(command="study run", published={"n_trials": 2}, made="today")
    shown = two_dimensions.show(material)
    (folder / "page.html").write_text(render(two_dimensions.ABOUT, shown, material, origin=origin))
    summary = summary_of(two_dimensions.ABOUT, shown, material, origin=origin)
    (folder / "index.html").write_text(render_index([summary] * 3, made="today"))
    (folder / summary.name).mkdir()
    for picture in shown.pictures:
        (folder / summary.name / picture.file).write_bytes(picture.data)
    return folder


def chromium(folder, address, *arguments):
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += ["--allow-file-access-from-files", f"--user-data-dir={folder / 'profile'}"]
    command += ["--virtual-time-budget=3000", "--enable-logging=stderr"]
    ended = subprocess.run([*command, *arguments, address], capture_output=True, text=True, check=True, timeout=120)
    assert "CONSOLE" not in ended.stderr  # no message of a page
    return ended.stdout


def pixels(folder, name, scheme, *, height=900):
    shot = folder / f"{name}-{scheme}.png"
    options = [f"--screenshot={shot}", f"--window-size=1200,{height}"]
    chromium(folder, (folder / name).as_uri(), *options, f"--blink-settings=preferredColorScheme={scheme}")
    return np.asarray(Image.open(shot).convert("L"), dtype=float)


@pytest.mark.parametrize("name", ["page.html", "index.html"])
def test_on_a_telephone_nothing_is_cut_and_every_picture_is_drawn(folder, name):
    probe = folder / f"probe-{name}"
    probe.write_text(PROBE.format(page=name))
    title = re.search("<title>([^<]*)</title>", chromium(folder, probe.as_uri(), "--dump-dom"))[1]
    width, right, n_pictures, n_broken = map(int, title.split())
    assert width == 375
    assert right <= 375  # what is broader is in a box that scrolls
    assert n_pictures == 3
    assert n_broken == 0


@pytest.mark.parametrize("name", ["page.html", "index.html"])
def test_a_dark_page_has_dark_pictures(folder, name):
    light, dark = (pixels(folder, name, scheme, height=2400) for scheme in (LIGHT, DARK))
    assert np.mean(light > 200) > 0.8
    assert np.mean(dark < 60) > 0.8
    assert np.mean(dark > 230) < 0.02  # no white sheet is left


def test_an_animation_moves(folder):
    picture = folder / "two_dimensions" / "ellipse-animation.svg"
    shots = []
    for budget in (300, 1700, 3000):  # on a busy machine a shot may be of another moment
        shot = folder / f"moved-{budget}.png"
        chromium(folder, picture.as_uri(), f"--screenshot={shot}", f"--virtual-time-budget={budget}")
        shots.append(np.asarray(Image.open(shot).convert("L"), dtype=float))
    moved = [np.sum(np.abs(first - second) > 60) for first, second in itertools.combinations(shots, 2)]
    assert max(moved) > 100, moved
