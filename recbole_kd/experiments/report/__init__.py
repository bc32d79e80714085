"""What a person looks at when runs have ended: tables, curves, pages of pictures."""
