"""RecBole's atomic files as people write them: read once, checked as they are read. Nothing here knows RecBole."""
