"""Things to read: prose about passwords, translations, logs, tables, notebooks, licences."""

# ruff: noqa: E501  # rows are as wide as in the files they are for

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from negatives.pools import File, b64, fill, kind, prose, sheet

if TYPE_CHECKING:
    from random import Random

sheet(
    "prose about secrets",
    "docs/@kebab.md",
    (
        "@prose:40",
        "Your password must be at least @n:20 characters: letters, digits and one symbol.",
        "The token: a short-lived credential that @Svc issues. Password: the one you chose. @prose:12",
        "To rotate the @saynoun, open **Settings > API keys** in @Svc, then *Revoke*. @prose:9",
        "> Never commit your @Svc @saynoun. Keep the secret in @Svc, not in code.",
        "## Reset your password",
        "If the password is wrong, @prose:14 See [passwords](#@kebab-@hex:6).",
        "- Secret: @word @word",
        "Passphrase: four words such as correct-horse-battery-staple are better than one.",
        "API key: **required**. Token: *optional*. Password: (hidden)",
        "Password: ",
        "Token: none",
        "The default password is printed on the label. Key: see below. @prose:15",
        "1. Copy the client secret from @Svc (it starts with the letters of your team).",
        "The @saynoun is @n:60 characters long and looks random. @prose:20",
    ),
    between="\n\n",
    lines=6000,
)

sheet(
    "translations in po",
    "locale/@lower:2/LC_MESSAGES/messages.po",
    (
        '#: src/@svc/@snake.py:@n\nmsgid "@Svc @saynoun"\nmsgstr "@Word @word @word"\n',
        'msgid "Password"\nmsgstr "Passwort"\n',
        'msgid "Enter your password"\nmsgstr "@Word Kennwort @word"\n',
        'msgid "token_expired"\nmsgstr "@text"\n',
        'msgid "Secret key: %s"\nmsgstr "@Word: %s"\n',
    ),
)

sheet(
    "translations in json",
    "i18n/@lower:2.json",
    (
        '  "password": "@Word @word",',
        '  "@svc.@noun.label": "@Svc @saynoun",',
        '  "forgotPassword": "Passwort vergessen?",',
        '  "token": "@mot",',
        '  "@camel~Password": "@Word @word @word",',
        '  "apiKey": "API-Schluessel",',
        '  "secretKey": "Geheimschluessel",',
        '  "password_confirm": "@mot",',
        '  "passwordHint": "@text",',
        '  "accessToken": "Toegangstoken",',
        '  "currentPassword": "@mot",',
        '  "new_password": "@mot",',
    ),
    head="{\n",
    tail='\n  "": ""\n}',
)

sheet(
    "translations in xml",
    "res/values-@lower:2/strings.xml",
    (
        '  <string name="@svc_@noun_title">@Word @word</string>',
        '  <string name="password">Passwort:</string>',
        '  <string name="prompt_password">Password (optional)</string>',
        '  <string name="token_hint">@text</string>',
        '  <data name="Password_@Word" xml:space="preserve"><value>@Word @word!</value></data>',
        '"login.password" = "@Word @word";',
        '"settings.@svc.token" = "@Word";',
        '  <string name="error_incorrect_password">This password is incorrect</string>',
    ),
    head="<resources>\n",
    tail="\n</resources>",
)

sheet(
    "logs",
    "logs/@svc-@date.log",
    (
        "@time INFO  [@hex:16,@hex:16] c.@svc.@Pascal : token refreshed for user @uuid in @n~ms",
        '@time WARN  @svc: password authentication failed for user "@word" from @ip',
        "@time DEBUG request_id=@uuid key=@svc:@word:@n status=200",
        "@time ERROR @svc api key is missing (trace @hex:32)",
        "@time INFO Authorization: Bearer ****",
        "@time INFO login ok, token=[REDACTED] user=@n",
        '@ip - - [@date] "GET /v1/@word/@hex:24?page=@n HTTP/1.1" 200 @n "-" "Mozilla/5.0"',
        "@time INFO pulled @svc@sha256:@hex:64",
        "@time INFO checkout @hex:40 (@svc)",
        "@time TRACE cache key @hex:40 hit",
        '@time INFO secret "@svc-@kebabnoun" created, version @uuid',
        "@time INFO sshd: Accepted publickey for @word from @ip: ED25519 SHA256:@b64url:32",
        '{"level":"info","ts":@n,"msg":"token renewed","accessor":"@word","span":"@hex:16"}',
        "@time INFO Downloaded @svc-@kebabnoun-@version.jar (sha1 @hex:40)",
        "@time INFO password=<hidden> token=<hidden> @svc_@noun=***",
        "@time INFO KeyId=@uuid TokenId=@n tokens=@n prompt_tokens=@n",
        "Step @n/@n : ENV @SVC_@NOUN=***",
        " ---> @hex:12",
    ),
    count=150,
    lines=8000,
)

sheet(
    "tables of rows",
    "db/@word.sql",
    (
        "INSERT INTO users VALUES (@n, '@word', '@word@example.org', '@date', '@uuid');",
        "INSERT INTO `@snake` VALUES (@n,'@text',@n,'@hex:32',NULL);",
        "INSERT INTO settings (name, value) VALUES ('@svc_@noun', NULL), ('token_ttl', '@n');",
        "  `password` varchar(255) NOT NULL DEFAULT '',",
        "  `@svc_token` char(40) CHARACTER SET ascii COLLATE ascii_bin DEFAULT NULL,",
        "  PRIMARY KEY (`id`), UNIQUE KEY `uniq_@snake` (`@noun`),",
        "COMMENT ON COLUMN users.password IS '@text';",
        "INSERT INTO files VALUES ('@uuid','@hex:64','@svc/@word.png',@n);",
        "GRANT SELECT ON @word TO @word;",
        "INSERT INTO sessions VALUES (@n, '@uuid', '@time', NULL);",
        "ALTER TABLE @word ADD CONSTRAINT fk_@hex:32 FOREIGN KEY (@word) REFERENCES @word (id);",
        "CREATE USER '@word'@'%' IDENTIFIED BY '${DB_PASSWORD}';",
        "UPDATE users SET password = crypt(:password, gen_salt('bf'));",
    ),
    lines=5000,
)

sheet(
    "csv exports",
    "data/@svc.csv",
    (
        "@n,@uuid,@svc,@text,@hex:32,@date",
        '@n,"@Word @word",@hex:24,@digits:16,@version,@ip',
        "@alnum:11,@n,@word@example.org,@hex:40,@time",
    ),
    head="id,key,token_name,secret_name,password_changed,when\n",
    count=150,
    lines=5000,
)

sheet(
    "word lists",
    "data/@word.txt",
    (
        "@word",
        "@word@word",
        "@snake",
        "@Word@n:99",
        "@word@digits:4",
        "@lower:8",
        "@kebab",
        "@camel",
    ),
    count=400,
    lines=8000,
)

sheet(
    "sequences",
    "data/@svc.fasta",
    (
        ">@svc|@upnum:6|@Word @text\nMKT@upnum:57\nACGTTGCAAGCTTAGC@lower:44",
        "ATOM @n  CA  ALA A @n @n.@digits:3 @n.@digits:3",
        "@hex:8: @hex:4 @hex:4 @hex:4 @hex:4 @hex:4 @hex:4 @hex:4 @hex:4  ................",
        "@n.@digits:16,@n.@digits:16,-@n.@digits:17",
        "  @hex:16 g F .text @hex:16 _ZN@n:99@svc@n:20@camel~17h@hex:16~E",
        "S1@digits:2@HEX:64",
        ":10@HEX:4~00@HEX:34",
    ),
)

LICENCE = (
    "Permission is granted, free of charge, to any person who gets a copy of this work.",
    "The work is provided as it is, without warranty of any kind, express or implied.",
    'Source code must keep the notice above. "Key" means what opens; "token" what stands for it.',
    "Neither the name of @Svc nor the names of its contributors may be used to endorse products.",
    "@prose:14",
    "   @n. @prose:16",
    "Copyright (c) 20@digits:2 @Svc, @Word and contributors",
    "SPDX-License-Identifier: MIT",
    "You may not remove passwords, secrets or credentials of others.",
)

sheet("licences", "LICENSES/@Svc.txt", LICENCE, count=120, lines=4000)


@kind("notebooks", lines=4000)
def notebook(rng: Random) -> File:
    """A notebook with pictures, tables and words in its outputs."""
    cells: list[dict[str, object]] = []
    for _ in range(12):
        code = [
            fill('@svc_@noun = os.environ["@SVC_@NOUN"]\n', rng),
            fill("@snake.@word(@n)\n", rng),
        ]
        table = fill("<table><tr><td>@hex:8</td><td>@n</td><td>@uuid</td></tr></table>", rng)
        outputs = [
            {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo" + b64(1500, rng)}},
            {
                "output_type": "stream",
                "text": [prose(12, rng), fill("\ntoken count: @n, @hex:40\n", rng)],
            },
            {"output_type": "execute_result", "data": {"text/html": [table]}},
        ]
        cells += [
            {"cell_type": "code", "id": rng.randbytes(4).hex(), "source": code, "outputs": outputs},
            {
                "cell_type": "markdown",
                "source": [fill("Set the @Svc @saynoun first. @prose:20", rng)],
            },
        ]
    made = {"cells": cells, "metadata": {"colab": {"provenance": []}}, "nbformat": 4}
    return File(fill("notebooks/@word.ipynb", rng), json.dumps(made, indent=1) + "\n")
