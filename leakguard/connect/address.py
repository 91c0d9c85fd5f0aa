"""Addresses: whom a token belongs to, and what of one may be shown."""

from __future__ import annotations

from urllib.parse import urlsplit

from leakguard.errors import UsageError


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: what a token belongs to. Raises UsageError."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme not in ("https", "http") or not parts.hostname or port == -1:
        raise UsageError(f"{bare(url)!r} is no web address", "write it as https://host/...")
    return parts.scheme, parts.hostname.lower(), port or (443 if parts.scheme == "https" else 80)


def bare(url: str) -> str:
    """An address that may be shown: without user, query and fragment."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
