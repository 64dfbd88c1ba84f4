"""A real Chromium, asked through chromedriver's HTTP interface."""

import base64
import contextlib
import json
import socket
import subprocess
import time
import urllib.error
import urllib.request


class Chromium:
    def __init__(self, session):
        self._session = session

    def open(self, page, *, width, dark):
        """Open a file or an address, and wait until its figures are drawn."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.cdp("Emulation.setEmulatedMedia", features=scheme)
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.cdp("Emulation.setDeviceMetricsOverride", **size)
        _post(f"{self._session}/url", {"url": page if isinstance(page, str) else page.as_uri()})
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

    def press(self, key):
        """Press and release a key; WebDriver's codes are in its specification, such as "\ue007" for Enter."""
        steps = [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        _post(f"{self._session}/actions", {"actions": [{"type": "key", "id": "keys", "actions": steps}]})

    def pdf(self):
        """Return the page as it is printed, on paper of A4."""
        made = self.cdp("Page.printToPDF", printBackground=True, paperWidth=8.27, paperHeight=11.69)
        return base64.b64decode(made["data"])

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
