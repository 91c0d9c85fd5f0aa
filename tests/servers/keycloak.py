"""Keycloak where it is installed, and a stand-in everywhere: both are driven over HTTP alike.

`KEYCLOAK_HOME` (or `kc.sh` on the PATH) names a distribution, which runs from a private folder in
development mode: its database is in memory, its realm comes from a file. The first start from
a distribution builds it (a minute or two); `kc.sh start-dev` with `BUILT` spares that.

The stand-in is Django OAuth Toolkit (real tokens and introspection) with Keycloak's
addresses and answers over it, as seen of Keycloak 26.0: a wrong secret is 401
`unauthorized_client`, an unknown client `invalid_client`, a grant type nobody knows is refused
before the client is looked at, and a PUT that leaves `serviceAccountsEnabled` out makes
the service account anew (its tokens die, its roles are gone). It cannot show the policy
that lets a replaced secret live on ("rotated secret").
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from servers import free_port, launch, oauth, program, until

PACKAGES: tuple[str, ...] = ()

ADMIN, OTHER, STRANGER, ROOT = "rotator-7", "asker-7", "stranger-7", "root-7"
"""May manage clients; may ask about tokens; may nothing; may everything."""
PEOPLE = (ADMIN, OTHER, STRANGER, ROOT)
BUILT = ("--db=dev-mem", "--features=client-secret-rotation")
ROLES = {ADMIN: ["manage-clients"], ROOT: ["realm-admin"]}
REALM = "leaks"


def home() -> Path | None:
    """Where a distribution of Keycloak is, or None."""
    named = os.environ.get("KEYCLOAK_HOME", "")
    script = Path(named, "bin", "kc.sh") if named else Path(program("kc.sh") or "/nowhere")
    return script.resolve().parents[1] if script.is_file() and program("java") else None


def available() -> str:
    """Why the real one cannot run here, or ""."""
    return "" if home() else "not installed: Keycloak (set KEYCLOAK_HOME) with java"


@dataclass
class Server:
    """A realm with four clients of ours, reached over HTTP."""

    clients_url: str
    token_url: str
    introspect_url: str
    resource_url: str
    log: Path
    secrets: dict[str, str] = field(repr=False)
    scope: str = "openid"  # what a token needs to open the resource
    admin_scope: str = ""
    powerless: dict[str, str] = field(default_factory=lambda: {"admin_client_id": STRANGER})
    """How a target differs when the one who acts may not manage clients."""

    def client(self, **more: Any) -> Client:
        """A new client with a service account."""
        name, secret = f"batch-{secrets.token_hex(4)}", secrets.token_urlsafe(30)
        made = self.admin("POST", self.clients_url, json=_client(name, secret) | more)
        return Client(self, name, made.headers["Location"], secret)

    def admin(self, method: str, url: str, **parts: Any) -> Any:
        """A request of the one who may everything."""
        import requests

        bearer = self.token(ROOT, self.secrets[ROOT], self.admin_scope)
        said = requests.request(
            method, url, headers={"Authorization": f"Bearer {bearer}"}, timeout=60, **parts
        )
        said.raise_for_status()
        return said

    def token(self, client: str, secret: str, scope: str) -> str:
        """An access token for a machine."""
        form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
        said = self._post(self.token_url, client, secret, form)
        said.raise_for_status()
        return str(said.json()["access_token"])

    def active(self, token: str) -> bool:
        """Whether introspection calls it active."""
        said = self._post(self.introspect_url, OTHER, self.secrets[OTHER], {"token": token})
        return bool(said.json()["active"])

    def uses(self, token: str) -> int:
        """What the resource answers to it."""
        import requests

        bearer = {"Authorization": f"Bearer {token}"}
        return requests.get(self.resource_url, headers=bearer, timeout=60).status_code

    def _post(self, url: str, client: str, secret: str, form: dict[str, str]) -> Any:
        import requests

        return requests.post(url, auth=(client, secret), data=form, timeout=60)


@dataclass
class Client:
    """One client whose secret may leak."""

    server: Server
    name: str
    url: str
    secret: str = field(repr=False)

    def token(self) -> str:
        """An access token, asked for with the first secret."""
        return self.server.token(self.name, self.secret, self.server.scope)

    def account(self) -> str:
        """Who its service account is: roles hang on that."""
        return str(self.server.admin("GET", f"{self.url}/service-account-user").json()["id"])

    def known(self) -> dict[str, Any]:
        """What the administration shows of it, but for the secret."""
        shown: dict[str, Any] = self.server.admin("GET", self.url).json()
        return {name: value for name, value in shown.items() if name != "secret"}

    def target(self) -> dict[str, Any]:
        """What a script is told of it."""
        return {
            "admin_url": self.url,
            "token_url": self.server.token_url,
            "client_id": self.name,
            "admin_client_id": ADMIN,
            "admin_scope": self.server.admin_scope,
        }


def _client(name: str, secret: str) -> dict[str, Any]:
    return {
        "clientId": name,
        "secret": secret,
        "enabled": True,
        "publicClient": False,
        "serviceAccountsEnabled": True,
        "standardFlowEnabled": False,
    }


@contextmanager
def real(folder: Path) -> Iterator[Server]:
    """Keycloak itself."""
    made = {name: secrets.token_urlsafe(30) for name in PEOPLE}
    own, port = _private(folder / "keycloak"), free_port()
    (own / "data" / "import" / "realm.json").write_text(json.dumps(_realm(made)), "utf-8")
    base = f"http://127.0.0.1:{port}"
    realm = f"{base}/realms/{REALM}/protocol/openid-connect"
    server = Server(
        f"{base}/admin/realms/{REALM}/clients", f"{realm}/token", f"{realm}/token/introspect",
        f"{realm}/userinfo", folder / "keycloak.log", made,
    )  # fmt: skip
    process = launch(
        [own / "bin" / "kc.sh", "start-dev", "--import-realm", *BUILT,
         "--http-host=127.0.0.1", f"--http-port={port}"],
        log=server.log, cwd=own,
        env={"PATH": os.environ["PATH"], "HOME": str(folder),
             "JAVA_OPTS_APPEND": "-XX:TieredStopAtLevel=1"},
    )  # fmt: skip
    try:
        until(lambda: "Listening on" in process.said(), process, within=400)
        yield server
    finally:
        process.stop()


def _private(own: Path) -> Path:
    """A home of our own on the jars of the distribution; a build changes `lib/quarkus`."""
    given = home()
    assert given
    (own / "lib").mkdir(parents=True)
    (own / "data" / "import").mkdir(parents=True)
    for part in ("bin", "conf", "lib/quarkus", "providers", "themes"):
        shutil.copytree(given / part, own / part, symlinks=True)
    shutil.copy2(given / "lib" / "quarkus-run.jar", own / "lib")
    for part in ("lib/app", "lib/lib"):
        (own / part).symlink_to(given / part)
    return own


def _realm(made: dict[str, str]) -> dict[str, Any]:
    accounts = [
        {
            "username": f"service-account-{name}",
            "enabled": True,
            "serviceAccountClientId": name,
            "clientRoles": {"realm-management": roles},
        }
        for name, roles in ROLES.items()
    ]
    clients = [_client(name, secret) for name, secret in made.items()]
    return {"realm": REALM, "enabled": True, "clients": clients, "users": accounts}


@contextmanager
def standin(folder: Path) -> Iterator[Server]:
    """Django OAuth Toolkit in Keycloak's clothes."""
    with oauth.start(folder, serve="servers.keycloak:application()") as running:
        made = {name: secrets.token_urlsafe(30) for name in PEOPLE}
        server = Server(
            running.url("/kc/clients"), running.url("/kc/token"), running.url("/o/introspect/"),
            running.url("/resource"), running.process.log, made, "read", "manage-clients",
            {"admin_scope": "read"},
        )  # fmt: skip
        _people(server, running)
        yield server


def _people(server: Server, running: oauth.Server) -> None:
    import requests

    bearer = {"Authorization": f"Bearer {running.token(oauth.ADMIN, 'manage-clients')}"}
    for name, secret in server.secrets.items():
        body = _client(name, secret)
        requests.post(server.clients_url, json=body, headers=bearer, timeout=60).raise_for_status()


# -- inside gunicorn


def application() -> Any:
    """The WSGI application of the stand-in."""
    return oauth.application(_urls)


def _urls() -> list[Any]:
    from django.urls import path

    shown: dict[str, dict[str, Any]] = {}  # clients as the administration shows them
    many, one, account = _administration(shown)
    return [
        path("kc/clients", many),
        path("kc/clients/<str:client_id>", one),
        path("kc/clients/<str:client_id>/service-account-user", account),
        path("kc/token", _token(shown)),
    ]


def _token(shown: dict[str, dict[str, Any]]) -> Any:
    """The toolkit's token endpoint with Keycloak's words for what is wrong."""
    from django.http import HttpRequest, HttpResponse, JsonResponse
    from django.views.decorators.csrf import csrf_exempt
    from oauth2_provider.views import TokenView

    view = TokenView.as_view()

    def token(request: HttpRequest) -> HttpResponse:
        if request.POST.get("grant_type") not in ("client_credentials", "refresh_token"):
            return JsonResponse({"error": "unsupported_grant_type"}, status=400)
        said, name = view(request), _basic_name(request)
        if said.status_code == 401 and name in shown:
            return JsonResponse({"error": "unauthorized_client"}, status=401)
        if name in shown:
            _end_older(name, shown[name]["notBefore"])  # one of this second may be dead already
        return said

    return csrf_exempt(token)


def _basic_name(request: Any) -> str:
    import base64

    _, _, word = request.headers.get("Authorization", "").partition(" ")
    return base64.b64decode(word).decode().partition(":")[0]


def _administration(shown: dict[str, dict[str, Any]]) -> tuple[Any, Any, Any]:
    """Keycloak's clients: POST, GET and PUT with a bearer that may manage."""
    from django.http import HttpResponse, JsonResponse
    from django.utils.decorators import method_decorator
    from django.views.decorators.csrf import csrf_exempt
    from oauth2_provider.models import Application
    from oauth2_provider.views.generic import ScopedProtectedResourceView
    from oauth2_provider.views.mixins import ProtectedResourceMetadataMixin

    accounts: dict[str, str] = {}

    @method_decorator(csrf_exempt, name="dispatch")
    class Managed(ProtectedResourceMetadataMixin, ScopedProtectedResourceView):
        required_scopes = ("manage-clients",)

    class Many(Managed):
        def post(self, request: Any) -> HttpResponse:
            body = json.loads(request.body)
            name = body["clientId"]
            Application.objects.create(
                name=name, client_id=name, client_secret=body["secret"],
                client_type="confidential", authorization_grant_type="client-credentials",
            )  # fmt: skip
            shown[name] = {**body, "id": name, "notBefore": 0, "access": {"configure": True}}
            accounts[name] = secrets.token_hex(8)
            return HttpResponse(status=201, headers={"Location": request.build_absolute_uri()
                                                     + f"/{name}"})  # fmt: skip

    class One(Managed):
        def get(self, request: Any, client_id: str) -> HttpResponse:
            if client_id not in shown:
                return JsonResponse({"error": "Could not find client"}, status=404)
            return JsonResponse(shown[client_id])

        def put(self, request: Any, client_id: str) -> HttpResponse:
            change = json.loads(request.body)
            client = Application.objects.get(client_id=client_id)
            shown[client_id] |= change
            if "secret" in change:
                client.client_secret = change["secret"]
                client.save()
            if "serviceAccountsEnabled" not in change:
                accounts[client_id] = secrets.token_hex(8)
                _end_older(client_id)
            _end_older(client_id, shown[client_id]["notBefore"])
            return HttpResponse(status=204)

    class Account(Managed):
        def get(self, request: Any, client_id: str) -> HttpResponse:
            return JsonResponse({"id": accounts[client_id]})

    return Many.as_view(), One.as_view(), Account.as_view()


def _end_older(name: str, moment: int = 2**31) -> None:
    from datetime import UTC, datetime

    from oauth2_provider.models import AccessToken

    older = {"application__client_id": name, "created__lt": datetime.fromtimestamp(moment, UTC)}
    AccessToken.objects.filter(**older).delete()
