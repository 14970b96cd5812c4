"""Recipes: complete configurations by name, a YAML file each, whose head says where its numbers come from."""

from eigenstep.training.recipes._load import load_recipe, recipe_names, recipe_text

__all__ = ["load_recipe", "recipe_names", "recipe_text"]
