"""What a study compares, in the words of its commands and its report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Nouns and phrases: whatever differs between reports on different kinds of arms."""

    singular: str
    plural: str
    topic: str
    """What such a study is of."""
    index_section: str
    """The table of the index that names such studies."""
    question: str
    """The tail of the report's title."""
    condition: str
    """Under which the arms are compared."""
    tuned: str
    """What a search finds."""
    tuned_verb: str
    chosen: str
    """The heading of a column with what a search found."""
    untuned: str
    """What a tuned configuration is compared with."""
    as_untuned: str
    of_untuned: str
    """After "test accuracy"."""
    untuned_column: str
    reasons: str
    """What introduces why each arm is searched as it is."""
    tuning_picture: str
    """What the picture of untuned beside tuned shows."""
    untuned_note: str
    network: str
    """Of the protocol card: what is trained."""
    not_tuned: str
    """Of the protocol card: what nobody searched."""


def of_optimizers(*, is_learning_rate_alone: bool, parameters: int) -> Subject:
    """Return the words for a study of optimizers on a network of so many parameters."""
    alone = is_learning_rate_alone
    return Subject(
        singular="optimizer",
        plural="optimizers",
        topic="optimizers",
        index_section="studies",
        question="which one, and "
        + ("at which learning rate" if alone else "with which parameters"),
        condition=f"with the seed's {parameters:,}-parameter network",
        tuned="learning rate" if alone else "parameters",
        tuned_verb="is" if alone else "are",
        chosen="learning rate" if alone else "parameters",
        untuned="library default",
        as_untuned="at its library default",
        of_untuned="at the default",
        untuned_column="default rate" if alone else "default",
        reasons="Why these ranges",
        tuning_picture="test error at the library default and tuned",
        untuned_note="Library defaults run under the same schedule, for which their rate is the "
        "peak."
        if alone
        else "Untuned is what the search space names as the default, and the library's default "
        "for the rest; a rate is the peak of its schedule.",
        network=f"the seed's `Net`, {parameters:,} parameters, torch's default initialisation",
        not_tuned="momentum, betas, epsilon, weight decay (library defaults, or the registry's "
        "entry), batch size, schedule, length, network. Another search space may rank otherwise "
        "(Choi et al. 2019)"
        if alone
        else "whatever is not listed as searched (its library's default), length, network. "
        "Another search space may rank otherwise (Choi et al. 2019)",
    )


def of_architectures(*, optimizer: str, limits: str) -> Subject:
    """Return the words for a study of families of architectures."""
    return Subject(
        singular="family",
        plural="families",
        topic="architectures",
        index_section="architectures",
        question="which family, and in which shape",
        condition=f"with {limits}, trained by {optimizer}",
        tuned="architecture and learning rate",
        tuned_verb="are",
        chosen="architecture",
        untuned="named network",
        as_untuned="as its named network",
        of_untuned="of the named network",
        untuned_column="named network",
        reasons="What these families are",
        tuning_picture="test error of the named network and of the best found",
        untuned_note="Named networks are those of `python -m mnist_core describe`, at the "
        f"library's default learning rate for {optimizer} under the same schedule, for which it "
        "is the peak.",
        network=f"one of a family; those searched have {limits}, and what fits at no width from "
        "4 upwards is passed over; torch's default initialisation",
        not_tuned=f"the optimizer ({optimizer}, library defaults), batch size, schedule, length, "
        "kernel sizes, widths of the stages relative to each other. Another search space may "
        "rank otherwise",
    )
