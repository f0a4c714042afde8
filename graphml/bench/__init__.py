"""Side-by-side benchmarks: measurement, table and chart. The benchmarks themselves lie in experiments/benchmarks/.

On the command line ``graphml bench``; a benchmark takes its :func:`graphml.bench.measure.compare`. Nothing is imported
here, so that ``graphml bench --help`` answers at once.
"""
