"""The subcommand `recipes`."""

import tyro


def recipes(name: tyro.conf.Positional[str | None] = None) -> None:
    """List the recipes for `train --recipe`, or print one as YAML, to be copied to a file and edited.

    Parameters
    ----------
    name : tyro.conf.Positional[str | None]
        The recipe to print; default: a table of all.
    """
    from eigenstep.training.recipes import load_recipe, recipe_names, recipe_text

    if name is not None:
        print(recipe_text(name), end="")
        return
    rows = [("recipe", "loss", "backbone", "batch", "length", "optimiser")]
    for each in recipe_names():
        config = load_recipe(each)
        length = f"{config.epochs} epochs" if config.epochs else f"{config.steps} steps"
        rows.append(
            (each, config.loss, config.backbone, str(config.batch_size), length, config.optimizer.name)
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
