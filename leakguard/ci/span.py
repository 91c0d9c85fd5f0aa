"""An event into the commits to look at, as far as they are in this checkout.

Errs on the side of more: where it is not known what was there before, everything
is new. What cannot be decided because history is missing is said, never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass

from leakguard.ci import deepen
from leakguard.ci.event import Event, Kind
from leakguard.errors import UnreadError
from leakguard.read import commits, git

SHOWN = 7
"""Digits of a commit's name in sentences."""


@dataclass(frozen=True, slots=True)
class Span:
    """The commits of an event, oldest first.

    `named` is what a tag stands for. With `whole` the history of `head` is
    meant. `policy` is the commit whose configuration and allowances hold, ""
    for those that are checked out.
    """

    event: Event
    head: str = ""
    revisions: tuple[str, ...] = ()
    named: commits.Named | None = None
    whole: bool = False
    words: str = ""
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """Why the commits cannot be told from this checkout."""

    why: str


def find(event: Event, top: str, line: str, *, may_fetch: bool) -> Span:
    """The commits of `event`; with `may_fetch` the remote is asked for what is missing.

    `line` is what to add to the pipeline. Raises UnreadError when it stays missing.
    """
    git.output("rev-parse", "--git-dir", folder=top, what="the repository could not be read")
    if may_fetch:
        deepen.fill(event, top, remote(top))
    found = look(event, top)
    cause = ""
    if isinstance(found, Missing) and may_fetch:
        try:
            for _ in deepen.steps(event, top, remote(top)):
                found = look(event, top)
                if isinstance(found, Span):
                    break
        except UnreadError as problem:
            cause = f"{problem.message}: {problem.cause}"
    if isinstance(found, Missing):
        raise UnreadError(
            f"{event.title}: not all commits are here: {found.why}",
            line or _way_out(top),
            *(() if may_fetch else ("or let leakguard fetch them: leakguard ci --deepen",)),
            "unread is not clean, so this counts as a failure",
            cause=cause,
        )
    return found


def _way_out(top: str) -> str:
    """What a person does who has no pipeline to change."""
    if is_shallow(top):
        return "git fetch --unshallow"
    return f"is the name right? what only the remote has comes with git fetch {remote(top)}"


def look(event: Event, top: str) -> Span | Missing:
    """As `find`, with what is here."""
    if event.kind is Kind.DELETION:
        return Span(event, words="nothing is new")
    head = resolve(event.head, top)
    if not head:
        return Missing(f"no {_short(event.head)} here")
    if event.kind is Kind.HISTORY:
        return _whole(event, head, top)
    if event.kind.proposed:
        return _proposed(event, head, top)
    return _pushed(event, head, top)


def policy(event: Event, top: str) -> str:
    """The commit whose policy holds for `event`: of a proposed change the base; else nothing.

    Raises UnreadError when that commit is not here.
    """
    if not event.kind.proposed:
        return ""
    asked = event.bases or _default(event, top)
    found = _newest([name for name in (resolve(base, top) for base in asked) if name], top)
    if not found:
        named = " or ".join(_short(base) for base in asked) or "the branch it goes to"
        raise UnreadError(
            f"no {named} here, so whose policy holds cannot be told",
            "fetch it before, or take the checkout's: leakguard logs --policy checkout",
        )
    return found


def _whole(event: Event, head: str, top: str) -> Span | Missing:
    if is_shallow(top):
        return Missing("the clone is shallow, and all history is asked for")
    return Span(event, head, whole=True, words=f"the history of {head[:SHOWN]}")


def _proposed(event: Event, head: str, top: str) -> Span | Missing:
    """What a pull request or a merge queue adds to what it would be merged into."""
    asked = event.bases or _default(event, top)
    bases = [name for name in (resolve(base, top) for base in asked) if name]
    if not bases:
        named = " or ".join(_short(base) for base in asked) or "the branch it goes to"
        return Missing(f"no {named} here, so what is new cannot be told")
    return _between(event, head, bases[0], top, _newest(bases, top))


def _pushed(event: Event, head: str, top: str) -> Span | Missing:
    """What a push or a tag brings: all that was not there before."""
    for base in event.bases:
        if name := resolve(base, top):
            return _between(event, head, name, top, "")
    if event.bases and is_shallow(top):
        return Missing(f"no {_short(event.bases[0])} here, the clone is shallow")
    # A first push, one that threw away what was there before, or a service that does not tell.
    for base in _default(event, top) if _is_other(event, top) else ():
        if name := resolve(base, top):
            return _between(event, head, name, top, "")
    if event.kind is Kind.PUSH:
        return _whole(event, head, top)
    return _between(event, head, "", top, "")


def _is_other(event: Event, top: str) -> bool:
    """Whether what moved is surely not the default branch, whose commits nobody has seen yet."""
    default = [base.removeprefix("refs/heads/") for base in _default(event, top)]
    return event.kind is Kind.TAG or (bool(event.branch) and event.branch not in default)


def _between(event: Event, head: str, base: str, top: str, policy: str) -> Span | Missing:
    named = commits.peel([head], top)
    revisions = commits.new(named.commits, [base] if base else [], top=top) if named.commits else []
    if commits.cut_off(revisions, top):
        return Missing("the clone is shallow, older commits are not here")
    words = f"{base[:SHOWN]}..{head[:SHOWN]}" if base else f"all that {head[:SHOWN]} reaches"
    return Span(event, head, tuple(revisions), named, False, words, policy)


def _newest(bases: list[str], top: str) -> str:
    """The state of the target whose policy holds: its tip, if that came after the first base.

    So an allowance that was merged meanwhile counts when the job runs again.
    """
    newest = bases[0]
    for tip in bases[1:]:
        if not git.run("merge-base", "--is-ancestor", newest, tip, folder=top, ok=(0, 1))[0]:
            newest = tip
    return newest


def _default(event: Event, top: str) -> tuple[str, ...]:
    """The default branch as a base; what the clone says where the service does not."""
    if event.default:
        return (f"refs/heads/{event.default}",)
    name = f"refs/remotes/{remote(top)}/"
    said = git.text("symbolic-ref", "--quiet", f"{name}HEAD", folder=top, ok=(0, 1, 128))
    return (f"refs/heads/{said.removeprefix(name)}",) if said.startswith(name) else ()


def remote(top: str) -> str:
    """The remote that the checkout came from."""
    names = git.text("remote", folder=top).splitlines()
    return "origin" if "origin" in names or not names else names[0]


def resolve(name: str, top: str) -> str:
    """The full name of an object that is here, "" if it is not.

    `refs/heads/...` is the remote's branch: a branch of that name in the
    checkout may be anything.
    """
    if name.startswith("refs/heads/"):
        name = f"refs/remotes/{remote(top)}/{name.removeprefix('refs/heads/')}"
    return git.text(
        "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{object}}",
        folder=top, ok=(0, 1, 128),
    )  # fmt: skip


def is_shallow(top: str) -> bool:
    """Whether history is cut off somewhere."""
    return git.text("rev-parse", "--is-shallow-repository", folder=top) == "true"


def edited(span: Span, top: str) -> list[str]:
    """The files that decide something and that a proposed change edits, adds or removes."""
    if not span.policy:
        return []
    said = git.output(
        "diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--no-textconv",
        f"{span.policy}...{span.head}", "--", ".leakguard.yml", ".leakguard",
        folder=top, ok=(0, 128),
    )  # fmt: skip
    return [name.decode("utf-8", "surrogateescape") for name in said.split(b"\0") if name]


def _short(base: str) -> str:
    """A base in a sentence."""
    branch = base.removeprefix("refs/heads/")
    return f"branch {branch}" if branch != base else f"commit {base[:SHOWN]}"
