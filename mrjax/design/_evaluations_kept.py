"""What a search has computed, kept as it is found: the same search, run again, is answered until it comes to what is new."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mrjax.design._evaluation import another_design


class PointEvaluation(NamedTuple):
    """What was found at a point."""

    value: float
    terms: dict[str, float]
    others: np.ndarray
    """The slope, or the breaches of constraints."""


class KeptEvaluations:
    """Evaluations by their points, in memory and, if a file is given, as JSON lines in it, digit by digit.

    What optimisers of scipy know of a search cannot be saved, but they do the same again where they are told the same. So a
    search that goes on is a search from the start that need not compute again what it has computed.
    """

    def __init__(self, known: dict[bytes, PointEvaluation], file: Path | None):
        self._known, self.file = known, file

    @classmethod
    def in_memory(cls) -> "KeptEvaluations":
        """Evaluations that no file keeps."""
        return cls({}, None)

    @classmethod
    def in_file(cls, file: Path, asked: dict[str, list[float]]) -> "KeptEvaluations":
        """Those in a file, whose first line is what was `asked`.

        **Raises:** `ValueError` where something else was.
        """
        text = file.read_text() if file.exists() else ""
        whole = text[: text.rfind("\n") + 1]  # a last line that was cut short is left out
        lines = [json.loads(line) for line in whole.splitlines()]
        if lines and lines[0] != asked:
            raise another_design(file.parent)
        part = file.with_suffix(".part")
        part.write_text(whole or json.dumps(asked) + "\n")
        part.replace(file)
        read = (PointEvaluation(one["value"], one["terms"], np.array(one["others"], float)) for one in lines[1:])
        points = (np.array(one["point"], float).tobytes() for one in lines[1:])
        return cls(dict(zip(points, read, strict=True)), file)

    def at(self, point: np.ndarray, compute: Callable[[np.ndarray], PointEvaluation]) -> PointEvaluation:
        """What is known of a point, or is computed and on disk before this returns."""
        key = point.tobytes()
        if key not in self._known:
            found = compute(point)
            if self.file is not None:
                line = {"point": point.tolist(), **found._asdict(), "others": found.others.tolist()}
                with self.file.open("a") as file:
                    file.write(json.dumps(line) + "\n")
            self._known[key] = found
        return self._known[key]
