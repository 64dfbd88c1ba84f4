"""The page in a real Chromium, asked through chromedriver's HTTP interface: `pytest -m browser`."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from study.cli.actions.live_page import LivePage, MadePage
from study.cli.actions.page_server import PageServer
from study.core.errors import StoreError
from study.report.comparison import compare
from study.report.html.live_state import LiveState
from study.report.html.page import ReportOrigin, render
from tests.chromium import chromium

pytestmark = pytest.mark.browser

ORIGIN = ReportOrigin(
    command="study compare", ui="http://127.0.0.1:5000", experiment_ids={"tiny-mlp": "7"}, made="today"
)
ENTER = "\ue007"
# Elements that reach beyond the window, and that no box around them scrolls.
CUT = """[...document.querySelectorAll("main *, header *, nav *, footer *")].filter(
    (each) => each.getClientRects().length && !each.closest(".scroll, pre, svg, .modebar")
        && each.getBoundingClientRect().right > innerWidth + 1
).map((each) => each.outerHTML.slice(0, 80))"""
TABLE = "document.querySelector('table.trials')"
PLOT = "document.querySelector('[data-figure=validation-steps]')"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def page(planted, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(render([compare(planted)], origin=ORIGIN), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [1280, 375])
@pytest.mark.parametrize("dark", [False, True])
def test_it_draws_everything_fits_and_loads_nothing(browser, page, width, dark):
    browser.open(page, width=width, dark=dark)
    browser.ask("void document.querySelectorAll('details.part').forEach(each => { each.open = true; })")
    browser.wait("document.querySelectorAll('.plot[data-drawn] .main-svg').length > 10")
    browser.wait("[...document.querySelectorAll('.plot')].filter(p => p.dataset.drawn).every(p => p._fullLayout)")
    assert browser.ask("document.documentElement.scrollWidth") <= width
    assert browser.ask(CUT) == []
    assert browser.ask("performance.getEntriesByType('resource').length") == 0
    browser.wait(f"{PLOT}.layout.font.color === '{'#e7eaee' if dark else '#1b1f24'}'")
    assert browser.errors() == []


def test_the_scheme_can_change_while_the_page_is_open(browser, page):
    browser.open(page, width=1280, dark=False)
    browser.wait(f"{PLOT}.layout.font.color === '#1b1f24'")
    browser.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    browser.wait(f"{PLOT}.layout.font.color === '#e7eaee'")


def test_a_point_tells_its_value_and_a_legend_name_hides_its_lines(browser, page):
    browser.open(page, width=1280, dark=False)
    browser.wait(f"Boolean({PLOT}._fullLayout)")
    browser.ask(f"{PLOT}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
    center = "(r => [r.x + r.width / 2, r.y + r.height / 2])({}.getBoundingClientRect())"
    browser.move(*browser.ask(center.format(f"{PLOT}.querySelectorAll('.points path')[1]")))
    browser.wait(f"{PLOT}.querySelectorAll('.hoverlayer .hovertext').length > 0")
    toggle = f"{PLOT}.querySelector('.legendtoggle')"
    browser.move(*browser.ask(center.format(toggle)), click=True)
    browser.wait(f"{PLOT}.data.some(trace => trace.visible === 'legendonly')")


def test_folded_figures_are_drawn_when_opened_and_links_lead_where_they_say(browser, page):
    browser.open(page, width=1280, dark=False)
    folded = "[...document.querySelectorAll('details:not([open]) .plot')][0]"
    browser.ask(f"(window.folded = {folded}).closest('details').querySelector('summary').click()")
    browser.wait("Boolean(window.folded._fullLayout)")
    assert browser.ask("[...document.querySelectorAll('nav a')].every(a => document.querySelector(a.hash))")
    browser.ask("document.querySelector('nav a[href=\"#warnings\"]').click()")
    browser.wait(
        "location.hash === '#warnings' && document.querySelector(location.hash).getBoundingClientRect().y < 900"
    )
    assert browser.ask("document.querySelector('a.run').href").startswith(
        "http://127.0.0.1:5000/#/experiments/7/runs/"
    )
    assert browser.errors() == []


def column(browser, title):
    headings = browser.ask(f"[...{TABLE}.tHead.rows[0].cells].map(cell => cell.textContent)")
    rows = f"[...{TABLE}.tBodies[0].rows].filter(row => !row.hidden)"
    return browser.ask(f"{rows}.map(row => row.cells[{headings.index(title)}].textContent.trim())")


def heading(title):
    return f"[...{TABLE}.querySelectorAll('thead button')].find(each => each.textContent === '{title}')"


def focus_and_press(browser, element, key=ENTER):
    browser.ask(f"{element}.focus()")
    browser.press(key)


@pytest.fixture
def uneven(planted):
    """Three optimizers, of which one has a trial without a result."""
    first, *others = planted.entries
    (study,) = first.studies
    failed = replace(study.record.trials[0], state="failed", metrics={})
    record = replace(study.record, trials=(failed, *study.record.trials[1:]))
    return replace(planted, entries=(replace(first, studies=(replace(study, record=record),)), *others))


def test_trials_are_sorted_by_keyboard_and_by_click_with_gaps_last(browser, uneven, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(render([compare(uneven)], origin=ORIGIN), encoding="utf-8")
    browser.open(page, width=1280, dark=False)
    assert browser.ask(f"{TABLE}.querySelectorAll('[aria-sort]').length") == 1
    for order in ("ascending", "descending"):
        focus_and_press(browser, heading("learning_rate"))
        browser.wait(f"{heading('learning_rate')}.parentElement.getAttribute('aria-sort') === '{order}'")
        rates = [float(text) for text in column(browser, "learning_rate")]
        assert rates == sorted(rates, reverse=order == "descending")
        assert browser.ask("document.activeElement.textContent") == "learning_rate"  # the next press sorts again
    for order in ("ascending", "descending"):
        browser.ask(f"{heading('validation accuracy')}.click()")
        *scores, last = column(browser, "validation accuracy")
        found = [float(text.split("\u00a0")[0]) for text in scores]
        assert last == ""
        assert found == sorted(found, reverse=order == "descending")
    assert browser.ask(f"{TABLE}.querySelectorAll('[aria-sort]').length") == 1
    browser.ask(
        "(c => { c.value = 'sgd'; c.dispatchEvent(new Event('change')); })(document.querySelector('.choice select'))"
    )
    assert column(browser, "optimizer") == ["sgd"] * 6
    assert browser.errors() == []


def test_every_trial_of_the_figure_tells_its_values(browser, page):
    browser.open(page, width=1280, dark=False)
    plot = PLOT.replace("validation-steps", "trials")
    browser.ask(f"{plot}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
    assert browser.ask(f"{plot}.querySelectorAll('.points path').length") >= 18
    center = "(r => [r.x + r.width / 2, r.y + r.height / 2])({}.getBoundingClientRect())"
    browser.move(*browser.ask(center.format(f"[...{plot}.querySelectorAll('.points path')].at(-1)")))
    told = f"(h => h ? h.textContent : '')({plot}.querySelector('.hoverlayer .hovertext'))"
    browser.wait(f"{told}.includes('learning_rate')")
    assert "trial" in browser.ask(told)


def test_the_numbers_of_every_figure_are_reached_by_keyboard(browser, page):
    browser.open(page, width=1280, dark=False)
    figures = "[...document.querySelectorAll('figure')]"
    assert browser.ask(f"{figures}.every(each => each.querySelector('.plot').getAttribute('aria-label').length > 20)")
    without = f"{figures}.filter(each => !each.querySelector('details.numbers td, a[href=\"#trials\"]'))"
    assert browser.ask(f"{without}.map(each => each.querySelector('.plot').dataset.figure)") == ["trials"]
    assert browser.ask("Boolean(document.querySelector('section#trials table.trials td'))")
    summary = f"{PLOT}.closest('figure').querySelector('summary')"
    focus_and_press(browser, summary)
    browser.wait(f"{summary}.parentElement.open")
    assert browser.ask(f"{summary}.parentElement.querySelector('td').getBoundingClientRect().height") > 5
    assert browser.ask(f"{summary}.textContent") == "Numbers of Validation over steps"


def test_on_paper_all_figures_are_light_and_narrow_and_all_but_numbers_is_unfolded(browser, page):
    browser.open(page, width=1280, dark=True)
    assert browser.pdf().startswith(b"%PDF")
    browser.wait(f"{PLOT}.layout.font.color === '#e7eaee'")  # after printing the screen is as before
    folded = "[...document.querySelectorAll('details:not(.numbers, [open])')].length"
    n_folded, height = browser.ask(folded), browser.ask(f"{PLOT}.layout.height")
    assert n_folded > 0
    browser.ask("void dispatchEvent(new Event('beforeprint'))")
    assert browser.ask(folded) == 0
    assert browser.ask("document.querySelectorAll('.plot:not([data-drawn])').length") == 0
    half = "p.closest('.pair, .folded')?.querySelectorAll('.plot').length > 1"
    widths = f"[...document.querySelectorAll('.plot')].map(p => [p.layout.width, {half}])"
    browser.wait(f"{widths}.every(([width, isHalf]) => width === (isHalf ? 340 : 696))")
    browser.wait("[...document.querySelectorAll('.folded .plot')].every(p => p.layout.height < 300)")
    assert browser.ask(
        "[...document.querySelectorAll('.plot[data-drawn]')].every(p => p.layout.font.color === '#1b1f24')"
    )
    browser.cdp("Emulation.setEmulatedMedia", media="print")
    assert browser.ask("[...document.querySelectorAll('details.numbers')].every(each => each.offsetHeight === 0)")
    browser.cdp("Emulation.setEmulatedMedia", media="")
    browser.ask("void dispatchEvent(new Event('afterprint'))")
    assert browser.ask(folded) == n_folded
    browser.wait(f"{PLOT}.layout.height === {height}")
    assert browser.errors() == []


def test_a_large_page_unpacks_its_figures(browser, make_study, make_experiment, tmp_path):
    rng = np.random.default_rng(1)
    study = make_study("adam", [0.8, 0.81, 0.82], trials=tuple(rng.uniform(0.2, 0.9, size=2500)))
    path = tmp_path / "page.html"
    path.write_text(render([compare(make_experiment(study))], origin=ORIGIN), encoding="utf-8")
    browser.open(path, width=1280, dark=False)
    assert browser.ask("document.getElementById('plotly').dataset.packed") == "gzip"
    plot = "document.querySelector('[data-figure=trials]')"
    assert browser.ask(f"{plot}.data.reduce((n, trace) => n + (trace.text?.length ?? 0), 0)") == 2500
    assert browser.ask(f"{plot}.querySelectorAll('.points path').length") >= 2500
    assert browser.errors() == []


class Growing:
    """An experiment whose trials come one by one, and the page that follows it."""

    def __init__(self, experiment):
        self.experiment, self.n_trials, self.kind = experiment, 3, "running"

    def make(self):
        entries = [replace(entry, studies=tuple(map(self.cut, entry.studies))) for entry in self.experiment.entries]
        live = LiveState(kind=self.kind, text=f"{self.n_trials} trials each")
        found = compare(replace(self.experiment, entries=tuple(entries)))
        return MadePage(html=render([found], origin=ORIGIN, live=live), kind=self.kind, text=live.text)

    def cut(self, study):
        record = replace(study.record, trials=study.record.trials[: self.n_trials])
        return replace(study, record=record, trials=record.trials)


@pytest.fixture
def six(make_study, make_experiment):
    names = ("sgd", "momentum", "adagrad", "rmsprop", "adam", "nadam")
    trials = tuple(0.5 + 0.05 * number for number in range(6))
    return make_experiment(*(make_study(name, [0.8, 0.81, 0.82], trials=trials) for name in names))


@pytest.fixture
def growing(request):
    return Growing(request.getfixturevalue(getattr(request, "param", "planted")))


@pytest.fixture
def server(growing, browser):
    page = LivePage(growing.make, lambda: (growing.n_trials, growing.kind))
    with PageServer(page, port=0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        browser.cdp("Page.navigate", url="about:blank")  # a page that goes on asking would find no server
        browser.errors()
        server.shutdown()
        thread.join(10)


def test_the_page_follows_its_studies_and_a_reader_keeps_the_place(browser, growing, server):
    browser.open(server.address, width=1280, dark=False)
    assert browser.ask("document.getElementById('live-text').textContent") == "3 trials each"
    assert len(column(browser, "trial")) == 9
    browser.ask(f"{heading('learning_rate')}.click()")
    browser.ask("document.querySelector('#parallel-coordinates details:not([open]) summary').click()")
    browser.ask("document.querySelector('[data-key=tuning] summary').click()")
    browser.ask(
        "document.querySelector('[data-figure=trials]').scrollIntoView({block: 'center', behavior: 'instant'})"
    )
    browser.ask(f"{heading('beta_1')}.focus({{preventScroll: true}})")
    browser.ask("Plotly.relayout(document.querySelector('[data-figure=trials]'), {'xaxis.range': [0.5, 1.5]})")
    browser.ask("window.stays = document.querySelector('[data-figure=trials]')")
    top = "window.stays.getBoundingClientRect().top"
    before, opened = browser.ask(top), browser.ask("document.querySelectorAll('details[open]').length")
    growing.n_trials = 5
    browser.wait(f"{TABLE}.tBodies[0].rows.length === 15")
    browser.wait("document.getElementById('live-text').textContent === '5 trials each'")
    assert browser.ask("window.stays.isConnected && window.stays.layout.xaxis.range[1] < 2")
    assert browser.ask("window.stays.data.filter(t => t.line?.shape === 'hv').every(t => t.x.at(-1) === 4)")
    assert abs(browser.ask(top) - before) < 3
    assert browser.ask("document.querySelectorAll('details[open]').length") == opened
    assert browser.ask(f"{heading('learning_rate')}.parentElement.getAttribute('aria-sort')") == "ascending"
    rates = [float(text) for text in column(browser, "learning_rate")]
    assert rates == sorted(rates)
    assert browser.ask("document.activeElement.textContent") == "beta_1"
    growing.kind = "ended"
    browser.wait("document.querySelector('.live').dataset.state === 'ended'")
    assert browser.ask("document.getElementById('live-news').textContent") == "5 trials each"
    assert browser.errors() == []


@pytest.mark.parametrize("growing", ["six"], indirect=True)
def test_what_a_reader_hides_and_unfolds_on_a_phone_stays_when_the_page_is_renewed(browser, growing, server):
    browser.open(server.address, width=375, dark=False)
    browser.ask("document.querySelector('#trials .part summary').click()")
    key = "document.querySelector('[data-figure=trials]').closest('figure').querySelector('.keys').children[2]"
    plot = "document.querySelector('[data-figure=trials]')"
    browser.wait(f"document.querySelector('#trials .keys')?.children.length === 6 && Boolean({plot}._fullLayout)")
    name = browser.ask(f"{key}.textContent")
    browser.ask(f"{key}.click()")
    hidden = f"{plot}.data.filter(t => t.visible === 'legendonly').every(t => t.name === '{name}')"
    some = f"{plot}.data.some(t => t.visible === 'legendonly')"
    browser.wait(f"{some} && {hidden}")
    growing.n_trials = 5
    browser.wait("document.getElementById('live-text').textContent === '5 trials each'")
    assert browser.ask("document.querySelector('#trials .part').open")
    assert not browser.ask("document.querySelector('#tuning-curves .part').open")
    browser.wait(f"{some} && {hidden} && {key}.ariaPressed === 'false'")
    assert browser.ask(f"Math.max(...{plot}.data.map(t => Math.max(...t.x)))") > 3
    assert browser.errors() == []


def test_the_page_says_that_it_is_not_up_to_date_and_goes_on_later(browser, growing, server):
    browser.open(server.address, width=375, dark=True)
    assert browser.ask("document.documentElement.scrollWidth") <= 375
    make = server.page._make

    def fail():
        raise StoreError("the store is locked")

    server.page._make = fail
    growing.n_trials = 4
    browser.wait("document.querySelector('.live').dataset.state === 'fault'")
    assert browser.ask("document.getElementById('live-text').textContent") == "Not updated: the store is locked"
    server.page._make = make
    growing.n_trials = 6
    browser.wait(f"{TABLE}.tBodies[0].rows.length === 18")
    browser.wait("document.querySelector('.live').dataset.state === 'running'")
    assert browser.errors() == []
    browser.cdp("Network.enable")
    offline = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.cdp("Network.emulateNetworkConditions", **offline)
    browser.wait("document.querySelector('.live').dataset.state === 'away'")
    assert "has ended. This is its last state." in browser.ask("document.getElementById('live-text').textContent")
    browser.cdp("Network.emulateNetworkConditions", **{**offline, "offline": False})
    browser.wait("document.querySelector('.live').dataset.state === 'running'")
