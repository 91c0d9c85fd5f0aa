"""Lines and columns, 1-based, columns in characters, as editors and SARIF count them."""

from __future__ import annotations


class Places:
    """Offsets of one text turned into lines and columns; cheapest when asked in rising order."""

    def __init__(self, data: bytes, line: int = 1, column: int = 0) -> None:
        """`line` and `column` (characters from 0) say where `data` begins in its file."""
        self._data = data
        self._first = (line, column)
        self._offset = 0
        self._line = line
        self._column = column

    def at(self, offset: int) -> tuple[int, int]:
        """(line, column) of the character that begins at `offset`."""
        if offset < self._offset:
            self._offset, (self._line, self._column) = 0, self._first
        newlines = self._data.count(b"\n", self._offset, offset)
        if newlines:
            self._line += newlines
            self._column = 0
            self._offset = self._data.rfind(b"\n", self._offset, offset) + 1
        self._column += len(self._data[self._offset : offset].decode("utf-8", "replace"))
        self._offset = offset
        return self._line, self._column + 1
