"""Places in which people leave secrets, as templates, and the names they give them.

`@value` is where the secret goes, `@SNAKE`, `@snake`, `@camel`, `@Pascal`, `@kebab` are its
name, `@say` the name in words, `@title` the service as a person writes it, `@host` as in a URL.
"""

# ruff: noqa: E501  # a context stands on one line

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable

SLOT = re.compile(r"@(value|SNAKE|snake|camel|Pascal|kebab|say|title|host)~?")


@dataclass(frozen=True, slots=True)
class Name:
    """What a secret is called: the service's words and the words for the thing."""

    service: tuple[str, ...]
    noun: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """All words, without saying one twice."""
        twice = self.service and self.noun[: len(self.service)] == self.service
        return self.noun if twice else (*self.service, *self.noun)

    def slots(self) -> dict[str, str]:
        """The name in every spelling."""
        capital = [word.capitalize() for word in self.words]
        return {
            "SNAKE": "_".join(self.words).upper(),
            "snake": "_".join(self.words),
            "camel": self.words[0] + "".join(capital[1:]),
            "Pascal": "".join(capital),
            "kebab": "-".join(self.words),
            "say": " ".join(self.noun),
            "title": " ".join(self.service).title() or "App",
            "host": "".join(self.service) or "app",
        }


def same(value: str) -> str:
    """A value that stands as it is."""
    return value


def in_json(value: str) -> str:
    """As in a string of JSON and of most languages."""
    return json.dumps(value)[1:-1]


def in_sql(value: str) -> str:
    """As in a string of SQL."""
    return value.replace("'", "''")


def in_url(value: str) -> str:
    """As in a query."""
    return quote(value, safe="")


def in_base64(value: str) -> str:
    """As Kubernetes wants it."""
    return base64.b64encode(value.encode()).decode()


def doubled(value: str) -> str:
    """JSON within JSON."""
    return in_json(in_json(value))


@dataclass(frozen=True, slots=True)
class Context:
    """A file with a place for a secret."""

    name: str
    path: str
    template: str
    spell: Callable[[str], str] = same
    lines: bool = False  # whether a value of several lines can stand here
    machine: bool = False  # whether only what machines make stands here, no password

    def takes(self, value: str) -> bool:
        """Whether people would put this value here."""
        if "\n" in value:
            return self.lines
        return self.spell is not same or not set(value) & set("\"'`\\ ")

    def where(self, name: Name) -> str:
        """The path of the file, which may have the secret's name in it."""
        slots = name.slots()
        return SLOT.sub(lambda found: slots[found[1]], self.path)

    def put(self, name: Name, value: str) -> tuple[str, int, int]:
        """The text, and from where to where the value stands in it."""
        slots = name.slots()
        spelt = self.spell(value)
        out, at, where = "", 0, 0
        for found in SLOT.finditer(self.template):
            out += self.template[at : found.start()]
            if found[1] == "value":
                where = len(out)
                out += spelt
            else:
                out += slots[found[1]]
            at = found.end()
        return out + self.template[at:] + "\n", where, where + len(spelt)


CONTEXTS = (
    Context("env file", ".env", "APP_ENV=production\n@SNAKE=@value\nPORT=8080"),
    Context("env file, quoted", ".env.local", 'DEBUG=0\n@SNAKE="@value"', in_json, lines=True),
    Context("shell export", "deploy.sh", "set -eu\nexport @SNAKE=@value\n./run"),
    Context("shell, quoted", "bin/start.sh", "@SNAKE='@value'\nexport @SNAKE"),
    Context("YAML", "config.yml", "@host:\n  region: eu\n  @snake: @value\n  timeout: 30"),
    Context("YAML, nested", "app.yaml", 'services:\n  @host:\n    options:\n      @camel: "@value"', in_json, lines=True),
    Context("JSON, compact", "config.json", '{"region":"eu","@camel":"@value","retries":3}', in_json, lines=True),
    Context("JSON, pretty", "appsettings.json", '{\n  "@Pascal": "@value",\n  "Region": "eu"\n}', in_json, lines=True),
    Context("JSON in a string", "event.json", '{"body": "{\\"@snake\\": \\"@value\\"}"}', doubled, lines=True),
    Context("TOML", "settings.toml", '[@host]\n@snake = "@value"\nretries = 3', in_json, lines=True),
    Context("INI", "app.ini", "[@host]\n@snake = @value\nregion = eu"),
    Context("properties", "application.properties", "server.port=80\n@host.@kebab=@value"),
    Context("XML element", "config.xml", "<settings>\n  <@camel>@value</@camel>\n</settings>", escape),
    Context("XML attribute", "web.config", '<appSettings>\n  <add key="@Pascal" value="@value" />\n</appSettings>', escape),
    Context("property list", "Info.plist", "<dict>\n  <key>@Pascal</key>\n  <string>@value</string>\n</dict>", escape),
    Context("Android resource", "res/values/keys.xml", '<resources>\n  <string name="@snake">@value</string>\n</resources>', escape),
    Context("Python", "client.py", 'import os\n\n@SNAKE = "@value"\n', in_json, lines=True),
    Context("Python dict", "settings.py", 'CONFIG = {\n    "@snake": "@value",\n}', in_json, lines=True),
    Context("Python argument", "main.py", 'client = Client(\n    region="eu",\n    @snake="@value",\n)', in_json, lines=True),
    Context("Python environment", "run.py", 'os.environ["@SNAKE"] = "@value"', in_json),
    Context("JavaScript", "src/api.js", "const @camel = '@value';\nmodule.exports = { @camel };"),
    Context("TypeScript", "src/config.ts", "export const config = {\n  @camel: '@value',\n};"),
    Context("TypeScript fallback", "src/env.ts", "const key: string = process.env.@SNAKE || '@value';"),
    Context("Go", "main.go", 'package main\n\nconst @camel = "@value"\n', in_json),
    Context("Go field", "client.go", 'cfg := Config{\n\t@Pascal: "@value",\n}', in_json),
    Context("Java", "Client.java", 'private static final String @SNAKE = "@value";', in_json),
    Context("C#", "Client.cs", 'private const string @Pascal = "@value";', in_json),
    Context("Ruby", "client.rb", "@SNAKE = '@value'.freeze"),
    Context("Ruby hash", "config/initializers/app.rb", "config = { @snake: '@value' }"),
    Context("PHP", "config.php", "<?php\n$@camel = '@value';"),
    Context("PHP array", "config/app.php", "return [\n    '@snake' => '@value',\n];"),
    Context("PHP constant", "wp-config.php", "define('@SNAKE', '@value');"),
    Context("Kotlin", "Client.kt", 'const val @SNAKE = "@value"', in_json),
    Context("Swift", "Client.swift", 'let @camel: String = "@value"', in_json),
    Context("Rust", "src/main.rs", 'const @SNAKE: &str = "@value";', in_json),
    Context("C", "config.h", '#define @SNAKE "@value"', in_json),
    Context("Gradle", "app/build.gradle", 'buildConfigField "String", "@SNAKE", "\\"@value\\""'),
    Context("function call", "lib/auth.js", "@host.init('@value', { region: 'eu' }); // @say"),
    Context("setter", "App.java", 'builder.set@Pascal("@value");', in_json),
    Context("URL query", "fetch.py", 'url = "https://api.@host.com/v1/items?@snake=@value&page=2"', in_url),
    Context("header, curl", "README.md", '```sh\ncurl -H "X-@kebab: @value" https://api.@host.com/v1/items\n```', machine=True),
    Context("Authorization, curl", "notes.md", "curl -H 'Authorization: Bearer @value' https://api.@host.com/v1/items", machine=True),
    Context("Authorization, code", "http.py", 'requests.get("https://api.@host.com/v1/me",\n    headers={"Authorization": "Bearer @value"})', in_json, machine=True),
    Context("Authorization, log", "logs/http.log", "> GET /v1/items HTTP/1.1\n> Host: api.@host.com\n> Authorization: Bearer @value", machine=True),
    Context("Terraform", "main.tf", 'variable "@snake" {\n  type    = string\n  default = "@value"\n}', in_json, lines=True),
    Context("Terraform argument", "provider.tf", 'provider "@host" {\n  @snake = "@value"\n}', in_json, lines=True),
    Context("tfvars", "prod.tfvars", 'region = "eu"\n@snake = "@value"', in_json, lines=True),
    Context("Dockerfile", "Dockerfile", "FROM scratch\nENV @SNAKE=@value\nCMD run"),
    Context("Dockerfile, old form", "docker/Dockerfile", "ARG VERSION\nENV @SNAKE @value"),
    Context("Compose", "docker-compose.yml", "services:\n  web:\n    environment:\n      - @SNAKE=@value\n      - DEBUG=0"),
    Context("workflow", ".github/workflows/ci.yml", "    steps:\n      - run: make deploy\n        env:\n          @SNAKE: @value"),
    Context("Kubernetes variable", "k8s/deploy.yaml", '        env:\n          - name: @SNAKE\n            value: "@value"', in_json, lines=True),
    Context("Kubernetes Secret", "k8s/secret.yaml", "kind: Secret\nmetadata:\n  name: @host\ndata:\n  @kebab: @value", in_base64, lines=True),
    Context("shell option", "Makefile", "deploy:\n\t@host-cli deploy --@kebab @value --region eu"),
    Context("shell option with =", "run.sh", "./server --@kebab=@value --port 80"),
    Context("docker run", "up.sh", "docker run -e @SNAKE=@value -p 80:80 app"),
    Context("systemd", "app.service", '[Service]\nEnvironment="@SNAKE=@value"'),
    Context("PowerShell", "deploy.ps1", '$env:@SNAKE = "@value"'),
    Context("batch file", "build.bat", "set @SNAKE=@value"),
    Context("Markdown table", "docs/setup.md", "| name | value |\n|---|---|\n| `@SNAKE` | `@value` |"),
    Context("prose", "docs/onboarding.md", "The @title @say of the test account is @value and works until May."),
    Context("log line", "app.log", "2025-03-04 12:00:01 INFO [main] starting with @snake=@value region=eu"),
    Context("log line, JSON", "service.log", '{"level":"info","msg":"@title client ready","@snake":"@value"}', in_json),
    Context("comment", "worker.py", "# TODO remove: @title @say: @value\nrun()"),
    Context("SQL", "seed.sql", "INSERT INTO settings (name, value) VALUES ('@snake', '@value');", in_sql, lines=True),
    Context("CSV", "settings.csv", "name,value,changed\n@snake,@value,2025-01-02"),
    Context("Postman", "collection.json", '{"values": [{"key": "@kebab", "value": "@value", "enabled": true}]}', in_json),
    Context("notebook", "explore.ipynb", '{"cells": [{"source": ["@snake = \\"@value\\"\\n", "run()"]}]}', doubled),
    Context("HTML script", "index.html", "<script>\n  window.@camel = '@value';\n</script>"),
    Context("diff", "fix.patch", "@@ -1,2 +1,3 @@\n region=eu\n+@SNAKE=@value\n retries=3"),
    Context("block scalar", "secret.yaml", "stringData:\n  @kebab: |-\n    @value"),
    Context("heredoc", "key.sh", "cat > @kebab <<EOF\n@value\nEOF", lines=True),
    Context("file of its own", "secrets/@kebab", "@value", lines=True),
)  # fmt: skip
