"""How a store lies on disk: its settings, its Zarr arrays, and a log of the blocks that are finished.

    folder/settings.json     format, n, chunk and attributes, written once
    folder/arrays/           a Zarr group with one array per name, one chunk per block of samples
    folder/finished.jsonl    a line for each finished block: the size in bytes of its chunk of every array

A line is appended only after the chunks of its block are written, so a process may be killed at any time.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np

FORMAT = 1
SETTINGS, ARRAYS, FINISHED = "settings.json", "arrays", "finished.jsonl"
UNFINISHED_SETTINGS = "settings.json.part"
Block = dict[str, np.ndarray]
Sizes = list[dict[str, int]]


def zarr_library() -> ModuleType:
    """Zarr, which is an optional dependency."""
    try:
        import zarr
    except ImportError as error:
        raise ImportError("Data sets on disk need Zarr: run `pip install mrjax[store]`.") from error
    return zarr


def begin(folder: Path, settings: dict[str, Any]) -> None:
    """Write the settings into a folder that is new or empty; of a store begun before, check that they are the same."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"`folder` must be a folder, but {folder} is a file.")
    if (folder / SETTINGS).exists():
        _check_same(folder, settings)
        return
    folder.mkdir(parents=True, exist_ok=True)
    others = sorted(entry.name for entry in folder.iterdir() if entry.name != UNFINISHED_SETTINGS)
    if others:
        raise ValueError(f"`folder` must be new, empty or hold a store, but {folder} holds {others[0]!r}.")
    # renaming is atomic: the settings are there as a whole or not at all
    (folder / UNFINISHED_SETTINGS).write_text(json.dumps(settings, indent=2), encoding="utf-8")
    os.replace(folder / UNFINISHED_SETTINGS, folder / SETTINGS)


def _check_same(folder: Path, settings: dict[str, Any]) -> None:
    begun = read_settings(folder)
    for name, value in settings.items():
        if name != "format" and begun[name] != value:
            raise ValueError(
                f"`{name}` must be {begun[name]!r}, as in the store begun in {folder}, but got {value!r}; "
                "choose another folder, or delete this one."
            )


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings of the store in a folder."""
    if not (folder / SETTINGS).is_file():
        raise ValueError(f"{folder} holds no store; make one with `Store.create`.")
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        complete = {"format", "n", "chunk", "attributes"} <= settings.keys()
    except (ValueError, AttributeError) as error:
        raise damaged(folder, f"{SETTINGS} cannot be read") from error
    if not complete:
        raise damaged(folder, f"{SETTINGS} lacks entries")
    if settings["format"] != FORMAT:
        raise ValueError(f"{folder} holds a store of format {settings['format']}, but this version reads {FORMAT}.")
    return settings


def damaged(folder: Path, what: str) -> ValueError:
    """The error for a store that can no longer be used."""
    return ValueError(f"The store in {folder} is damaged: {what}; delete the folder and call `Store.create` again.")


def finished_sizes(folder: Path) -> Sizes:
    """The chunk sizes of every finished block, in order."""
    log = folder / FINISHED
    text = log.read_bytes() if log.exists() else b""
    # a line without its end was being written when the process was killed: its block does not count
    lines = text[: text.rfind(b"\n") + 1].splitlines()
    try:
        sizes = [{str(name): int(size) for name, size in json.loads(line).items()} for line in lines]
    except (ValueError, TypeError, AttributeError) as error:
        raise damaged(folder, f"{FINISHED} cannot be read") from error
    if any(block.keys() != sizes[0].keys() for block in sizes):
        raise damaged(folder, f"{FINISHED} names other arrays in some blocks")
    return sizes


def drop_unfinished_line(folder: Path) -> None:
    """Cut the log after its last whole line."""
    log = folder / FINISHED
    if log.exists():
        os.truncate(log, log.read_bytes().rfind(b"\n") + 1)


def open_arrays(folder: Path, settings: dict[str, Any], sizes: Sizes, mode: Literal["r", "r+"]) -> dict[str, Any]:
    """The Zarr arrays by name, after a check that the chunk of every finished block has the size it was written with."""
    zarr = zarr_library()
    arrays = {}
    for name in sizes[0]:
        try:
            array = zarr.open_array(folder / ARRAYS / name, mode=mode)
        except (ValueError, TypeError, KeyError, OSError) as error:
            raise damaged(folder, f"array {name!r} cannot be opened") from error
        if array.shape[:1] != (settings["n"],) or array.chunks != (settings["chunk"], *array.shape[1:]):
            raise damaged(folder, f"array {name!r} has shape {array.shape} in chunks of {array.chunks}")
        for block, written in enumerate(sizes):
            chunk = chunk_file(folder, name, block, array.ndim)
            if not chunk.is_file() or chunk.stat().st_size != written[name]:
                raise damaged(folder, f"block {block} of array {name!r} is missing or cut short")
        arrays[name] = array
    return arrays


def create_arrays(folder: Path, settings: dict[str, Any], first: Block) -> dict[str, Any]:
    """New Zarr arrays for blocks like the first one; what a killed process left there is removed."""
    zarr = zarr_library()
    group = zarr.open_group(folder / ARRAYS, mode="w")
    return {
        name: group.create_array(
            name,
            shape=(settings["n"], *value.shape[1:]),
            chunks=(settings["chunk"], *value.shape[1:]),
            dtype=value.dtype,
            # the last codec adds a checksum, which is checked at every reading
            compressors=[zarr.codecs.ZstdCodec(), zarr.codecs.Crc32cCodec()],
            # chunks of zeros are written too, so that a missing file is always a damage
            config={"write_empty_chunks": True},
        )
        for name, value in first.items()
    }


def write(folder: Path, arrays: Mapping[str, Any], values: Block, block: int, start: int) -> None:
    """Write one block, then its line in the log."""
    for name, value in values.items():
        arrays[name][start : start + len(value)] = value
    sizes = {name: chunk_file(folder, name, block, array.ndim).stat().st_size for name, array in arrays.items()}
    with (folder / FINISHED).open("a", encoding="utf-8") as log:
        log.write(json.dumps(sizes) + "\n")


def chunk_file(folder: Path, name: str, block: int, n_axes: int) -> Path:
    """Where the Zarr format, version 3, keeps the chunk of a block."""
    return folder.joinpath(ARRAYS, name, "c", str(block), *["0"] * (n_axes - 1))
