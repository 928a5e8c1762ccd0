"""What a study compares, in the words of its commands and its report."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Nouns, which differ between studies of different kinds of arms."""

    singular: str
    plural: str
    topic: str
    """What such a study is of: its report is made from the template of that name."""
    index_section: str
    """The table of the index that names such studies."""
    tuned: str
    """What a search finds."""
    chosen: str
    """The heading of a column with what a search found."""
    untuned: str
    """What a tuned configuration is compared with."""


LEARNING_RATES = Terms(
    singular="optimizer",
    plural="optimizers",
    topic="optimizers",
    index_section="studies",
    tuned="learning rate",
    chosen="learning rate",
    untuned="library default",
)
OPTIMIZERS = replace(LEARNING_RATES, tuned="parameters", chosen="parameters")
ARCHITECTURES = Terms(
    singular="family",
    plural="families",
    topic="architectures",
    index_section="architectures",
    tuned="architecture and learning rate",
    chosen="architecture",
    untuned="named network",
)
