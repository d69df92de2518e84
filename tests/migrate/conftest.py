"""The applications in `apps` have test suites of their own, which `test_apps` runs; they are none of this suite's."""

collect_ignore = ["apps"]
