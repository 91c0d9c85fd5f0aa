"""Who we are and where messages go: `profile.yml` and `notify.yml`, read strictly."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest

from leakguard.errors import ConfigError, UsageError
from leakguard.load import channels as load_channels
from leakguard.load import profile as load_profile
from leakguard.load.channels import KINDS, armed, channel, channels
from leakguard.profile import Profile, flaws

FULL = b"""
organisation: Example
security_address: security@example.com
on_call: ["+00 000 0000"]
channel: https://chat.example.com/incidents
status_page: https://status.example.com
public_issues: https://git.example.com/example/app/issues
contacts: {legal: legal@example.com, support: help@example.com}
"""

# profile.yml


def test_a_full_profile_has_no_flaws() -> None:
    found = load_profile.read("profile.yml", FULL)
    assert found.contacts["support"] == "help@example.com"
    assert flaws(found) == []


def test_nobody_on_call_is_an_error() -> None:
    for line in (b"on_call: []", b"on_call: ['']", b""):
        found = load_profile.read("profile.yml", FULL.replace(b'on_call: ["+00 000 0000"]', line))
        (flaw,) = flaws(found)
        assert flaw.what == "nobody is on call"
        assert flaw.how == "on_call: [name or number, ...]"


def test_an_empty_profile_says_all_that_lacks() -> None:
    assert [flaw.key for flaw in flaws(Profile())] == [
        "on_call",
        "security_address",
        "organisation",
        "channel",
    ]


@pytest.mark.parametrize(
    "address",
    ["https://git.example.com/example/app/issues", "https://other.example.com/x/issues/new"],
)
def test_reports_do_not_go_to_a_public_tracker(address: str) -> None:
    raw = FULL.replace(b"security@example.com", address.encode())
    (flaw,) = flaws(load_profile.read("profile.yml", raw))
    assert flaw.what == "reports of leaks would go to a public place"


@pytest.mark.parametrize(
    "raw, said",
    [
        (b"organization: Example", "unknown key 'organization'"),
        (b"on_call: somebody", "must be a list"),
        (b"contacts: {lawyer: x}", "unknown key 'lawyer'"),
        (b"channel: a\nchannel: b", "'channel' stands twice"),
        (b"channel: 'a\\x07b'", "must be text|one line"),
        (b'channel: "a\\nb"', "one line"),
        (b"- a", "must be a mapping"),
    ],
)
def test_a_wrong_profile_is_refused_with_its_place(raw: bytes, said: str) -> None:
    if raw.startswith(b"channel: 'a"):
        raw = b'channel: "a\\x07b"'
    with pytest.raises(ConfigError, match=said) as refused:
        load_profile.read("profile.yml", raw)
    assert refused.value.place is not None
    assert refused.value.place.line >= 1


def test_the_profile_is_the_users_own(tmp_path: Path) -> None:
    assert load_profile.profile(str(tmp_path)) == Profile()
    (tmp_path / "profile.yml").write_text("organisation: Ours")
    assert load_profile.profile(str(tmp_path)).organisation == "Ours"


# notify.yml

NOTIFY = b"""
channels:
  ops: {kind: slack, url: env:OPS_WEBHOOK, audience: [internal, owner]}
  hook: {kind: webhook, url: env:HOOK, key: env:HOOK_KEY, audience: [internal]}
  pager: {kind: pagerduty, key: env:PAGER, audience: [internal]}
  all: {kind: apprise, url: env:ALL, audience: [internal]}
  tickets: {kind: github, repository: acme/incidents, token: env:GH_TOKEN, audience: [internal]}
  other: {kind: gitlab, repository: acme/incidents, token: env:GL_TOKEN, audience: [internal]}
  customers:
    kind: mail
    host: mail.example.com
    sender: security@example.com
    to: [list@example.com]
    user: leakguard
    password: env:MAIL_PASSWORD
    audience: [customers]
"""


def test_every_kind_can_be_described() -> None:
    found = load_channels.read("notify.yml", NOTIFY)
    assert {one.kind for one in found} == set(KINDS)
    assert all(one.secrets == {} for one in found)
    assert found[-1].to == ("list@example.com",)


def test_a_channel_is_armed_from_the_environment() -> None:
    ops = load_channels.read("notify.yml", NOTIFY)[0]
    value = f"https://hooks.example.com/{secrets.token_hex(8)}"
    ready = armed(ops, {"OPS_WEBHOOK": f" {value}\n"})
    assert ready.secrets["url"].reveal().decode() == value
    assert value not in repr(ready)


def test_what_is_not_set_is_named() -> None:
    hook = load_channels.read("notify.yml", NOTIFY)[1]
    with pytest.raises(ConfigError, match="channel hook: HOOK, HOOK_KEY is not set"):
        armed(hook, {"HOOK": ""})


@pytest.mark.parametrize("value", ["a\nb", "a\tb", "a\u00fcb", "a\udcffb"])
def test_a_token_with_odd_characters_is_refused_unquoted(value: str) -> None:
    ops = load_channels.read("notify.yml", NOTIFY)[0]
    with pytest.raises(ConfigError, match="characters that none has") as refused:
        armed(ops, {"OPS_WEBHOOK": value})
    assert value not in repr(refused.value.args)


def test_a_token_in_the_file_is_refused_and_not_shown() -> None:
    value = secrets.token_hex(20)
    raw = (
        f"channels:\n  ops: {{kind: slack, url: 'https://x.invalid/{value}', audience: [internal]}}"
    )
    with pytest.raises(ConfigError, match="does not stand in this file") as refused:
        load_channels.read("notify.yml", raw.encode())
    place = refused.value.place
    assert place is not None
    assert place.line == 2
    assert value not in refused.value.message + place.text + "".join(refused.value.hints)


@pytest.mark.parametrize(
    "line, said",
    [
        ("kind: fax, audience: [internal]", "unknown kind 'fax'"),
        ("audience: [internal]", "needs 'kind'"),
        ("kind: slack, url: env:X", "needs 'audience'"),
        ("kind: slack, audience: [internal]", "needs 'url'"),
        ("kind: slack, url: env:X, audience: [everybody]", "unknown audience 'everybody'"),
        ("kind: slack, url: env:X, audience: [internal], retries: 3", "unknown key 'retries'"),
        ("kind: mail, host: h, sender: a@example.com, to: [], audience: [internal]", "to somebody"),
        ("kind: mail, host: h, sender: a@example.com, to: ['x'], audience: [internal]", "no mail address"),
        (
            "kind: mail, host: h, sender: a@example.com, to: [a@example.com], security: ssl, "
            "audience: [internal]",
            "unknown security 'ssl'",
        ),
        (
            "kind: mail, host: h, sender: a@example.com, to: [a@example.com], port: many, "
            "audience: [internal]",
            "must be a number",
        ),
        (
            "kind: mail, host: h, sender: a@example.com, to: [a@example.com], user: u, "
            "audience: [internal]",
            "needs 'password'",
        ),
    ],
)  # fmt: skip
def test_a_wrong_channel_is_refused(line: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_channels.read("notify.yml", f"channels:\n  ops: {{{line}}}".encode())


def test_who_logs_in_does_not_stand_in_an_address() -> None:
    word = secrets.token_hex(8)
    raw = (
        "channels:\n  t: {kind: github, repository: a/b, token: env:T, audience: [internal],\n"
        f"    server: 'https://u:{word}@git.example.com'}}"
    )
    with pytest.raises(ConfigError, match="must not say who logs in") as refused:
        load_channels.read("notify.yml", raw.encode())
    assert word not in refused.value.message + str(refused.value.place and refused.value.place.text)


def test_channels_are_read_from_the_data_folder(tmp_path: Path) -> None:
    assert channels(str(tmp_path)) == ()
    with pytest.raises(UsageError, match="there is no channel 'ops'"):
        channel("ops", str(tmp_path), {})
    file = tmp_path / "notify.yml"
    file.write_bytes(NOTIFY)
    file.chmod(0o600)
    env = {"OPS_WEBHOOK": "https://hooks.example.com/x"}
    assert channel("ops", str(tmp_path), env).kind == "slack"
    with pytest.raises(UsageError) as unknown:
        channel("opz", str(tmp_path), env)
    assert "did you mean 'ops'?" in unknown.value.hints


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_file_that_others_may_write_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "notify.yml"
    file.write_bytes(NOTIFY)
    file.chmod(0o622)
    with pytest.raises(ConfigError, match="others may write"):
        channels(str(tmp_path))
