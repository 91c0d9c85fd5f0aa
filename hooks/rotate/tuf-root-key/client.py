"""A client of a repository: the real one, which may be handed forged files on its way."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from typing import Any


def trusted(url: str, root: bytes, forged: Mapping[str, bytes] | None = None) -> tuple[str, Any]:
    """What a client that starts with `root` says of the repository, and the root it ends with.

    `forged` are files that somebody between puts into the place of the real ones.
    """
    from tuf.api.exceptions import DownloadError, RepositoryError, UnsignedMetadataError
    from tuf.api.metadata import Metadata
    from tuf.ngclient import Updater

    with tempfile.TemporaryDirectory() as folder:
        try:
            updater = Updater(folder, url, fetcher=_fetcher(url, forged or {}), bootstrap=root)
            updater.refresh()
        except UnsignedMetadataError:
            return "refused", None
        except DownloadError:
            return "unreachable", None
        except RepositoryError:
            return "unknown", None  # expired, or older than what is known: nothing about keys
        return "accepted", Metadata.from_file(f"{folder}/root.json")


def _fetcher(url: str, forged: Mapping[str, bytes]) -> Any:
    from tuf.ngclient import FetcherInterface
    from tuf.ngclient.urllib3_fetcher import Urllib3Fetcher

    base, real = url.rstrip("/") + "/", Urllib3Fetcher()

    class Between(FetcherInterface):
        """Answers with a forged file where there is one."""

        def _fetch(self, url: str) -> Iterator[bytes]:
            if url.removeprefix(base) in forged:
                return iter([forged[url.removeprefix(base)]])
            return real.fetch(url)

    return Between()
