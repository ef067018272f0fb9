"""What a training did, step by step."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LogLine = dict[str, Any]


class History:
    """Losses by step, kept in memory and, if a file is given, as JSON lines in it.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> history = mr.nn.History.in_memory()
        >>> history.append({"step": 1, "loss": 0.5})
        >>> history.column("loss")[1].tolist()
        [0.5]

        ```
    """

    def __init__(self, lines: list[LogLine], file: Path | None):
        self.lines, self.file = lines, file

    @classmethod
    def in_memory(cls) -> "History":
        """A history that no file keeps."""
        return cls([], None)

    @classmethod
    def in_file(cls, file: Path, before: int) -> "History":
        """The history in a file up to step `before`; later lines, of steps that will be taken again, are dropped."""
        lines = [line for line in _read(file) if line["step"] <= before] if file.exists() else []
        part = file.with_suffix(".part")
        part.write_text("".join(json.dumps(line) + "\n" for line in lines))
        part.replace(file)
        return cls(lines, file)

    @classmethod
    def read(cls, file: Path | str) -> "History":
        """The history in a file that training wrote."""
        return cls(list(_read(Path(file))), Path(file))

    def append(self, line: LogLine) -> None:
        """One more line, on disk before this returns."""
        self.lines.append(line)
        if self.file is not None:
            with self.file.open("a") as file:
                file.write(json.dumps(line) + "\n")

    def column(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Steps, and the number called `name` at each of them."""
        lines = [line for line in self.lines if name in line]
        return np.array([line["step"] for line in lines]), np.array([line[name] for line in lines])

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Every column over the steps, on a logarithmic axis.

        **Arguments:**

        - `axes`: Where to draw; new ones by default.

        **Returns:** The axes.
        """
        from mrjax.plot._style import axes_or_new  # with matplotlib, which training need not wait for

        axes = axes_or_new(axes)
        names = dict.fromkeys(name for line in self.lines for name in line if name not in ("step", "time"))
        for name in names:
            steps, values = self.column(name)
            axes.semilogy(steps, values, label=name, marker="o" if len(steps) < 3 else None)
        axes.set_xlabel("step")
        axes.set_ylabel("loss")
        axes.legend()
        return axes


def _read(file: Path) -> Iterator[LogLine]:
    """The lines of a log; a last one that was cut short is left out."""
    for number, text in enumerate(lines := file.read_text().splitlines(), start=1):
        try:
            yield json.loads(text)
        except json.JSONDecodeError:
            if number < len(lines):
                raise ValueError(f"Line {number} of {file} is not JSON; mend or delete the file.") from None
