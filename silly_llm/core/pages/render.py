"""Pages for people: the Jinja templates in `templates/`, filled in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from silly_llm.core.folders.files import write_text
from silly_llm.core.pages.markdown import inline, quoted


def write_page(path: Path, context: Mapping[str, Any]) -> None:
    """Fill in the template of the file's name; in HTML all text is escaped.

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
    environment.filters |= {"inline": inline, "quoted": quoted}
    write_text(path, environment.get_template(f"{path.name}.jinja").render(context).strip() + "\n")
