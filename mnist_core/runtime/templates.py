"""Where the pages of studies and benchmarks come from: Jinja2 templates of a package.

Importing it does not import Jinja2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment


def markdown_templates(package: str, *, filters: Mapping[str, Callable[..., Any]]) -> Environment:
    """Return the environment of the templates in a package's folder `templates`. A name that a
    template does not know is an error, and nothing is escaped as HTML."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(package),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters |= filters
    return environment
