"""The arms in the sandbox: tests, metrics, interleaving and the verdict.

Entry points: `tests.run_tests`, `tests.unusable`, `tests.judge`; `bench.BenchRunner`;
`metrics.exact_baseline`, `metrics.measure_all`; `verdict.conclude`.
"""
