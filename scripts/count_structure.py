"""Counts what tells whether the package is still easy to find one's way in: `python scripts/count_structure.py [folder]`."""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

PACKAGE = "mrjax"

ENGINES = ("mrjax.physics.epg", "mrjax.physics.isochromats", "mrjax.physics.pools")
"""Rooms of engines: an idea that two of them share may bear its name in both."""


def modules(root: Path) -> dict[str, ast.Module]:
    """The package's modules by their dotted names, parsed."""
    files = sorted((root / PACKAGE).rglob("*.py"))
    return {_name(file.relative_to(root)): ast.parse(file.read_text()) for file in files}


def _name(file: Path) -> str:
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")


def imports(trees: Mapping[str, ast.Module]) -> dict[str, set[str]]:
    """Which modules each module imports, inside functions too; packages count by what they hold themselves."""
    packages = {name for name in trees if any(other.startswith(f"{name}.") for other in trees)}
    return {name: set(_imported(tree, name, name in packages, trees)) - {name} for name, tree in trees.items()}


def _imported(tree: ast.Module, name: str, is_package: bool, known: Iterable[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            above = name.split(".") if is_package else name.split(".")[:-1]
            base = above[: len(above) - node.level + 1] if node.level else []
            base = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield from (one for one in [full if full in known else base] if one in known)


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other, directly or by way of others (strongly connected, by Tarjan)."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(node: str) -> None:
        index[node] = lowest[node] = len(index)
        stack.append(node)
        for following in graph.get(node, ()):
            if following not in index:
                visit(following)
            if following in stack:
                lowest[node] = min(lowest[node], lowest[following])
        if lowest[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in graph:
        if node not in index:
            visit(node)
    return found


def classes_of_one_name(trees: Mapping[str, ast.Module]) -> dict[str, list[str]]:
    """Names that several classes bear, with the modules of these; what engines share is left out."""
    owners = defaultdict(list)
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                owners[node.name].append(module)
    return {name: places for name, places in owners.items() if len(places) > 1 and not _in_different_engines(places)}


def _in_different_engines(places: list[str]) -> bool:
    rooms = [next((room for room in ENGINES if place.startswith(f"{room}.")), None) for place in places]
    return None not in rooms and len(set(rooms)) == len(rooms)


def functions(trees: Mapping[str, ast.Module]) -> dict[str, int]:
    """Lines of each function without its docstring."""
    lengths = {}
    for module, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                lengths[f"{module}.{node.name}:{node.lineno}"] = _lines(node)
    return lengths


def _lines(node: ast.FunctionDef) -> int:
    assert node.end_lineno is not None
    first = node.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    own = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return node.end_lineno - node.lineno + 1 - own


def members(trees: Mapping[str, ast.Module], module: str, name: str) -> list[str]:
    """Methods and class variables that a class defines."""
    (found,) = [node for node in trees[module].body if isinstance(node, ast.ClassDef) and node.name == name]
    methods = [node.name for node in found.body if isinstance(node, ast.FunctionDef)]
    variables = [node.target.id for node in found.body if isinstance(node, ast.AnnAssign) and _is_name(node.target)]
    return methods + variables


def _is_name(target: ast.expr) -> bool:
    return isinstance(target, ast.Name)


def main(root: Path) -> None:
    """Print all counts."""
    trees = modules(root)
    engine = members(trees, "mrjax.physics.engine", "AbstractEngine")
    several = classes_of_one_name(trees)
    lengths = functions(trees)
    sizes = {
        _name(file.relative_to(root)): len(file.read_text().splitlines()) for file in (root / PACKAGE).rglob("*.py")
    }
    longest, largest = max(lengths, key=lengths.__getitem__), max(sizes, key=sizes.__getitem__)
    print(f"members of AbstractEngine: {len(engine)}: {', '.join(engine)}")
    print(f"class names with several meanings: {len(several)}: {', '.join(sorted(several))}")
    groups = circles(imports(trees))
    print(f"circles of imports: {len(groups)}", *map(", ".join, groups), sep="\n  ")
    print(f"longest function without its docstring: {longest}, {lengths[longest]} lines")
    print(f"functions of more than 35 lines: {sum(n > 35 for n in lengths.values())}")
    print(
        f"longest module: {largest}, {sizes[largest]} lines; of more than 300: {sum(n > 300 for n in sizes.values())}"
    )
    print(f"modules: {len(trees)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1])
