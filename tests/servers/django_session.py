"""Django and Flask under gunicorn with two workers, their sessions signed with keys out of a file.

`/who` answers 200 to somebody who is logged in, and 401 to others. `/login` logs in.

What this cannot prove: several hosts behind one address.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from servers import Process, free_port, lacking, launch, until

PACKAGES: tuple[str, ...] = ()
FRAMEWORKS = ("django", "flask")
WORKERS = 2
TESTS = Path(__file__).resolve().parents[1]


def available() -> str:
    """Why it cannot run here, or ""."""
    return lacking(modules=["django", "flask", "gunicorn"])


@dataclass
class Server:
    """One application, its key file, and what a forged session needs."""

    framework: str
    port: int
    folder: Path
    process: Process

    @property
    def who(self) -> str:
        """The address that tells who is logged in."""
        return f"http://127.0.0.1:{self.port}/who"

    @property
    def keys(self) -> list[str]:
        """What is in the file."""
        return (self.folder / "keys").read_text("utf-8").split()

    def login(self) -> dict[str, str]:
        """The cookie of somebody who logged in."""
        import requests

        with requests.Session() as browser:
            browser.get(self.who.replace("/who", "/login"), timeout=10).raise_for_status()
            return dict(browser.cookies)

    @property
    def loaded(self) -> list[int]:
        """The workers that have read the keys, in that order."""
        return [int(pid) for pid in (self.folder / "loaded").read_text("utf-8").split()]

    def says(self, cookie: dict[str, str]) -> int:
        """What it answers to a cookie."""
        import requests

        return requests.get(self.who, cookies=cookie, timeout=10).status_code


@contextmanager
def start(folder: Path, framework: str) -> Iterator[Server]:
    """An application that has one key."""
    port = free_port()
    (folder / "keys").write_text(secrets.token_hex(32) + "\n", "utf-8")
    (folder / "password").write_text(f"!{secrets.token_hex(20)}", "utf-8")
    process = launch(
        [sys.executable, "-m", "gunicorn", "-w", str(WORKERS), "-b", f"127.0.0.1:{port}",
         "-p", folder / "pid", "--graceful-timeout", "2", "--chdir", folder, "--pythonpath", TESTS,
         "--worker-tmp-dir", folder, f"servers.django_session:{framework}_application()"],
        log=folder / "gunicorn.log", cwd=folder,
    )  # fmt: skip
    server = Server(framework, port, folder, process)
    try:
        until(lambda: _answers(server), process)
        yield server
    finally:
        process.stop()


def _answers(server: Server) -> bool:
    import requests

    try:
        return server.says({}) == 401 and len(server.loaded) == WORKERS
    except requests.RequestException:
        return False


# -- inside gunicorn


def _keys() -> list[str]:
    keys = Path("keys").read_text("utf-8").split()
    with Path("loaded").open("a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")
    return keys


def flask_application() -> Any:
    """A Flask application whose session says who somebody is."""
    from flask import Flask, session

    application = Flask("test")
    application.secret_key, *application.config["SECRET_KEY_FALLBACKS"] = _keys()

    @application.get("/login")
    def login() -> str:
        session["user"] = "someone"
        return "hello"

    @application.get("/who")
    def who() -> tuple[str, int]:
        return ("someone", 200) if session.get("user") else ("nobody", 401)

    return application


def django_application() -> Any:
    """A Django site with its own users, and sessions in signed cookies."""
    import django
    from django.conf import settings

    first, *others = _keys()
    urls = sys.modules["urls_of_the_test"] = ModuleType("urls_of_the_test")
    settings.configure(
        SECRET_KEY=first,
        SECRET_KEY_FALLBACKS=others,
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=urls.__name__,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
    )
    django.setup()
    urls.urlpatterns = _urls()  # type: ignore[attr-defined]
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def _urls() -> list[Any]:
    from django.contrib.auth import login
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.http import HttpResponse
    from django.urls import path

    call_command("migrate", verbosity=0)
    User.objects.create(pk=7, username="someone", password=Path("password").read_text("utf-8"))

    def log_in(request: Any) -> HttpResponse:
        login(request, User.objects.get(), "django.contrib.auth.backends.ModelBackend")
        return HttpResponse("hello")

    def who(request: Any) -> HttpResponse:
        return HttpResponse(status=200 if request.user.is_authenticated else 401)

    return [path("login", log_in), path("who", who)]


def session_of(server: Server) -> str:
    """The content of a session that is logged in there, as JSON."""
    wanted = {"_auth_user_id": "7"} if server.framework == "django" else {"user": "someone"}
    return json.dumps(wanted)
