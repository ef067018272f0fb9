"""What is wrong with a Pulseq file, and where."""

from dataclasses import dataclass
from pathlib import Path


class PulseqError(ValueError):
    """A Pulseq file that is damaged or not understood; the message names the file, the line and the cause.

    **Arguments:**

    - `path`: The file.
    - `line`: Counted from 1; None where no line is to blame, such as for a file that is missing.
    - `cause`: What is wrong there.
    """

    def __init__(self, path: str | Path, line: int | None, cause: str):
        super().__init__(path, line, cause)
        self.path = path
        self.line = line
        self.cause = cause

    def __str__(self) -> str:
        return f"{self.path}: {self.cause}" if self.line is None else f"{self.path}, line {self.line}: {self.cause}"


@dataclass(frozen=True)
class Source:
    """A file being read, to be named in errors."""

    path: Path
    last_line: int
    """The last line that is not blank."""

    def error(self, line: int, cause: str) -> PulseqError:
        """To be raised; a fault where the file ends is probably one of truncation, and the message says so."""
        hint = " The file ends there; it may be truncated." if line >= self.last_line else ""
        return PulseqError(self.path, line, cause + hint)
