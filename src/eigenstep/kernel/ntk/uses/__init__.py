"""Formulas for the gradients of single samples, one for each way in which parameters meet data."""
