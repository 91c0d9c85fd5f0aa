"""A message through apprise (extra `notify`), which knows some 150 services.

It says yes or no, not why: a no may come after the body was taken, so it counts
as unknown and is not repeated.
"""

from __future__ import annotations

import logging
import warnings
from urllib.parse import parse_qsl, urlsplit

from leakguard.connect.notify import Outgoing, UnsureError
from leakguard.connect.notify_http import secret_text
from leakguard.errors import ConfigError, UsageError
from leakguard.load.channels import Channel

_WEAKER = {"verify": ("no", "false", "0", "off"), "redirect": ("yes", "true", "1", "on")}
_REPEATS = ("retry", "wait")


def deliver(channel: Channel, message: Outgoing) -> str:
    """Hand it to apprise. Raises UsageError without the extra, ConfigError, UnsureError."""
    try:
        import apprise
    except ImportError:
        raise UsageError("apprise is not installed", "pip install 'leakguard[notify]'") from None
    url = secret_text(channel, "url")
    _check(channel.name, url)
    asset = apprise.AppriseAsset(storage_mode="memory")
    asset.async_mode = False
    asset.secure_logging = True
    asset.http_redirects = False
    asset.pgp_autogen = asset.pem_autogen = False
    log = logging.getLogger("apprise")
    propagated, log.propagate = log.propagate, False
    silent = logging.NullHandler()
    log.addHandler(silent)
    try:
        sender = apprise.Apprise(asset=asset)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its plugins, now loaded, warn about themselves
            known = sender.add(url)
        if not known:
            raise ConfigError(f"channel {channel.name}: apprise does not know such an address",
                              "see its list of services")  # fmt: skip
        done = sender.notify(
            body=message.text, title=message.subject, body_format=apprise.NotifyFormat.MARKDOWN
        )
    finally:
        log.removeHandler(silent)
        log.propagate = propagated
    if not done:
        raise UnsureError("apprise says that it failed, not whether anything arrived")
    return "apprise"


def _check(name: str, url: str) -> None:
    """An address may not switch off what keeps the message safe, nor repeat it."""
    try:
        asked = dict(parse_qsl(urlsplit(url).query.lower()))
    except ValueError:
        raise ConfigError(f"channel {name}: the address is none") from None
    weaker = [key for key, values in _WEAKER.items() if asked.get(key) in values]
    weaker += [key for key in _REPEATS if asked.get(key, "0") != "0"]
    if weaker:
        raise ConfigError(f"channel {name}: the address sets {', '.join(weaker)}",
                          "leave that out")  # fmt: skip
