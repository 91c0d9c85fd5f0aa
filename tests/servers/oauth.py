"""Django OAuth Toolkit under gunicorn: real tokens, revocation, introspection, refresh.

`/o/` is the toolkit's own. `/resource` is opened by a token of scope `read`. `/login` stands for a
person at a browser. servers/keycloak.py puts Keycloak's administration on top.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from servers import Process, free_port, lacking, launch, listening, until

PACKAGES: tuple[str, ...] = ()

TESTS = Path(__file__).resolve().parents[1]
REDIRECT = "https://app.example.com/back"
MACHINE, PERSONAL, OTHER, ADMIN = "machine", "personal", "other", "administrator"
GRANTS = {MACHINE: "client-credentials", PERSONAL: "authorization-code",
          OTHER: "client-credentials", ADMIN: "client-credentials"}  # fmt: skip
CLIENTS = {MACHINE: "batch-7", PERSONAL: "app-7", OTHER: "batch-8", ADMIN: "admin-cli"}
"""What a client is for: its id."""


def available() -> str:
    """Why it cannot run here, or ""."""
    return lacking(modules=["django", "oauth2_provider", "gunicorn"])


@dataclass
class Server:
    """The server, and the secrets of its clients."""

    port: int
    folder: Path
    process: Process
    secrets: dict[str, str] = field(default_factory=dict, repr=False)

    def url(self, path: str) -> str:
        """An address on it."""
        return f"http://127.0.0.1:{self.port}{path}"

    def post(self, path: str, client: str, **form: str) -> Any:
        """A form sent by one of the clients."""
        import requests

        auth = (CLIENTS[client], self.secrets[client])
        return requests.post(self.url(path), data=form, auth=auth, timeout=60)

    def token(self, client: str, scope: str = "read") -> str:
        """An access token for a machine."""
        said = self.post("/o/token/", client, grant_type="client_credentials", scope=scope)
        said.raise_for_status()
        return str(said.json()["access_token"])

    def code(self) -> tuple[str, str]:
        """What a person's browser brings back: an authorization code, and its PKCE verifier."""
        import requests

        verifier = secrets.token_urlsafe(40)
        digest = hashlib.sha256(verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        ask = {
            "response_type": "code",
            "client_id": CLIENTS[PERSONAL],
            "redirect_uri": REDIRECT,
            "scope": "read",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        with requests.Session() as browser:
            browser.get(self.url("/login"), timeout=10).raise_for_status()
            said = browser.get(
                self.url("/o/authorize/"), params=ask, allow_redirects=False, timeout=10
            )
        return parse_qs(urlsplit(said.headers["Location"]).query)["code"][0], verifier

    def pair(self) -> dict[str, Any]:
        """A person's access and refresh token."""
        code, verifier = self.code()
        said = self.post(
            "/o/token/", PERSONAL, grant_type="authorization_code",
            code=code, code_verifier=verifier, redirect_uri=REDIRECT,
        )  # fmt: skip
        said.raise_for_status()
        return dict(said.json())

    def active(self, token: str, client: str = MACHINE) -> bool:
        """Whether introspection calls it active."""
        return bool(self.post("/o/introspect/", client, token=token).json()["active"])

    def uses(self, token: str) -> int:
        """What the resource answers to it."""
        import requests

        bearer = {"Authorization": f"Bearer {token}"}
        return requests.get(self.url("/resource"), headers=bearer, timeout=10).status_code


@contextmanager
def start(
    folder: Path, *, reuse_protection: bool = False, serve: str = "servers.oauth:application()"
) -> Iterator[Server]:
    """A server with four clients, whose secrets are made for this run."""
    port = free_port()
    made = {client: secrets.token_urlsafe(30) for client in CLIENTS}
    seed = {"clients": made, "reuse": reuse_protection}
    (folder / "seed.json").write_text(json.dumps(seed), "utf-8")
    process = launch(
        [sys.executable, "-m", "gunicorn", "-b", f"127.0.0.1:{port}", "--chdir", folder,
         "--pythonpath", TESTS, "--worker-tmp-dir", folder, serve],
        log=folder / "gunicorn.log", cwd=folder,
    )  # fmt: skip
    try:
        until(listening(port), process)
        yield Server(port, folder, process, made)
    finally:
        process.stop()


# -- inside gunicorn


def application(more: Callable[[], list[Any]] = list) -> Any:
    """The WSGI application, with more addresses; its folder holds its database and its seed."""
    import django
    from django.conf import settings

    seed = json.loads(Path("seed.json").read_text("utf-8"))
    urls = sys.modules["urls_of_the_test"] = ModuleType("urls_of_the_test")
    settings.configure(
        SECRET_KEY=secrets.token_urlsafe(40),
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=urls.__name__,
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],  # quick, not safe
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}},
        INSTALLED_APPS=[
            "django.contrib.auth", "django.contrib.contenttypes",
            "django.contrib.sessions", "oauth2_provider",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        OAUTH2_PROVIDER={
            "SCOPES": {"read": "read", "manage-clients": "manage clients"},
            "REFRESH_TOKEN_REUSE_PROTECTION": seed["reuse"],
        },
    )  # fmt: skip
    django.setup()
    urls.urlpatterns = [*_urls(), *more()]  # type: ignore[attr-defined]
    _seed(seed["clients"])
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def _seed(clients: dict[str, str]) -> None:
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from oauth2_provider.models import Application

    call_command("migrate", verbosity=0)
    User.objects.create_user("someone")
    for client, secret in clients.items():
        Application.objects.create(
            name=client,
            client_id=CLIENTS[client],
            client_secret=secret,
            client_type="confidential",
            authorization_grant_type=GRANTS[client],
            redirect_uris=REDIRECT if client == PERSONAL else "",
            skip_authorization=True,
        )


def _urls() -> list[Any]:
    from django.contrib.auth import login
    from django.contrib.auth.models import User
    from django.http import HttpResponse
    from django.urls import include, path
    from oauth2_provider.views.generic import ScopedProtectedResourceView
    from oauth2_provider.views.mixins import ProtectedResourceMetadataMixin

    class Resource(ProtectedResourceMetadataMixin, ScopedProtectedResourceView):
        required_scopes: ClassVar = ["read"]

        def get(self, request: Any) -> HttpResponse:
            return HttpResponse("yes")

    def log_in(request: Any) -> HttpResponse:
        login(request, User.objects.get(), "django.contrib.auth.backends.ModelBackend")
        return HttpResponse("hello")

    return [
        path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
        path("resource", Resource.as_view()),
        path("login", log_in),
    ]
