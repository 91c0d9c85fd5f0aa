"""Incidents out of events, as the store would fold them: one story, told as far as a test needs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from leakguard import event as ev
from leakguard.event import Entry, stamp
from leakguard.history import fold
from leakguard.incident import Incident, Message
from leakguard.load.presets import preset
from leakguard.playbook import Phase, Step, step_fields
from leakguard.profile import Profile
from leakguard.respond.comms import Draft, Template, next_version, render
from leakguard.respond.comms_facts import facts_for

BEGIN = datetime(2026, 11, 21, 14, 0, tzinfo=UTC)
STRICTEST = preset("strictest")
PROFILE = Profile(
    organisation="Example",
    security_address="security@example.com",
    on_call=("operations on duty",),
    channel="https://chat.example.com/incidents",
    status_page="https://status.example.com",
    contacts={"support": "help@example.com", "legal": "legal@example.com"},
)
STATED = {
    "business-impact": "orders stop for about 10 minutes while the database restarts",
    "people-affected": "0 to 400",
    "people-affected-basis": "accounts in the orders database",
    "decisions-needed": "whether to tell customers, by 18:00 UTC",
    "legal-clocks": "none running; privacy decides by 18:00 UTC",
    "outage": "none so far",
    "confidence": "high",
    "what-happened": "A password of the orders database was written to the log of a build.",
    "data-exposed": "names and addresses of orders of the last 30 days",
    "customers-should": "change the password of your account and watch for unexpected orders",
    "component": "Orders",
    "customer-effect": "New orders are delayed by up to 10 minutes.",
    "regions": "all",
    "lingering-effects": "none",
    "follow-up": "2026-12-01",
    "reported-at": stamp(BEGIN),
}
ABOUT_S1 = {
    "generation": "7 -> 8",
    "vendor-account": "acct-1234",
    "key-id": "key-77",
    "ticket": "SEC-9",
}
ABOUT_TENANT = {
    "tenant": "S1",
    "tenant-must": "create a new API key and put it into your integrations",
    "tenant-deadline": "2026-11-28 12:00 UTC",
    "tenant-continues": "sending and receiving mail",
}


class Story:
    """Events of one incident in their order; each happens a minute after the one before."""

    def __init__(self, *, drill: bool = False, source: str = "finding", level: int = 0) -> None:
        self.now = BEGIN
        self.entries: list[Entry] = []
        self.add(
            ev.Opened(
                title="database password in a build log",
                source=source,
                detected_at=stamp(BEGIN),
                drill=drill,
            )
        )
        self.judge(level)

    def add(self, *events: ev.Event, actor: str = "responder-a") -> Story:
        for event in events:
            self.now += timedelta(minutes=1)
            number = len(self.entries) + 1
            self.entries.append(Entry(number, "LG-2026-0001", self.now, actor, event))
        return self

    def judge(self, level: int) -> Story:
        label = STRICTEST.label(level)
        return self.add(ev.SeverityJudged(level, label, "now", "now", (("R-29", level, "public"),)))

    def leak(self) -> Story:
        """Two secrets, two copies, two consumers, four steps."""
        return self.add(
            ev.SecretAdded(
                "S1", "database-password", "postgresql-password", "postgresql",
                label="ORDERS_DB_PASSWORD", environment="production",
            ),
            ev.SecretAdded(
                "S2", "provider-api-key", "acme-key", "acme", label="ACME_KEY",
                environment="staging", reason="companion",
            ),
            ev.ExposureAdded(
                "X1", "S1", "ci-log", "https://ci.example.com/job/8123?token=abc#L214", "internal",
                since=stamp(BEGIN - timedelta(days=2)), certainty="earliest", commit="1f2e3d4",
                refs=("main",),
            ),
            ev.ExposureAdded(
                "X2", "S2", "public-repository", "https://git.example.com/acme/pay/blob/main/.env",
                "public", since=stamp(BEGIN - timedelta(days=1)), certainty="exact",
            ),
            ev.ConsumerAdded("C1", "S1", "orders"),
            ev.ConsumerAdded("C2", "S1", "reports"),
            ev.ChecklistComposed(tuple(step_fields(one) for one in STEPS), "hash"),
        )  # fmt: skip

    def people(self) -> Story:
        return self.add(
            ev.RoleTaken("commander", "responder-a"), ev.RoleTaken("fixer", "responder-b")
        )

    def state(self, **more: str) -> Story:
        """Everything that only people can say."""
        self.add(*(ev.Stated(name, value) for name, value in (STATED | more).items()))
        self.add(*(ev.Stated(name, value, "S1") for name, value in ABOUT_S1.items()))
        return self.add(
            *(ev.Stated(name, value, "acme-gmbh") for name, value in ABOUT_TENANT.items())
        )

    def rotate(self, *secrets: str) -> Story:
        """Revoke and prove dead."""
        for name in secrets or ("S1", "S2"):
            self.add(
                ev.SecretMoved(name, "revoked", rotation=f"LG-2026-0001-{name}-r1"),
                ev.Proved("dead", name, "login", True, "refused by auth", rounds=3),
                ev.SecretMoved(name, "dead"),
            )
        return self

    def settle(self) -> Story:
        """Copies gone, consumers moved, lists complete."""
        return self.add(
            ev.Proved("gone", "X1", "probe", True, "404"),
            ev.Proved("gone", "X2", "probe", True, "404"),
            ev.Proved("switch", "C1", "health", True, "generation 8"),
            ev.Proved("switch", "C2", "health", True, "generation 8"),
            ev.ConsumersCounted("S1", "yes"),
            ev.ConsumersCounted("S2", "yes"),
        )

    def review(self, verdict: str = "no-unauthorised-access", *, trusted: bool = True) -> Story:
        begin, end = stamp(BEGIN - timedelta(days=5)), stamp(self.now)
        return self.add(
            *(
                ev.LogReviewed(name, "provider log", begin, end, verdict, trusted, rows=1200)
                for name in ("S1", "S2")
            )
        )

    def reach(self, *statuses: str) -> Story:
        return self.add(*(ev.Advanced(status) for status in statuses))

    def send(self, template: str, audience: str = "internal", message: str = "") -> Story:
        number = (
            message
            or f"M{sum(isinstance(one.event, ev.MessageDrafted) for one in self.entries) + 1}"
        )
        draft = Draft(template, "LG-2026-0001", audience, "AMBER", "subject", "text")
        drafted = next_version(None, draft, number)
        assert drafted is not None
        return self.add(drafted, ev.MessageSent(number, "ops", "250"))

    def draft(
        self, template: Template, subject: str = "", *, actor: str = "responder-a"
    ) -> Message:
        """A message made of what is known now, under the next number."""
        number = f"M{len(self.incident.messages) + 1}"
        drafted = next_version(None, self.words(template, subject), number)
        assert drafted is not None
        self.add(drafted, actor=actor)
        return self.incident.messages[number]

    def facts(self, template: Template, subject: str = "") -> dict[str, object]:
        return facts_for(template, self.incident, STRICTEST, PROFILE, self.now, subject)

    def words(self, template: Template, subject: str = "") -> Draft:
        return render(template, self.facts(template, subject))

    @property
    def incident(self) -> Incident:
        return fold(self.entries)


STEPS = (
    Step("rotate", "Replace the database password", "it works", ("P-08",), Phase.CONTAIN,
         per="secret", subject="S1", sets="revoked", proves="dead"),
    Step("hide", "Delete the log of the build", "others read it", ("P-09",), Phase.CONTAIN,
         per="exposure", subject="X1", proves="gone"),
    Step("audit", "Read the access log of the database", "use shows there", ("P-10",),
         Phase.INVESTIGATE),
    Step("learn", "Write down how it got into the log", "it happens again", ("P-12",), Phase.LEARN),
)  # fmt: skip


def told() -> Story:
    """Everything known, nothing done yet."""
    return Story().leak().people().state()


def resolved() -> Story:
    """The whole way to the review."""
    story = told().send("declaration").send("executive-brief", "executive").rotate().settle()
    return story.review().reach("contained", "eradicated", "recovered", "reviewing")


def subject_of(template: Template) -> str:
    """Which of the story's secrets, copies or tenants a template is about."""
    return {"secret": "S1", "exposure": "X1", "tenant": "acme-gmbh"}.get(template.per, "")
