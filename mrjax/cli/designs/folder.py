"""The folder of a design: what was asked, the card of what was found, and the file that a scanner plays."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import mrjax as mr


def claim(folder: Path, now: Mapping[str, Any]) -> None:
    """Note what is asked in a folder; `ValueError` where it holds another design."""
    note = folder / "question.json"
    if note.exists():
        before = json.loads(note.read_text(encoding="utf-8"))
        now = json.loads(json.dumps(now))
        differing = [name for name in now if before.get(name) != now[name]]
        if differing:
            name = differing[0]
            raise ValueError(
                f"{folder} holds another design: its {name} was {_short(before.get(name))}, now it is {_short(now[name])}. "
                "Give --out another folder, or delete that one."
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    partial = note.with_suffix(".partial")  # so that a note that is there is whole
    partial.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")
    partial.replace(note)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def write_card(folder: Path, title: str, card: Mapping[str, Any]) -> list[Path]:
    """What was asked and found, as `card.json` for programs and `card.md` for people."""
    paths = [folder / "card.json", folder / "card.md"]
    paths[0].write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    lines = [f"# {title}", ""]
    for section, values in card.items():
        if not isinstance(values, Mapping):
            lines += [f"**{_spoken(section)}:** {values}", ""]
            continue
        lines += [f"## {_spoken(section)}", "", "| | |", "|---|---|"]
        lines += [f"| {_spoken(name)} | {_shown(value)} |" for name, value in values.items()] + [""]
    paths[1].write_text("\n".join(lines), encoding="utf-8")
    return paths


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    return "none" if value is None else str(value)


def progress_of(result: mr.design.DesignResult) -> dict[str, Any]:
    """Objective and terms at the start and at the best design, and why the search ended."""
    lines = result.history.lines
    best = min(lines, key=lambda line: line["objective"])
    found = {"objective_at_the_start": float(lines[0]["objective"]), "objective": float(result.objective)}
    for name in (name for name in lines[0] if name not in ("step", "objective")):
        found |= {f"{name}_at_the_start": float(lines[0][name]), name: float(best[name])}
    return found | {"steps": len(lines) - 1, "ended": result.reason}


VERSIONS = ("1.5.0", "1.4.1")
"""Of the Pulseq format."""


def write_sequences(
    folder: Path, name: str, sequence: mr.Sequence, scanner: mr.Scanner, seen: Any
) -> tuple[list[Path], dict[str, Any]]:
    """A Pulseq file of each version, read back and compared, and what the scanner says.

    **Arguments:**

    - `sequence`: That the scanner can play, or `ValueError` says where it cannot.
    - `seen`: Takes a sequence and returns what is compared, such as a signal or a profile.

    **Returns:** the paths, and what the card says of them.
    """
    paths = [folder / f"{name}_{version.rpartition('.')[0]}.seq" for version in VERSIONS]
    changes = [
        write_sequence(path, sequence, scanner, seen, version) for path, version in zip(paths, VERSIONS, strict=True)
    ]
    shares = {f"share_of_limit_{kind}": float(np.max(share)) for kind, share in scanner.utilisation(sequence).items()}
    return paths, {"largest_change_when_read_back": max(changes), **shares}


def write_sequence(
    path: Path, sequence: mr.Sequence, scanner: mr.Scanner, seen: Any, version: str = VERSIONS[0], **definitions: Any
) -> float:
    """A Pulseq file of what the scanner can play; returns by how much what is seen changes when it is read back, relatively."""
    scanner.check(sequence)
    mr.pulseq.write(sequence, path, version=version, scanner=scanner, definitions=definitions)
    asked = np.asarray(seen(sequence))
    with (
        warnings.catch_warnings()
    ):  # only version 1.5 says what RF pulses are for; where it matters, the comparison tells
        warnings.filterwarnings("ignore", message=".*does not say what all RF pulses are for")
        read = np.asarray(seen(mr.pulseq.to_sequence(mr.pulseq.read(path))))
    return float(np.max(np.abs(read - asked)) / np.max(np.abs(asked)))
