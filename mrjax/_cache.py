"""What XLA compiled is kept on disk, so that the next process finds it."""

import errno
import os
import re
import shutil
import sys
import tempfile
import warnings
import zlib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import jax
from jax.experimental.compilation_cache import compilation_cache

from mrjax import _checks

MOST_BYTES = 2**30
"""Of one folder; the programs that were not used for longest go first."""
ROOM_BYTES = 2**26
"""What must be free on the disk: programs of a long session."""
LOOKED_THROUGH = ".looked-through"
"""A file as old as the last time that entries were looked through."""
ENTRY = re.compile(r"-[0-9a-f]{64}-cache$")
"""The name of one, by JAX; nothing else is touched."""
ZSTANDARD = b"\x28\xb5\x2f\xfd"


def cache(folder: str | os.PathLike[str] | None = None) -> str | None:
    """Keep compiled programs in a folder, where this process and those to come find them.

    Call it once, before anything is computed. It sets options of JAX (`jax_compilation_cache_dir` and the shortest time of
    compiling that counts), so all that the process compiles is kept, not programs of mrjax alone. The folder is kept below
    1 GiB. It may be shared by processes, by versions of JAX and by machines of different kinds, whose programs are kept
    apart; share it with no person whom you would not let run code as you.

    **Arguments:**

    - `folder`: Where; made if it is not there. None for what JAX is already set to (by `JAX_COMPILATION_CACHE_DIR`, for
      one), or else a folder of mrjax in the user's cache, such as `~/.cache/mrjax/compiled`.

    **Returns:** the folder; None, after a warning, where it cannot be written. All goes on then, and nothing is kept.

    !!! example

        ```python
        >>> import mrjax as mr
        >>> folder = mr.cache()
        >>> signal = mr.simulate(mr.protocols.spin_echo(te=0.05), mr.Tissue(t1=1.0, t2=0.1))  # compiles at most once

        ```
    """
    of_jax = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    given = os.fspath(folder or of_jax or _of_user())
    if "://" in given:  # a bucket, which JAX can write to
        _keep_in(given)
        return given
    chosen = Path(given).expanduser()
    try:
        _require_room(chosen)
    except OSError as error:
        warnings.warn(
            f"Compiled programs are not kept, since {chosen} cannot be written ({error.strerror}). Make room there, or choose "
            'another folder: `mr.cache("FOLDER")` in Python, `--cache FOLDER` or JAX_COMPILATION_CACHE_DIR for the command.',
            stacklevel=_checks.frames_to_the_caller(),
        )
        _keep_in(None)
        return None
    if folder or not of_jax:  # what lies in a folder that the user gave to JAX is not ours to throw away
        _remove_oldest(chosen)
        _remove_damaged(chosen)  # reads, which makes entries young
    _keep_in(str(chosen))
    return str(chosen)


def _of_user() -> Path:
    """As every system has it; one that hides it gets the folder for temporary files."""
    home = Path(os.path.expanduser("~"))
    if sys.platform == "win32":
        users = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        users = home / "Library" / "Caches"
    else:
        users = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return users / "mrjax" / "compiled"


def _require_room(folder: Path) -> None:
    """Raise an `OSError` where nothing can be written."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # who can write here can have this user run anything
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(2**16))
    if shutil.disk_usage(folder).free < ROOM_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _keep_in(folder: str | None) -> None:
    jax.config.update("jax_compilation_cache_dir", folder)
    # by default nothing below a second is kept, though a hundred small programs take seconds
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    compilation_cache.reset_cache()  # JAX looks at its options once, when it compiles the first program


def _entries(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for file in folder.glob("*-cache"):
        try:
            if ENTRY.search(file.name):
                yield file, file.stat()
        except OSError:  # another process has just removed it
            continue


def _remove_damaged(folder: Path) -> None:
    """Look through what was written since the last time.

    JAX writes an entry in place, so that a process that ends meanwhile leaves a part of one. JAX warns of it and compiles, but
    never writes it anew. Where another process is just writing, its entry is lost, nothing else.
    """
    stamp = folder / LOOKED_THROUGH
    try:
        since = stamp.stat().st_mtime if stamp.exists() else 0.0
        stamp.touch()
    except OSError:
        return
    for file, status in _entries(folder):
        try:
            if status.st_mtime >= since and not _is_whole(file.read_bytes()):
                file.unlink()
        except OSError:
            continue


def _is_whole(entry: bytes) -> bool:
    """Whether it can be unpacked, as far as there is what unpacks it."""
    if not entry.startswith(ZSTANDARD):
        try:
            zlib.decompress(entry)
        except zlib.error:
            return False
        return True
    for name in ("compression.zstd", "zstandard"):
        try:
            unpacker = import_module(name)
        except ImportError:
            continue
        try:
            unpacker.decompress(entry)
        except Exception:  # each has a class of errors of its own
            return False
    return True


def _remove_oldest(folder: Path) -> None:
    """Down to nine tenths of the limit, where it is exceeded.

    The option of JAX needs a package more, and a lock around every reading.
    """
    # systems note the time of reading, if at all, once a day
    last_use = lambda entry: max(entry[1].st_atime, entry[1].st_mtime)
    entries = sorted(_entries(folder), key=last_use)
    size = sum(status.st_size for _, status in entries)
    allowed = size if size <= MOST_BYTES else 0.9 * MOST_BYTES
    for file, status in entries:
        if size <= allowed:
            return
        size -= status.st_size
        try:
            file.unlink()
        except OSError:
            continue
