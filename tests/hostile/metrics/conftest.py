"""The benchmarks are data here: they run in the sandbox, never as tests of the harness."""

collect_ignore = ["ledgerkit", "orderdesk"]
