"""What an evaluation was computed from, kept beside its results: a row a unit and a row a generated text.

`evidence.parquet` has the units of every metric of every model (columns `COLUMNS`), from which `silly-llm compare` computes its own
numbers; `generations.parquet` every text that a model wrote. `results.json` names both with their SHA-256.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from silly_llm.core.console.masking import mask
from silly_llm.core.errors import RecipeError
from silly_llm.core.folders.files import written_whole
from silly_llm.core.folders.manifest import file_digest
from silly_llm.evaluation.metrics.statistics import Units

EVIDENCE, GENERATIONS = "evidence.parquet", "generations.parquet"
COLUMNS = dict.fromkeys(("model", "metric", "unit", "cluster"), "string")
COLUMNS |= dict.fromkeys(("numerator", "denominator", "lost"), "double")
"""Of `evidence.parquet`; see `Units`. `cluster`, `denominator` and `lost` are null where they are the default."""


def units_as_json(units: Units) -> dict[str, list[Any]]:
    """Units as columns of plain values."""
    return {
        "unit": list(units.ids),
        "cluster": list(units.clusters) or [None] * len(units),
        "numerator": [float(x) for x in units.numerators],
        "denominator": [float(x) for x in units.denominators] or [None] * len(units),
        "lost": [float(x) for x in units.lost] or [None] * len(units),
    }


def write_evidence(
    folder: Path,
    units: Iterable[tuple[str, str, Mapping[str, Sequence[Any]]]],
    generations: Sequence[Mapping[str, Any]],
) -> dict[str, str]:
    """Write both files; gives their digests by name.

    Args:
        units: Model, metric and the columns of `units_as_json`.
        generations: Rows of texts, all with the same keys.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in COLUMNS.items()])
    tables = [
        pa.table({"model": [model] * len(rows["unit"]), "metric": [metric] * len(rows["unit"]), **rows}, schema=schema)
        for model, metric, rows in units
    ]
    made = {
        EVIDENCE: pa.concat_tables([schema.empty_table(), *tables]),
        GENERATIONS: pa.Table.from_pylist([masked(row) for row in generations]),
    }
    for name, content in made.items():
        with written_whole(folder / name) as path:
            pq.write_table(content, path.absolute(), compression="zstd")
    return {name: file_digest(folder / name) for name in made}


def read_evidence(folder: Path, results: Mapping[str, Any]) -> dict[tuple[str, str], Units]:
    """The units by model and metric.

    Raises:
        RecipeError: the file is missing, damaged, or not the one that the results name.
    """
    table = read_table(folder / EVIDENCE, results)
    kinds = {field.name: str(field.type) for field in table.schema}
    if wrong := [name for name, kind in COLUMNS.items() if kinds.get(name) != kind]:
        raise RecipeError(
            f"{folder / EVIDENCE}: column {wrong[0]!r} is {kinds.get(wrong[0], 'missing')}; evaluate again"
        )
    rows: dict[tuple[str, str], list[Any]] = {}
    for model, metric, *row in zip(*table.select(list(COLUMNS)).to_pydict().values(), strict=True):
        rows.setdefault((model, metric), []).append(row)
    found = {}
    for key, of_one in rows.items():
        ids, clusters, numerators, denominators, lost = (list(column) for column in zip(*of_one, strict=True))
        found[key] = Units(ids, numerators, *([] if None in x else x for x in (denominators, clusters, lost)))
    return found


def read_generations(folder: Path, results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The texts that were kept beside results; none where the file is gone."""
    file = folder / GENERATIONS
    return read_table(file, results).to_pylist() if file.is_file() else []


def read_table(file: Path, results: Mapping[str, Any]) -> Any:
    """A Parquet file that the results name; a RecipeError where it is missing, damaged, or another one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not file.is_file() or file_digest(file) != (results.get("evidence") or {}).get(file.name):
        state = "is not the one of these results" if file.is_file() else "no such file"
        raise RecipeError(f"{file}: {state}; evaluate again, or restore the folder as evaluate wrote it")
    try:
        return pq.read_table(file.absolute())
    except (pa.ArrowException, OSError, ValueError) as error:
        raise RecipeError(f"{file}: cannot be read ({' '.join(str(error).split())[:120]}); evaluate again") from None


def masked(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without secrets in its texts."""
    return {key: mask(value) if isinstance(value, str) else value for key, value in row.items()}
