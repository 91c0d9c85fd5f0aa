"""What a script says is kept without values, and public halves stay what they are."""

from __future__ import annotations

import base64
import secrets
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from leakguard.rotate.redact import Redactor
from leakguard.secret import Secret


def test_a_value_is_starred_out_in_every_dress() -> None:
    value = secrets.token_urlsafe(24) + "/+="
    redactor = Redactor([Secret(value.encode())])
    for dress in (value, quote(value, safe=""), base64.b64encode(value.encode()).decode()):
        assert dress not in redactor.value_free(f"said {dress} here")


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="no ssh-keygen here")
def test_a_public_key_is_no_part_of_the_private_one(tmp_path: Path) -> None:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    private, public = path.read_text(), path.with_suffix(".pub").read_text()
    redactor = Redactor([Secret(private.encode())])
    assert redactor.value_free(public) == public
    for line in private.splitlines()[1:-1]:
        assert line not in redactor.value_free(private)
        assert line not in redactor.value_free(f"ssh-ed25519 {line}")
