"""What goes wrong with a file that something is inside."""


class ReadError(Exception):
    """It, or a member, could not be read, or not to its end; `reason` is one of frames.REASONS."""

    def __init__(self, said: str, reason: str) -> None:
        """Take what is said of it, and why."""
        super().__init__(" ".join(said.split()))
        self.reason = reason
