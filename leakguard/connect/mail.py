"""A message by mail: SMTP with TLS, which is checked, before anything is said.

A mail is taken when the server says so after its body. Before that nothing was
sent; if the line goes dead in between, nobody knows.
"""

from __future__ import annotations

import hashlib
import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate

from leakguard.connect.notify import Outgoing, UnsureError
from leakguard.connect.notify_http import LOCAL
from leakguard.connect.notify_text import letter
from leakguard.errors import ConfigError, UnreadError
from leakguard.load.channels import Channel

TIMEOUT = 30.0
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


def deliver(channel: Channel, message: Outgoing) -> str:
    """Send it to all of the channel's addresses, or to none.

    Raises ConfigError, UnreadError when nothing was sent, UnsureError when nobody knows.
    """
    written = write(channel, message)
    host = channel.settings["host"]
    try:
        server = _connected(channel)
        try:
            _hand_over(server, channel, written)
        finally:
            _leave(server)
    except ssl.SSLError:
        raise UnreadError(f"{host}: its certificate is not trusted, nothing was sent") from None
    except smtplib.SMTPAuthenticationError:
        raise UnreadError(f"{host} does not take the user and password") from None
    except smtplib.SMTPNotSupportedError:
        raise UnreadError(f"{host} offers no STARTTLS, nothing was sent",
                          "use security: tls, or another server") from None  # fmt: skip
    except smtplib.SMTPResponseException as error:
        raise UnreadError(f"{host} refused: {error.smtp_code}") from None
    except (smtplib.SMTPException, OSError) as error:
        raise UnreadError(f"{host} cannot be reached, nothing was sent",
                          cause=type(error).__name__) from None  # fmt: skip
    return str(written["Message-ID"])


def write(channel: Channel, message: Outgoing) -> EmailMessage:
    """The mail. Its id is made of the message's key, so that a second one is recognised."""
    made = EmailMessage(policy=SMTP)
    key = message.key(channel.name)
    made["Subject"] = message.subject
    made["From"] = channel.settings["sender"]
    made["To"] = ", ".join(channel.to)
    made["Date"] = formatdate()
    made["Message-ID"] = f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@leakguard.invalid>"
    made["X-Leakguard-Key"] = key
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(letter(message.text), cte="quoted-printable")
    return made


def _connected(channel: Channel) -> smtplib.SMTP:
    settings = channel.settings
    host, security = settings["host"], settings.get("security", "starttls")
    port = int(settings.get("port", _PORTS[security]))
    if security == "none" and host not in LOCAL:
        raise ConfigError(f"mail to {host} could be read on the way", "security: starttls")
    if security == "none" and "password" in channel.secrets:
        raise ConfigError("a password is not sent without encryption", "security: starttls")
    context = ssl.create_default_context(cafile=settings.get("ca") or None)
    if security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=context)
    else:
        server = smtplib.SMTP(host, port, timeout=TIMEOUT)
    try:
        if security == "starttls":
            server.starttls(context=context)
        if "password" in channel.secrets:
            server.login(settings["user"], channel.secrets["password"].reveal().decode())
    except BaseException:
        server.close()
        raise
    return server


def _hand_over(server: smtplib.SMTP, channel: Channel, written: EmailMessage) -> None:
    """Sender, every receiver, body. With one receiver refused nobody gets it."""
    server.ehlo_or_helo_if_needed()
    _accepted(server.mail(channel.settings["sender"]), "the sender")
    for address in channel.to:
        _accepted(server.rcpt(address), "a receiver")
    try:
        code, _ = server.data(written.as_bytes())
    except smtplib.SMTPDataError:
        raise
    except (smtplib.SMTPException, OSError) as error:
        what = f"{channel.settings['host']} broke off during the body ({type(error).__name__})"
        raise UnsureError(f"{what}; it may have arrived") from None
    _accepted((code, b""), "the body")


def _leave(server: smtplib.SMTP) -> None:
    """Say goodbye for a moment at most: what the server says to that changes nothing."""
    try:
        if server.sock is not None:
            server.sock.settimeout(2.0)
            server.quit()
    except (smtplib.SMTPException, OSError):
        pass
    finally:
        server.close()


def _accepted(answer: tuple[int, bytes], what: str) -> None:
    """A code is all that is told on: what a server says may quote what it was given."""
    code = answer[0]
    if not 200 <= code < 300:
        again = "it may work later" if 400 <= code < 500 else "it will not work like that"
        raise UnreadError(f"the mail server refused {what}: {code}", again)
