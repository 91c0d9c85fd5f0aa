"""One SMTP connection: whether it offers a login, and how it answers one."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

LOOPBACK = ("localhost", "127.0.0.1", "::1")
REFUSED = (530, 534, 535, 538)  # RFC 4954: the credential, not the server's day
PATIENCE = 20.0  # seconds; Dovecot holds a refusal back for two


def is_private(target: dict[str, Any]) -> bool:
    """Whether a password sent to this target crosses no network in the clear."""
    return target.get("tls", "starttls") != "none" or target["host"] in LOOPBACK


def offers_login(target: dict[str, Any]) -> tuple[bool, str]:
    """Whether the server takes AUTH, and with which mechanisms."""
    try:
        with _connection(target) as smtp:
            return "auth" in smtp.esmtp_features, smtp.esmtp_features.get("auth", "").strip()
    except (OSError, smtplib.SMTPException) as error:
        return False, type(error).__name__


def try_login(target: dict[str, Any], user: str, password: str) -> str:
    """How the server answers AUTH PLAIN. One mechanism only: each refusal costs seconds."""
    try:
        with _connection(target) as smtp:
            smtp.user, smtp.password = user, password
            smtp.auth("PLAIN", smtp.auth_plain)
    except smtplib.SMTPAuthenticationError as error:
        return "refused" if error.smtp_code in REFUSED else "unknown"
    except smtplib.SMTPResponseException:
        return "unknown"  # it answered, but not about the credential
    except (smtplib.SMTPException, OSError):
        return "unreachable"
    return "accepted"


@contextmanager
def _connection(target: dict[str, Any]) -> Iterator[smtplib.SMTP]:
    how, where = target.get("tls", "starttls"), (target["host"], target.get("port", 587))
    trust = ssl.create_default_context(cafile=target.get("ca_file") or None)
    if how == "implicit":
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(*where, timeout=PATIENCE, context=trust)
    else:
        smtp = smtplib.SMTP(*where, timeout=PATIENCE)
    with smtp:
        if how == "starttls":
            smtp.starttls(context=trust)
        smtp.ehlo()
        yield smtp
