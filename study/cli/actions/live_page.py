"""A page that follows its stores: made when a reader asks and the stores have changed, and at no other time."""

from __future__ import annotations

import gzip
import hashlib
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from study.core.errors import StudyError
from study.core.redaction import redact

# A page is made at most this share of the time, so that the studies keep the processor.
_SHARE_OF_TIME = 0.2
_LEAST_PAUSE_S = 1.0
# A study whose process was killed changes no store: while one runs, the page is made at least this often.
_MOST_AGE_S = 15.0
# A making that takes longer, and several times longer than the last one, waits for a store that does not answer:
# MLflow asks a server again for minutes.
_PATIENCE_S, _TIMES = 15.0, 4.0
_SILENT = "the stores have not answered for a while, and are still asked. This is how they were before."
# The place of the version in the page.
_MARK = 'data-version=""'

Kind = Literal["running", "ended"]


@dataclass(frozen=True, kw_only=True)
class MadePage:
    """A page that was made.

    Attributes:
        html: The page, with an empty `data-version`.
        kind: Whether studies run.
        text: The state of the studies in words.
        passing: A part of the page that changes at every making, such as the time. Default: none.
    """

    html: str
    kind: Kind
    text: str
    passing: str = ""


@dataclass(frozen=True, kw_only=True)
class ServedPage:
    """The last version of a page.

    Attributes:
        body: The page in UTF-8.
        packed: The same, compressed by gzip.
        version: A digest of its content, without what changes at every making.
        kind: Whether studies run.
        text: The state of the studies in words.
        fault: The reason why a later version could not be made; empty without one.
    """

    body: bytes
    packed: bytes
    version: str
    kind: Kind
    text: str
    fault: str = ""


class LivePage:
    """A page and its versions.

    Args:
        make: Reads the stores and makes the page. It raises a StudyError if it cannot.
        stamp: Returns a value that changes when the stores do; it has to be quick.
    """

    def __init__(self, make: Callable[[], MadePage], stamp: Callable[[], object]) -> None:
        self._make = make
        self._stamp = stamp
        self._lock = threading.Lock()
        self._is_making = False
        self._earliest, self._latest = 0.0, time.monotonic() + _MOST_AGE_S
        self._since = time.monotonic()
        self._page, self._made_of = self._made()
        self._took = time.monotonic() - self._since

    def look(self) -> ServedPage:
        """Return the last version, and begin to make the next one if the stores have changed since.

        The next one is made in a thread of its own, one at a time.
        """
        with self._lock:
            # A store that was away may come back as it was.
            now = time.monotonic()
            is_old = bool(self._page.fault) or self._stamp() != self._made_of
            is_old |= self._page.kind == "running" and now >= self._latest
            is_due = is_old and not self._is_making and now >= self._earliest
            if is_due:
                self._is_making, self._since = True, now
                threading.Thread(target=self._renew, name="page", daemon=True).start()
            is_silent = self._is_making and now - self._since > max(_PATIENCE_S, _TIMES * self._took)
            return _with_fault(self._page, _SILENT) if is_silent and not self._page.fault else self._page

    def _renew(self) -> None:
        started = time.monotonic()
        page, made_of = self._page, self._made_of
        try:
            page, made_of = self._made()
        except StudyError as error:
            page = _with_fault(page, str(error))
        except Exception as error:
            # Nothing else would show it, and the page that is there is still the best one.
            sys.stderr.write(f"study compare: the page cannot be made: {redact(f'{type(error).__name__}: {error}')}\n")
            page = _with_fault(page, f"{type(error).__name__}: {error}")
        ended = time.monotonic()
        with self._lock:
            self._page, self._made_of, self._is_making = page, made_of, False
            self._latest, self._took = ended + _MOST_AGE_S, ended - started
            self._earliest = ended + max(_LEAST_PAUSE_S, (ended - started) * (1 / _SHARE_OF_TIME - 1))

    def _made(self) -> tuple[ServedPage, object]:
        stamp = self._stamp()  # before the stores are read: a later change is then seen
        made = self._make()
        lasting = made.html.replace(made.passing, "") if made.passing else made.html
        version = hashlib.sha256(lasting.encode()).hexdigest()[:16]
        body = made.html.replace(_MARK, f'data-version="{version}"', 1).encode()
        packed = gzip.compress(body, compresslevel=4, mtime=0)
        return ServedPage(body=body, packed=packed, version=version, kind=made.kind, text=made.text), stamp


def _with_fault(page: ServedPage, fault: str) -> ServedPage:
    return ServedPage(
        body=page.body,
        packed=page.packed,
        version=page.version,
        kind=page.kind,
        text=page.text,
        fault=redact(fault),
    )
