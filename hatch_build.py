"""Puts the pack for the bundled rules into the wheel, so that nobody waits for it at first use."""

import os
import sys
import tempfile
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PackHook(BuildHookInterface):  # type: ignore[type-arg]
    """An editable installation goes without: its rules change."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the pack and name it among the wheel's files."""
        if version == "editable":
            return
        sys.path.insert(0, self.root)
        try:
            from leakguard.detect import prefilter
            from leakguard.load import body, cache, pack
        finally:
            sys.path.remove(self.root)
        engine = prefilter.extension()
        if engine is None:  # who installs it here has no Hyperscan either
            return
        self._folder = tempfile.TemporaryDirectory()
        path = os.path.join(self._folder.name, pack.SHIPPED)
        with open(path, "wb") as file:
            file.write(cache.frame(body.build(engine, None, [])))
        build_data["force_include"][path] = f"leakguard/_bundled/{pack.SHIPPED}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """The pack is in the wheel now."""
        if version != "editable" and hasattr(self, "_folder"):
            self._folder.cleanup()
