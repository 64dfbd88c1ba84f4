"""The layout of the page in a real Chromium: on paper, on a phone and on a narrow screen; `pytest -m browser`."""

import pytest

from study.report.comparison import compare
from study.report.html.live_state import LiveState
from study.report.html.page import render
from tests.chromium import chromium
from tests.report.html.test_browser import ORIGIN

pytestmark = pytest.mark.browser

EIGHT = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamax", "nadam"]
# The rectangles of the legend and of the axes of each figure that is drawn and has a legend.
OVERLAPS = """[...document.querySelectorAll('.plot[data-drawn]')].filter(plot => {
  const legend = plot.querySelector('.legend'), axes = plot.querySelector('.nsewdrag');
  if (!legend || !axes) return false;
  const one = legend.getBoundingClientRect(), other = axes.getBoundingClientRect();
  return one.bottom > other.top + 2 || one.right > plot.getBoundingClientRect().right + 2;
}).map(plot => plot.dataset.figure)"""
PAIR = "document.querySelector('#training-curves .pair')"
DRAWN = "[...document.querySelectorAll('.plot')].filter(p => p.dataset.drawn).every(p => p._fullLayout)"
# Sections in print whose first figure is on another page than the heading, as far as rules of style tell.
KEPT = """['h2', 'h3', 'h2+p', 'caption', '.above'].filter(
  name => [...document.querySelectorAll('section ' + name)].some(
    each => getComputedStyle(each).breakAfter !== 'avoid'))"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def page(make_study, make_experiment, tmp_path):
    trials = tuple(0.1 + 0.03 * number for number in range(28))
    studies = [
        make_study(name, [0.9 - 0.01 * place + 0.001 * n for n in range(4)], trials=trials, untuned=[0.3] * 4)
        for place, name in enumerate(EIGHT)
    ]
    path = tmp_path / "page.html"
    path.write_text(render([compare(make_experiment(*studies))], origin=ORIGIN), encoding="utf-8")
    return path


def test_the_summary_is_whole_on_a_screen_of_1200_pixels(browser, page):
    browser.open(page, width=1200, dark=False)
    assert browser.ask("[...document.querySelectorAll('#summary .scroll')].every(b => b.scrollWidth <= b.clientWidth)")


@pytest.mark.parametrize("width", [1200, 375])
def test_the_state_of_a_live_page_stays_at_the_top_and_covers_nothing(
    browser, make_study, make_experiment, tmp_path, width
):
    path = tmp_path / "live.html"
    state = LiveState(kind="running", text="The study runs: 3 of 20 trials.")
    comparison = compare(make_experiment(make_study("adam", [0.9] * 3), make_study("sgd", [0.8] * 3)))
    text = render([comparison], origin=ORIGIN, live=state)
    # A file has no server to ask for changes: each question would be an error in the browser's log.
    text = text.replace("<head>", "<head><script>fetch = () => new Promise(() => {})</script>", 1)
    path.write_text(text, encoding="utf-8")
    browser.open(path, width=width, dark=False)
    place = "document.querySelector('{}').getBoundingClientRect().{}"
    assert browser.ask(place.format(".live", "bottom")) < browser.ask(place.format(".eyebrow", "top"))
    browser.ask("document.documentElement.style.scrollBehavior = 'auto'")
    browser.ask("document.querySelector('#summary').scrollIntoView()")
    assert browser.ask("scrollY") > 0
    assert browser.ask(place.format(".live", "top")) == 0
    assert browser.ask(place.format(".live", "bottom")) <= browser.ask(place.format("#summary", "top"))


def test_a_wide_screen_has_the_contents_beside_the_answer_and_a_single_figure_in_a_whole_row(browser, page):
    browser.open(page, width=1200, dark=False)
    box = "document.querySelector('{}').getBoundingClientRect().{}"
    assert browser.ask(box.format("nav", "left")) >= browser.ask(box.format("body > header", "right"))
    assert browser.ask(box.format("nav", "bottom")) <= browser.ask(box.format("main", "top"))
    figures = "document.querySelectorAll('#time-to-target .pair figure')"
    assert browser.ask(f"{figures}.length") in (1, 2)
    browser.ask(f"[...{figures}].slice(1).forEach(each => each.remove())")
    assert browser.ask(f"{figures}[0].offsetWidth") == browser.ask("document.querySelector('main').offsetWidth")


def test_on_a_phone_tables_scroll_in_their_box_and_no_legend_covers_data(browser, page):
    browser.open(page, width=375, dark=False)
    browser.wait(DRAWN)
    assert browser.ask("document.documentElement.scrollWidth") <= 375
    assert browser.ask("document.querySelector('#summary .scroll').scrollWidth") > 375
    assert browser.ask("[...document.querySelectorAll('table')].every(t => t.closest('.scroll'))")
    captions = "[...document.querySelectorAll('caption span')].filter(each => each.getClientRects().length)"
    assert browser.ask(f"Math.max(...{captions}.map(each => each.getBoundingClientRect().right))") <= 375
    assert browser.ask(OVERLAPS) == []


def test_on_a_phone_the_answer_is_folded_and_no_mark_is_torn_from_its_name(browser, page):
    browser.open(page, width=375, dark=False)
    assert browser.ask("document.querySelector('.answer .sentence').offsetHeight") > 0
    assert not browser.ask("document.querySelector('details.more').open")
    assert browser.ask("document.querySelector('.plot').getBoundingClientRect().top + scrollY") < 1100
    torn = """[...document.querySelectorAll('.lead')].filter(name => {
      const mark = name.querySelector('svg').getBoundingClientRect(), line = name.getClientRects()[0];
      return mark.bottom < line.top || mark.top > line.bottom || mark.left < line.left - 1;
    }).length"""
    assert browser.ask("document.querySelectorAll('.lead').length") >= 8
    assert browser.ask(torn) == 0
    browser.open(page, width=1280, dark=False)
    assert browser.ask("document.querySelector('details.more').open")
    assert browser.ask("document.querySelector('details.more summary').offsetHeight") == 0


def test_many_names_are_buttons_outside_of_the_figures_that_hide_their_lines(browser, page):
    for width in (1280, 375):
        browser.open(page, width=width, dark=False)
        browser.ask("void document.querySelectorAll('details.part').forEach(each => { each.open = true; })")
        browser.wait(f"{PAIR}.querySelectorAll('.keys button').length === 8")
        assert browser.ask(f"{PAIR}.querySelectorAll('.legend').length") == 0
        keys = f"{PAIR}.querySelector('.keys')"
        assert browser.ask(f"{keys}.scrollHeight - {keys}.clientHeight") <= 1
        columns = f"new Set([...{keys}.children].map(each => each.getBoundingClientRect().left)).size"
        assert browser.ask(columns) >= 2
        shown = (
            f"[...{PAIR}.querySelectorAll('.plot')].map(p => [...new Set(p.data.filter("
            "t => t.visible !== 'legendonly').map(t => t.legendgroup))].length)"
        )
        browser.ask(f"{keys}.children[2].focus()")
        browser.press("\ue007")
        browser.wait(f"{keys}.children[2].ariaPressed === 'false'")
        browser.wait(f"{shown}.every(n => n === 7)")
        browser.ask(f"{keys}.children[2].click()")
        browser.wait(f"{shown}.every(n => n === 8)")
    assert browser.errors() == []


def test_on_a_phone_long_sections_are_folded_and_a_link_opens_its_section(browser, page):
    browser.open(page, width=375, dark=False)
    is_open = "document.querySelector('#{}').querySelector('details.part')?.open ?? 'whole'"
    assert browser.ask(is_open.format("summary")) == "whole"
    assert browser.ask(is_open.format("tuning-curves")) is False
    browser.ask("document.querySelector('nav a[href=\"#tuning-curves\"]').click()")
    browser.wait(is_open.format("tuning-curves"))
    browser.wait("document.querySelector('[data-figure=tuning] .main-svg') !== null")
    browser.open(page, width=1280, dark=False)
    assert browser.ask("document.querySelectorAll('details.part').length") == 0


def test_on_paper_no_legend_covers_data_and_headings_stay_with_their_figures(browser, page):
    browser.open(page, width=1280, dark=True)
    browser.wait(DRAWN)
    browser.cdp("Emulation.setEmulatedMedia", media="print")
    browser.ask("dispatchEvent(new Event('beforeprint'))")
    browser.wait("document.querySelector('.plot[data-drawn]')._fullLayout.width <= 700")
    assert browser.ask(OVERLAPS) == []
    assert browser.ask(KEPT) == []
    sticky = "[...document.querySelectorAll('th')].filter(each => getComputedStyle(each).position === 'sticky').length"
    assert browser.ask(sticky) == 0
    boxes = "[...document.querySelectorAll('.scroll')].filter(each => getComputedStyle(each).overflowX !== 'visible')"
    assert browser.ask(f"{boxes}.length") == 0  # in a box that scrolls, a head is not repeated
    assert browser.ask("getComputedStyle(document.querySelector('thead')).display") == "table-header-group"
    # What is wider than the sheet makes all of it smaller.
    browser.cdp("Emulation.setDeviceMetricsOverride", width=703, height=900, deviceScaleFactor=1, mobile=False)
    browser.wait("document.documentElement.scrollWidth <= 703")
    assert browser.ask("getComputedStyle(document.querySelector('figure')).breakInside") == "avoid"
    browser.cdp("Emulation.setEmulatedMedia", media="")
    assert browser.errors() == []
