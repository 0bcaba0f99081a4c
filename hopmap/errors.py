"""What goes wrong because of what a person gave us: told in one line, with what to do."""


class UserError(Exception):
    """A fault that its reader can mend. The command prints it as one line and exits with code 2."""


def one_line(error: BaseException) -> str:
    """The error as a single line of text, never empty."""
    text = " ".join(str(error).split())
    return text or type(error).__name__
