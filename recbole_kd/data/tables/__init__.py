"""Tables that people have: CSV, JSON lines and Parquet, told by what they hold, and read by blocks of rows."""
