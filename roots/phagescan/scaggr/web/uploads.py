"""How a file is received."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.conf import settings
from django.core.files.uploadhandler import SkipFile, TemporaryFileUploadHandler
from django.http import HttpRequest

from scaggr.web import room
from scaggr.web.errors import SubmitError, not_kept
from shared.text import clean_name


class SampleUploadHandler(TemporaryFileUploadHandler):
    """Receives a file beside the samples, and of one that is too big no more than shows it.

    What goes wrong is kept in `refused` and the rest of the request read: where the form is parsed is Django's to
    choose, and no place from which the client would hear of it. So one file that fails has all of the request refused.
    """

    refused: SubmitError | None = None

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        """Begin a file. Its name stays out of the temporary file's, which would take over a suffix of any length."""
        with self._refusing():
            super().new_file(field_name, "sample", *args, **kwargs)
        self.file.name = clean_name(file_name)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Write what may become a sample. The parser counts what is left out here: the file's size is the true one."""
        if start <= settings.MAX_SAMPLE_SIZE:
            with self._refusing():
                room.need(len(raw_data), settings.FILE_UPLOAD_TEMP_DIR)
                super().receive_data_chunk(raw_data, start)

    def file_complete(self, file_size: int) -> Any:
        """End a file: what Python has kept in memory is written now."""
        with suppress(SkipFile), self._refusing():
            return super().file_complete(file_size)
        return None

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Skip a file that cannot be written, and all after it."""
        if self.refused:
            raise SkipFile
        try:
            yield
        except SubmitError as error:
            self.refused = error
        except OSError as error:
            self.refused = not_kept(error)
        if self.refused:
            with suppress(OSError, AttributeError):  # it writes again as it closes; there is none yet
                self.file.close()
            raise SkipFile


def received(request: HttpRequest) -> list[Any]:
    """Return the files of a request's field `file`: all that it has, or the reason why not is raised."""
    files = request.FILES.getlist("file")
    for handler in request.upload_handlers:
        if refused := getattr(handler, "refused", None):
            raise refused
    return files


def clean_up(request: HttpRequest) -> None:
    """Remove the file that was being received when a request broke off: it would last as long as Python's memory."""
    for handler in getattr(request, "_upload_handlers", ()):
        handler.upload_interrupted()
