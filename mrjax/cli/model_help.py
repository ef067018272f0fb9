"""What `mrjax fit --help` says of its models, as these say it themselves."""

import argparse
import dataclasses
import textwrap
from collections.abc import Callable
from typing import Any

from mrjax.cli.acquisition import Acquisition
from mrjax.cli.contrasts import Contrast, Known
from mrjax.signals.models import SignalModel

WIDTH = 110


class ContrastHelp(argparse.Action):
    """Help of one contrast, or of all of them, with what each needs and gives."""

    def __init__(self, option_strings: Any, dest: str, contrasts: Any, parser_of: Any, **options: Any):
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help="this help", **options)
        self.contrasts: dict[str, Contrast] = contrasts
        self.parser_of: Callable[[Contrast], argparse.ArgumentParser] = parser_of

    def __call__(self, parser: argparse.ArgumentParser, namespace: Any, values: Any, option_string: Any = None) -> None:
        # here, so that JAX makes models for those alone who ask
        parser.epilog = "\n".join(
            ["models:", *(of_contrast(one, self.parser_of(one)) for one in self.contrasts.values())]
        )
        parser.print_help()
        parser.exit()


def example_words(contrast: Contrast) -> list[str]:
    """Of a command line that the contrast could be fitted with, from its settings."""
    settings = [] if contrast.read is not None or contrast.samples is None else [contrast.samples, *contrast.needed]
    own = contrast.example.split()
    words = [word for one in settings if one.option not in own for word in (one.option, *one.example.split())]
    return ["images.nii.gz", *words, *own]


def example_model(contrast: Contrast, parser: argparse.ArgumentParser) -> SignalModel:
    """The model of that command line, with maps at their defaults."""
    options = parser.parse_args(example_words(contrast))
    played = (
        Acquisition(dict(contrast.example_values), "", ()) if contrast.example_values else contrast.acquired(options)
    )
    return contrast.model(Known(played, options, {}))


def of_contrast(contrast: Contrast, parser: argparse.ArgumentParser) -> str:
    """A paragraph: what the model needs, may be told, and gives, each with its unit."""
    model = example_model(contrast, parser)
    fields = [
        field for field in dataclasses.fields(model) if "unit" in field.metadata and field.type not in (str, bool)
    ]
    named = lambda chosen: [_with_unit(field.metadata["meaning"], field.metadata["unit"]) for field in chosen]
    known = [field for field in fields if field.default is not dataclasses.MISSING]
    gives = [_with_unit(one.name, one.unit) for one in model.parameters]
    gives += [_with_unit(one.name, one.unit) for one in contrast.derived]
    lines = {
        "needs": named(field for field in fields if field not in known),
        "takes": named(known),
        "gives": gives,
        "as in": [f"mrjax fit {contrast.name} {' '.join(example_words(contrast))}"],
    }
    title = ", ".join([contrast.name, *contrast.aliases])
    paragraph = [f"  {title}: {contrast.help}"]
    for name, entries in lines.items():
        if entries:
            indent = " " * 12
            paragraph.append(
                textwrap.fill(", ".join(entries), WIDTH, initial_indent=f"      {name} ", subsequent_indent=indent)
            )
    return "\n".join(paragraph)


def _with_unit(name: str, unit: str) -> str:
    return f"{name} ({unit})" if unit else name
