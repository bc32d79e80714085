"""What finished runs leave: records, rows of a table, values of each user."""
