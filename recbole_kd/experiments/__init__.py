"""Many runs: searches, comparisons, reports."""
