"""A trained teacher's scores on disk: written once, read by any number of students."""
