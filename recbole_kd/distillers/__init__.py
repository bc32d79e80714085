"""What a student learns from a teacher: pure losses, and one distiller a file."""
