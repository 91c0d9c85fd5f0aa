"""What build tools make for browsers: bundles, maps, styles, pictures, fonts."""

# ruff: noqa: E501  # rows are as wide as in the files they are for

from __future__ import annotations

import base64
import json
import zlib
from typing import TYPE_CHECKING

from negatives.pools import File, b64, fill, kind, sheet

if TYPE_CHECKING:
    from random import Random

MINIFIED = (
    'function @lower:2(e,t){return e.token=t.accessToken,e.password!==t.password&&"@svc"}',
    'var @lower:2={apiKey:e.apiKey,clientSecret:t.get("client_secret"),@camel:!0};',
    'e.headers.Authorization="Bearer "+t.token,e.headers["X-Api-Key"]=n.apiKey;',
    'n.d(t,"@lower:1",function(){return @lower:2});',
    't.exports="/static/@svc.@hex:20.png";',
    'password:{required:!0,minLength:8,label:"Password"},token:{type:String,default:""},',
    '"@hex:20":function(e,t,n){"use strict";n.r(t)},',
    "e.key===Enter&&r({secret:i,token:null});",
    'const @lower:3="@b64url:16",@lower:2=JSON.parse(\'{"key":"@kebab","value":@n}\');',
    'case"@UPPER_TOKEN_REFRESH":return{...e,token:t.payload};',
    'i.p+"@alnum:8.@hex:8.chunk.js"',
    '@lower:2.secretKey=@lower:2(@lower:1.encryptionKey,"aes-256-gcm"),',
    "!function(e){@camel(e)}();",
    '{@word:@n,@hex:8:"@hex:16"}[e]+".js";',
    "@lower:1._token=@lower:1._token||@lower:2();",
    'access_token:{name:"access_token",in:"query"},refresh_token:`${e}_@lower:1`,',
    "/^[A-Za-z0-9+/]{40}$/.test(e.secretAccessKey)||@lower:2();",
    '[@n,@n,@n,"@svc","@word"],',
)


@kind("minified bundles", lines=600)
def minified(rng: Random) -> File:
    """A bundle: a few lines, each some thousand bytes long."""
    lines = [
        "".join(fill(rng.choice(MINIFIED), rng) for _ in range(rng.randint(20, 60)))
        for _ in range(12)
    ]
    name = fill("static/js/@svc.@hex:8.js", rng)
    return File(name, "\n".join(lines) + f"\n//# sourceMappingURL={name[10:]}.map\n")


VLQ = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


@kind("source maps", lines=150)
def source_map(rng: Random) -> File:
    """A source map: one line of JSON, most of it mappings."""
    mappings = ";".join(
        ",".join(
            "".join(rng.choices(VLQ, k=rng.choice((4, 4, 5)))) for _ in range(rng.randint(1, 30))
        )
        for _ in range(120)
    )
    names = [
        fill(rng.choice(("@camel", "token", "apiKey", "@lower:1", "secretKey")), rng)
        for _ in range(80)
    ]
    sources = [fill("webpack:///./src/@svc/@camel.js?@hex:4", rng) for _ in range(20)]
    code = [
        fill("const @camel = process.env.@SVC_@NOUN;\nexport { @camel };\n", rng) for _ in sources
    ]
    made = {
        "version": 3,
        "sources": sources,
        "names": names,
        "mappings": mappings,
        "sourcesContent": code,
    }
    return File("static/js/main.js.map", json.dumps(made) + "\n")


def picture(rng: Random, size: int) -> str:
    """Compressed noise with the first bytes of a PNG, in base64."""
    raw = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + zlib.compress(rng.randbytes(size))
    return base64.b64encode(raw).decode()


@kind("embedded pictures", lines=1500)
def pictures(rng: Random) -> File:
    """Pictures and fonts as data URIs in styles, markup and code."""
    lines = []
    for _ in range(12):
        image, font = picture(rng, rng.randint(60, 900)), b64(rng.randint(300, 2000), rng)
        lines += [
            fill(f".@kebab {{ background: url(data:image/png;base64,{image}) no-repeat; }}", rng),
            f'<img alt="" src="data:image/jpeg;base64,/9j/4AAQ{font}">',
            "@font-face { font-family: icons;",
            f"  src: url(data:application/font-woff2;charset=utf-8;base64,d09GMgAB{font}) }}",
            fill(f'export const @camel = "data:image/svg+xml;base64,{image}";', rng),
            fill(f'  "@svc_icon": "data:image/gif;base64,R0lGODlh{image}",', rng),
        ]
    return File(fill("assets/@word.css", rng), "\n".join(lines) + "\n")


@kind("base64 in lines")
def base64_lines(rng: Random) -> File:
    """Base64 as mail and archives wrap it."""
    text = b64(rng.randint(2000, 5000), rng)
    width = rng.choice((60, 64, 76, 80))
    body = [text[at : at + width] for at in range(0, len(text), width)]
    head = fill(
        "Content-Type: application/octet-stream; name=@svc_@noun.bin\n"
        "Content-Transfer-Encoding: base64\n\n",
        rng,
    )
    return File("tests/mail/attachment.eml", head + "\n".join(body) + "\n")


@kind("encoded blobs")
def encoded_blobs(rng: Random) -> File:
    """Base64 and hexadecimal of harmless text and of noise, in fields of JSON."""
    rows = []
    for number in range(60):
        plain = fill("@prose:9 The @svc @saynoun is in the vault.", rng).encode()
        shown = base64.b64encode(plain).decode() if number % 2 else plain.hex()
        rows.append(
            fill(f'  {{"body": "{shown}", "payload": "@b64:90", "data": "@hex:200"}},', rng)
        )
    return File(fill("tests/data/@word.json", rng), "[\n" + "\n".join(rows) + "\n  {}\n]\n")


@kind("vector graphics", lines=1500)
def vector(rng: Random) -> File:
    """Paths of vector graphics: numbers and letters without end."""
    rows = []
    for _ in range(30):
        steps = "".join(
            f"{rng.choice('MLCQSAmlcqsaHVhv')}{rng.uniform(-99, 99):.3f},{rng.uniform(0, 99):.2f}"
            for _ in range(rng.randint(10, 60))
        )
        rows.append(
            fill(f'  <path id="@kebab" class="@svc-key" d="{steps}z" fill="#@hex:6"/>', rng)
        )
    return File(fill("icons/@svc-key.svg", rng), "<svg>\n" + "\n".join(rows) + "\n</svg>\n")


sheet(
    "style sheets",
    "styles/@word.scss",
    (
        """.@svc-@kebabnoun__input--@word:not(.is-@word) {
  color: #@hex:6; background: var(--@kebab-token, #@hex:8);
  margin: @n:40~px auto; content: "\\f@hex:3";
}""",
        "$@svc-token-primary: #@hex:6;",
        "  --@svc-key-color: rgba(@n:255, @n:255, @n:255, 0.5);",
        '.@Pascal_@camel__@alnum:5 { composes: @camel from "./@word.module.css"; }',
        '@include password-field($token: "@kebab", $secret: false);',
        ".sc-@alnum:6.@alnum:6{display:flex}",
        ".css-@lownum:6-@Pascal{padding:@n:30~px}",
    ),
)

sheet(
    "class soup",
    "src/components/@Pascal.tsx",
    (
        '  <div className="flex items-center px-@n:9 md:w-1/2 text-@word-@n:9 hover:bg-[#@hex:6]">',
        '  <input type="password" name="@noun" id="@svc-@kebabnoun" autoComplete="new-password" />',
        '  <label htmlFor="@kebabnoun" className="MuiInput-@alnum:6 css-@lownum:7">@Svc @saynoun</label>',
        '  <Field key="@svc-@kebabnoun" label="@Svc @saynoun" secret value={@camel} />',
        '  <SecretInput token={token} placeholder="Enter your @saynoun" data-testid="@svc-@kebabnoun-field"/>',
        '  <li key={`@word-${item.@camel}`} data-key="@kebab">{t("@svc.@noun.label")}</li>',
        '  <Trans i18nKey="settings.@svc.@noun.description" />',
        '  <option value="@uuid">@Svc</option>',
        '  <Icon name="key" token="@word.@word" />',
    ),
    head="export const @Pascal = () => (\n",
    tail="\n);",
)

sheet(
    "saved pages",
    "docs/site/@word.html",
    (
        '<a href="https://www.@svc.com/docs/@kebabnoun?utm_source=@word&amp;id=@hex:16">@text</a>',
        "<p>@prose:20</p>",
        '<div id="@svc-@kebabnoun" data-reactid="@hex:8" data-v-@hex:8></div>',
        '<script src="/_next/static/chunks/@hex:8.@hex:16.js" defer></script>',
        '<td class="@kebab">@Svc</td><td><code>@stub</code></td>',
        '<code>curl -H "Authorization: Bearer @stub" https://api.@svc.com/v1/@word</code>',
        '<input type="password" name="password" value="" placeholder="Password">',
        '<form action="/login?next=%2F@word%2F@hex:8" method="post">',
        '<img src="https://images.@svc.com/@uuid/@hex:32.png?w=@n&amp;v=@digits:10">',
    ),
)
