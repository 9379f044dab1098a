"""Pages for people: the Jinja templates in `templates/`, filled in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from silly_llm.core.folders.files import write_text
from silly_llm.core.pages.markdown import code, inline, quoted


def write_page(path: Path, context: Mapping[str, Any], template: str = "") -> None:
    """Fill in a template, by default that of the file's name; in HTML all text is escaped.

    Args:
        path: the page, such as `report.html`, made by `report.html.jinja`.
        context: everything that the template names.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("silly_llm", "templates"),
        autoescape=path.suffix == ".html",
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"code": code, "inline": inline, "quoted": quoted}
    write_text(path, environment.get_template(f"{template or path.name}.jinja").render(context).strip() + "\n")
