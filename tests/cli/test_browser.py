import sys
import types

import pytest

from study.cli.browser import open_browser


@pytest.mark.parametrize(
    ("display", "terminal", "opens"), [("", True, False), (":0", False, False), (":0", True, True)]
)
def test_a_browser_opens_only_for_a_person_at_a_display(monkeypatch, display, terminal, opens):
    seen = []
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(sys, "stdout", types.SimpleNamespace(isatty=lambda: terminal))
    monkeypatch.setattr("webbrowser.open", lambda address: not seen.append(address))
    assert open_browser("http://here") is opens
    assert seen == (["http://here"] if opens else [])
