"""Work that was asked to stop and can go on later."""


class Stopped(RuntimeError):
    """Work has stopped in order and nothing is lost; the command line ends with a code of its own."""
