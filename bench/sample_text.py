"""Text that looks like the files of a software project, made from a seed.

A file is a list of blocks (a function, a table row, a paragraph). Making a
block fills a template from pools of words, which is quick enough to write
hundreds of megabytes, and editing a file swaps blocks and lines, so versions
of one file differ by some lines as they do in life.

Words such as `key`, `token` or `client` are there because code is full of
them and a scanner has to step over them. Nothing assigns a value to them.
"""

from __future__ import annotations

import base64
import re
import struct
import zlib
from dataclasses import dataclass
from operator import itemgetter
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WORDS = tuple(
    """
    account action active address agent alias amount anchor answer api archive area array asset
    balance banner base batch bearer bind block board body border bottom branch bridge bucket
    buffer build button cache call cancel card carrier cell center chain change channel chart
    check child chunk circle claim class clean client clock close cluster code color column
    command commit common compare config connect content context convert copy core count course
    cover create current cursor cycle data date day deal debug decode default delay delta depth
    detail device diff digest direct display document domain draft drag draw driver drop edge
    edit element empty encode end engine entry error event exact export extra factor fetch field
    file filter find first flag flow focus folder font footer format forward frame front full
    gap gate grid group guard guide handle hash head height hidden history host icon image import
    index inner input insert inspect item job join key label lane language layer layout leaf
    left length level limit line link list load local lock log loop main manager map margin
    mark mask master match matrix measure member merge message meta method middle mode model
    module monitor mount move name node note number object offer offset open option order
    origin outer output owner pack page panel parent parse part patch path pattern pause peer
    period phase pick pipe pixel place plan point policy pool port position prefix price print
    process product profile project proxy public push query queue quota range rate read record
    reduce region release remove render repeat reply report request reset resource result retry
    return review right role root rotate round route row rule sample scale scan schedule scope
    score screen search section select sender series server session shape share shift side signal
    size slice slot sort source space span split stack stage start state status step store
    stream string style subject submit sum switch symbol sync system table tag target task
    template term test text theme thread time title token tool top total trace track transfer
    tree trigger type unit update upload user value vector verify version view visit wait walk
    watch weight width window worker wrap write zone
    """.split()  # noqa: SIM905  # quotes around each word would hide the words
)

# `@s1` is a draw from pool s, the same draw wherever `@s1` stands in a template; `@s` is a new
# draw each time. A `~` ends a slot that letters follow.
SLOT = re.compile(r"@([scpwtnhlvud])(\d?)(?:~|\b)")
# Of a hundred edits: 30 add a block, 20 take one away, the others change a line.
INSERTS = 0.3
DELETES = 0.2
LICENCE = "This file is part of the benchmark sample. It does nothing and belongs to nobody."


def snake(rng: Random) -> str:
    """Make a name such as `read_buffer_size`."""
    return "_".join(rng.sample(WORDS, rng.choice((1, 2, 2, 3))))


def camel(rng: Random) -> str:
    """Make a name such as `readBufferSize`."""
    head, *tail = rng.sample(WORDS, rng.choice((1, 2, 2, 3)))
    return head + "".join(word.capitalize() for word in tail)


def pascal(rng: Random) -> str:
    """Make a name such as `BufferSize`."""
    return "".join(word.capitalize() for word in rng.sample(WORDS, rng.choice((1, 2, 2))))


def phrase(rng: Random) -> str:
    """Make some words in a row, as a comment or a message has them."""
    small = ("the", "a", "of", "for", "when", "and", "to", "with", "is", "in", "not", "from")
    return " ".join(rng.choice(small if n % 3 == 1 else WORDS) for n in range(rng.randint(4, 12)))


def version(rng: Random) -> str:
    """Make a version number."""
    return f"{rng.randint(0, 9)}.{rng.randint(0, 40)}.{rng.randint(0, 20)}"


def uuid(rng: Random) -> str:
    """Make a random identifier in the usual five groups."""
    digits = rng.randbytes(16).hex()
    return "-".join(
        (digits[:8], digits[8:12], "4" + digits[13:16], "a" + digits[17:20], digits[20:])
    )


def date(rng: Random) -> str:
    """Make a day."""
    return f"20{rng.randint(15, 25)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"


# One letter in a template, one maker. A pool is filled once and picked from.
MAKERS: dict[str, tuple[Callable[[Random], str], int]] = {
    "s": (snake, 6000),
    "c": (camel, 6000),
    "p": (pascal, 4000),
    "w": (lambda rng: rng.choice(WORDS), 1000),
    "t": (phrase, 6000),
    "n": (lambda rng: str(rng.randint(0, 10 ** rng.randint(1, 5))), 3000),
    "h": (lambda rng: rng.randbytes(20).hex(), 4000),
    "l": (lambda rng: rng.randbytes(32).hex(), 4000),
    "v": (version, 2000),
    "u": (uuid, 4000),
    "d": (date, 2000),
}

PYTHON = (
    '''def @s1(@s2: str, @s3: int = @n) -> @p1:
    """@t."""
    @s4 = @s5(@s2, limit=@s3)
    if not @s4:
        raise @p2~Error(f"@t {@s2!r}")
    for key, value in @s4.items():
        @s6[key] = @p1(value, @w=@n)
    return @s6
''',
    '''class @p1(@p2):
    """@t: @t."""

    @s1: str
    @s2: int = @n

    def @s3(self, @s4: bytes) -> None:
        # @t
        self.@s1 = @s4.decode("utf-8", "replace").strip()
        self.@s2 += len(@s4)

    @property
    def @s5(self) -> list[@p3]:
        return [item for item in self.@s6 if item.@w > @n]
''',
    """@s1 = @s2(
    @s3="@t",
    @s4=@n,
    @s5=os.environ.get("@s6", ""),
)
""",
    """async def @s1(client: @p1, token: @p2) -> dict[str, int]:
    async with client.@s2("/@w/@w", timeout=@n) as reply:
        if reply.status == @n:
            logger.warning("@t: %s", reply.reason)
            return {}
        return await reply.json()
""",
    """    def test_@s1(self) -> None:
        @s2 = self.@s3(@n, "@w")
        self.assertEqual(@s2.@s4, "@t")
        self.assertIn("@s5", @s2.@w)
        self.assertRaises(@p1~Error, @s2.@s6, @n)
""",
    """# @t
# @t @t
""",
    """try:
    @s1 = @s2.@s3(@s4)
except (@p1~Error, ValueError) as error:
    logger.info("@t", exc_info=error)
    @s1 = None
""",
)

GO = (
    """// @p1 @t.
func (@w *@p2) @p1(ctx context.Context, @c1 string, @c2 int) (*@p3, error) {
	@c3, err := @w.@c4.@p4(ctx, @c1)
	if err != nil {
		return nil, fmt.Errorf("@t: %w", err)
	}
	for i := 0; i < @c2; i++ {
		@c3.@p5 = append(@c3.@p5, @p6{ID: i, Name: @c1})
	}
	return @c3, nil
}
""",
    """type @p1 struct {
	@p2 string            `json:"@s1"`
	@p3 int64             `json:"@s2,omitempty"`
	@p4 map[string]string `json:"@s3"`
	@c1 sync.Mutex
}
""",
    """	if @c1 := @c2.@p1(); @c1 != nil && @c1.@p2 > @n {
		log.Printf("@t %d", @c1.@p2)
		@c3.Close()
		return @c1
	}
""",
    """func Test@p1(t *testing.T) {
	cases := []struct{ @c1, want string }{
		{"@t", "@w"},
		{"@w/@w", "@t"},
	}
	for _, tc := range cases {
		if got := @p2(tc.@c1); got != tc.want {
			t.Errorf("@p2(%q) = %q, want %q", tc.@c1, got, tc.want)
		}
	}
}
""",
    """const (
	@c1 = @n
	@c2 = "@w.@w"
	@c3 = @n * time.Millisecond
)
""",
    """// @t
// @t @t
""",
)

JAVASCRIPT = (
    """export async function @c1({ @c2, @c3 = @n }) {
  const @c4 = await @c5.@c6(`/@w/${@c2}/@w`);
  if (!@c4.ok) {
    throw new @p1~Error('@t');
  }
  return @c4.data.filter((item) => item.@c7 > @c3);
}
""",
    """const @c1 = ({ @c2, @c3, children }) => (
  <section className="@w-@w @w" onClick={() => @c2(@n)}>
    <h2>{@c3 || '@t'}</h2>
    <p title="@t">{children}</p>
  </section>
);
""",
    """describe('@t', () => {
  it('@t', () => {
    const @c1 = @c2(@n, '@w');
    expect(@c1.@c3).toBe('@t');
    expect(@c1.@w).toHaveLength(@n);
  });
});
""",
    """import { @c1, @c2 } from '../@w/@w';
import @p1 from './@w-@w';
""",
    """// @t
export const @c1 = Object.freeze({
  @c2: '@w',
  @c3: @n,
  @c4: ['@w', '@w', '@w'],
});
""",
    """  switch (@c1.type) {
    case '@w/@w':
      return { ...state, @c2: @c1.@w, @c3: @n };
    default:
      return state;
  }
""",
)

JSON = (
    """  {
    "id": "@u",
    "@w": "@t",
    "@c1": @n,
    "@c2": {"@w": "@w", "@w": @n, "updated": "@d"},
    "tags": ["@w", "@w", "@w"]
  },
""",
    """  {
    "name": "@w-@w",
    "version": "@v",
    "description": "@t",
    "scripts": {"build": "@w --@w @w", "test": "@w @w/**/*.test.js"},
    "revision": "@u"
  },
""",
    """  { "@c1": [@n, @n, @n, @n], "@c2": "@t", "@c3": null, "@c4": true },
""",
)

YAML = (
    """  @w-@w:
    runs-on: @w-@w
    timeout-minutes: @n
    steps:
      - uses: @w/@w@@h
        with:
          @w: "@v"
      - name: @t
        run: make @w @w
""",
    """---
apiVersion: @w/v1
kind: @p1
metadata:
  name: @w-@w
  labels: {@w: @w, @w: @w-@w}
spec:
  replicas: @n
  template:
    image: images.example.org/@w/@w@sha256:@l
    resources:
      limits: {cpu: @n~m, memory: @n~Mi}
""",
    """  - @s1: @w
    @s2: @n
    description: >-
      @t @t
    when: "@d"
""",
    "# @t\n",
)

MARKDOWN = (
    """## @t

@t, @t. @t
@t @t. See [@t](../@w/@w.md) and `@s1`.
""",
    """```sh
@w @w --@w=@n --@w @w/@w
@w run @w-@w
```
""",
    """| @w | @w | @w |
|---|---|---|
| `@s1` | @t | @n |
| `@s2` | @t | @n |
""",
    """* @t @t
* **@w**: @t. @t
* @t (`@c1`, since @v)
""",
)

CSS = (
    """.@w-@w > .@w:hover {
  margin: @n~px auto;
  color: var(--@w-@w);
  background: linear-gradient(@n~deg, #fff 10%, #0a0a0a 90%);
  transition: @w @n~ms ease-in-out;
}
""",
    """@media (min-width: @n~px) {
  .@w~__@w--@w { display: grid; grid-gap: @n~rem; }
  #@w .@w::after { content: "@w"; width: calc(100% - @n~px); }
}
""",
    "/* @t */\n",
)

MINIFIED = (
    'function @c1(e,t){var n=@c2(e),r=t.@c3||@n;return n.map((e)=>e.@w>r?@c4(e,"@w"):void 0)}',
    'var @c1={@c2:function(e){return this.@w=e,this},@c3:"@t",@c4:!0,@c5:[@n,@n,@n]};',
    'e.exports=n(@n).@c1("@w-@w",{data:function(){return{@c2:null,@c3:@n}}}),',
    '!function(e,t){"object"==typeof exports?t(exports):e.@c1=t(e.@c2)}(this,@c3);',
)


@dataclass(frozen=True, slots=True)
class Template:
    """A block to fill: its text, the pools it draws from and where each draw goes."""

    text: str
    pools: tuple[Sequence[str], ...]
    order: Callable[[Sequence[str]], object]  # the values, in the order of the text


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of file: how its blocks are made and how big it gets."""

    name: str
    suffix: str
    mean_bytes: int
    head: str
    tail: str


KINDS = {
    kind.name: kind
    for kind in (
        Kind("python", ".py", 9_000, f'"""{LICENCE}"""\n\nimport logging\nimport os\n\n', ""),
        Kind("go", ".go", 9_500, f"// {LICENCE}\npackage main\n\n", ""),
        Kind("javascript", ".js", 8_000, f"// {LICENCE}\n'use strict';\n\n", ""),
        Kind("json", ".json", 11_000, "[\n", "  {}\n]\n"),
        Kind("yaml", ".yml", 5_000, f"# {LICENCE}\n", ""),
        Kind("markdown", ".md", 7_000, "# Sample\n\n", ""),
        Kind("css", ".css", 12_000, f"/* {LICENCE} */\n", ""),
        Kind("csv", ".csv", 45_000, "id,day,name,count,ratio\n", ""),
        Kind("minified", ".min.js", 90_000, f"/*! {LICENCE} */\n", "\n"),
        Kind(
            "npm-lock", "package-lock.json", 110_000, '{\n  "packages": {\n', '    "": {}\n  }\n}\n'
        ),
        Kind("go-sum", "go.sum", 40_000, "", ""),
        Kind("image", ".png", 16_000, "", ""),
    )
}


def sha512_line(rng: Random) -> str:
    """Make one entry of a package lock: a name, a place and a base64 digest."""
    name, number = rng.choice(WORDS) + "-" + rng.choice(WORDS), version(rng)
    digest = base64.b64encode(rng.randbytes(64)).decode("ascii")
    return (
        f'    "modules/{name}": {{\n'
        f'      "version": "{number}",\n'
        f'      "resolved": "https://packages.example.org/{name}/-/{name}-{number}.tgz",\n'
        f'      "integrity": "sha512-{digest}",\n'
        '      "dev": true\n    },\n'
    )


def go_sum_line(rng: Random) -> str:
    """Make one entry of a module sum file."""
    digest = base64.b64encode(rng.randbytes(32)).decode("ascii")
    return f"example.org/{rng.choice(WORDS)}/{rng.choice(WORDS)} v{version(rng)} h1:{digest}\n"


def csv_rows(rng: Random) -> str:
    """Make a few table rows."""
    return "".join(
        f"{rng.randrange(10**6)},{date(rng)},{rng.choice(WORDS)} {rng.choice(WORDS)},"
        f"{rng.randrange(1000)},{rng.random():.6f}\n"
        for _ in range(8)
    )


def png(rng: Random, size: int) -> bytes:
    """Make a well-formed grey picture of noise, about `size` bytes."""
    width = 64
    height = max(1, size // (width + 1))
    rows = b"".join(b"\0" + rng.randbytes(width) for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )


class Writer:
    """Makes and edits files. The pools are filled once, from a seed of their own."""

    def __init__(self, seed: int) -> None:
        """Fill the pools and compile the templates."""
        rng = Random(f"pools:{seed}")  # repeatable text, not a secret
        self._pools = {
            letter: [make(rng) for _ in range(count)] for letter, (make, count) in MAKERS.items()
        }
        sources = {
            "python": PYTHON,
            "go": GO,
            "javascript": JAVASCRIPT,
            "json": JSON,
            "yaml": YAML,
            "markdown": MARKDOWN,
            "css": CSS,
            "minified": MINIFIED,
        }
        self._templates = {
            name: tuple(self._compile(text) for text in texts) for name, texts in sources.items()
        }
        self._rows: dict[str, Callable[[Random], str]] = {
            "npm-lock": sha512_line,
            "go-sum": go_sum_line,
            "csv": csv_rows,
        }

    def _compile(self, text: str) -> Template:
        """Turn `@s1 ... @s1 @n` into a format that is filled with two draws."""
        pools: list[Sequence[str]] = []
        seen: dict[str, int] = {}
        order: list[int] = []

        def slot(match: re.Match[str]) -> str:
            letter, number = match.groups()
            place = seen.get(match.group()) if number else None
            if place is None:
                place = len(pools)
                pools.append(self._pools[letter])
                seen[match.group()] = place
            order.append(place)
            return "%s"

        text = SLOT.sub(slot, text.replace("%", "%%"))
        # For a single slot the getter gives the bare string, which % takes as well.
        return Template(text, tuple(pools), itemgetter(*order))

    def block(self, kind: Kind, rng: Random) -> str:
        """Make one block of a file."""
        row = self._rows.get(kind.name)
        if row is not None:
            return row(rng)
        templates = self._templates[kind.name]
        draw = rng.random
        template = templates[int(draw() * len(templates))]
        values = [pool[int(draw() * len(pool))] for pool in template.pools]
        return template.text % template.order(values)

    def blocks(self, kind: Kind, rng: Random, size: int) -> list[str]:
        """Make the blocks of a new file of about `size` bytes."""
        made: list[str] = []
        total = len(kind.head) + len(kind.tail)
        while total < size:
            block = self.block(kind, rng)
            made.append(block)
            total += len(block)
        return made

    def edit(self, kind: Kind, rng: Random, blocks: list[str]) -> None:
        """Change some lines of a file in place, as a commit does."""
        for _ in range(1 + min(8, int(rng.expovariate(0.6)))):
            place = rng.randrange(len(blocks) + 1)
            fresh = self.block(kind, rng)
            action = rng.random()
            if place == len(blocks) or action < INSERTS:
                blocks.insert(place, fresh)
            elif action < INSERTS + DELETES and len(blocks) > 1:
                del blocks[place]
            else:
                blocks[place] = swap_line(blocks[place], fresh, rng)


def swap_line(old: str, fresh: str, rng: Random) -> str:
    """Put one line of `fresh` in the place of one line of `old`."""
    lines = old.splitlines(keepends=True)
    lines[rng.randrange(len(lines))] = rng.choice(fresh.splitlines(keepends=True))
    return "".join(lines)


def encode(kind: Kind, blocks: Sequence[str]) -> bytes:
    """Put a file together."""
    return (kind.head + "".join(blocks) + kind.tail).encode("ascii")
