"""Where bytes came from, and the bytes.

Plain classes, not dataclasses: this module is on the start-up path of every commit.
"""


class Origin:
    """Provenance of one input.

    kind: `staged`, `tree`, `stdin`, `commit`, `message` or `ci_log`.
    path: as git or the user names it; undecodable bytes are surrogates.
    inside: the path within an archive, "" for a plain file.
    """

    __slots__ = ("author_date", "commit", "inside", "kind", "path", "ref")

    def __init__(
        self,
        kind: str,
        path: str,
        *,
        commit: str = "",
        author_date: str = "",
        ref: str = "",
        inside: str = "",
    ) -> None:
        self.kind = kind
        self.path = path
        self.commit = commit
        self.author_date = author_date
        self.ref = ref
        self.inside = inside

    @property
    def name(self) -> str:
        """What a report shows: `outer.zip!inner/file` for a member of an archive."""
        return f"{self.path}!{self.inside}" if self.inside else self.path

    def within(self, member: str) -> "Origin":
        """The origin of `member` of the archive that this origin names."""
        inside = f"{self.inside}!{member}" if self.inside else member
        return Origin(
            self.kind,
            self.path,
            commit=self.commit,
            author_date=self.author_date,
            ref=self.ref,
            inside=inside,
        )


SMALL = 1024
FEW_LINES = 3
"""A file may be nothing but a secret up to this size, bytes and line ends."""


class Blob:
    """One stretch of bytes to scan.

    A large input comes in several overlapping blobs. `start` and `line` say
    where this one begins in the input (bytes from 0, lines from 1, `column`
    bytes from 0), and only matches that begin in `own` (a range of offsets
    into `data`) belong to it; its neighbours report the rest.
    """

    __slots__ = ("blob_id", "column", "data", "line", "origin", "own", "start")

    def __init__(
        self,
        origin: Origin,
        data: bytes,
        *,
        blob_id: str = "",
        start: int = 0,
        line: int = 1,
        column: int = 0,
        own: tuple[int, int] | None = None,
    ) -> None:
        self.origin = origin
        self.data = data
        self.blob_id = blob_id
        self.start = start
        self.line = line
        self.column = column
        self.own = own or (0, len(data) + 1)

    @property
    def small(self) -> bool:
        """Whether it is all of a small input, which may be nothing but a secret."""
        data = self.data
        return self.start == 0 and len(data) <= SMALL and data.count(b"\n") <= FEW_LINES


class Unread:
    """Something that had to be scanned and was not: a headline, never a footnote."""

    __slots__ = ("name", "why")

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self.why = why
