"""Check that every notebook is made from its script beside it, and that it runs.

python scripts/check_notebooks.py                           # check and run
python scripts/check_notebooks.py --render docs/notebooks   # and keep them with their figures, for the site
python scripts/check_notebooks.py --write                   # make the notebooks from the scripts, without outputs
"""

import argparse
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def cells(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
    """Kind and source of each cell, without outputs and metadata."""
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def main() -> int:
    """Write, or compare and run; the exit status says whether all is well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="make the notebooks from the scripts")
    parser.add_argument("--render", type=Path, metavar="FOLDER", help="keep what ran, outputs included")
    options = parser.parse_args()
    if options.render:
        options.render.mkdir(parents=True, exist_ok=True)
    for script in sorted(NOTEBOOKS.glob("*.py")):
        notebook, path = jupytext.read(script), script.with_suffix(".ipynb")
        if options.write:
            jupytext.write(notebook, path)
            print(f"wrote {path.name}")
            continue
        if not path.exists() or cells(nbformat.read(path, as_version=4)) != cells(notebook):
            print(f"{path.name} is not what {script.name} makes; run scripts/check_notebooks.py --write")
            return 1
        NotebookClient(notebook, timeout=600, kernel_name="python3").execute()
        print(f"{path.name}: {len(notebook.cells)} cells ran")
        if options.render:
            nbformat.write(notebook, options.render / path.name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
