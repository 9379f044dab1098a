"""How often 95 % intervals cover the truth, and how often models of equal quality are called different, on an evaluation's own documents.

    python scripts/benchmarks/intervals.py EVALUATION [EVALUATION] [--metric bits_per_byte] [--simulations 2000]

The documents (clusters) of the first model are taken for a whole population and drawn from with replacement; beside Student's interval without
the correction for skewness. With a second evaluation the numbers of both models are swapped at random in each document, so that they are
equally good, and compared.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from silly_llm.evaluation.comparing.paired import ALPHA, common, paired
from silly_llm.evaluation.metrics.statistics import Units, around, estimate, standard_error
from silly_llm.evaluation.results import read_results

SIZES = (10, 15, 20, 50, 350)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("evaluations", nargs="+", type=Path)
    parser.add_argument("--metric", default="bits_per_byte")
    parser.add_argument("--simulations", type=int, default=2000)
    arguments = parser.parse_args()
    kept = [
        next(units for (_, metric), units in read_results(path)[1].items() if metric == arguments.metric)
        for path in arguments.evaluations
    ]
    sums, rng = kept[0].sums()[1], np.random.default_rng(0)
    truth = sums[:, 0].sum() / sums[:, 1].sum()
    for n in SIZES:
        covered, by_student = 0, 0
        for _ in range(arguments.simulations):
            found = drawn(sums[rng.integers(0, len(sums), n)])
            metric = estimate(found)
            low, high = around(metric.value, standard_error(found.sums()[1]), n)
            covered += metric.low <= truth <= metric.high
            by_student += low <= truth <= high
        share = covered / arguments.simulations
        print(f"n = {n}: covers {share:.3f}, Student's alone {by_student / arguments.simulations:.3f}", flush=True)
    if len(kept) < 2:
        return
    (one, other), _ = common(kept[:2], equal=True)
    a, b = one.sums()[1], other.sums()[1]
    for n in SIZES:
        ps = []
        for _ in range(arguments.simulations // 4):
            rows, swap = rng.integers(0, len(a), n), rng.random((n, 1)) < 0.5
            ps.append(
                paired(drawn(np.where(swap, a[rows], b[rows])), drawn(np.where(swap, b[rows], a[rows])), equal=True).p
            )
        false, called = np.mean(np.less(ps, 0.05)), np.mean(np.less(ps, ALPHA))
        print(
            f"n = {n}: p < 0.05 in {false:.3f} of comparisons of equals, called different in {called:.3f}", flush=True
        )


def drawn(sums: np.ndarray) -> Units:
    """Rows (numerator, denominator, …) as units of their own."""
    return Units([str(i) for i in range(len(sums))], sums[:, 0].tolist(), sums[:, 1].tolist())


if __name__ == "__main__":
    main()
