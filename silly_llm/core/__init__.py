"""What every phase stands on: recipes, components, output folders, the console."""
