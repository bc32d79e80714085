"""What every room may use: errors, files, digests, settings. Nothing here knows a recommender."""
