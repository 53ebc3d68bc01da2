"""The one exception type that user-facing code raises for bad input."""


class FlowError(Exception):
    """Bad input from the user: a file, a field or an option that cannot be used.

    The message is one line that names the file or field, says what was expected and what to do.
    The command line prints it without a traceback and exits with status 2.
    """
