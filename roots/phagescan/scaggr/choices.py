"""Django's TextChoices, in a form that a type checker knows without types of Django's own."""

from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Self

from django.db import models

if TYPE_CHECKING:

    class TextChoices(str, Enum):  # noqa: UP042
        """A text with a label."""

        choices: ClassVar[list[tuple[str, str]]]
        values: ClassVar[list[str]]
        label: str

        def __new__(cls, value: str, label: str) -> Self:
            """Have the text as value."""

else:
    TextChoices = models.TextChoices
