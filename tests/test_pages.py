"""Every Python block of the README and, slow, of the pages runs, those of one page one after the other."""

import os
import re
from pathlib import Path

import jax
import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = {
    page: re.findall(r"^( *)```python\n(.*?)^\1```", page.read_text(), re.DOTALL | re.MULTILINE) for page in PAGES
}


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.stem, marks=[] if page.stem == "README" else pytest.mark.slow)
        for page in PAGES
        if BLOCKS[page]
    ],
)
def test_the_blocks_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))  # what a page sets is taken back
    names = {"__name__": page.stem}
    with jax.enable_x64(False), jax.numpy_rank_promotion("allow"):
        for indent, block in BLOCKS[page]:
            code = re.sub(f"^{indent}", "", block, flags=re.MULTILINE)
            exec(compile(code, str(page), "exec"), names)
