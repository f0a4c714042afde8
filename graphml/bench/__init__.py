"""Side-by-side benchmarks: measurement, table and chart. The benchmarks themselves lie in experiments/benchmarks/."""

from graphml.bench.measure import Result, compare, copy_bandwidth

__all__ = ["Result", "compare", "copy_bandwidth"]
