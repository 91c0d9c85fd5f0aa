"""A rule: what a kind of secret looks like, why it matters, how to kill it.

Data only. The field names and their meaning are those of docs/writing-rules.md.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

SEVERITIES = ("info", "low", "medium", "high", "critical")
"""From harmless to worst."""

TIERS = ("possible", "likely", "confirmed")
"""How sure we are, from a hunch to a proof (checksum, parsed key, complete pair)."""

CLASSES = (
    "database-password",
    "provider-api-key",
    "cloud-access-key",
    "cloud-service-account-key",
    "oauth-token",
    "oauth-client-secret",
    "refresh-token",
    "session-signing-key",
    "code-signing-key",
    "audit-ledger-key",
    "tls-key",
    "ssh-user-key",
    "ssh-host-key",
    "deploy-key",
    "vault-token",
    "approle-secret-id",
    "unseal-share",
    "kek",
    "dek-passphrase",
    "webhook-secret",
    "smtp-credential",
    "dkim-key",
    "ci-secret",
    "registry-token",
    "personal-password",
    "totp-seed",
    "generic",
)
"""Classes of secret; each has a rotation playbook."""

GUESSABLE = frozenset(
    {"database-password", "personal-password", "smtp-credential", "dek-passphrase", "generic"}
)
"""Classes whose values a person may have chosen: their fingerprint uses a slow hash."""

CREDENTIAL_WORDS = (
    "key",
    "token",
    "secret",
    "password",
    "passwd",
    "pwd",
    "auth",
    "authorization",
    "credential",
    "credentials",
    "api",
    "apikey",
    "access",
    "pat",
    "bearer",
)
"""What a context rule takes for "this is the credential" when it names no `keys`."""


class Companion(NamedTuple):
    """The other half of a credential: a rule, and how many lines away at most."""

    rule: str
    within: int = 20


class Revoke(NamedTuple):
    """Where and how the owner kills a credential."""

    url: str = ""
    how: str = ""


class Rule(NamedTuple):
    """One kind of secret. See docs/writing-rules.md for every field."""

    id: str
    name: str
    why: str
    provider: str
    secret_class: str
    severity: str
    confidence: str
    pattern: str = ""
    value: str = ""
    value_pattern: str = ""  # shape.pattern(value), kept in a pack
    made_of: tuple[str, int] = ("", 0)  # openings.made_of(value_pattern), kept in a pack
    words: tuple[str, ...] = ()
    keys: tuple[str, ...] = CREDENTIAL_WORDS
    group: str | int = 0
    public_prefix: str = ""
    entropy: float = 0.0
    checksum: str = ""
    paths: tuple[str, ...] = ()
    paths_expression: str = ""  # globs.expression(paths), kept in a pack
    companions: tuple[Companion, ...] = ()
    alone_severity: str = ""
    alone_confidence: str = ""
    supersedes: tuple[str, ...] = ()
    each: str = ""
    decode: str = ""
    finder: str = ""  # what finds it where no pattern can: code of ours, by its name
    same_as: str = ""
    fix: str = ""
    verify: Mapping[str, object] = MappingProxyType({})
    revoke: Revoke = Revoke()
    references: tuple[str, ...] = ()
    since: str = ""
    examples: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    bundled: bool = True

    @property
    def guessable(self) -> bool:
        """Whether a person may have chosen the value."""
        return self.secret_class in GUESSABLE and not self.public_prefix

    @property
    def family(self) -> str:
        """Under which id its values are fingerprinted: one secret may stand in several dresses."""
        return self.same_as or self.id

    @property
    def generic(self) -> bool:
        """Whether any provider's own rule explains the same bytes better."""
        return self.provider == "generic"
