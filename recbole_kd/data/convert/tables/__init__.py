"""A table of interactions as shops keep them (CSV, JSON lines, Parquet), read block by block and told what is wrong."""
