"""Help: an example for every command, the true defaults, and no waiting for torch."""

import inspect
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, get_args, get_type_hints

import pytest
import typer.main
from typer.core import TyperGroup

from dispatch.cli import app
from dispatch.cli.generate import generate
from dispatch.cli.models import presets
from dispatch.cli.train import train
from dispatch.decoding import DecodingConfig
from dispatch.model import TokenizerConfig
from training.presets import PRESETS
from training.trainer import TrainConfig


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(command, TyperGroup):
        for name, below in command.commands.items():
            yield from commands(below, (*words, name))
    else:
        yield words


@pytest.mark.parametrize("words", list(commands(typer.main.get_command(app))), ids=" ".join)
def test_help_has_an_example(dispatch: Any, words: tuple[str, ...]) -> None:
    result = dispatch(*words, "--help")
    assert result.exit_code == 0
    assert f"Example: dispatch {' '.join(words)}" in " ".join(result.stdout.split())


@pytest.mark.parametrize(
    ("command", "config"), [(generate, DecodingConfig), (train, TrainConfig)], ids=["generate", "train"]
)
def test_defaults_are_those_of_the_config(command: Any, config: Any) -> None:
    parameters = inspect.signature(command).parameters
    shared = [field for field in fields(config) if field.name in parameters]
    assert len(shared) > 5
    assert {field.name: parameters[field.name].default for field in shared} == {
        field.name: field.default for field in shared
    }


def test_defaults_of_the_vocabulary_are_those_of_the_tokenizer() -> None:
    parameters = inspect.signature(train).parameters
    assert parameters["tokenizer_type"].default == TokenizerConfig().model_type
    assert parameters["vocab_size"].default == TokenizerConfig().vocab_size
    assert inspect.signature(presets).parameters["vocab_size"].default == TokenizerConfig().vocab_size


def test_the_presets_of_training_can_be_chosen() -> None:
    assert set(get_args(get_type_hints(train)["preset"])) == set(PRESETS)


def test_help_imports_nothing_that_is_slow() -> None:
    program = (
        "import sys; from dispatch.cli import app; "
        "print(sorted({'torch', 'grpc', 'sqlalchemy', 'sentencepiece', 'alembic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
