"""Sidecars: JSON files of the same stem beside images, as BIDS defines them."""

import json
from pathlib import Path
from typing import Any

from mrjax.io.nifti import FileError


def sidecar_path(image: str | Path) -> Path:
    """Where the sidecar of an image belongs: `t2.json` beside `t2.nii.gz`."""
    image = Path(image)
    return image.with_name(image.name.removesuffix(".gz")).with_suffix(".json")


def read_sidecar(image: str | Path) -> dict[str, Any]:
    """What the sidecar of an image says; nothing where there is none.

    **Arguments:**

    - `image`: Path of the image, `.nii` or `.nii.gz`.

    **Returns:** A dict by the names that BIDS uses: `EchoTime`, `RepetitionTime` and `InversionTime` in s, `FlipAngle` in
    degrees.

    **Raises:** `FileError` where the sidecar is not a JSON object.
    """
    path = sidecar_path(image)
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FileError(f"{path} is not a JSON file ({error}); correct it, or move it away from the image.") from error
    if not isinstance(content, dict):
        raise FileError(f"{path} must hold a JSON object, names with values, but holds a {type(content).__name__}.")
    return content
