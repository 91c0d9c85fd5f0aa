"""What the names around a credential say of it: a file, a variable, a branch."""

from __future__ import annotations

from collections.abc import Iterable

from leakguard.respond.companions import words_of

_PRODUCTION = frozenset({"prod", "production", "prd", "live"})
_STAGING = frozenset({"staging", "stage", "stg", "uat", "preprod", "qa", "preproduction"})
_DEVELOPMENT = frozenset(
    {"dev", "devel", "develop", "development", "local", "localhost", "sandbox"}
)
_TEST = frozenset({"test", "tests", "testing", "ci"})
_BEFORE = ("pre", "non", "not")


def environment(path: str, name: str = "", hints: Iterable[str] = ()) -> str:
    """What a credential opens, by the words of its file, its name, its branch and the like.

    Any word for production wins. A test word counts in the name of the variable
    or of the file only: real keys lie in folders of tests every day.
    """
    folders, _, file = path.rpartition("/")
    near = _words(f"{name} {file}")
    words = near | _words(" ".join((folders, *hints)))
    for kind, known in (
        ("production", _PRODUCTION), ("staging", _STAGING), ("development", _DEVELOPMENT)
    ):  # fmt: skip
        if words & known:
            return kind
    return "development" if near & _TEST else "unknown"


def _words(text: str) -> frozenset[str]:
    """The words of names, `pre-prod` and `non-prod` as one."""
    words: list[str] = []
    for word in words_of(text):
        if words and words[-1] in _BEFORE and word in _PRODUCTION:
            words[-1] = "preprod"
        else:
            words.append({"nonprod": "preprod"}.get(word, word))
    return frozenset(words)
