"""The page in a real Chromium, asked through chromedriver's HTTP interface: `pytest -m browser`."""

import contextlib
import json
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from study.report.comparison import compare
from study.report.html.page import ReportOrigin, render

pytestmark = pytest.mark.browser

ORIGIN = ReportOrigin(
    command="study compare", ui="http://127.0.0.1:5000", experiment_ids={"tiny-mlp": "7"}, made="today"
)
PLOT = "document.querySelector('[data-figure=validation-steps]')"


class Chromium:
    def __init__(self, session):
        self._session = session

    def open(self, path, *, width, dark):
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.cdp("Emulation.setEmulatedMedia", features=scheme)
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.cdp("Emulation.setDeviceMetricsOverride", **size)
        _post(f"{self._session}/url", {"url": path.as_uri()})
        self.wait("document.documentElement.dataset.ready === 'yes'")

    def cdp(self, command, **params):
        return _post(f"{self._session}/goog/cdp/execute", {"cmd": command, "params": params})

    def ask(self, expression):
        return _post(f"{self._session}/execute/sync", {"script": f"return {expression};", "args": []})

    def wait(self, expression, *, seconds=30):
        end = time.monotonic() + seconds
        while not self.ask(expression):
            assert time.monotonic() < end, f"never came true: {expression}"
            time.sleep(0.05)

    def move(self, x, y, *, click=False):
        steps = [
            {"type": "pointerMove", "duration": 50, "x": round(x) - 3, "y": round(y) - 1},
            {"type": "pointerMove", "duration": 50, "x": round(x), "y": round(y)},
        ]
        if click:
            steps += [{"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        mouse = {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": steps}
        _post(f"{self._session}/actions", {"actions": [mouse]})

    def errors(self):
        logged = _post(f"{self._session}/se/log", {"type": "browser"})
        return [entry["message"] for entry in logged if entry["level"] in ("SEVERE", "WARNING")]


@contextlib.contextmanager
def chromium(folder):
    """Start a driver and a browser whose profile is in a folder, and end both."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        base = f"http://127.0.0.1:{port}"
        _wait_for(base)
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        options = {"args": [*arguments, f"--user-data-dir={folder}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        made = _post(f"{base}/session", {"capabilities": {"alwaysMatch": wanted}})
        session = f"{base}/session/{made['sessionId']}"
        try:
            yield Chromium(session)
        finally:
            urllib.request.urlopen(urllib.request.Request(session, method="DELETE"), timeout=30).close()
    finally:
        driver.terminate()
        driver.wait(timeout=30)


def _wait_for(base):
    end = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(f"{base}/status", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < end, "chromedriver did not start"
            time.sleep(0.1)


def _post(address, content):
    request = urllib.request.Request(address, json.dumps(content).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["value"]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def page(planted, tmp_path):
    path = tmp_path / "page.html"
    path.write_text(render([compare(planted)], origin=ORIGIN), encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_it_draws_everything_fits_and_loads_nothing(browser, page, width, dark):
    browser.open(page, width=width, dark=dark)
    browser.wait("[...document.querySelectorAll('.plot')].filter(p => p.dataset.drawn).every(p => p._fullLayout)")
    assert browser.ask("document.querySelectorAll('.plot[data-drawn] .main-svg').length") > 10
    assert browser.ask("document.documentElement.scrollWidth") <= width
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
