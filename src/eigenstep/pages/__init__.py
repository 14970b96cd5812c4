"""What every page that is written has: one look, and nothing that refers to another file or address."""

from eigenstep.pages._page import page

__all__ = ["page"]
