"""What to do about a finding. It follows exposure: how far the value got decides what helps."""

from __future__ import annotations

import re
import shlex
from posixpath import basename, splitext
from typing import NamedTuple, assert_never

from leakguard import late
from leakguard.finding import Exposure, Finding
from leakguard.report.style import clean
from leakguard.rule import CREDENTIAL_WORDS

KEY_CLASSES = frozenset({"tls-key", "ssh-user-key", "ssh-host-key", "deploy-key",
                         "code-signing-key"})  # fmt: skip
"""Private keys: no program reads them from a variable."""


PRACTICE = "workflow"
"""The provider of rules about what a file does: no value stands there, so nothing is rotated."""


_TESTS = late.pattern(r"(?:^|/)(?:tests?|testdata|fixtures?|specs?)/")
"""Where keys stand that only tests trust, and some that everybody does."""


class Advice(NamedTuple):
    """One sentence, and lines to copy: an example in the file's language, or commands."""

    text: str
    lines: tuple[str, ...] = ()


def advise(found: Finding, mode: str) -> Advice:
    """The way out for a finding of a run in `mode`."""
    if found.rule.provider == PRACTICE:
        return Advice(found.rule.fix)
    match found.exposure:
        case Exposure.LOCAL:
            return _local(found, mode)
        case Exposure.COMMITTED:
            return _committed(found, mode)
        case Exposure.PUSHED:
            return Advice(
                _rotate(
                    found,
                    "rotate it first; taking it out of the history does not "
                    "help, others may have it",
                )
            )
        case Exposure.LOGGED:
            return Advice(_rotate(found, "rotate it now; hiding the log does not undo the reading"))
        case _:
            assert_never(found.exposure)


def _rotate(found: Finding, first: str) -> str:
    how = found.rule.revoke.how
    parts = [first, f"to rotate: {how}" if how else "", found.rule.fix]
    return "; ".join(part for part in parts if part)


def _committed(found: Finding, mode: str) -> Advice:
    if mode in ("push", "pre-receive"):
        text = (
            "take it out, rewrite the commit, then push again; rotate it if anyone could "
            "have fetched it"
        )
    else:
        text = (
            "if it was ever pushed, rotate it first; if not, take it out and rewrite the "
            "commit before you push"
        )
    if found.rule.fix:
        text += f"; {found.rule.fix}"
    return Advice(text, (
        "git commit --amend            # when it is in the last commit",
        f"git rebase -i {_oldest(found) + '~':<15} # when it is in an older one",
    ))  # fmt: skip


def _oldest(found: Finding) -> str:
    """The first commit that holds it: a rewrite has to begin there."""
    places = sorted((place.author_date, place.commit) for place in found.locations if place.commit)
    return clean(places[0][1][:8]) if places else "COMMIT"


def _local(found: Finding, mode: str) -> Advice:
    path = found.locations[0].path
    again = ", then stage the file again" if mode == "staged" else ""
    if found.rule.fix:
        return Advice(found.rule.fix)
    if mode == "message":
        return Advice("write the message again without it; everyone who fetches reads messages")
    if found.rule.secret_class in KEY_CLASSES or found.rule.checksum == "private-key":
        if _TESTS.search(path):
            return Advice(f"make it when the tests run{again}; if nothing but tests trusts it, "
                          "allow it with that reason")  # fmt: skip
        return Advice(f"keep it in an agent or a secret store, take it out of the file{again}")
    if _is_env_file(path):
        return Advice("keep this file out of git and list it in .gitignore", _untrack(path))
    lines = example(found)
    if lines:
        return Advice(f"load it when the program runs{again}", lines)
    return Advice(f"load it when the program runs, from the environment or a secret store{again}")


def _is_env_file(path: str) -> bool:
    name = basename(path)
    return name == ".env" or name.startswith(".env.") or name.endswith(".env")


def _untrack(path: str) -> tuple[str, ...]:
    """The command that keeps the file and takes it out of the index; none for odd names."""
    return (f"git rm --cached -- {shlex.quote(path)}",) if clean(path) == path else ()


_EXAMPLES: dict[str, tuple[str, ...]] = {
    "python": ('{var} = os.environ["{env}"]',),
    "javascript": ("const {var} = process.env.{env}",),
    "go": ('{var} := os.Getenv("{env}")',),
    "shell": ('{env}="${{{env}:?is not set}}"',),
    "java": ('String {var} = System.getenv("{env}");',),
    "kotlin": ('val {var} = System.getenv("{env}")',),
    "ruby": ('{var} = ENV.fetch("{env}")',),
    "csharp": ('var {var} = Environment.GetEnvironmentVariable("{env}");',),
    "php": ("${var} = getenv('{env}');",),
    "rust": ('let {var} = std::env::var("{env}")?;',),
    "powershell": ("${var} = $env:{env}",),
    "terraform": ('variable "{low}" {{ sensitive = true }}', "{var} = var.{low}"),
    "docker": ("RUN --mount=type=secret,id={low},env={env} ...",),
    "github": ("{env}: ${{{{ secrets.{env} }}}}",),
    "gitlab": ("{env}: ${env}   # a masked CI/CD variable",),
    "yaml": ("{env}: ${{{env}}}   # filled in when it is deployed",),
    "npmrc": ("_authToken=${{{env}}}",),
}

_EXTENSIONS = {
    ".py": "python", ".pyw": "python", ".pyi": "python", ".ipynb": "python",
    ".js": "javascript", ".mjs": "javascript", ".cjs": "javascript", ".jsx": "javascript",
    ".ts": "javascript", ".mts": "javascript", ".cts": "javascript", ".tsx": "javascript",
    ".vue": "javascript", ".svelte": "javascript",
    ".go": "go",
    ".sh": "shell", ".bash": "shell", ".zsh": "shell", ".ksh": "shell",
    ".java": "java", ".kt": "kotlin", ".kts": "kotlin", ".scala": "kotlin",
    ".rb": "ruby", ".rake": "ruby", ".cs": "csharp", ".php": "php", ".rs": "rust",
    ".ps1": "powershell", ".psm1": "powershell",
    ".tf": "terraform", ".tfvars": "terraform", ".dockerfile": "docker",
    ".yml": "yaml", ".yaml": "yaml", ".npmrc": "npmrc",
}  # fmt: skip


def language(path: str) -> str:
    """The key of `_EXAMPLES` for a file; "" for one we have no line for."""
    path = path.rpartition("!")[2].lower()
    name = basename(path)
    if name.startswith(("dockerfile", "containerfile")):
        return "docker"
    if name == ".npmrc":
        return "npmrc"
    found = _EXTENSIONS.get(splitext(name)[1], "")
    if found == "yaml" and ".github/" in f"/{path}":
        return "github"
    if found == "yaml" and name.startswith(".gitlab-ci"):
        return "gitlab"
    return found


def example(found: Finding) -> tuple[str, ...]:
    """A line that loads the value at run time, in the language of the file it stands in."""
    lines = _EXAMPLES.get(language(found.locations[0].path), ())
    var, env = names(found)
    return tuple(line.format(var=var, env=env, low=env.lower()) for line in lines)


_NAME = late.pattern(
    r"(?<![\w.*$/@-])(?P<name>[A-Za-z_][\w.-]{0,60})[\"'\]]{0,2}"
    r"(?:\s{0,3}:\s{0,3}[A-Za-z][\w<>\[\].|?]{0,30})?"  # a type, as in `token: string =`
    r"\s{0,8}(?::=|=>|[:=])\s{0,8}[\"'`]{0,3}$",
    re.ASCII,
)
_TYPES = frozenset({"string", "str", "const", "let", "var", "val", "auto", "final"})
"""Words before a value that are no name of it."""


def names(found: Finding) -> tuple[str, str]:
    """(variable, environment variable): what the line calls it, else the rule's id."""
    before, _, _ = found.excerpt.rpartition(found.preview)
    seen = _NAME.search(before)
    var = seen["name"].rpartition(".")[2] if seen else ""
    env = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", var)
    env = re.sub(r"[^A-Za-z0-9]+", "_", env).strip("_").upper()[:32]
    if not env or env[0].isdigit() or var.lower() in _TYPES:
        var = ""
    if not var or env.lower() in CREDENTIAL_WORDS:  # a shared environment needs a telling name
        env = re.sub(r"[^A-Z0-9]+", "_", found.rule.id.upper()).strip("_")[:32] or "SECRET"
    return (var if re.fullmatch(r"[A-Za-z_]\w{0,31}", var, re.ASCII) else env.lower()), env
