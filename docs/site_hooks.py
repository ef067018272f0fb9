"""What the site adds to the pages: a reference page for every room, and tables and figures of the benchmarks."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]

ROOMS = {
    "mrjax": "mrjax",
    "sequence": "mrjax.sequence",
    "pulses": "mrjax.sequence.pulses",
    "moments": "mrjax.sequence.moments",
    "hardware": "mrjax.sequence.hardware",
    "pulseq": "mrjax.pulseq",
    "protocols": "mrjax.protocols",
    "imaging_protocols": "mrjax.protocols.imaging",
    "cest_protocols": "mrjax.protocols.cest",
    "physics": "mrjax.physics",
    "gradient": "mrjax.physics.gradient",
    "motion": "mrjax.physics.motion",
    "transmit": "mrjax.physics.transmit",
    "propagation": "mrjax.physics.pools.propagation",
    "lineshapes": "mrjax.lineshapes",
    "relaxation": "mrjax.signals.relaxation",
    "cest_signals": "mrjax.signals.cest",
    "magnetization_transfer": "mrjax.signals.magnetization_transfer",
    "susceptibility": "mrjax.signals.susceptibility",
    "diffusion": "mrjax.signals.diffusion",
    "perfusion": "mrjax.signals.perfusion",
    "spectroscopy": "mrjax.signals.spectroscopy",
    "signal_models": "mrjax.signals.models",
    "encoding": "mrjax.encoding",
    "patterns": "mrjax.encoding.patterns",
    "reconstruction": "mrjax.reconstruction",
    "inverse": "mrjax.inverse",
    "cest_inverse": "mrjax.inverse.cest",
    "qsm": "mrjax.inverse.qsm",
    "diffusion_inverse": "mrjax.inverse.diffusion",
    "synthesis": "mrjax.synthesis",
    "nn": "mrjax.nn",
    "consistency": "mrjax.nn.consistency",
    "design": "mrjax.design",
    "zoo": "mrjax.zoo",
    "fingerprints": "mrjax.zoo.fingerprints",
    "zoo_relaxometry": "mrjax.zoo.relaxometry",
    "zoo_saturation_transfer": "mrjax.zoo.saturation_transfer",
    "zoo_myelin_water": "mrjax.zoo.myelin_water",
    "zoo_susceptibility": "mrjax.zoo.susceptibility",
    "phantoms": "mrjax.phantoms",
    "plot": "mrjax.plot",
    "io": "mrjax.io",
    "units": "mrjax.units",
}
"""Pages of the reference, and the module that each describes."""


FIGURES = "benchmarks/results"
MODELS = "benchmarks/results/fits.md"


def on_files(files: Files, config) -> Files:
    """Add the reference pages, the table of the signal models, and the figures."""
    files.append(File.generated(config, "models.md", content=(ROOT / MODELS).read_text()))
    for path in sorted((ROOT / FIGURES).glob("*.png")):
        files.append(File.generated(config, f"{FIGURES}/{path.name}", abs_src_path=str(path)))
    described: dict[str, str] = {}
    pages = {name: _page(module, described) for name, module in reversed(ROOMS.items())}
    for name, content in pages.items():
        files.append(File.generated(config, f"reference/{name}.md", content=content))
    return files


def on_page_markdown(markdown: str, **_) -> str:
    """Links to figures as they are on the site, where pages and benchmarks have one root."""
    return re.sub(rf"\]\(\.\./((?:\.\./)*{FIGURES}/[^)]*\.png)\)", r"](\1)", markdown)


def _page(module: str, described: dict[str, str]) -> str:
    """The module's own sentence, then each public name, where it was not described in the room it comes from."""
    path = _path(module)
    tree = ast.parse(path.read_text())
    lines = [f"# `{module}`", "", ast.get_docstring(tree) or "", ""]
    for name, origin in _public(tree, module, path.name == "__init__.py"):
        if origin in described:
            lines += [f"- `{name}`: see [`{described[origin]}`][{described[origin]}]"]
            continue
        described[origin] = f"{module}.{name}"
        lines += ["", f"::: {module}.{name}", ""]
    return "\n".join(lines)


def _public(tree: ast.Module, module: str, is_package: bool) -> list[tuple[str, str]]:
    """Public functions and classes, each with the place of its definition: what a module defines or says to export."""
    names = []
    for node in _statements(tree):
        if isinstance(node, ast.ImportFrom) and is_package and node.level:
            base = ".".join(filter(None, [module, node.module or ""]))
            for alias in node.names:
                # rooms have pages of their own
                if alias.asname == alias.name and not _path(f"{base}.{alias.name}").exists():
                    names.append((alias.name, _definition(base, alias.name)))
        elif isinstance(node, ast.FunctionDef | ast.ClassDef) and not is_package and not node.name.startswith("_"):
            names.append((node.name, f"{module}.{node.name}"))
    return names


def _statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Of a module, with what it imports for type checkers: that is there at run time, too, from its first use on."""
    for node in tree.body:
        yield from node.body if isinstance(node, ast.If) else [node]


def _definition(module: str, name: str) -> str:
    """Where a name that `module` offers is defined, through packages that pass it on."""
    path = _path(module)
    if path.name != "__init__.py":
        return f"{module}.{name}"
    for node in _statements(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level and any(alias.name == name for alias in node.names):
            return _definition(".".join(filter(None, [module, node.module or ""])), name)
    return f"{module}.{name}"


def _path(module: str) -> Path:
    place = ROOT.joinpath(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
