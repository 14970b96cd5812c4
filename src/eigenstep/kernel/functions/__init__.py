"""Kernel functions on blocks of rows, by name or from the user."""
