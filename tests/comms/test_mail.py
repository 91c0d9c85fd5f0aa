"""Mail over real SMTP: encrypted and checked first, to everybody or nobody, once."""

from __future__ import annotations

import secrets
import smtplib
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from leakguard.connect import mail
from leakguard.connect.mail import write
from leakguard.connect.notify import Failure, Receipt, send
from leakguard.load.channels import Channel
from leakguard.secret import Secret
from tests.comms.receivers import Authority, Mailbox, nobody, smtp
from tests.comms.test_sending import message


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def channel(
    box: Mailbox, ca: str = "", *, to: tuple[str, ...] = ("ops@example.com",), **more: str
) -> Channel:
    settings = {
        "host": "127.0.0.1",
        "port": str(box.port),
        "sender": "security@example.com",
        "ca": ca,
    }
    word = more.pop("password", "")
    kept = {"password": Secret(word.encode())} if word else {}
    return Channel("ops", "mail", ("internal",), settings | more, to, secrets=kept)


def test_it_arrives_encrypted_in_plain_words(authority: Authority) -> None:
    with smtp(Mailbox(), authority.context) as box:
        got = send(channel(box, authority.ca), message(), dry_run=False)
    assert isinstance(got, Receipt)
    (taken,) = box.taken
    assert taken.rcpt_tos == ["ops@example.com"]
    letter = message_from_bytes(taken.content, policy=default)
    assert letter["Subject"] == "LG-2026-0001: status"
    assert letter["Message-ID"] == got.detail
    assert letter["Auto-Submitted"] == "auto-generated"
    assert "- Key: `ACME_KEY`" in letter.get_content()
    assert "- a <b> c" in letter.get_content()


def test_the_same_message_has_the_same_id_and_another_version_another() -> None:
    to = channel(Mailbox())
    again = write(to, message())["Message-ID"]
    assert write(to, message())["Message-ID"] == again
    assert write(to, message(version=2))["Message-ID"] != again
    assert write(to, message(message="M2"))["Message-ID"] != again


def test_umlauts_and_long_lines_survive(authority: Authority) -> None:
    text = "Schl\u00fcssel " + "x" * 3000
    with smtp(Mailbox(), authority.context) as box:
        send(
            channel(box, authority.ca), message(text=text, subject="Schl\u00fcssel"), dry_run=False
        )
    letter = message_from_bytes(box.taken[0].content, policy=default)
    assert letter.get_content().strip() == text
    assert letter["Subject"] == "Schl\u00fcssel"
    assert all(len(line) <= 998 for line in box.taken[0].content.splitlines())


def test_it_logs_in_after_encryption_only(authority: Authority) -> None:
    word = secrets.token_hex(12)
    with smtp(Mailbox(), authority.context, user="leakguard", word=word) as box:
        got = send(
            channel(box, authority.ca, user="leakguard", password=word), message(), dry_run=False
        )
        assert isinstance(got, Receipt)
        assert box.logins == [(b"leakguard", word.encode())]
        wrong = send(
            channel(box, authority.ca, user="leakguard", password=word + "x"),
            message(),
            dry_run=False,
        )
    assert isinstance(wrong, Failure)
    assert not wrong.unknown
    assert wrong.problem == "127.0.0.1 does not take the user and password"
    assert word not in repr(wrong)


def test_tls_from_the_first_byte(authority: Authority) -> None:
    with smtp(Mailbox(), authority.context, implicit=True) as box:
        got = send(channel(box, authority.ca, security="tls"), message(), dry_run=False)
    assert isinstance(got, Receipt)
    assert len(box.taken) == 1


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_nobody_vouches_for_stops_it(authority: Authority, security: str) -> None:
    with smtp(Mailbox(), authority.context, implicit=security == "tls") as box:
        got = send(channel(box, security=security), message(), dry_run=False)
    assert isinstance(got, Failure)
    assert not got.unknown
    assert got.problem == "127.0.0.1: its certificate is not trusted, nothing was sent"
    assert box.taken == []


def test_a_certificate_for_another_host_stops_it(tmp_path: Path) -> None:
    other = Authority(tmp_path, "mail.example.com")
    with smtp(Mailbox(), other.context) as box:
        got = send(channel(box, other.ca), message(), dry_run=False)
    assert isinstance(got, Failure)
    assert "not trusted" in got.problem
    assert box.taken == []


def test_a_server_without_encryption_gets_nothing() -> None:
    with smtp(Mailbox(), None) as box:
        got = send(channel(box), message(), dry_run=False)
    assert isinstance(got, Failure)
    assert "offers no STARTTLS" in got.problem
    assert box.taken == []


def test_without_encryption_only_on_this_machine_and_without_a_password() -> None:
    with smtp(Mailbox(), None) as box:
        got = send(channel(box, security="none"), message(), dry_run=False)
        assert isinstance(got, Receipt)
        word = secrets.token_hex(12)
        with_word = channel(box, security="none", user="u", password=word)
        refused = send(with_word, message(), dry_run=False)
    assert isinstance(refused, Failure)
    assert "without encryption" in refused.problem
    far = channel(Mailbox(), security="none", host="mail.example.com")
    away = send(far, message(), dry_run=False)
    assert isinstance(away, Failure)
    assert "could be read on the way" in away.problem


def test_with_one_receiver_refused_nobody_gets_it(authority: Authority) -> None:
    box = Mailbox(rcpt={"gone@example.com": "550 no such user"})
    with smtp(box, authority.context):
        to = channel(box, authority.ca, to=("ops@example.com", "gone@example.com"))
        got = send(to, message(), dry_run=False)
    assert isinstance(got, Failure)
    assert not got.unknown
    assert "refused a receiver: 550" in got.problem
    assert box.taken == []


@pytest.mark.parametrize(
    "said, again", [("451 greylisted", "may work later"), ("554 spam", "will not")]
)
def test_a_refused_body_is_a_clear_failure(authority: Authority, said: str, again: str) -> None:
    box = Mailbox(data=said)
    with smtp(box, authority.context):
        got = send(channel(box, authority.ca), message(), dry_run=False)
    assert isinstance(got, Failure)
    assert not got.unknown
    assert again in got.problem
    assert said[4:] not in got.problem, "a server may quote what it was given"


def test_a_line_that_breaks_after_the_body_leaves_it_unknown(authority: Authority) -> None:
    box = Mailbox(drop=True)
    with smtp(box, authority.context):
        got = send(channel(box, authority.ca), message(), dry_run=False)
    assert isinstance(got, Failure)
    assert got.unknown
    assert len(box.taken) == 1


def test_silence_after_the_body_leaves_it_unknown(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "TIMEOUT", 0.5)
    box = Mailbox(wait=3.0)
    with smtp(box, authority.context):
        got = send(channel(box, authority.ca), message(), dry_run=False)
    assert isinstance(got, Failure)
    assert got.unknown


def test_what_a_server_says_to_a_goodbye_changes_nothing(authority: Authority) -> None:
    box = Mailbox(quit="421 shutting down")
    with smtp(box, authority.context):
        got = send(channel(box, authority.ca), message(), dry_run=False)
    assert isinstance(got, Receipt)


def test_where_nobody_listens_nothing_was_sent() -> None:
    with nobody() as url:
        box = Mailbox(port=int(url.rpartition(":")[2]))
        got = send(channel(box), message(), dry_run=False)
    assert isinstance(got, Failure)
    assert not got.unknown
    assert "cannot be reached, nothing was sent" in got.problem


def test_apprise_delivers_mail_too() -> None:
    with smtp(Mailbox(), None) as box:
        url = f"mailto://127.0.0.1:{box.port}?from=security@example.com&to=ops@example.com&mode=insecure"
        to = Channel("ops", "apprise", ("internal",), secrets={"url": Secret(url.encode())})
        got = send(to, message(), dry_run=False)
    assert isinstance(got, Receipt), got
    letter = message_from_bytes(box.taken[0].content, policy=default)
    assert letter["Subject"] == "LG-2026-0001: status"


def test_this_test_s_server_is_a_real_one(authority: Authority) -> None:
    with smtp(Mailbox(), authority.context) as box, smtplib.SMTP("127.0.0.1", box.port) as client:
        client.ehlo()
        assert client.has_extn("starttls")
        with pytest.raises(smtplib.SMTPSenderRefused):
            client.sendmail("a@example.com", ["b@example.com"], "x")
