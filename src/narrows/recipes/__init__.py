"""Recipes: one experiment each, as a TOML file. ``recipe.py`` reads and checks them."""
