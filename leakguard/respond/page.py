"""A page of HTML of its own: no script, nothing fetched, made to be read anywhere and printed."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256

from leakguard.report.escape import xml

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --soft: #555; --line: #bbb; --bad: #a00; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eee; --soft: #aaa; --line: #555; --bad: #f77; } }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem; color: var(--ink);
  font: 1rem/1.45 system-ui, sans-serif; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.1rem; margin: 1.5rem 0 .3rem; }
ol { list-style: none; margin: 0; padding: 0; }
ol > li { border-top: 1px solid var(--line); padding: .4rem 0 .4rem 2.4rem; position: relative; }
ol.plain > li { padding-left: 0; } .mark { position: absolute; left: 0; }
code { font: .9em/1.4 ui-monospace, monospace; } .soft { color: var(--soft); }
p, pre, h1 { overflow-wrap: anywhere; } p { margin: .15rem 0; }
pre { white-space: pre-wrap; font: inherit; }
.late, .warn { color: var(--bad); font-weight: 600; }
@media print { :root { --ink: #000; --soft: #333; --line: #999; --bad: #000; }
  body { max-width: none; padding: 0; font-size: 10pt; } li { break-inside: avoid; } }
"""


def page(title: str, body: str) -> str:
    """The whole page. `title` is foreign text; `body` is markup, its text escaped already."""
    digest = b64encode(sha256(_STYLE.encode()).digest()).decode()
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        f"style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'\">\n"
        '<meta name="referrer" content="no-referrer">\n<meta name="robots" content="noindex">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{xml(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"{body}</body>\n</html>\n"
    )


def text_page(title: str, text: str) -> str:
    """A page of plain text, its lines as they are."""
    lines = "\n".join(map(xml, text.splitlines()))
    return page(title, f"<h1>{xml(title)}</h1>\n<pre>{lines}</pre>\n")
