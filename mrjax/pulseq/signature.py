"""The hash at the end of a Pulseq file."""

import hashlib
import re
import warnings

from mrjax import _checks
from mrjax.pulseq.errors import Source
from mrjax.pulseq.sections import Section

HASHES = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")


def signature_of(section: Section | None, source: Source) -> tuple[str, str] | None:
    """Name of the hash and its value.

    **Raises:** `PulseqError` where one of the two is missing.
    """
    if section is None:
        return None
    found = {row.split()[0].lower(): row.split()[1] for row in section.rows if len(row.split()) == 2}
    if not {"type", "hash"} <= found.keys():
        raise source.error(section.line, "[SIGNATURE] must hold a Type, such as md5, and a Hash.")
    return found["type"].lower(), found["hash"].lower()


def warn_if_changed(data: bytes, signature: tuple[str, str] | None, source: Source) -> None:
    """Warn where the file is not the one that was signed; hashes that Python lacks are not checked.

    Signed is what stands before the heading, without the line end before it. Line ends that were changed on the way from
    one system to another are no change.
    """
    heading = re.search(rb"^[ \t]*\[SIGNATURE\]", data, re.MULTILINE | re.IGNORECASE)
    if signature is None or heading is None or signature[0] not in HASHES:
        return
    signed = re.sub(rb"\r?\n\Z", b"", data[: heading.start()])
    unix = signed.replace(b"\r\n", b"\n")
    variants = {signed, unix, unix.replace(b"\n", b"\r\n")}
    if signature[1] not in {hashlib.new(signature[0], variant).hexdigest() for variant in variants}:
        warnings.warn(
            f"{source.path}: its {signature[0]} is not the one in [SIGNATURE]; the file was changed after it was written.",
            stacklevel=_checks.frames_to_the_caller(),
        )
