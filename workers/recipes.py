"""Recipes by name: every number that shapes a round, read from the TOML files in ``workers/recipes``.

Light on purpose: the web lists recipes and shows what a round will do, so nothing here loads torch.
A new recipe is a new TOML file; its name is the file's.
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from workers.specs import Recipe

RECIPES = Path(__file__).resolve().parent / "recipes"
# The recipe of the demo comes first, then the published ones; others follow by name.
_ORDER = ("quick", "lab", "merlinite", "stacked")


class RecipeProblem(ValueError):
    """A recipe is unknown or its file is wrong; the message says which and what to do."""


def recipe_names(folder: Path = RECIPES) -> tuple[str, ...]:
    """Names of all recipes, the quick one first."""
    found = sorted(path.stem for path in folder.glob("*.toml"))
    return tuple(sorted(found, key=lambda name: _ORDER.index(name) if name in _ORDER else len(_ORDER)))


def recipe(name: str, folder: Path = RECIPES) -> Recipe:
    """The recipe of that name.

    Raises:
        RecipeProblem: no such recipe, or its file does not describe one.
    """
    # The name comes from forms and command lines: it is looked up among the names, never joined to a path unchecked.
    if name not in recipe_names(folder):
        raise RecipeProblem(f"There is no recipe {name!r}. Choose one of: {', '.join(recipe_names(folder))}.")
    return _read(folder / f"{name}.toml")


@cache
def _read(path: Path) -> Recipe:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeProblem(f"The recipe file {path.name} cannot be read: {error}.") from error
    if "name" in data:
        raise RecipeProblem(f"The recipe file {path.name} has a name of its own; remove it, the file's name counts.")
    try:
        return Recipe.model_validate({"name": path.stem, **data})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the recipe"
        raise RecipeProblem(f"The recipe file {path.name} is wrong at {place}: {first['msg']}.") from error
