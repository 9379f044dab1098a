"""`silly-llm plugins`: every component that a recipe can name and where it comes from."""

from __future__ import annotations

from silly_llm.core.launch import Parser
from silly_llm.core.registry import KINDS, components


def main(argv: list[str] | None = None) -> None:
    parser = Parser(prog="silly-llm plugins", description=__doc__)
    parser.add_argument("kind", nargs="?", choices=sorted(KINDS), help="only this kind")
    only = parser.parse_args(argv).kind
    for kind in [only] if only else KINDS:
        found = components(kind)
        print(f"{kind.replace('_', ' ')} ({kind})")
        width = max((len(c.name) for c in found), default=0)
        for component in found:
            origin = "" if component.source == "silly-llm" else f"  [{component.source}]"
            print(f"  {component.name:<{width}}  {component.summary}{origin}")
        print()
    print("Recipes select them with `type:`; docs/architecture/plugins.md shows how to write each kind.")
