"""The only rooms that touch RecBole."""
