"""The environment of Jinja2 in which the pages of studies and of benchmarks are made."""

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def markdown_templates(package: str, *, filters: Mapping[str, Callable[..., Any]]) -> Environment:
    """Return the environment of a package's templates, in which an unknown name is an error."""
    environment = Environment(
        loader=PackageLoader(package),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown
    )
    environment.filters |= filters
    return environment
