"""One rotation as a test takes it: phase by phase, with what each one leaves to the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from rotate.drive import Answer, done, failed, failing_checks, steady


@dataclass(kw_only=True)
class Rotation:
    """Asks one script. Who inherits says which, and has a `target` and `secrets`."""

    script: ClassVar[Path]
    steps: ClassVar[tuple[str, ...]] = ("generate", "create", "verify_new", "disable_old")
    plan: Answer = field(default_factory=dict, repr=False)
    new: dict[str, Any] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, Any]:
        return {"target": self.target, "secrets": self.secrets, "plan": self.plan, "new": self.new}

    def ask(self, phase: str, **parts: Any) -> Answer:
        """The answer to a phase that has to succeed."""
        first = {"plan": {}} if phase == "plan" else {}
        answer = done(self.script, phase, **self.parts | first | parts)
        if phase == "plan":
            self.plan = answer
        if phase == "generate":
            self.secrets["new"] = answer["secrets"]["new"]
        self.new = answer.get("new") or self.new
        return answer

    def after(self, *phases: str) -> Self:
        """Itself after some phases."""
        for phase in phases:
            self.ask(phase)
        return self

    def fails(self, phase: str, **parts: Any) -> str:
        """The class of error of a phase that has to fail."""
        return failed(self.script, phase, **self.parts | parts)

    def status(self, phase: str, **parts: Any) -> str:
        status: str = self.ask(phase, **parts)["status"]
        return status

    def prepare(self) -> None:
        """A plan that nothing stands in the way of, and the first step."""
        self.planned()
        self.ask(self.steps[0])

    def planned(self) -> Answer:
        """A plan that nothing stands in the way of."""
        plan = steady(lambda: self.ask("plan"), lambda plan: not failing_checks(plan))
        wrong = failing_checks(plan)
        assert not wrong, wrong
        return plan

    def replace(self) -> None:
        """All that stands before the end of the old one."""
        self.prepare()
        self.after(*self.steps[1:])

    def probe(self, **parts: Any) -> dict[str, str]:
        found: dict[str, str] = self.ask("probe", **parts)["probe"]
        return found

    def said(self) -> tuple[str, str]:
        """What a probe says of the new one and of the old one."""
        found = self.probe()
        return found["new"], found["old"]

    def state(self) -> tuple[str, str]:
        """What is observed of the old one and of the new one."""
        state = self.ask("observe")["state"]
        return state["old"], state["new"]
