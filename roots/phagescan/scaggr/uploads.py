"""How a file is received."""

from typing import Any

from django.conf import settings
from django.core.files.uploadhandler import TemporaryFileUploadHandler

from scaggr.text import clean_name


class SampleUploadHandler(TemporaryFileUploadHandler):
    """Receives a file beside the samples, and of one that is too big no more than shows it."""

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        """Begin a file. Its name stays out of the temporary file's, which would take over a suffix of any length."""
        super().new_file(field_name, "sample", *args, **kwargs)
        self.file.name = clean_name(file_name)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Write what may become a sample. The parser counts what is left out here: the file's size is the true one."""
        if start <= settings.MAX_SAMPLE_SIZE:
            super().receive_data_chunk(raw_data, start)
