"""The page in a real browser, where there is one: it filters, complains of nothing, asks nobody."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from leakguard.report import html

from .builders import NPM, SLACK, allowed, finding, place, possible, tree

DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update"
)
Ask = Callable[..., Any]

pytestmark = pytest.mark.skipif(DRIVER is None, reason="chromedriver is not installed")


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """A session of the browser, spoken to as the WebDriver standard says."""
    home = tmp_path_factory.mktemp("browser")
    env = os.environ | {"HOME": str(home), "TMPDIR": str(home)}
    with subprocess.Popen([str(DRIVER), "--port=0"], stdout=subprocess.PIPE, text=True, env=env,
                          stderr=subprocess.DEVNULL) as driver:  # fmt: skip
        try:
            assert driver.stdout is not None
            line = next(one for one in driver.stdout if "successfully on port" in one)
            base = f"http://127.0.0.1:{line.split()[-1].strip('.')}/session"
            options = {"args": [*FLAGS.split(), f"--user-data-dir={home}/profile"]}
            wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            said = _sent(base, "POST", {"capabilities": {"alwaysMatch": wanted}})
            session = f"{base}/{said['sessionId']}"
            yield lambda path, body=None, how="POST": _sent(f"{session}/{path}", how, body or {})
            _sent(session, "DELETE", {})
        finally:
            driver.terminate()


def _sent(url: str, how: str, body: dict[str, Any]) -> Any:
    data = json.dumps(body).encode() if how == "POST" else None
    with build_opener(ProxyHandler({})).open(Request(url, data, method=how), timeout=60) as answer:
        return json.load(answer)["value"]


def opened(ask: Ask, tmp_path: Path, text: str) -> None:
    page = tmp_path / "report.html"
    page.write_text(text, encoding="utf-8")
    ask("url", {"url": page.as_uri()})


def value(ask: Ask, expression: str) -> Any:
    return ask("execute/sync", {"script": f"return {expression}", "args": []})


def complaints(ask: Ask) -> list[str]:
    return [one["message"] for one in ask("se/log", {"type": "browser"})]


REPORT = html.render(
    tree(
        finding(SLACK, place("src/first.py"))._replace(severity="critical"),
        finding(NPM, place("src/second.py")),
        possible(),
        allowed(finding(NPM)),
    )
)


def shown(ask: Ask) -> list[str]:
    return value(
        ask,
        "[...document.querySelectorAll('article')].filter(a => a.offsetHeight > 0)"
        ".map(a => a.dataset.kind)",
    )


def test_it_filters_by_words_and_by_choice(ask: Ask, tmp_path: Path) -> None:
    opened(ask, tmp_path, REPORT)
    assert shown(ask) == ["blocking", "blocking", "warning", "allowed"]
    (field,) = ask("element", {"using": "css selector", "value": "[name=words]"}).values()
    ask(f"element/{field}/value", {"text": "FIRST.py slack"})
    assert shown(ask) == ["blocking"]
    assert value(ask, "document.getElementById('shown').textContent") == "1 of 4 shown"
    ask(f"element/{field}/clear")
    (kind,) = ask("element", {"using": "css selector", "value": "[name=kind]"}).values()
    ask(f"element/{kind}/value", {"text": "allowed"})
    assert shown(ask) == ["allowed"]
    assert complaints(ask) == []


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_runs_over_the_edge(ask: Ask, tmp_path: Path, width: int) -> None:
    long = finding(SLACK, place("a/" + "x" * 300 + ".py"))
    opened(ask, tmp_path, html.render(tree(long), explain=True))
    ask("goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": {
        "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}})  # fmt: skip
    assert value(ask, "document.documentElement.scrollWidth") <= width


@contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """An address nobody may ask, and what was asked there all the same."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True  # a browser may connect, say nothing and stay for minutes
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_even_what_got_past_the_escaping_could_not_act_or_ask(ask: Ask, tmp_path: Path) -> None:
    with listening() as (url, asked):
        bad = (
            f'<img src="{url}/img"><script>document.title = "ran"; fetch("{url}/fetch")</script>'
            f'<link rel="stylesheet" href="{url}/css"><iframe src="{url}/frame"></iframe>'
            f'<p style="background: url({url}/style)" onclick="x()">x</p>'
        )
        opened(ask, tmp_path, REPORT.replace("<main>", f"<main>{bad}"))
        assert value(ask, "document.title") != "ran"
        assert len(complaints(ask)) >= 4
        assert not asked
