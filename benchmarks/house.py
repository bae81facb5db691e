"""Counts of the house: lines of code, types that say nothing, questions after a kind, tests beside code.

    python benchmarks/house.py                  # this checkout
    python benchmarks/house.py --root OTHER     # another one, to compare

A line of code is one that holds a token other than a comment, a docstring or a line's end. A question after a kind is
``isinstance`` or ``match`` on a class of settings, models or representations, ``hasattr``, ``getattr`` with a default,
or a comparison of ``.kind``, outside of the ``build_…`` functions and ``choose_method``, where settings become objects.
"""

import argparse
import ast
import io
import json
import tokenize
from collections.abc import Iterator
from pathlib import Path

KINDS = ("Config", "Representation", "Autoencoder", "Model", "Context", "Notes", "FeatureSet", "Features", "Classifier")
"""Ends of the names of classes of which there are several kinds."""

EMPTY = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def code_lines(text: str) -> int:
    """Return how many lines of a file are code.

    Example:
        >>> code_lines('\"\"\"What it is.\"\"\"\\n\\n# why\\nx = (1,\\n     2)\\n')
        2
    """
    skipped = set()
    for node in ast.walk(ast.parse(text)):
        for first in getattr(node, "body", [])[:] if isinstance(getattr(node, "body", None), list) else []:
            value = getattr(first, "value", None)
            if isinstance(first, ast.Expr) and isinstance(value, ast.Constant) and isinstance(value.value, str):
                skipped.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in EMPTY:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - skipped)


def undocumented(tree: ast.Module) -> list[str]:
    """Return the public functions and classes, and public methods of these, that have no docstring."""
    found = []
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            found.append(node.name)
        if isinstance(node, ast.ClassDef):
            methods = [one for one in node.body if isinstance(one, ast.FunctionDef) and not one.name.startswith("_")]
            found += [f"{node.name}.{one.name}" for one in methods if not ast.get_docstring(one)]
    return found


def named(tree: ast.AST, name: str) -> int:
    """Return how often a name is used, imports not counted."""
    return sum(isinstance(node, ast.Name) and node.id == name for node in ast.walk(tree))


def kind_questions(tree: ast.Module) -> Iterator[str]:
    """Yield the questions after a kind, as line and source, outside of where settings become objects."""

    def walk(node: ast.AST, allowed: bool) -> Iterator[str]:
        if isinstance(node, ast.FunctionDef):
            allowed = allowed or node.name.startswith("build_") or node.name == "choose_method"
        if not allowed and _asks(node):
            yield f"{node.lineno}: {ast.unparse(node).splitlines()[0][:100]}"  # type: ignore[attr-defined]
        for child in ast.iter_child_nodes(node):
            yield from walk(child, allowed)

    yield from walk(tree, False)


def _asks(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        name = node.func.id
        if name == "isinstance":
            return any(isinstance(part, ast.Name) and part.id.endswith(KINDS) for part in ast.walk(node.args[1]))
        return name == "hasattr" or (name == "getattr" and len(node.args) == 3)
    if isinstance(node, ast.Match):
        patterns = [part for case in node.cases for part in ast.walk(case.pattern)]
        return any(isinstance(part, ast.MatchClass) for part in patterns)
    if isinstance(node, ast.Compare):
        return any(isinstance(part, ast.Attribute) and part.attr == "kind" for part in (node.left, *node.comparators))
    return False


def count(root: Path) -> dict[str, object]:
    """Return the counts of a checkout by name."""
    package = root / "src" / "intertone"
    sources = {path: path.read_text(encoding="utf-8") for path in sorted(package.rglob("*.py"))}
    tests = [path.read_text(encoding="utf-8") for path in sorted((root / "tests").rglob("*.py"))]
    trees = {path: ast.parse(text) for path, text in sources.items()}
    code, tested = sum(map(code_lines, sources.values())), sum(map(code_lines, tests))
    return {
        "files": len(sources),
        "lines of code": code,
        "lines of tests per line of code": round(tested / code, 3),
        "public without docstring": sum(len(undocumented(tree)) for tree in trees.values()),
        "Any": sum(named(tree, "Any") for tree in trees.values()),
        "object": sum(named(tree, "object") for tree in trees.values()),
        "cast": sum(named(tree, "cast") for tree in trees.values()),
        "type: ignore": sum(text.count("type: ignore") for text in sources.values()),
        "files in representation/": len(list((package / "representation").glob("*.py"))),
        "questions after a kind": {
            str(path.relative_to(package)): found for path, tree in trees.items() if (found := [*kind_questions(tree)])
        },
    }


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description="Count lines, types that say nothing, and questions after a kind.")
    parser.add_argument("--root", type=Path, default=Path(__file__).parent.parent, help="the checkout")
    print(json.dumps(count(parser.parse_args().root), indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
