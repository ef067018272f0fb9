"""Data sets of a fixed size on disk."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from mrjax import _checks
from mrjax.synthesis import _blocks


@dataclass(frozen=True)
class StoredArray:
    """One array of a store; it is read where it is indexed."""

    folder: Path
    name: str
    array: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Samples on the first axis."""
        return self.array.shape

    @property
    def dtype(self) -> np.dtype:
        """Of the numbers, as they were made."""
        return self.array.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        """The samples of a slice or an index, as a NumPy array; every chunk read is compared with its checksum."""
        try:
            return np.asarray(self.array[index])
        except (ValueError, RuntimeError) as error:
            raise _blocks.damaged(self.folder, f"array {self.name!r} cannot be read ({error})") from error


@dataclass(frozen=True)
class Store:
    """A data set of a fixed size on disk, made block after block and read by slices, larger than memory if need be.

    The arrays are in the Zarr format, version 3, with samples on the first axis, one chunk per block and a checksum
    each. They are open to any program that reads Zarr, in the folder `arrays`. Made with `Store.create`, read with
    `Store.open`; `store["signals"][10:20]` are samples 10 to 19 of one array.

    !!! example

        ```python
        >>> import tempfile
        >>> import numpy as np
        >>> from mrjax.synthesis import Store
        >>> folder = tempfile.TemporaryDirectory()
        >>> make = lambda indices: {"t1": 0.5 + 0.01 * indices}
        >>> store = Store.create(folder.name, make, n=100, chunk=30, attributes={"unit": "s"}, progress=False)
        >>> len(store), store.names, store.attributes
        (100, ('t1',), {'unit': 's'})
        >>> Store.open(folder.name)["t1"][10:13].round(3).tolist()
        [0.6, 0.61, 0.62]
        >>> folder.cleanup()

        ```
    """

    folder: Path
    attributes: dict[str, Any]
    samples: dict[str, StoredArray]

    @classmethod
    def create(
        cls,
        folder: str | PathLike[str],
        make: Callable[[np.ndarray], Mapping[str, Any]],
        n: int,
        chunk: int,
        attributes: Mapping[str, Any] | None = None,
        progress: bool = True,
    ) -> "Store":
        """Make a data set, or go on where an earlier call was interrupted or killed.

        Finished blocks are kept and not made again; a complete store is returned at once, without a call of `make`. The
        result is that of an uninterrupted run if `make` depends on the indices alone. One process at a time may write.

        **Arguments:**

        - `folder`: New, empty, or begun by a call with the same arguments.
        - `make`: Takes indices of samples, consecutive integers `(m,)` with `m <= chunk`, and returns for each name an
          array of numbers `(m, ...)`, the same names, trailing shapes and dtypes every time. To draw at random, fold
          the indices into a key.
        - `n`: Samples in all. At least 1.
        - `chunk`: Samples per block. At least 1.
        - `attributes`: What to remember of the data set, such as seed and sequence: anything that JSON holds.
        - `progress`: Whether to show a progress bar.

        **Returns:** The complete `Store`.

        **Raises:** `ValueError` where the folder holds something else or a store with another `n`, `chunk` or
        `attributes`, where it is damaged, or `make` returns other arrays than in earlier blocks; `ImportError` where
        Zarr is missing.
        """
        _blocks.zarr_library()
        settings = {
            "format": _blocks.FORMAT,
            "n": _checks.positive_integer(n, "n"),
            "chunk": _checks.positive_integer(chunk, "chunk"),
            "attributes": _as_json(attributes or {}),
        }
        path = Path(folder)
        _blocks.begin(path, settings)
        _make_the_rest(path, settings, make, progress)
        return cls.open(path)

    @classmethod
    def open(cls, folder: str | PathLike[str]) -> "Store":
        """A complete data set, to read.

        That every chunk is there in its full size is checked now, checksums where chunks are read.

        **Arguments:**

        - `folder`: As given to `Store.create`.

        **Returns:** The `Store`.

        **Raises:** `ValueError` where the folder holds no store, an incomplete one or a damaged one; `ImportError` where
        Zarr is missing.
        """
        path = Path(folder)
        settings = _blocks.read_settings(path)
        sizes = _blocks.finished_sizes(path)
        n_blocks = -(-settings["n"] // settings["chunk"])
        if len(sizes) < n_blocks:
            raise ValueError(
                f"The store in {path} is incomplete, {len(sizes)} of {n_blocks} blocks are finished; "
                "call `Store.create` again with the same arguments to go on."
            )
        arrays = _blocks.open_arrays(path, settings, sizes, "r")
        samples = {name: StoredArray(path, name, array) for name, array in arrays.items()}
        return cls(path, settings["attributes"], samples)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the arrays, in the order in which they were made."""
        return tuple(self.samples)

    def __len__(self) -> int:
        return len(next(iter(self.samples.values())))

    def __getitem__(self, name: str) -> StoredArray:
        if name not in self.samples:
            raise KeyError(f"`{name}` is not in the store in {self.folder}, which has {', '.join(self.names)}.")
        return self.samples[name]


def _as_json(attributes: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return json.loads(json.dumps(dict(attributes), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(f"`attributes` must be what JSON can hold, but got {attributes!r}.") from error


def _make_the_rest(
    folder: Path, settings: dict[str, Any], make: Callable[[np.ndarray], Mapping[str, Any]], progress: bool
) -> None:
    from rich.progress import Progress, TimeElapsedColumn

    n, chunk = settings["n"], settings["chunk"]
    _blocks.drop_unfinished_line(folder)
    sizes = _blocks.finished_sizes(folder)
    arrays = _blocks.open_arrays(folder, settings, sizes, "r+") if sizes else {}
    with Progress(*Progress.get_default_columns(), TimeElapsedColumn(), disable=not progress) as bar:
        task = bar.add_task("making samples", total=n, completed=min(len(sizes) * chunk, n))
        for block, start in list(enumerate(range(0, n, chunk)))[len(sizes) :]:
            stop = min(start + chunk, n)
            values = _checked(make(np.arange(start, stop)), stop - start)
            arrays = arrays or _blocks.create_arrays(folder, settings, values)
            _check_alike(values, arrays, folder)
            _blocks.write(folder, arrays, values, block, start)
            bar.update(task, completed=stop)


def _checked(values: Mapping[str, Any], length: int) -> _blocks.Block:
    for name, value in values.items():
        _checks.refuse_masked(value, name)
    arrays = {name: np.asarray(value) for name, value in values.items()}
    if not arrays:
        raise ValueError("`make` must return at least one array, but returned none.")
    for name, array in arrays.items():
        if not name.isidentifier():
            raise ValueError(f"`make` must name its arrays as Python does, but got {name!r}.")
        if array.shape[:1] != (length,) or array.size == 0 or array.dtype.kind not in "biufc":
            raise ValueError(
                f"`make` must return arrays of numbers with {length} samples on the first axis, but got {name!r} "
                f"of shape {array.shape} and {array.dtype}."
            )
    return arrays


def _check_alike(values: _blocks.Block, arrays: Mapping[str, Any], folder: Path) -> None:
    describe = lambda items: {name: (*item.shape[1:], str(item.dtype)) for name, item in items.items()}
    if describe(values) != describe(arrays):
        raise ValueError(
            f"`make` must return arrays as in the blocks before, {describe(arrays)} in {folder}, "
            f"but got {describe(values)}."
        )
